//! The one task that owns the pipeline's memory.

mod following;
mod storing;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use model::{Alert, Mode, SharedClock, Timestamp};
use outbound::Outbound;
use state::State;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::AlertingError;
use super::node::{Cluster, News};
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
use storing::{Decided, Storing, stored};

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
        /// Which memory gave the attempt its number.
        memory: u64,
        attempt: u64,
        outcome: Attempt,
    },
    Reload {
        policy: Arc<Policy>,
        reply: oneshot::Sender<()>,
    },
    /// What the database says that others did.
    News(News),
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
/// How soon a shared database that did not answer is asked again.
const RETRY_EVERY: Duration = Duration::from_millis(300);
/// The task looks at its timers at least this often.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// How long resolved incidents are kept.
const INCIDENTS_KEPT_FOR: Duration = Duration::from_hours(90 * 24);
const EXPIRE_EVERY: Duration = Duration::from_hours(1);

/// Answers that wait until the disk has what they promise.
pub(super) type Reply = Box<dyn FnOnce(&Memory, Result<(), String>) + Send>;

pub(super) struct Actor {
    memory: Memory,
    /// How many memories there were before this one: numbers of attempts begin anew with each, as far as the
    /// disk does not know of them.
    memories: u64,
    state: State,
    outbound: Outbound,
    role: Role,
    /// The other nodes, where there may be some.
    cluster: Option<Arc<Cluster>>,
    /// What a memory is made with when the database has another one.
    policy: Arc<Policy>,
    steady: Steady,
    commands: mpsc::Receiver<Command>,
    /// For outcomes; it also keeps the queue open until `Stop`.
    outcomes: mpsc::Sender<Command>,
    mode: watch::Receiver<Mode>,
    /// Writes that the disk did not take.
    unsaved: VecDeque<Write>,
    /// Writes were forgotten: what is on disk is true again only once the whole memory is written.
    disk_is_behind: bool,
    /// What the steps decided since the last write to disk began.
    decided: Decided,
    /// What is being written now. The steps go on meanwhile, and what they decide is written next.
    storing: Option<Storing>,
    /// What was taken from the inbox.
    taken: BTreeSet<i64>,
    /// Since when a shared database does not answer, by the clock that never jumps.
    away_since: Option<Duration>,
    /// Bounds the tasks that ask for receipts, or write something down for the leader.
    asking: Arc<Semaphore>,
    painter: Painter,
    in_flight: usize,
    stopping: bool,
    expired_at: Option<Timestamp>,
    /// Since when the database takes nothing, if that was told.
    storage_failed_since: Option<Timestamp>,
}

/// What a node does with what it hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// It does everything; there are no other nodes.
    Alone,
    /// It works, as long as no newer epoch exists.
    Leading { epoch: u64 },
    /// It writes down what arrives and shows what the leader has stored.
    Following,
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
        cluster: Option<Arc<Cluster>>,
    ) -> Self {
        Actor {
            role: match cluster {
                Some(_) => Role::Following,
                None => Role::Alone,
            },
            cluster,
            policy: Arc::clone(memory.policy()),
            taken: BTreeSet::new(),
            away_since: None,
            storage_failed_since: own::storage_failed_since(&memory),
            memory,
            memories: 0,
            state,
            outbound,
            steady: Steady::new(clock),
            commands,
            outcomes,
            mode,
            unsaved: VecDeque::new(),
            disk_is_behind: false,
            decided: Decided::default(),
            storing: None,
            asking: Arc::new(Semaphore::new(RECEIPTS_ASKED_MAX)),
            painter,
            in_flight: 0,
            stopping: false,
            expired_at: None,
        }
    }

    /// Works until it is told to stop and what is on its way has come back.
    pub(super) async fn run(mut self, interrupted: Vec<Event>) {
        if self.role == Role::Alone {
            self.go_on(interrupted);
            self.store_next();
        }
        let mut mode_is_watched = true;
        while !(self.stopping && self.in_flight == 0 && self.storing.is_none()) {
            let idle = self.idle();
            let mut batch = Vec::new();
            let room = COMMANDS_PER_WRITE_MAX.saturating_sub(self.decided.replies.len());
            tokio::select! {
                stored = stored(&mut self.storing), if self.storing.is_some() => {
                    if !self.settle(stored) {
                        continue;
                    }
                }
                _ = self.commands.recv_many(&mut batch, room), if room > 0 => {
                    let mut now = self.now();
                    for command in batch {
                        match command {
                            Command::News(news) => {
                                self.hear(news).await;
                                now = self.now();
                            }
                            other => {
                                let reply = self.obey(other, now);
                                self.decided.replies.extend(reply);
                            }
                        }
                    }
                }
                changed = self.mode.changed(), if mode_is_watched => {
                    mode_is_watched = changed.is_ok();
                    let mode = *self.mode.borrow_and_update();
                    let now = self.now();
                    self.step(Event::Mode(mode), now);
                }
                () = tokio::time::sleep(idle), if self.role != Role::Following => {
                    let now = self.now();
                    self.step(Event::Tick, now);
                }
            }
            self.store_next();
        }
    }

    /// Takes up what the last one left.
    fn go_on(&mut self, interrupted: Vec<Event>) {
        let now = self.now();
        for event in interrupted {
            self.step(event, now);
        }
        self.step(Event::Tick, now);
    }

    /// How long nothing is to be done unless something happens.
    fn idle(&mut self) -> Duration {
        let now = self.now();
        match self.role {
            Role::Following => IDLE_MAX,
            Role::Alone | Role::Leading { .. } => {
                let failed = !self.unsaved.is_empty() && self.storing.is_none();
                let most = match self.role {
                    Role::Leading { .. } if failed => RETRY_EVERY,
                    _ => IDLE_MAX,
                };
                let due = self.memory.next_due(now);
                due.map_or(most, |due| due.since(now).min(most))
            }
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
        let command = match self.role {
            Role::Following => self.pass_on(command)?,
            Role::Alone | Role::Leading { .. } => command,
        };
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
            Command::Act { .. } => return self.act(command, now),
            Command::Outcome {
                memory,
                attempt,
                outcome,
            } => {
                self.in_flight = self.in_flight.saturating_sub(1);
                if memory == self.memories {
                    self.step(Event::Outcome { attempt, outcome }, now);
                }
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
                self.policy = Arc::clone(&policy);
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

    fn act(&mut self, command: Command, now: Timestamp) -> Option<Reply> {
        let Command::Act {
            incident,
            action,
            by,
            how,
            stored,
            reply,
        } = command
        else {
            return None;
        };
        // What was read while something newer is on its way to the disk is not taken up.
        if let Some(stored) = stored
            && !self.is_unwritten(&incident)
        {
            self.memory.adopt(*stored);
        }
        if self.memory.incident(&incident).is_none() {
            // Told once the disk has what was decided, so that what is read from there next is the newest.
            return Some(Box::new(move |_, _| {
                reply.send(Ok(Acted::Absent)).ok();
            }));
        }
        let event = Event::Act {
            incident: incident.clone(),
            action,
            by,
            how,
        };
        self.step(event, now);
        Some(Box::new(move |memory, stored| {
            let found = memory.incident(&incident).cloned().map(Box::new);
            let done = stored.map(|()| Acted::Done(found));
            reply.send(done.map_err(AlertingError::NotDurable)).ok();
        }))
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
            | Command::News(_)
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
        let effects = step(&mut self.memory, event, now);
        if self.role == Role::Following {
            // It only shows; what follows is done where it was decided.
            return;
        }
        for effect in effects {
            match effect {
                Effect::Store(writes) => self.decided.writes.extend(writes),
                Effect::Send(dispatch) => self.decided.sends.push(*dispatch),
                Effect::Count(count) => events::counted(count),
            }
        }
    }

    /// A task an attempt; the pipeline bounds how many are under way for each channel.
    fn send(&mut self, dispatch: Dispatch, without_claim: bool) {
        let permit = match (self.role, &self.cluster) {
            (Role::Leading { epoch }, Some(cluster)) if !without_claim => {
                Some(cluster.permit(epoch))
            }
            _ => None,
        };
        let sending = Sending {
            memory: self.memories,
            permit,
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
        if self.role == Role::Following {
            return;
        }
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
