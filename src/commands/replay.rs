//! `rampart replay`: who would be told when, proven before the night comes.

use std::collections::BTreeMap;

use alerting::pipeline::Policy;
use alerting::replay::{Line, replay};
use declare::Level;
use model::{Alert, AlertStatus, Clock, DatedEvent, Labels, Mode, SystemClock, format_duration};
use serde_json::json;

use super::{complain, say, say_table, tell};
use crate::args::{Output, Remote, ReplayArguments};
use crate::config::{Config, ConfigFiles, Overrides, Surroundings};
use crate::exit::Exit;
use crate::print::Table;
use crate::surroundings;

/// Reads the configuration, plays, prints. Nobody told is a finding.
pub fn run(remote: &Remote, arguments: &ReplayArguments) -> Exit {
    let config = match read(arguments) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let zone = config.alerting.time_zone;
    let at = DatedEvent::local_instant(arguments.at, zone);
    let mode = match arguments.mode.as_str() {
        "rush" => Mode::Rush,
        _ => Mode::Daily,
    };
    let policy = Policy::new(config.alerting, config.teams);
    let lines = replay(policy, mode, alert(arguments, at), at, arguments.length);
    let told = lines.iter().any(|line| !line.way.is_empty());
    let shown = match remote.output {
        Output::Json => say(&format!("{:#}\n", json!({"at": at, "lines": lines}))),
        output => say_table(&table(&lines, zone), output),
    };
    if told {
        return shown;
    }
    complain("nobody would be told", Exit::Findings)
}

fn read(arguments: &ReplayArguments) -> Result<Config, Exit> {
    let clock = SystemClock::new();
    let around = Surroundings {
        variable: &surroundings::variable,
        secret_file: &surroundings::secret_file,
        now: clock.now(),
    };
    let (files, unread) = ConfigFiles::load(&arguments.config)
        .map_err(|error| complain(&error.to_string(), Exit::InvalidConfiguration))?;
    let refuse = |problems: &declare::Problems| {
        let errors = problems
            .iter()
            .filter(|problem| problem.level == Level::Error);
        errors.for_each(|problem| tell(&format!("{problem}\n")));
        complain("the configuration is invalid", Exit::InvalidConfiguration)
    };
    if unread.has_errors() {
        return Err(refuse(&unread));
    }
    match Config::parse(&files, &Overrides::default(), &around) {
        Ok((config, _)) => Ok(config),
        Err(problems) => Err(refuse(&problems)),
    }
}

fn alert(arguments: &ReplayArguments, at: model::Timestamp) -> Alert {
    let mut labels = BTreeMap::from([
        (Alert::NAME_LABEL.to_owned(), "Replay".to_owned()),
        ("severity".to_owned(), "critical".to_owned()),
    ]);
    labels.extend(arguments.alert.iter().cloned());
    let labels = labels
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    Alert {
        status: AlertStatus::Firing,
        labels: Labels::from_pairs(labels),
        annotations: BTreeMap::new(),
        starts_at: at,
        ends_at: None,
        generator_url: String::new(),
    }
}

fn table(lines: &[Line], zone: chrono_tz::Tz) -> Table {
    let mut table = Table::new(["after", "at", "step", "way", "whom", "what"]);
    for line in lines {
        let local = line.at.to_utc().with_timezone(&zone);
        let step = line
            .step
            .map_or(String::new(), |(step, of)| format!("{step} of {of}"));
        let whom = line
            .person
            .clone()
            .unwrap_or_else(|| line.called.join(", "));
        table.row([
            format_duration(std::time::Duration::from_secs(line.after_seconds)),
            local.format("%Y-%m-%d %H:%M:%S %:z").to_string(),
            step,
            line.way.clone(),
            whom,
            line.what.clone(),
        ]);
    }
    table
}
