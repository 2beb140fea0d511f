//! Threads of this machine that send, and what they saw together.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;

use super::RunError;
use super::gather::Gather;
use super::ready::Ready;
use crate::arrivals::ArrivalPlan;
use crate::engine::{
    CATCH_UP_MAX, EngineError, Job, RunClock, Share, Stop, TALLIES_QUEUED_MAX, Tallies,
};
use crate::plan::{Load, LoadModel, Protocol};
use crate::tally::Tally;
use crate::timing::Nanos;

/// Time between the start of the threads and the first slot.
const LEAD: Duration = Duration::from_millis(20);
/// Rate that one sending thread is given at most, as long as there are CPUs.
const RATE_PER_THREAD: f64 = 40_000.0;

/// The threads of a load that run on this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    /// Number of the first of them.
    pub(crate) first: u64,
    /// How many run here.
    pub(crate) count: u32,
    /// How many send this load on all machines.
    pub(crate) of: u64,
    /// When the first slot is due at the earliest, on this machine's clock.
    pub(crate) start: Nanos,
}

/// Threads that send.
#[derive(Debug)]
pub(crate) struct Running(Vec<JoinHandle<Result<(), EngineError>>>);

impl Running {
    /// Waits for all of them.
    pub(crate) fn join(self) -> Result<(), RunError> {
        for handle in self.0 {
            match handle.join() {
                Ok(ended) => ended?,
                Err(_) => {
                    return Err(RunError::Thread(std::io::Error::other(
                        "a sending thread panicked",
                    )));
                }
            }
        }
        Ok(())
    }
}

/// Sends a load from this machine alone and tells each second to `each` when it is whole. It ends with
/// the load, when `stop` is raised, or when `each` says so by raising it.
pub(super) fn send(
    ready: &Ready,
    load: &Load,
    clock: &RunClock,
    stop: &Arc<Stop>,
    mut each: impl FnMut(u32, Tally),
) -> Result<(), RunError> {
    let threads = threads_for(load, cpus(), 1);
    let part = Part {
        first: 0,
        count: threads,
        of: u64::from(threads),
        start: clock.now().plus(LEAD.as_nanos() as u64),
    };
    let (tallies, seen) = sync_channel(TALLIES_QUEUED_MAX);
    let running = launch(ready, load, &part, clock, stop, tallies)?;
    let mut gather = Gather::new(0, threads as usize);
    while let Ok(second) = seen.recv() {
        gather
            .add(&second)
            .into_iter()
            .for_each(|(at, tally)| each(at, tally));
    }
    gather
        .rest()
        .into_iter()
        .for_each(|(at, tally)| each(at, tally));
    running.join()
}

/// Starts the threads of a part; they hand their seconds to `tallies`, which closes when all have ended.
pub(crate) fn launch(
    ready: &Ready,
    load: &Load,
    part: &Part,
    clock: &RunClock,
    stop: &Arc<Stop>,
    tallies: Tallies,
) -> Result<Running, RunError> {
    let requests = Arc::new(ready.requests.clone());
    let mut running = Vec::with_capacity(part.count as usize);
    for thread in part.first..part.first + u64::from(part.count) {
        let job = job(ready, load, &requests, part.start, thread, part.of);
        let (clock, stopped, tallies) = (clock.clone(), Arc::clone(stop), tallies.clone());
        let handle = std::thread::Builder::new()
            .name(format!("sender-{thread}"))
            .spawn(move || run_engine(&job, &clock, &stopped, &tallies))
            .map_err(|error| {
                stop.raise("a sending thread could not be started");
                RunError::Thread(error)
            })?;
        running.push(handle);
    }
    Ok(Running(running))
}

fn run_engine(
    job: &Job,
    clock: &RunClock,
    stop: &Stop,
    tallies: &Tallies,
) -> Result<(), EngineError> {
    match job.protocol {
        Protocol::Http1 => crate::http1::run(job, clock, stop, tallies),
        Protocol::Http2 | Protocol::Grpc => crate::h2::run(job, clock, stop, tallies),
    }
}

/// CPUs of this machine.
pub(crate) fn cpus() -> u32 {
    std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u32)
}

/// Threads of each machine for a load: as many as its rate needs, as few as do, and one CPU left for
/// everything else.
pub(crate) fn threads_for(load: &Load, cpus: u32, machines: u32) -> u32 {
    let spare = cpus.saturating_sub(1).max(1);
    if load.threads > 0 {
        return load.threads;
    }
    let machines = machines.max(1);
    match &load.model {
        LoadModel::Open { stages, .. } => {
            let highest = stages
                .iter()
                .map(|stage| stage.from.max(stage.to))
                .fold(0.0, f64::max);
            let share = highest / f64::from(machines);
            ((share / RATE_PER_THREAD).ceil() as u32).clamp(1, spare)
        }
        LoadModel::Closed { connections } => spare.min((connections / machines).max(1)),
    }
}

fn job(
    ready: &Ready,
    load: &Load,
    requests: &Arc<crate::request::RequestSet>,
    start: Nanos,
    index: u64,
    of: u64,
) -> Job {
    let share = |whole: u32| {
        let (whole, of) = (u64::from(whole), of);
        (whole / of + u64::from(index < whole % of)) as u32
    };
    Job {
        address: ready.address,
        host: ready.host.clone(),
        envelope: ready.envelope.clone(),
        redirects_max: ready.redirects_max,
        protocol: ready.protocol,
        tls: ready.tls.clone(),
        requests: Arc::clone(requests),
        load: match &load.model {
            LoadModel::Open { arrivals, stages } => Share::Open(ArrivalPlan {
                arrivals: *arrivals,
                stages: stages.clone(),
                index,
                of,
            }),
            LoadModel::Closed { connections } => Share::Closed {
                connections: share(*connections),
            },
        },
        timeout: load.timeout,
        in_flight_max: share(load.in_flight_max).max(1),
        connections_max: match load.model {
            LoadModel::Closed { connections } => share(connections).max(1),
            LoadModel::Open { .. } => share(load.connections_max).max(1),
        },
        seed: load.seed,
        thread: index,
        threads: of,
        catch_up: CATCH_UP_MAX,
        start,
        end: start.plus(Nanos::from_duration(load.duration).0),
    }
}
