//! A node among others: taking over, standing back, and what becomes of things that arrive at a node
//! that does not lead.

use std::sync::Arc;
use std::time::Duration;

use rand::RngCore;
use state::{State, StateError};
use tokio::sync::OwnedSemaphorePermit;

use super::{Acted, Actor, Command, Role};
use crate::engine::node::{Cluster, News};
use crate::engine::outside::OutsideCommand;
use crate::engine::{AlertingError, own};
use crate::oncall::Override;
use crate::pipeline::{DutyChange, Event, Memory, Order, Stored};
use crate::tables::inbox::Arrived;
use crate::{events, tables};

/// How long somebody waits for the leader to do what was written down for it.
const DONE_WITHIN: Duration = Duration::from_secs(8);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// What is remembered of the inbox, so that what is read twice is done once.
const TAKEN_MAX: usize = 10_000;

impl Actor {
    /// Takes in what others did.
    pub(super) async fn hear(&mut self, news: News) {
        match news {
            News::Lead { epoch, stored } => {
                self.end_writing().await;
                let interrupted = self.rebuild(*stored);
                self.lead(Role::Leading { epoch });
                events::leads(epoch);
                self.storage_failed_since = own::storage_failed_since(&self.memory);
                self.go_on(interrupted);
            }
            News::Follow(stored) => {
                self.end_writing().await;
                if self.role != Role::Following {
                    self.stand_back();
                }
                self.rebuild(*stored);
            }
            News::Arrived(arrived) => self.take(arrived).await,
        }
    }

    /// The memory as the database has it; what the last leader left unfinished comes back.
    fn rebuild(&mut self, stored: Stored) -> Vec<Event> {
        let now = self.now();
        let links = self.memory.links().clone();
        let mode = *self.mode.borrow();
        let policy = Arc::clone(&self.policy);
        let (memory, interrupted) = Memory::rebuild(stored, policy, mode, links, now);
        self.memory = memory;
        self.memories += 1;
        self.forget();
        interrupted
    }

    /// Leads no more: what was decided and is not stored counts for nothing, and whoever leads now
    /// decides it anew.
    pub(super) fn stand_back(&mut self) {
        if let Role::Leading { epoch } = self.role {
            events::lost_the_lead(epoch, self.unsaved.len());
        }
        self.lead(Role::Following);
        self.forget();
    }

    fn lead(&mut self, role: Role) {
        self.role = role;
        if let Some(cluster) = &self.cluster {
            cluster.works_in(match role {
                Role::Leading { epoch } => epoch,
                Role::Alone | Role::Following => 0,
            });
        }
    }

    fn forget(&mut self) {
        self.unsaved.clear();
        let forgotten = std::mem::take(&mut self.decided);
        self.refuse(forgotten.replies);
        self.taken.clear();
        self.away_since = None;
        self.disk_is_behind = false;
    }

    /// Works on what waits in the inbox; it goes from there with what follows from it.
    async fn take(&mut self, arrived: Vec<Arrived>) {
        if self.role == Role::Following {
            return;
        }
        for Arrived { id, order } in arrived {
            if self.taken.contains(&id) {
                continue;
            }
            if let Some(Order::Act { incident, .. }) = &order
                && self.memory.incident(incident).is_none()
            {
                self.write_out().await;
                if self.role == Role::Following || self.is_unwritten(incident) {
                    // It stays in the inbox until the disk has the incident as it is.
                    continue;
                }
                if let Ok(Some(stored)) = tables::find_incident(&self.state, incident).await {
                    self.memory.adopt(stored);
                }
            }
            self.taken.insert(id);
            self.decided.done.push(id);
            // What cannot be read was told when it was read.
            if let Some(order) = order {
                let now = self.now();
                self.step(order.into(), now);
            }
        }
        events::orders_taken(self.decided.done.len());
        while self.taken.len() > TAKEN_MAX {
            self.taken.pop_first();
        }
    }

    /// Writes down for the leader what changes something; gives back what this node answers itself.
    pub(super) fn pass_on(&mut self, command: Command) -> Option<Command> {
        let cluster = Arc::clone(self.cluster.as_ref()?);
        let Ok(permit) = Arc::clone(&self.asking).try_acquire_owned() else {
            // Dropping the command's answer tells whoever asked that there is none.
            return Some(command).filter(|command| !changes(command));
        };
        let passing = Passing {
            state: self.state.clone(),
            cluster,
            _permit: permit,
        };
        match command {
            Command::Receive { alerts, reply } => {
                let order = Order::Alerts(alerts);
                tokio::spawn(
                    async move { reply.send(passing.write(order).await.map(|_| ())).ok() },
                );
            }
            Command::Act {
                incident,
                action,
                by,
                how,
                stored,
                reply,
            } => {
                if stored.is_none() && self.memory.incident(&incident).is_none() {
                    reply.send(Ok(Acted::Absent)).ok();
                    return None;
                }
                let order = Order::Act {
                    incident: incident.clone(),
                    action,
                    by,
                    how,
                };
                tokio::spawn(async move { reply.send(passing.act(order, &incident).await).ok() });
            }
            Command::Duty { change, reply } => {
                tokio::spawn(async move { reply.send(passing.change_duty(change).await).ok() });
            }
            Command::Receipt {
                provider_id,
                receipt,
            } => {
                let order = Order::Receipt {
                    provider_id,
                    receipt,
                };
                tokio::spawn(async move { passing.write(order).await.map(|_| ()) });
            }
            Command::Outcome { .. } => {
                // Whoever leads now takes the outcome for unknown.
                self.in_flight = self.in_flight.saturating_sub(1);
            }
            Command::Outside(outside) => {
                return self.pass_outside_on(passing, outside).map(Command::Outside);
            }
            other => return Some(other),
        }
        None
    }

    fn pass_outside_on(
        &mut self,
        passing: Passing,
        command: OutsideCommand,
    ) -> Option<OutsideCommand> {
        let now = self.now();
        match command {
            OutsideCommand::Post { alerts, reply } => {
                let order = Order::Posted(alerts);
                tokio::spawn(
                    async move { reply.send(passing.write(order).await.map(|_| ())).ok() },
                );
            }
            OutsideCommand::SetSilence {
                draft,
                new_id,
                reply,
            } => match self.memory.set_silence(*draft, new_id, now) {
                Err(refusal) => drop(reply.send(Err(refusal.into()))),
                Ok(changed) => {
                    let id = changed.last().map(|silence| silence.id.clone());
                    let order = Order::Silences(changed);
                    tokio::spawn(async move {
                        let done = passing.until_done(order).await;
                        reply.send(done.map(|()| id.unwrap_or_default())).ok()
                    });
                }
            },
            OutsideCommand::ExpireSilence { id, reply } => {
                match self.memory.expire_silence(&id, now) {
                    Err(refusal) => drop(reply.send(Err(refusal.into()))),
                    Ok(silence) => {
                        let order = Order::Silences(vec![silence]);
                        tokio::spawn(
                            async move { reply.send(passing.until_done(order).await).ok() },
                        );
                    }
                }
            }
            other => return Some(other),
        }
        None
    }
}

/// Whether a command is more than a question.
fn changes(command: &Command) -> bool {
    matches!(
        command,
        Command::Receive { .. }
            | Command::Act { .. }
            | Command::Duty { .. }
            | Command::Receipt { .. }
            | Command::Outside(
                OutsideCommand::Post { .. }
                    | OutsideCommand::SetSilence { .. }
                    | OutsideCommand::ExpireSilence { .. }
            )
    )
}

/// Something on its way to the leader.
struct Passing {
    state: State,
    cluster: Arc<Cluster>,
    _permit: OwnedSemaphorePermit,
}

impl Passing {
    /// Durable when it returns; the key it is found by.
    async fn write(&self, order: Order) -> Result<String, AlertingError> {
        let not_durable = |cause: String| AlertingError::NotDurable(cause);
        let key = format!(
            "{:016x}{:016x}",
            rand::rng().next_u64(),
            rand::rng().next_u64()
        );
        let statement = tables::inbox::put(&key, &self.cluster.me.name, &order)
            .map_err(|cause| not_durable(cause.to_string()))?;
        match self.state.write(vec![statement]).await {
            Ok(_) => Ok(key),
            Err(StateError::Unmet { .. }) => Err(AlertingError::TooManyWaiting),
            Err(cause) => Err(not_durable(cause.to_string())),
        }
    }

    /// Done by the leader when it returns.
    async fn until_done(&self, order: Order) -> Result<(), AlertingError> {
        let key = self.write(order).await?;
        let done = async {
            while tables::inbox::is_waiting(&self.state, &key).await? {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Ok(())
        };
        let leader = self.cluster.leader();
        tokio::time::timeout(DONE_WITHIN, done)
            .await
            .unwrap_or(Err(AlertingError::Waiting { leader }))
    }

    async fn act(&self, order: Order, incident: &str) -> Result<Acted, AlertingError> {
        self.until_done(order).await?;
        let found = tables::find_incident(&self.state, incident).await?;
        Ok(Acted::Done(found.map(Box::new)))
    }

    async fn change_duty(&self, change: DutyChange) -> Result<Option<Override>, AlertingError> {
        self.until_done(Order::Duty(change.clone())).await?;
        let overrides = tables::load_overrides(&self.state).await?;
        Ok(match &change {
            DutyChange::End(id) => overrides.find(*id).cloned(),
            DutyChange::Take(asked) => overrides.latest_like(asked).cloned(),
        })
    }
}
