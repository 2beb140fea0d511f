//! What the pipeline remembers, and the journal of what of it must be stored.

mod let_go;
mod restore;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use model::{Mode, Timestamp};

use super::codes::{Code, Codes};
use super::deliver::Gate;
use super::duty::Duty;
use super::escalate::PassedOver;
use super::event::{Count, Dispatch, Effect, Event, Policy, Write};
use super::incident::{Entry, HeldAlert, Incident};
use super::mute::{Mutes, Silence};
use super::outbox::{Address, OutboxRow};
use super::outside::Outside;
use super::quota::Used;
use super::receipts::Receipts;
use super::receive::Seen;
use super::record::AttemptRow;
use super::view::Links;
use super::watch::Health;
use crate::delivery::{Attempt, IncidentStatus, Quota};
use crate::oncall::Overrides;
use let_go::LetGo;

/// An arrival: fingerprint, episode, whether it fires, when it came.
pub type Arrival = (u64, Timestamp, bool, Timestamp);

/// What a database gave back at start.
#[derive(Debug, Default)]
pub struct Stored {
    /// Incidents that are not closed.
    pub incidents: Vec<Incident>,
    /// Their alerts.
    pub alerts: Vec<(String, HeldAlert)>,
    /// Their timelines, in order.
    pub entries: Vec<(String, Entry)>,
    /// Messages that are not finished.
    pub outbox: Vec<OutboxRow>,
    /// Attempts whose outcome was never recorded.
    pub attempts: Vec<AttemptRow>,
    /// What arrived.
    pub seen: Vec<Arrival>,
    /// Silences, those that are over included.
    pub silences: Vec<Silence>,
    /// Who took over from whom.
    pub overrides: Overrides,
    /// Codes that may still be good.
    pub codes: Vec<Code>,
    /// When addresses were used within the last day, oldest first.
    pub used: Vec<(Address, Timestamp)>,
    /// Who was last seen on call, by schedule.
    pub duty: Vec<(String, Option<String>)>,
    /// The highest number given to an incident, a message and an attempt.
    pub numbers: (u64, u64, u64),
}

/// Everything the pipeline knows. One task owns it.
#[derive(Debug)]
pub struct Memory {
    pub(super) policy: Arc<Policy>,
    pub(super) mode: Mode,
    pub(super) links: Links,
    pub(super) incidents: BTreeMap<String, Incident>,
    /// Those of them that are not over, kept with each change: counting them takes long in a storm.
    open: HashSet<String>,
    /// Which incident a group has now.
    pub(super) groups: HashMap<String, String>,
    /// Which incidents hold a firing alert.
    pub(super) firing: HashMap<u64, BTreeSet<String>>,
    /// Alerts that fire on after a person resolved their incident, until they recover.
    pub(super) quiet: HashMap<u64, String>,
    pub(super) seen: Seen,
    pub(super) outside: Outside,
    pub(super) mutes: Mutes,
    /// The minute at which the times of routes were last looked at.
    pub(super) looked_at_intervals: Option<Timestamp>,
    pub(super) outbox: BTreeMap<u64, OutboxRow>,
    pub(super) gates: BTreeMap<String, Gate>,
    /// First messages that are still on their way, by when patience with them ends.
    pub(super) patience: BTreeSet<(Timestamp, u64)>,
    pub(super) attempts: BTreeMap<u64, AttemptRow>,
    /// Messages queued since messages last left.
    pub(super) fresh: Vec<u64>,
    /// First messages found not to get through since then.
    pub(super) passed_over: Vec<PassedOver>,
    pub(super) journal: Journal,
    pub(super) numbers: Numbers,
    pub(super) duty: Duty,
    pub(super) receipts: Receipts,
    pub(super) codes: Codes,
    pub(super) health: Health,
    pub(super) used: Used,
    timers: BTreeSet<(Timestamp, String)>,
    let_go: LetGo,
}

/// The last number given to each kind of thing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Numbers {
    pub(super) incident: u64,
    pub(super) row: u64,
    pub(super) attempt: u64,
}

/// What a step changed.
#[derive(Debug, Default)]
pub(super) struct Journal {
    pub(super) writes: Vec<Write>,
    pub(super) sends: Vec<Dispatch>,
    pub(super) counts: Vec<Count>,
    /// Incidents to be stored.
    pub(super) dirty: BTreeSet<String>,
    /// Incidents whose timer may have changed.
    touched: BTreeSet<String>,
}

impl Journal {
    /// Of a message's rows, the latest: a first message is queued and handed over in one step.
    fn keep_latest_rows(&mut self) {
        let mut later = HashSet::new();
        let mut at = self.writes.len();
        let mut superseded = HashSet::new();
        for write in self.writes.iter().rev() {
            at -= 1;
            if let Write::Outbox(row) = write
                && !later.insert(row.id)
            {
                superseded.insert(at);
            }
        }
        if superseded.is_empty() {
            return;
        }
        let mut at = 0;
        self.writes.retain(|_| {
            at += 1;
            !superseded.contains(&(at - 1))
        });
    }

    /// Marks an incident as changed.
    pub(super) fn touch(&mut self, incident: &str) {
        if !self.dirty.contains(incident) {
            self.dirty.insert(incident.to_owned());
        }
        if !self.touched.contains(incident) {
            self.touched.insert(incident.to_owned());
        }
    }
}

impl Memory {
    /// The most incidents that are open at once; alerts beyond them join one incident together.
    pub const OPEN_INCIDENTS_MAX: usize = 20_000;

    /// An empty memory.
    pub fn new(policy: Arc<Policy>, mode: Mode, links: Links) -> Self {
        Memory {
            mutes: Mutes::new(&policy.config.inhibit_rules, [], Timestamp::EPOCH),
            policy,
            mode,
            links,
            incidents: BTreeMap::new(),
            open: HashSet::new(),
            groups: HashMap::new(),
            firing: HashMap::new(),
            quiet: HashMap::new(),
            seen: Seen::default(),
            outside: Outside::default(),
            looked_at_intervals: None,
            outbox: BTreeMap::new(),
            gates: BTreeMap::new(),
            patience: BTreeSet::new(),
            attempts: BTreeMap::new(),
            fresh: Vec::new(),
            passed_over: Vec::new(),
            journal: Journal::default(),
            numbers: Numbers::default(),
            duty: Duty::default(),
            receipts: Receipts::default(),
            codes: Codes::default(),
            health: Health::default(),
            used: Used::default(),
            timers: BTreeSet::new(),
            let_go: LetGo::default(),
        }
    }

    /// A memory from what was stored, and the events that settle what the last stop interrupted:
    /// nobody knows what became of an attempt that was on its way. Alerts that fire and whose
    /// incident cannot be read come in anew.
    pub fn rebuild(
        stored: Stored,
        policy: Arc<Policy>,
        mode: Mode,
        links: Links,
        now: Timestamp,
    ) -> (Self, Vec<Event>) {
        let policy = Arc::new(Policy {
            overrides: stored.overrides,
            ..Policy::clone(&policy)
        });
        let mut memory = Memory::new(policy, mode, links);
        memory.restore_lately(stored.duty, stored.codes, stored.used, now);
        let (incident, row, attempt) = stored.numbers;
        memory.numbers = Numbers {
            incident,
            row,
            attempt,
        };
        for incident in stored.incidents {
            memory.incidents.insert(incident.id.clone(), incident);
        }
        let mut homeless = BTreeMap::new();
        for (id, held) in stored.alerts {
            match memory.incidents.get_mut(&id) {
                Some(incident) => {
                    incident.alerts.insert(held.fingerprint, held);
                }
                None if held.is_firing() && !held.quieted => {
                    homeless.insert((held.fingerprint, held.alert.starts_at), held.alert);
                }
                None => {}
            }
        }
        for (id, entry) in stored.entries {
            if let Some(incident) = memory.incidents.get_mut(&id) {
                incident.timeline.push_back(entry);
            }
        }
        for row in stored.outbox {
            memory.restore_row(row);
        }
        let attempts = memory.with_lost_attempts(stored.attempts, now);
        let mut events: Vec<Event> = attempts
            .iter()
            .map(|attempt| Event::Outcome {
                attempt: attempt.id,
                outcome: Attempt::Unknown {
                    reason: "Rampart stopped while it was on its way".to_owned(),
                },
            })
            .collect();
        for attempt in attempts {
            memory.restore_attempt(attempt);
        }
        memory.restore_indexes();
        memory.restore_mutes(stored.silences, now);
        memory.restore_health(now);
        memory.forgive_clock(now);
        memory.restore_seen(stored.seen, &mut homeless);
        if !homeless.is_empty() {
            events.push(Event::Alerts(homeless.into_values().collect()));
        }
        (memory, events)
    }

    /// What links are made of.
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// Brings an incident that was let go back, for a late remark. The next step lets it go again. One that was
    /// read before the newest of its lines were stored is left out.
    pub fn adopt(&mut self, incident: Incident) {
        let is_stale = self.let_go.is_newer(&incident);
        if !is_stale && !self.incidents.contains_key(&incident.id) {
            self.journal.touch(&incident.id);
            self.incidents.insert(incident.id.clone(), incident);
        }
    }

    /// An incident that is still in memory.
    pub fn incident(&self, id: &str) -> Option<&Incident> {
        self.incidents.get(id)
    }

    /// How many incidents are not over, as the last step left them.
    pub fn open_incidents(&self) -> usize {
        self.open.len()
    }

    /// Every incident in memory.
    pub fn incidents(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.values()
    }

    /// The unfinished messages.
    pub fn outbox(&self) -> impl Iterator<Item = &OutboxRow> {
        self.outbox.values()
    }

    /// What a code opens at `now`.
    pub fn code(&self, code: &str, now: Timestamp) -> Option<&Code> {
        self.codes.find(code, now)
    }

    /// The configuration in force.
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// All of it as writes, for a disk that missed some.
    pub fn everything(&self) -> Vec<Write> {
        let mut writes = self.seen.writes();
        let silences = self.mutes.silences().cloned().map(Box::new);
        writes.extend(silences.map(Write::Silence));
        for incident in self.incidents.values() {
            let id = &incident.id;
            writes.push(Write::Incident {
                incident: Box::new(incident.without_contents()),
                active: is_active(incident),
            });
            writes.extend(incident.alerts.values().map(|held| Write::Alert {
                incident: id.clone(),
                held: held.clone(),
            }));
            writes.extend(incident.timeline.iter().map(|entry| Write::Entry {
                incident: id.clone(),
                entry: entry.clone(),
            }));
        }
        let rows = self.outbox.values().cloned().map(Box::new);
        writes.extend(rows.map(Write::Outbox));
        let attempts = self.attempts.values().cloned().map(Box::new);
        writes.extend(attempts.map(Write::Attempt));
        writes.extend(super::duty::everything(self));
        writes.extend(self.codes.all().cloned().map(Write::Code));
        writes
    }

    /// When the next step is due without anything happening.
    pub fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let timer = self.timers.first().map(|(at, _)| *at);
        let patience = self.patience.first().map(|(at, _)| *at);
        let gates = self
            .gates
            .iter()
            .filter_map(|(name, gate)| gate.next_due(self.limits_of(name), now));
        let mutes = self.next_mute_change(now);
        let lapses = self.outside.next_end();
        let duty = self.duty.changes_at();
        let watch = self.health.next_due();
        let others = [timer, patience, mutes, lapses, duty, watch];
        gates.chain(others.into_iter().flatten()).min()
    }

    pub(super) fn limits_of(&self, endpoint: &str) -> Option<crate::delivery::Limits> {
        let endpoint = self.policy.config.endpoint(endpoint)?;
        Some(endpoint.limits)
    }

    /// How often this way may be used for one number.
    pub(super) fn quotas_of(&self, endpoint: &str) -> &'static [Quota] {
        let endpoint = self.policy.config.endpoint(endpoint);
        endpoint.map_or(&[], |endpoint| endpoint.quotas)
    }

    /// Takes in what changes the rules of the game.
    pub(super) fn hear(&mut self, event: &Event, now: Timestamp) {
        match event {
            Event::Mode(mode) => self.mode = *mode,
            Event::Reload(policy) => {
                // The files know nothing of who took over.
                self.policy = Arc::new(Policy {
                    overrides: self.policy.overrides.clone(),
                    ..Policy::clone(policy)
                });
                self.duty.look_again();
                self.mutes.set_rules(&policy.config.inhibit_rules);
                self.looked_at_intervals = None;
                super::outbox::drop_removed_ways(self, now);
            }
            Event::ClockSet { by_micros } => {
                self.shift(*by_micros);
                self.duty.look_again();
            }
            Event::Silences(silences) => self.take_silences(silences, now),
            Event::Duty(change) => super::duty::change(self, change, now),
            Event::Alerts(_)
            | Event::Posted(_)
            | Event::Act { .. }
            | Event::Outcome { .. }
            | Event::Receipt { .. }
            | Event::Tick => {}
        }
    }

    /// The incidents whose time has come, in order of their timers.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Vec<String> {
        self.reindex();
        let mut due = Vec::new();
        while let Some((at, _)) = self.timers.first()
            && *at <= now
            && let Some((_, id)) = self.timers.pop_first()
        {
            if let Some(incident) = self.incidents.get_mut(&id) {
                incident.wake = None;
            }
            due.push(id);
        }
        due
    }

    /// Everything the step changed, as effects. Closed incidents that wait for nothing are let go;
    /// the database keeps them.
    pub(super) fn drain(&mut self) -> Vec<Effect> {
        self.reindex();
        let dirty = std::mem::take(&mut self.journal.dirty);
        for id in dirty {
            let Some(incident) = self.incidents.get(&id) else {
                continue;
            };
            let active = is_active(incident);
            self.journal.writes.push(Write::Incident {
                incident: Box::new(incident.without_contents()),
                active,
            });
            if !active && let Some(incident) = self.incidents.remove(&id) {
                self.let_go.remember(incident);
            }
        }
        let mut journal = std::mem::take(&mut self.journal);
        journal.keep_latest_rows();
        let mut effects = Vec::with_capacity(1 + journal.sends.len() + journal.counts.len());
        if !journal.writes.is_empty() {
            effects.push(Effect::Store(journal.writes));
        }
        effects.extend(journal.counts.into_iter().map(Effect::Count));
        effects.extend(
            journal
                .sends
                .into_iter()
                .map(|dispatch| Effect::Send(Box::new(dispatch))),
        );
        effects
    }

    fn reindex(&mut self) {
        for id in std::mem::take(&mut self.journal.touched) {
            let Some(incident) = self.incidents.get_mut(&id) else {
                continue;
            };
            if incident.status == IncidentStatus::Resolved {
                self.open.remove(&id);
            } else if !self.open.contains(&id) {
                self.open.insert(id.clone());
            }
            let wake = incident.next_wake();
            if wake != incident.wake {
                if let Some(old) = incident.wake {
                    self.timers.remove(&(old, id.clone()));
                }
                incident.wake = wake;
                if let Some(new) = wake {
                    self.timers.insert((new, id));
                }
            }
        }
    }
}

/// Whether an incident may still change by itself and so belongs into memory.
fn is_active(incident: &Incident) -> bool {
    !incident.closed || !incident.rows.is_empty() || incident.is_quieting()
}
