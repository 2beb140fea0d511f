//! `rampart check`: proves a configuration, or rule files alone, without starting anything.

mod report;
mod rush;
mod sample;
mod traffic;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use declare::Problems;
use model::{Clock, Mode, SystemClock};
use rules::RuleSet;
use store::QueryEngine;

use super::complain;
use crate::args::{CheckArguments, Output, Remote};
use crate::config::{Config, ConfigFiles, Overrides, Surroundings, TextFile, read_text};
use crate::exit::Exit;
use crate::surroundings;
use report::{Checked, Report};

/// Memory for proving the queries of rules, which are asked of tables without rows.
const QUERY_BYTES: usize = 64 << 20;

/// Checks what was named; `./rampart.yaml` when nothing was.
pub async fn run(remote: &Remote, arguments: &CheckArguments) -> Exit {
    if !matches!(remote.output, Output::Table | Output::Json) {
        return complain("`check` prints a table or JSON", Exit::Usage);
    }
    let files = if arguments.files.is_empty() {
        vec![PathBuf::from("rampart.yaml")]
    } else {
        arguments.files.clone()
    };
    if let (Some(sample), Some(main)) = (&arguments.sample, files.first()) {
        return sample::run(main, sample);
    }
    let mut report = Report {
        mode: match arguments.mode.as_deref() {
            Some("rush") => Mode::Rush,
            _ => Mode::Daily,
        },
        lint: arguments.lint,
        ..Report::default()
    };
    if let Some(from) = &arguments.traffic {
        match traffic::read(remote, from).await {
            Ok(traffic) => report.traffic = Some(traffic),
            Err(failure) => return complain(&failure.message, failure.exit),
        }
    }
    let mut alone = Vec::new();
    for path in &files {
        if let Err(message) = check_file(path, &mut report, &mut alone) {
            return complain(&message, Exit::InvalidConfiguration);
        }
    }
    // Rule files that are named together are in force together: their names must differ.
    if let Some(set) = RuleSet::merge(alone, &mut report.problems) {
        report.rules.extend(set.rules().iter().cloned());
    }
    look_further(&mut report).await;
    report.print(remote.output)
}

/// What takes more than the text: queries, traffic, readiness.
async fn look_further(report: &mut Report) {
    let set = RuleSet::of(report.rules.clone());
    if set.has_queries() {
        let engine = QueryEngine::new(QUERY_BYTES, Arc::new(SystemClock::new()));
        Box::pin(set.prove_queries(&engine, &mut report.problems)).await;
    }
    // Labels of functions are known once every file is fine.
    if let Some(traffic) = &report.traffic
        && !report.problems.has_errors()
    {
        report.problems.extend(set.lint(traffic));
        report.outlook = set.outlook(traffic, report.mode);
    }
    if report.mode == Mode::Rush {
        report.readiness = Some(rush::readiness(
            &set,
            report.rush.as_deref(),
            SystemClock::new().now(),
        ));
    }
}

/// Proves one file. What is found goes to the report, rules of a file that stands alone to `alone`.
fn check_file(path: &Path, report: &mut Report, alone: &mut Vec<RuleSet>) -> Result<(), String> {
    let file = read_text(path).map_err(|error| error.to_string())?;
    match kind_of(&file) {
        FileKind::Rules => {
            check_rules(&file, report, alone);
            Ok(())
        }
        FileKind::Alertmanager => {
            check_alertmanager(&file, report);
            Ok(())
        }
        FileKind::Alerting => Err(format!(
            "{} is an alerting file; check the main file that names it, whose teams and events it refers to",
            file.name
        )),
        FileKind::Main => check_main(path, &file, report),
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

fn check_alertmanager(file: &TextFile, report: &mut Report) {
    let now = SystemClock::new().now();
    let mut problems = Problems::new();
    let config = super::alertmanager::read(&file.name, &file.text, None, now, &mut problems);
    if let (Some(config), false) = (config, problems.has_errors()) {
        let mut routes = 0;
        config.root.walk(&mut |_| routes += 1);
        report.files.push(Checked {
            file: file.name.clone(),
            rules: 0,
            sentence: format!(
                "Alertmanager's file is fine, with {routes} routes and {} receivers",
                config.receivers.len()
            ),
        });
    }
    report.problems.extend(problems);
}

fn check_rules(file: &TextFile, report: &mut Report, alone: &mut Vec<RuleSet>) {
    let root = declare::read(&file.name, &file.text);
    let mut problems = Problems::new();
    match root.map(|root| RuleSet::read(&root, &mut problems)) {
        Ok(Some(set)) => {
            let rules = set.rules().len();
            report.files.push(Checked {
                file: file.name.clone(),
                rules,
                sentence: if rules == 1 {
                    "1 rule is fine".to_owned()
                } else {
                    format!("{rules} rules are fine")
                },
            });
            alone.push(set);
        }
        Ok(None) => {}
        Err(found) => problems.extend(found),
    }
    report.problems.extend(problems);
}

fn check_main(path: &Path, file: &TextFile, report: &mut Report) -> Result<(), String> {
    let clock = SystemClock::new();
    let surroundings = Surroundings {
        variable: &surroundings::variable,
        secret_file: &surroundings::secret_file,
        now: clock.now(),
    };
    let (files, unread) = ConfigFiles::load(path).map_err(|error| error.to_string())?;
    report.problems.extend(unread);
    match Config::parse(&files, &Overrides::default(), &surroundings) {
        Ok((config, advice)) => {
            report.problems.extend(advice);
            let starter = if files.rules.is_empty() {
                " (the starter pack)"
            } else {
                ""
            };
            let (rules, sources) = (config.rules.rules().len(), config.collector.sources.len());
            report.files.push(Checked {
                file: file.name.clone(),
                rules,
                sentence: format!(
                    "fine, with {rules} rules{starter} and {sources} {}",
                    if sources == 1 { "source" } else { "sources" },
                ),
            });
            report.rules.extend(config.rules.rules().iter().cloned());
            report.rush.get_or_insert_default().extend(config.rush);
            Ok(())
        }
        Err(found) => {
            if !found.has_errors() {
                // Saying nothing about a configuration that cannot be used would be a lie.
                return Err(format!("{}: the configuration is invalid", file.name));
            }
            report.problems.extend(found);
            Ok(())
        }
    }
}
