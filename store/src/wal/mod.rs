//! The write-ahead log: what is acknowledged lies here until it lies in Parquet.
//!
//! `wal/NNNNNNNNNNNNNNNNNNNN.wal`, named by the first sequence number inside. A segment is made durable
//! (content, then name) before a record in it is acknowledged, and its predecessor is synced before that,
//! so only the newest segment can have a torn end.

mod record;
mod replay;
mod segment;

pub(crate) use record::{Record, decode, encode};
pub(crate) use replay::{ReplayError, replay};
pub(crate) use segment::{Group, Kept, MAGIC, SegmentWriter, Segments, WalError, first_of};

/// Encodes a batch as the log stores it, without its sequence number: what a committer does before it
/// queues. Exposed for benchmarks.
#[doc(hidden)]
pub fn encode_for_measurement(batch: &crate::Batch) -> Result<Vec<u8>, arrow::error::ArrowError> {
    encode(batch)
}
