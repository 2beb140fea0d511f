//! `rampart check`: proves a configuration, or rule files alone, without starting anything.

mod sample;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use declare::{Level, Problems};
use model::{Clock, SystemClock};

use super::{complain, say, tell};
use crate::args::CheckArguments;
use crate::config::{Config, ConfigFiles, Overrides, Surroundings, TextFile, read_text};
use crate::exit::Exit;
use crate::surroundings;

/// The traffic for which expectations are told.
const CALLS_PER_MINUTE: f64 = 100.0;

/// Checks what was named; `./rampart.yaml` when nothing was.
pub fn run(arguments: &CheckArguments) -> Exit {
    let files = if arguments.files.is_empty() {
        vec![PathBuf::from("rampart.yaml")]
    } else {
        arguments.files.clone()
    };
    if let Some(sample) = &arguments.sample {
        return sample::run(&files[0], sample);
    }
    let mut problems = Problems::default();
    let mut said = Vec::new();
    for path in &files {
        match check_file(path, &mut problems) {
            Ok(sentence) => said.push(sentence),
            Err(message) => return complain(&message, Exit::InvalidConfiguration),
        }
    }
    report(&problems, &said, arguments.lint)
}

fn report(problems: &Problems, said: &[String], lint: bool) -> Exit {
    let advice = problems
        .iter()
        .filter(|problem| problem.level == Level::Advice)
        .count();
    let errors = problems.len() - advice;
    for problem in problems
        .iter()
        .filter(|problem| lint || problem.level == Level::Error)
    {
        tell(&format!("{problem}\n"));
    }
    if errors > 0 {
        return complain(
            &format!(
                "{errors} {}",
                if errors == 1 { "mistake" } else { "mistakes" }
            ),
            Exit::InvalidConfiguration,
        );
    }
    for sentence in said.iter().filter(|sentence| !sentence.is_empty()) {
        say(&format!("{sentence}\n"));
    }
    if lint && advice > 0 {
        return complain(
            &format!(
                "{advice} {}",
                if advice == 1 {
                    "piece of advice"
                } else {
                    "pieces of advice"
                }
            ),
            Exit::Findings,
        );
    }
    Exit::Fine
}

/// Proves one file; a sentence about it when it is fine, nothing when it has mistakes.
fn check_file(path: &Path, problems: &mut Problems) -> Result<String, String> {
    let file = read_text(path).map_err(|error| error.to_string())?;
    match kind_of(&file) {
        FileKind::Rules => Ok(check_rules(&file, problems)),
        FileKind::Alertmanager => Ok(check_alertmanager(&file, problems)),
        FileKind::Alerting => Err(format!(
            "{} is an alerting file; check the main file that names it, whose teams and events it refers to",
            file.name
        )),
        FileKind::Main => check_main(path, &file, problems),
    }
}

/// What a file seems to be, told by its keys.
enum FileKind {
    Main,
    Rules,
    Alerting,
    Alertmanager,
}

fn kind_of(file: &TextFile) -> FileKind {
    let Ok(root) = declare::read(&file.name, &file.text) else {
        return FileKind::Main;
    };
    let listed = root
        .field("rules")
        .is_some_and(|rules| matches!(rules.kind(), declare::Kind::List));
    let versioned = root
        .text_of("version")
        .is_some_and(|version| version.starts_with("rampart/"));
    if listed || versioned || root.field("groups").is_some() {
        FileKind::Rules
    } else if root.field("route").is_some() && alerting::Config::is_alertmanager(&root) {
        FileKind::Alertmanager
    } else if root.field("route").is_some() && root.field("listen").is_none() {
        FileKind::Alerting
    } else {
        FileKind::Main
    }
}

fn check_alertmanager(file: &TextFile, problems: &mut Problems) -> String {
    let now = SystemClock::new().now();
    let config = super::alertmanager::read(&file.name, &file.text, None, now, problems);
    match config {
        Some(config) if !problems.has_errors() => {
            let mut routes = 0;
            config.root.walk(&mut |_| routes += 1);
            format!(
                "{}: Alertmanager's file is fine, with {routes} routes and {} receivers",
                file.name,
                config.receivers.len()
            )
        }
        _ => String::new(),
    }
}

fn check_rules(file: &TextFile, problems: &mut Problems) -> String {
    match rules::RuleSet::parse(&file.name, &file.text) {
        Ok(set) => {
            problems.extend(set.advice().clone());
            format!(
                "{}: {} rules are fine{}",
                file.name,
                set.rules().len(),
                expectations(&set)
            )
        }
        Err(found) => {
            problems.extend(found);
            String::new()
        }
    }
}

fn check_main(path: &Path, file: &TextFile, problems: &mut Problems) -> Result<String, String> {
    let clock = SystemClock::new();
    let surroundings = Surroundings {
        variable: &surroundings::variable,
        secret_file: &surroundings::secret_file,
        now: clock.now(),
    };
    let (files, unread) = ConfigFiles::load(path).map_err(|error| error.to_string())?;
    problems.extend(unread);
    match Config::parse(&files, &Overrides::default(), &surroundings) {
        Ok((config, advice)) => {
            problems.extend(advice);
            let starter = if files.rules.is_empty() {
                " (the starter pack)"
            } else {
                ""
            };
            let (rules, sources) = (config.rules.rules().len(), config.collector.sources.len());
            Ok(format!(
                "{}: fine, with {rules} rules{starter} and {sources} {}{}",
                file.name,
                if sources == 1 { "source" } else { "sources" },
                expectations(&config.rules)
            ))
        }
        Err(found) => {
            if !found.has_errors() {
                // Saying nothing about a configuration that cannot be used would be a lie.
                return Err(format!("{}: the configuration is invalid", file.name));
            }
            problems.extend(found);
            Ok(String::new())
        }
    }
}

/// What chance alone would do to a function that is well: shown so that thresholds are chosen with
/// open eyes.
fn expectations(set: &rules::RuleSet) -> String {
    let mut text = String::new();
    for (rule, breaches) in set.expectations(CALLS_PER_MINUTE) {
        if let Some(breaches) = breaches {
            let _ = write!(
                text,
                "\n  {rule}: at {CALLS_PER_MINUTE} calls a minute a function that is well breaches it by chance {breaches:.1} times in 1,000 days"
            );
        }
    }
    for (rule, pages) in set.budgets() {
        let _ = write!(
            text,
            "\n  {rule}: its budget allows {pages:.2} false pages a year for each function"
        );
    }
    text
}
