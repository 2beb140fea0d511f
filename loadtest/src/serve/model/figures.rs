//! What the modelled pod knows about itself.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use serde::Serialize;

use super::pod::Pod;
use crate::result::Spread;
use crate::serve::ServeError;
use crate::tally::Times;
use crate::timing::Nanos;

/// Lines of the log; later requests are served and not logged.
const LOG_LINES_MAX: u64 = 50_000_000;
/// Memory that an idle pod claims to use.
const MEMORY_BASE_BYTES: u64 = 32 * 1_024 * 1_024;
/// Memory that a request in flight claims to use.
const MEMORY_REQUEST_BYTES: u64 = 16 * 1_024;

/// Counters since the start and times since the last reset.
#[derive(Debug)]
pub(super) struct Figures {
    /// Requests that were whole, shed ones included.
    pub(super) requests: u64,
    ok: u64,
    failed: u64,
    shed: u64,
    pub(super) in_flight: u64,
    busy_nanos: u128,
    /// From the last byte read to the last byte written.
    latency: Times,
    /// From the instant at which an answer was due to its last byte: the model's own inaccuracy.
    lateness: Times,
    log: Option<Log>,
}

#[derive(Debug)]
struct Log {
    path: PathBuf,
    file: BufWriter<File>,
    lines: u64,
}

/// A request that has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) arrival: Nanos,
    pub(super) due: Nanos,
    pub(super) written: Nanos,
    /// 0 when there was no answer.
    pub(super) status: u16,
    /// The worker's time it took, in nanoseconds.
    pub(super) service: u64,
    /// Turned away at once.
    pub(super) shed: bool,
}

/// The answer of `GET /__model/latency`.
#[derive(Debug, Serialize)]
struct Latency {
    /// From the last byte of a request read to the last byte of its answer written.
    #[serde(flatten)]
    latency: Spread,
    /// How late answers were written.
    lateness: Spread,
}

impl Figures {
    pub(super) fn new(log: Option<PathBuf>) -> Result<Self, ServeError> {
        let log = match log {
            None => None,
            Some(path) => Some(Log::create(path)?),
        };
        Ok(Figures {
            requests: 0,
            ok: 0,
            failed: 0,
            shed: 0,
            in_flight: 0,
            busy_nanos: 0,
            latency: Times::new(),
            lateness: Times::new(),
            log,
        })
    }

    /// Counts a request that came to its end.
    pub(super) fn count(&mut self, ended: &Ended) -> Result<(), ServeError> {
        if ended.shed {
            self.shed += 1;
        } else if ended.status == 500 {
            self.failed += 1;
        } else {
            self.ok += 1;
        }
        self.busy_nanos += u128::from(ended.service);
        self.latency.record(ended.written.since(ended.arrival));
        self.lateness.record(ended.written.since(ended.due));
        self.log.as_mut().map_or(Ok(()), |log| log.line(ended))
    }

    /// Begins the times anew; counters go on, as counters do.
    pub(super) fn reset(&mut self) {
        self.latency.clear();
        self.lateness.clear();
    }

    pub(super) fn latency_json(&self) -> String {
        let latency = Latency {
            latency: Spread::of(&self.latency),
            lateness: Spread::of(&self.lateness),
        };
        // Plain numbers under plain names always become JSON.
        serde_json::to_string(&latency).unwrap_or_default()
    }

    /// Prometheus text. CPU and memory are the model's: a virtual worker's busy time, and bytes that
    /// follow requests in flight and leaks.
    pub(super) fn metrics_text(&self, pod: &mut Pod, now: Nanos) -> String {
        let memory = MEMORY_BASE_BYTES
            .saturating_add(self.in_flight.saturating_mul(MEMORY_REQUEST_BYTES))
            .saturating_add(pod.leaked_bytes());
        let (requests, ok, failed, shed) = (self.requests, self.ok, self.failed, self.shed);
        let (in_flight, queued) = (self.in_flight, pod.queued(now));
        let busy = self.busy_nanos as f64 / 1e9;
        format!(
            "# TYPE model_requests_total counter\n\
             model_requests_total {requests}\n\
             # TYPE model_ended_total counter\n\
             model_ended_total{{result=\"ok\"}} {ok}\n\
             model_ended_total{{result=\"failed\"}} {failed}\n\
             model_ended_total{{result=\"shed\"}} {shed}\n\
             # TYPE model_in_flight gauge\n\
             model_in_flight {in_flight}\n\
             # TYPE model_queue gauge\n\
             model_queue {queued}\n\
             # TYPE process_cpu_seconds_total counter\n\
             process_cpu_seconds_total {busy}\n\
             # TYPE process_resident_memory_bytes gauge\n\
             process_resident_memory_bytes {memory}\n"
        )
    }

    /// Writes what is left of the log.
    pub(super) fn end(mut self) -> Result<(), ServeError> {
        match &mut self.log {
            Some(log) => log.file.flush().map_err(|error| log.refused(error)),
            None => Ok(()),
        }
    }
}

impl Log {
    fn create(path: PathBuf) -> Result<Self, ServeError> {
        let opened = File::create(&path).and_then(|file| {
            let mut file = BufWriter::with_capacity(256 * 1_024, file);
            file.write_all(b"arrival_ns,due_ns,written_ns,status\n")?;
            Ok(file)
        });
        match opened {
            Ok(file) => Ok(Log {
                path,
                file,
                lines: 0,
            }),
            Err(source) => Err(ServeError::Log { path, source }),
        }
    }

    fn line(&mut self, ended: &Ended) -> Result<(), ServeError> {
        if self.lines == LOG_LINES_MAX {
            return Ok(());
        }
        self.lines += 1;
        let (arrival, due, written) = (ended.arrival.0, ended.due.0, ended.written.0);
        writeln!(self.file, "{arrival},{due},{written},{}", ended.status)
            .map_err(|error| self.refused(error))
    }

    fn refused(&self, source: std::io::Error) -> ServeError {
        ServeError::Log {
            path: self.path.clone(),
            source,
        }
    }
}
