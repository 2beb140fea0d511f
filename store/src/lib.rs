//! Everything Rampart remembers about calls: rows, counts per second, history, and SQL over them.
//!
//! Owns: the tables, the write-ahead log, memory and Parquet, rollups, retention, the memory budget.
//! Never: knows a rule, a socket or an alert.
//! Entry point: [`Store::open`], then [`Store::commit`], [`Store::rollups`], [`Store::query`].

mod batch;
mod budget;
mod catalogue;
mod commit;
mod committer;
mod compact;
mod events;
mod file_rows;
mod flush;
mod format;
pub mod fs;
mod idempotency;
mod journal;
mod lexicon;
mod maintenance;
mod manifest;
mod memtable;
mod merge;
mod minutes;
mod options;
mod order;
mod partition;
mod past;
mod recovery;
mod retention;
pub mod rollup;
mod rows;
mod schema;
mod scrub;
mod second_home;
mod snapshot;
pub mod sql;
mod stats;
mod store;
pub mod upkeep;
mod wal;

pub use batch::{Batch, Idempotency, Position};
pub use budget::ShareStats;
pub use commit::{CommitError, Committed, Deltas};
pub use flush::FlushError;
pub use format::FormatVersion;
pub use minutes::{minute_rows, sum_minutes};
pub use options::{Durability, Options, Retention};
pub use past::Completed;
pub use recovery::{Found, OpenError};
pub use rollup::{
    Counted, CountedLayers, Counts, Delta, Dimension, Followed, Follower, FunctionSeen, Group,
    Layer, RollupStats, Rollups, Selection, SeriesKey, Sketch, Tally, Timed, TopDimension,
};
pub use rows::intern::{CodeTable, hash_seed, hash_text};
pub use rows::{
    Invocation, InvocationRows, Loadtest, LoadtestRows, LogLine, LogRows, Sample, SampleRows,
    series_id,
};
pub use schema::{SchemaError, Table};
pub use second_home::{MoveError, Moved, S3, SecondHome, SecondHomeError, SecondHomeStats};
pub use snapshot::{Snapshot, SnapshotFile};
pub use sql::{AnswerFormat, QueryAnswer, QueryEngine, QueryError, QueryLimits};
pub use stats::{Stats, TableStats};
pub use store::Store;
#[doc(hidden)]
pub use wal::encode_for_measurement;
