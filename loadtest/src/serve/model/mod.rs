//! A pod whose capacity is known, because its workers exist on paper only.
//!
//! A request that arrives is given to the worker that is free first; when its answer is due is known at
//! once (`start = max(arrival, earliest free worker)`, `due = start + service time`) and a timer writes it
//! then. So the pod carries exactly `workers / mean service time` calls per second, whatever the machine
//! is otherwise doing, and [`rate_within`] computes from the same arithmetic the rate up to which an
//! objective is met.
//!
//! `GET /__model/latency` gives what requests took as the pod itself saw it, `GET /__model/metrics` its
//! figures as Prometheus text, `POST /__model/reset` begins both anew (counters stay). `/__fault/<name>`
//! answers with a [`Fault`]; every other path is work.

mod capacity;
mod connection;
mod fault;
mod figures;
mod pod;
mod server;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::Ratio;

pub use capacity::{Simulated, carrying, rate_within, simulate};
pub use fault::Fault;

use super::{ServeError, Serving};
use crate::engine::{RunClock, Stop};

/// Workers of one pod.
pub const WORKERS_MAX: u32 = 100_000;

/// A pod, as it is to behave.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelPlan {
    /// Requests that are worked on at once.
    pub workers: u32,
    /// How long one takes a worker.
    pub service: ServiceTime,
    /// Requests that may wait for a worker before `shed` applies.
    pub queue_max: usize,
    /// What happens to a request that finds the queue full.
    pub shed: Shed,
    /// What gets worse with every request.
    pub leak: Option<Leak>,
    /// Pauses of the whole pod.
    pub stall: Option<Stall>,
    /// Share of requests that are worked on and then answered with 500.
    pub fail_share: Option<Ratio>,
    /// How every request that is work is answered, instead of properly.
    pub fault: Option<Fault>,
    /// Makes the same random choices again.
    pub seed: u64,
    /// A CSV file with a line for each request: `arrival_ns,due_ns,written_ns,status`, in nanoseconds on
    /// the clock that the pod is given.
    pub log: Option<PathBuf>,
}

/// How long one request takes a worker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ServiceTime {
    /// Always as long.
    Constant(Duration),
    /// Exponentially distributed.
    Exponential {
        /// On average.
        mean: Duration,
    },
    /// One of two.
    Bimodal {
        /// Most requests.
        fast: Duration,
        /// The others.
        slow: Duration,
        /// The share of the others.
        slow_share: Ratio,
    },
}

impl ServiceTime {
    /// The mean, in nanoseconds.
    pub fn mean_nanos(&self) -> f64 {
        let nanos = |time: &Duration| time.as_secs_f64() * 1e9;
        match self {
            ServiceTime::Constant(time) | ServiceTime::Exponential { mean: time } => nanos(time),
            ServiceTime::Bimodal {
                fast,
                slow,
                slow_share,
            } => nanos(slow) * slow_share.get() + nanos(fast) * (1.0 - slow_share.get()),
        }
    }
}

/// What happens to a request that finds the queue full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shed {
    /// It waits all the same. Connections bound the queue, as each carries one request at a time.
    Never,
    /// It is answered with 503 at once: a failure, however fast.
    Unavailable,
    /// It is answered with 429 at once: the pod protects itself.
    TooManyRequests,
}

/// What gets worse with every request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Leak {
    /// Service takes longer.
    Time {
        /// Growth in percent of the planned service time for each 1,000 requests.
        percent_per_thousand: f64,
    },
    /// Memory is kept.
    Memory {
        /// Bytes for each request, as its metrics claim; none are really kept.
        bytes_per_request: u64,
    },
}

/// Pauses in which no worker gets on, such as a collector's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// From the end of one pause to the end of the next.
    pub every: Duration,
    /// How long each one is; less than `every`.
    pub pause: Duration,
}

impl Default for ModelPlan {
    /// Four workers of 10 ms and a queue of 1,000: 400 calls per second.
    fn default() -> Self {
        ModelPlan {
            workers: 4,
            service: ServiceTime::Constant(Duration::from_millis(10)),
            queue_max: 1_000,
            shed: Shed::Never,
            leak: None,
            stall: None,
            fail_share: None,
            fault: None,
            seed: 1,
            log: None,
        }
    }
}

impl ModelPlan {
    /// A pod that carries so many calls per second at most.
    ///
    /// One worker for every 50 calls per second, each taking about 20 ms: evenly spaced calls are answered
    /// in a service time right up to the rate. Poisson callers meet p99 ≤ 100 ms up to about
    /// `rate - 25/s` (waits of an M/D/k queue fall off as `exp(-2·(rate - load)·t)`, and 80 ms are left for
    /// waiting): 92 % of 300/s, 97 % of 1,000/s. [`rate_within`] gives the exact figure. Below 20/s a single
    /// call takes longer than 50 ms.
    pub fn of_capacity(rate: f64) -> Self {
        let rate = if rate.is_finite() {
            rate.clamp(0.1, 5e6)
        } else {
            0.1
        };
        let workers = (rate * 0.02).round().clamp(1.0, f64::from(WORKERS_MAX));
        ModelPlan {
            workers: workers as u32,
            service: ServiceTime::Constant(Duration::from_secs_f64(workers / rate)),
            ..ModelPlan::default()
        }
    }

    /// Calls per second at which every worker is always busy: `workers / mean service time`, less the
    /// share of time in pauses. No queue carries more, and none with random arrivals quite as much.
    pub fn capacity(&self) -> f64 {
        let awake = match self.stall {
            Some(stall) => 1.0 - stall.pause.as_secs_f64() / stall.every.as_secs_f64(),
            None => 1.0,
        };
        f64::from(self.workers) / (self.service.mean_nanos() / 1e9) * awake
    }

    fn check(&self) -> Result<(), ServeError> {
        let refuse = |why: &str| Err(ServeError::Plan(why.to_owned()));
        if !(1..=WORKERS_MAX).contains(&self.workers) {
            return refuse("a pod has between 1 and 100000 workers");
        }
        if self.stall.is_some_and(|stall| stall.pause >= stall.every) {
            return refuse("a pause must be shorter than the time from one to the next");
        }
        match self.leak {
            Some(Leak::Time {
                percent_per_thousand: percent,
            }) if !(percent.is_finite() && percent >= 0.0) => {
                refuse("service times can grow by a finite share only, and not shrink")
            }
            _ => Ok(()),
        }
    }
}

/// Serves on the calling thread until `stop` is raised, and tells `ready` the address, with the port that
/// the kernel chose for port 0. Instants are read on `clock`; answers leave within about 100 µs of the
/// instant they are due at, as long as the machine has a CPU for this thread.
pub fn run(
    address: SocketAddr,
    plan: ModelPlan,
    clock: RunClock,
    stop: Arc<Stop>,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), ServeError> {
    plan.check()?;
    server::run(address, plan, clock, &stop, ready)
}

/// Serves on a free port of the loopback until the handle is dropped.
pub fn spawn(plan: ModelPlan) -> Result<Serving, ServeError> {
    Serving::start("model", move |stop, ready| {
        let address = ([127, 0, 0, 1], 0).into();
        run(address, plan, RunClock::start(), stop, |address| {
            // The other side waits for exactly this.
            let _ = ready.send(address);
        })
    })
}

#[cfg(test)]
mod tests;
