//! Runs and searches as they happen: threads, clocks, guards, and the results that come of them.
//!
//! Owns: the way from a proven plan to a result: preflight, sending, watching, stopping, judging whether
//! the figures may be believed.
//! Never: writes files or speaks to a Rampart server; the caller does both with what it is given.
//! Entry point: [`run`] and [`find_capacity`].

pub mod control;
pub mod observer;

pub(crate) mod calibration;
pub(crate) mod gather;
pub(crate) mod preflight;
pub(crate) mod ready;
pub(crate) mod senders;
pub(crate) mod subject;
pub(crate) mod threads;
pub(crate) mod words;

mod capacity;
mod guard;
mod load;
mod thresholds;
mod validity;

use std::sync::Arc;

pub use capacity::find_capacity;
pub use guard::ProductionWatch;
pub use load::run;
pub use observer::{Observer, Unwatched};
pub use words::intentions;

use crate::engine::{EngineError, RunClock, Stop};
use crate::workers::Workers;

/// What every run is given by its caller.
pub struct Context<'a> {
    /// The run's clock.
    pub clock: RunClock,
    /// Raised from outside to end it early; results are given all the same.
    pub stop: Arc<Stop>,
    /// Told what happens.
    pub observer: &'a mut dyn Observer,
    /// How many production calls fail, as a server sees it.
    pub production: Option<&'a dyn ProductionWatch>,
    /// Signs permissions for production targets.
    pub permission_key: Option<&'a [u8]>,
    /// The machines that send, when it is not this one.
    pub workers: Option<Workers>,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The target may not be sent to, or cannot be found.
    #[error(transparent)]
    Target(#[from] crate::plan::TargetError),
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] crate::tls::TlsError),
    /// The permission for a production target is missing or not good.
    #[error(transparent)]
    Permission(#[from] crate::plan::PermissionError),
    /// The pod's own figures cannot be read.
    #[error(transparent)]
    Pod(#[from] crate::pod::PodError),
    /// gRPC messages cannot be prepared.
    #[error(transparent)]
    Grpc(#[from] crate::grpc::GrpcError),
    /// The one request that was sent first did not go well.
    #[error("{0}; nothing more was sent")]
    Preflight(String),
    /// What the run does to production could not be seen.
    #[error("abort.production_burn cannot be judged: {0}; nothing was sent")]
    Blind(String),
    /// The plan lacks what a run needs.
    #[error(
        "the plan has no load to send; add load: {{rate: 300/s, duration: 60s}}, or search with `loadtest capacity`"
    )]
    NoLoad,
    /// The plan lacks what a search needs.
    #[error(
        "the plan says no objective, so there is nothing to hold a load against; add objective: {{p99: 100ms, success_rate: 99.9%}}"
    )]
    NoObjective,
    /// The machine does not let us send.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The built-in null server cannot be started.
    #[error(transparent)]
    Serve(#[from] crate::serve::ServeError),
    /// Threads cannot be started.
    #[error("cannot start a sending thread: {0}")]
    Thread(std::io::Error),
    /// The worker that was asked has a list of its own.
    #[error(
        "sending to {0} is not allowed from this machine: start the worker with `--allow {0}` beside its other networks"
    )]
    NotAllowedHere(std::net::SocketAddr),
    /// A worker cannot do what it is asked to.
    #[error(transparent)]
    Workers(#[from] crate::workers::WorkersError),
    /// It was stopped before anything was measured.
    #[error("stopped before anything was measured: {0}")]
    Stopped(String),
}

#[cfg(test)]
mod tests;
