//! What became of an attempt, written down; and what follows from it.

use std::sync::Arc;
use std::time::Duration;

use model::{Timestamp, format_duration};
use serde::{Deserialize, Serialize};

use super::event::{Count, Effect, Event, Write};
use super::incident::{EntryKind, Incident, Reach, Told};
use super::memory::Memory;
use super::outbox::{self, OutboxRow, PATIENCE, RowState};
use super::{deliver, escalate};
use crate::delivery::{Attempt, IncidentStatus, MessageKind, Retry};

/// One attempt to deliver one or more messages as one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRow {
    /// Its number.
    pub id: u64,
    /// The way.
    pub endpoint: String,
    /// The messages it carries.
    pub rows: Vec<u64>,
    /// When it was handed to the channel.
    pub started_at: Timestamp,
    /// When its outcome was known.
    pub ended_at: Option<Timestamp>,
    /// Where it stands.
    pub state: AttemptState,
    /// The provider's answer.
    pub detail: String,
    /// The provider's number for it.
    pub provider_id: Option<String>,
}

/// Where an attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptState {
    /// Handed to the channel.
    InFlight,
    /// The provider took it.
    Accepted,
    /// The provider did not.
    Refused,
    /// Nobody knows.
    Unknown,
}

impl AttemptState {
    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            AttemptState::InFlight => "in_flight",
            AttemptState::Accepted => "accepted",
            AttemptState::Refused => "refused",
            AttemptState::Unknown => "unknown",
        }
    }
}

/// The first pause after a refusal; it doubles…
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
/// …up to this.
const BACKOFF_MAX: Duration = Duration::from_mins(1);
/// Attempts after which a message is undeliverable.
const ATTEMPTS_MAX: u32 = 60;
/// Refusals after which the next step is asked for; one may be a hiccup.
const REFUSALS_PATIENCE: u32 = 2;
/// The longest answer of a provider that is kept, in characters.
const DETAIL_CHARS_MAX: usize = 300;

/// Takes in the outcome of an attempt.
pub(super) fn settle(memory: &mut Memory, event: &Event, now: Timestamp) {
    let Event::Outcome { attempt, outcome } = event else {
        return;
    };
    let Some(mut record) = memory.attempts.remove(attempt) else {
        return;
    };
    if let Some(gate) = memory.gates.get_mut(&record.endpoint) {
        gate.in_flight = gate.in_flight.saturating_sub(1);
    }
    let cut = |text: &str| text.chars().take(DETAIL_CHARS_MAX).collect::<String>();
    record.ended_at = Some(now);
    (record.state, record.detail, record.provider_id) = match outcome {
        Attempt::Accepted {
            detail,
            provider_id,
        } => (AttemptState::Accepted, cut(detail), provider_id.clone()),
        Attempt::Refused { reason, .. } => (AttemptState::Refused, cut(reason), None),
        Attempt::Unknown { reason } => (AttemptState::Unknown, cut(reason), None),
    };
    memory
        .journal
        .writes
        .push(Write::Attempt(Box::new(record.clone())));
    count(memory, &record, now);
    let throttled = matches!(
        outcome,
        Attempt::Refused {
            retry: Retry::After(_),
            ..
        }
    );
    let (way, reason) = (&record.endpoint, &record.detail);
    memory
        .health
        .note(way, record.state, throttled, reason, now);
    if let Attempt::Refused {
        retry: Retry::After(pause),
        ..
    } = outcome
    {
        deliver::shut_gate(memory, &record.endpoint, now + *pause, now);
    }
    for id in &record.rows {
        let Some(row) = memory.outbox.get(id).cloned() else {
            continue;
        };
        match outcome {
            Attempt::Accepted { .. } => accepted(memory, &row, &record, now),
            Attempt::Refused { retry, .. } => refused(memory, row, *retry, &record, now),
            Attempt::Unknown { .. } => unknown(memory, row, &record, now),
        }
    }
}

/// Everything the step changed.
pub(super) fn effects(memory: &mut Memory) -> Vec<Effect> {
    memory.drain()
}

fn count(memory: &mut Memory, record: &AttemptRow, now: Timestamp) {
    let Some(endpoint) = memory.policy.config.endpoint(&record.endpoint) else {
        return;
    };
    let channel = endpoint.kind();
    let count = match record.state {
        AttemptState::Accepted => {
            let first = record.rows.first().and_then(|id| memory.outbox.get(id));
            let opening = first
                .filter(|row| row.round == 0 && row.step.is_some_and(|(step, _)| step == 0))
                .and_then(|row| memory.incidents.get(&row.incident));
            Count::Accepted {
                channel,
                latency: opening.map(|incident| now.since(incident.opened_at)),
            }
        }
        AttemptState::Refused => Count::Refused { channel },
        AttemptState::Unknown | AttemptState::InFlight => Count::Unknown { channel },
    };
    memory.journal.counts.push(count);
}

fn what(row: &OutboxRow, record: &AttemptRow) -> String {
    let together = match record.rows.len() {
        0 | 1 => String::new(),
        more => format!(" (one message for {more})"),
    };
    format!("{} message to {}{together}", row.kind.as_str(), row.address)
}

fn accepted(memory: &mut Memory, row: &OutboxRow, record: &AttemptRow, now: Timestamp) {
    outbox::finish(memory, row.id, RowState::Accepted, now);
    let endpoint = memory.policy.config.endpoint(&record.endpoint);
    if let Some(id) = &record.provider_id
        && endpoint.is_some_and(|endpoint| endpoint.once_only)
    {
        memory.receipts.wait_for(id, row.clone(), now);
    }
    let number = record
        .provider_id
        .as_ref()
        .map(|id| format!(", its number {id}"))
        .unwrap_or_default();
    let text = format!("{} taken: {}{number}", what(row, record), record.detail);
    outbox::note(memory, &row.incident, now, &text);
    told(memory, row, true, now);
}

/// Remembers who heard of the incident and is therefore owed its end.
pub(super) fn told(memory: &mut Memory, row: &OutboxRow, certain: bool, now: Timestamp) {
    let Some(incident) = memory.incidents.get_mut(&row.incident) else {
        return;
    };
    if row.kind == MessageKind::Resolved {
        return;
    }
    if certain {
        incident.reach = Reach::Reached;
        if let Some((step, _)) = row.step
            && incident.progress.is_latest(row.round, step)
        {
            incident.progress.step_accepted = true;
        }
    }
    match incident
        .told
        .iter_mut()
        .find(|told| told.address == row.address)
    {
        Some(known) => {
            known.at = now;
            known.messages += 1;
            known.certain |= certain;
            known.owed_resolved = true;
        }
        None => incident.told.push(Told {
            address: row.address.clone(),
            name: row.address.to_string(),
            at: now,
            certain,
            owed_resolved: true,
            messages: 1,
        }),
    }
    // The news that it is over has left already: this one hears it too.
    if incident.status == IncidentStatus::Resolved && incident.progress.farewell_at.is_none() {
        incident.progress.farewell_at = Some(now);
    }
    memory.journal.touch(&row.incident);
}

fn refused(memory: &mut Memory, row: OutboxRow, retry: Retry, record: &AttemptRow, now: Timestamp) {
    let said = format!("{} refused: {}", what(&row, record), record.detail);
    if !outbox::is_wanted(memory, &row) {
        outbox::owe_step(memory, &row);
        outbox::finish(memory, row.id, RowState::Cancelled, now);
        let text = format!("{said}; no longer wanted, not tried again");
        outbox::note(memory, &row.incident, now, &text);
        return;
    }
    let pause = match retry {
        Retry::Never => None,
        Retry::Backoff => Some(backoff(row.attempts)),
        Retry::After(pause) => Some(pause),
    };
    // A door that stays shut for long does not use up the time a message is tried.
    let patient_until = match retry {
        Retry::After(pause) => row.give_up_at.max(now + pause + PATIENCE),
        Retry::Never | Retry::Backoff => row.give_up_at,
    };
    match pause.filter(|pause| row.attempts < ATTEMPTS_MAX && now + *pause <= patient_until) {
        Some(pause) => {
            let text = format!("{said}; tried again in {}", format_duration(pause));
            outbox::note(memory, &row.incident, now, &text);
            let (id, attempts) = (row.id, row.attempts);
            try_again(memory, row, now + pause);
            if attempts >= REFUSALS_PATIENCE || pause > PATIENCE {
                let passed =
                    deliver::pass_over(memory, id, |row| format!("{} refuses", row.address));
                memory.passed_over.extend(passed);
            }
        }
        None => give_up(memory, &row, RowState::Undeliverable, &said, now),
    }
}

fn backoff(attempts: u32) -> Duration {
    let doubled = 1_u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(0);
    BACKOFF_FIRST
        .checked_mul(doubled.max(1))
        .filter(|pause| *pause < BACKOFF_MAX && attempts < 32)
        .unwrap_or(BACKOFF_MAX)
}

/// Nobody knows whether the provider took it. A message to a chat may come twice; a call that may
/// have been made is not made again, the next step follows instead.
fn unknown(memory: &mut Memory, mut row: OutboxRow, record: &AttemptRow, now: Timestamp) {
    let said = format!("{}: unknown outcome: {}", what(&row, record), record.detail);
    let once_only = memory
        .policy
        .config
        .endpoint(&row.address.endpoint)
        .is_some_and(|endpoint| endpoint.once_only);
    let wanted = outbox::is_wanted(memory, &row);
    if wanted && !once_only && !row.was_unknown && row.attempts < ATTEMPTS_MAX {
        row.was_unknown = true;
        let text = format!("{said}; sent once more, it may arrive twice");
        outbox::note(memory, &row.incident, now, &text);
        try_again(memory, row, now + BACKOFF_FIRST);
        return;
    }
    // What is not repeated because it is no longer wanted may have arrived all the same.
    if let Some(kept) = memory.outbox.get_mut(&row.id) {
        kept.was_unknown |= !once_only;
    }
    if wanted {
        give_up(memory, &row, RowState::Unknown, &said, now);
    } else {
        if !once_only {
            outbox::owe_step(memory, &row);
        }
        outbox::finish(memory, row.id, RowState::Unknown, now);
        outbox::note(memory, &row.incident, now, &said);
    }
}

fn try_again(memory: &mut Memory, mut row: OutboxRow, due_at: Timestamp) {
    row.state = RowState::Pending;
    row.due_at = due_at;
    let gate = memory
        .gates
        .entry(row.address.endpoint.clone())
        .or_default();
    gate.queue.insert((row.due_at, row.id));
    outbox::store(memory, row.clone());
    memory.outbox.insert(row.id, row);
}

pub(super) fn give_up(
    memory: &mut Memory,
    row: &OutboxRow,
    state: RowState,
    said: &str,
    now: Timestamp,
) {
    let text = match state {
        RowState::Unknown => format!("{said}; not sent again"),
        _ => format!("{said}; undeliverable after {} attempts", row.attempts),
    };
    outbox::note(memory, &row.incident, now, &text);
    if let Some(endpoint) = memory.policy.config.endpoint(&row.address.endpoint) {
        let channel = endpoint.kind();
        memory.journal.counts.push(Count::Undeliverable { channel });
    }
    let passed = deliver::pass_over(memory, row.id, |row| {
        format!("{} did not get through", row.address)
    });
    memory.passed_over.extend(passed);
    outbox::finish(memory, row.id, state, now);
    nobody_left(memory, row, now);
}

/// When the last message of an ended plan is given up and nobody was reached, the route's receiver is
/// told; when that was in vain too, it is said aloud.
pub(super) fn nobody_left(memory: &mut Memory, row: &OutboxRow, now: Timestamp) {
    let policy = Arc::clone(&memory.policy);
    let Some(incident) = memory.incidents.get_mut(&row.incident) else {
        return;
    };
    let hopeless = incident.status == IncidentStatus::Open
        && incident.progress.due.is_none()
        && incident.rows.is_empty()
        && !incident.told.iter().any(|told| told.certain);
    // While it is muted nobody may be told; when that ends, the plan begins again.
    let hopeless = hopeless && !incident.is_muted();
    if hopeless && row.kind == MessageKind::Firing {
        let journal = &mut memory.journal;
        if row.step.is_none() {
            return escalate::unreached(incident, journal, now);
        }
        let summons = escalate::fall_back(incident, &policy, journal, now);
        outbox::enqueue(memory, summons.into_iter().collect(), now);
    } else if row.kind == MessageKind::Resolved {
        incident.note(
            &mut memory.journal,
            now,
            EntryKind::Delivery,
            format!("{} does not know that it is over", row.address),
        );
    }
}

/// Whether a person can see on the incident that nobody was reached.
impl Incident {
    /// Whether everything was tried in vain.
    pub fn is_undeliverable(&self) -> bool {
        self.reach == Reach::Unreached
    }
}
