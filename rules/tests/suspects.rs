//! An alert about failures says where they gather.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/opened.rs"]
mod opened;

use std::sync::Arc;
use std::time::Duration;

use model::{Alert, FunctionId, Outcome, Ratio, SystemClock, Timestamp};
use rules::{AlertSink, Completeness, Delivery, NothingTested, Options, RuleSet, Rules, Sight};
use store::{Batch, Invocation, InvocationRows};
use tokio::sync::mpsc;

struct Clear;

impl Sight for Clear {
    fn completeness(&self, _: Option<&FunctionId>, _: Timestamp, _: Timestamp) -> Completeness {
        Completeness::Known(Ratio::new(1.0).unwrap())
    }
}

struct Inbox(mpsc::Sender<Alert>);

impl AlertSink for Inbox {
    fn deliver(&self, alerts: Vec<Alert>) -> Delivery<'_> {
        Box::pin(async move {
            for alert in alerts {
                self.0
                    .send(alert)
                    .await
                    .map_err(|error| error.to_string())?;
            }
            Ok(())
        })
    }
}

const RULES: &str = "
version: rampart/v1
rules:
  - alert: Low
    functions: ['guide/feed']
    success_rate: {below: 99%, over: 1m, min_calls: 50}
  - alert: Early
    functions: ['guide/feed']
    success_rate: {objective: 99.9%, detect: early}
  - alert: LowInUnit
    functions: ['guide/feed']
    by: [function, unit]
    success_rate: {below: 99%, over: 1m, min_calls: 50}
  - alert: LowEverywhere
    functions: ['guide/even']
    success_rate: {below: 99%, over: 1m, min_calls: 50}
  - alert: Busy
    functions: ['guide/feed']
    qps: {above: 1/s, over: 10s}
";

/// (function, unit, version, calls, failures)
type Calls = (&'static str, &'static str, &'static str, u32, u32);

fn rows(now: Timestamp, calls: &[Calls]) -> Batch {
    let mut rows = InvocationRows::new();
    for (function, unit, version, count, failing) in calls {
        for index in 0..*count {
            rows.push(&Invocation {
                ts: now,
                namespace: "guide",
                function,
                unit,
                version,
                outcome: if index < *failing {
                    Outcome::Timeout
                } else {
                    Outcome::Ok
                },
                duration_us: 1_000,
                weight: 1,
                seen_at: now,
                ..Invocation::default()
            });
        }
    }
    Batch {
        invocations: Some(rows.finish()),
        ..Batch::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_about_failures_name_suspects_and_others_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let clock = SystemClock::shared();
    let (store, state, modes) = opened::open(folder.path(), &clock).await;
    opened::teach(&state, "Early", clock.now()).await;
    let (sender, mut inbox) = mpsc::channel(100);
    let running = Rules::start(
        RuleSet::parse("rules.yaml", RULES).unwrap(),
        store.clone(),
        state,
        Arc::new(Clear),
        Arc::new(NothingTested),
        Arc::new(Inbox(sender)),
        modes,
        clock.clone(),
        Options::default(),
    )
    .await
    .unwrap();
    let calls = [
        ("feed", "a", "6", 400, 1),
        ("feed", "a", "7", 100, 1),
        ("feed", "b", "6", 400, 2),
        ("feed", "b", "7", 100, 96),
        ("even", "a", "6", 100, 50),
        ("even", "b", "7", 100, 50),
    ];
    store.commit(rows(clock.now(), &calls)).await.unwrap();
    let mut alerts: Vec<Alert> = Vec::new();
    let all = async {
        while alerts.len() < 5 {
            alerts.push(inbox.recv().await.unwrap());
        }
    };
    let arrived = tokio::time::timeout(Duration::from_mins(1), all).await;
    let names: Vec<&str> = alerts.iter().map(Alert::name).collect();
    assert!(arrived.is_ok(), "only {names:?}");
    let suspects = |name: &str| {
        let alert = alerts.iter().find(|alert| alert.name() == name).unwrap();
        assert_eq!(
            alert.labels.get("suspects"),
            None,
            "no label: it is no identity"
        );
        alert.annotations.get("suspects").map(String::as_str)
    };
    let pair = Some("unit b, version 7: 96 % of the failures, 10 % of the calls");
    assert_eq!(suspects("Low"), pair);
    assert_eq!(suspects("Early"), pair, "what is found early says it too");
    // The unit is the alert's own; what is left is the version.
    assert_eq!(
        suspects("LowInUnit"),
        Some("version 7: 98 % of the failures, 20 % of the calls")
    );
    assert_eq!(suspects("LowEverywhere"), None);
    assert_eq!(suspects("Busy"), None);

    // What fired says the same when it ends.
    running
        .reload(RuleSet::parse("rules.yaml", "version: rampart/v1\nrules: []\n").unwrap())
        .await;
    let ended = tokio::time::timeout(Duration::from_mins(1), async {
        loop {
            let alert = inbox.recv().await.unwrap();
            if alert.name() == "Low" {
                return alert;
            }
        }
    });
    let ended = ended.await.unwrap();
    assert_eq!(ended.annotations.get("suspects").map(String::as_str), pair);
    running.stop().await;
}
