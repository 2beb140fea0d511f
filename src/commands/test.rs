//! `rampart test`: lives through scenario files and says what did not come true.

use std::path::Path;

use rules::{RuleSet, Scenario, run_scenario};

use super::{complain, say, tell};
use crate::args::TestArguments;
use crate::config::read_text;
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
    let scenario = match Scenario::parse(&file.name, &file.text) {
        Ok(scenario) => scenario,
        Err(problems) => {
            tell(&problems.to_string());
            return Ended::Invalid;
        }
    };
    let Some(rules) = rules_of(&scenario, path) else {
        return Ended::Invalid;
    };
    let outcome = run_scenario(&scenario, &rules);
    if told {
        for line in &outcome.told {
            say(&format!("{}: {line}\n", file.name));
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
    say(&format!("{}: {count} {what} came true\n", file.name));
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
