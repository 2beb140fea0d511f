//! What several test modules need: a policy from YAML, alerts, an alerting at work.

use std::collections::BTreeMap;

use declare::{Problems, read};
use model::{Alert, AlertStatus, DatedEvent, Labels, Timestamp};

use crate::config::{Config, Surroundings, Teams};

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Reads both files; every problem is in the second value.
pub(crate) fn read_config(alerting: &str, teams: &str) -> (Option<Config>, Teams, Problems) {
    let mut problems = Problems::new();
    let teams = read("rampart.yaml", teams).unwrap();
    declare::check(&teams, &Teams::shape(), &mut problems);
    let teams = Teams::read(&teams);
    let node = read("alerting.yaml", alerting).unwrap();
    declare::check(&node, &Config::shape(), &mut problems);
    let sale = DatedEvent {
        name: "double-11".into(),
        from: at("2026-11-10T12:00:00Z"),
        to: at("2026-11-11T16:00:00Z"),
    };
    let surroundings = Surroundings {
        teams: &teams,
        events: &[sale],
        external_url: Some("https://rampart.example.com/guard"),
        now: at("2026-11-03T00:00:00Z"),
        secrets: &|path| Err(format!("no file {path} in tests")),
        templates: &|_| Ok(Vec::new()),
        time_zone: chrono_tz::Tz::UTC,
    };
    let config = Config::read(&node, &surroundings, &mut problems);
    (config, teams, problems)
}

pub(crate) fn config(alerting: &str, teams: &str) -> (Config, Teams) {
    let (config, teams, problems) = read_config(alerting, teams);
    assert!(!problems.has_errors(), "{problems}");
    (config.unwrap(), teams)
}

pub(crate) fn alert(pairs: &[(&str, &str)], status: AlertStatus, starts_at: Timestamp) -> Alert {
    Alert {
        status,
        labels: Labels::from_pairs(pairs.iter().copied()),
        annotations: BTreeMap::from([("summary".to_owned(), "it fails".to_owned())]),
        starts_at,
        ends_at: None,
        generator_url: String::new(),
    }
}

/// A critical alert about one function of the namespace `guide`.
pub(crate) fn failing(function: &str, starts_at: Timestamp) -> Alert {
    alert(
        &[
            ("alertname", "SuccessRateLow"),
            ("severity", "critical"),
            ("namespace", "guide"),
            ("function", function),
        ],
        AlertStatus::Firing,
        starts_at,
    )
}

pub(crate) fn resolved(mut alert: Alert, ends_at: Timestamp) -> Alert {
    alert.status = AlertStatus::Resolved;
    alert.ends_at = Some(ends_at);
    alert
}
