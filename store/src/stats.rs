//! What the store holds, for the page `/system` and `store stats`.

use std::collections::BTreeMap;

use model::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::budget::ShareStats;
use crate::recovery::Found;
use crate::rollup::RollupStats;
use crate::second_home::SecondHomeStats;

/// One table's sizes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct TableStats {
    /// Rows that are in memory and in the log, not yet in Parquet.
    pub memory_rows: u64,
    /// Rows in Parquet.
    pub file_rows: u64,
    /// Bytes of Parquet.
    pub file_bytes: u64,
    /// Parquet files.
    pub files: u64,
}

/// What the store holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Stats {
    /// Whether it accepts commits.
    pub healthy: bool,
    /// Why it does not.
    pub stopped_because: Option<String>,
    /// The last visible commit.
    pub sequence: u64,
    /// The last commit that is in Parquet.
    pub flushed_sequence: u64,
    /// Rows on their way to the log.
    pub queue_rows: u64,
    /// Bytes on their way to the log.
    pub queue_bytes: u64,
    /// Memory that rows not yet in Parquet take.
    pub memory_bytes: u64,
    /// The most they may take, those on their way to the log included.
    pub memory_bytes_max: u64,
    /// The memory budget by share: `ingest`, `keys`, `query`, `compaction`.
    pub memory: BTreeMap<&'static str, ShareStats>,
    /// Segments of the write-ahead log.
    pub wal_segments: u64,
    /// Their bytes.
    pub wal_bytes: u64,
    /// Per table.
    pub tables: BTreeMap<&'static str, TableStats>,
    /// The second home; absent when there is none.
    pub second_home: Option<SecondHomeStats>,
    /// What the start found.
    pub found: Found,
    /// The rollups.
    pub rollups: RollupStats,
    /// When rows last went to Parquet since the start.
    pub last_flush: Option<Timestamp>,
}

impl Stats {
    /// Rows of one table, wherever they are.
    pub fn rows(&self, table: crate::Table) -> u64 {
        self.tables
            .get(table.name())
            .map_or(0, |table| table.memory_rows + table.file_rows)
    }
}
