//! What the store tells an operator: log line and counter together.

use std::collections::BTreeMap;
use std::path::Path;

use metrics::{counter, gauge};
use tracing::{error, info, warn};

use crate::budget::ShareStats;

/// The newest segment of the log ended in the middle of a record, as after a power loss.
pub(crate) fn wal_torn(path: &Path, at: u64) {
    counter!("rampart_store_wal_torn_total").increment(1);
    warn!(path = %path.display(), at, "cut off the end of the write-ahead log; an unfinished record was never acknowledged, a damaged one may have been");
}

/// A segment of the log is damaged before its end.
pub(crate) fn wal_damaged(path: &Path, at: u64, reason: &str) {
    counter!("rampart_store_quarantined_total").increment(1);
    error!(path = %path.display(), at, reason, "the write-ahead log is damaged; the rest of this segment was copied to quarantine/");
}

/// A file does not hold what was written to it.
pub(crate) fn file_damaged(path: &Path, rows: u64) {
    counter!("rampart_store_quarantined_total").increment(1);
    error!(path = %path.display(), rows, "a Parquet file is damaged; it was moved to quarantine/ and its rows are not answered with any more");
}

/// A file does not read back.
pub(crate) fn file_unreadable(path: &Path, error: &std::io::Error) {
    counter!("rampart_store_files_unreadable_total").increment(1);
    warn!(path = %path.display(), %error, "a Parquet file cannot be read back; it is tried again");
}

/// A header does not say what it should; the records behind it are read all the same.
pub(crate) fn header_damaged(path: &Path) {
    counter!("rampart_store_headers_damaged_total").increment(1);
    warn!(path = %path.display(), "the header of this file is damaged");
}

/// The manifest does not read to its end.
pub(crate) fn manifest_damaged(path: &Path, at: u64) {
    counter!("rampart_store_manifest_damaged_total").increment(1);
    error!(path = %path.display(), at, "the manifest is damaged; going on with what precedes the damage");
}

/// The manifest's checkpoint does not read, its other copy does.
pub(crate) fn checkpoint_restored(path: &Path) {
    counter!("rampart_store_checkpoints_restored_total").increment(1);
    warn!(path = %path.display(), "read the manifest's checkpoint from its second copy");
}

/// The manifest was not written anew at the start, for want of space.
pub(crate) fn manifest_not_rewritten() {
    counter!("rampart_store_manifest_not_rewritten_total").increment(1);
    warn!(
        "the disk is full; going on with the manifest as it is, and nothing is accepted until there is room"
    );
}

/// The files of an hour could not be merged; they stay as they are.
pub(crate) fn merge_failed(table: &'static str, hour: i64, reason: &str) {
    counter!("rampart_store_compactions_failed_total").increment(1);
    warn!(
        table,
        hour, reason, "could not merge the files of an hour; trying again later"
    );
}

/// Retention waits, or goes by a clock of its own, because the wall clock is not believed.
pub(crate) fn clock_doubted(reason: &'static str, ahead_seconds: u64) {
    counter!("rampart_store_clock_doubted_total", "reason" => reason).increment(1);
    warn!(
        reason,
        ahead_seconds,
        "the wall clock is ahead of what it should be; nothing is dropped on its word"
    );
}

/// A Parquet file is not in the manifest, or not as the manifest says.
pub(crate) fn file_set_aside(path: &Path, reason: &str, kept: bool) {
    counter!("rampart_store_files_set_aside_total").increment(1);
    if kept {
        error!(path = %path.display(), reason, "moved a Parquet file to quarantine/");
    } else {
        info!(path = %path.display(), reason, "removed a leftover file");
    }
}

/// A file the manifest names is gone.
pub(crate) fn file_missing(path: &Path) {
    counter!("rampart_store_files_missing_total").increment(1);
    error!(path = %path.display(), "a Parquet file of the manifest is missing; its rows are lost");
}

/// The log was read back at a start.
pub(crate) fn replayed(records: u64, rows: u64, sequence: u64) {
    counter!("rampart_store_rows_replayed_total").increment(rows);
    info!(records, rows, sequence, "read the write-ahead log");
}

/// Rows became durable and visible.
pub(crate) fn committed(commits: u64, rows: u64, bytes: u64) {
    counter!("rampart_store_commits_total").increment(commits);
    counter!("rampart_store_rows_total").increment(rows);
    counter!("rampart_store_wal_bytes_total").increment(bytes);
    counter!("rampart_store_groups_total").increment(1);
}

/// A commit was turned away because a limit was reached.
pub(crate) fn refused(reason: &'static str) {
    counter!("rampart_store_refused_total", "reason" => reason).increment(1);
}

/// What the shares of the memory budget take.
pub(crate) fn memory(shares: &BTreeMap<&'static str, ShareStats>) {
    for (share, stats) in shares {
        gauge!("rampart_store_memory_bytes", "share" => *share).set(stats.bytes as f64);
        gauge!("rampart_store_memory_bytes_max", "share" => *share).set(stats.bytes_max as f64);
        gauge!("rampart_store_memory_peak_bytes", "share" => *share).set(stats.peak_bytes as f64);
        counter!("rampart_store_memory_refused_total", "share" => *share).absolute(stats.refused);
    }
}

/// The store stops accepting for good.
pub(crate) fn broken(reason: &str) {
    counter!("rampart_store_broken_total").increment(1);
    error!(
        reason,
        "the store stops accepting: what the disk holds is not certain any more; restart after checking the disk"
    );
}

/// Rows moved from memory to Parquet.
pub(crate) fn flushed(sequence: u64, rows: u64, files: usize, bytes: u64) {
    counter!("rampart_store_flushes_total").increment(1);
    counter!("rampart_store_flushed_rows_total").increment(rows);
    info!(sequence, rows, files, bytes, "wrote rows to Parquet");
}

/// A flush did not work and will be tried again; the rows stay in memory and in the log.
pub(crate) fn flush_failed(reason: &str) {
    counter!("rampart_store_flushes_failed_total").increment(1);
    warn!(reason, "could not write rows to Parquet; trying again");
}

/// Partitions reached the end of their retention.
pub(crate) fn expired(files: usize, rows: u64) {
    counter!("rampart_store_expired_rows_total").increment(rows);
    info!(files, rows, "dropped what is past its retention");
}

/// Rows were past their retention before they reached Parquet.
pub(crate) fn expired_unwritten(rows: u64) {
    counter!("rampart_store_expired_rows_total").increment(rows);
}

/// Small files of one hour became one.
pub(crate) fn compacted(files: usize, rows: u64, bytes: u64) {
    counter!("rampart_store_compactions_total").increment(1);
    info!(files, rows, bytes, "merged the files of an hour");
}

/// A file that is not needed any more could not be removed.
pub(crate) fn removal_failed(path: &Path, error: &std::io::Error) {
    counter!("rampart_store_removals_failed_total").increment(1);
    warn!(path = %path.display(), %error, "could not remove a file that is not needed any more");
}

/// A file that is in both its places was not on the disk at the start.
pub(crate) fn local_copy_missing(path: &Path) {
    counter!("rampart_store_local_copies_missing_total").increment(1);
    warn!(path = %path.display(), "a file is missing on this disk; its rows are read from the second home");
}

/// Local copies were let go of.
pub(crate) fn left_to_second_home(files: usize) {
    counter!("rampart_store_files_left_to_second_home_total").increment(files as u64);
    info!(
        files,
        "removed local copies of files that the second home has"
    );
}

/// Files could not be moved.
pub(crate) fn move_failed(home: &str, error: &str) {
    counter!("rampart_store_moves_failed_total").increment(1);
    warn!(
        home,
        error,
        "closed hours cannot be moved to their second home; they stay here, and it is tried again"
    );
}
