//! Functions chosen by their labels: who has them, over several files, and what a reload changes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use model::Mode;
use rules::{RuleSet, UsualCalls};
use serde_json::json;
use support::Night;

const LABELS: &str = r#"
version: rampart/v1
function_labels:
  "guide/search": {tier: silver}
  "guide/*": {tier: gold, language: java}
  "store/*": {tier: bronze}
"#;

const GOLD: &str = r#"
version: rampart/v1
rules:
  - alert: Failing
    functions: {labels: {tier: gold}}
    success_rate: {objective: 99.9%, detect: early, false_pages: 1/3y}
  - alert: Silent
    functions: {names: ["*/feed"], labels: {tier: "*"}}
    qps: {absent_for: 2m}
"#;

fn together() -> String {
    format!(
        "{LABELS}{}",
        GOLD.trim_start().trim_start_matches("version: rampart/v1")
    )
}

#[test]
fn a_rule_watches_the_functions_that_have_its_labels() {
    // Labels and rules may stand in files of their own, in any order.
    let set = RuleSet::parse_all([("a.yaml", GOLD), ("b.yaml", LABELS)]).unwrap();
    let taken = |at: usize| -> Vec<&str> {
        let ids = ["guide/feed", "guide/search", "store/feed", "travel/feed"];
        let select = &set.rules()[at].select;
        ids.into_iter().filter(|id| select.takes(id)).collect()
    };
    assert_eq!(taken(0), ["guide/feed"]);
    assert_eq!(taken(1), ["guide/feed", "store/feed"]);
    let shown = set.rules()[1].to_json();
    assert_eq!(shown["functions"], json!(["*/feed"]));
    assert_eq!(shown["function_labels"], json!({"tier": "*"}));
}

#[test]
fn labels_that_nobody_has_are_mistakes_at_their_place() {
    let text = together()
        .replace("{tier: gold}}", "{teir: gold}}")
        .replace("{tier: \"*\"}", "{tier: golden, room: a}");
    let shown = RuleSet::parse("a.yaml", &text).unwrap_err().to_string();
    for said in [
        "a.yaml:10:32: no function has a label `teir`",
        "did you mean `tier`?",
        "a.yaml:13:51: no function has `tier: golden`",
        "they have bronze, gold, silver",
        "no function has a label `room`",
        "give it to them in a rule file: `function_labels: {\"guide/*\": {room: a}}`",
    ] {
        assert!(shown.contains(said), "{said}\n{shown}");
    }
    let given = LABELS.replace("language:", "\"the language\":");
    let shown = RuleSet::parse("b.yaml", &given).unwrap_err().to_string();
    assert!(
        shown.contains("b.yaml:5:27: `the language` is not a label name"),
        "{shown}"
    );
    let given = LABELS.replace("silver", "\"\"");
    let shown = RuleSet::parse("b.yaml", &given).unwrap_err().to_string();
    assert!(
        shown.contains("b.yaml:4:20: `tier` has no value"),
        "{shown}"
    );
}

#[test]
fn labels_that_no_function_seen_has_are_advised_on() {
    let set = RuleSet::parse("a.yaml", &together()).unwrap();
    let seen = [UsualCalls {
        function: "travel/feed".parse().unwrap(),
        per_minute: 1e6,
        busiest: 1e6,
    }];
    let advice = set.lint(&seen).to_string();
    assert!(
        advice.contains("Silent: no function seen has these labels; the rule watches nothing"),
        "{advice}"
    );
    assert_eq!(set.outlook(&seen, Mode::Daily)[1].watched, 0);
}

#[test]
fn a_page_comes_for_those_that_have_the_label_and_a_reload_changes_who_has() {
    let fails = |function: &str| {
        format!(
            "load function {function}\n 0s..10m qps 200 success 99.9%\n 10m..40m qps 200 success 50%\n"
        )
    };
    let story = fails("guide/feed") + &fails("guide/search") + "at 12m expect Failing firing\n";
    let night = Night::under(&together()).tell(&story);
    // From now on the other one is gold.
    let other = together().replace(
        "\"guide/search\": {tier: silver}",
        "\"guide/feed\": {tier: silver}",
    );
    let night = night.reload(&other).tell(
        "restart 12m20s..12m30s
        at 20m expect Failing firing",
    );
    let told = night.told.iter().map(|(_, alert)| {
        let function = alert.labels.get("function").unwrap();
        format!("{function} {:?}", alert.status)
    });
    let told: Vec<String> = told.collect();
    assert_eq!(told, ["feed Firing", "feed Resolved", "search Firing"]);
}
