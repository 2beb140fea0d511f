//! What a memory does when it comes back from the database, and when the wall clock was set.

use std::collections::{BTreeMap, BTreeSet};

use model::{Alert, Timestamp};

use super::super::codes::Code;
use super::super::duty::Duty;
use super::super::event::Write;
use super::super::outbox::{Address, OutboxRow, PATIENCE, RowState};
use super::super::progress::shifted;
use super::super::quota::Used;
use super::super::record::{AttemptRow, AttemptState};
use super::{Arrival, Memory};
use crate::delivery::{IncidentStatus, MessageKind};

impl Memory {
    /// With an attempt for each message that was on its way and whose attempt is lost, so that its
    /// outcome is unknown as well.
    pub(super) fn with_lost_attempts(
        &mut self,
        mut attempts: Vec<AttemptRow>,
        now: Timestamp,
    ) -> Vec<AttemptRow> {
        let carried: BTreeSet<u64> = attempts
            .iter()
            .flat_map(|attempt| attempt.rows.iter().copied())
            .collect();
        for row in self.outbox.values() {
            if row.state == RowState::InFlight && !carried.contains(&row.id) {
                self.numbers.attempt += 1;
                attempts.push(AttemptRow {
                    id: self.numbers.attempt,
                    endpoint: row.address.endpoint.clone(),
                    rows: vec![row.id],
                    started_at: now,
                    ended_at: None,
                    state: AttemptState::InFlight,
                    detail: String::new(),
                    provider_id: None,
                });
            }
        }
        attempts
    }

    pub(super) fn restore_row(&mut self, row: OutboxRow) {
        // A message whose incident cannot be read has nothing to say.
        let Some(incident) = self.incidents.get_mut(&row.incident) else {
            return;
        };
        incident.rows.insert(row.id);
        if row.state == RowState::Pending {
            let gate = self.gates.entry(row.address.endpoint.clone()).or_default();
            gate.queue.insert((row.due_at, row.id));
        }
        if row.kind == MessageKind::Firing && !row.passed_over {
            self.patience.insert((row.created_at + PATIENCE, row.id));
        }
        self.outbox.insert(row.id, row);
    }

    pub(super) fn restore_attempt(&mut self, attempt: AttemptRow) {
        let gate = self.gates.entry(attempt.endpoint.clone()).or_default();
        gate.in_flight += 1;
        self.attempts.insert(attempt.id, attempt);
    }

    pub(super) fn restore_indexes(&mut self) {
        for (id, incident) in &self.incidents {
            self.journal.touched.insert(id.clone());
            if !incident.closed {
                self.groups.insert(incident.group.clone(), id.clone());
            }
            for held in incident.alerts.values() {
                if held.quieted {
                    self.quiet.insert(held.fingerprint, id.clone());
                } else if held.is_firing() && incident.status != IncidentStatus::Resolved {
                    self.firing
                        .entry(held.fingerprint)
                        .or_default()
                        .insert(id.clone());
                }
            }
        }
        self.reindex();
    }

    /// A clock that stands before what it stamped was set back while Rampart was down. Waiting for
    /// it to catch up would lose pages, so everything moves back with it.
    pub(super) fn forgive_clock(&mut self, now: Timestamp) {
        let latest = self
            .incidents
            .values()
            .map(|incident| incident.changed_at)
            .max();
        if let Some(latest) = latest
            && latest > now
        {
            self.shift(now.as_micros().saturating_sub(latest.as_micros()));
        }
    }

    pub(super) fn shift(&mut self, by_micros: i64) {
        let moved = |at: Timestamp| shifted(at, by_micros);
        for (id, incident) in &mut self.incidents {
            incident.shift(by_micros);
            self.journal.touch(id);
        }
        for row in self.outbox.values_mut() {
            row.created_at = moved(row.created_at);
            row.due_at = moved(row.due_at);
            row.give_up_at = moved(row.give_up_at);
            self.journal
                .writes
                .push(Write::Outbox(Box::new(row.clone())));
        }
        for gate in self.gates.values_mut() {
            gate.shift(moved);
        }
        self.used.shift(moved);
        self.codes.shift(moved);
        self.health.shift(moved);
        self.outside.shift(moved);
        let codes = self.codes.all().cloned().map(Write::Code);
        self.journal.writes.extend(codes);
        let patience = std::mem::take(&mut self.patience);
        self.patience = patience
            .into_iter()
            .map(|(at, row)| (moved(at), row))
            .collect();
    }

    /// Takes up who was on call, which codes are good and which numbers were used.
    pub(super) fn restore_lately(
        &mut self,
        duty: Vec<(String, Option<String>)>,
        codes: Vec<Code>,
        used: Vec<(Address, Timestamp)>,
        now: Timestamp,
    ) {
        self.duty = Duty::remembered(duty);
        for code in codes {
            self.codes.restore(code);
        }
        for (address, at) in used {
            if at + Used::REACH > now && !self.quotas_of(&address.endpoint).is_empty() {
                self.used.note(&address, at);
            }
        }
    }

    /// Ways that were told to keep failing are so until they take something.
    pub(super) fn restore_health(&mut self, now: Timestamp) {
        let held = self
            .incidents
            .values()
            .flat_map(|incident| incident.alerts.values());
        for held in held.filter(|held| held.is_firing()) {
            self.health.restore(&held.alert, now);
        }
    }

    /// Takes up what arrived. Of the alerts without an incident those stay that still fire and came
    /// in no other way; they are new.
    pub(super) fn restore_seen(
        &mut self,
        seen: Vec<Arrival>,
        homeless: &mut BTreeMap<(u64, Timestamp), Alert>,
    ) {
        for (fingerprint, starts_at, firing, _) in &seen {
            if !firing {
                homeless.remove(&(*fingerprint, *starts_at));
            }
        }
        homeless.retain(|(fingerprint, _), _| !self.firing.contains_key(fingerprint));
        for (fingerprint, starts_at, firing, received_at) in seen {
            if !homeless.contains_key(&(fingerprint, starts_at)) {
                self.seen
                    .remember(fingerprint, starts_at, firing, received_at);
            }
        }
    }
}
