//! Earlier days and the last hours, read out of a real store.

use chrono_tz::Tz;
use model::{Clock, ManualClock, Outcome};
use store::{Batch, Invocation, InvocationRows, Options};

use super::*;
use crate::set::RuleSet;
use crate::windows::LagRate;

const RULES: &str = r#"
version: rampart/v1
rules:
  - alert: Drop
    functions: ["guide/*"]
    qps: {drop: 50%, against: [1d, 2d], over: 5m}
  - alert: Silent
    functions: ["guide/*"]
    qps: {absent_for: 2m}
"#;

/// `count` calls, one every half second up to `end`.
fn calls(end: Timestamp, count: u64, traffic: Traffic) -> Batch {
    let mut rows = InvocationRows::new();
    for index in 0..count {
        let at = end - Duration::from_millis(500 * (index + 1));
        rows.push(&Invocation {
            ts: at,
            namespace: "guide",
            function: "feed",
            outcome: Outcome::Ok,
            traffic,
            weight: 1,
            seen_at: at,
            ..Invocation::default()
        });
    }
    Batch {
        invocations: Some(rows.finish()),
        ..Batch::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn days_and_hours_come_from_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let noon: Timestamp = "2026-11-19T12:00:00Z".parse().unwrap();
    let clock = ManualClock::at(noon);
    let store = Store::open(Options::new(directory.path()), clock.clone())
        .await
        .unwrap();
    let set = RuleSet::parse("rules.yaml", RULES).unwrap();
    let select = set.rules()[0].select.clone();
    let against = Against {
        days: vec![1, 2],
        over: Duration::from_mins(5),
        zone: Tz::UTC,
    };
    let tables = Tables::default();
    assert_eq!(
        tables.baseline(&select, &against),
        Err(EvaluationError::HistoryUnread)
    );
    assert_eq!(tables.recent(&select), Err(EvaluationError::HistoryUnread));

    store.commit(calls(noon, 600, Traffic::Live)).await.unwrap();
    store
        .commit(calls(noon, 600, Traffic::Stress))
        .await
        .unwrap();
    clock.advance(Duration::from_hours(24));
    let now = clock.now();
    tables.refresh(&store, set.rules(), vec![], now).await;
    let lags = |tables: &Tables| {
        let found = tables.baseline(&select, &against).unwrap();
        found
            .iter()
            .map(|(_, lags)| lags.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(lags(&tables), [[LagRate::Present(2.0), LagRate::Missing]]);
    assert!(tables.recent(&select).unwrap().is_empty());

    // Calls of the last hour, one batch of them late; a sale and an incident at the earlier times.
    let half_past = now - Duration::from_mins(30);
    store
        .commit(calls(half_past, 600, Traffic::Live))
        .await
        .unwrap();
    tables.remember(vec![Episode {
        function: Some("guide/feed".parse().unwrap()),
        from: noon - Duration::from_hours(25),
        to: noon - Duration::from_hours(23),
    }]);
    let sale = (noon - Duration::from_mins(1), noon + Duration::from_mins(1));
    let fresh = tables.clone();
    fresh.filling().recents_until = None;
    fresh.refresh(&store, set.rules(), vec![sale], now).await;
    assert_eq!(lags(&tables), [[LagRate::LeftOut, LagRate::LeftOut]]);
    let recents = tables.recent(&select).unwrap();
    let [(_, recent)] = recents.as_slice() else {
        panic!("{recents:?}")
    };
    assert_eq!(
        *recent,
        Recent {
            last_seen: half_past,
            usual: 1.0
        }
    );
    store.close().await;
}
