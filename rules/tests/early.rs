//! Nights under `detect: early`: pages as soon as counts prove it, once, over restarts and blindness.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use rules::RuleSet;
use rules::condition::Condition;
use support::Night;

const FAILING: &str = r#"
version: rampart/v1
rules:
  - alert: Failing
    functions: ["guide/*"]
    success_rate: {objective: 99.9%, detect: early, false_pages: 1/3y}
    severity: critical
"#;

const FALLS: &str = r#"
version: rampart/v1
rules:
  - alert: QpsFalls
    functions: ["guide/*"]
    qps: {detect: early, false_pages: 1/3y}
"#;

#[test]
fn a_function_that_fails_pages_within_seconds_and_recovers() {
    let night = Night::under(FAILING).tell(
        r"
        load function guide/feed
          0s..10m   qps 200 success 99.9%
          10m..12m  qps 200 success 50%
          12m..30m  qps 200 success 99.9%
        load function travel/feed
          0s..30m   qps 200 success 0%
        at 9m59s  expect nothing
        at 11m    expect Failing firing
        at 29m    expect nothing
        ",
    );
    assert_eq!(night.told.len(), 2, "{:?}", night.lines());
    let (second, alert) = &night.told[0];
    assert!((601..=665).contains(second), "{:?}", night.lines());
    let said = &alert.annotations["summary"];
    assert!(
        said.starts_with("guide/feed: ")
            && said.contains(" calls failed in ")
            && said.contains("healthy is 0.1 %; odds 10^")
            && said.ends_with(": 1; budget one false page in 3 years; still learning"),
        "{said}"
    );
    assert!(alert.annotations["learning"].contains("seven clean days"));
    assert!(night.told[1].0 >= 780, "{:?}", night.lines());
}

#[test]
fn healthy_hours_and_few_calls_do_not_page() {
    let night = Night::under(FAILING).tell(
        r"
        load function guide/feed
          0s..2h   qps 200 success 99.9%
        load function guide/rare
          0s..2h   qps 0.01 success 50%
        load function guide/worse
          0s..2h   qps 20 success 99.8%
        at 2h expect nothing
        ",
    );
    assert!(night.told.is_empty(), "{:?}", night.lines());
}

#[test]
fn a_page_goes_out_at_the_commit_before_the_tick() {
    let mut night = Night::under(FAILING).tell(
        r"
        load function guide/feed
          0s..10m   qps 200 success 99.9%
          10m..20m  qps 200 success 0%
        at 9m59s  expect nothing
        ",
    );
    for second in 600..700 {
        night.commit(second, "guide/feed");
        if !night.told.is_empty() {
            break;
        }
    }
    assert_eq!(night.told.len(), 1);
    assert!(night.told[0].0 < 645, "{:?}", night.lines());
    let first = night.told[0].0;
    for second in first + 1..first + 30 {
        night.commit(second, "guide/feed");
    }
    assert_eq!(night.told.len(), 1, "one page: {:?}", night.lines());
}

#[test]
fn a_restart_pages_nothing_again_whether_or_not_it_remembers() {
    for forgetful in [false, true] {
        let mut night = Night::under(FAILING);
        night.forgetful = forgetful;
        let night = night.tell(
            r"
            load function guide/feed
              0s..10m   qps 200 success 99.9%
              10m..20m  qps 200 success 50%
              20m..60m  qps 200 success 99.9%
            restart 12m..12m20s
            restart 15m..16m
            at 12m20s expect Failing firing
            at 12m40s expect Failing firing
            at 19m    expect Failing firing
            at 59m    expect nothing
            ",
        );
        assert_eq!(night.told.len(), 2, "{forgetful}: {:?}", night.lines());
        assert_eq!(night.told[0].1.starts_at, night.told[1].1.starts_at);
    }
}

#[test]
fn blindness_freezes_an_episode() {
    let night = Night::under(FAILING).tell(
        r"
        load function guide/feed
          0s..10m   qps 200 success 99.9%
          10m..12m  qps 200 success 50%
          12m..60m  qps 200 success 99.9%
        late 11m30s..30m 50%
        at 11m    expect Failing firing
        at 29m    expect Failing firing
        at 59m    expect nothing
        ",
    );
    assert_eq!(night.told.len(), 2, "{:?}", night.lines());
}

#[test]
fn a_reload_keeps_what_was_learned_and_what_fires() {
    let story = r"
        load function guide/feed
          0s..10m   qps 200 success 99.9%
          10m..40m  qps 200 success 50%
        at 12m expect Failing firing";
    let night = Night::under(FAILING)
        .tell(story)
        .reload(&FAILING.replace("1/3y", "1/1y"))
        .tell("at 20m expect Failing firing");
    assert_eq!(night.told.len(), 1, "{:?}", night.lines());
}

#[test]
fn several_units_share_one_budget() {
    let rules = FAILING.replace("severity: critical", "by: [function, unit]");
    let night = Night::under(&rules).tell(
        r#"
        load function guide/feed unit=a
          0s..20m   qps 200 success 99.9%
        load function guide/feed unit=b
          0s..10m   qps 200 success 99.9%
          10m..20m  qps 200 success 40%
        at 19m expect Failing{unit="b"} firing
        "#,
    );
    assert_eq!(night.told.len(), 1, "{:?}", night.lines());
    let shown = night.overview();
    let numbers: Vec<&String> = shown[0]
        .states
        .iter()
        .filter_map(|s| s.numbers.as_ref())
        .collect();
    assert_eq!(numbers.len(), 2);
    assert!(
        numbers[0]
            .starts_with("up to 0.1 % failing is healthy, 0 clean days known, pages at odds 10^"),
        "{numbers:?}"
    );
}

const USUAL_DAYS: &str = "load function guide/feed
      -15d..-13d qps 100
      -8d..-6d   qps 100
      -3d..0s    qps 100";

#[test]
fn silence_pages_after_a_few_steps_that_have_arrived() {
    let night = Night::under(FALLS).tell(&format!(
        "{USUAL_DAYS}
          0s..20m qps 100
          30m..50m qps 100
        at 19m59s expect nothing
        at 21m    expect QpsFalls firing
        at 49m    expect nothing"
    ));
    assert_eq!(night.told.len(), 2, "{:?}", night.lines());
    let (second, alert) = &night.told[0];
    assert!((1_201..=1_235).contains(second), "{:?}", night.lines());
    let said = &alert.annotations["summary"];
    assert!(
        said.starts_with("guide/feed: 0 calls in ") && said.contains("are usual; odds 10^"),
        "{said}"
    );
}

#[test]
fn late_data_is_not_a_fall_and_neither_is_a_young_function() {
    let night = Night::under(FALLS).tell(&format!(
        "{USUAL_DAYS}
          0s..20m qps 100
          26m..50m qps 100
        late 20m..26m 0%
        load function guide/young
          -12h..20m qps 100
        at 49m    expect nothing"
    ));
    assert!(night.told.is_empty(), "{:?}", night.lines());
    let night = Night::under(FALLS).tell(&format!(
        "{USUAL_DAYS}
          0s..5m qps 100
        blind 0s..50m
        at 49m    expect nothing"
    ));
    assert!(night.told.is_empty(), "{:?}", night.lines());
}

#[test]
fn a_budget_is_declared_or_three_years() {
    let set = RuleSet::parse("a.yaml", FAILING).unwrap();
    let Condition::FailsEarly(condition) = &set.rules()[0].daily.condition else {
        panic!()
    };
    assert_eq!(condition.page_every.as_secs(), 3 * 365 * 86_400);
    assert_eq!(
        set.rules()[0].daily.condition.to_json()["success_rate"]["false_pages"],
        "1/3y"
    );
}
