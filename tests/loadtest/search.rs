//! Does a search find what a pod carries? The pod is modelled, so the truth is known.

use std::time::Duration;

use serde_json::Value;

use super::bench::{Pod, Running, alone, number, result};
use super::house::Folder;

/// How far from the truth a confirmed capacity may lie.
const TOLERANCE: f64 = 0.05;
/// Longer than any of the searches takes, trials that a busy machine spoils included.
const SEARCH_MAX: Duration = Duration::from_mins(20);

/// A pod of known capacity and the search that is sent to find it.
struct Known {
    capacity: f64,
    start: &'static str,
    max: &'static str,
    precision: f64,
    /// More than some machines can send: the search may then end without the pod's being the reason.
    beyond_some_machines: bool,
}

#[test]
fn the_capacity_of_a_pod_is_found_or_it_is_said_why_not() {
    let _turn = alone();
    let small = Known {
        capacity: 40.0,
        start: "30/s",
        max: "150/s",
        // Forty calls per second take half a minute to show a percentile; halving further takes minutes.
        precision: 0.2,
        beyond_some_machines: false,
    };
    let medium = Known {
        capacity: 300.0,
        start: "120/s",
        max: "1000/s",
        precision: 0.05,
        beyond_some_machines: false,
    };
    let large = Known {
        capacity: 5_000.0,
        start: "2000/s",
        max: "12000/s",
        precision: 0.05,
        beyond_some_machines: true,
    };
    // The two that hardly need a CPU search at the same time.
    std::thread::scope(|scope| {
        scope.spawn(|| search(&small));
        scope.spawn(|| search(&medium));
    });
    search(&large);
}

#[allow(clippy::print_stdout)] // what was found, for whoever asks with --nocapture
fn search(known: &Known) {
    let capacity = format!("{}/s", known.capacity);
    let pod = Pod::start(&["--capacity", &capacity, "--p99", "100ms"]);
    let folder = Folder::new();
    let plan = folder.write(
        "plan.yaml",
        &format!(
            "function: guide/feed\ntarget: \"http://{}\"\nallow: [\"127.0.0.1\"]\nrequests: [{{path: /feed}}]\n\
             load: {{arrivals: poisson, timeout: 5s}}\nobjective: {{p99: 100ms, success_rate: 99%}}\n\
             capacity: {{start: {}, max: {}, precision: {}%, soak: 20s, searches: 1}}\noutput: {{json: {}}}\n",
            pod.address,
            known.start,
            known.max,
            known.precision * 100.0,
            folder.text_path("out.json")
        ),
    );
    let ended = Running::start(&["loadtest", "capacity", &plan]).end_within(SEARCH_MAX);
    let found = result(&folder, "out.json");
    let verdict = found["verdict"].as_str().unwrap();
    let shown = format!("{capacity}: {}\n{}", trials(&found), ended.said);
    println!("{capacity}: {}", trials(&found));
    match verdict {
        "Confirmed" => {
            assert_eq!(ended.code, Some(0), "{shown}");
            let (low, high) = (number(&found, "/low"), number(&found, "/high"));
            assert!(low <= high, "{shown}");
            assert!(
                low <= known.capacity * (1.0 + TOLERANCE)
                    && high >= known.capacity * (1.0 - TOLERANCE),
                "confirmed between {low} and {high}, it is {}\n{shown}",
                known.capacity
            );
            assert!(
                high / low <= 1.0 + known.precision + 1e-6,
                "the bracket is wide: {low} to {high}\n{shown}"
            );
        }
        "AtLeast" => {
            assert_eq!(ended.code, Some(0), "{shown}");
            let low = number(&found, "/low");
            assert!(
                low <= known.capacity * (1.0 + TOLERANCE),
                "at least {low}\n{shown}"
            );
            assert_reason(&found, known, &shown);
        }
        "Noisy" | "Invalid" => {
            assert_eq!(ended.code, Some(98), "{shown}");
            assert!(
                found["per_pod"].is_null() && found["limits"].is_null(),
                "{shown}"
            );
            assert_reason(&found, known, &shown);
        }
        other => panic!("{other} is no verdict\n{shown}"),
    }
}

/// What is not confirmed must be the generator's or the noise's doing, in so many words.
#[track_caller]
fn assert_reason(found: &Value, known: &Known, shown: &str) {
    let why = found["why"].as_str().unwrap();
    let is_honest = ["generator", "something else than the load", "contradict"]
        .iter()
        .any(|word| why.contains(word));
    assert!(
        is_honest || known.beyond_some_machines && !why.is_empty(),
        "{why}\n{shown}"
    );
}

/// The trials of a search, a line each.
fn trials(found: &Value) -> String {
    let searches = found["searches"].as_array().unwrap().iter();
    let trials = searches.flat_map(|search| search["trials"].as_array().unwrap());
    let lines = trials.map(|trial| {
        let of = |name: &str| trial[name].as_str().unwrap().to_owned();
        format!(
            "{} {:.1}/s: {}, {}",
            of("purpose"),
            number(trial, "/rate"),
            of("class"),
            of("why")
        )
    });
    format!(
        "{} {}\n{}",
        found["verdict"],
        found["why"],
        lines.collect::<Vec<_>>().join("\n")
    )
}
