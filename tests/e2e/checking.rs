//! `rampart check`: what is said of a rule before it is in force, for people and for programs.

use serde_json::{Value, json};

use super::house::{Folder, Server, calls, eventually, rampart, text};

const RULES: &str = "version: rampart/v1
rules:
  - alert: Low
    functions: [\"store/*\", \"guide/*\"]
    success_rate: {below: 99%}
    for: 10s
    rush: {success_rate: {below: 99.5%}, for: 0s}
  - alert: Nervous
    functions: [\"guide/*\"]
    success_rate: {below: 99%, confidence: 95%}
  - alert: Failing
    functions: [\"*\"]
    success_rate: {objective: 99.9%, detect: early}
";
const TRAFFIC: &str =
    "function_id,calls_per_minute,busiest_minute\nguide/feed,100,180\nstore/coupon,60,60\n";

#[test]
fn files_that_are_checked_together_know_of_each_other() {
    let folder = Folder::new();
    let gold = folder.write(
        "gold.yaml",
        "version: rampart/v1
rules:
  - alert: Gold
    functions: {labels: {tier: gold}}
    qps: {absent_for: 2m}
",
    );
    let labels = folder.write(
        "labels.yaml",
        "version: rampart/v1\nfunction_labels: {\"guide/*\": {tier: gold}}\n",
    );
    let together = rampart(&["check", &gold, &labels]);
    assert_eq!(
        text(&together.stdout),
        format!("{gold}: 1 rule is fine\n{labels}: 0 rules are fine\n"),
        "{}",
        text(&together.stderr)
    );
    let alone = rampart(&["check", &gold]);
    assert_eq!(alone.status.code(), Some(78));
    let said = text(&alone.stderr);
    assert!(
        said.contains(&format!("{gold}:4:32: no function has a label `tier`")),
        "{said}"
    );
    assert!(said.contains("give it to them in a rule file"), "{said}");
}

#[test]
fn rules_are_judged_by_the_traffic_of_a_file() {
    let folder = Folder::new();
    let rules = folder.write("rules.yaml", RULES);
    let traffic = folder.write("traffic.csv", TRAFFIC);
    let checked = rampart(&["check", &rules, "--traffic", &traffic]);
    assert_eq!(
        text(&checked.stdout),
        format!(
            "{rules}: 3 rules are fine
  Low watches 2 label sets
    expected false pages: 0.037 a year, 0.037 of them for guide/feed (100 calls/min)
    cannot fire for store/coupon: 60 calls/min < min_calls 100 in 1m
  Nervous watches 1 label set
    expected false pages: 79 a year
  Failing watches 2 label sets
    expected false pages: 0.7 a year, 0.3 of them for guide/feed (100 calls/min)
"
        ),
        "{}",
        text(&checked.stderr)
    );
    assert_eq!(checked.status.code(), Some(0));

    let linted = rampart(&["check", &rules, "--traffic", &traffic, "--lint"]);
    assert_eq!(linted.status.code(), Some(3));
    let said = text(&linted.stderr);
    for expected in [
        "advice: Low cannot fire for store/coupon: 60 calls/min < min_calls 100 in 1m\n",
        "advice: Nervous will page by chance 79 times a year for guide/feed (100 calls/min)\n",
    ] {
        assert!(
            said.contains(expected),
            "{expected} is missing from:\n{said}"
        );
    }

    let wrong = folder.write("wrong.csv", "guide/feed,1\n");
    let refused = rampart(&["check", &rules, "--traffic", &wrong]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("wrong.csv:1: the first line must be"));
}

#[test]
fn rules_are_judged_by_the_traffic_of_a_server() {
    let folder = Folder::new();
    let rules = folder.write("rules.yaml", RULES);
    let data = folder.text_path("data");
    let server = Server::start(&["--listen", "127.0.0.1:0", "--data-dir", &data]);
    let nothing = rampart(&[
        "--server",
        &server.url,
        "check",
        &rules,
        "--traffic",
        "server",
    ]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(text(&nothing.stderr).contains("saw no call in the last day"));
    server.request(
        "POST",
        "/api/v1/invocations",
        &[],
        calls("guide/feed", "a", "ok", 0..50).as_bytes(),
    );
    let said = eventually("the calls are counted", || {
        let checked = rampart(&[
            "--server",
            &server.url,
            "check",
            &rules,
            "--traffic",
            "server",
        ]);
        let said = text(&checked.stdout);
        said.contains("watches").then_some(said)
    });
    assert!(
        said.contains("Low watches 1 label set\n    cannot fire for guide/feed: ")
            && said.contains(" calls/min < min_calls 100 in 1m\n"),
        "{said}"
    );
}

#[test]
fn check_speaks_json_to_programs() {
    let folder = Folder::new();
    let rules = folder.write("rules.yaml", RULES);
    let traffic = folder.write("traffic.csv", TRAFFIC);
    let ask = |arguments: &[&str]| {
        let checked = rampart(&[&["--output", "json", "check"], arguments].concat());
        let told: Value = serde_json::from_slice(&checked.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", text(&checked.stderr)));
        (checked.status.code(), told)
    };
    let (exit, told) = ask(&[&rules, "--traffic", &traffic, "--mode", "rush"]);
    assert_eq!(exit, Some(0));
    assert_eq!(told["files"], json!([{"file": rules, "rules": 3}]));
    assert_eq!(
        (&told["errors"], &told["mode"]),
        (&json!(0), &json!("rush"))
    );
    let low = &told["rules"][0];
    assert_eq!(
        (&low["alert"], &low["line"], &low["label_sets"]),
        (&json!("Low"), &json!(3), &json!(2))
    );
    assert_eq!(
        low["cannot_fire"],
        json!([{"of": "store/coupon", "calls_per_minute": 60.0, "needed": "min_calls 100 in 1m"}])
    );
    assert_eq!(
        told["rush"]["differ"],
        json!([{"alert": "Low", "changes": [
            "success_rate.below: 99% → 99.5%",
            "success_rate.recover_above: 99% → 99.5%",
            "for: 10s → 0s"
        ]}])
    );

    let broken = folder.write("broken.yaml", &RULES.replace("below", "bellow"));
    let (exit, told) = ask(&[&broken]);
    assert_eq!(exit, Some(78));
    let problems = told["problems"].as_array().unwrap();
    let shown = json!({
        "file": broken,
        "line": 5,
        "column": 20,
        "width": 6,
        "severity": "error",
        "message": "unknown field `bellow`",
        "hint": "did you mean `below`?",
    });
    assert!(problems.contains(&shown), "{problems:#?}");
}

#[test]
fn queries_and_names_over_several_files_are_proven() {
    let folder = Folder::new();
    let rule = |sql: &str| {
        format!(
            "version: rampart/v1\nrules:\n  - alert: Slow\n    functions: ['*']\n    sql: \"{sql}\"\n"
        )
    };
    let good =
        rule("SELECT function_id AS function, count(*) AS value FROM invocations GROUP BY 1");
    let one = folder.write("one.yaml", &good);
    let fine = rampart(&["check", &one]);
    assert_eq!(fine.status.code(), Some(0), "{}", text(&fine.stderr));
    let two = folder.write("two.yaml", &good);
    let twice = rampart(&["check", &one, &two]);
    assert_eq!(twice.status.code(), Some(78));
    assert!(text(&twice.stderr).contains("alert `Slow` is declared twice"));
    let wrong = folder.write("wrong.yaml", &good.replace("function_id", "functoin_id"));
    let refused = rampart(&["check", &wrong]);
    assert_eq!(refused.status.code(), Some(78));
    assert_eq!(
        text(&refused.stderr),
        format!(
            "{wrong}:5:18: there is no column `functoin_id`
  |
5 |     sql: \"SELECT functoin_id AS function, count(*) AS value FROM invocations GROUP BY 1\"
  |                  ^^^^^^^^^^^ did you mean `function_id`?
rampart: 1 mistake
"
        )
    );
}

/// promtool's unit tests by the real binary: those that come true, those that do not, and a rule file that is not there.
#[test]
fn unit_tests_of_promtools_format_run() {
    let folder = Folder::new();
    folder.write("rules.yaml", RULES);
    let tests = |labels: &str| {
        format!(
            "rule_files: [\"ru*.yaml\"]
tests:
  - input_series:
      - series: 'rampart_calls_total{{namespace=\"guide\", function=\"feed\", outcome=\"function_error\"}}'
        values: '0+600x5'
    alert_rule_test:
      - eval_time: 4m
        alertname: Nervous
        exp_alerts:
          - exp_labels: {labels}
"
        )
    };
    let good = folder.write(
        "good_test.yaml",
        &tests("{namespace: guide, function: feed, severity: warning}"),
    );
    let ran = rampart(&["test", &good]);
    assert_eq!(
        text(&ran.stdout),
        format!("{good}: 1 expectation came true\n"),
        "{}",
        text(&ran.stderr)
    );
    assert_eq!(ran.status.code(), Some(0));

    let wrong = folder.write("wrong_test.yaml", &tests("{namespace: guide}"));
    let failed = rampart(&["test", &wrong]);
    assert_eq!(failed.status.code(), Some(3));
    let said = text(&failed.stderr);
    assert!(
        said.contains("wrong_test.yaml:7:20: at 4m `Nervous` is not as expected")
            && said.contains("expected: {alertname=\"Nervous\", namespace=\"guide\"}\n")
            && said.contains("got: {alertname=\"Nervous\", function=\"feed\", namespace=\"guide\", severity=\"warning\"}"),
        "{said}"
    );

    let lost = folder.write(
        "lost_test.yaml",
        &tests("{}").replace("ru*.yaml", "lost.yaml"),
    );
    let refused = rampart(&["test", &lost]);
    assert_eq!(refused.status.code(), Some(78));
    assert!(
        text(&refused.stderr).contains("lost_test.yaml:1:14:")
            && text(&refused.stderr).contains("there is no such file"),
        "{}",
        text(&refused.stderr)
    );
}
