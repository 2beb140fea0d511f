//! Messages that were decided: written down before anything is sent, cancelled when they are no
//! longer wanted, left out under pressure in the order of what is least missed.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use model::Timestamp;
use serde::{Deserialize, Serialize};

use super::escalate::{PassedOver, Summons};
use super::event::{Count, Write};
use super::incident::EntryKind;
use super::memory::Memory;
use super::reach::Called;
use crate::delivery::{IncidentStatus, MessageKind};

/// Where a message goes: a way, and the person at its end when it leads to more than one.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
pub struct Address {
    /// The endpoint's name: a receiver's, or `channels.sms`.
    pub endpoint: String,
    /// The key of the person.
    pub person: Option<String>,
}

impl Address {
    /// Whether it makes a phone ring.
    pub(super) fn is_call(&self) -> bool {
        self.endpoint == "channels.phone"
    }

    /// Whether each message costs money and nerves: what is not urgent does not go this way.
    pub(super) fn costs(&self) -> bool {
        self.is_call() || self.endpoint == "channels.sms"
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = self
            .endpoint
            .strip_prefix("channels.")
            .unwrap_or(&self.endpoint);
        match &self.person {
            Some(person) => write!(f, "{way} {person}"),
            None => f.write_str(way),
        }
    }
}

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowState {
    /// To be sent.
    Pending,
    /// Handed to its channel.
    InFlight,
    /// A provider took it.
    Accepted,
    /// Given up.
    Undeliverable,
    /// Nobody knows, and it is not repeated.
    Unknown,
    /// No longer wanted.
    Cancelled,
    /// Left out under pressure.
    Dropped,
}

impl RowState {
    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            RowState::Pending => "pending",
            RowState::InFlight => "in_flight",
            RowState::Accepted => "accepted",
            RowState::Undeliverable => "undeliverable",
            RowState::Unknown => "unknown",
            RowState::Cancelled => "cancelled",
            RowState::Dropped => "dropped",
        }
    }

    /// Whether nothing more will happen to it.
    pub fn is_final(self) -> bool {
        !matches!(self, RowState::Pending | RowState::InFlight)
    }
}

/// One message to one address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutboxRow {
    /// Its number.
    pub id: u64,
    /// The incident it is about.
    pub incident: String,
    /// Why it is sent.
    pub kind: MessageKind,
    /// Where it goes.
    pub address: Address,
    /// Who should be called by name in a room.
    pub mentions: Vec<String>,
    /// Which step of how many decided it, from 0.
    pub step: Option<(usize, usize)>,
    /// The round of that step.
    pub round: u32,
    /// When it was decided.
    pub created_at: Timestamp,
    /// Not before this.
    pub due_at: Timestamp,
    /// Not after this.
    pub give_up_at: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// Whether its outcome was unknown once; it is not repeated a second time.
    pub was_unknown: bool,
    /// The messages it travels with, once it has travelled: a repetition must look the same.
    pub bundle: Option<u64>,
    /// One more sentence.
    pub note: Option<String>,
    /// Where it stands.
    pub state: RowState,
    /// Whether the next step was already asked for because of it.
    pub passed_over: bool,
}

/// How long a message is tried; then it is undeliverable.
pub(super) const GIVE_UP_AFTER: Duration = Duration::from_hours(1);
/// How long a first message may take before the next step is asked for.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// Waiting messages of one way beyond which reminders are left out.
pub(super) const REMINDERS_WAITING_MAX: usize = 20;
/// Waiting messages of one way beyond which resolved messages are left out too. First messages
/// never are.
pub(super) const RESOLVED_WAITING_MAX: usize = 40_000;

/// What a message says beside the facts when the incident came back.
pub(super) const FIRES_AGAIN: &str = "it fires again";

pub(super) fn enqueue(memory: &mut Memory, summons: Vec<Summons>, now: Timestamp) {
    for summons in summons {
        let mut queued = false;
        for called in &summons.to {
            queued |= enqueue_one(memory, &summons, called, now);
        }
        // A step whose every way still holds back its last message gets nobody out of bed.
        if let (false, Some((step, _))) = (queued, summons.step) {
            memory.passed_over.push(PassedOver {
                incident: summons.incident,
                round: summons.round,
                step,
                why: "earlier messages still wait".to_owned(),
            });
        }
    }
}

/// Queues one message; `false` when the same still waits.
fn enqueue_one(memory: &mut Memory, summons: &Summons, called: &Called, now: Timestamp) -> bool {
    let address = &called.address;
    if summons.kind == MessageKind::Resolved && !sends_resolved(memory, address) {
        return true;
    }
    if is_waiting(memory, &summons.incident, summons.kind, address) {
        let text = format!("{address} has an earlier message waiting; not queued again");
        note(memory, &summons.incident, now, &text);
        return false;
    }
    let waiting = memory
        .gates
        .get(&address.endpoint)
        .map_or(0, |gate| gate.queue.len());
    let too_many = match summons.kind {
        MessageKind::Firing | MessageKind::Test => false,
        MessageKind::Reminder => waiting >= REMINDERS_WAITING_MAX,
        MessageKind::Resolved => waiting >= RESOLVED_WAITING_MAX,
    };
    memory.numbers.row += 1;
    let row = OutboxRow {
        id: memory.numbers.row,
        incident: summons.incident.clone(),
        kind: summons.kind,
        address: address.clone(),
        mentions: called.mentions.clone(),
        step: summons.step,
        round: summons.round,
        created_at: now,
        due_at: now,
        give_up_at: now + GIVE_UP_AFTER,
        attempts: 0,
        was_unknown: false,
        bundle: None,
        note: summons.note.clone(),
        state: if too_many {
            RowState::Dropped
        } else {
            RowState::Pending
        },
        passed_over: false,
    };
    memory
        .journal
        .writes
        .push(Write::Outbox(Box::new(row.clone())));
    if too_many {
        let kind = row.kind.as_str();
        let text =
            format!("{kind} message to {address} left out: {waiting} messages wait for this way");
        note(memory, &summons.incident, now, &text);
        if let Some(endpoint) = memory.policy.config.endpoint(&address.endpoint) {
            let channel = endpoint.kind();
            memory.journal.counts.push(Count::Dropped { channel });
        }
        return true;
    }
    if let Some(incident) = memory.incidents.get_mut(&row.incident) {
        incident.rows.insert(row.id);
        memory.journal.touch(&row.incident);
    }
    if row.kind == MessageKind::Firing {
        memory.patience.insert((now + PATIENCE, row.id));
    }
    let gate = memory.gates.entry(address.endpoint.clone()).or_default();
    gate.queue.insert((row.due_at, row.id));
    memory.fresh.push(row.id);
    memory.outbox.insert(row.id, row);
    true
}

/// Whether somebody wants to hear that it is over.
fn sends_resolved(memory: &Memory, address: &Address) -> bool {
    let endpoint = memory.policy.config.endpoint(&address.endpoint);
    endpoint.is_none_or(|endpoint| endpoint.sends_resolved)
}

/// Whether the same thing already waits for the same address.
fn is_waiting(memory: &Memory, incident: &str, kind: MessageKind, address: &Address) -> bool {
    let Some(incident) = memory.incidents.get(incident) else {
        return false;
    };
    incident
        .rows
        .iter()
        .filter_map(|id| memory.outbox.get(id))
        .any(|row| row.address == *address && row.kind == kind && row.state == RowState::Pending)
}

/// Takes back what has not left and is no longer wanted: everything that calls for a person.
pub(super) fn cancel(memory: &mut Memory, incident: &str, why: &str, now: Timestamp) {
    let wanted = |kind: MessageKind| kind == MessageKind::Resolved;
    let rows = waiting_rows(memory, incident, |kind| !wanted(kind));
    let mut cut_off: Option<usize> = None;
    for id in &rows {
        if let Some(row) = memory.outbox.get(id)
            && row.kind == MessageKind::Firing
            && let Some((step, _)) = row.step
        {
            cut_off = Some(cut_off.map_or(step, |earlier| earlier.min(step)));
        }
        take_back(memory, *id, why, now);
    }
    if let Some(incident) = memory.incidents.get_mut(incident) {
        // What was cut off when it was muted is still owed.
        let owed = incident.progress.cut_off.filter(|_| incident.is_muted());
        incident.progress.cut_off = [owed, cut_off].into_iter().flatten().min();
    }
}

/// After it came back: those who heard, or were about to hear, that it is over hear that it is not,
/// except those whom a step calls at this moment.
pub(super) fn tell_again(
    memory: &mut Memory,
    incident: &str,
    called: &BTreeSet<Address>,
    now: Timestamp,
) {
    let unsaid = waiting_rows(memory, incident, |kind| kind == MessageKind::Resolved);
    let mut untold = called.clone();
    for id in unsaid {
        if let Some(row) = memory.outbox.get(&id) {
            untold.insert(row.address.clone());
        }
        take_back(memory, id, "it fires again", now);
    }
    let Some(known) = memory.incidents.get_mut(incident) else {
        return;
    };
    let mut to = Vec::new();
    for told in &mut known.told {
        // They are owed the end once more, whether or not the first end had left.
        told.owed_resolved = true;
        if !untold.contains(&told.address) && !told.address.costs() {
            to.push(Called {
                address: told.address.clone(),
                mentions: Vec::new(),
            });
        }
    }
    let summons = Summons {
        incident: incident.to_owned(),
        kind: MessageKind::Firing,
        to,
        step: None,
        round: known.progress.round,
        note: Some(FIRES_AGAIN.to_owned()),
    };
    known.progress.last_message_at = Some(now);
    enqueue(memory, vec![summons], now);
}

/// Ways that a reload took away deliver nothing any more.
pub(super) fn drop_removed_ways(memory: &mut Memory, now: Timestamp) {
    let config = &memory.policy.config;
    let removed: Vec<u64> = memory
        .outbox
        .values()
        .filter(|row| row.state == RowState::Pending)
        .filter(|row| config.endpoint(&row.address.endpoint).is_none())
        .map(|row| row.id)
        .collect();
    for id in removed {
        let Some(row) = memory.outbox.get(&id).cloned() else {
            continue;
        };
        let text = format!("{} is no longer configured; undeliverable", row.address);
        note(memory, &row.incident, now, &text);
        finish(memory, id, RowState::Undeliverable, now);
        super::record::nobody_left(memory, &row, now);
    }
}

fn waiting_rows(memory: &Memory, incident: &str, wanted: impl Fn(MessageKind) -> bool) -> Vec<u64> {
    let Some(incident) = memory.incidents.get(incident) else {
        return Vec::new();
    };
    incident
        .rows
        .iter()
        .filter_map(|id| memory.outbox.get(id))
        .filter(|row| row.state == RowState::Pending && wanted(row.kind))
        .map(|row| row.id)
        .collect()
}

fn take_back(memory: &mut Memory, id: u64, why: &str, now: Timestamp) {
    let Some(row) = finish(memory, id, RowState::Cancelled, now) else {
        return;
    };
    let text = format!("message to {} not sent: {why}", row.address);
    note(memory, &row.incident, now, &text);
}

/// Nothing more happens to a message.
pub(super) fn finish(
    memory: &mut Memory,
    id: u64,
    state: RowState,
    now: Timestamp,
) -> Option<OutboxRow> {
    let mut row = memory.outbox.remove(&id)?;
    row.state = state;
    memory.patience.remove(&(row.created_at + PATIENCE, id));
    if let Some(gate) = memory.gates.get_mut(&row.address.endpoint) {
        gate.queue.remove(&(row.due_at, id));
    }
    if let Some(incident) = memory.incidents.get_mut(&row.incident) {
        incident.rows.remove(&id);
        memory.journal.touch(&row.incident);
    }
    memory
        .journal
        .writes
        .push(Write::Outbox(Box::new(row.clone())));
    // It may have arrived the first time, so whoever it went to may wait for the end.
    if row.was_unknown && state != RowState::Accepted {
        super::record::told(memory, &row, false, now);
    }
    Some(row)
}

/// A line about messages on an incident's timeline.
pub(super) fn note(memory: &mut Memory, incident: &str, now: Timestamp, text: &str) {
    if let Some(incident) = memory.incidents.get_mut(incident) {
        incident.note(&mut memory.journal, now, EntryKind::Delivery, text);
    }
}

/// Whether a message still should leave, as its incident stands now.
pub(super) fn is_wanted(memory: &Memory, row: &OutboxRow) -> bool {
    let Some(incident) = memory.incidents.get(&row.incident) else {
        return false;
    };
    match row.kind {
        MessageKind::Firing | MessageKind::Reminder if incident.is_muted() => false,
        MessageKind::Reminder if row.note.is_some() => incident.status != IncidentStatus::Resolved,
        MessageKind::Firing | MessageKind::Reminder => incident.status == IncidentStatus::Open,
        MessageKind::Resolved => {
            let over = incident.muted.as_ref().is_some_and(|muting| muting.over);
            over || incident.status == IncidentStatus::Resolved
        }
        MessageKind::Test => false,
    }
}

/// Remembers the step of a message that was held back because its incident is muted.
pub(super) fn owe_step(memory: &mut Memory, row: &OutboxRow) {
    let Some(incident) = memory.incidents.get_mut(&row.incident) else {
        return;
    };
    if let (true, MessageKind::Firing, Some((step, _))) = (incident.is_muted(), row.kind, row.step)
    {
        let owed = incident.progress.cut_off;
        incident.progress.cut_off = Some(owed.map_or(step, |earlier| earlier.min(step)));
        memory.journal.touch(&row.incident);
    }
}

/// Writes a message down as it now stands.
pub(super) fn store(memory: &mut Memory, row: OutboxRow) {
    memory.journal.writes.push(Write::Outbox(Box::new(row)));
}
