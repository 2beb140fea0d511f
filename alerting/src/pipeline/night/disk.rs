//! A database of maps: what the real one keeps, without its cost.

use std::collections::{BTreeMap, BTreeSet};

use model::{AlertStatus, Timestamp};

use crate::oncall::{Override, Overrides};
use crate::pipeline::{
    AttemptRow, AttemptState, Code, Entry, HeldAlert, Incident, OutboxRow, Silence, Stored, Write,
};

#[derive(Default)]
pub(super) struct Disk {
    pub(super) incidents: BTreeMap<String, (Incident, bool)>,
    pub(super) entries: BTreeMap<(String, u64), Entry>,
    pub(super) outbox: BTreeMap<u64, OutboxRow>,
    pub(super) attempts: BTreeMap<u64, AttemptRow>,
    /// Incidents whose own row cannot be read any more.
    pub(super) unreadable: BTreeSet<String>,
    overrides: BTreeMap<u64, Override>,
    duty: BTreeMap<String, Option<String>>,
    codes: BTreeMap<String, Code>,
    alerts: BTreeMap<(String, u64), HeldAlert>,
    silences: BTreeMap<String, Silence>,
    seen: BTreeMap<(u64, Timestamp, bool), Timestamp>,
}

impl Disk {
    pub(super) fn write(&mut self, writes: Vec<Write>) {
        for write in writes {
            match write {
                Write::Seen {
                    fingerprint,
                    starts_at,
                    status,
                    received_at,
                } => {
                    let key = (fingerprint, starts_at, status == AlertStatus::Firing);
                    self.seen.insert(key, received_at);
                }
                Write::ForgetSeen { before } => self.seen.retain(|_, at| *at >= before),
                Write::Incident { incident, active } => {
                    self.incidents
                        .insert(incident.id.clone(), (*incident, active));
                }
                Write::Alert { incident, held } => {
                    self.alerts.insert((incident, held.fingerprint), held);
                }
                Write::Entry { incident, entry } => {
                    self.entries.insert((incident, entry.sequence), entry);
                }
                Write::DropEntry { incident, sequence } => {
                    self.entries.remove(&(incident, sequence));
                }
                Write::Outbox(row) => {
                    self.outbox.insert(row.id, *row);
                }
                Write::Attempt(row) => {
                    self.attempts.insert(row.id, *row);
                }
                Write::Silence(silence) => {
                    self.silences.insert(silence.id.clone(), *silence);
                }
                Write::ForgetSilence { id } => {
                    self.silences.remove(&id);
                }
                Write::Code(code) => {
                    self.codes.insert(code.code.clone(), code);
                }
                Write::Override(made) => {
                    self.overrides.insert(made.id, made);
                }
                Write::Duty { schedule, person } => {
                    self.duty.insert(schedule, person);
                }
            }
        }
    }

    pub(super) fn stored(&self) -> Stored {
        let is_active = |id: &String| self.incidents.get(id).is_some_and(|(_, active)| *active);
        let active = self
            .incidents
            .values()
            .filter(|(incident, active)| *active && !self.unreadable.contains(&incident.id));
        Stored {
            incidents: active.map(|(incident, _)| incident.clone()).collect(),
            alerts: self
                .alerts
                .iter()
                .filter(|((id, _), _)| is_active(id))
                .map(|((id, _), held)| (id.clone(), held.clone()))
                .collect(),
            entries: self
                .entries
                .iter()
                .filter(|((id, _), _)| is_active(id))
                .map(|((id, _), entry)| (id.clone(), entry.clone()))
                .collect(),
            outbox: self
                .outbox
                .values()
                .filter(|row| !row.state.is_final())
                .cloned()
                .collect(),
            attempts: self
                .attempts
                .values()
                .filter(|row| row.state == AttemptState::InFlight)
                .cloned()
                .collect(),
            silences: self.silences.values().cloned().collect(),
            overrides: Overrides::new(self.overrides.values().cloned().collect(), 0),
            duty: self
                .duty
                .iter()
                .map(|(schedule, person)| (schedule.clone(), person.clone()))
                .collect(),
            codes: self.codes.values().cloned().collect(),
            used: self
                .attempts
                .values()
                .flat_map(|attempt| attempt.rows.iter().map(|row| (row, attempt.started_at)))
                .map(|(row, at)| (self.outbox[row].address.clone(), at))
                .collect(),
            seen: self
                .seen
                .iter()
                .map(|((print, starts, firing), at)| (*print, *starts, *firing, *at))
                .collect(),
            numbers: (
                self.incidents
                    .values()
                    .map(|(incident, _)| incident.number)
                    .max()
                    .unwrap_or(0),
                self.outbox.keys().next_back().copied().unwrap_or(0),
                self.attempts.keys().next_back().copied().unwrap_or(0),
            ),
        }
    }

    /// The timeline of an incident, for messages of failed tests.
    pub(super) fn story(&self, id: &str) -> String {
        let lines = self.entries.iter().filter(|((of, _), _)| of == id);
        let lines =
            lines.map(|(_, entry)| format!("  {} {:?} {}", entry.at, entry.kind, entry.text));
        lines.collect::<Vec<_>>().join("\n")
    }
}
