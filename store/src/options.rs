//! How a store is set up. Every limit is here, with its unit at the end of its name.

use std::path::PathBuf;
use std::time::Duration;

use crate::rollup::CountedLayers;
use crate::schema::Table;
use crate::second_home::SecondHome;
use crate::sql::QueryLimits;

/// When an acknowledged commit is on stable storage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// Before it is acknowledged. Nothing acknowledged is lost, not even by a power loss.
    #[default]
    Sync,
    /// Within [`Options::sync_interval`]. A power loss may take what was acknowledged since the last
    /// sync; a crash of the process alone takes nothing.
    Interval,
    /// When the kernel likes, at the latest when a segment of the log is closed. A power loss may take
    /// minutes; a crash of the process alone takes nothing.
    None,
}

/// How long rows stay. Whole hours are dropped once all their rows are older.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// For the table `invocations`.
    pub invocations: Duration,
    /// For the table `logs`.
    pub logs: Duration,
    /// For the table `samples`.
    pub samples: Duration,
    /// For the table `minutes`.
    pub minutes: Duration,
    /// For the table `loadtests`.
    pub loadtests: Duration,
}

impl Retention {
    /// How long rows of one table stay.
    pub fn of(&self, table: Table) -> Duration {
        match table {
            Table::Invocations => self.invocations,
            Table::Logs => self.logs,
            Table::Samples => self.samples,
            Table::Minutes => self.minutes,
            Table::Loadtests => self.loadtests,
        }
    }
}

impl Default for Retention {
    /// A week of invocations and samples, three days of logs, 400 days of minutes and
    /// of load tests.
    fn default() -> Self {
        const DAY: Duration = Duration::from_hours(24);
        Retention {
            invocations: 7 * DAY,
            logs: 3 * DAY,
            samples: 7 * DAY,
            minutes: 400 * DAY,
            loadtests: 400 * DAY,
        }
    }
}

/// How a store is set up; [`Options::new`] has the defaults.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where everything lies; made if absent.
    pub directory: PathBuf,
    /// When an acknowledged commit is on stable storage.
    pub durability: Durability,
    /// How often the log is synced under [`Durability::Interval`].
    pub sync_interval: Duration,
    /// What rows not yet in Parquet, senders' keys, queries, and writing and merging files may take
    /// together. Each has a share, see [`crate::Stats::memory`]; rollups are bounded by
    /// [`Options::rollup_series_max`] instead.
    pub memory_bytes_max: u64,
    /// How long rows stay.
    pub retention: Retention,
    /// Rows go to Parquet when the oldest in memory is this old.
    pub flush_after: Duration,
    /// Rows go to Parquet when they take this much memory.
    pub flush_bytes: u64,
    /// How long the first of a group of commits waits for others to share a sync with.
    pub commit_window: Duration,
    /// A group this large does not wait any longer.
    pub commit_bytes: usize,
    /// Rows that may wait for the log; beyond it commits are refused.
    pub queue_rows_max: usize,
    /// Bytes of ingest's share that may wait for the log; beyond it commits are refused.
    pub queue_bytes_max: usize,
    /// A segment of the log is closed at this size.
    pub segment_bytes_max: u64,
    /// Segments whose rows are all in Parquet are kept for rollups up to this size.
    pub wal_keep_bytes_max: u64,
    /// While the log as a whole is no longer than this, it is kept for six hours, so that counts per ten
    /// seconds survive a restart; each 100 MB take about a second to read.
    pub wal_hours_bytes_max: u64,
    /// With less free space than this commits are refused, so that the disk never becomes full. Rows
    /// accepted before still go to files down to half of it; what is below is left to alerting.
    pub disk_free_bytes_min: u64,
    /// Files that were merged into others stay on disk this long after the last query that reads them. Until
    /// they go, whoever reads the folder by itself sees their rows twice.
    pub merged_files_kept: Duration,
    /// How long a sender's key is remembered.
    pub idempotency_window: Duration,
    /// How many senders' keys are remembered.
    pub idempotency_keys_max: usize,
    /// Where closed hours go besides.
    pub second_home: Option<SecondHome>,
    /// How many series the rollups tell apart.
    pub rollup_series_max: usize,
    /// Which layer's rows are the calls of a function, where it is not the outermost seen.
    pub counted_layers: CountedLayers,
    /// What a query may take when it brings no limits of its own.
    pub query: QueryLimits,
}

impl Options {
    /// The defaults, for a store in `directory`.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Options {
            directory: directory.into(),
            durability: Durability::Sync,
            sync_interval: Duration::from_secs(1),
            memory_bytes_max: 2 << 30,
            retention: Retention::default(),
            flush_after: Duration::from_mins(5),
            flush_bytes: 128 << 20,
            commit_window: Duration::from_millis(5),
            commit_bytes: 1 << 20,
            queue_rows_max: 2_000_000,
            queue_bytes_max: 256 << 20,
            segment_bytes_max: 64 << 20,
            wal_keep_bytes_max: 1 << 30,
            wal_hours_bytes_max: 256 << 20,
            disk_free_bytes_min: 64 << 20,
            merged_files_kept: Duration::ZERO,
            idempotency_window: Duration::from_mins(10),
            idempotency_keys_max: 100_000,
            second_home: None,
            rollup_series_max: crate::rollup::SERIES_MAX,
            counted_layers: CountedLayers::default(),
            query: QueryLimits::default(),
        }
    }
}
