//! Every kind of mistake, shown to a person as a whole: `mistakes/NAME.yaml` is what is declared, `NAME.txt` what
//! is said about it, place, line, carets and way out included. `UPDATE=1` writes what is said.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::sync::Arc;

use declare::Problems;
use model::SystemClock;
use rules::{RuleSet, UsualCalls};
use store::QueryEngine;

/// Memory for proving queries of tables without rows.
const MEMORY_BYTES: usize = 64 << 20;

/// What is known of the traffic.
fn traffic() -> Vec<UsualCalls> {
    [("guide/feed", 100.0), ("store/coupon", 60.0)]
        .map(|(function, calls)| UsualCalls {
            function: function.parse().unwrap(),
            per_minute: calls,
            busiest: calls,
        })
        .to_vec()
}

/// Everything that is said about a file: its mistakes, or what it is advised.
async fn said(name: &str, text: &str) -> Problems {
    let set = match RuleSet::parse(name, text) {
        Ok(set) => set,
        Err(problems) => return problems,
    };
    let mut problems = set.advice().clone();
    problems.extend(set.lint(&traffic()));
    if set.has_queries() {
        let engine = QueryEngine::new(MEMORY_BYTES, Arc::new(SystemClock::new()));
        set.prove_queries(&engine, &mut problems).await;
    }
    problems
}

async fn prove(case: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes");
    let text = std::fs::read_to_string(folder.join(format!("{case}.yaml"))).unwrap();
    let found = said("rules.yaml", &text).await.to_string();
    let golden = folder.join(format!("{case}.txt"));
    if std::env::var("UPDATE").is_ok_and(|update| update == "1") {
        std::fs::write(&golden, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&golden).unwrap();
    assert!(!found.is_empty(), "{case}: nothing is said");
    assert_eq!(found, expected, "{case}");
}

macro_rules! mistakes {
    ($($case:ident)*) => {
        $(#[tokio::test]
        async fn $case() {
            prove(stringify!($case)).await;
        })*

        #[test]
        fn every_file_is_a_test() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes");
            let names = std::fs::read_dir(folder).unwrap();
            let names = names.map(|entry| entry.unwrap().path());
            let names = names.filter(|path| path.extension().is_some_and(|own| own == "yaml"));
            assert_eq!(names.count(), [$(stringify!($case)),*].len());
        }
    };
}

mistakes! {
    alert_twice
    all_at_once
    by_chance
    cannot_fire
    for_below_every
    glob_that_matches_nothing
    indentation
    inhibited_by
    labels_of_functions
    offset_beyond_retention
    promql
    rule_that_watches_nothing
    sql_column
    sql_function
    sql_syntax
    sql_table
    sql_value_is_text
    sql_without_a_dimension
    syntax
    template_filter
    template_syntax
    template_variable
    wrong_type
    missing_unit
    unknown_choice
    unknown_field
    unknown_field_within
    unreachable_burn
    unreachable_threshold
    window_beyond_counts
}

/// Names must differ over all files that are in force together.
#[test]
fn an_alert_twice_in_two_files_shows_both_places() {
    let one =
        "version: rampart/v1\nrules:\n  - {alert: A, functions: ['*'], qps: {absent_for: 2m}}\n";
    let problems = RuleSet::parse_all([("a.yaml", one), ("b.yaml", one)]).unwrap_err();
    assert_eq!(
        problems.to_string(),
        "b.yaml:3:13: alert `A` is declared twice
  |
3 |   - {alert: A, functions: ['*'], qps: {absent_for: 2m}}
  |             ^ the first one stands at a.yaml:3
"
    );
}
