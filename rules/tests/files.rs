//! Rule files: what they mean, and how every mistake is shown with its place and the way out.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use model::Mode;
use rules::condition::Condition;
use rules::{RuleSet, UsualCalls};

const FIVE_MISTAKES: &str = r#"version: rampart/v1
groups:
  - name: video
    functions: ["guide/wow-video-*"]
    rules:
      - alert: SuccessRateLow
        sucess_rate: {below: 99%, over: 1m}
      - alert: QpsDrop
        qps: {drop: 50%, against: [36h]}
        for: ten minutes
      - alert: QpsDrop
        success_rate: {below: 99%, over: 1h}
        annotations: {summary: "{{ fucntion }} is down"}
"#;

#[test]
fn five_mistakes_are_shown_at_once() {
    let problems = RuleSet::parse("rules/video.yaml", FIVE_MISTAKES).unwrap_err();
    insta::assert_snapshot!(problems.to_string());
}

#[test]
fn what_this_version_does_not_evaluate_says_so_at_its_place() {
    let text =
        "version: rampart/v1\nrules:\n  - alert: A\n    functions: ['*']\n    expr: 'up == 0'\n";
    let problems = RuleSet::parse("a.yaml", text).unwrap_err();
    let shown = problems.to_string();
    assert!(
        shown.starts_with("a.yaml:5:11: `expr` is not available in this version\n"),
        "{shown}"
    );
    assert_eq!(problems.len(), 1, "{shown}");
}

#[test]
fn each_mistake_has_its_own_sentence() {
    let rule = |lines: &str| {
        format!("version: rampart/v1\nrules:\n  - alert: A\n    functions: ['*']\n    {lines}\n")
    };
    let table = [
        (rule("success_rate: {below: 0%}"), "can never fire"),
        (rule("success_rate: {over: 1m}"), "field `below` is missing"),
        (
            rule("success_rate: {detect: early}"),
            "field `objective` is missing",
        ),
        (
            rule("success_rate: {objective: 99.9%}"),
            "`objective` without `detect: early`",
        ),
        (
            rule("success_rate: {objective: 99.9%, detect: early, over: 1m}"),
            "`over` does not go with `detect: early`",
        ),
        (
            rule("success_rate: {objective: 30%, detect: early}"),
            "`objective: 30%` is out of range",
        ),
        (
            rule("success_rate: {objective: 99.9%, detect: early, false_pages: 3y}"),
            "`false_pages: 3y` is not a budget",
        ),
        (
            rule("qps: {detect: early, false_pages: 1/1m}"),
            "`false_pages: 1/1m` is out of range",
        ),
        (
            rule("qps: {detect: early, against: [1d]}"),
            "`against` does not go with `detect: early`",
        ),
        (
            rule("qps: {detect: early, drop: 50%}"),
            "detect and drop at once",
        ),
        (
            rule("success_rate: {below: 99%, recover_above: 98%}"),
            "lies under",
        ),
        (
            rule("success_rate: {below: 99%, confidence: 30%}"),
            "out of range",
        ),
        (
            rule("success_rate: {below: 99%, over: 90ms}"),
            "cannot be evaluated",
        ),
        (
            rule("success_rate: {below: 99}"),
            "percentages need the % sign",
        ),
        (
            rule("latency: {quantile: 0.99}"),
            "field `above` is missing",
        ),
        (rule("latency: {above: 0s}"), "fires at every call"),
        (
            rule("latency: {above: 800ms, recover_below: 1s}"),
            "lies over",
        ),
        (
            rule("latency: {above: 800ms, over: 15s}"),
            "kept in pieces of 10s",
        ),
        (rule("latency: {above: 800ms, quantile: 99%}"), "quantile"),
        (
            rule("latency: {above: 800ms, confidence: 30%}"),
            "out of range",
        ),
        (
            rule("outlier: {across: unit}"),
            "field `worse_by` is missing",
        ),
        (
            rule("outlier: {across: instance, worse_by: 2pp}"),
            "instance",
        ),
        (rule("outlier: {worse_by: 2}"), "percentages need"),
        (rule("qps: {over: 1m}"), "does not say what is wrong"),
        (
            rule("share: {of: served_by, above: 5%}"),
            "`share` of served_by does not say of which value",
        ),
        (
            rule("share: {of: outcome, value: time_out, above: 5%}"),
            "`time_out` is no outcome",
        ),
        (
            rule("share: {of: outcome, value: time_out, above: 5%}"),
            "did you mean `timeout`?",
        ),
        (
            rule("share: {of: cold_start, value: x, above: 5%}"),
            "`value` does not go with `of: cold_start`",
        ),
        (
            rule("share: {of: cold_start}"),
            "`share` does not say what is wrong",
        ),
        (
            rule("share: {of: cold_start, above: 100%}"),
            "`above: 100%` can never fire: no share lies beyond it",
        ),
        (
            rule("share: {of: cold_start, above: 5%, below: 1%}"),
            "`share` holds above and below at once",
        ),
        (
            rule("share: {of: served_by, value: java, above: 5%, over: 90s}"),
            "values of this column are counted by minutes: write 1m to 15m",
        ),
        (
            rule("share: {of: served_by, value: java, above: 5%}\n    by: [function, unit]"),
            "`served_by` is judged for each function as a whole",
        ),
        (
            rule("compare: {against: base, success_rate_worse_by: 1pp}"),
            "`compare` needs exactly one of version, served_by, function",
        ),
        (
            rule("compare: {version: v1, against: v1, success_rate_worse_by: 1pp}"),
            "`v1` is compared with itself",
        ),
        (
            rule(
                "compare: {version: gray, against: base, success_rate_worse_by: 1pp}\n    by: [function, version]",
            ),
            "`compare` tells versions apart itself",
        ),
        (
            rule("compare: {function: guide/a, against: b, success_rate_worse_by: 1pp}"),
            "`b` is not a function",
        ),
        (
            rule("slo: {objective: 90%}"),
            "`objective: 90%` can never burn 14.4 times too fast: that were more failures than calls",
        ),
        (
            rule("slo: {objective: 90%}"),
            "write at least 93.1%, or `burn: slow`",
        ),
        (
            rule("slo: {objective: 100%}"),
            "`objective: 100%` leaves no budget",
        ),
        (
            rule("slo: {objective: 99.9%, period: 1h}"),
            "`period: 1h` is out of range",
        ),
        (
            rule("sql: 'delete from invocations'"),
            "`sql` is not a SELECT",
        ),
        (
            rule("sql: 'SELECT function, count(*) FROM invocations GROUP BY 1'"),
            "`sql` has no column `value`",
        ),
        (
            rule("sql: 'SELECT function, 1 AS value FROM invocations'\n    every: 1s"),
            "`every: 1s` is too often for a query",
        ),
        (
            rule("qps: {drop: 50%, absent_for: 2m}"),
            "drop and absent_for at once",
        ),
        (rule("qps: {below: 0/s}"), "can never fire"),
        (rule("qps: {above_capacity: 0%}"), "fires at the first call"),
        (rule("qps: {above_capacity: 300/s}"), "above_capacity"),
        (
            rule("qps: {above_capacity: 80%, above: 5/s}"),
            "above and above_capacity at once",
        ),
        (
            rule("qps: {above_capacity: 80%}\n    by: [function, unit]"),
            "for each function as a whole",
        ),
        (
            rule("qps: {above_capacity: 80%, pods: {metric: \"it's\"}}"),
            "not a metric name",
        ),
        (
            rule("qps: {above_capacity: 80%, pods: {metric: ready, label: a-b}}"),
            "not a label name",
        ),
        (
            rule("qps: {above_capacity: 80%, pods: {label: function}}"),
            "metric",
        ),
        (rule("qps: {drop: 50%, against: [1d, 1d]}"), "twice"),
        (
            rule("qps: {absent_for: 2m}\n    every: 2h"),
            "cannot be kept",
        ),
        (
            rule("qps: {absent_for: 2m}\n    labels: {severity: high}"),
            "set by Rampart itself",
        ),
        (
            rule("qps: {absent_for: 2m}\n    labels: {team-a: x}"),
            "not a label name",
        ),
        (
            rule("qps: {absent_for: 2m}\n    rush: {slo: {objective: 99%}}"),
            "has no `slo` to override",
        ),
        (
            rule("qps: {absent_for: 2m}\n    rush: {success_rate: {below: 99%}}"),
            "has no `success_rate`",
        ),
        (
            rule("qps: {absent_for: 2m}\n    inhibited_by: [TelemetryLat]"),
            "did you mean `TelemetryLate`?",
        ),
        (
            rule("qps: {absent_for: 2m}\n    inhibited_by: [A]"),
            "`A` would hold back itself: inhibited by A",
        ),
        (
            rule("qps: {absent_for: 2m}\n    by: [instance]"),
            "instance",
        ),
        (
            "version: rampart/v1\nrules:\n  - alert: A\n    qps: {absent_for: 2m}\n".to_owned(),
            "which functions",
        ),
        ("rules: []\n".to_owned(), "version"),
        (
            rule("qps: {absent_for: 2m}").replace("A\n", "TelemetryLate\n"),
            "built in",
        ),
    ];
    for (text, expected) in table {
        let shown = RuleSet::parse("a.yaml", &text).unwrap_err().to_string();
        assert!(shown.contains(expected), "{text}\n{shown}");
    }
}

#[test]
fn names_differ_over_all_files() {
    let one =
        "version: rampart/v1\nrules:\n  - {alert: A, functions: ['*'], qps: {absent_for: 2m}}\n";
    let shown = RuleSet::parse_all([("a.yaml", one), ("b.yaml", one)])
        .unwrap_err()
        .to_string();
    assert!(
        shown.contains("b.yaml:3:")
            && shown.contains("alert `A` is declared twice")
            && shown.contains("a.yaml:3"),
        "{shown}"
    );
}

#[test]
fn what_holds_back_what_is_proven_over_all_files() {
    let file = |alert: &str, by: &str, inhibited_by: &str| {
        format!(
            "version: rampart/v1\nrules:\n  - {{alert: {alert}, functions: ['*'], by: [{by}], qps: {{absent_for: 2m}}{inhibited_by}}}\n"
        )
    };
    let slow = file(
        "Slow",
        "function, unit",
        ", inhibited_by: [Down, Gone, TelemetryLate]",
    );
    let down = file("Down", "function, zone", "");
    let gone = file("Gone", "unit, version", "");
    let set = RuleSet::parse_all([
        ("a.yaml", slow.as_str()),
        ("b.yaml", &down),
        ("c.yaml", &gone),
    ]);
    let said: Vec<(String, String, String)> = set
        .unwrap()
        .inhibitions()
        .into_iter()
        .map(|one| (one.source, one.target, one.equal.join(" ")))
        .collect();
    let row = |source: &str, equal: &str| (source.to_owned(), "Slow".to_owned(), equal.to_owned());
    assert_eq!(
        said,
        [
            row("Down", "namespace function"),
            row("Gone", "unit"),
            row("TelemetryLate", ""),
        ]
    );

    let unknown = file("Slow", "function", ", inhibited_by: [Dwon]");
    let shown = RuleSet::parse_all([("a.yaml", unknown.as_str()), ("b.yaml", &down)]);
    let shown = shown.unwrap_err().to_string();
    assert!(shown.contains("there is no alert `Dwon`"), "{shown}");
    assert!(shown.contains("did you mean `Down`?"), "{shown}");

    let ring = file("Down", "function", ", inhibited_by: [Gone]");
    let back = file("Gone", "function", ", inhibited_by: [Slow]");
    let shown = RuleSet::parse_all([
        ("a.yaml", slow.as_str()),
        ("b.yaml", &ring),
        ("c.yaml", &back),
    ]);
    let shown = shown.unwrap_err().to_string();
    assert!(
        shown.contains("`Gone` would hold back itself: inhibited by Slow by Gone"),
        "{shown}"
    );
}

#[test]
fn for_shorter_than_every_is_advice_and_no_error() {
    let text = "version: rampart/v1\nrules:\n  - alert: A\n    functions: ['*']\n    every: 30s\n    for: 10s\n    success_rate: {below: 99%}\n";
    let set = RuleSet::parse("a.yaml", text).unwrap();
    let advice = set.advice().to_string();
    assert!(
        advice.contains("`for: 10s` is shorter than `every: 30s`"),
        "{advice}"
    );
}

#[test]
fn a_group_gives_its_rules_what_they_leave_out() {
    let set = RuleSet::parse(
        "a.yaml",
        r#"
version: rampart/v1
groups:
  - name: video
    owner: team-guide
    functions: ["guide/*"]
    every: 5s
    by: [unit, function]
    time_zone: Asia/Shanghai
    labels: {tier: gold, room: a}
    rules:
      - alert: Drop
        qps: {drop: 50%}
        labels: {room: b}
      - alert: Low
        owner: team-other
        every: 1s
        by: [namespace]
        success_rate: {below: 99%}
        rush: {success_rate: {below: 99.5%, over: 30s}, severity: critical}
"#,
    )
    .unwrap();
    let [drop, low] = set.rules() else { panic!() };
    assert_eq!(drop.every, Duration::from_secs(5));
    assert_eq!(drop.labels.to_string(), r#"{room="b", tier="gold"}"#);
    let by: Vec<&str> = drop.select.by.iter().map(|by| by.as_str()).collect();
    assert_eq!(by, ["namespace", "function", "unit"]);
    let Condition::QpsDrop(condition) = &drop.daily.condition else {
        panic!()
    };
    assert_eq!(condition.against.days, [1, 7, 14]);
    assert_eq!(condition.against.zone.name(), "Asia/Shanghai");

    assert_eq!(
        (low.owner.as_deref(), low.every),
        (Some("team-other"), Duration::from_secs(1))
    );
    let Condition::SuccessRate(rush) = &low.settings(Mode::Rush).condition else {
        panic!()
    };
    assert_eq!(
        (rush.below.get(), rush.over, rush.enough.min_calls),
        (0.995, Duration::from_secs(30), 100)
    );
    assert_eq!(low.settings(Mode::Rush).severity, model::Severity::Critical);
    assert_eq!(low.settings(Mode::Daily).severity, model::Severity::Warning);
}

fn usual(calls: [(&str, f64, f64); 3]) -> Vec<UsualCalls> {
    calls
        .map(|(function, per_minute, busiest)| UsualCalls {
            function: function.parse().unwrap(),
            per_minute,
            busiest,
        })
        .to_vec()
}

const WATCHED: &str = r#"
version: rampart/v1
rules:
  - alert: Low
    functions: ["store/*", "guide/*"]
    success_rate: {below: 99%, over: 1m, min_calls: 100}
    rush: {success_rate: {min_calls: 500}}
  - alert: Nervous
    functions: ["guide/*"]
    success_rate: {below: 99%, over: 1m, min_calls: 100, confidence: 95%}
  - alert: Early
    functions: ["*"]
    qps: {detect: early, false_pages: 1/2y}
  - alert: Whole
    functions: ["*"]
    by: [namespace]
    latency: {above: 800ms, over: 1m}
  - alert: Silent
    functions: ["*"]
    qps: {absent_for: 2m}
"#;

#[test]
fn traffic_says_what_each_rule_is_to_expect() {
    let set = RuleSet::parse("a.yaml", WATCHED).unwrap();
    let traffic = usual([
        ("store/coupon", 30.0, 60.0),
        ("guide/feed", 100.0, 180.0),
        ("guide/search", 80.0, 120.0),
    ]);
    let outlook = set.outlook(&traffic, Mode::Daily);
    let [low, nervous, early, whole, silent] = outlook.as_slice() else {
        panic!("{outlook:?}")
    };
    let said: Vec<String> = low.unreachable.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        ["cannot fire for store/coupon: 60 calls/min < min_calls 100 in 1m"]
    );
    assert_eq!(low.watched, 3);
    let pages = |outlook: &rules::Outlook| outlook.false_pages_a_year.unwrap();
    assert!(pages(low) < 0.2, "{}", pages(low));
    let worst = nervous.worst.as_ref().unwrap();
    assert!((79.0..90.0).contains(&pages(nervous)), "{}", pages(nervous));
    // 217 in 1,000 days at 100 calls a minute.
    assert_eq!(worst.of, "guide/feed");
    assert!((worst.false_pages_a_year - 79.0).abs() < 0.1, "{worst:?}");
    // Half a page a year for each of three functions.
    assert!((pages(early) - 1.5).abs() < 1e-9, "{}", pages(early));
    assert_eq!((whole.watched, whole.unreachable.len()), (2, 1));
    assert_eq!(whole.unreachable[0].of, "store");
    assert_eq!((silent.watched, silent.false_pages_a_year), (3, None));
    let rush = set.outlook(&traffic, Mode::Rush);
    assert_eq!(rush[0].unreachable.len(), 3);
    assert_eq!(
        rush[0].unreachable[0].to_string(),
        "cannot fire for guide/feed: 180 calls/min < min_calls 500 in 1m"
    );
}

#[test]
fn traffic_gives_advice() {
    let set = RuleSet::parse("a.yaml", &WATCHED.replace("store/*", "stroe/coupon")).unwrap();
    let traffic = usual([
        ("store/coupon", 30.0, 60.0),
        ("guide/feed", 100.0, 180.0),
        ("guide/search", 80.0, 120.0),
    ]);
    let advice: Vec<String> = set
        .lint(&traffic)
        .iter()
        .map(|p| p.message.clone())
        .collect();
    assert_eq!(
        advice,
        [
            "Low: `stroe/coupon` matches no function seen",
            "Low in rush mode cannot fire for guide/feed: 180 calls/min < min_calls 500 in 1m",
            "Low in rush mode cannot fire for guide/search: 120 calls/min < min_calls 500 in 1m",
            "Nervous will page by chance 79 times a year for guide/feed (100 calls/min)",
            "Whole cannot fire for store: 60 calls/min < min_calls 100 in 1m",
        ],
    );
    assert!(set.lint(&[]).is_empty(), "without traffic nothing is known");
}

#[test]
fn a_rate_alone_says_what_chance_does() {
    let set = RuleSet::parse("a.yaml", WATCHED).unwrap();
    assert_eq!(set.budgets(), [("Early".to_owned(), 0.5)]);
    let expected = set.expectations(100.0);
    let names: Vec<&str> = expected.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Low", "Nervous", "Whole"]);
    assert!(expected[0].1.is_some_and(|pages| pages < 0.1));
    assert!(
        expected[1]
            .1
            .is_some_and(|pages| (pages - 79.0).abs() < 0.1)
    );
    assert_eq!(set.expectations(99.0)[0].1, None);
}

#[test]
fn the_starter_rules_are_proven_and_watch_everything() {
    let set = rules::starter();
    assert_eq!(set.rules().len(), 3);
    assert!(set.advice().is_empty(), "{}", set.advice());
    assert!(
        set.rules()
            .iter()
            .all(|rule| rule.select.takes("any/function"))
    );
}

#[test]
fn the_schema_names_every_field() {
    let schema = declare::json_schema(&rules::shape(), "rules").to_string();
    for field in [
        "success_rate",
        "recover_above",
        "absent_for",
        "above_capacity",
        "keep_firing_for",
        "rush",
        "min_completeness",
    ] {
        assert!(schema.contains(field), "{field}");
    }
}
