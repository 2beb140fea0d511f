//! Releases: what they mean for rules, how they are declared, marked and listed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/opened.rs"]
mod opened;

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use model::{Alert, FunctionId, ManualClock, Mode, Ratio, SharedClock, Timestamp};
use rules::condition::Condition;
use rules::{
    AlertSink, Completeness, Delivery, NothingTested, Options, Outcome, RuleSet, Rules, Scenario,
    Sight, run_scenario,
};
use serde_json::Value;
use state::State;
use store::Store;
use tower::ServiceExt;

const RULES: &str = "
version: rampart/v1
rules:
  - alert: Low
    functions: ['*']
    success_rate: {below: 95%, over: 1m, min_calls: 100}
    for: 20s
    rush: {success_rate: {min_calls: 50}}
    after_release: {within: 10m, success_rate: {below: 99%}, for: 0s, severity: critical}
";

fn lived(rules: &str, story: &str) -> Outcome {
    let set = RuleSet::parse("rules.yaml", rules).unwrap_or_else(|problems| panic!("{problems}"));
    let scenario =
        Scenario::parse("story.scn", story).unwrap_or_else(|problems| panic!("{problems}"));
    let outcome = run_scenario(&scenario, &set);
    assert!(
        outcome.failed.is_empty(),
        "{}\n{:#?}",
        outcome.failed,
        outcome.told
    );
    outcome
}

#[test]
fn rules_look_closer_for_a_while_after_a_release() {
    // 97 % is within what is usual and beyond what is allowed after a release, of the released one only.
    let outcome = lived(
        RULES,
        "
load function guide/feed
  0s..40m qps 50 success 97%
load function guide/search
  0s..40m qps 50 success 97%
release 5m guide/feed version=7 stage=gray
release 20m guide/feed version=7 stage=base
at 4m59s expect nothing
at 5m    expect Low{function=\"feed\"} firing
at 5m    expect Low{function=\"search\"} inactive
at 14m59s expect Low{function=\"feed\"} firing
at 15m   expect nothing
at 25m   expect nothing
",
    );
    assert_eq!(
        outcome.told,
        [
            r#"5m firing Low{function="feed", namespace="guide"}"#,
            r#"15m resolved Low{function="feed", namespace="guide"}"#
        ]
    );
}

#[test]
fn gray_and_base_are_what_releases_say() {
    let rules = "
version: rampart/v1
rules:
  - alert: GrayWorse
    functions: ['*']
    compare: {version: gray, against: base, success_rate_worse_by: 1pp, over: 1m}
";
    let traffic = "
load function guide/feed version=6
  0s..20m qps 20 success 100%
load function guide/feed version=7
  0s..20m qps 80 success 90%
";
    // Most calls go to version 7, so without a release it passes for base.
    let unmarked = format!("{traffic}at 10m expect nothing\n");
    lived(rules, &unmarked);
    let marked = format!(
        "{traffic}release 2m guide/feed version=7 stage=gray\nat 1m expect nothing\nat 3m expect GrayWorse firing\n"
    );
    lived(rules, &marked);
    let over = format!(
        "{traffic}release 2m guide/feed version=7 stage=gray\nrelease 5m guide/feed version=7 stage=full\nat 4m expect GrayWorse firing\nat 7m expect nothing\n"
    );
    lived(rules, &over);
}

#[test]
fn what_differs_after_a_release_lies_over_the_mode() {
    let set = RuleSet::parse("rules.yaml", RULES).unwrap();
    let after = set.rules()[0].after_release.as_ref().unwrap();
    let numbers = |mode: Mode| {
        let settings = after.settings(mode);
        let Condition::SuccessRate(condition) = &settings.condition else {
            panic!("{settings:?}");
        };
        (
            condition.below.get(),
            condition.enough.min_calls,
            settings.hold.as_secs(),
        )
    };
    assert_eq!(numbers(Mode::Daily), (0.99, 100, 0));
    assert_eq!(numbers(Mode::Rush), (0.99, 50, 0));
    let shown = set.rules()[0].to_json();
    assert_eq!(shown["after_release"]["within"], "10m");
    assert_eq!(shown["after_release"]["success_rate"]["below"], "99%");
}

#[test]
fn each_mistake_about_a_release_has_its_own_sentence() {
    let rule = |lines: &str| {
        format!("version: rampart/v1\nrules:\n  - alert: A\n    functions: ['*']\n    {lines}\n")
    };
    for (lines, expected) in [
        (
            "success_rate: {below: 99%}\n    after_release: {within: 10s}",
            "`within: 10s` is no time after a release",
        ),
        (
            "success_rate: {below: 99%}\n    after_release: {qps: {absent_for: 1m}}",
            "the rule itself has no `qps` to override",
        ),
        (
            "success_rate: {objective: 99%, detect: early}\n    after_release: {success_rate: {objective: 99.9%}}",
            "`detect: early` is the same after a release",
        ),
        (
            "qps: {absent_for: 1m}\n    after_release: {qps: {above: 5/s}}",
            "holds absent_for and above at once",
        ),
        (
            "success_rate: {below: 99%}\n    by: [unit]\n    after_release: {severity: critical}",
            "a release is one function's",
        ),
    ] {
        let problems = RuleSet::parse("a.yaml", &rule(lines))
            .unwrap_err()
            .to_string();
        assert!(problems.contains(expected), "{lines}\n{problems}");
    }
    for (line, expected) in [
        ("release 5m guide/feed stage=gray", "names no version"),
        (
            "release 5m guide/feed version=7 stage=grey",
            "`grey` is no stage",
        ),
        ("release soon guide/feed version=7", "is not a time"),
        ("release 5m guide version=7", "is not a function"),
        (
            "release 5m guide/feed version=7 zone=z",
            "says nothing of a release",
        ),
    ] {
        let story = format!("{line}\nat 1m expect nothing\n");
        let problems = Scenario::parse("a.scn", &story).unwrap_err().to_string();
        assert!(problems.contains(expected), "{line}\n{problems}");
    }
}

struct Clear;

impl Sight for Clear {
    fn completeness(&self, _: Option<&FunctionId>, _: Timestamp, _: Timestamp) -> Completeness {
        Completeness::Known(Ratio::new(1.0).unwrap())
    }
}

struct Nobody;

impl AlertSink for Nobody {
    fn deliver(&self, _: Vec<Alert>) -> Delivery<'_> {
        Box::pin(async { Ok(()) })
    }
}

async fn start(folder: &std::path::Path, clock: &SharedClock) -> (Rules, Store, State) {
    let (store, state, modes) = opened::open(folder, clock).await;
    let rules = Rules::start(
        rules::starter(),
        store.clone(),
        state.clone(),
        Arc::new(Clear),
        Arc::new(NothingTested),
        Arc::new(Nobody),
        modes,
        clock.clone(),
        Options::default(),
    )
    .await
    .unwrap();
    (rules, store, state)
}

async fn ask(rules: &Rules, method: &str, path: &str, body: &str) -> (StatusCode, Value) {
    let gate = inbound::Gate::new(None).insecure();
    let router = inbound::layer(rules::routes(rules.clone()).into_router(), gate);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("Host", "127.0.0.1:9650")
        .header("Content-Type", "application/json")
        .body(Body::from(body.to_owned()))
        .unwrap();
    let answer = router.oneshot(request).await.unwrap();
    let status = answer.status();
    let bytes = http_body_util::BodyExt::collect(answer.into_body())
        .await
        .unwrap();
    (status, serde_json::from_slice(&bytes.to_bytes()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn releases_are_marked_and_listed_over_http_and_survive() {
    let folder = tempfile::tempdir().unwrap();
    let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
    let clock: SharedClock = ManualClock::at(now);
    let (rules, store, state) = start(folder.path(), &clock).await;
    let mark = |version: &str, more: &str| {
        format!(r#"{{"function":"guide/feed","version":"{version}"{more}}}"#)
    };
    let path = "/api/v1/releases";
    let gray = mark("7", r#","stage":"gray","percent":5,"unit":"b""#);
    let (status, told) = ask(&rules, "POST", path, &gray).await;
    assert_eq!(status, StatusCode::OK, "{told:#}");
    assert_eq!(
        (&told["percent"], &told["unit"], &told["stage"]),
        (&5.0.into(), &"b".into(), &"gray".into())
    );
    assert!(!told["by"].as_str().unwrap().is_empty());
    // The same again changes nothing.
    ask(&rules, "POST", path, &gray).await;
    let earlier = mark("6", r#","stage":"full","at":"2026-11-19T12:00:00Z""#);
    assert_eq!(ask(&rules, "POST", path, &earlier).await.0, StatusCode::OK);
    for (body, field) in [
        (mark("", r#","stage":"gray""#), "version"),
        (mark("7", r#","stage":"gray","percent":120"#), "percent"),
        (
            mark("7", r#","stage":"gray","at":"2026-11-21T12:00:00Z""#),
            "at",
        ),
        (
            mark("7", r#","stage":"gray","at":"2025-11-21T12:00:00Z""#),
            "at",
        ),
    ] {
        let (status, problem) = ask(&rules, "POST", path, &body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem:#}");
        assert_eq!(problem["field"], field);
    }
    assert_eq!(
        ask(&rules, "POST", path, &mark("7", r#","stage":"grey""#))
            .await
            .0,
        StatusCode::BAD_REQUEST
    );

    rules.stop().await;
    drop(rules);
    store.close().await;
    state.close().await;
    let (rules, ..) = start(folder.path(), &clock).await;
    let (_, listed) = ask(&rules, "GET", "/api/v1/releases?function=guide/feed", "").await;
    let versions: Vec<&str> = listed["releases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|release| release["version"].as_str().unwrap())
        .collect();
    assert_eq!(versions, ["7", "6"], "{listed:#}");
    let (_, others) = ask(&rules, "GET", "/api/v1/releases?function=guide/search", "").await;
    assert_eq!(others["releases"], serde_json::json!([]));
    let function: FunctionId = "guide/feed".parse().unwrap();
    let known = rules.releases();
    let roles = known.roles(&function, now);
    assert_eq!((roles.gray, roles.base), (Some("7"), Some("6")));
    rules.stop().await;
}
