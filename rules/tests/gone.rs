//! Stories of what is no longer there, or not there yet.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use model::AlertStatus;
use support::{Meter, Night};

const BY_UNIT: &str = r#"
version: rampart/v1
groups:
  - name: video
    functions: ["guide/*"]
    by: [function, unit]
    limit: 1
    every: 10s
    rules:
      - alert: Low
        success_rate: {below: 99%, over: 1m, min_calls: 100}
        keep_firing_for: 1m
"#;

#[test]
fn a_label_set_that_is_gone_for_good_is_closed_and_makes_room() {
    let night = Night::under(BY_UNIT).tell(
        r#"
        load function guide/feed unit=a
          0s..10m qps 200 success 10%
        load function guide/feed unit=b
          7h..8h  qps 200 success 10%
        at 6h9m   expect Low{unit="a"} firing
        at 6h12m  expect nothing
        at 7h5m   expect Low{unit="b"} firing
        "#,
    );
    assert_eq!(night.told.len(), 3, "{:?}", night.lines());
    let closed = &night.told[1].1;
    assert_eq!(closed.status, AlertStatus::Resolved);
    assert_eq!(closed.annotations["reason"], "no calls for 6h");
    assert_eq!(closed.ends_at, Some(Night::at(night.told[1].0)));
}

#[test]
fn a_clearing_label_set_that_is_gone_is_closed_too() {
    let night = Night::under(&BY_UNIT.replace("keep_firing_for: 1m", "keep_firing_for: 10m")).tell(
        r#"
        load function guide/feed unit=a
          0s..10m  qps 200 success 10%
          10m..15m qps 200
        at 16m    expect Low{unit="a"} clearing
        at 6h14m  expect Low{unit="a"} clearing
        at 6h17m  expect nothing
        "#,
    );
    assert_eq!(
        night.told[1].1.annotations["reason"],
        "no calls for 6h",
        "{:?}",
        night.lines()
    );
}

#[test]
fn one_call_in_six_hours_keeps_it() {
    let night = Night::under(BY_UNIT).tell(
        r#"
        load function guide/feed unit=a
          0s..10m      qps 200 success 10%
          5h..5h1s     qps 1
        at 10h59m expect Low{unit="a"} firing
        at 11h2m  expect nothing
        "#,
    );
    assert_eq!(night.told.len(), 2, "{:?}", night.lines());
}

#[test]
fn blindness_is_not_silence() {
    for dim in ["blind 1h..3h", "late 1h..3h 50%", "restart 1h..3h"] {
        let night = Night::under(BY_UNIT).tell(&format!(
            r#"
            load function guide/feed unit=a
              0s..10m qps 200 success 10%
            {dim}
            at 6h30m  expect Low{{unit="a"}} firing
            at 7h     expect Low{{unit="a"}} firing
            at 9h10m  expect nothing
            "#,
        ));
        assert_eq!(night.told.len(), 2, "{dim}: {:?}", night.lines());
    }
}

#[test]
fn too_many_calls_that_became_none_are_closed() {
    let rules = BY_UNIT.replace(
        "success_rate: {below: 99%, over: 1m, min_calls: 100}",
        "qps: {above: 50/s, over: 1m}",
    );
    let night = Night::under(&rules).tell(
        r#"
        load function guide/feed unit=a
          0s..10m   qps 200
          10m..11m  qps 40
          11m..12m  qps 200
        at 11m30s expect Low{unit="a"} firing
        at 6h14m  expect nothing
        "#,
    );
    assert!(night.told.len() >= 2, "{:?}", night.lines());
}

#[test]
fn history_that_is_not_read_yet_is_unknown_and_no_failure() {
    let meter = Meter::default();
    let night = metrics::with_local_recorder(&meter, || {
        let rules = "
version: rampart/v1
rules:
  - alert: Silent
    functions: ['*']
    qps: {absent_for: 3m}
    no_data: ok
";
        Night::under(rules).tell(
            r"
            load function guide/feed
              -1h..5m qps 10
            unread 0s..10s
            unread 20m..21m
            at 5s expect nothing
            ",
        )
    });
    let failures = "rampart_rule_evaluation_failures_total";
    let view = &night.overview()[0];
    assert_eq!(view.error, None);
    assert_eq!(
        view.last_unknown.as_deref(),
        Some("history is still being read")
    );
    assert!(view.last_evaluation.is_some());
    assert_eq!(meter.counter(failures), 0);

    // While it is not known, even `no_data: ok` resolves nothing.
    let night = metrics::with_local_recorder(&meter, || {
        night.tell(
            "at 19m59s expect Silent firing
             at 20m30s expect Silent firing
             at 21m30s expect Silent firing",
        )
    });
    assert_eq!(night.told.len(), 1, "{:?}", night.lines());
    assert_eq!(meter.counter(failures), 0);
    metrics::with_local_recorder(&meter, || {
        night.tell(
            "broken 22m..23m
             at 22m expect Silent firing",
        )
    });
    assert_eq!(meter.counter(failures), 1);
}
