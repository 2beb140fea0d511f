//! promtool's unit-test files: what comes true, what is shown when it does not, and mistakes at their place.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use rules::{RuleSet, UnitTests};

const RULES: &str = r#"
version: rampart/v1
groups:
  - name: video
    functions: ["guide/*"]
    by: [function, unit]
    rules:
      - alert: SuccessRateLow
        success_rate: {below: 99%, over: 1m}
        severity: critical
        labels: {team: video}
        annotations: {summary: "{{ id }} fails in unit {{ unit }}"}
      - alert: Silent
        qps: {absent_for: 2m}
"#;

const TESTS: &str = r#"rule_files: [video.yaml]
evaluation_interval: 1m
tests:
  - name: one unit fails
    interval: 1m
    input_series:
      - series: 'rampart_calls_total{namespace="guide", function="feed", unit="a"}'
        values: '0+6000x10 60000+4800x5'
      - series: 'rampart_calls_total{namespace="guide", function="feed", unit="a", outcome="function_error"}'
        values: '0x10 0+1200x5'
      - series: 'rampart_calls_total{namespace="guide", function="feed", unit="b"}'
        values: '0+6000x16'
    alert_rule_test:
      - eval_time: 10m
        alertname: SuccessRateLow
      - eval_time: 15m
        alertname: SuccessRateLow
        exp_alerts:
          - exp_labels:
              namespace: guide
              function: feed
              unit: a
              severity: critical
              team: video
            exp_annotations:
              summary: guide/feed fails in unit a
      - eval_time: 15m
        alertname: Silent
        exp_alerts: []
"#;

fn run(tests: &str) -> Result<rules::Outcome, String> {
    let rules = RuleSet::parse("video.yaml", RULES).unwrap();
    let tests = UnitTests::parse("video_test.yaml", tests).map_err(|found| found.to_string())?;
    assert_eq!(tests.rule_files[0].text(), Some("video.yaml"));
    tests.run(&rules).map_err(|found| found.to_string())
}

#[test]
fn a_file_of_promtools_comes_true() {
    let outcome = run(TESTS).unwrap();
    assert!(outcome.failed.is_empty(), "{}", outcome.failed);
    assert_eq!(outcome.expectations, 3);
    assert_eq!(outcome.told.len(), 1, "{:?}", outcome.told);
    assert!(
        outcome.told[0].starts_with("one unit fails: 1") && outcome.told[0].contains("firing"),
        "{:?}",
        outcome.told
    );
}

#[test]
fn calls_that_stop_and_counters_that_begin_anew_are_seen() {
    let outcome = run(r#"rule_files: [video.yaml]
tests:
  - interval: 30s
    input_series:
      - series: rampart_calls_total{namespace="guide", function="feed", unit="a"}
        values: 0+300x40 12000x20
      - series: rampart_calls_total{namespace="guide", function="feed", unit="b"}
        values: 0+300x30 0+300x30
    alert_rule_test:
      - {eval_time: 20m, alertname: Silent}
      - eval_time: 25m
        alertname: Silent
        exp_alerts:
          - exp_labels: {namespace: guide, function: feed, unit: a, severity: warning}
"#)
    .unwrap();
    assert!(outcome.failed.is_empty(), "{}", outcome.failed);
}

/// Expected beside got, at the place of the check.
#[test]
fn what_does_not_come_true_is_readable() {
    let tests = TESTS
        .replace("              team: video\n", "")
        .replace("eval_time: 10m", "eval_time: 12m")
        .replace("fails in unit a", "is down in unit a");
    let outcome = run(&tests).unwrap();
    assert_eq!(
        outcome.failed.to_string(),
        r#"video_test.yaml:14:20: one unit fails: at 12m `SuccessRateLow` is not as expected
   |
14 |       - eval_time: 12m
   |                    ^^^
   = expected: nothing
          got: {alertname="SuccessRateLow", function="feed", namespace="guide", severity="critical", team="video", unit="a"}

video_test.yaml:16:20: one unit fails: at 15m `SuccessRateLow` is not as expected
   |
16 |       - eval_time: 15m
   |                    ^^^
   = expected: {alertname="SuccessRateLow", function="feed", namespace="guide", severity="critical", unit="a"} summary="guide/feed is down in unit a"
          got: {alertname="SuccessRateLow", function="feed", namespace="guide", severity="critical", team="video", unit="a"} summary="guide/feed fails in unit a"
"#
    );
}

#[test]
fn mistakes_are_shown_at_once_at_their_place() {
    let found = run(r#"rule_files: [video.yaml]
tests:
  - interval: 100ms
    input_series:
      - series: 'http_requests_total{job="a"}'
        values: '0+x10'
      - {series: 'rampart_calls_total{namespace="guide", functoin="feed"}', values: '1 {{count:1}}'}
    promql_expr_test:
      - expr: up
        eval_time: 1m
    alert_rule_test:
      - {eval_time: 8d, alertname: SuccessRateLow}
      - {eval_tme: 1m, alertname: SuccessRateLow}
"#)
    .unwrap_err();
    assert_eq!(
        found,
        r#"video_test.yaml:3:15: `interval: 100ms` cannot be kept
  |
3 |   - interval: 100ms
  |               ^^^^^ write whole seconds, such as 15s

video_test.yaml:5:17: `http_requests_total` is no counter of calls
  |
5 |       - series: 'http_requests_total{job="a"}'
  |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  = native rules see calls only; write rampart_calls_total{namespace="guide", function="feed"}

video_test.yaml:6:17: `0+x10` is no sample
  |
6 |         values: '0+x10'
  |                 ^^^^^^^ write 0+60x10, 600x5, _x3, stale or plain numbers

video_test.yaml:7:18: calls have no label `functoin`
  |
7 |       - {series: 'rampart_calls_total{namespace="guide", functoin="feed"}', values: '1 {{count:1}}'}
  |                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  = did you mean `function`?

video_test.yaml:7:85: `{{count:1}}` is no sample
  |
7 |       - {series: 'rampart_calls_total{namespace="guide", functoin="feed"}', values: '1 {{count:1}}'}
  |                                                                                     ^^^^^^^^^^^^^^^
  = histograms are no counters of calls

video_test.yaml:8:5: `promql_expr_test` asks PromQL, which this version does not evaluate
  |
8 |     promql_expr_test:
  |     ^^^^^^^^^^^^^^^^ test what fires by `alert_rule_test`

video_test.yaml:12:21: `eval_time: 8d` is out of reach
   |
12 |       - {eval_time: 8d, alertname: SuccessRateLow}
   |                     ^^ write whole seconds up to 7d

video_test.yaml:13:10: unknown field `eval_tme`
   |
13 |       - {eval_tme: 1m, alertname: SuccessRateLow}
   |          ^^^^^^^^ did you mean `eval_time`?
"#
    );
}

#[test]
fn an_alert_that_no_rule_has_is_a_mistake() {
    let found = run(&TESTS.replace("alertname: Silent", "alertname: Silnet")).unwrap_err();
    assert_eq!(
        found,
        "video_test.yaml:28:20: no rule has the alert `Silnet`
   |
28 |         alertname: Silnet
   |                    ^^^^^^ did you mean `Silent`?
"
    );
}

#[test]
fn unit_tests_are_told_from_scenarios() {
    assert!(UnitTests::is_one("a_test.yml", ""));
    assert!(UnitTests::is_one("a.test", TESTS));
    let scenario = "load function guide/feed\n  0s..2m qps 200\nat 1m expect nothing\n";
    assert!(!UnitTests::is_one("a.scn", scenario));
}
