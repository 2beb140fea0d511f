//! What every engine is given, and how it is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use model::{Clock, SystemClock};

pub mod ledger;
pub(crate) mod schedule;
pub(crate) mod watch;

use crate::arrivals::ArrivalPlan;
use crate::plan::Protocol;
use crate::random::Random;
use crate::request::{Envelope, RequestSet};
use crate::tally::Tally;
use crate::timing::Nanos;

/// Longest an engine sleeps before it looks whether it shall stop.
pub const LOOK_FOR_STOP: Duration = Duration::from_millis(20);
/// How late a slot of a run is still sent.
pub const CATCH_UP_MAX: Duration = Duration::from_millis(10);
/// Tallies that may wait for the run to take them, each of one thread and second.
pub const TALLIES_QUEUED_MAX: usize = 1_024;

/// The clock all threads of a run share. One static call on the hot path, no allocation.
#[derive(Clone, Debug)]
pub struct RunClock(Arc<SystemClock>);

impl RunClock {
    /// Zero is now.
    pub fn start() -> Self {
        RunClock(Arc::new(SystemClock::new()))
    }

    /// Nanoseconds since zero.
    #[inline]
    pub fn now(&self) -> Nanos {
        Nanos::from_duration(self.0.elapsed())
    }

    /// Wall time, for records.
    pub fn wall(&self) -> model::Timestamp {
        self.0.now()
    }
}

/// Why an engine could not work at all; what happens to single requests is a [`crate::Failure`].
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The kernel refused something that every sender needs.
    #[error("the sender cannot {doing}: {source}")]
    Kernel {
        /// What it was doing.
        doing: &'static str,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The host cannot be a name in a certificate.
    #[error("`{host}` cannot be the name in a certificate; write a host name or an address")]
    ServerName {
        /// The host as written.
        host: String,
    },
    /// A request cannot be put into the protocol's own form.
    #[error("request `{name}` cannot be sent: {cause}; check its path and the headers")]
    Request {
        /// What reports call it.
        name: String,
        /// Why.
        cause: String,
    },
}

impl EngineError {
    /// For `map_err`: what was being done when the kernel refused.
    pub fn kernel<E: Into<std::io::Error>>(doing: &'static str) -> impl FnOnce(E) -> Self {
        move |source| EngineError::Kernel {
            doing,
            source: source.into(),
        }
    }
}

/// Stops every thread of a run; the first reason given stays.
#[derive(Debug, Default)]
pub struct Stop {
    raised: AtomicBool,
    reason: std::sync::Mutex<Option<String>>,
    above: Option<Arc<Stop>>,
}

impl Stop {
    /// Nobody wants to stop.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// One that is raised with another, and by itself without raising that.
    pub fn below(above: &Arc<Stop>) -> Arc<Self> {
        Arc::new(Stop {
            above: Some(Arc::clone(above)),
            ..Self::default()
        })
    }

    /// Nothing more is sent from now on; what is in flight is given up.
    pub fn raise(&self, reason: impl Into<String>) {
        let mut held = self
            .reason
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        held.get_or_insert_with(|| reason.into());
        self.raised.store(true, Ordering::SeqCst);
    }

    /// Whether to stop.
    #[inline]
    pub fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Relaxed)
            || self.above.as_ref().is_some_and(|above| above.is_raised())
    }

    /// Why, when somebody wanted it.
    pub fn reason(&self) -> Option<String> {
        let held = self
            .reason
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone();
        held.or_else(|| self.above.as_ref()?.reason())
    }
}

/// The work of one sending thread.
#[derive(Clone, Debug)]
pub struct Job {
    /// The address that was allowed and is connected to; names are never resolved again.
    pub address: SocketAddr,
    /// The name that the certificate must hold.
    pub host: String,
    /// What is the same for every request.
    pub envelope: Envelope,
    /// Redirects within the same host and port that are followed.
    pub redirects_max: u32,
    /// How requests are carried.
    pub protocol: Protocol,
    /// TLS settings, when the target is https.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// What is sent.
    pub requests: Arc<RequestSet>,
    /// This thread's share of the load.
    pub load: Share,
    /// No answer in this time is a failure.
    pub timeout: Duration,
    /// Requests of this thread in flight at most.
    pub in_flight_max: u32,
    /// Connections of this thread at most.
    pub connections_max: u32,
    /// Seed of this run and number of this thread: its stream.
    pub seed: u64,
    /// Number of this thread over all workers, from 0.
    pub thread: u64,
    /// Threads over all workers.
    pub threads: u64,
    /// A slot that is later than this was missed: it is counted and not sent, so that a stall never ends
    /// in a burst.
    pub catch_up: Duration,
    /// When the first slot is due at the earliest.
    pub start: Nanos,
    /// When nothing more comes due. Answers are waited for until `timeout` later.
    pub end: Nanos,
}

impl Job {
    /// Whether callers of the closed model send, each once its last call was answered.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.load, Share::Closed { .. })
    }

    /// This thread's random numbers for one purpose. Each purpose has a stream of its own, so that one more
    /// draw for it changes nothing elsewhere: 0 is for slots, 1 for the choice of requests, 2 for what is
    /// filled into them.
    pub(crate) fn random(&self, purpose: u64) -> Random {
        Random::new(self.seed, self.thread * 4 + purpose)
    }
}

/// One thread's share of the load.
#[derive(Clone, Debug)]
pub enum Share {
    /// Open model: slots of its own.
    Open(ArrivalPlan),
    /// Closed model: so many callers.
    Closed {
        /// Callers, each with a connection.
        connections: u32,
    },
}

/// Where an engine puts what it saw: one tally a second, the last one when it ends.
pub type Tallies = SyncSender<SecondTally>;

/// What one thread saw in one second of the run.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct SecondTally {
    /// Whole seconds since the run's start instant; requests count in the second in which they end,
    /// slots in the second in which they come due.
    pub second: u32,
    /// The thread's number.
    pub thread: u64,
    /// What it saw.
    pub tally: Box<Tally>,
}
