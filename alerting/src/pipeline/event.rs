//! What the pipeline hears, and what it wants done.

use std::sync::Arc;
use std::time::Duration;

use model::{Alert, AlertStatus, Mode, Timestamp};
use serde::{Deserialize, Serialize};

use super::codes::Code;
use super::incident::{Entry, HeldAlert, Incident};
use super::mute::Silence;
use super::outbox::OutboxRow;
use super::record::AttemptRow;
use crate::config::{Config, Endpoint, Teams};
use crate::delivery::{Attempt, Delivery, Receipt};
use crate::oncall::{Override, Overrides, Schedule, Shift};

/// What the pipeline hears.
#[derive(Clone, Debug)]
pub enum Event {
    /// Alerts from rules or from outside.
    Alerts(Vec<Alert>),
    /// Alerts posted from outside, each of which holds until its end unless it is posted again.
    Posted(Vec<Alert>),
    /// Silences as they stand from now on.
    Silences(Vec<Silence>),
    /// A person did something.
    Act {
        /// To which incident.
        incident: String,
        /// What.
        action: Action,
        /// Who.
        by: String,
        /// By which way: `api` or `link`.
        how: How,
    },
    /// What became of an attempt.
    Outcome {
        /// Which attempt.
        attempt: u64,
        /// Its result.
        outcome: Attempt,
    },
    /// What a provider says later about a message it took.
    Receipt {
        /// The provider's number for it.
        provider_id: String,
        /// What it says.
        receipt: Receipt,
    },
    /// Somebody takes a schedule over, or gives it back.
    Duty(DutyChange),
    /// Time passed.
    Tick,
    /// The mode changed.
    Mode(Mode),
    /// The configuration changed.
    Reload(Arc<Policy>),
    /// The wall clock was set by this many microseconds; timers keep their remaining time.
    ClockSet {
        /// Positive when it went forward.
        by_micros: i64,
    },
}

/// What changes who is on call without a reload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DutyChange {
    /// Somebody takes a schedule for a while; the number is given when it is taken in.
    Take(Override),
    /// The end of one, by its number.
    End(u64),
}

/// What a person can do to an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// "I have it."
    Acknowledge,
    /// "I have it, ring again after this long."
    Snooze(Duration),
    /// "Get the next one."
    Escalate,
    /// "It is over."
    Resolve {
        /// Why; [`Action::FALSE_ALARM`] is counted.
        reason: String,
    },
    /// A remark for the timeline.
    Note {
        /// The remark.
        text: String,
    },
}

impl Action {
    /// The reason that says the alert was wrong.
    pub const FALSE_ALARM: &'static str = "false_alarm";
}

/// How a person reached us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Through the API.
    Api,
    /// Through the signed link in a message.
    Link,
    /// By a key pressed in a call.
    Key,
}

impl How {
    /// The word in records.
    pub fn as_str(self) -> &'static str {
        match self {
            How::Api => "api",
            How::Link => "link",
            How::Key => "key",
        }
    }
}

/// The configuration the pipeline follows.
#[derive(Clone, Debug)]
pub struct Policy {
    /// `alerting.yaml`.
    pub config: Config,
    /// `teams:` of the main file.
    pub teams: Teams,
    /// Who took over from whom; it outlives reloads.
    pub overrides: Overrides,
}

impl Policy {
    /// What the files say, with nobody taking over from anybody.
    pub fn new(config: Config, teams: Teams) -> Self {
        Policy {
            config,
            teams,
            overrides: Overrides::default(),
        }
    }

    /// Who took a schedule over and is still somebody, at `now` or later.
    pub fn taken<'a>(&'a self, schedule: &'a str, now: Timestamp) -> Vec<&'a Override> {
        let taken = self.overrides.of(schedule, now);
        taken
            .filter(|one| self.config.people.contains_key(&one.person))
            .collect()
    }

    /// Who is on call in a schedule at `now`; its end is that of the shift's own rotation.
    pub fn shift(&self, schedule: &Schedule, now: Timestamp) -> Option<Shift> {
        schedule.shift(now, &self.taken(&schedule.name, now))
    }
}

/// What the pipeline wants done. All stores of one step become durable together, before any of its
/// messages leaves.
#[derive(Debug)]
pub enum Effect {
    /// Rows to be made durable.
    Store(Vec<Write>),
    /// A message to be handed to its channel; its attempt row is among the stored.
    Send(Box<Dispatch>),
    /// Something to be counted.
    Count(Count),
}

/// A message ready to leave.
#[derive(Debug)]
pub struct Dispatch {
    /// The attempt its outcome is reported for.
    pub attempt: u64,
    /// The way it takes.
    pub endpoint: Arc<Endpoint>,
    /// What it says.
    pub delivery: Delivery,
}

/// Something worth a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// A provider took a message; for first messages with the time since the alert arrived.
    Accepted {
        /// The channel's kind.
        channel: &'static str,
        /// From the alert's arrival to the provider's answer.
        latency: Option<Duration>,
    },
    /// A provider refused one attempt.
    Refused {
        /// The channel's kind.
        channel: &'static str,
    },
    /// Nobody knows what became of one attempt.
    Unknown {
        /// The channel's kind.
        channel: &'static str,
    },
    /// A message was given up.
    Undeliverable {
        /// The channel's kind.
        channel: &'static str,
    },
    /// A message was left out under pressure.
    Dropped {
        /// The channel's kind.
        channel: &'static str,
    },
    /// Somebody called an incident a false alarm.
    FalseAlarm,
}

/// One row to be made durable.
#[derive(Clone, Debug)]
pub enum Write {
    /// An alert arrived; remembered so that it is taken once.
    Seen {
        /// Its labels' fingerprint.
        fingerprint: u64,
        /// Its episode.
        starts_at: Timestamp,
        /// Firing or resolved.
        status: AlertStatus,
        /// When it arrived.
        received_at: Timestamp,
    },
    /// Arrivals before this are forgotten.
    ForgetSeen {
        /// The oldest kept.
        before: Timestamp,
    },
    /// An incident as it now stands, without alerts and timeline.
    Incident {
        /// The incident.
        incident: Box<Incident>,
        /// Whether it may still change by itself and belongs into memory after a restart.
        active: bool,
    },
    /// An alert as an incident holds it.
    Alert {
        /// The incident.
        incident: String,
        /// The alert.
        held: HeldAlert,
    },
    /// A line of a timeline.
    Entry {
        /// The incident.
        incident: String,
        /// The line.
        entry: Entry,
    },
    /// A line of a timeline that made room.
    DropEntry {
        /// The incident.
        incident: String,
        /// The line's number.
        sequence: u64,
    },
    /// A message as it now stands.
    Outbox(Box<OutboxRow>),
    /// An attempt as it now stands.
    Attempt(Box<AttemptRow>),
    /// A silence as it now stands.
    Silence(Box<Silence>),
    /// A silence that has been over for long enough.
    ForgetSilence {
        /// Which.
        id: String,
    },
    /// A code that opens an incident.
    Code(Code),
    /// Somebody takes over, as it now stands.
    Override(Override),
    /// Who was on call when a schedule was last looked at, so that a hand-over while nothing ran is
    /// noticed.
    Duty {
        /// The schedule.
        schedule: String,
        /// The person; nobody when `None`.
        person: Option<String>,
    },
}
