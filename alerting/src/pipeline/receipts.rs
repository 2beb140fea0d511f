//! What a provider says later about a message it took. "Taken" is a promise, not an arrival: a text
//! message that fails, or a call that nobody picks up, brings the next step forward at once.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use model::Timestamp;

use super::escalate::PassedOver;
use super::event::Event;
use super::incident::Reach;
use super::memory::Memory;
use super::outbox::{self, OutboxRow};
use super::record;
use crate::delivery::{MessageKind, Receipt};

/// Messages whose receipt may still come. A restart forgets them: their incidents go on by time.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    awaited: HashMap<String, Vec<OutboxRow>>,
    order: VecDeque<(Timestamp, String)>,
}

impl Receipts {
    /// The most that are waited for; the oldest make room.
    const AWAITED_MAX: usize = 10_000;
    /// Later ones change nothing any more.
    const AWAITED_FOR: Duration = Duration::from_hours(1);

    /// Waits for the receipt of a message the provider knows by this number.
    pub(super) fn wait_for(&mut self, provider_id: &str, row: OutboxRow, now: Timestamp) {
        while let Some((at, oldest)) = self.order.front()
            && (self.order.len() >= Self::AWAITED_MAX || *at + Self::AWAITED_FOR < now)
        {
            self.awaited.remove(oldest);
            self.order.pop_front();
        }
        let rows = self.awaited.entry(provider_id.to_owned()).or_default();
        if rows.is_empty() {
            self.order.push_back((now, provider_id.to_owned()));
        }
        rows.push(row);
    }

    /// Whether a receipt of this message would be known to be one.
    #[cfg(test)]
    pub(super) fn awaits(&self, provider_id: &str) -> bool {
        self.awaited.contains_key(provider_id)
    }

    fn take(&mut self, provider_id: &str) -> Vec<OutboxRow> {
        self.order.retain(|(_, id)| id != provider_id);
        self.awaited.remove(provider_id).unwrap_or_default()
    }
}

/// Takes in a receipt; a second one for the same message, and one for a message nobody knows, change
/// nothing.
pub(super) fn settle(memory: &mut Memory, event: &Event, now: Timestamp) {
    let Event::Receipt {
        provider_id,
        receipt,
    } = event
    else {
        return;
    };
    for row in memory.receipts.take(provider_id) {
        let what = format!("{} message to {}", row.kind.as_str(), row.address);
        match receipt {
            Receipt::Arrived { detail } => {
                outbox::note(
                    memory,
                    &row.incident,
                    now,
                    &format!("{what} arrived: {detail}"),
                );
            }
            Receipt::Failed { reason } => {
                let text = format!("{what} did not arrive: {reason}");
                outbox::note(memory, &row.incident, now, &text);
                failed(memory, &row, now);
            }
        }
    }
}

/// Whoever did not get it was not told.
fn failed(memory: &mut Memory, row: &OutboxRow, now: Timestamp) {
    let Some(incident) = memory.incidents.get_mut(&row.incident) else {
        return;
    };
    if row.kind == MessageKind::Resolved {
        return record::nobody_left(memory, row, now);
    }
    for told in &mut incident.told {
        if told.address == row.address {
            told.messages = told.messages.saturating_sub(1);
        }
    }
    incident.told.retain(|told| told.messages > 0);
    let reached = incident.told.iter().any(|told| told.certain);
    if !reached {
        incident.reach = Reach::Waiting;
    }
    memory.journal.touch(&row.incident);
    let Some((step, _)) = row.step.filter(|_| row.kind == MessageKind::Firing) else {
        return;
    };
    let others = incident
        .told
        .iter()
        .any(|told| told.certain && told.address != row.address && told.at >= row.created_at);
    if incident.progress.is_latest(row.round, step) && !others {
        incident.progress.step_accepted = false;
        if !row.passed_over {
            memory.passed_over.push(PassedOver {
                incident: row.incident.clone(),
                round: row.round,
                step,
                why: format!("{} did not get the message", row.address),
            });
        }
    }
    record::nobody_left(memory, row, now);
}
