//! Committed rows that are not in Parquet yet.

use std::collections::BTreeMap;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;

use crate::schema::Table;

/// Batches are merged while the result stays within these, so that a query meets few of them.
const MERGE_ROWS_MAX: usize = 16_384;
const MERGE_BYTES_MAX: usize = 16 << 20;

#[derive(Clone, Debug)]
struct Chunk {
    rows: RecordBatch,
    bytes: usize,
}

/// Rows per table, in the order of their commits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memtable {
    tables: BTreeMap<Table, Vec<Chunk>>,
    bytes: usize,
    began: Option<Duration>,
}

impl Memtable {
    /// Notes a commit at this monotonic time; one without rows has positions to be kept too.
    pub(crate) fn begin(&mut self, elapsed: Duration) {
        self.began.get_or_insert(elapsed);
    }

    /// Adds rows.
    pub(crate) fn push(&mut self, table: Table, rows: RecordBatch) {
        if rows.num_rows() == 0 {
            return;
        }
        let chunks = self.tables.entry(table).or_default();
        let mut newest = Chunk::new(rows);
        self.bytes += newest.bytes;
        // Only neighbours of like size are merged, so every row is copied a logarithmic number of
        // times however small the commits are.
        while let Some(before) = chunks.pop_if(|before| before.merges_with(&newest)) {
            let Ok(merged) = concat_batches(before.rows.schema_ref(), [&before.rows, &newest.rows])
            else {
                chunks.push(before);
                break;
            };
            self.bytes -= before.bytes + newest.bytes;
            newest = Chunk::new(merged);
            self.bytes += newest.bytes;
        }
        chunks.push(newest);
    }

    /// The batches of one table.
    pub(crate) fn rows(&self, table: Table) -> impl Iterator<Item = &RecordBatch> {
        self.tables
            .get(&table)
            .into_iter()
            .flatten()
            .map(|chunk| &chunk.rows)
    }

    /// How many rows one table has.
    pub(crate) fn row_count(&self, table: Table) -> u64 {
        self.rows(table).map(|rows| rows.num_rows() as u64).sum()
    }

    /// Memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Monotonic time of its first commit; `None` when it has none.
    pub(crate) fn began(&self) -> Option<Duration> {
        self.began
    }
}

impl Chunk {
    fn new(rows: RecordBatch) -> Self {
        let bytes = rows.get_array_memory_size();
        Chunk { rows, bytes }
    }

    fn merges_with(&self, next: &Chunk) -> bool {
        let (before, after) = (self.rows.num_rows(), next.rows.num_rows());
        before <= 2 * after
            && before + after <= MERGE_ROWS_MAX
            && self.bytes + next.bytes <= MERGE_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, UInt64Array};
    use arrow::datatypes::UInt64Type;

    use super::*;

    fn numbers(from: u64, count: u64) -> RecordBatch {
        let column: ArrayRef = Arc::new(UInt64Array::from_iter_values(from..from + count));
        RecordBatch::try_from_iter([("n", column)]).unwrap()
    }

    #[test]
    fn many_small_commits_become_few_batches_in_order() {
        let mut memtable = Memtable::default();
        for n in 0..50_000 {
            memtable.begin(Duration::from_secs(n));
            memtable.push(Table::Samples, numbers(n, 1));
        }
        let batches: Vec<_> = memtable.rows(Table::Samples).collect();
        assert!(batches.len() < 24, "{} batches", batches.len());
        let all: Vec<u64> = batches
            .iter()
            .flat_map(|batch| {
                batch
                    .column(0)
                    .as_primitive::<UInt64Type>()
                    .values()
                    .to_vec()
            })
            .collect();
        assert_eq!(all, (0..50_000).collect::<Vec<_>>());
        assert_eq!(memtable.began(), Some(Duration::ZERO));
        let counted: usize = batches.iter().map(|b| b.get_array_memory_size()).sum();
        assert_eq!(memtable.bytes(), counted);
    }

    #[test]
    fn large_batches_are_left_alone() {
        let mut memtable = Memtable::default();
        for n in 0..3 {
            memtable.push(Table::Logs, numbers(n * 10_000, 10_000));
        }
        assert_eq!(memtable.rows(Table::Logs).count(), 3);
        assert_eq!(memtable.row_count(Table::Logs), 30_000);
        assert_eq!(memtable.row_count(Table::Samples), 0);
    }
}
