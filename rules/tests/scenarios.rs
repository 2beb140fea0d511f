//! Scenario files: those of the repository come true, and what does not is shown at its place.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};

use rules::{RuleSet, Scenario, run_scenario};

/// Where scenarios stand: examples, and the proof of each starter pack.
fn folders() -> [PathBuf; 2] {
    let room = Path::new(env!("CARGO_MANIFEST_DIR"));
    [room.join("../tests/scenarios"), room.join("packs")]
}

/// The rules that a scenario names, read from beside it.
fn rules_of(scenario: &Scenario, folder: &Path) -> RuleSet {
    let texts: Vec<(String, String)> = scenario
        .rules
        .iter()
        .map(|named| {
            let path = folder.join(&named.path);
            (named.path.clone(), fs::read_to_string(path).unwrap())
        })
        .collect();
    let files = texts
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()));
    RuleSet::parse_all(files).unwrap_or_else(|problems| panic!("{problems}"))
}

fn run_folder(folder: &Path) -> usize {
    let mut ran = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "scn") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let scenario = Scenario::parse(&path.display().to_string(), &text)
            .unwrap_or_else(|problems| panic!("{problems}"));
        let outcome = run_scenario(&scenario, &rules_of(&scenario, folder));
        assert!(
            outcome.failed.is_empty(),
            "{}\n{:#?}",
            outcome.failed,
            outcome.told
        );
        assert!(outcome.expectations > 0, "{}", path.display());
        ran += 1;
    }
    ran
}

#[test]
fn the_examples_come_true() {
    let [examples, _] = folders();
    assert_eq!(run_folder(&examples), 6);
}

#[test]
fn every_pack_is_proven_by_its_scenario() {
    let [_, packs] = folders();
    let declared = fs::read_dir(&packs).unwrap().filter(|entry| {
        let path = entry.as_ref().unwrap().path();
        path.extension()
            .is_some_and(|extension| extension == "yaml")
    });
    assert_eq!(declared.count(), run_folder(&packs));
}

#[test]
fn what_does_not_come_true_is_shown_at_its_place() {
    let text = "load function guide/feed\n  0s..2m qps 200 success 80%\nat 30s expect nothing\nat 31s expect Low{function=\"feed\"} pending\n";
    let rules = "version: rampart/v1\nrules:\n  - alert: Low\n    functions: ['*']\n    success_rate: {below: 99%}\n";
    let scenario = Scenario::parse("a.scn", text).unwrap();
    let outcome = run_scenario(&scenario, &RuleSet::parse("a.yaml", rules).unwrap());
    assert_eq!(outcome.expectations, 2);
    assert_eq!(
        outcome.told,
        [r#"0s firing Low{function="feed", namespace="guide"}"#]
    );
    let shown = outcome.failed.to_string();
    assert!(
        shown.contains("a.scn:3:15: at 30s expected nothing, there is Low{function=\"feed\", namespace=\"guide\"} firing")
            && shown.contains("a.scn:4:15: at 31s expected Low{function=\"feed\"} pending, there is Low")
            && shown.contains("told so far: 0s firing Low"),
        "{shown}"
    );
}

#[test]
fn every_mistake_is_shown_with_the_way_out() {
    for (line, place, message, hint) in [
        (
            "laod function guide/feed",
            "1:1",
            "says nothing",
            "did you mean `load`?",
        ),
        (
            "load function feed",
            "1:15",
            "`feed` is not a function",
            "namespace/name",
        ),
        (
            "load function guide/feed pod=a",
            "1:26",
            "`pod=a` is no label of traffic",
            "unit=",
        ),
        (
            "0s..1m qps 5",
            "1:1",
            "traffic of no function",
            "load function",
        ),
        (
            "load function a/b\n  0s..1m qsp 5",
            "2:10",
            "traffic has no `qsp`",
            "did you mean `qps`?",
        ),
        (
            "load function a/b\n  0s..1m qps 5/s",
            "2:14",
            "`5/s` is not a number of calls per second",
            "without a unit",
        ),
        (
            "load function a/b\n  1m..0s qps 5",
            "2:3",
            "`1m..0s` is not a stretch of time",
            "from..to",
        ),
        (
            "load function a/b\n  0s..1m success 90%",
            "2:3",
            "does not say how much",
            "qps 200",
        ),
        (
            "load function a/b\n  0s..1m qps 5 success",
            "2:16",
            "`success` has no value",
            "qps 200",
        ),
        (
            "load function a/b\n  0s..1m qps 5 success 90",
            "2:24",
            "90",
            "write a share",
        ),
        ("mode party", "1:6", "`party` is no mode", "daily or rush"),
        (
            "at 1m expect Low firin",
            "1:18",
            "`firin` is no phase",
            "did you mean `firing`?",
        ),
        (
            "at 1m expect Low",
            "1:14",
            "`Low` is no phase",
            "end with one of firing",
        ),
        (
            "at -1m expect nothing",
            "1:4",
            "`-1m` is not a time of the scenario",
            "10m40s",
        ),
        (
            "at 1m expect Low{unit=a} firing",
            "1:14",
            "is no label set",
            "{unit=\"a\"",
        ),
        (
            "load function a/b",
            "1:1",
            "the scenario expects nothing",
            "at 10m expect nothing",
        ),
    ] {
        let shown = Scenario::parse("a.scn", line).unwrap_err().to_string();
        assert!(
            shown.starts_with(&format!("a.scn:{place}: "))
                && shown.contains(message)
                && shown.contains(hint),
            "{line}\n{shown}"
        );
    }
}
