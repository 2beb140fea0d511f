//! One node of several: who leads, told to everybody in this process; and the two tasks that keep the
//! lease and read what others wrote.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model::SharedClock;
use rand::RngCore;
use serde::Serialize;
use state::State;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::actor::Command;
use crate::lease::{Answer, Effect, Lease, Standing, Timing};
use crate::pipeline::Stored;
use crate::tables::inbox::Arrived;
use crate::tables::lease::Me;
use crate::{events, tables};

/// How a node takes part where several share a database.
#[derive(Clone, Debug)]
pub struct Node {
    /// The name that people know it by.
    pub name: String,
    /// How long it leads without being heard of.
    pub lease: Duration,
}

impl Node {
    /// Long enough for a slow database, short enough for a page.
    pub const LEASE: Duration = Duration::from_secs(10);
}

impl Default for Node {
    fn default() -> Self {
        Node {
            name: "rampart".to_owned(),
            lease: Self::LEASE,
        }
    }
}

/// Where this node stands among those that share its database.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// `leader` or `standby`.
    pub role: &'static str,
    /// How often the lead changed hands so far.
    pub epoch: u64,
    /// The name of the node that leads, as far as this one knows.
    pub leader: Option<String>,
}

/// How often the leader looks into the inbox.
const INBOX_EVERY: Duration = Duration::from_millis(200);
/// How often the others look whether the leader wrote something.
const FOLLOW_EVERY: Duration = Duration::from_millis(500);
/// Reading everything takes at most one part in this many of a standby's time.
const FOLLOW_SHARE: u32 = 10;
/// How long reading is left alone after it failed.
const READ_AGAIN: Duration = Duration::from_millis(500);

/// What the database says that others did.
#[derive(Debug)]
pub(super) enum News {
    /// This node leads; everything as it was stored.
    Lead { epoch: u64, stored: Box<Stored> },
    /// Another one does; everything as it is stored now.
    Follow(Box<Stored>),
    /// What waits in the inbox.
    Arrived(Vec<Arrived>),
}

#[derive(Clone, Debug)]
struct Seen {
    standing: Standing,
    epoch: u64,
    leader: Option<String>,
}

/// What everybody in this process knows of the lease.
pub(super) struct Cluster {
    pub(super) me: Me,
    pub(super) timing: Timing,
    clock: SharedClock,
    seen: watch::Sender<Seen>,
    /// The epoch that the one task works in; 0 while it only follows.
    working: AtomicU64,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Cluster").field(&self.me.name).finish()
    }
}

/// To be asked at the very last moment before a message leaves: whether nobody else can lead yet.
#[derive(Debug)]
pub(super) struct Permit {
    cluster: Arc<Cluster>,
    epoch: u64,
}

impl Permit {
    pub(super) fn holds(&self) -> bool {
        match self.cluster.seen.borrow().standing {
            Standing::Leading { epoch, sure_until } => {
                epoch == self.epoch && self.cluster.clock.elapsed() < sure_until
            }
            Standing::Following => false,
        }
    }
}

impl Cluster {
    pub(super) fn new(node: Node, clock: &SharedClock) -> Arc<Self> {
        let id = format!("{:032x}", random());
        let seen = Seen {
            standing: Standing::Following,
            epoch: 0,
            leader: None,
        };
        Arc::new(Cluster {
            me: Me {
                id,
                name: node.name,
            },
            timing: Timing { lease: node.lease },
            clock: Arc::clone(clock),
            seen: watch::channel(seen).0,
            working: AtomicU64::new(0),
        })
    }

    /// Whether this node holds the lease and works.
    pub(super) fn is_leading(&self) -> bool {
        let standing = self.seen.borrow().standing;
        let working = self.working.load(Ordering::Relaxed);
        matches!(standing, Standing::Leading { epoch, .. } if epoch == working)
    }

    /// The one task works in this epoch from now on; 0 when it only follows.
    pub(super) fn works_in(&self, epoch: u64) {
        self.working.store(epoch, Ordering::Relaxed);
    }

    pub(super) fn leader(&self) -> String {
        let leader = self.seen.borrow().leader.clone();
        leader.unwrap_or_else(|| "no node yet".to_owned())
    }

    pub(super) fn status(&self) -> NodeStatus {
        let seen = self.seen.borrow().clone();
        NodeStatus {
            name: self.me.name.clone(),
            role: if self.is_leading() {
                "leader"
            } else {
                "standby"
            },
            epoch: seen.epoch,
            leader: seen.leader,
        }
    }

    pub(super) fn permit(self: &Arc<Self>, epoch: u64) -> Permit {
        let cluster = Arc::clone(self);
        Permit { cluster, epoch }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    /// Keeps asking for the lease, and for more of it.
    async fn keep(self: Arc<Self>, state: State, mut stop: watch::Receiver<bool>) {
        let mut lease = Lease::new(self.me.id.clone(), self.timing);
        loop {
            let wait = lease.due().saturating_sub(self.clock.elapsed());
            tokio::select! {
                _ = stop.changed() => return,
                () = tokio::time::sleep(wait) => {}
            }
            let (ask, asked_at) = (lease.ask(), self.clock.elapsed());
            let asked = tables::lease::ask(&state, &self.me, self.timing.lease, ask);
            let answer = tokio::time::timeout(self.timing.renew_every(), asked).await;
            let answer = answer.unwrap_or(Answer::Away);
            let held = match &answer {
                Answer::Row(held) => Some((held.epoch, held.name.clone())),
                _ => None,
            };
            let effect = lease.hear(ask, answer, asked_at, self.clock.elapsed());
            self.seen.send_modify(|seen| {
                seen.standing = lease.standing();
                if let Some((epoch, name)) = held {
                    seen.epoch = epoch;
                    seen.leader = Some(name).filter(|name| !name.is_empty());
                }
                if let Standing::Leading { epoch, .. } = lease.standing() {
                    seen.epoch = epoch;
                    seen.leader = Some(self.me.name.clone());
                }
            });
            if effect == Some(Effect::Follow) {
                events::follows(&self.leader());
            }
        }
    }

    /// Brings what is stored to the one task: everything when the lead changed or the leader wrote,
    /// the inbox when it is this node that leads.
    async fn read(
        self: Arc<Self>,
        state: State,
        commands: mpsc::Sender<Command>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut known = Known::default();
        let mut standing = self.seen.subscribe();
        loop {
            let wait = match self.read_once(&state, &commands, &mut known).await {
                Ok(wait) => wait,
                Err(cause) => {
                    events::not_read(&cause);
                    READ_AGAIN
                }
            };
            // The lead that changes is looked at once; what else is seen of the lease is not.
            let leads = |seen: &Seen| matches!(seen.standing, Standing::Leading { .. });
            let leads_now = leads(&standing.borrow_and_update());
            tokio::select! {
                _ = stop.changed() => return,
                _ = standing.wait_for(|seen| leads(seen) != leads_now) => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn read_once(
        &self,
        state: &State,
        commands: &mpsc::Sender<Command>,
        known: &mut Known,
    ) -> Result<Duration, tables::LoadError> {
        let standing = self.seen.borrow().standing;
        let Standing::Leading { epoch, .. } = standing else {
            known.led = None;
            let held = tables::lease::look(state).await?;
            let now = (held.epoch, held.changes);
            if known.followed == Some(now) {
                return Ok(FOLLOW_EVERY);
            }
            let began = self.clock.elapsed();
            let stored = Box::new(tables::load(state).await?);
            let took = self.clock.elapsed().saturating_sub(began);
            known.followed = Some(now);
            tell(commands, News::Follow(stored)).await;
            return Ok(FOLLOW_EVERY.max(took * FOLLOW_SHARE));
        };
        known.followed = None;
        if known.led != Some(epoch) {
            let stored = Box::new(tables::load(state).await?);
            known.led = Some(epoch);
            tell(commands, News::Lead { epoch, stored }).await;
        }
        let arrived = tables::inbox::waiting(state).await?;
        if !arrived.is_empty() {
            tell(commands, News::Arrived(arrived)).await;
        }
        Ok(INBOX_EVERY)
    }
}

/// What the one task was told last.
#[derive(Debug, Default)]
struct Known {
    led: Option<u64>,
    followed: Option<(u64, i64)>,
}

async fn tell(commands: &mpsc::Sender<Command>, news: News) {
    commands.send(Command::News(news)).await.ok(); // alerting is stopping
}

fn random() -> u128 {
    let mut bytes = [0_u8; 16];
    rand::rng().fill_bytes(&mut bytes);
    u128::from_be_bytes(bytes)
}

/// The two tasks of a node.
#[derive(Debug)]
pub(super) struct Membership {
    cluster: Arc<Cluster>,
    state: State,
    stop: watch::Sender<bool>,
    tasks: [JoinHandle<()>; 2],
}

impl Membership {
    pub(super) fn begin(
        cluster: Arc<Cluster>,
        state: State,
        commands: mpsc::Sender<Command>,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let keeping = Arc::clone(&cluster).keep(state.clone(), stopped.clone());
        let reading = Arc::clone(&cluster).read(state.clone(), commands, stopped);
        Membership {
            tasks: [tokio::spawn(keeping), tokio::spawn(reading)],
            cluster,
            state,
            stop,
        }
    }

    /// Gives the lease up, once nothing is under way any more.
    pub(super) async fn end(self) {
        self.stop.send(true).ok();
        for task in self.tasks {
            task.await.ok();
        }
        let standing = self.cluster.seen.borrow().standing;
        if let Standing::Leading { epoch, .. } = standing {
            let release = tables::lease::release(&self.cluster.me, epoch);
            // Whoever does not hear of it waits until the lease is over.
            self.state.write(vec![release]).await.ok();
        }
    }

    /// Ends both tasks as a process that dies does.
    #[cfg(test)]
    pub(super) fn die(&self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}
