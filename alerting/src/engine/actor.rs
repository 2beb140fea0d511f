//! The one task that owns the pipeline's memory.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use model::{Alert, Mode, SharedClock, Timestamp};
use outbound::Outbound;
use state::{State, Statement};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::AlertingError;
use super::outside::OutsideCommand;
use super::own;
use super::sending::{RECEIPTS_ASKED_MAX, Sending};
use super::steady::Steady;
use crate::chart::Painter;
use crate::delivery::{Attempt, IncidentStatus, Receipt};
use crate::oncall::Override;
use crate::pipeline::{
    Action, Code, Dispatch, DutyChange, Effect, Event, How, Incident, Memory, Policy, Write, step,
};
use crate::{events, tables};

/// What the task is asked.
#[derive(Debug)]
pub(super) enum Command {
    Receive {
        alerts: Vec<Alert>,
        reply: oneshot::Sender<Result<(), AlertingError>>,
    },
    Act {
        incident: String,
        action: Action,
        by: String,
        how: How,
        /// The incident as it is stored when it has left memory, for a late remark.
        stored: Option<Box<Incident>>,
        reply: oneshot::Sender<Result<Acted, AlertingError>>,
    },
    Show {
        id: String,
        reply: oneshot::Sender<Option<Incident>>,
    },
    /// Every incident in memory, without contents, or the firing alerts of those that are open.
    List(oneshot::Sender<Vec<Incident>>),
    Firing(oneshot::Sender<Vec<(String, Alert)>>),
    Policy(oneshot::Sender<Arc<Policy>>),
    Outside(OutsideCommand),
    /// What a code opens.
    Code {
        code: String,
        reply: oneshot::Sender<Option<Code>>,
    },
    Receipt {
        provider_id: String,
        receipt: Receipt,
    },
    Duty {
        change: DutyChange,
        reply: oneshot::Sender<Result<Option<Override>, AlertingError>>,
    },
    Outcome {
        attempt: u64,
        outcome: Attempt,
    },
    Reload {
        policy: Arc<Policy>,
        reply: oneshot::Sender<()>,
    },
    Stop,
}

/// How an action ended.
#[derive(Debug)]
pub(super) enum Acted {
    /// Done; the incident as it now stands, unless it left memory with it.
    Done(Option<Box<Incident>>),
    /// Not in memory.
    Absent,
}

/// Commands that share one write to disk.
const COMMANDS_PER_WRITE_MAX: usize = 256;
/// The longest wait for the disk before messages leave without it.
const STORE_DEADLINE: Duration = Duration::from_secs(5);
/// Writes kept for another try while the disk fails.
const UNSAVED_WRITES_MAX: usize = if cfg!(test) { 200 } else { 200_000 };
/// The task looks at its timers at least this often.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// How long resolved incidents are kept.
const INCIDENTS_KEPT_FOR: Duration = Duration::from_hours(90 * 24);
const EXPIRE_EVERY: Duration = Duration::from_hours(1);

/// Answers that wait until the disk has what they promise.
pub(super) type Reply = Box<dyn FnOnce(&Memory, Result<(), String>) + Send>;

pub(super) struct Actor {
    memory: Memory,
    state: State,
    outbound: Outbound,
    steady: Steady,
    commands: mpsc::Receiver<Command>,
    /// For outcomes; it also keeps the queue open until `Stop`.
    outcomes: mpsc::Sender<Command>,
    mode: watch::Receiver<Mode>,
    unsaved: VecDeque<Write>,
    /// Writes were forgotten: what is on disk is true again only once the whole memory is written.
    disk_is_behind: bool,
    writes: Vec<Write>,
    sends: Vec<Dispatch>,
    /// Bounds the tasks that ask for receipts.
    asking: Arc<Semaphore>,
    painter: Painter,
    in_flight: usize,
    stopping: bool,
    expired_at: Option<Timestamp>,
    /// Since when the database takes nothing, if that was told.
    storage_failed_since: Option<Timestamp>,
}

impl Actor {
    #[expect(
        clippy::too_many_arguments,
        reason = "each is another thing of the outside"
    )]
    pub(super) fn new(
        memory: Memory,
        state: State,
        outbound: Outbound,
        clock: SharedClock,
        outcomes: mpsc::Sender<Command>,
        commands: mpsc::Receiver<Command>,
        mode: watch::Receiver<Mode>,
        painter: Painter,
    ) -> Self {
        Actor {
            storage_failed_since: own::storage_failed_since(&memory),
            memory,
            state,
            outbound,
            steady: Steady::new(clock),
            commands,
            outcomes,
            mode,
            unsaved: VecDeque::new(),
            disk_is_behind: false,
            writes: Vec::new(),
            sends: Vec::new(),
            asking: Arc::new(Semaphore::new(RECEIPTS_ASKED_MAX)),
            painter,
            in_flight: 0,
            stopping: false,
            expired_at: None,
        }
    }

    /// Works until it is told to stop and what is on its way has come back.
    pub(super) async fn run(mut self, interrupted: Vec<Event>) {
        let now = self.now();
        for event in interrupted {
            self.step(event, now);
        }
        self.step(Event::Tick, now);
        self.flush(Vec::new()).await;
        let mut mode_is_watched = true;
        while !(self.stopping && self.in_flight == 0) {
            let now = self.now();
            let idle = self
                .memory
                .next_due(now)
                .map_or(IDLE_MAX, |due| due.since(now).min(IDLE_MAX));
            let mut batch = Vec::new();
            let mut replies: Vec<Reply> = Vec::new();
            tokio::select! {
                _ = self.commands.recv_many(&mut batch, COMMANDS_PER_WRITE_MAX) => {
                    let now = self.now();
                    for command in batch {
                        replies.extend(self.obey(command, now));
                    }
                }
                changed = self.mode.changed(), if mode_is_watched => {
                    mode_is_watched = changed.is_ok();
                    let mode = *self.mode.borrow_and_update();
                    let now = self.now();
                    self.step(Event::Mode(mode), now);
                }
                () = tokio::time::sleep(idle) => {
                    let now = self.now();
                    self.step(Event::Tick, now);
                }
            }
            let now = self.now();
            self.expire(now);
            self.flush(replies).await;
        }
    }

    fn now(&mut self) -> Timestamp {
        let (now, jumped) = self.steady.now();
        if let Some(by_micros) = jumped {
            events::clock_set(by_micros / 1_000_000);
            self.step(Event::ClockSet { by_micros }, now);
        }
        now
    }

    fn obey(&mut self, command: Command, now: Timestamp) -> Option<Reply> {
        match command {
            Command::Receive { alerts, reply } => {
                if self.stopping {
                    reply.send(Err(AlertingError::Stopping)).ok();
                    return None;
                }
                self.step(Event::Alerts(alerts), now);
                return Some(Box::new(move |_, stored| {
                    reply.send(stored.map_err(AlertingError::NotDurable)).ok();
                }));
            }
            Command::Act {
                incident,
                action,
                by,
                how,
                stored,
                reply,
            } => {
                if let Some(incident) = stored {
                    self.memory.adopt(*incident);
                }
                if self.memory.incident(&incident).is_none() {
                    reply.send(Ok(Acted::Absent)).ok();
                    return None;
                }
                let event = Event::Act {
                    incident: incident.clone(),
                    action,
                    by,
                    how,
                };
                self.step(event, now);
                return Some(Box::new(move |memory, stored| {
                    let found = memory.incident(&incident).cloned().map(Box::new);
                    let done = stored.map(|()| Acted::Done(found));
                    reply.send(done.map_err(AlertingError::NotDurable)).ok();
                }));
            }
            Command::Outcome { attempt, outcome } => {
                self.in_flight = self.in_flight.saturating_sub(1);
                self.step(Event::Outcome { attempt, outcome }, now);
            }
            Command::Receipt {
                provider_id,
                receipt,
            } => {
                let event = Event::Receipt {
                    provider_id,
                    receipt,
                };
                self.step(event, now);
            }
            Command::Duty { change, reply } => {
                return Some(self.change_duty(change, reply, now));
            }
            Command::Reload { policy, reply } => {
                self.step(Event::Reload(policy), now);
                return Some(Box::new(move |_, _| {
                    reply.send(()).ok();
                }));
            }
            Command::Outside(command) => return self.obey_outside(command, now),
            Command::Stop => self.stopping = true,
            other => self.answer(other),
        }
        None
    }

    fn change_duty(
        &mut self,
        change: DutyChange,
        reply: oneshot::Sender<Result<Option<Override>, AlertingError>>,
        now: Timestamp,
    ) -> Reply {
        let ended = match &change {
            DutyChange::End(id) => Some(*id),
            DutyChange::Take(_) => None,
        };
        self.step(Event::Duty(change), now);
        let id = ended.unwrap_or_else(|| self.memory.policy().overrides.last_id());
        Box::new(move |memory, stored| {
            let changed = memory.policy().overrides.find(id);
            let changed = stored.map(|()| changed.cloned());
            reply.send(changed.map_err(AlertingError::NotDurable)).ok();
        })
    }

    /// Questions that change nothing.
    fn answer(&mut self, command: Command) {
        match command {
            Command::Show { id, reply } => {
                reply.send(self.memory.incident(&id).cloned()).ok();
            }
            Command::List(reply) => {
                let all = self.memory.incidents();
                reply
                    .send(all.map(Incident::without_contents).collect())
                    .ok();
            }
            Command::Firing(reply) => {
                let open = self
                    .memory
                    .incidents()
                    .filter(|incident| incident.status != IncidentStatus::Resolved);
                let firing = open.flat_map(|incident| {
                    let held = incident.alerts.values().filter(|held| held.is_firing());
                    held.map(|held| (incident.id.clone(), held.alert.clone()))
                });
                reply.send(firing.collect()).ok();
            }
            Command::Code { code, reply } => {
                let now = self.steady.last();
                reply.send(self.memory.code(&code, now).cloned()).ok();
            }
            Command::Policy(reply) => {
                reply.send(Arc::clone(self.memory.policy())).ok();
            }
            Command::Receive { .. }
            | Command::Act { .. }
            | Command::Duty { .. }
            | Command::Receipt { .. }
            | Command::Outcome { .. }
            | Command::Reload { .. }
            | Command::Outside(_)
            | Command::Stop => {}
        }
    }

    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping
    }

    pub(super) fn step(&mut self, event: Event, now: Timestamp) {
        for effect in step(&mut self.memory, event, now) {
            match effect {
                Effect::Store(writes) => self.writes.extend(writes),
                Effect::Send(dispatch) => self.sends.push(*dispatch),
                Effect::Count(count) => events::counted(count),
            }
        }
    }

    /// Makes everything durable, then lets messages leave and answers. A disk that fails does not
    /// keep messages back: waking a person twice is better than not at all.
    async fn flush(&mut self, replies: Vec<Reply>) {
        let stored = self.store().await;
        self.tell_of_storage(&stored);
        for reply in replies {
            reply(&self.memory, stored.clone());
        }
        for dispatch in std::mem::take(&mut self.sends) {
            self.send(dispatch);
        }
        events::incidents_open(self.memory.open_incidents());
    }

    async fn store(&mut self) -> Result<(), String> {
        let failed_before = !self.unsaved.is_empty();
        self.unsaved.extend(std::mem::take(&mut self.writes));
        if self.unsaved.is_empty() {
            return Ok(());
        }
        let stored = match self.statements() {
            Ok(statements) => {
                match tokio::time::timeout(STORE_DEADLINE, self.state.write(statements)).await {
                    Ok(written) => written.map(|_| ()).map_err(|cause| cause.to_string()),
                    Err(_) => Err("the disk takes too long".to_owned()),
                }
            }
            Err(cause) => Err(cause.to_string()),
        };
        match &stored {
            Ok(()) => {
                self.unsaved.clear();
                self.disk_is_behind = false;
                if failed_before {
                    events::storage_recovered();
                }
            }
            Err(cause) => {
                events::storage_failed(self.unsaved.len(), cause);
                let beyond = self.unsaved.len().saturating_sub(UNSAVED_WRITES_MAX);
                if beyond > 0 {
                    self.unsaved.drain(..beyond);
                    self.disk_is_behind = true;
                    events::unsaved_dropped(beyond);
                }
            }
        }
        stored
    }

    /// A database that fails is an incident that needs none: memory knows whom to call.
    fn tell_of_storage(&mut self, stored: &Result<(), String>) {
        let since = match (stored, self.storage_failed_since) {
            (Err(_), None) => self.steady.last(),
            (Ok(()), Some(since)) => since,
            _ => return,
        };
        self.storage_failed_since = stored.is_err().then_some(since);
        let now = self.steady.last();
        let alert = own::storage_alert(since, now, stored.as_ref().err());
        self.step(Event::Alerts(vec![alert]), now);
    }

    /// What makes the disk agree with memory.
    fn statements(&self) -> Result<Vec<Statement>, serde_json::Error> {
        if !self.disk_is_behind {
            return tables::statements(&self.unsaved);
        }
        let all = self.memory.everything();
        let mut statements = tables::statements(self.unsaved.iter().chain(&all))?;
        statements.extend(tables::settle_forgotten(&all, self.steady.last())?);
        Ok(statements)
    }

    /// A task an attempt; the pipeline bounds how many are under way for each channel.
    fn send(&mut self, dispatch: Dispatch) {
        let sending = Sending {
            outbound: self.outbound.clone(),
            answers: self.outcomes.clone(),
            asking: Arc::clone(&self.asking),
            painter: self.painter.clone(),
        };
        self.in_flight += 1;
        tokio::spawn(sending.run(dispatch));
    }

    /// Deletes old incidents now and then, beside the work.
    fn expire(&mut self, now: Timestamp) {
        let recently = self.expired_at.is_some_and(|at| now < at + EXPIRE_EVERY);
        if recently {
            return;
        }
        self.expired_at = Some(now);
        let state = self.state.clone();
        tokio::spawn(async move {
            let old = tables::expire(now - INCIDENTS_KEPT_FOR);
            if let Err(cause) = state.write(old).await {
                events::expire_failed(&cause);
            }
        });
    }
}
