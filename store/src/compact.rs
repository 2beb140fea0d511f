//! Many small files of one hour become one, so that queries open few files and texts compress well.
//!
//! Files are sorted, so merging them needs a few rows of each in memory, however large the hour is. While
//! a merge runs nothing is locked: rows are flushed and hours expire beside it.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use model::Timestamp;

use crate::budget::Held;
use crate::catalogue::by_partition;
use crate::events;
use crate::file_rows::{FileRows, OpenFile};
use crate::flush::{FlushError, Flusher};
use crate::manifest::{Edit, TableFile};
use crate::merge::{self, Merge};
use crate::partition::{PartitionError, ROW_GROUP_BYTES_MAX, end_of};
use crate::schema::Table;
use crate::second_home::objects_of;

/// An hour is merged for good this long after its end, when late rows have mostly come.
const SETTLED_AFTER: Duration = Duration::from_mins(15);
/// An hour that is still growing is merged when it has this many small files.
const OPEN_FILES_MAX: usize = 16;
/// What one merge reads and writes at most, in bytes of Parquet. Files of more than half of it stay as
/// they are: a query spreads over its threads file by file.
const MERGE_BYTES_MAX: u64 = 512 << 20;
/// How many files one merge has open.
const MERGE_FILES_MAX: usize = 256;

/// An hour whose merge failed is left alone this long.
const RETRY_AFTER: Duration = Duration::from_mins(30);

/// Which files of one hour to merge now; fewer than two means none.
pub(crate) fn choose(files: &[Arc<TableFile>], now: Timestamp) -> Vec<Arc<TableFile>> {
    let mut small: Vec<_> = files
        .iter()
        .filter(|file| file.bytes <= MERGE_BYTES_MAX / 2)
        .cloned()
        .collect();
    let settled = files
        .first()
        .is_some_and(|file| end_of(file.hour) + SETTLED_AFTER < now);
    if small.len() < 2 || (!settled && small.len() < OPEN_FILES_MAX) {
        return Vec::new();
    }
    small.sort_by_key(|file| (file.bytes, file.path.clone()));
    small.truncate(MERGE_FILES_MAX);
    let mut bytes = 0;
    small.retain(|file| {
        bytes += file.bytes;
        bytes <= MERGE_BYTES_MAX
    });
    small
}

/// Files of one hour that are to become one.
struct Job {
    table: Table,
    hour: i64,
    files: Vec<Arc<TableFile>>,
    /// The last commit in files when they were chosen.
    sequence: u64,
}

impl Flusher {
    /// Merges the files of one hour, if any hour needs it. `false` when none does. An hour whose merge
    /// fails waits, the others go on.
    pub(crate) fn compact(&self) -> Result<bool, FlushError> {
        let _alone = self.merging.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(job) = self.next_job()? else {
            return Ok(false);
        };
        let done = self.replace_by_merged(&job);
        if let Err(error) = &done
            && !matches!(error, FlushError::Closed)
        {
            events::merge_failed(job.table.name(), job.hour, &error.to_string());
            let until = self.clock.elapsed() + RETRY_AFTER;
            self.postponed().insert((job.table, job.hour), until);
        }
        match done {
            // Concerns this hour only.
            Err(FlushError::Rows(_)) => Ok(true),
            done => done.map(|()| true),
        }
    }

    fn postponed(&self) -> MutexGuard<'_, HashMap<(Table, i64), Duration>> {
        self.postponed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The oldest hour that needs merging.
    fn next_job(&self) -> Result<Option<Job>, FlushError> {
        let manifest = self.manifest();
        self.check_health()?;
        let (now, elapsed) = (self.clock.now(), self.clock.elapsed());
        let mut postponed = self.postponed();
        postponed.retain(|_, until| *until > elapsed);
        let job = Table::ALL.into_iter().find_map(|table| {
            let mut files = self.catalogue.files(table);
            files.retain(|file| file.place.is_local());
            let partitions = by_partition(files);
            let mut hours: Vec<_> = partitions.into_iter().collect();
            hours.sort_by_key(|(hour, _)| *hour);
            hours.retain(|(hour, _)| !postponed.contains_key(&(table, *hour)));
            hours.into_iter().find_map(|(hour, files)| {
                let files = choose(&files, now);
                (files.len() > 1).then(|| Job {
                    table,
                    hour,
                    files,
                    sequence: manifest.state().flushed,
                })
            })
        });
        Ok(job)
    }

    fn replace_by_merged(&self, job: &Job) -> Result<(), FlushError> {
        let (files, merged) = self.merge(job)?;
        let mut manifest = self.manifest();
        let known = &manifest.state().files;
        if let Err(error) = self.check_health() {
            self.remove_files(&[merged]);
            return Err(error);
        }
        if files.iter().any(|file| !known.contains_key(&file.path)) {
            // The hour expired meanwhile.
            self.remove_files(&[merged]);
            return Ok(());
        }
        let edit = Edit {
            added: vec![merged.clone()],
            removed: files.iter().map(|file| file.path.clone()).collect(),
            leaving: objects_of(&files),
            ..Edit::default()
        };
        self.record(&mut manifest, edit)?;
        events::compacted(files.len(), merged.rows, merged.bytes);
        let until = self.clock.elapsed() + self.merged_files_kept;
        self.catalogue.replace_files(&files, vec![merged], until);
        Ok(())
    }

    /// Writes as many of the files as memory allows into one. Says which they were.
    fn merge(&self, job: &Job) -> Result<(Vec<Arc<TableFile>>, TableFile), FlushError> {
        let mut scratch = Held::none(&self.budget.compaction);
        let (files, inputs) = self.open_inputs(job, &mut scratch)?;
        self.check_space(&files)?;
        let failed = |error: ArrowError| FlushError::Rows(error.to_string());
        let merge = Merge::new(job.table, inputs).map_err(failed)?;
        let merge = merge.map(
            |rows: Result<RecordBatch, ArrowError>| match self.check_health() {
                Ok(()) => rows,
                Err(stopped) => Err(ArrowError::ExternalError(Box::new(stopped))),
            },
        );
        let row_group = self.merge_row_group_bytes();
        let merged = self
            .write_hour(job.table, job.hour, job.sequence, row_group, merge, |_| {})
            .map_err(|error| match self.check_health() {
                Ok(()) => self.give_up(error, &[]),
                Err(stopped) => stopped,
            })?;
        let expected: u64 = files.iter().map(|file| file.rows).sum();
        let within = job.hour * 1_000_000..end_of(job.hour).as_micros();
        if merged.rows == expected
            && within.contains(&merged.from_us)
            && within.contains(&merged.to_us)
        {
            return Ok((files, merged));
        }
        self.remove_files(std::slice::from_ref(&merged));
        Err(FlushError::Rows(format!(
            "{expected} rows of one hour expected in {} files of {}, found {} from {} to {}",
            files.len(),
            job.table.name(),
            merged.rows,
            Timestamp::from_micros(merged.from_us),
            Timestamp::from_micros(merged.to_us),
        )))
    }

    /// Opens the job's files, the smallest first, while the memory they need fits.
    fn open_inputs(
        &self,
        job: &Job,
        scratch: &mut Held,
    ) -> Result<(Vec<Arc<TableFile>>, Vec<FileRows>), FlushError> {
        let failed = |error: PartitionError| FlushError::Rows(error.to_string());
        let (mut files, mut inputs) = (Vec::new(), Vec::new());
        let share = &self.budget.compaction;
        // Half is for the files that are read; the rest for the one that is written, and for flushes.
        let mut left = share.bytes_max() / 2;
        let besides = self.merge_row_group_bytes() as u64 + merge::MEMORY_BYTES;
        let mut fits = scratch.try_grow(besides);
        for file in &job.files {
            let open = OpenFile::open(self.fs.as_ref(), &self.directory, file).map_err(failed)?;
            let bytes = open.memory_bytes();
            fits = fits && bytes <= left && scratch.try_grow(bytes);
            if !fits {
                break;
            }
            left -= bytes;
            files.push(Arc::clone(file));
            inputs.push(open.rows().map_err(failed)?);
        }
        if files.len() > 1 {
            return Ok((files, inputs));
        }
        share.refuse();
        Err(FlushError::Rows(format!(
            "merging two files of {} needs more than is left of the {} bytes of memory for it; raise store.memory_bytes_max",
            job.table.name(),
            share.bytes_max()
        )))
    }

    fn merge_row_group_bytes(&self) -> usize {
        ROW_GROUP_BYTES_MAX.min(self.budget.compaction.bytes_max() as usize / 4)
    }

    /// A merge needs as much space as what it reads, for a while.
    fn check_space(&self, files: &[Arc<TableFile>]) -> Result<(), FlushError> {
        let bytes: u64 = files.iter().map(|file| file.bytes).sum();
        let needed = bytes.saturating_add(self.disk_free_bytes_min);
        match self.fs.free_bytes(&self.directory) {
            Ok(free) if free < needed => Err(FlushError::Full),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::second_home::Place;

    fn files(rows: &[u64]) -> Vec<Arc<TableFile>> {
        let file = |(number, rows): (usize, &u64)| {
            Arc::new(TableFile {
                place: Place::Local,
                checksum: None,
                table: Table::Logs,
                path: format!("{number}"),
                rows: *rows,
                bytes: *rows,
                hour: 0,
                from_us: 0,
                to_us: 0,
            })
        };
        rows.iter().enumerate().map(file).collect()
    }

    #[test]
    fn settled_hours_are_merged_and_growing_ones_wait() {
        let settled = Timestamp::from_seconds(3600 + 15 * 60 + 1);
        let growing = Timestamp::from_seconds(3600);
        assert_eq!(choose(&files(&[10, 20, 30]), settled).len(), 3);
        assert_eq!(choose(&files(&[10, 20, 30]), growing).len(), 0);
        assert_eq!(choose(&files(&[10; 16]), growing).len(), 16);
        assert_eq!(choose(&files(&[10]), settled).len(), 0);
        let mib = 1 << 20;
        let large = [10, 400 * mib, 300 * mib];
        assert_eq!(choose(&files(&large), settled).len(), 0);
        assert_eq!(choose(&files(&[200 * mib; 5]), settled).len(), 2);
        assert_eq!(choose(&files(&[1; 300]), settled).len(), MERGE_FILES_MAX);
    }
}
