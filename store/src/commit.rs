//! The way in: admission, the queue before the log, and what a committer is told.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use model::Timestamp;
use tokio::sync::oneshot;

use crate::batch::Batch;
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
#[allow(clippy::struct_field_names)] // every limit ends in max
pub(crate) struct QueueLimits {
    pub(crate) rows_max: usize,
    pub(crate) bytes_max: usize,
    pub(crate) memory_bytes_max: u64,
}

/// Admits batches, before they are encoded.
#[derive(Debug)]
pub(crate) struct Gate {
    load: Mutex<Load>,
    limits: QueueLimits,
}

/// A batch's share of the queue; dropping it makes room.
#[derive(Debug)]
pub(crate) struct Permit {
    gate: Arc<Gate>,
    load: Load,
}

impl Gate {
    pub(crate) fn new(limits: QueueLimits) -> Self {
        Gate {
            load: Mutex::default(),
            limits,
        }
    }

    /// Takes a share of the queue for a batch, given the memory that visible rows take.
    pub(crate) fn admit(
        self: &Arc<Self>,
        rows: usize,
        bytes: usize,
        memory_bytes: u64,
    ) -> Result<Permit, CommitError> {
        let QueueLimits {
            rows_max,
            bytes_max,
            memory_bytes_max,
        } = self.limits;
        if rows > rows_max || bytes > bytes_max || bytes as u64 > memory_bytes_max {
            return Err(CommitError::TooLarge {
                rows,
                bytes,
                rows_max,
                bytes_max: bytes_max.min(usize::try_from(memory_bytes_max).unwrap_or(usize::MAX)),
            });
        }
        let mut load = self.lock();
        if load.rows + rows > rows_max || load.bytes + bytes > bytes_max {
            return Err(full("queue", RETRY_QUEUE));
        }
        if memory_bytes + (load.bytes + bytes) as u64 > memory_bytes_max {
            return Err(full("memory", RETRY_SPACE));
        }
        load.rows += rows;
        load.bytes += bytes;
        Ok(Permit {
            gate: Arc::clone(self),
            load: Load { rows, bytes },
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

impl Drop for Permit {
    fn drop(&mut self) {
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
        Arc::new(Gate::new(QueueLimits {
            rows_max: 10,
            bytes_max: 1000,
            memory_bytes_max: 2000,
        }))
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
        assert_eq!(refusal(gate.admit(11, 1, 0)), "too large");
        assert_eq!(refusal(gate.admit(1, 1001, 0)), "too large");
        let first = gate.admit(6, 600, 0).unwrap();
        assert_eq!(refusal(gate.admit(5, 1, 0)), "queue");
        assert_eq!(refusal(gate.admit(1, 401, 0)), "queue");
        assert_eq!(refusal(gate.admit(4, 400, 1001)), "memory");
        assert_eq!(gate.load(), (6, 600));
        drop(first);
        assert_eq!(gate.load(), (0, 0));
        assert_eq!(refusal(gate.admit(5, 1, 0)), "admitted");
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
