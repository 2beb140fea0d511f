//! Runs and searches over real sockets, against the built-in pods.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{Context, Observer, RunError, Unwatched, find_capacity, intentions, run};
use crate::engine::{RunClock, Stop};
use crate::plan::{self, Plan};
use crate::result::{RunResult, Second, Subject, Verdict};
use crate::serve::model::{self, ModelPlan, ServiceTime};
use crate::tally::Tally;

fn read(text: &str) -> Plan {
    plan::read("plan.yaml", text, Path::new("."), |_| None)
        .unwrap_or_else(|problems| panic!("{problems}"))
}

fn context<'a>(stop: &Arc<Stop>, observer: &'a mut dyn Observer) -> Context<'a> {
    Context {
        clock: RunClock::start(),
        stop: Arc::clone(stop),
        observer,
        production: None,
        permission_key: None,
        workers: None,
    }
}

fn run_plan(text: &str) -> Result<RunResult, RunError> {
    let (stop, mut observer) = (Stop::new(), Unwatched);
    run(&read(text), &mut context(&stop, &mut observer)).map(|(result, _)| result)
}

fn pod(workers: u32, service: Duration) -> crate::serve::Serving {
    model::spawn(ModelPlan {
        workers,
        service: ServiceTime::Constant(service),
        ..ModelPlan::default()
    })
    .unwrap()
}

fn plan_for(address: std::net::SocketAddr, rest: &str) -> String {
    format!(
        "target: {{url: \"http://{address}\"}}\nallow: [\"127.0.0.0/8\"]\nrequests: [{{method: GET, path: /feed}}]\n{rest}"
    )
}

#[test]
fn a_load_within_the_objective() {
    let pod = pod(8, Duration::from_millis(5));
    let result = run_plan(&plan_for(
        pod.address(),
        "load: {rate: 200/s, arrivals: constant, warm_up: 1s, duration: 2s}\nobjective: {p99: 2s, success_rate: 99%}",
    ))
    .unwrap();
    // On a busy machine some seconds are left out of the totals, never of the list.
    let counted = result.seconds.iter().filter(|second| !second.warm_up);
    let due: f64 = counted.clone().map(|second| second.intended).sum();
    let ok: f64 = counted.map(|second| second.ok).sum();
    assert!(
        (350.0..450.0).contains(&due) && ok > 0.0,
        "{due} due, {ok} ok"
    );
    assert!(result.total.failures.is_empty() && result.total.unexpected == 0);
    assert!(
        result.total.ok == 0 || result.thresholds.iter().all(|threshold| threshold.held),
        "{:?}",
        result.thresholds
    );
    assert_eq!(result.thresholds.len(), 2);
    assert!(
        result.total.ok == 0 || result.total.service.p50_ms >= 4.9,
        "{:?}",
        result.total.service
    );
    assert!(result.seconds.first().unwrap().warm_up && !result.seconds.last().unwrap().warm_up);
    assert_eq!(result.load, "open, even, 200/s for 2s");
    assert_eq!(result.stopped, None);
}

#[test]
fn more_than_the_pod_carries_misses_the_objective() {
    // Two workers of 20 ms carry 100/s; 300/s queue up.
    let pod = pod(2, Duration::from_millis(20));
    let result = run_plan(&plan_for(
        pod.address(),
        "load: {rate: 300/s, duration: 2s}\nobjective: {p99: 100ms, success_rate: 99%}",
    ))
    .unwrap();
    assert!(!result.thresholds[0].held, "{:?}", result.thresholds);
    let slowest = result
        .seconds
        .iter()
        .map(|second| second.p99_ms)
        .fold(0.0, f64::max);
    assert!(slowest > 500.0, "{slowest}");
}

#[test]
fn callers_of_the_closed_model() {
    let pod = pod(4, Duration::from_millis(10));
    let result = run_plan(&plan_for(
        pod.address(),
        "load: {closed: {connections: 4}, duration: 1s}",
    ))
    .unwrap();
    let ok: f64 = result.seconds.iter().map(|second| second.ok).sum();
    assert!(ok > 50.0, "{:?}", result.seconds);
    // On a busy machine seconds may be left out of the totals, all of them too.
    let at_once = result.total.in_flight_max;
    assert!(
        at_once <= 4 && (at_once >= 1 || result.left_out > 0),
        "{at_once}, {} left out",
        result.left_out
    );
}

#[test]
fn nothing_more_is_sent_when_the_first_request_fails() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = run_plan(&plan_for(gone, "load: {rate: 10/s, duration: 1s}")).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("nobody listens at {gone}; nothing more was sent")
    );

    let pod = pod(1, Duration::from_millis(1));
    let address = pod.address();
    // The built-in pod answers 200 with JSON.
    for (expected, answered) in [
        ("status: 201", "200; the plan expects 201"),
        ("status: [3xx, 204]", "200; the plan expects 204 or 3xx"),
        (
            "header: 'content-type: text/html'",
            "200 with content-type \"application/json\"; the plan expects content-type: text/html",
        ),
        (
            "header: 'x-shard ~ a.*'",
            "200 without x-shard; the plan expects x-shard ~ a.*",
        ),
        (
            "json: ['/ok exists', '/ok == false']",
            "200 with /ok true; the plan expects /ok == false",
        ),
        (
            "json: /items/0 exists",
            "200 without /items/0; the plan expects /items/0 exists",
        ),
    ] {
        let plan = format!(
            "target: {{url: \"http://{address}\"}}\nallow: [\"127.0.0.0/8\"]\nrequests: [{{method: GET, path: /feed, expect: {{{expected}}}}}]\nload: {{rate: 10/s, duration: 1s}}"
        );
        let error = run_plan(&plan).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("GET /feed at {address} answered {answered}; nothing more was sent")
        );
    }
}

#[test]
fn a_plan_says_what_it_is_good_for_and_is_not_run_without_a_load() {
    let address = "127.0.0.1:9".parse().unwrap();
    let both = plan_for(
        address,
        "load: {rate: 200/s, warm_up: 5s, duration: 20s}\nobjective: {p99: 100ms, success_rate: 99.9%}\ncapacity: {start: 20/s, max: 500/s, soak: 20s, searches: 1}",
    );
    let lines = intentions(&read(&both));
    assert_eq!(
        lines[0],
        "run: open, even, 200/s for 20s after 5s of warm-up"
    );
    let search = "capacity: 20/s to 500/s, p99 ≤ 100ms, success rate ≥ 99.9%, about ";
    let about = lines[1].strip_prefix(search).unwrap();
    let exact = crate::search::Search::new(
        read(&both).capacity,
        read(&both).objective.unwrap(),
        f64::INFINITY,
    )
    .planned_duration();
    assert!(
        exact.subsec_millis() > 0 && !about.contains("ms"),
        "{about}"
    );
    let bare = plan_for(
        address,
        "objective: {p99: 100ms, success_rate: 99.9%}\ncapacity: {start: 20/s, max: 500/s}",
    );
    let error = run_plan(&bare).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the plan has no load to send"),
        "{error}"
    );
}

#[test]
fn a_target_that_is_not_allowed_gets_nothing() {
    let text = "target: {url: \"http://127.0.0.1:9\"}\nallow: [\"10.0.0.0/8\"]\nrequests: [{method: GET, path: /}]\nload: {rate: 10/s, duration: 1s}";
    let error = run_plan(text).unwrap_err();
    assert!(matches!(error, RunError::Target(_)), "{error}");
    assert!(error.to_string().contains("127.0.0.1"), "{error}");
}

#[test]
fn production_needs_a_permission() {
    let pod = pod(1, Duration::from_millis(1));
    let text = format!(
        "target: {{url: \"http://{}\", production: true, permission_file: none.json}}\nallow: [\"127.0.0.0/8\"]\nrequests: [{{method: GET, path: /}}]\nload: {{rate: 10/s, duration: 1s}}",
        pod.address()
    );
    let error = run_plan(&text).unwrap_err().to_string();
    assert!(error.contains("RAMPART_PERMISSION_KEY"), "{error}");
}

/// Puts the kill file in place after the first second.
struct Kills(std::path::PathBuf, u32);

impl Observer for Kills {
    fn begun(&mut self, _: &Subject, _: &str, _: Duration) {}
    fn second(&mut self, _: &Second, _: &Tally) {
        self.1 += 1;
        std::fs::write(&self.0, "").unwrap();
    }
    fn note(&mut self, _: &str) {}
    fn ended(&mut self) {}
}

#[test]
fn the_kill_file_ends_a_run_and_its_result_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rampart.stop");
    let pod = pod(4, Duration::from_millis(1));
    let text = plan_for(
        pod.address(),
        &format!(
            "load: {{rate: 50/s, duration: 10m}}\nabort: {{kill_file: {}}}",
            file.display()
        ),
    );
    let (stop, mut observer) = (Stop::new(), Kills(file, 0));
    let (result, _) = run(&read(&text), &mut context(&stop, &mut observer)).unwrap();
    assert!(
        result.stopped.as_deref().unwrap().contains("kill file"),
        "{:?}",
        result.stopped
    );
    assert!(observer.1 < 60);
}

#[test]
fn a_search_that_is_stopped_says_what_it_knows() {
    let pod = pod(4, Duration::from_millis(10));
    let text = plan_for(
        pod.address(),
        "objective: {p99: 100ms, success_rate: 99%}\ncapacity: {start: 20/s, max: 1000/s, soak: 20s, searches: 1}",
    );
    let stop = Stop::new();
    let stopper = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            std::thread::sleep(Duration::from_secs(6));
            stop.raise("interrupted");
        }
    });
    let mut observer = Unwatched;
    let result = find_capacity(&read(&text), &mut context(&stop, &mut observer)).unwrap();
    stopper.join().unwrap();
    let (Verdict::AtLeast { why, .. } | Verdict::Invalid { why } | Verdict::Noisy { why, .. }) =
        &result.verdict
    else {
        panic!("{:?}", result.verdict);
    };
    assert!(why.contains("interrupted"), "{why}");
}

#[test]
fn a_search_needs_an_objective() {
    let pod = pod(1, Duration::from_millis(1));
    let (stop, mut observer) = (Stop::new(), Unwatched);
    let plan = read(&plan_for(pod.address(), "load: {rate: 10/s, duration: 1s}"));
    let error = find_capacity(&plan, &mut context(&stop, &mut observer)).unwrap_err();
    assert!(error.to_string().contains("add objective"), "{error}");
}
