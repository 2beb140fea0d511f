//! The whole room at work: a real store, a real state database, a sink in memory.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/opened.rs"]
mod opened;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use model::{Alert, AlertStatus, FunctionId, Outcome, Ratio, SystemClock, Timestamp, Traffic};
use rules::{AlertSink, Completeness, Delivery, Options, RuleSet, Rules, Sight};
use state::State;
use store::{Batch, Invocation, InvocationRows, Store};
use tokio::sync::Notify;

struct Clear;

impl Sight for Clear {
    fn completeness(&self, _: Option<&FunctionId>, _: Timestamp, _: Timestamp) -> Completeness {
        Completeness::Known(Ratio::new(1.0).unwrap())
    }
}

#[derive(Default)]
struct Inbox {
    alerts: Mutex<Vec<Alert>>,
    arrived: Notify,
}

impl AlertSink for Inbox {
    fn deliver(&self, alerts: Vec<Alert>) -> Delivery<'_> {
        Box::pin(async move {
            self.alerts.lock().unwrap().extend(alerts);
            self.arrived.notify_one();
            Ok(())
        })
    }
}

impl Inbox {
    /// Waits until this many alerts are there; the limit only bounds a failing test.
    async fn wait_for(&self, count: usize) -> Vec<Alert> {
        let enough = async {
            while self.alerts.lock().unwrap().len() < count {
                self.arrived.notified().await;
            }
        };
        let arrived = tokio::time::timeout(Duration::from_mins(1), enough).await;
        let alerts = self.alerts.lock().unwrap();
        let names: Vec<&str> = alerts.iter().map(Alert::name).collect();
        assert!(arrived.is_ok(), "of {count} alerts arrived {names:?}");
        drop(alerts);
        self.alerts.lock().unwrap().clone()
    }
}

const RULES: &str = r#"
version: rampart/v1
rules:
  - alert: Low
    functions: ["guide/*"]
    by: [function, unit]
    success_rate: {below: 99%, over: 1m, min_calls: 50}
"#;

fn calls(now: Timestamp, unit: &str, failing: usize, traffic: Traffic) -> Batch {
    let mut rows = InvocationRows::new();
    for index in 0..100 {
        rows.push(&Invocation {
            ts: now,
            namespace: "guide",
            function: "feed",
            unit,
            outcome: if index < failing {
                Outcome::FunctionError
            } else {
                Outcome::Ok
            },
            traffic,
            duration_us: 1_000,
            weight: 1,
            seen_at: now,
            ..Invocation::default()
        });
    }
    Batch {
        invocations: Some(rows.finish()),
        ..Batch::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_commit_to_the_inbox_over_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let clock = SystemClock::shared();
    let (store, state, modes) = opened::open(directory.path(), &clock).await;
    let inbox = Arc::new(Inbox::default());
    let start = |inbox: Arc<Inbox>| {
        Rules::start(
            RuleSet::parse("rules.yaml", RULES).unwrap(),
            store.clone(),
            state.clone(),
            Arc::new(Clear),
            Arc::new(rules::NothingTested),
            inbox,
            modes.clone(),
            clock.clone(),
            Options {
                external_url: "http://rampart.example".to_owned(),
                ..Options::default()
            },
        )
    };
    let running = start(inbox.clone()).await.unwrap();
    store
        .commit(calls(clock.now(), "a", 0, Traffic::Live))
        .await
        .unwrap();
    store
        .commit(calls(clock.now(), "c", 100, Traffic::Stress))
        .await
        .unwrap();
    store
        .commit(calls(clock.now(), "b", 60, Traffic::Live))
        .await
        .unwrap();
    let alerts = inbox.wait_for(1).await;
    let summary = &alerts[0].annotations["summary"];
    assert_eq!(
        summary,
        "guide/feed in unit b: 40 % of 100 calls succeeded in 1m; the objective is 99 %"
    );

    let answer = ask(&running, "GET", "/api/v1/rules?function=guide/feed", "").await;
    assert_eq!(answer.0, StatusCode::OK);
    let rule = &answer.1["rules"][0];
    assert_eq!(
        (&rule["alert"], &rule["success_rate"]["below"]),
        (&"Low".into(), &"99%".into())
    );
    let states: Vec<String> = rule["states"]
        .as_array()
        .unwrap()
        .iter()
        .map(|state| format!("{} {}", state["labels"]["unit"], state["phase"]))
        .collect();
    assert_eq!(states, [r#""b" "firing""#, r#""a" "inactive""#]);

    running.stop().await;
    drop(running);
    let running = start(inbox.clone()).await.unwrap();
    running
        .reload(RuleSet::parse("rules.yaml", "version: rampart/v1\nrules: []\n").unwrap())
        .await;
    let alerts = inbox.wait_for(2).await;
    assert_eq!(alerts[1].status, AlertStatus::Resolved);
    assert_eq!(alerts[1].annotations["reason"], "rule removed");
    assert_eq!(alerts[0].starts_at, alerts[1].starts_at);
    running.stop().await;
}

async fn ask(
    rules: &Rules,
    method: &str,
    path: &str,
    body: &str,
) -> (StatusCode, serde_json::Value) {
    let router = inbound::layer(
        rules::routes(rules.clone()).into_router(),
        inbound::Gate::new(None).insecure(),
    );
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("Host", "127.0.0.1:9650")
        .header("Content-Type", "application/json")
        .body(Body::from(body.to_owned()))
        .unwrap();
    let answer = tower::ServiceExt::oneshot(router, request).await.unwrap();
    let status = answer.status();
    let bytes = http_body_util::BodyExt::collect(answer.into_body())
        .await
        .unwrap()
        .to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mode_is_switched_over_http() {
    let directory = tempfile::tempdir().unwrap();
    let clock = SystemClock::shared();
    let (store, state, modes) = opened::open(directory.path(), &clock).await;
    let running = Rules::start(
        rules::starter(),
        store,
        state,
        Arc::new(Clear),
        Arc::new(rules::NothingTested),
        Arc::new(Inbox::default()),
        modes,
        clock,
        Options::default(),
    )
    .await
    .unwrap();
    let (status, mode) = ask(&running, "GET", "/api/v1/mode", "").await;
    assert_eq!(
        (status, &mode["mode"], &mode["by"]),
        (StatusCode::OK, &"daily".into(), &"schedule".into())
    );
    let (status, mode) = ask(
        &running,
        "PUT",
        "/api/v1/mode",
        r#"{"mode":"rush","until":"2999-01-01T00:00:00Z"}"#,
    )
    .await;
    assert_eq!(
        (status, &mode["mode"], &mode["until"]),
        (
            StatusCode::OK,
            &"rush".into(),
            &"2999-01-01T00:00:00.000Z".into()
        )
    );
    let (status, problem) = ask(
        &running,
        "PUT",
        "/api/v1/mode",
        r#"{"mode":"rush","until":"2001-01-01T00:00:00Z"}"#,
    )
    .await;
    assert_eq!(
        (status, &problem["field"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &"until".into())
    );
    let (status, _) = ask(&running, "PUT", "/api/v1/mode", r#"{"mode":"panic"}"#).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_learned_pages_at_the_first_failing_commit_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let clock = SystemClock::shared();
    let options = store::Options::new(directory.path().join("store"));
    let store = Store::open(options, clock.clone()).await.unwrap();
    let path = directory.path().join("state.db");
    let state = State::open(&path, &[rules::MIGRATIONS]).await.unwrap();
    opened::teach(&state, "Failing", clock.now()).await;
    let modes = opened::open_modes(&state, &clock).await;
    let rules = r#"
version: rampart/v1
rules:
  - alert: Failing
    functions: ["guide/*"]
    success_rate: {objective: 99.9%, detect: early}
"#;
    let inbox = Arc::new(Inbox::default());
    let start = || {
        Rules::start(
            RuleSet::parse("rules.yaml", rules).unwrap(),
            store.clone(),
            state.clone(),
            Arc::new(Clear),
            Arc::new(rules::NothingTested),
            inbox.clone(),
            modes.clone(),
            clock.clone(),
            Options::default(),
        )
    };
    let running = start().await.unwrap();
    store
        .commit(calls(clock.now(), "a", 60, Traffic::Live))
        .await
        .unwrap();
    let alerts = inbox.wait_for(1).await;
    let said = &alerts[0].annotations["summary"];
    assert!(
        said.starts_with("guide/feed: 60 of ")
            && said.contains("; healthy is 0.1")
            && said.ends_with("budget one false page in 3 years"),
        "{said}"
    );
    assert!(!alerts[0].annotations.contains_key("learning"));

    // It still fires after another start, out of memory and without telling anybody.
    running.stop().await;
    drop(running);
    let running = start().await.unwrap();
    let (_, shown) = ask(&running, "GET", "/api/v1/rules", "").await;
    let series = &shown["rules"][0]["states"][0];
    assert_eq!(series["phase"], "firing", "{shown}");
    let numbers = series["numbers"].as_str().unwrap();
    assert!(numbers.contains("7 clean days known"), "{numbers}");
    running.stop().await;
    assert_eq!(inbox.alerts.lock().unwrap().len(), 1);
    store.close().await;
}

const WIDER: &str = r#"
version: rampart/v1
groups:
  - name: wider
    functions: ["guide/*"]
    rules:
      - alert: Fallback
        share: {of: served_by, value: java, above: 5%, over: 1m, min_calls: 50}
      - alert: Timeouts
        share: {of: outcome, value: timeout, above: 2%, over: 1m, min_calls: 50}
      - alert: Cold
        share: {of: cold_start, above: 90%, over: 1m, min_calls: 50}
      - alert: Stress
        share: {of: traffic, value: stress, above: 5%, over: 1m, min_calls: 50}
      - alert: HopWorse
        compare: {served_by: java, against: faas, success_rate_worse_by: 1pp, over: 1m, min_calls: 50}
      - alert: GrayWorse
        compare: {version: gray, against: base, success_rate_worse_by: 1pp, over: 1m, min_calls: 50}
      - alert: FunctionWorse
        compare: {function: guide/feed, against: guide/calm, success_rate_worse_by: 1pp, over: 1m, min_calls: 50}
      - alert: Budget
        slo: {objective: 99%, burn: slow}
        every: 1s
      - alert: Query
        sql: "SELECT function_id AS function, count(*) AS value FROM invocations WHERE outcome = 'timeout' GROUP BY 1"
        every: 10s
      - alert: Broken
        sql: "SELECT nothing AS value, function FROM invocations"
        every: 10s
"#;

/// Calls of one version and hop, of which the first `timeouts` time out.
fn served(now: Timestamp, function: &str, hop: &str, calls: usize, timeouts: usize) -> Batch {
    let mut rows = InvocationRows::new();
    for index in 0..calls {
        rows.push(&Invocation {
            ts: now,
            namespace: "guide",
            function,
            version: if hop == "java" { "v2" } else { "v1" },
            served_by: hop,
            cold_start: index % 2 == 0,
            outcome: if index < timeouts {
                Outcome::Timeout
            } else {
                Outcome::Ok
            },
            traffic: if hop == "cdn" {
                Traffic::Stress
            } else {
                Traffic::Live
            },
            duration_us: 1_000,
            weight: 1,
            seen_at: now,
            ..Invocation::default()
        });
    }
    Batch {
        invocations: Some(rows.finish()),
        ..Batch::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shares_comparisons_budgets_and_queries_read_the_real_store() {
    let directory = tempfile::tempdir().unwrap();
    let clock = SystemClock::shared();
    let (store, state, modes) = opened::open(directory.path(), &clock).await;
    let inbox = Arc::new(Inbox::default());
    for batch in [
        served(clock.now(), "feed", "faas", 300, 0),
        served(clock.now(), "feed", "java", 100, 30),
        served(clock.now(), "feed", "cdn", 100, 0),
        served(clock.now(), "calm", "faas", 300, 0),
    ] {
        store.commit(batch).await.unwrap();
    }
    let running = Rules::start(
        RuleSet::parse("rules.yaml", WIDER).unwrap_or_else(|problems| panic!("{problems}")),
        store.clone(),
        state,
        Arc::new(Clear),
        Arc::new(rules::NothingTested),
        inbox.clone(),
        modes,
        clock,
        Options::default(),
    )
    .await
    .unwrap();
    let alerts = inbox.wait_for(8).await;
    let mut said: Vec<String> = alerts
        .iter()
        .map(|alert| format!("{}: {}", alert.name(), alert.annotations["summary"]))
        .collect();
    said.sort();
    assert_eq!(
        said,
        [
            "Budget: guide/feed: 30 of 400 calls failed in 1d, 7.5 times what 99 % in 30d allows, and still in the last 2h; the budget is used up",
            "Fallback: guide/feed: 25 % of 400 calls in 1m were served by java; the limit is 5 %",
            "FunctionWorse: guide/feed: 92.5 % of 400 calls of function guide/feed succeeded in 1m; guide/calm is at 100 %",
            "GrayWorse: guide/feed: 70 % of 100 calls of version gray succeeded in 1m; base is at 100 %",
            "HopWorse: guide/feed: 70 % of 100 calls of served_by java succeeded in 1m; faas is at 100 %",
            "Query: guide/feed: the query gives 30",
            "Stress: guide/feed: 20 % of 500 calls in 1m were stress traffic; the limit is 5 %",
            "Timeouts: guide/feed: 7.5 % of 400 calls in 1m ended with timeout; the limit is 2 %",
        ]
    );
    let (_, shown) = ask(&running, "GET", "/api/v1/rules", "").await;
    let broken = shown["rules"]
        .as_array()
        .unwrap()
        .iter()
        .find(|rule| rule["alert"] == "Broken")
        .unwrap();
    let error = broken["error"].as_str().unwrap();
    assert!(
        error.starts_with("the query failed: ") && error.contains("nothing"),
        "{error}"
    );
    running.stop().await;
    store.close().await;
}
