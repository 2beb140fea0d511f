//! Records that wait to be pushed: bounded, and what does not fit is counted.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::Timestamp;

use super::Row;

/// The most records that wait. About ten minutes of the demo's traffic: Rampart may be restarted
/// meanwhile and misses nothing.
pub const QUEUE_ROWS_MAX: usize = 72_000;
/// The most records in one push.
pub const BATCH_ROWS_MAX: usize = 1_000;

/// Records on their way to Rampart. When it is full the newest give way: those that wait tell of the
/// beginning of the trouble.
#[derive(Debug)]
pub struct Queue {
    run: i64,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    rows: VecDeque<Row>,
    dropped: u64,
    batches: u64,
}

/// What is sent at once. Sent again, it is the same: key and body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Names this batch and no other.
    pub key: String,
    /// One JSON object a line.
    pub body: String,
    /// How many lines.
    pub rows: usize,
}

impl Queue {
    /// An empty queue. The start tells one run's batches from another's.
    pub fn new(started_at: Timestamp) -> Self {
        Queue {
            run: started_at.as_micros(),
            inside: Mutex::default(),
        }
    }

    /// Tells this run from others.
    pub fn run(&self) -> i64 {
        self.run
    }

    /// Adds a record, or counts it as dropped.
    pub fn push(&self, row: Row) {
        let mut inside = self.lock();
        if inside.rows.len() < QUEUE_ROWS_MAX {
            inside.rows.push_back(row);
        } else {
            inside.dropped += 1;
        }
    }

    /// Takes the oldest records, up to [`BATCH_ROWS_MAX`]; `None` when there are none.
    pub fn take_batch(&self) -> Option<Batch> {
        let (rows, number) = {
            let mut inside = self.lock();
            let count = inside.rows.len().min(BATCH_ROWS_MAX);
            let rows: Vec<Row> = inside.rows.drain(..count).collect();
            inside.batches += u64::from(count > 0);
            (rows, inside.batches)
        };
        let lines: Vec<String> = rows
            .iter()
            .filter_map(|row| serde_json::to_string(row).ok())
            .collect();
        (!lines.is_empty()).then(|| Batch {
            key: format!("demo-{:x}-{number}", self.run),
            rows: lines.len(),
            body: lines.join("\n") + "\n",
        })
    }

    /// Counts records that Rampart refused.
    pub fn drop_batch(&self, batch: &Batch) {
        self.lock().dropped += batch.rows as u64;
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.lock().rows.is_empty()
    }

    /// How many records were lost.
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
