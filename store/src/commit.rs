//! The way in: admission, the queue before the log, and what a committer is told.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use model::Timestamp;
use tokio::sync::oneshot;

use crate::batch::Batch;
use crate::budget::Share;
use crate::events;
use crate::idempotency::Reservation;
use crate::rollup::Delta;
use crate::schema::SchemaError;

/// When to come back after the queue was full.
const RETRY_QUEUE: Duration = Duration::from_secs(1);
/// When to come back after memory or disk was full; a flush takes this long.
const RETRY_SPACE: Duration = Duration::from_secs(5);

/// A batch that is durable and visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its place in the order of commits.
    pub sequence: u64,
    /// The answer of the first delivery, when the sender's key was seen before. Nothing was written.
    pub repeated: Option<String>,
}

/// Why a batch was not committed. Except after [`CommitError::Storage`] and [`CommitError::Closing`],
/// where a restart may still find it, nothing of it remains.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    /// A queue, memory or the disk is full.
    #[error("the store is full ({what}), try again in {} s", retry_after.as_secs())]
    Full {
        /// What is full.
        what: &'static str,
        /// When there may be room again.
        retry_after: Duration,
    },
    /// The batch alone is larger than the queue may ever be.
    #[error(
        "a batch of {rows} rows and {bytes} bytes is too large, send at most {rows_max} rows and {bytes_max} bytes at once"
    )]
    TooLarge {
        /// Rows in the batch.
        rows: usize,
        /// Bytes in the batch.
        bytes: usize,
        /// The most rows that fit.
        rows_max: usize,
        /// The most bytes that fit.
        bytes_max: usize,
    },
    /// A table of the batch has not the columns of that table.
    #[error("the batch does not fit its table: {0}")]
    Schema(Arc<SchemaError>),
    /// The rows could not be encoded, or the key is too long.
    #[error("the batch cannot be stored: {0}")]
    Invalid(String),
    /// The disk failed. The store accepts nothing any more until it is opened again.
    #[error("the store has stopped accepting: {0}")]
    Storage(Arc<str>),
    /// The store is being closed.
    #[error("the store is closing")]
    Closing,
}

/// Counts per second that one group of commits changed.
#[derive(Clone, Debug)]
pub struct Deltas {
    /// The last commit of the group.
    pub sequence: u64,
    /// What it added, per series and second.
    pub changes: Vec<Delta>,
    /// When it was committed.
    pub at: Timestamp,
}

/// Whether the disk can be trusted; once broken it stays so.
#[derive(Debug, Default)]
pub(crate) struct Health(OnceLock<Arc<str>>);

impl Health {
    /// Stops the store for good. The first reason stays.
    pub(crate) fn break_down(&self, reason: &str) -> CommitError {
        let mut first = false;
        let reason = self.0.get_or_init(|| {
            first = true;
            reason.into()
        });
        if first {
            events::broken(reason);
        }
        CommitError::Storage(Arc::clone(reason))
    }

    pub(crate) fn reason(&self) -> Option<Arc<str>> {
        self.0.get().cloned()
    }

    pub(crate) fn check(&self) -> Result<(), CommitError> {
        match self.0.get() {
            None => Ok(()),
            Some(reason) => Err(CommitError::Storage(Arc::clone(reason))),
        }
    }
}

/// What is admitted but not visible yet.
#[derive(Debug, Default, Clone, Copy)]
struct Load {
    rows: usize,
    bytes: usize,
}

/// How much may be on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueLimits {
    pub(crate) rows_max: usize,
    pub(crate) bytes_max: usize,
}

/// Admits batches, before they are encoded.
#[derive(Debug)]
pub(crate) struct Gate {
    load: Mutex<Load>,
    limits: QueueLimits,
    /// Rows on their way and rows in memory together.
    memory: Arc<Share>,
}

/// A batch's place in the queue and in memory; dropping it makes room.
#[derive(Debug)]
pub(crate) struct Permit {
    gate: Arc<Gate>,
    load: Load,
    /// What of the memory is still the queue's, in bytes.
    held: u64,
}

impl Gate {
    pub(crate) fn new(limits: QueueLimits, memory: Arc<Share>) -> Self {
        Gate {
            load: Mutex::default(),
            limits,
            memory,
        }
    }

    /// Takes a place in the queue, and the memory, for a batch.
    pub(crate) fn admit(
        self: &Arc<Self>,
        rows: usize,
        bytes: usize,
    ) -> Result<Permit, CommitError> {
        let rows_max = self.limits.rows_max;
        let memory_bytes_max = usize::try_from(self.memory.bytes_max()).unwrap_or(usize::MAX);
        let bytes_max = self.limits.bytes_max.min(memory_bytes_max);
        if rows > rows_max || bytes > bytes_max {
            return Err(CommitError::TooLarge {
                rows,
                bytes,
                rows_max,
                bytes_max,
            });
        }
        let mut load = self.lock();
        if load.rows + rows > rows_max || load.bytes + bytes > bytes_max {
            return Err(full("queue", RETRY_QUEUE));
        }
        if !self.memory.try_take(bytes as u64) {
            self.memory.refuse();
            return Err(full("memory", RETRY_SPACE));
        }
        load.rows += rows;
        load.bytes += bytes;
        Ok(Permit {
            gate: Arc::clone(self),
            load: Load { rows, bytes },
            held: bytes as u64,
        })
    }

    /// Rows and bytes on their way.
    pub(crate) fn load(&self) -> (usize, usize) {
        let load = self.lock();
        (load.rows, load.bytes)
    }

    fn lock(&self) -> MutexGuard<'_, Load> {
        self.load.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Leaves the memory it holds, in bytes, to who asks: its rows are visible now.
    pub(crate) fn hand_over(&mut self) -> u64 {
        std::mem::take(&mut self.held)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.gate.memory.give_back(self.held);
        let mut load = self.gate.lock();
        load.rows -= self.load.rows;
        load.bytes -= self.load.bytes;
    }
}

/// The disk is nearly full.
pub(crate) fn disk_full() -> CommitError {
    full("disk", RETRY_SPACE)
}

fn full(what: &'static str, retry_after: Duration) -> CommitError {
    events::refused(what);
    CommitError::Full { what, retry_after }
}

/// An encoded batch on its way to the log.
pub(crate) struct Waiting {
    pub(crate) batch: Batch,
    pub(crate) body: Vec<u8>,
    pub(crate) answer: oneshot::Sender<Result<Committed, CommitError>>,
    pub(crate) reservation: Option<Reservation>,
    pub(crate) permit: Permit,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    closing: bool,
}

/// The queue before the log; bounded by the permits of those in it.
#[derive(Default)]
pub(crate) struct Queue {
    line: Mutex<Line>,
    arrived: Condvar,
}

/// What the queue gives the thread that commits.
pub(crate) enum Turn {
    /// Commit these together; never empty.
    Group(Vec<Waiting>),
    /// Nothing came for as long as was asked.
    Idle,
    /// The queue is closed and empty.
    Closed,
}

impl Queue {
    /// Lines a batch up.
    pub(crate) fn push(&self, waiting: Waiting) -> Result<(), CommitError> {
        let mut line = self.lock();
        if line.closing {
            return Err(CommitError::Closing);
        }
        line.bytes += waiting.body.len();
        line.waiting.push_back(waiting);
        drop(line);
        self.arrived.notify_one();
        Ok(())
    }

    /// Waits at most `patience` for a first batch, then until `window` is over or `bytes` are
    /// together, and gives all that wait.
    pub(crate) fn next(&self, patience: Duration, window: Duration, bytes: usize) -> Turn {
        let line = self.lock();
        let (line, _) = self
            .arrived
            .wait_timeout_while(line, patience, |line| {
                line.waiting.is_empty() && !line.closing
            })
            .unwrap_or_else(PoisonError::into_inner);
        if line.waiting.is_empty() {
            return if line.closing {
                Turn::Closed
            } else {
                Turn::Idle
            };
        }
        let (mut line, _) = self
            .arrived
            .wait_timeout_while(line, window, |line| line.bytes < bytes && !line.closing)
            .unwrap_or_else(PoisonError::into_inner);
        line.bytes = 0;
        Turn::Group(line.waiting.drain(..).collect())
    }

    /// Lets nobody in any more.
    pub(crate) fn close(&self) {
        self.lock().closing = true;
        self.arrived.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Arc<Gate> {
        let limits = QueueLimits {
            rows_max: 10,
            bytes_max: 1000,
        };
        Arc::new(Gate::new(limits, Share::new("ingest", 2000)))
    }

    fn refusal(result: Result<Permit, CommitError>) -> &'static str {
        match result {
            Ok(_) => "admitted",
            Err(CommitError::Full { what, .. }) => what,
            Err(CommitError::TooLarge { .. }) => "too large",
            Err(_) => "else",
        }
    }

    #[test]
    fn admission_by_rows_bytes_and_memory() {
        let gate = gate();
        assert_eq!(refusal(gate.admit(11, 1)), "too large");
        assert_eq!(refusal(gate.admit(1, 1001)), "too large");
        let first = gate.admit(6, 600).unwrap();
        assert_eq!(refusal(gate.admit(5, 1)), "queue");
        assert_eq!(refusal(gate.admit(1, 401)), "queue");
        // Rows that are visible and not yet in files.
        gate.memory.take(1001);
        assert_eq!(refusal(gate.admit(4, 400)), "memory");
        assert_eq!((gate.load(), gate.memory.bytes()), ((6, 600), 1601));
        drop(first);
        assert_eq!((gate.load(), gate.memory.bytes()), ((0, 0), 1001));
        assert_eq!(refusal(gate.admit(5, 1)), "admitted");
    }

    #[test]
    fn rows_that_become_visible_are_counted_once() {
        let gate = gate();
        let mut permit = gate.admit(5, 900).unwrap();
        let growth = 950;
        gate.memory.exchange(permit.hand_over(), growth);
        assert_eq!(gate.memory.bytes(), 950);
        drop(permit);
        assert_eq!((gate.load(), gate.memory.bytes()), ((0, 0), 950));
    }

    #[test]
    fn the_first_reason_to_stop_stays() {
        let health = Health::default();
        health.check().unwrap();
        health.break_down("first");
        health.break_down("second");
        assert_eq!(
            health.check().unwrap_err().to_string(),
            "the store has stopped accepting: first"
        );
    }
}
