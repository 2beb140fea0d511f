//! Which messages leave now: as fast as each way allows, several in one when there are too many,
//! the most urgent first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::Timestamp;

use super::codes;
use super::escalate::PassedOver;
use super::event::{Dispatch, Write};
use super::memory::Memory;
use super::outbox::{self, Address, OutboxRow, PATIENCE, RowState};
use super::record::{self, AttemptRow, AttemptState};
use super::view;
use crate::delivery::{Limits, MessageKind};

/// One way's pace: a token bucket, a door that may be shut, and what waits before it.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// Waiting messages by when they may leave.
    pub(super) queue: BTreeSet<(Timestamp, u64)>,
    /// Attempts handed to the channel and not answered.
    pub(super) in_flight: usize,
    /// The provider lets nothing in before this.
    pub(super) blocked_until: Option<Timestamp>,
    /// Tokens taken since the bucket was last full, with the time they are counted at.
    taken: Option<(f64, Timestamp)>,
    last_sent_at: Option<Timestamp>,
}

impl Gate {
    /// The most attempts of one way under way at once; a provider that hangs holds up no other.
    pub(super) const IN_FLIGHT_MAX: usize = 8;

    fn tokens(&self, limits: &Limits, now: Timestamp) -> f64 {
        let burst = f64::from(limits.burst.max(1));
        let Some((taken, at)) = self.taken else {
            return burst;
        };
        let refilled = if limits.per.is_zero() {
            burst
        } else {
            now.since(at).as_secs_f64() / limits.per.as_secs_f64() * burst
        };
        burst - (taken - refilled).max(0.0)
    }

    fn take(&mut self, limits: &Limits, now: Timestamp) {
        let burst = f64::from(limits.burst.max(1));
        let left = self.tokens(limits, now) - 1.0;
        self.taken = Some((burst - left, now));
        self.last_sent_at = Some(now);
    }

    /// When the next message may leave; now when it may leave now. `None` while as many as may be
    /// are under way: an answer comes first.
    fn opens_at(&self, limits: &Limits, now: Timestamp) -> Option<Timestamp> {
        if self.in_flight >= Self::IN_FLIGHT_MAX {
            return None;
        }
        let tokens = self.tokens(limits, now);
        let refilled = if tokens >= 1.0 {
            now
        } else {
            let burst = f64::from(limits.burst.max(1));
            let wait = (1.0 - tokens) / burst * limits.per.as_secs_f64();
            // A microsecond more, so that rounding never wakes up just before.
            now + Duration::from_secs_f64(wait.max(0.0)) + Duration::from_micros(1)
        };
        let gap = self.last_sent_at.map(|at| at + limits.min_gap);
        let times = [Some(now), Some(refilled), self.blocked_until, gap];
        times.into_iter().flatten().max()
    }

    /// When there will be something to do.
    pub(super) fn next_due(&self, limits: Option<Limits>, now: Timestamp) -> Option<Timestamp> {
        let (first, _) = self.queue.first()?;
        Some(self.opens_at(&limits?, now)?.max(*first))
    }

    /// Until when the provider's door is shut, when that is longer than anybody would wait.
    fn shut_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.blocked_until
            .filter(|until| until.since(now) > PATIENCE)
    }

    pub(super) fn shift(&mut self, moved: impl Fn(Timestamp) -> Timestamp) {
        self.queue = std::mem::take(&mut self.queue)
            .into_iter()
            .map(|(at, row)| (moved(at), row))
            .collect();
        self.blocked_until = self.blocked_until.map(&moved);
        self.last_sent_at = self.last_sent_at.map(&moved);
        self.taken = self.taken.map(|(taken, at)| (taken, moved(at)));
    }
}

/// Hands over what may leave; gives back the first messages that do not get through.
pub(super) fn dispatch(memory: &mut Memory, now: Timestamp) -> Vec<PassedOver> {
    let names: Vec<String> = memory
        .gates
        .iter()
        .filter(|(_, gate)| gate.queue.first().is_some_and(|(due, _)| *due <= now))
        .map(|(name, _)| name.clone())
        .collect();
    for name in names {
        dispatch_gate(memory, &name, now);
    }
    out_of_patience(memory, now)
}

fn dispatch_gate(memory: &mut Memory, name: &str, now: Timestamp) {
    let Some(limits) = memory.limits_of(name) else {
        return;
    };
    spare_full_numbers(memory, name, now);
    let mut batches = ready_batches(memory, name, &limits, now);
    // Taken from the end, so the most urgent comes last.
    while let Some(rows) = batches.pop() {
        let opens_at = memory
            .gates
            .get(name)
            .and_then(|gate| gate.opens_at(&limits, now));
        if opens_at != Some(now) {
            break;
        }
        let is_full = rows
            .first()
            .and_then(|id| memory.outbox.get(id))
            .is_some_and(|row| {
                let full = memory.used.full(&row.address, memory.quotas_of(name), now);
                full.is_some()
            });
        if !is_full {
            send(memory, name, &limits, rows, now);
        }
    }
    spare_full_numbers(memory, name, now);
}

/// Messages to numbers that were used as often as their provider allows wait, and the next step does
/// not wait for them; those that would wait too long are given up.
fn spare_full_numbers(memory: &mut Memory, name: &str, now: Timestamp) {
    let quotas = memory.quotas_of(name);
    let Some(gate) = memory.gates.get(name).filter(|_| !quotas.is_empty()) else {
        return;
    };
    let due: Vec<u64> = gate
        .queue
        .range(..=(now, u64::MAX))
        .map(|(_, id)| *id)
        .collect();
    for id in due {
        let Some(row) = memory.outbox.get(&id).cloned() else {
            continue;
        };
        let Some((quota, free_at)) = memory.used.full(&row.address, quotas, now) else {
            continue;
        };
        let full = format!(
            "{} was used {} times within {}, as often as the provider allows",
            row.address,
            quota.most,
            model::format_duration(quota.per)
        );
        if free_at > row.give_up_at {
            record::give_up(memory, &row, RowState::Undeliverable, &full, now);
            continue;
        }
        outbox::note(
            memory,
            &row.incident,
            now,
            &format!("{full}; waits until {free_at}"),
        );
        put_off(memory, row, free_at);
        let passed = pass_over(memory, id, |_| full.clone());
        memory.passed_over.extend(passed);
    }
}

/// Moves a waiting message to a later time.
fn put_off(memory: &mut Memory, mut row: OutboxRow, due_at: Timestamp) {
    if let Some(gate) = memory.gates.get_mut(&row.address.endpoint) {
        gate.queue.remove(&(row.due_at, row.id));
        gate.queue.insert((due_at, row.id));
    }
    row.due_at = due_at;
    outbox::store(memory, row.clone());
    memory.outbox.insert(row.id, row);
}

/// What is due at a way, as messages; the most urgent last. One row is one message while the way
/// keeps up; when more wait than half of what it takes in a row, all of one kind for one address
/// become one message.
fn ready_batches(memory: &Memory, name: &str, limits: &Limits, now: Timestamp) -> Vec<Vec<u64>> {
    let Some(gate) = memory.gates.get(name) else {
        return Vec::new();
    };
    if gate.opens_at(limits, now) != Some(now) {
        return Vec::new();
    }
    if let Some(urgent) = urgent_rows(memory, name, gate, limits, now) {
        return urgent;
    }
    let ready: Vec<&OutboxRow> = gate
        .queue
        .range(..=(now, u64::MAX))
        .filter_map(|(_, id)| memory.outbox.get(id))
        .collect();
    let endpoint = memory.policy.config.endpoint(name);
    let takes_digests = endpoint.is_some_and(|endpoint| endpoint.channel.takes_digests());
    let crowded =
        takes_digests && ready.len() > 1 && ready.len() as f64 > gate.tokens(limits, now) / 2.0;
    // A number that may be called once a minute hears of everything in one call.
    let by_number = takes_digests && endpoint.is_some_and(|way| !way.quotas.is_empty());
    // The key's first part orders by urgency, the last keeps single rows apart.
    let mut batches: BTreeMap<(u8, &Address, Option<u64>, u64), Vec<u64>> = BTreeMap::new();
    for row in ready {
        let apart = match row.bundle {
            Some(_) => 0,
            None if crowded || by_number => 0,
            None => row.id,
        };
        batches
            .entry((urgency(row.kind), &row.address, row.bundle, apart))
            .or_default()
            .push(row.id);
    }
    let mut batches: Vec<_> = batches.into_iter().collect();
    // Within one urgency the oldest first, whatever its address.
    batches.sort_by_key(|((urgency, ..), rows)| Reverse((*urgency, rows.first().copied())));
    batches.into_iter().map(|(_, rows)| rows).collect()
}

/// How little a message is missed.
fn urgency(kind: MessageKind) -> u8 {
    match kind {
        MessageKind::Firing | MessageKind::Test => 0,
        MessageKind::Resolved => 1,
        MessageKind::Reminder => 2,
    }
}

/// The same for a way that keeps up, where one row is one message: only as many as may leave now are
/// put in order. `None` where some may have to travel together.
fn urgent_rows(
    memory: &Memory,
    name: &str,
    gate: &Gate,
    limits: &Limits,
    now: Timestamp,
) -> Option<Vec<Vec<u64>>> {
    let endpoint = memory.policy.config.endpoint(name)?;
    let crowded = gate.queue.len() > 1 && gate.queue.len() as f64 > gate.tokens(limits, now) / 2.0;
    if !endpoint.quotas.is_empty() || (crowded && endpoint.channel.takes_digests()) {
        return None;
    }
    let room = Gate::IN_FLIGHT_MAX.saturating_sub(gate.in_flight);
    let mut urgent: BTreeSet<(u8, u64)> = BTreeSet::new();
    for (_, id) in gate.queue.range(..=(now, u64::MAX)) {
        let row = memory.outbox.get(id)?;
        if row.bundle.is_some() {
            return None;
        }
        urgent.insert((urgency(row.kind), *id));
        if urgent.len() > room {
            urgent.pop_last();
        }
    }
    Some(urgent.into_iter().rev().map(|(_, id)| vec![id]).collect())
}

fn send(memory: &mut Memory, name: &str, limits: &Limits, rows: Vec<u64>, now: Timestamp) {
    let Some(endpoint) = memory.policy.config.endpoint(name).cloned() else {
        return;
    };
    memory.numbers.attempt += 1;
    let attempt = memory.numbers.attempt;
    let Some(mut delivery) = view::delivery(memory, &rows, &endpoint, now) else {
        return;
    };
    if endpoint.channel.carries_codes() && rows.len() == 1 {
        let person = delivery.recipient.person.as_ref();
        let person = person.map_or("", |person| person.id.as_str()).to_owned();
        let incident = delivery.incident.id.clone();
        delivery.incident.code = codes::give(memory, &incident, &person, now);
    }
    for id in &rows {
        let Some(row) = memory.outbox.get_mut(id) else {
            continue;
        };
        if let Some(gate) = memory.gates.get_mut(name) {
            gate.queue.remove(&(row.due_at, *id));
        }
        if !memory
            .policy
            .config
            .endpoint(name)
            .is_none_or(|way| way.quotas.is_empty())
        {
            memory.used.note(&row.address, now);
        }
        row.state = RowState::InFlight;
        row.attempts += 1;
        if rows.len() > 1 && row.bundle.is_none() {
            row.bundle = rows.first().copied();
        }
        memory
            .journal
            .writes
            .push(Write::Outbox(Box::new(row.clone())));
    }
    if let Some(gate) = memory.gates.get_mut(name) {
        gate.take(limits, now);
        gate.in_flight += 1;
    }
    let row = AttemptRow {
        id: attempt,
        endpoint: name.to_owned(),
        rows,
        started_at: now,
        ended_at: None,
        state: AttemptState::InFlight,
        detail: String::new(),
        provider_id: None,
    };
    memory
        .journal
        .writes
        .push(Write::Attempt(Box::new(row.clone())));
    memory.attempts.insert(attempt, row);
    memory.journal.sends.push(Dispatch {
        attempt,
        endpoint,
        delivery,
    });
}

/// First messages that take too long, or whose way is shut for longer than anybody would wait.
fn out_of_patience(memory: &mut Memory, now: Timestamp) -> Vec<PassedOver> {
    let mut late: Vec<u64> = Vec::new();
    while let Some((at, _)) = memory.patience.first()
        && *at <= now
        && let Some((_, id)) = memory.patience.pop_first()
    {
        late.push(id);
    }
    let mut passed = std::mem::take(&mut memory.passed_over);
    for id in late {
        let why = |row: &OutboxRow| format!("{} takes too long", row.address);
        passed.extend(pass_over(memory, id, why));
    }
    for id in std::mem::take(&mut memory.fresh) {
        let gate = memory
            .outbox
            .get(&id)
            .and_then(|row| memory.gates.get(&row.address.endpoint));
        if let Some(until) = gate.and_then(|gate| gate.shut_until(now)) {
            passed.extend(pass_over(memory, id, |row| shut(row, until)));
        }
    }
    passed
}

/// Shuts a way; what waits before it asks for the next steps when that is long.
pub(super) fn shut_gate(memory: &mut Memory, name: &str, until: Timestamp, now: Timestamp) {
    let Some(gate) = memory.gates.get_mut(name) else {
        return;
    };
    gate.blocked_until = Some(gate.blocked_until.map_or(until, |known| known.max(until)));
    let Some(until) = gate.shut_until(now) else {
        return;
    };
    let waiting: Vec<u64> = gate.queue.iter().map(|(_, id)| *id).collect();
    for id in waiting {
        let passed = pass_over(memory, id, |row| shut(row, until));
        memory.passed_over.extend(passed);
    }
}

fn shut(row: &OutboxRow, until: Timestamp) -> String {
    format!("{} is blocked until {until}", row.address)
}

/// Marks a first message as not getting through, once.
pub(super) fn pass_over(
    memory: &mut Memory,
    id: u64,
    why: impl Fn(&OutboxRow) -> String,
) -> Option<PassedOver> {
    let row = memory.outbox.get_mut(&id)?;
    let (step, _) = row.step?;
    if row.passed_over || row.kind != MessageKind::Firing {
        return None;
    }
    row.passed_over = true;
    let passed = PassedOver {
        incident: row.incident.clone(),
        round: row.round,
        step,
        why: why(row),
    };
    let row = row.clone();
    outbox::store(memory, row);
    Some(passed)
}
