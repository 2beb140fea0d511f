//! What `check` found, for people and as JSON.

use std::fmt::Write;
use std::sync::Arc;

use declare::{Level, Problem, Problems};
use model::{DatedEvent, Mode};
use rules::{Outlook, Rule, RuleSet, UsualCalls, times};
use serde_json::{Value, json};

use super::rush::Readiness;
use crate::args::Output;
use crate::commands::{complain, say, tell};
use crate::exit::Exit;

/// The traffic for which expectations are told when nothing is known.
const CALLS_PER_MINUTE: f64 = 100.0;
/// Label sets that are named where a rule cannot fire; the rest is counted.
const NAMED_MAX: usize = 5;

/// A file that is fine.
pub struct Checked {
    /// Its name.
    pub file: String,
    /// How many rules it declares or names.
    pub rules: usize,
    /// What is to be said of it.
    pub sentence: String,
}

/// Everything that was found.
#[derive(Default)]
pub struct Report {
    /// Whether advice is told.
    pub lint: bool,
    /// The mode whose numbers are told.
    pub mode: Mode,
    /// Mistakes and advice.
    pub problems: Problems,
    /// Files that are fine.
    pub files: Vec<Checked>,
    /// Their rules.
    pub rules: Vec<Arc<Rule>>,
    /// The events of rush, when a main file was read.
    pub rush: Option<Vec<DatedEvent>>,
    /// The traffic, when it is known.
    pub traffic: Option<Vec<UsualCalls>>,
    /// What rules are to expect of it.
    pub outlook: Vec<Outlook>,
    /// Whether a sale is prepared, when that was asked.
    pub readiness: Option<Readiness>,
}

impl Report {
    fn advice(&self) -> usize {
        let advice = |problem: &&Problem| problem.level == Level::Advice;
        let findings = self
            .readiness
            .as_ref()
            .map_or(0, |found| found.findings.len());
        self.problems.iter().filter(advice).count() + findings
    }

    fn errors(&self) -> usize {
        let advice = |problem: &&Problem| problem.level == Level::Advice;
        self.problems.len() - self.problems.iter().filter(advice).count()
    }

    /// Prints it and says how the command ends.
    pub fn print(&self, output: Output) -> Exit {
        if output == Output::Json {
            let said = say(&format!("{:#}\n", self.to_json()));
            return if said == Exit::Fine {
                self.exit()
            } else {
                said
            };
        }
        for problem in self.problems.iter() {
            if self.lint || problem.level == Level::Error {
                tell(&format!("{problem}\n"));
            }
        }
        if self.errors() > 0 {
            return complain(&counted(self.errors(), "mistake", "mistakes"), self.exit());
        }
        for file in &self.files {
            say(&format!("{}: {}\n", file.file, file.sentence));
        }
        say(&self.expectations());
        if let Some(readiness) = &self.readiness {
            say(&format!("{}\n", readiness.text()));
        }
        if self.lint && self.advice() > 0 {
            let advice = counted(self.advice(), "piece of advice", "pieces of advice");
            return complain(&advice, self.exit());
        }
        Exit::Fine
    }

    fn exit(&self) -> Exit {
        if self.errors() > 0 {
            Exit::InvalidConfiguration
        } else if self.lint && self.advice() > 0 {
            Exit::Findings
        } else {
            Exit::Fine
        }
    }

    /// What chance alone would do to functions that are well: shown so that thresholds are chosen with
    /// open eyes.
    fn expectations(&self) -> String {
        if self.traffic.is_some() {
            return self.outlook.iter().map(of_rule).collect();
        }
        let mut text = String::new();
        let set = RuleSet::of(self.rules.clone());
        for (rule, pages) in set.expectations(CALLS_PER_MINUTE) {
            let _ = match pages {
                Some(pages) => writeln!(
                    text,
                    "  {rule}: expected false pages: {} a year for a function with {CALLS_PER_MINUTE} calls a minute",
                    times(pages)
                ),
                None => writeln!(
                    text,
                    "  {rule}: cannot fire for a function with {CALLS_PER_MINUTE} calls a minute"
                ),
            };
        }
        for (rule, pages) in set.budgets() {
            let _ = writeln!(
                text,
                "  {rule}: its budget allows {} false pages a year for each function",
                times(pages)
            );
        }
        text
    }

    /// The documented form: docs/rules.md, "Mistakes and advice".
    fn to_json(&self) -> Value {
        let problems: Vec<Value> = self.problems.iter().map(problem_json).collect();
        let files: Vec<Value> = self
            .files
            .iter()
            .map(|file| json!({"file": file.file, "rules": file.rules}))
            .collect();
        let rules: Vec<Value> = self.outlook.iter().map(outlook_json).collect();
        json!({
            "problems": problems,
            "errors": self.errors(),
            "advice": self.advice(),
            "files": files,
            "mode": self.mode,
            "rules": self.traffic.as_ref().map(|_| rules),
            "rush": self.readiness.as_ref().map(Readiness::to_json),
        })
    }
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A rule with what it is to expect, in a few lines.
fn of_rule(outlook: &Outlook) -> String {
    let mut text = format!(
        "  {} watches {}\n",
        outlook.rule.name,
        counted(outlook.watched, "label set", "label sets")
    );
    if let (Some(pages), Some(worst)) = (outlook.false_pages_a_year, &outlook.worst) {
        let _ = write!(text, "    expected false pages: {} a year", times(pages));
        if outlook.watched > 1 {
            let _ = write!(
                text,
                ", {} of them for {} ({:.0} calls/min)",
                times(worst.false_pages_a_year),
                worst.of,
                worst.calls_per_minute
            );
        }
        text.push('\n');
    }
    for unreachable in outlook.unreachable.iter().take(NAMED_MAX) {
        let _ = writeln!(text, "    {unreachable}");
    }
    let unnamed = outlook.unreachable.len().saturating_sub(NAMED_MAX);
    if unnamed > 0 {
        let _ = writeln!(text, "    and cannot fire for {unnamed} more");
    }
    text
}

fn problem_json(problem: &Problem) -> Value {
    json!({
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "width": problem.width,
        "severity": match problem.level {
            Level::Error => "error",
            Level::Advice => "advice",
        },
        "message": problem.message,
        "hint": problem.hint,
    })
}

fn outlook_json(outlook: &Outlook) -> Value {
    let unreachable: Vec<Value> = outlook
        .unreachable
        .iter()
        .map(|own| json!({"of": own.of, "calls_per_minute": own.calls_per_minute, "needed": own.needed}))
        .collect();
    let place = outlook.rule.place.as_ref();
    json!({
        "alert": outlook.rule.name,
        "file": place.map(|node| node.file().name.clone()),
        "line": place.map(|node| node.place().line),
        "label_sets": outlook.watched,
        "false_pages_a_year": outlook.false_pages_a_year,
        "worst": outlook.worst.as_ref().map(|worst| json!({
            "of": worst.of,
            "calls_per_minute": worst.calls_per_minute,
            "false_pages_a_year": worst.false_pages_a_year,
        })),
        "cannot_fire": unreachable,
    })
}
