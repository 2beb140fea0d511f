//! An incident: alerts that one person handles, from open over acknowledged to resolved.

mod act;
mod follow;
mod timeline;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use model::{Alert, AlertStatus, Labels, Severity, Timestamp};
use serde::{Deserialize, Serialize};

use super::mute::Muting;
use super::outbox::Address;
use super::progress::{Progress, shifted};
use crate::config::{Destination, Timing};
use crate::delivery::IncidentStatus;

pub(super) use act::act;
pub(super) use follow::{announce, describe, open_or_update, ring_for_severity};
pub use timeline::{Entry, EntryKind};

/// Alerts that one person handles.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Incident {
    /// Short, hard to guess, safe in a URL.
    pub id: String,
    /// Counts from 1 in the order of opening.
    pub number: u64,
    /// The group it belongs to.
    pub group: String,
    /// The path of the route that opened it.
    pub route: String,
    /// The labels all its alerts share.
    pub labels: Labels,
    /// One line.
    pub title: String,
    /// The loudest of its alerts so far.
    pub severity: Severity,
    /// Where it stands.
    pub status: IncidentStatus,
    /// `namespace/function` when all its alerts are about one function.
    pub function: Option<String>,
    /// When it opened.
    pub opened_at: Timestamp,
    /// When anything about it last changed.
    pub changed_at: Timestamp,
    /// Who has it.
    pub acknowledged: Option<Acknowledgement>,
    /// How it ended.
    pub resolved: Option<Resolution>,
    /// Where its route led when it opened.
    pub destination: Destination,
    /// The receiver when the destination reaches nobody.
    pub receiver: String,
    /// The times of its route.
    pub timing: Timing,
    /// Where it stands in its plan.
    pub progress: Progress,
    /// Who was told.
    pub told: Vec<Told>,
    /// Whether anybody was.
    pub reach: Reach,
    /// Alerts that belong to it.
    pub alerts_total: usize,
    /// Those of them that still fire.
    pub alerts_firing: usize,
    /// Alerts beyond [`Incident::ALERTS_MAX`], counted and not kept.
    pub alerts_left_out: usize,
    /// Lines of the timeline that made room for newer ones.
    pub timeline_left_out: u64,
    /// The number of the next line.
    pub next_entry: u64,
    /// Whether somebody called it a false alarm.
    pub false_alarm: bool,
    /// Whether it is over for good: a new alert of its group opens another incident.
    pub closed: bool,
    /// The labels its alerts are grouped by.
    #[serde(default)]
    pub group_labels: Labels,
    /// Why nobody is told of it now.
    #[serde(default)]
    pub muted: Option<Muting>,
    /// Alerts that joined while they were muted, of which nobody has heard.
    #[serde(default)]
    pub unannounced: BTreeSet<u64>,
    /// Those of its firing alerts that a silence or another alert mutes.
    #[serde(skip)]
    pub muted_alerts: BTreeSet<u64>,
    /// Its alerts by fingerprint.
    #[serde(skip)]
    pub alerts: BTreeMap<u64, HeldAlert>,
    /// What happened, newest last.
    #[serde(skip)]
    pub timeline: VecDeque<Entry>,
    /// Its unfinished messages.
    #[serde(skip)]
    pub(super) rows: BTreeSet<u64>,
    #[serde(skip)]
    pub(super) wake: Option<Timestamp>,
}

/// An alert as an incident holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldAlert {
    /// Its labels' fingerprint.
    pub fingerprint: u64,
    /// The alert as it last came.
    pub alert: Alert,
    /// When it joined.
    pub received_at: Timestamp,
    /// It fires on after a person resolved the incident, and is kept quiet until it recovers.
    pub quieted: bool,
}

impl HeldAlert {
    /// Whether it still fires.
    pub fn is_firing(&self) -> bool {
        self.alert.status == AlertStatus::Firing
    }
}

/// Who has an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Acknowledgement {
    /// Who.
    pub by: String,
    /// By which way.
    pub how: String,
    /// When.
    pub at: Timestamp,
    /// When it rings again unless resolved; never when `None`.
    pub until: Option<Timestamp>,
}

/// How an incident ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Resolution {
    /// When.
    pub at: Timestamp,
    /// Who ended it; `None` when its alerts resolved.
    pub by: Option<String>,
    /// Why.
    pub reason: String,
}

/// Somebody who was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Told {
    /// By which way.
    pub address: Address,
    /// Who they are in records.
    pub name: String,
    /// When they were last told.
    pub at: Timestamp,
    /// Whether the provider took it, or nobody knows.
    pub certain: bool,
    /// Whether they are owed the news that it is over.
    pub owed_resolved: bool,
    /// How many messages they got, less those that turned out not to have arrived.
    #[serde(skip, default = "once")]
    pub(super) messages: u32,
}

fn once() -> u32 {
    1
}

/// Whether anybody was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Messages are on their way.
    Waiting,
    /// A provider took one.
    Reached,
    /// Everything was tried and nothing was taken.
    Unreached,
}

impl Incident {
    /// The most alerts kept; those beyond are counted.
    pub const ALERTS_MAX: usize = 20_000;
    /// How often everything is tried again while nobody could be reached.
    pub(super) const UNREACHED_RETRY: Duration = Duration::from_mins(5);

    /// The incident without alerts, timeline and indexes, as its own row is stored.
    pub(crate) fn without_contents(&self) -> Incident {
        // Cloning field by field would copy thousands of alerts only to drop them.
        Incident {
            id: self.id.clone(),
            group: self.group.clone(),
            route: self.route.clone(),
            labels: self.labels.clone(),
            title: self.title.clone(),
            function: self.function.clone(),
            acknowledged: self.acknowledged.clone(),
            resolved: self.resolved.clone(),
            destination: self.destination.clone(),
            receiver: self.receiver.clone(),
            progress: self.progress.clone(),
            told: self.told.clone(),
            alerts: BTreeMap::new(),
            timeline: VecDeque::new(),
            rows: BTreeSet::new(),
            number: self.number,
            severity: self.severity,
            status: self.status,
            opened_at: self.opened_at,
            changed_at: self.changed_at,
            timing: self.timing,
            reach: self.reach,
            alerts_total: self.alerts_total,
            alerts_firing: self.alerts_firing,
            alerts_left_out: self.alerts_left_out,
            timeline_left_out: self.timeline_left_out,
            next_entry: self.next_entry,
            false_alarm: self.false_alarm,
            closed: self.closed,
            group_labels: self.group_labels.clone(),
            muted: self.muted.clone(),
            unannounced: self.unannounced.clone(),
            muted_alerts: BTreeSet::new(),
            wake: None,
        }
    }

    /// Whether an alert of it is kept quiet until it recovers.
    pub(super) fn is_quieting(&self) -> bool {
        self.alerts.values().any(|held| held.quieted)
    }

    /// When it needs attention although nothing happens.
    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        let progress = &self.progress;
        match self.status {
            // What is muted waits for that to end, and an acknowledgement may run out meanwhile.
            IncidentStatus::Open if self.is_muted() => None,
            IncidentStatus::Acknowledged if self.is_muted() => {
                self.acknowledged.as_ref().and_then(|ack| ack.until)
            }
            IncidentStatus::Open => [progress.due, progress.remind_at, progress.update_at]
                .into_iter()
                .flatten()
                .min(),
            IncidentStatus::Acknowledged => {
                let until = self.acknowledged.as_ref().and_then(|ack| ack.until);
                [until, progress.update_at].into_iter().flatten().min()
            }
            IncidentStatus::Resolved => {
                let end = self.resolved.as_ref().filter(|_| !self.closed);
                let close = end.map(|end| end.at + self.timing.group_interval);
                [progress.farewell_at, close].into_iter().flatten().min()
            }
        }
    }

    /// Moves every time that lies ahead by what the wall clock was set.
    pub(super) fn shift(&mut self, by_micros: i64) {
        let moved = |at: Timestamp| shifted(at, by_micros);
        self.progress.shift(by_micros);
        if let Some(ack) = &mut self.acknowledged {
            ack.until = ack.until.map(moved);
        }
        if let Some(end) = &mut self.resolved {
            end.at = moved(end.at);
        }
        if let Some(muting) = &mut self.muted {
            muting.since = moved(muting.since);
            muting.paused_at = moved(muting.paused_at);
        }
        self.changed_at = moved(self.changed_at);
    }

    /// Recounts and renames after its alerts changed.
    fn refresh(&mut self) {
        self.alerts_firing = self.alerts.values().filter(|held| held.is_firing()).count();
        self.alerts_total = self.alerts.len() + self.alerts_left_out;
        self.title = title(&self.labels, self.alerts_total);
        self.function = match (self.labels.get("namespace"), self.labels.get("function")) {
            (Some(namespace), Some(function)) => Some(format!("{namespace}/{function}")),
            _ => None,
        };
    }
}

/// `SuccessRateLow guide/feed`; what its alerts do not share is left out.
fn title(common: &Labels, alerts: usize) -> String {
    const OTHERS_MAX: usize = 3;
    const TITLE_CHARS_MAX: usize = 200;
    let name = common.get(Alert::NAME_LABEL).map(str::to_owned);
    let mut parts = vec![name.unwrap_or_else(|| format!("{alerts} alerts"))];
    match (common.get("namespace"), common.get("function")) {
        (Some(namespace), Some(function)) => parts.push(format!("{namespace}/{function}")),
        (namespace, function) => {
            let told_apart = ["alertname", "severity", "namespace", "function"];
            let others = common
                .iter()
                .filter(|(name, _)| !told_apart.contains(name))
                .map(|(_, value)| value)
                .take(OTHERS_MAX);
            let values = namespace.into_iter().chain(function).chain(others);
            parts.extend(values.map(str::to_owned));
        }
    }
    parts.join(" ").chars().take(TITLE_CHARS_MAX).collect()
}
