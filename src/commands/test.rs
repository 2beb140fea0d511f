//! `rampart test`: lives through scenario files and promtool's unit tests, and says what did not come true.

use std::path::Path;

use declare::Problems;
use rules::{Outcome, RuleSet, Scenario, UnitTests, run_scenario};

use super::{complain, say, tell};
use crate::args::TestArguments;
use crate::config::{TextFile, expand, read_text};
use crate::exit::Exit;

/// How one file ended.
enum Ended {
    Fine,
    /// So many expectations did not hold.
    Failed(usize),
    /// The scenario or its rules hold mistakes.
    Invalid,
}

/// Runs every file; a mistake in one does not keep the others from running.
pub fn run(arguments: &TestArguments) -> Exit {
    let (mut failed, mut invalid) = (0, 0);
    for path in &arguments.files {
        match run_file(path, arguments.told) {
            Ended::Fine => {}
            Ended::Failed(expectations) => failed += expectations,
            Ended::Invalid => invalid += 1,
        }
    }
    if invalid > 0 {
        let files = if invalid == 1 { "file" } else { "files" };
        return complain(
            &format!("{invalid} {files} with mistakes"),
            Exit::InvalidConfiguration,
        );
    }
    if failed > 0 {
        let what = if failed == 1 {
            "expectation"
        } else {
            "expectations"
        };
        return complain(&format!("{failed} {what} failed"), Exit::Findings);
    }
    Exit::Fine
}

fn run_file(path: &Path, told: bool) -> Ended {
    let file = match read_text(path) {
        Ok(file) => file,
        Err(error) => {
            tell(&error.to_string());
            return Ended::Invalid;
        }
    };
    let outcome = if UnitTests::is_one(&file.name, &file.text) {
        run_unit_tests(&file, path)
    } else {
        live_through(&file, path)
    };
    match outcome {
        Some(outcome) => report(&file.name, &outcome, told),
        None => Ended::Invalid,
    }
}

/// A scenario; `None` when it or its rules hold mistakes, which have been told.
fn live_through(file: &TextFile, path: &Path) -> Option<Outcome> {
    match Scenario::parse(&file.name, &file.text) {
        Ok(scenario) => Some(run_scenario(&scenario, &rules_of(&scenario, path)?)),
        Err(problems) => {
            tell(&problems.to_string());
            None
        }
    }
}

/// promtool's unit tests; `None` when they or their rules hold mistakes, which have been told.
fn run_unit_tests(file: &TextFile, path: &Path) -> Option<Outcome> {
    let outcome = UnitTests::parse(&file.name, &file.text)
        .and_then(|tests| tests.run(&named_rules(&tests, path)?));
    match outcome {
        Ok(outcome) => Some(outcome),
        Err(problems) => {
            tell(&problems.to_string());
            None
        }
    }
}

/// The rules of the files that `rule_files` names.
fn named_rules(tests: &UnitTests, path: &Path) -> Result<RuleSet, Problems> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut problems = Problems::new();
    let mut files: Vec<TextFile> = Vec::new();
    for named in &tests.rule_files {
        let pattern = named.text().unwrap_or_default();
        match expand(folder, pattern) {
            Err(reason) => {
                problems.error(named, format!("`{pattern}`: {reason}"));
            }
            Ok(paths) if paths.is_empty() => {
                problems.error(named, format!("no file matches `{pattern}`"));
            }
            Ok(paths) => {
                for path in paths {
                    match read_text(&path) {
                        Ok(file) => files.push(file),
                        Err(error) => {
                            problems.error(named, error.to_string());
                        }
                    }
                }
            }
        }
    }
    if problems.has_errors() {
        return Err(problems);
    }
    let texts = files.iter();
    RuleSet::parse_all(texts.map(|file| (file.name.as_str(), file.text.as_str())))
}

fn report(name: &str, outcome: &Outcome, told: bool) -> Ended {
    if told {
        for line in &outcome.told {
            say(&format!("{name}: {line}\n"));
        }
    }
    if !outcome.failed.is_empty() {
        tell(&outcome.failed.to_string());
        return Ended::Failed(outcome.failed.len());
    }
    let count = outcome.expectations;
    let what = if count == 1 {
        "expectation"
    } else {
        "expectations"
    };
    say(&format!("{name}: {count} {what} came true\n"));
    Ended::Fine
}

/// The rule files that a scenario names; the starter pack when it names none.
fn rules_of(scenario: &Scenario, path: &Path) -> Option<RuleSet> {
    if scenario.rules.is_empty() {
        return Some(rules::starter());
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut files = Vec::new();
    for named in &scenario.rules {
        match read_text(&folder.join(&named.path)) {
            Ok(file) => files.push(file),
            Err(error) => {
                let place = named.place;
                tell(&format!(
                    "{}:{}:{}: {error}",
                    scenario.file.name, place.line, place.column
                ));
                return None;
            }
        }
    }
    let texts = files
        .iter()
        .map(|file| (file.name.as_str(), file.text.as_str()));
    match RuleSet::parse_all(texts) {
        Ok(rules) => Some(rules),
        Err(problems) => {
            tell(&problems.to_string());
            None
        }
    }
}
