//! One load from several machines: a leader, and workers that send their share of it.
//!
//! Owns: the connection between the two, its proofs and limits, the shares, the common start, and what
//! happens when either side is lost.
//! Never: lets a worker send where its own list does not allow; reads a file or variable of a worker for
//! a plan; adds up percentiles (histograms are sent, and merged).
//! Entry point: [`serve`] for a worker, [`Workers`] in a run's context for a leader.

mod check;
mod clock;
mod desk;
mod greeting;
mod leader;
mod line;
mod link;
mod messages;
mod secret;
mod task;
mod wire;
mod worker;

use std::time::Duration;

pub(crate) use leader::Team;
pub use secret::{TOKEN_BYTES_MAX, TOKEN_BYTES_MIN, Token, TokenError};
pub use worker::{Worker, WorkerSettings, serve, spawn};

use crate::plan::Parcel;

/// Workers of one run.
pub const WORKERS_MAX: usize = 64;
/// A side that was not heard of for so long is gone.
pub const SILENCE_MAX: Duration = Duration::from_secs(5);
/// How often each side says that it is there when it has nothing else to say.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// How long one side waits for the other while they prove themselves.
const GREETING_WAIT: Duration = Duration::from_secs(5);
/// How long a connection may take to be made.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// How long a write may take before the other side is given up.
const WRITE_WAIT: Duration = Duration::from_secs(5);
/// How often a waiting side looks whether it shall stop.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The machines that send instead of this one.
#[derive(Clone, Debug, Default)]
pub struct Workers {
    /// `host:port` of each.
    pub addresses: Vec<String>,
    /// The secret that they share with us.
    pub token: Token,
    /// The plan as they read it.
    pub parcel: Parcel,
}

/// Why workers do not work.
#[derive(Debug, thiserror::Error)]
pub enum WorkersError {
    /// Anybody on the network could make it send.
    #[error(
        "a worker on {0} needs a token, as others can reach it: give it --token-file, or listen on 127.0.0.1"
    )]
    NoToken(std::net::SocketAddr),
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {cause}")]
    Listen {
        /// The address as wanted.
        address: std::net::SocketAddr,
        /// What the kernel said.
        cause: std::io::Error,
    },
    /// There is none, or there are more than one run takes.
    #[error("a run has 1 to {WORKERS_MAX} workers, not {0}")]
    Count(usize),
    /// Nobody is there.
    #[error(
        "the worker {address} cannot be reached: {cause}; start it with `rampart loadtest worker`"
    )]
    Unreached {
        /// The worker.
        address: String,
        /// Why.
        cause: String,
    },
    /// It does not take us.
    #[error("the worker {address} refused: {why}")]
    Refused {
        /// The worker.
        address: String,
        /// What it says.
        why: String,
    },
    /// It broke off.
    #[error("the worker {address} was lost: {why}")]
    Lost {
        /// The worker.
        address: String,
        /// How that was noticed.
        why: String,
    },
    /// It could not do what it was asked to.
    #[error("the worker {address} could not go on: {why}")]
    Failed {
        /// The worker.
        address: String,
        /// What it says.
        why: String,
    },
    /// Each needs at least one call in flight and one connection.
    #[error("{what} {most} cannot be shared by {workers} workers: raise it, or name fewer workers")]
    TooFew {
        /// Which of the load's figures.
        what: &'static str,
        /// What the plan says.
        most: u32,
        /// How many would share it.
        workers: usize,
    },
    /// A thread cannot be started.
    #[error("cannot start a thread for the worker {address}: {cause}")]
    Thread {
        /// The worker.
        address: String,
        /// What the system said.
        cause: std::io::Error,
    },
}

#[cfg(test)]
mod tests;
