//! promtool's unit tests, for native rules: counters of calls as traffic, and the alerts that must fire.
//!
//! promtool evaluates PromQL over any series. Native rules see calls, so each series is a counter of calls,
//! and the time between two samples is filled with calls one by one; rules are looked at as often as they
//! say themselves.

mod file;
mod series;

use std::fmt::Write;

use declare::{Level, Node, Problems, SourceFile};
use model::{Alert, Mode};

use super::file::{Scenario, time};
use super::{Life, Outcome};
use crate::set::RuleSet;
use file::{Check, Expected, UnitTest};

pub use file::UnitTests;

impl UnitTests {
    /// Lives through every test. `Err` holds alerts that no rule has.
    pub fn run(&self, rules: &RuleSet) -> Result<Outcome, Problems> {
        self.prove(rules)?;
        let mut whole = Outcome::default();
        for test in &self.tests {
            let outcome = run(test, rules);
            whole.expectations += outcome.expectations;
            whole.failed.extend(outcome.failed);
            let name = test.name.as_deref();
            let told = outcome.told.into_iter();
            whole.told.extend(told.map(|line| match name {
                Some(name) => format!("{name}: {line}"),
                None => line,
            }));
        }
        Ok(whole)
    }

    fn prove(&self, rules: &RuleSet) -> Result<(), Problems> {
        let mut problems = Problems::new();
        let names = || rules.rules().iter().map(|rule| rule.name.as_str());
        for check in self.tests.iter().flat_map(|test| &test.checks) {
            if names().any(|name| name == check.alert) {
                continue;
            }
            let hint = declare::closest(&check.alert, names()).map_or_else(
                || format!("the rules are {}", names().collect::<Vec<_>>().join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            problems
                .error(
                    &check.alert_place,
                    format!("no rule has the alert `{}`", check.alert),
                )
                .hint(hint);
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems)
        }
    }
}

fn run(test: &UnitTest, rules: &RuleSet) -> Outcome {
    let scenario = Scenario {
        file: SourceFile::new("", ""),
        rules: Vec::new(),
        mode: Mode::Daily,
        expectations: Vec::new(),
        loads: test.loads.clone(),
        dim: Vec::new(),
        restarts: Vec::new(),
        releases: Vec::new(),
    };
    let mut life = Life::new(&scenario, rules);
    let end = test.checks.iter().map(|check| check.at).max().unwrap_or(0);
    for second in 0..=end {
        life.tick(second);
        for check in test.checks.iter().filter(|check| check.at == second) {
            life.outcome.expectations += 1;
            let firing = life.firing.values();
            let got: Vec<&Alert> = firing.filter(|alert| alert.name() == check.alert).collect();
            if !holds(&check.expected, &got) {
                refuse(test, check, &got, &mut life.outcome.failed);
            }
        }
    }
    life.outcome
}

/// Whether just the expected alerts fire. Labels are compared whole, of annotations those that are named.
fn holds(expected: &[Expected], got: &[&Alert]) -> bool {
    expected.len() == got.len()
        && expected.iter().all(|wanted| {
            got.iter().any(|alert| {
                alert.labels == wanted.labels
                    && wanted
                        .annotations
                        .iter()
                        .all(|(name, text)| alert.annotations.get(name) == Some(text))
            })
        })
}

fn refuse(test: &UnitTest, check: &Check, got: &[&Alert], problems: &mut Problems) {
    let of_test = test
        .name
        .as_ref()
        .map_or_else(String::new, |name| format!("{name}: "));
    let place: &Node = &check.place;
    let message = format!(
        "{of_test}at {} `{}` is not as expected",
        time(check.at),
        check.alert
    );
    let named = |name: &str| {
        check
            .expected
            .iter()
            .any(|own| own.annotations.contains_key(name))
    };
    let expected = check.expected.iter().map(|own| {
        let annotations = own.annotations.iter();
        shown(&own.labels.to_string(), annotations)
    });
    let found = got.iter().map(|alert| {
        let annotations = alert.annotations.iter().filter(|(name, _)| named(name));
        shown(&alert.labels.to_string(), annotations)
    });
    let hint = format!(
        "expected: {}\n     got: {}",
        lines(expected.collect()),
        lines(found.collect())
    );
    problems
        .push(place.problem(Level::Error, message))
        .hint(hint);
}

/// One a line, below each other.
fn lines(mut alerts: Vec<String>) -> String {
    alerts.sort();
    if alerts.is_empty() {
        "nothing".to_owned()
    } else {
        alerts.join("\n          ")
    }
}

fn shown<'a>(labels: &str, annotations: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    let mut text = labels.to_owned();
    for (name, value) in annotations {
        let _ = write!(text, " {name}={value:?}");
    }
    text
}
