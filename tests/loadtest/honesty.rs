//! Are the figures true? The pod keeps a log of its own to hold them against, and both sides are stopped
//! in the middle.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::bench::{Pod, Running, alone, is_believed, number, result, run, until_believed};
use super::house::Folder;
use super::targets::http2_gateway;

/// The share by which a percentile may differ from the pod's own.
const TOLERANCE: f64 = 0.02;
/// Answers that the pod wrote later than this after they were due say that the machine was busy.
const POD_LATENESS_MS_MAX: f64 = 1.0;

/// What the pod wrote down of one request, in ms.
struct Logged {
    took: f64,
    late: f64,
}

fn read_log(text: &str) -> Vec<Logged> {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("arrival_ns,due_ns,written_ns,status"));
    lines
        .map(|line| {
            let columns: Vec<f64> = line
                .split(',')
                .map(|column| column.parse().unwrap())
                .collect();
            assert_eq!(columns[3], 200.0);
            Logged {
                took: (columns[2] - columns[0]) / 1e6,
                late: (columns[2] - columns[1]) / 1e6,
            }
        })
        .collect()
}

/// The value with at least this share of all at or below it.
fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() as f64 * share).ceil() as usize;
    values[rank.max(1) - 1]
}

fn write_plan(folder: &Folder, pod: &Pod, load: &str) {
    write_plan_to(folder, &format!("target: \"http://{}\"", pod.address), load);
}

fn write_plan_to(folder: &Folder, target: &str, load: &str) {
    folder.write(
        "plan.yaml",
        &format!(
            "{target}\nallow: [\"127.0.0.1\"]\nrequests: [{{path: /feed}}]\nload: {load}\n\
             objective: {{p99: 400ms, success_rate: 99%}}\noutput: {{json: {}}}\n",
            folder.text_path("out.json")
        ),
    );
}

#[test]
fn percentiles_are_those_of_the_pods_own_log() {
    let _turn = alone();
    let (found, log) = until_believed(|| {
        let folder = Folder::new();
        let log = folder.text_path("pod.csv");
        let pod = Pod::start(&[
            "--pool",
            "200",
            "--service",
            "exponential:25ms",
            "--log",
            &log,
        ]);
        write_plan(
            &folder,
            &pod,
            "{rate: 400/s, arrivals: poisson, duration: 10s}",
        );
        let ended = run(&folder, "plan.yaml");
        pod.stop();
        let found = result(&folder, "out.json");
        if !is_believed(&found) || found["left_out"] != 0 {
            return Err(format!("{:?}: {}", ended.code, found["invalid"]));
        }
        let log = read_log(&folder.read("pod.csv"));
        // What was tried before the load is in the log too.
        let sent = found["total"]["sent"].as_u64().unwrap() as usize;
        assert!(
            (sent + 1..=sent + 3).contains(&log.len()),
            "{sent} sent, {} came",
            log.len()
        );
        let log: Vec<Logged> = log.into_iter().rev().take(sent).collect();
        let lateness = quantile(log.iter().map(|logged| logged.late).collect(), 0.99);
        if lateness > POD_LATENESS_MS_MAX {
            return Err(format!("the pod answered {lateness} ms late"));
        }
        Ok((found, log))
    });
    let took: Vec<f64> = log.iter().map(|logged| logged.took).collect();
    for (share, name) in [(0.9, "p90_ms"), (0.99, "p99_ms"), (0.999, "p999_ms")] {
        let own = quantile(took.clone(), share);
        for times in ["latency", "service"] {
            let seen = number(&found, &format!("/total/{times}/{name}"));
            assert!(
                (seen / own - 1.0).abs() <= TOLERANCE,
                "{times} {name}: {seen} ms seen, {own} ms in the pod's log of {} calls",
                took.len()
            );
        }
    }
    // It is a distribution of 25 ms on average, not of something else that agrees.
    assert!((quantile(took, 0.5) - 25.0 * 2_f64.ln()).abs() < 3.0);
}

#[test]
fn a_pause_of_the_pod_is_waited_for_by_everybody_who_comes_meanwhile() {
    let _turn = alone();
    let pod = Pod::start(&["--service", "2ms"]);
    let folder = Folder::new();
    write_plan(&folder, &pod, "{rate: 100/s, duration: 8s}");
    let (found, paused_ms) = until_believed(|| {
        let mut running = Running::start(&["loadtest", "run", &folder.text_path("plan.yaml")]);
        running.hear_seconds(3);
        let began = Instant::now();
        pod.signal("STOP");
        std::thread::sleep(Duration::from_secs(1));
        pod.signal("CONT");
        let paused_ms = began.elapsed().as_secs_f64() * 1e3;
        let ended = running.end();
        let found = result(&folder, "out.json");
        if !is_believed(&found) || found["left_out"] != 0 {
            return Err(format!("{:?}: {}", ended.code, found["invalid"]));
        }
        assert_eq!(ended.code, Some(99), "{}", ended.said);
        Ok((found, paused_ms))
    });
    // A hundred of the 800 calls came due in the pause and waited for its rest: an eighth of all, evenly
    // from nothing to a second. A caller who waits for his answer would have made one slow call.
    let total = &found["total"];
    assert!(
        total["missed"].as_u64().unwrap() <= 4,
        "callers still come: {total}"
    );
    assert_eq!(total["failures"], serde_json::json!({}));
    let latency = |name: &str| number(&found, &format!("/total/latency/{name}"));
    assert!(
        (900.0..=paused_ms + 200.0).contains(&latency("max_ms")),
        "{total}"
    );
    assert!((800.0..=paused_ms).contains(&latency("p99_ms")), "{total}");
    assert!((300.0..=paused_ms).contains(&latency("p95_ms")), "{total}");
    assert!(latency("p50_ms") < 100.0, "{total}");
    assert!(
        number(&found, "/total/lag/p99_ms") < 20.0,
        "it is not the generator's: {total}"
    );
}

#[test]
fn a_pause_of_the_generator_is_never_the_pods() {
    let _turn = alone();
    let pod = Pod::start(&["--service", "2ms"]);
    let folder = Folder::new();
    let (_gateway, port) = http2_gateway(&folder);
    let http1 = format!("target: \"http://{}\"", pod.address);
    let http2 = format!("target: {{url: \"http://127.0.0.1:{port}\", protocol: http2}}");
    let rate = "{rate: 200/s, duration: 10s}";
    let closed = "{closed: {connections: 4}, duration: 10s}";
    for (target, load) in [
        (&http1, rate),
        (&http1, closed),
        (&http2, rate),
        (&http2, closed),
    ] {
        write_plan_to(&folder, target, load);
        let mut running = Running::start(&["loadtest", "run", &folder.text_path("plan.yaml")]);
        running.hear_seconds(3);
        running.signal("STOP");
        std::thread::sleep(Duration::from_secs(1));
        running.signal("CONT");
        let ended = running.end();
        let found = result(&folder, "out.json");
        let is_invalid = !is_believed(&found);
        assert_eq!(
            ended.code,
            Some(if is_invalid { 98 } else { 0 }),
            "{target} {load}: {}",
            ended.said
        );
        // Either the seconds that it slept through are left out, or nothing is believed.
        let left_out = found["left_out"].as_u64().unwrap();
        assert!(is_invalid || left_out >= 1, "{target} {load}: {found}");
        let total = &found["total"];
        assert!(
            number(total, "/latency/max_ms") < 400.0,
            "{target} {load}: {total}"
        );
        assert!(
            number(total, "/service/max_ms") < 400.0,
            "{target} {load}: {total}"
        );
        // The pause itself is not hidden: second by second it is there, as the generator's.
        let seconds = found["seconds"].as_array().unwrap();
        let highest = |of: fn(&Value) -> f64| seconds.iter().map(of).fold(0.0, f64::max);
        if load.contains("rate") {
            let missed: f64 = seconds
                .iter()
                .map(|second| number(second, "/intended") - number(second, "/sent"))
                .sum();
            assert!(
                missed > 100.0,
                "200 slots of its pause were not sent: {found}"
            );
        }
        let slowest = highest(|second| number(second, "/max_ms"));
        assert!(
            slowest < 400.0,
            "{target} {load}: a second claims {slowest} ms of the pod: {found}"
        );
    }
}
