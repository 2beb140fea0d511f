//! Threads that send, and what they saw together.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
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

/// Time between the start of the threads and the first slot.
const LEAD: Duration = Duration::from_millis(20);
/// Rate that one sending thread is given at most, as long as there are CPUs.
const RATE_PER_THREAD: f64 = 40_000.0;
/// How long the gatherer waits before it looks whether the threads are still there.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Sends a load and tells each second to `each` when it is whole. It ends with the load, when `stop` is
/// raised, or when `each` says so by raising it.
pub(super) fn send(
    ready: &Ready,
    load: &Load,
    clock: &RunClock,
    stop: &Arc<Stop>,
    mut each: impl FnMut(u32, Tally),
) -> Result<(), RunError> {
    let threads = threads_for(load);
    let (tallies, seen) = sync_channel(TALLIES_QUEUED_MAX);
    let requests = Arc::new(ready.requests.clone());
    let start = clock.now().plus(LEAD.as_nanos() as u64);
    let mut running = Vec::with_capacity(threads as usize);
    for thread in 0..threads {
        let job = job(
            ready,
            load,
            &requests,
            start,
            u64::from(thread),
            u64::from(threads),
        );
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
    drop(tallies);
    let mut gather = Gather::new(0, threads as usize);
    loop {
        match seen.recv_timeout(LOOK_EVERY) {
            Ok(second) => gather
                .add(&second)
                .into_iter()
                .for_each(|(at, tally)| each(at, tally)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    gather
        .rest()
        .into_iter()
        .for_each(|(at, tally)| each(at, tally));
    for handle in running {
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

/// Threads for a load: as many as its rate needs, as few as do, and one CPU left for everything else.
fn threads_for(load: &Load) -> u32 {
    let cpus = std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u32);
    let spare = cpus.saturating_sub(1).max(1);
    if load.threads > 0 {
        return load.threads;
    }
    match &load.model {
        LoadModel::Open { stages, .. } => {
            let highest = stages
                .iter()
                .map(|stage| stage.from.max(stage.to))
                .fold(0.0, f64::max);
            ((highest / RATE_PER_THREAD).ceil() as u32).clamp(1, spare)
        }
        LoadModel::Closed { connections } => spare.min((*connections).max(1)),
    }
}

fn job(
    ready: &Ready,
    load: &Load,
    requests: &Arc<crate::request::RequestSet>,
    start: crate::timing::Nanos,
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
        end: start.plus(crate::timing::Nanos::from_duration(load.duration).0),
        cpu: None,
    }
}
