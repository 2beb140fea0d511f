//! Rows from memory to Parquet. The order of the steps is what makes each row visible exactly once
//! whatever fails in between: set apart, write and sync files, record them in the manifest, show them
//! instead of memory, and only then let go of the log.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow::array::RecordBatch;
use model::{SharedClock, Timestamp};

use crate::budget::{Budget, Held};
use crate::catalogue::{Catalogue, Frozen};
use crate::commit::Health;
use crate::events;
use crate::format::FormatVersion;
use crate::fs::{Fs, Lock, is_full};
use crate::idempotency::Ledger;
use crate::journal::AppendError;
use crate::manifest::{Edit, Manifest, TableFile};
use crate::minutes::minute_rows;
use crate::options::Retention;
use crate::partition::{Arranged, PartitionError, ROW_GROUP_BYTES_MAX, Target};
use crate::retention::{ClockWatch, is_expired};
use crate::rollup::{AHEAD_SECONDS, BACK_SECONDS, Rollups, TENS_SECONDS};
use crate::schema::Table;
use crate::second_home::{Pace, SecondHome};
use crate::wal::{Kept, Segments};

/// The log is kept this long so that a start can rebuild the counts per second: they reach back a
/// quarter of an hour, and hold calls that complete up to [`AHEAD_SECONDS`] after their commit.
const SECONDS_HORIZON: Duration =
    Duration::from_secs((BACK_SECONDS + AHEAD_SECONDS).unsigned_abs());
/// The same for counts per ten seconds; for them it is kept only while it is short.
pub(crate) const LOG_HORIZON: Duration =
    Duration::from_secs((TENS_SECONDS + AHEAD_SECONDS).unsigned_abs());

/// Why rows stay in memory. They are in the log as well, and a later flush tries again.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FlushError {
    /// The disk is full.
    #[error("the disk is full, free some space or shorten the retention")]
    Full,
    /// The disk failed; the store has stopped.
    #[error("the store has stopped accepting: {0}")]
    Storage(String),
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
    /// The rows could not be written as Parquet.
    #[error("{0}")]
    Rows(String),
}

/// Writes files, and is the only one that edits the manifest.
pub(crate) struct Flusher {
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) clock: SharedClock,
    pub(crate) directory: PathBuf,
    /// The directory's version, in which files are written.
    pub(crate) version: FormatVersion,
    pub(crate) retention: Retention,
    pub(crate) wal_keep_bytes_max: u64,
    pub(crate) wal_hours_bytes_max: u64,
    pub(crate) disk_free_bytes_min: u64,
    pub(crate) merged_files_kept: Duration,
    pub(crate) budget: Budget,
    pub(crate) catalogue: Arc<Catalogue>,
    /// They know which layers of a function count.
    pub(crate) rollups: Arc<Rollups>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) health: Arc<Health>,
    pub(crate) segments: Segments,
    pub(crate) manifest: Mutex<Manifest>,
    /// Tells files apart that have the same sequence number: those of one flush, of its repetitions,
    /// and merged ones. No number of a file there is comes again.
    pub(crate) file_number: AtomicU64,
    pub(crate) last_flush: Mutex<Option<Timestamp>>,
    /// Set, under the manifest's lock, when the directory may not be touched any more.
    pub(crate) closed: AtomicBool,
    /// What retention thinks of the wall clock.
    pub(crate) clock_watch: Mutex<ClockWatch>,
    /// Keeps the directory locked for as long as files may be written; `None` once the store is closed.
    pub(crate) lock: Mutex<Option<Arc<dyn Lock>>>,
    /// Held while files are merged: one merge at a time, and none is left behind when the store closes.
    /// Taken before the manifest, never after it.
    pub(crate) merging: Mutex<()>,
    /// Hours whose merge failed, and from when on, in monotonic time, it is tried again.
    pub(crate) postponed: Mutex<HashMap<(Table, i64), Duration>>,
    /// Files that were read back since the start.
    pub(crate) scrubbed: Mutex<BTreeSet<String>>,
    /// Where closed hours go.
    pub(crate) home: Option<SecondHome>,
    /// When they go.
    pub(crate) pace: Mutex<Pace>,
    /// Objects that are to be removed there.
    pub(crate) leaving_objects: AtomicU64,
}

impl Flusher {
    /// Moves everything visible in memory to Parquet. `false` when there was nothing to move.
    pub(crate) fn flush(&self) -> Result<bool, FlushError> {
        let mut manifest = self.manifest();
        self.check_health()?;
        let Some(frozen) = self.catalogue.freeze() else {
            return Ok(false);
        };
        let files = self.write_files(&frozen)?;
        let edit = Edit {
            added: files.clone(),
            flushed: Some(frozen.sequence),
            positions: frozen.positions.clone(),
            keys: self
                .ledger
                .between(manifest.state().flushed, frozen.sequence),
            ..Edit::default()
        };
        self.record(&mut manifest, edit)?;
        self.report(&frozen, &files);
        let growth = self.catalogue.replace_frozen(frozen.sequence, files);
        self.budget.ingest.exchange(0, growth);
        self.remove_segments(frozen.sequence);
        Ok(true)
    }

    /// The manifest; holding it is what keeps flush, retention and compaction apart.
    pub(crate) fn manifest(&self) -> MutexGuard<'_, Manifest> {
        self.manifest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether files may be written; asked with the manifest in hand.
    pub(crate) fn check_health(&self) -> Result<(), FlushError> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(FlushError::Closed);
        }
        match self.health.reason() {
            None => Ok(()),
            Some(reason) => Err(FlushError::Storage(reason.to_string())),
        }
    }

    fn write_files(&self, frozen: &Frozen) -> Result<Vec<TableFile>, FlushError> {
        let mut files = Vec::new();
        let mut minutes = Vec::new();
        for table in [
            Table::Invocations,
            Table::Logs,
            Table::Samples,
            Table::Loadtests,
        ] {
            let rows = frozen.rows.rows(table);
            self.write_table(table, rows, frozen.sequence, &mut files, |written| {
                if table == Table::Invocations {
                    minutes.push(minute_rows(written, &self.rollups));
                }
            })?;
        }
        self.write_table(
            Table::Minutes,
            &minutes,
            frozen.sequence,
            &mut files,
            |_| {},
        )?;
        Ok(files)
    }

    /// Writes rows of one table, one file per hour. On an error nothing new is left behind.
    fn write_table<'a>(
        &self,
        table: Table,
        rows: impl IntoIterator<Item = &'a RecordBatch>,
        sequence: u64,
        files: &mut Vec<TableFile>,
        mut each: impl FnMut(&RecordBatch),
    ) -> Result<(), FlushError> {
        let now = self.retention_now();
        let arranged =
            Arranged::new(table, rows).map_err(|error| self.give_up(error.into(), files))?;
        // Rows leave memory this way only, so this does not wait for room; merges leave it some.
        let mut scratch = Held::none(&self.budget.compaction);
        scratch.grow(arranged.bytes());
        for (hour, count) in arranged.hours() {
            if now.is_some_and(|now| is_expired(hour, self.retention.of(table), now)) {
                arranged.chunks(hour).flatten().for_each(|rows| each(&rows));
                events::expired_unwritten(count);
                continue;
            }
            let chunks = arranged.chunks(hour);
            let row_group =
                ROW_GROUP_BYTES_MAX.min(self.budget.compaction.bytes_max() as usize / 4);
            match self.write_hour(table, hour, sequence, row_group, chunks, &mut each) {
                Ok(file) => files.push(file),
                Err(error) => return Err(self.give_up(error, files)),
            }
        }
        Ok(())
    }

    /// Writes one file of one hour under a name of its own.
    pub(crate) fn write_hour(
        &self,
        table: Table,
        hour: i64,
        sequence: u64,
        row_group_bytes_max: usize,
        rows: impl Iterator<Item = Result<RecordBatch, arrow::error::ArrowError>>,
        each: impl FnMut(&RecordBatch),
    ) -> Result<TableFile, PartitionError> {
        let number = self.file_number.fetch_add(1, Ordering::Relaxed);
        let target = Target {
            fs: self.fs.as_ref(),
            root: &self.directory,
            version: self.version,
            table,
            hour,
            name: &format!("{sequence:020}-{number}"),
            disk_free_bytes_min: self.disk_reserve_bytes(),
            row_group_bytes_max,
        };
        target.write(rows, each)
    }

    /// Free space that files never take: alerting's.
    pub(crate) fn disk_reserve_bytes(&self) -> u64 {
        self.disk_free_bytes_min / 2
    }

    /// Records an edit durably. On a full disk the files it adds are removed.
    pub(crate) fn record(&self, manifest: &mut Manifest, edit: Edit) -> Result<(), FlushError> {
        let added: Vec<TableFile> = edit.added.clone();
        let recorded = self.record_move(manifest, edit);
        if matches!(recorded, Err(FlushError::Full)) {
            self.remove_files(&added);
        }
        recorded
    }

    /// Records durably where files are that were there before.
    pub(crate) fn record_move(
        &self,
        manifest: &mut Manifest,
        edit: Edit,
    ) -> Result<(), FlushError> {
        match manifest.commit(edit) {
            Ok(()) => {}
            Err(AppendError::Full) => return Err(FlushError::Full),
            Err(AppendError::Broken(error)) => {
                return Err(self.stop(&format!("cannot write the manifest: {error}")));
            }
        }
        let leaving = manifest.state().leaving.len() as u64;
        self.leaving_objects.store(leaving, Ordering::Relaxed);
        let keys_from = self.clock.now() - self.ledger.window();
        manifest
            .shorten(keys_from)
            .map_err(|error| self.stop(&format!("cannot rewrite the manifest: {error}")))
    }

    /// What a failed write means: a full disk passes, a broken one does not.
    pub(crate) fn give_up(&self, error: PartitionError, written: &[TableFile]) -> FlushError {
        self.remove_files(written);
        match error.io() {
            Some(io) if is_full(io) => FlushError::Full,
            Some(_) => self.stop(&format!("cannot write rows to a file: {error}")),
            None => FlushError::Rows(error.to_string()),
        }
    }

    fn stop(&self, reason: &str) -> FlushError {
        FlushError::Storage(self.health.break_down(reason).to_string())
    }

    pub(crate) fn remove_files(&self, files: &[TableFile]) {
        for file in files {
            remove(self.fs.as_ref(), &self.directory.join(&file.path));
        }
    }

    fn report(&self, frozen: &Frozen, files: &[TableFile]) {
        let rows = files.iter().filter(|file| file.table != Table::Minutes);
        events::flushed(
            frozen.sequence,
            rows.map(|file| file.rows).sum(),
            files.len(),
            files.iter().map(|file| file.bytes).sum(),
        );
        let mut last_flush = self
            .last_flush
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *last_flush = Some(self.clock.now());
    }

    /// Lets go of segments that are in files and too old for rollups.
    pub(crate) fn remove_segments(&self, flushed: u64) {
        let now = self.clock.now();
        let kept = [
            Kept {
                from: now - SECONDS_HORIZON,
                bytes_max: self.wal_keep_bytes_max,
            },
            Kept {
                from: now - LOG_HORIZON,
                bytes_max: self.wal_hours_bytes_max,
            },
        ];
        let removed = self
            .segments
            .remove_flushed(self.fs.as_ref(), flushed, &kept);
        if let Err(error) = removed {
            events::removal_failed(&self.directory, &error);
        }
    }
}

/// Removes a file nobody needs; one that stays is an orphan that the next start removes.
pub(crate) fn remove(fs: &dyn Fs, path: &Path) {
    if let Err(error) = fs.remove(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        events::removal_failed(path, &error);
    }
}
