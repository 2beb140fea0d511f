//! What is committed together: rows of several tables, where they came from, and the sender's key.

use arrow::array::{Array, RecordBatch};
use arrow::compute::interleave_record_batch;

use crate::schema::Table;

/// How far a source has been read; committed with the rows it describes, so that neither is ever
/// durable without the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Which source, such as `kafka:fc:requests:3`.
    pub source: String,
    /// Where reading goes on; the source's own notation.
    pub value: String,
}

/// A sender's key and the answer it got, so that a retry gets the same answer and counts nothing twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// Chosen by the sender; unique for one batch.
    pub key: String,
    /// What the first delivery was answered.
    pub answer: String,
}

impl Idempotency {
    /// The longest key taken, in bytes.
    pub const KEY_BYTES_MAX: usize = 512;
    /// The longest answer kept, in bytes.
    pub const ANSWER_BYTES_MAX: usize = 64 << 10;
}

/// Rows that become durable and visible together, or not at all.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Rows of `invocations`, as [`crate::InvocationRows`] makes them.
    pub invocations: Option<RecordBatch>,
    /// Rows of `logs`, as [`crate::LogRows`] makes them.
    pub logs: Option<RecordBatch>,
    /// Rows of `samples`, as [`crate::SampleRows`] makes them.
    pub samples: Option<RecordBatch>,
    /// Rows of `loadtests`, as [`crate::LoadtestRows`] makes them.
    pub loadtests: Option<RecordBatch>,
    /// How far their sources have been read with these rows.
    pub positions: Vec<Position>,
    /// The sender's key, if it sent one.
    pub idempotency: Option<Idempotency>,
}

impl Batch {
    /// The tables that have rows here.
    pub(crate) fn tables(&self) -> impl Iterator<Item = (Table, &RecordBatch)> {
        [
            (Table::Invocations, &self.invocations),
            (Table::Logs, &self.logs),
            (Table::Samples, &self.samples),
            (Table::Loadtests, &self.loadtests),
        ]
        .into_iter()
        .filter_map(|(table, rows)| {
            Some((table, rows.as_ref().filter(|rows| rows.num_rows() > 0)?))
        })
    }

    /// Sets the rows of one table; `minutes` is derived and never committed.
    pub(crate) fn set(&mut self, table: Table, rows: RecordBatch) {
        match table {
            Table::Invocations => self.invocations = Some(rows),
            Table::Logs => self.logs = Some(rows),
            Table::Samples => self.samples = Some(rows),
            Table::Loadtests => self.loadtests = Some(rows),
            Table::Minutes => {}
        }
    }

    /// How many rows in all tables.
    pub(crate) fn rows(&self) -> usize {
        self.tables().map(|(_, rows)| rows.num_rows()).sum()
    }

    /// Memory the rows take, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.tables()
            .map(|(_, rows)| rows.get_array_memory_size())
            .sum()
    }

    /// Gives rows that were read from one piece of memory, which counts in full for each column, memory
    /// of their own.
    pub(crate) fn own_memory(&mut self) {
        let copied: Vec<_> = self
            .tables()
            .filter_map(|(table, rows)| {
                let columns = rows.columns().iter();
                let needed: usize = columns
                    .filter_map(|column| column.to_data().get_slice_memory_size().ok())
                    .sum();
                if rows.get_array_memory_size() <= 2 * needed {
                    return None;
                }
                let places: Vec<_> = (0..rows.num_rows()).map(|row| (0, row)).collect();
                let rows = interleave_record_batch(&[rows], &places).ok()?;
                Some((table, rows))
            })
            .collect();
        for (table, rows) in copied {
            self.set(table, rows);
        }
    }

    /// Whether there is nothing to remember.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows() == 0 && self.positions.is_empty() && self.idempotency.is_none()
    }
}
