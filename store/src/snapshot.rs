//! What one query sees: batches in memory and Parquet files, taken at one moment.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use model::Timestamp;

use crate::rollup::Rollups;
use crate::schema::Table;

/// One Parquet file of a table, with what is known without opening it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// How many rows it holds.
    pub rows: u64,
    /// The earliest time in it.
    pub from: Timestamp,
    /// The latest time in it (inclusive).
    pub to: Timestamp,
    /// Its path below the store's directory when it is in the second home only.
    pub away: Option<String>,
}

/// Every row exactly once, either in memory or in a file.
#[derive(Clone, Default)]
pub struct Snapshot {
    /// Rows that are durable but not yet in files.
    pub memory: HashMap<Table, Vec<RecordBatch>>,
    /// Files; they must stay while the snapshot lives.
    pub files: HashMap<Table, Vec<SnapshotFile>>,
    /// The live rollups, which go on counting while the snapshot stands still.
    pub rollups: Option<Arc<Rollups>>,
    /// Whatever keeps the files from being removed; dropped with the snapshot.
    pub lease: Option<Arc<dyn Any + Send + Sync>>,
}

impl Snapshot {
    /// The batches of a table that are in memory.
    pub fn memory_of(&self, table: Table) -> &[RecordBatch] {
        self.memory.get(&table).map_or(&[], Vec::as_slice)
    }

    /// The files of a table.
    pub fn files_of(&self, table: Table) -> &[SnapshotFile] {
        self.files.get(&table).map_or(&[], Vec::as_slice)
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = |table| {
            self.memory_of(table)
                .iter()
                .map(RecordBatch::num_rows)
                .sum::<usize>()
        };
        let mut parts = f.debug_struct("Snapshot");
        for table in Table::ALL {
            parts.field(table.name(), &(rows(table), self.files_of(table)));
        }
        parts.finish()
    }
}
