//! Why an alert or an incident is muted, for people.

use chrono_tz::Tz;
use model::{Alert, Labels, Timestamp};

use super::index::Mutes;
use crate::config::{Config, Route};
use crate::message::instant;
use crate::pipeline::incident::Incident;

/// What mutes one alert, as the API lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MutedBy {
    /// Silences.
    pub silences: Vec<String>,
    /// Fingerprints of alerts.
    pub inhibitors: Vec<u64>,
    /// Time intervals of its route.
    pub intervals: Vec<String>,
}

/// Why an incident is muted.
pub(super) struct Reason {
    pub(super) text: String,
    /// Whether another alert holds back what no silence and no time does.
    pub(super) inhibited: bool,
}

impl Reason {
    fn not_inhibited(text: String) -> Self {
        Reason {
            text,
            inhibited: false,
        }
    }
}

/// Why nobody is told of an incident now; `None` when somebody is.
pub(super) fn of_incident(
    incident: &Incident,
    mutes: &Mutes,
    config: &Config,
    now: Timestamp,
) -> Option<Reason> {
    if incident.alerts_firing == 0 {
        return None;
    }
    if let Some(text) = of_times(incident, config, now) {
        return Some(Reason::not_inhibited(text));
    }
    if incident.muted_alerts.len() < incident.alerts_firing {
        return None;
    }
    let first = incident.muted_alerts.first()?;
    let inhibited = incident
        .muted_alerts
        .iter()
        .any(|alert| !mutes.is_silenced(*alert));
    Some(Reason {
        text: of_alert(mutes, *first, config.time_zone)?,
        inhibited,
    })
}

/// Why an alert is muted, with times as people read them.
pub(super) fn of_alert(mutes: &Mutes, fingerprint: u64, zone: Tz) -> Option<String> {
    let silence = mutes
        .silenced_by(fingerprint)
        .into_iter()
        .filter_map(|id| mutes.silence(&id))
        .max_by_key(|silence| silence.ends_at);
    if let Some(silence) = silence {
        let comment = match silence.comment.as_str() {
            "" => String::new(),
            comment => format!(" ({comment})"),
        };
        let by = match silence.created_by.as_str() {
            "" => String::new(),
            by => format!(" by {by}"),
        };
        return Some(format!(
            "silenced{by} until {}{comment}, silence {}",
            instant(silence.ends_at, zone),
            silence.id
        ));
    }
    let inhibitor = mutes.inhibited_by(fingerprint).into_iter().next()?;
    let labels = mutes.labels(inhibitor)?;
    Some(format!("inhibited by {}", named(labels)))
}

fn named(labels: &Labels) -> String {
    let name = labels.get(Alert::NAME_LABEL).unwrap_or("an alert");
    match (labels.get("namespace"), labels.get("function")) {
        (Some(namespace), Some(function)) => format!("{name} for {namespace}/{function}"),
        _ => format!("{name} {labels}"),
    }
}

/// Why the route of an incident is quiet now.
fn of_times(incident: &Incident, config: &Config, now: Timestamp) -> Option<String> {
    if !config.root.has_times() {
        return None;
    }
    let route = config.root.at_path(&incident.route)?;
    match muting_times(route, config, now).first() {
        Some(name) => Some(format!("its route is quiet in the time interval {name}")),
        None if is_inactive(route, config, now) => Some(format!(
            "its route is active in {} only",
            route.active_times.join(", ")
        )),
        None => None,
    }
}

/// The time intervals that mute a route now.
pub(in crate::pipeline) fn muting_times(
    route: &Route,
    config: &Config,
    now: Timestamp,
) -> Vec<String> {
    let holds = |name: &&String| holds(config, name, now);
    route.mute_times.iter().filter(holds).cloned().collect()
}

/// Whether a route that has times of its own is outside of all of them.
pub(in crate::pipeline) fn is_inactive(route: &Route, config: &Config, now: Timestamp) -> bool {
    let active = &route.active_times;
    !active.is_empty() && !active.iter().any(|name| holds(config, name, now))
}

fn holds(config: &Config, name: &str, now: Timestamp) -> bool {
    let interval = config.time_intervals.get(name);
    interval.is_some_and(|interval| interval.contains(now))
}
