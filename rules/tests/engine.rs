//! Stories of nights: what fires, when, and above all what does not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::format_push_string)]

mod support;

use model::{Mode, Severity};
use support::Night;

const SUCCESS: &str = r#"
version: rampart/v1
groups:
  - name: video
    owner: team-guide
    functions: ["guide/wow-video-*"]
    by: [function, unit]
    rules:
      - alert: SuccessRateLow
        success_rate: {below: 99%, over: 1m, min_calls: 100}
        for: 10s
        keep_firing_for: 2m
        severity: critical
        annotations: {summary: "{{ function }} at {{ value | percent }} in {{ unit }}"}
"#;

#[test]
fn a_unit_that_fails_fires_alone_and_recovers() {
    let night = Night::under(SUCCESS).tell(
        r#"
        load function guide/wow-video-feed unit=a
          0s..10m   qps 200 success 99.9%
          10m..12m  qps 200 success 90%
          12m..20m  qps 200 success 99.9%
        load function guide/wow-video-feed unit=b
          0s..20m   qps 200 success 99.9%
        load function travel/search unit=a
          0s..20m   qps 200 success 10%
        at 9m59s  expect nothing
        at 10m40s expect SuccessRateLow{unit="a"} firing
        at 13m30s expect SuccessRateLow{unit="a"} clearing
        at 16m    expect nothing
        "#,
    );
    assert_eq!(night.told.len(), 2, "{:?}", night.lines());
    let alert = &night.told[0].1;
    assert_eq!(alert.severity(), Severity::Critical);
    assert_eq!(
        alert.labels.to_string(),
        r#"{alertname="SuccessRateLow", function="wow-video-feed", namespace="guide", owner="team-guide", severity="critical", unit="a"}"#
    );
    assert!(
        alert.annotations["summary"].starts_with("wow-video-feed at 9"),
        "{:?}",
        alert.annotations
    );
    assert_eq!(alert.starts_at, night.told[1].1.starts_at);
    assert_eq!(night.told[1].1.ends_at, Some(Night::at(night.told[1].0)));
}

#[test]
fn all_failing_fires_and_no_calls_do_not() {
    let night = Night::under(SUCCESS).tell(
        r#"
        load function guide/wow-video-new unit=a
          1m..3m   qps 50 success 0%
        load function guide/wow-video-rare unit=a
          0s..9m   qps 1 success 0%
        at 59s   expect nothing
        at 1m14s expect SuccessRateLow{unit="a"} firing
        at 9m    expect SuccessRateLow{unit="a"} firing
        "#,
    );
    // The calls stopped; no data does not resolve. One call a second never reaches min_calls.
    assert_eq!(night.lines(), ["71 s firing SuccessRateLow a"]);
}

#[test]
fn no_data_may_mean_ok_if_the_owner_says_so() {
    let rules = SUCCESS.replace("for: 10s", "for: 10s\n        no_data: ok");
    let night = Night::under(&rules).tell(
        r#"
        load function guide/wow-video-new unit=a
          1m..3m   qps 50 success 0%
        at 2m    expect SuccessRateLow{unit="a"} firing
        at 9m    expect nothing
        "#,
    );
    assert_eq!(night.told.len(), 2);
}

#[test]
fn a_breach_without_for_fires_at_a_look_between_ticks() {
    let rules = SUCCESS.replace("for: 10s", "for: 0s");
    let mut night = Night::under(&rules).tell(
        r#"
        load function guide/wow-video-feed unit=a
          0s..10m   qps 200 success 0%
        at 0s expect SuccessRateLow{unit="a"} firing
        "#,
    );
    assert_eq!(night.lines(), ["0 s firing SuccessRateLow a"]);
    night.look(1, "guide/wow-video-feed");
    assert_eq!(night.told.len(), 1, "a look never pages twice");

    let mut night = Night::under(&rules).tell(
        r"
        load function guide/wow-video-feed unit=a
          5s..10m   qps 200 success 0%
        at 4s expect nothing
        ",
    );
    night.look(5, "guide/other");
    assert!(night.told.is_empty());
    night.look(5, "guide/wow-video-feed");
    assert_eq!(night.lines(), ["5 s firing SuccessRateLow a"]);
}

#[test]
fn an_episode_between_the_thresholds_goes_on() {
    let rules = SUCCESS
        .replace("min_calls: 100}", "min_calls: 100, recover_above: 99.5%}")
        .replace("keep_firing_for: 2m", "keep_firing_for: 0s");
    let night = Night::under(&rules).tell(
        r#"
        load function guide/wow-video-feed unit=a
          0s..2m    qps 200 success 90%
          2m..10m   qps 200 success 99.2%
          10m..15m  qps 200 success 99.9%
        at 1m  expect SuccessRateLow{unit="a"} firing
        at 9m  expect SuccessRateLow{unit="a"} firing
        at 12m expect nothing
        "#,
    );
    assert_eq!(night.told.len(), 2, "{:?}", night.lines());
}

#[test]
fn flapping_within_keep_firing_for_pages_once() {
    let night = Night::under(SUCCESS).tell(
        r"
        load function guide/wow-video-feed unit=a
          0s..2m   qps 200 success 80%
          2m..4m   qps 200
          4m..6m   qps 200 success 80%
          6m..8m   qps 200
          8m..10m  qps 200 success 80%
          10m..20m qps 200
        at 19m expect nothing
        ",
    );
    assert_eq!(night.told.len(), 2, "{:?}", night.lines());
}

const DROP: &str = r#"
version: rampart/v1
rules:
  - alert: QpsDrop
    functions: ["guide/*"]
    qps: {drop: 50%, against: [1d, 7d, 14d], over: 5m, min_baseline: 5/s}
  - alert: Silent
    functions: ["guide/*"]
    qps: {absent_for: 2m, min_baseline: 1/s}
  - alert: Quiet
    functions: ["guide/*"]
    qps: {below: 20/s, over: 1m}
"#;

const USUAL_DAYS: &str = r"
    load function guide/feed
      -15d..-13d qps 100
      -8d..-6d   qps 100
      -2d..0s    qps 100
";

#[test]
fn a_drop_to_zero_fires_from_the_baseline_alone() {
    let night = Night::under(DROP).tell(&format!(
        "{USUAL_DAYS}
          0s..20m qps 100
        at 19m    expect nothing
        at 22m    expect Silent firing
        at 23m    expect QpsDrop firing
        at 40m    expect QpsDrop firing"
    ));
    assert_eq!(
        night.lines().len(),
        3,
        "each rule pages once: {:?}",
        night.lines()
    );
    let drop = night
        .told
        .iter()
        .find(|(_, a)| a.name() == "QpsDrop")
        .unwrap();
    assert!(
        drop.1.annotations["summary"]
            .starts_with("guide/feed: 50/s over 5m, 50 % less than the usual 100/s"),
        "{:?}",
        drop.1.annotations
    );
}

#[test]
fn late_data_is_not_a_drop() {
    let night = Night::under(DROP).tell(&format!(
        "{USUAL_DAYS}
          0s..20m qps 100
          30m..60m qps 100
        late 20m..31m 0%
        at 29m    expect nothing
        at 50m    expect nothing"
    ));
    assert!(night.told.is_empty(), "{:?}", night.lines());
}

#[test]
fn a_pipeline_that_stops_does_not_replay_the_past() {
    let rules = "version: rampart/v1
rules:
  - alert: Silent
    functions: [\"guide/*\"]
    qps: {absent_for: 20s, min_baseline: 1/s}
";
    // Silence that was over before the pipeline stopped; then nothing arrives any more.
    let night = Night::under(rules).tell(
        "load function guide/feed
          0s..100s qps 10
          126s..131s qps 10
        late 131s..10m 0%
        at 124s   expect Silent firing
        at 130s   expect nothing
        at 9m     expect nothing",
    );
    assert_eq!(
        night.told.len(),
        2,
        "fires once, resolves once: {:?}",
        night.lines()
    );
}

#[test]
fn unknown_completeness_is_not_a_drop_and_resolves_nothing() {
    let night = Night::under(DROP).tell(&format!(
        "{USUAL_DAYS}
          0s..10m qps 100
        blind 20m..60m
        at 16m    expect QpsDrop firing
        at 59m    expect QpsDrop firing"
    ));
    let fired = night.told.len();
    assert_eq!(fired, 3);

    let night = Night::under(DROP).tell(&format!(
        "{USUAL_DAYS}
          0s..10m qps 100
        blind 0s..60m
        at 59m    expect nothing"
    ));
    assert!(night.told.is_empty(), "{:?}", night.lines());
}

#[test]
fn a_function_without_history_is_unknown_not_fallen() {
    let night = Night::under(DROP).tell(
        "load function guide/young
          -2d..10m qps 100
          10m..30m qps 21
        at 29m expect nothing",
    );
    assert!(night.told.is_empty(), "{:?}", night.lines());
}

#[test]
fn after_a_restart_the_unwatched_window_proves_nothing() {
    let night = Night::under(DROP).tell(&format!(
        "{USUAL_DAYS}
          0s..20m qps 100
          25m..60m qps 100
        restart 19m..26m
        at 27m expect nothing
        at 50m expect nothing"
    ));
    assert!(night.told.is_empty(), "{:?}", night.lines());
}

#[test]
fn downtime_does_not_count_and_nothing_is_told_again() {
    let rules = SUCCESS.replace("for: 10s", "for: 60s");
    let night = Night::under(&rules).tell(
        r#"
        load function guide/wow-video-feed unit=a
          0s..60m qps 200 success 80%
        restart 30s..10m
        at 10m expect SuccessRateLow{unit="a"} pending
        at 10m20s expect SuccessRateLow{unit="a"} pending
        at 10m40s expect SuccessRateLow{unit="a"} firing
        "#,
    );
    assert_eq!(night.told.len(), 1);
    let told = night.told[0].1.clone();

    let night = Night::under(SUCCESS).tell(
        r#"
        load function guide/wow-video-feed unit=a
          0s..20m qps 200 success 80%
          20m..60m qps 200
        restart 5m..6m
        restart 8m..12m
        at 19m expect SuccessRateLow{unit="a"} firing
        at 30m expect nothing
        "#,
    );
    assert_eq!(night.told.len(), 2, "{:?}", night.lines());
    assert_eq!(night.told[0].1.starts_at, night.told[1].1.starts_at);
    assert_eq!(told.labels, night.told[0].1.labels);
}

#[test]
fn a_wall_clock_that_jumps_moves_nothing() {
    for jump in [86_400, -86_400] {
        let mut night = Night::under(DROP).tell(&format!(
            "{USUAL_DAYS}
              0s..20m qps 100
            at 10m expect nothing"
        ));
        for second in 601..900 {
            night.jumped_tick(second + jump);
        }
        assert!(
            night.lines().is_empty(),
            "jump by {jump} s: {:?}",
            night.lines()
        );
    }
}

#[test]
fn a_removed_rule_closes_with_its_reason() {
    let story = r#"
        load function guide/wow-video-feed unit=a
          0s..60m qps 200 success 80%
        at 1m expect SuccessRateLow{unit="a"} firing
    "#;
    let night = Night::under(SUCCESS)
        .tell(story)
        .reload("version: rampart/v1\nrules: []\n");
    assert_eq!(night.lines().len(), 2, "{:?}", night.lines());
    assert_eq!(night.told[1].1.annotations["reason"], "rule removed");

    // The same rule with other numbers keeps its phase.
    let night = Night::under(SUCCESS)
        .tell(story)
        .reload(&SUCCESS.replace("below: 99%", "below: 98%"))
        .tell("at 2m expect SuccessRateLow{unit=\"a\"} firing");
    assert_eq!(night.lines().len(), 1, "{:?}", night.lines());

    // A rule that no longer watches the function lets go of it.
    let night = Night::under(SUCCESS)
        .tell(story)
        .reload(&SUCCESS.replace("guide/wow-video-*", "travel/*"));
    assert_eq!(night.lines().len(), 2, "{:?}", night.lines());
}

#[test]
fn rush_has_its_own_numbers_and_keeps_an_episodes_labels() {
    let rules = SUCCESS.replace(
        "annotations:",
        "rush: {success_rate: {below: 99.9%}, for: 0s, severity: warning}\n        annotations:",
    );
    let story = r"
        load function guide/wow-video-feed unit=a
          0s..60m qps 200 success 99.5%
    ";
    let night = Night::under(&rules)
        .tell(&format!("{story}\n at 5m expect nothing"))
        .mode(Mode::Rush)
        .tell("at 5m10s expect SuccessRateLow{unit=\"a\"} firing");
    assert_eq!(night.told[0].1.severity(), Severity::Warning);
    let night = night.mode(Mode::Daily).tell("at 9m expect nothing");
    assert_eq!(night.told[1].1.labels, night.told[0].1.labels);
}

#[test]
fn more_label_sets_than_the_limit_clear_nothing() {
    let rules = SUCCESS.replace(
        "functions: [\"guide/wow-video-*\"]",
        "functions: [\"*\"]\n    limit: 3",
    );
    let mut story = String::new();
    for index in 0..6 {
        let from = index * 60;
        story +=
            &format!("load function guide/f{index} unit=a\n {from}s..60m qps 200 success 10%\n");
    }
    story.push_str("at 10m expect SuccessRateLow{unit=\"a\"} firing");
    let night = Night::under(&rules).tell(&story);
    assert_eq!(night.told.len(), 3, "{:?}", night.lines());
    let view = night.overview();
    assert_eq!((view[0].beyond_limit, view[0].label_sets), (3, 6));
    assert_eq!(night.engine.beyond_limit(), 3);
    assert_eq!(
        view[0].error.as_deref(),
        Some("3 more label sets breach than `limit: 3` allows; they are not followed")
    );
}

/// A rule that is wrong for everybody: a thousand alerts, and the rest is told in one sentence.
#[test]
fn ten_thousand_breaches_of_one_rule_are_a_thousand_alerts_and_a_sentence() {
    let rules = SUCCESS
        .replace("functions: [\"guide/wow-video-*\"]", "functions: [\"*\"]")
        .replace("for: 10s", "for: 0s");
    let mut story = String::new();
    for index in 0..10_000 {
        story += &format!("load function guide/f{index} unit=a\n 0s..3s qps 200 success 10%\n");
    }
    story.push_str("at 3s expect SuccessRateLow{unit=\"a\"} firing");
    let night = Night::under(&rules).tell(&story);
    assert_eq!(night.told.len(), 1_000);
    let view = night.overview();
    assert_eq!((view[0].beyond_limit, view[0].label_sets), (9_000, 10_000));
    assert_eq!(
        view[0].error.as_deref(),
        Some("9000 more label sets breach than `limit: 1000` allows; they are not followed")
    );
}

#[test]
fn the_overview_shows_every_label_set_and_why_it_is_unknown() {
    let night = Night::under(SUCCESS).tell(
        r#"
        load function guide/wow-video-feed unit=a
          0s..60m qps 200 success 80%
        load function guide/wow-video-feed unit=b
          0s..60m qps 200
        load function guide/wow-video-rare unit=a
          0s..60m qps 1
        at 5s expect SuccessRateLow{unit="a"} pending
        "#,
    );
    let view = night.overview();
    let shown: Vec<String> = view[0]
        .states
        .iter()
        .map(|state| {
            format!(
                "{} {} {:?} {:?} {:?}",
                state.labels, state.phase, state.value, state.remaining, state.unknown
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            r#"{function="wow-video-feed", namespace="guide", unit="a"} pending Some(0.8) Some("5s") None"#,
            r#"{function="wow-video-feed", namespace="guide", unit="b"} inactive Some(1.0) None None"#,
            r#"{function="wow-video-rare", namespace="guide", unit="a"} inactive None None Some("6 calls in the window, min_calls is 100")"#,
        ]
    );
}

#[test]
fn blindness_has_its_own_alert() {
    let night = Night::under("version: rampart/v1\nrules: []\n")
        .with_telemetry_late()
        .tell(
            "late 5m..20m 50%
             blind 30m..50m
             at 4m  expect nothing
             at 8m  expect TelemetryLate firing
             at 40m expect nothing",
        );
    assert_eq!(night.told.len(), 2, "{:?}", night.lines());
}

#[test]
fn blindness_ends_soon_after_all_has_arrived_and_not_before_somebody_knows() {
    let night = Night::under("version: rampart/v1\nrules: []\n")
        .with_telemetry_late()
        .tell(
            "late 5m..20m 50%
             at 20m10s expect TelemetryLate firing
             at 21m40s expect TelemetryLate clearing
             at 22m5s  expect nothing",
        );
    assert_eq!(night.told.len(), 2, "{:?}", night.lines());

    // From 21m40s to 36m the window holds time about which nobody knows.
    let night = Night::under("version: rampart/v1\nrules: []\n")
        .with_telemetry_late()
        .tell(
            "late 5m..20m 50%
             blind 21m11s..34m
             at 21m40s expect TelemetryLate clearing
             at 35m25s expect TelemetryLate clearing
             at 35m40s expect TelemetryLate clearing
             at 36m5s  expect nothing",
        );
    assert_eq!(night.told.len(), 2, "{:?}", night.lines());
}

/// Seeded nights: whatever the traffic, no rule pages twice in one episode, resolves
/// what it did not tell, or lets `for` pass while nobody watched.
#[test]
fn seeded_nights_tell_each_episode_once() {
    for seed in 0..60_u64 {
        let mut dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut roll = |limit: u64| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            dice % limit
        };
        let mut story = String::from("load function guide/wow-video-feed unit=a\n");
        let mut at = 0;
        while at < 600 {
            let until = at + 20 + roll(100);
            let success = [0, 50, 90, 98, 100][roll(5) as usize];
            let qps = [0, 1, 20, 200][roll(4) as usize];
            story += &format!("{at}s..{until}s qps {qps} success {success}%\n");
            if roll(6) == 0 {
                story += &format!("restart {}s..{}s\n", at + 5, at + 5 + roll(200));
            }
            at = until;
        }
        story += &format!("at {}s expect anything\n", at + 1);
        let night = Night::under(SUCCESS).tell_without_expecting(&story);
        let mut open = None;
        for (second, alert) in &night.told {
            let firing = alert.status == model::AlertStatus::Firing;
            assert_ne!(
                open.is_some(),
                firing,
                "seed {seed} at {second}: {:?}",
                night.lines()
            );
            if firing {
                open = Some(alert.starts_at);
            } else {
                assert_eq!(open.take(), Some(alert.starts_at), "seed {seed}");
            }
        }
    }
}

#[test]
fn an_evaluation_error_moves_nothing_and_is_visible() {
    let night = Night::under(DROP).tell(&format!(
        "{USUAL_DAYS}
          0s..10m qps 100
          17m..60m qps 100
        broken 16m..30m
        at 15m50s expect QpsDrop firing
        at 29m    expect QpsDrop firing"
    ));
    assert!(
        night.told.iter().all(|(second, _)| *second < 960),
        "{:?}",
        night.lines()
    );
    let view = night.overview();
    assert_eq!(
        view[0].error.as_deref(),
        Some("history is not available: the story says so")
    );
    let night = night.tell("at 40m expect nothing");
    assert_eq!(night.overview()[0].error, None);
}

#[test]
fn a_breach_that_came_to_nothing_is_let_go_after_hours() {
    let rules = SUCCESS.replace("for: 10s", "for: 1h");
    let night = Night::under(&rules).tell(
        r#"
        load function guide/wow-video-gone unit=a
          0s..30s qps 100 success 0%
        at 5h59m expect SuccessRateLow{unit="a"} pending
        at 6h2m  expect nothing
        "#,
    );
    assert!(night.told.is_empty());
}

#[test]
fn near_capacity_fires_over_the_share_and_says_nothing_without_a_load_test() {
    let rules = r#"
version: rampart/v1
rules:
  - alert: NearCapacity
    functions: ["guide/*"]
    qps: {above_capacity: 80%, over: 1m}
    for: 10s
    severity: warning
"#;
    let night = Night::under(rules).tell(
        r"
        load function guide/untested
          0s..40m  qps 900
        load function guide/feed
          0s..10m  qps 200
          10m..20m qps 251
          20m..40m qps 251
        capacity 2m..20m  100 pods 3
        capacity 20m..35m 100 pods 4
        at 9m59s  expect nothing
        at 12m    expect NearCapacity firing
        at 21m    expect nothing
        at 40m    expect nothing
        ",
    );
    assert_eq!(night.told.len(), 2, "{:?}", night.lines());
    assert!(
        night.told[0].1.annotations["summary"].contains("of 300 QPS over 1m"),
        "{:?}",
        night.told[0].1.annotations
    );
    assert_eq!(night.told[0].1.annotations["value"], "83.1 %");
    let view = night.overview();
    assert_eq!((view[0].label_sets, view[0].unknown), (2, 2));
    assert!(
        view[0]
            .last_unknown
            .as_deref()
            .is_some_and(|why| why.contains("no load test has measured what a pod carries")),
        "{:?}",
        view[0].last_unknown
    );
}

#[test]
fn slow_calls_fire_when_it_is_proven_and_resolve_when_it_is_over() {
    let rules = r#"
version: rampart/v1
rules:
  - alert: Slow
    functions: ["guide/*"]
    latency: {quantile: 0.99, above: 800ms, over: 1m, min_calls: 100}
    for: 10s
    severity: warning
"#;
    let night = Night::under(rules).tell(
        r"
        load function guide/feed
          0s..10m   qps 20 slow 0.5%
          10m..14m  qps 20 slow 5%
          14m..30m  qps 20
        load function guide/rare
          0s..30m   qps 1 slow 50%
        load function travel/rail
          0s..30m   qps 20 slow 50%
        at 9m59s  expect nothing
        at 12m    expect Slow firing
        at 17m    expect nothing
        ",
    );
    assert_eq!(night.told.len(), 2, "{:?}", night.lines());
    let (at, alert) = &night.told[0];
    assert!((615..700).contains(at), "told at {at}");
    assert_eq!(alert.annotations["value"], "900ms");
    assert!(
        alert.annotations["summary"].starts_with("guide/feed: p99 is 900ms in 1m; ")
            && alert.annotations["summary"].ends_with(" calls took longer than 800ms"),
        "{:?}",
        alert.annotations
    );
    // A call a second is too few to judge by.
    let view = night.overview();
    assert_eq!((view[0].label_sets, view[0].unknown), (2, 1));
}

#[test]
fn the_unit_that_is_worse_than_the_others_fires_and_a_fault_of_all_does_not() {
    let rules = r#"
version: rampart/v1
rules:
  - alert: UnitOutlier
    functions: ["guide/*"]
    outlier: {across: unit, worse_by: 2pp, over: 2m, min_calls: 200}
    severity: warning
"#;
    let night = Night::under(rules).tell(
        r#"
        load function guide/feed unit=a
          0s..10m   qps 50 success 99.9%
          10m..15m  qps 50 success 92%
          15m..20m  qps 50 success 99.9%
          20m..30m  qps 50 success 60%
        load function guide/feed unit=b
          0s..20m   qps 50 success 99.9%
          20m..30m  qps 50 success 60%
        load function guide/feed unit=c
          0s..20m   qps 50 success 99.9%
          20m..30m  qps 50 success 60%
        load function guide/alone unit=a
          0s..30m   qps 50 success 70%
        at 9m59s  expect nothing
        at 14m    expect UnitOutlier{unit="a"} firing
        at 19m    expect nothing
        at 29m    expect nothing
        "#,
    );
    assert_eq!(night.told.len(), 2, "{:?}", night.lines());
    let alert = &night.told[0].1;
    assert_eq!(alert.labels.get("unit"), Some("a"));
    assert_eq!(alert.labels.get("function"), Some("feed"));
    assert!(
        alert.annotations["summary"].contains("in unit a")
            && alert.annotations["summary"].ends_with("the other units are at 99.9 %"),
        "{:?}",
        alert.annotations
    );
    let view = night.overview();
    assert!(
        view[0]
            .last_unknown
            .as_deref()
            .is_some_and(|why| why.contains("the other units have 0 calls in the window")),
        "{:?}",
        view[0].last_unknown
    );
}
