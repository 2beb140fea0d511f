//! The runtime around the pipeline: one task owns its memory, stores what it says and hands
//! messages to their channels.

mod actor;
mod attempts;
mod duty;
mod handle;
mod heartbeat;
mod node;
mod outside;
mod own;
mod presses;
mod sending;
mod steady;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use model::{Mode, SharedClock};
use outbound::Outbound;
use state::State;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::config::{Config, Teams};
use crate::pipeline::{Links, Memory, Policy};
use crate::{events, tables};
use actor::{Actor, Command};
use node::{Cluster, Membership};

pub(crate) use attempts::CodeRefusal;
pub(crate) use duty::Duty;
pub use handle::{Handle, TestResult};
pub use node::{Node, NodeStatus};

/// Why alerting cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum AlertingError {
    /// The database failed.
    #[error("alerting state cannot be used: {0}")]
    State(#[from] state::StateError),
    /// What is stored cannot be read.
    #[error("stored alerting state cannot be read: {0}")]
    Load(#[from] tables::LoadError),
    /// What was handed over is not on disk; it must be handed over again.
    #[error("not written to disk: {0}; hand it over again")]
    NotDurable(String),
    /// It is written down where the node that leads finds it, and that one has not done it yet.
    #[error("written down for {leader}, which leads and has not done it yet")]
    Waiting {
        /// The leader's name.
        leader: String,
    },
    /// More is written down for the leader than it takes.
    #[error("too much waits for the node that leads; send it again later")]
    TooManyWaiting,
    /// More alerts from outside fire than are kept.
    #[error("more than {max} alerts from outside fire", max = outside::POSTED_ALERTS_MAX)]
    TooManyAlerts,
    /// A silence cannot be made or changed so.
    #[error(transparent)]
    Silence(#[from] crate::pipeline::SilenceError),
    /// Alerting is stopping.
    #[error("alerting is stopping")]
    Stopping,
    /// There is no such incident.
    #[error("no incident {0}")]
    UnknownIncident(String),
    /// There is no such schedule.
    #[error("no schedule {name}; configured: {known}")]
    UnknownSchedule {
        /// The name asked for.
        name: String,
        /// Those there are.
        known: String,
    },
    /// There is no such person.
    #[error("no person {name}; configured: {known}")]
    UnknownPerson {
        /// The key asked for.
        name: String,
        /// Those there are.
        known: String,
    },
    /// Nothing of this number is in force.
    #[error("no override {0} that is not over")]
    UnknownOverride(u64),
    /// What was asked for makes no sense.
    #[error("{message}")]
    Senseless {
        /// The field that is wrong.
        field: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// There is no such receiver, nor a person of this key.
    #[error("no receiver or person {name}; configured: {known}")]
    UnknownReceiver {
        /// The name asked for.
        name: String,
        /// Those there are.
        known: String,
    },
}

/// Commands that may wait for the one task; senders beyond wait for room.
const COMMANDS_WAITING_MAX: usize = 1_024;

/// Alerting at work.
#[derive(Debug)]
pub struct Alerting {
    handle: Handle,
    task: JoinHandle<()>,
    membership: Option<Membership>,
}

impl Alerting {
    /// Takes up work where the database says it was left. Messages that were on their way when the
    /// last process ended have an unknown outcome and are treated so. As one node of several, when the state is
    /// shared, it only shows what is stored until it leads.
    #[expect(clippy::too_many_arguments, reason = "each is another neighbour")]
    pub async fn start(
        node: Node,
        config: Config,
        teams: Teams,
        state: State,
        outbound: Outbound,
        mode: watch::Receiver<Mode>,
        clock: SharedClock,
        external_url: Option<String>,
    ) -> Result<Alerting, AlertingError> {
        let cluster = state.is_shared().then(|| Cluster::new(node, &clock));
        let links = Links {
            external_url: external_url.map(|url| url.trim_end_matches('/').to_owned()),
            key: tables::signing_key(&state).await?.into(),
        };
        let stored = tables::load(&state).await?;
        let policy = Arc::new(Policy::new(config, teams));
        let now = clock.now();
        let current = *mode.borrow();
        let (memory, interrupted) = Memory::rebuild(stored, policy, current, links.clone(), now);
        events::started(memory.incidents().count(), interrupted.len());
        let (sender, receiver) = mpsc::channel(COMMANDS_WAITING_MAX);
        let handle = Handle::new(
            sender.clone(),
            state.clone(),
            outbound.clone(),
            Arc::clone(&clock),
            links,
            cluster.clone(),
        );
        let painter = handle.painter();
        tokio::spawn(heartbeat::beat(handle.clone(), outbound.clone()));
        let membership = cluster
            .clone()
            .map(|cluster| Membership::begin(cluster, state.clone(), sender.clone()));
        let actor = Actor::new(
            memory, state, outbound, clock, sender, receiver, mode, painter, cluster,
        );
        let task = tokio::spawn(actor.run(interrupted));
        Ok(Alerting {
            handle,
            task,
            membership,
        })
    }

    /// What others speak to.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Follows another configuration from now on. Incidents keep their place; where their escalation
    /// is gone they go on with their route's receiver.
    pub async fn reload(&self, config: Config, teams: Teams) -> Result<(), AlertingError> {
        let policy = Arc::new(Policy::new(config, teams));
        self.handle.reload(policy).await
    }

    /// Takes nothing new, waits for messages that are on their way, at most until `deadline` has
    /// passed, and ends.
    pub async fn stop(self, deadline: Duration) {
        let ended = async {
            self.handle.command(Command::Stop).await.ok();
            self.task.await.ok();
            if let Some(membership) = self.membership {
                membership.end().await;
            }
        };
        tokio::time::timeout(deadline, ended).await.ok();
    }
}
