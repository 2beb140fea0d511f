//! Many small files of one hour become one, so that queries open few files and texts compress well.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use model::Timestamp;

use crate::catalogue::by_partition;
use crate::events;
use crate::flush::{FlushError, Flusher};
use crate::manifest::{Edit, Manifest, TableFile};
use crate::partition::{Arranged, end_of, read_file};
use crate::schema::Table;

/// An hour is merged for good this long after its end, when late rows have mostly come.
const SETTLED_AFTER: Duration = Duration::from_mins(15);
/// An hour that is still growing is merged when it has this many small files.
const OPEN_FILES_MAX: usize = 16;
/// What one merge may read, so that it stays within little memory.
const MERGE_ROWS_MAX: u64 = 500_000;
const MERGE_BYTES_MAX: u64 = 32 << 20;

/// An hour whose merge failed is left alone this long.
const RETRY_AFTER: Duration = Duration::from_mins(30);

/// Which files of one hour to merge now; fewer than two means none.
fn choose(files: &[Arc<TableFile>], now: Timestamp) -> Vec<Arc<TableFile>> {
    let mut small: Vec<_> = files
        .iter()
        .filter(|file| file.rows <= MERGE_ROWS_MAX / 2 && file.bytes <= MERGE_BYTES_MAX / 2)
        .cloned()
        .collect();
    let settled = files
        .first()
        .is_some_and(|file| end_of(file.hour) + SETTLED_AFTER < now);
    if small.len() < 2 || (!settled && small.len() < OPEN_FILES_MAX) {
        return Vec::new();
    }
    small.sort_by_key(|file| (file.rows, file.path.clone()));
    let (mut rows, mut bytes) = (0, 0);
    small.retain(|file| {
        rows += file.rows;
        bytes += file.bytes;
        rows <= MERGE_ROWS_MAX && bytes <= MERGE_BYTES_MAX
    });
    small
}

impl Flusher {
    /// Merges the files of one hour, if any hour needs it. `false` when none does. An hour whose merge
    /// fails waits, the others go on.
    pub(crate) fn compact(&self) -> Result<bool, FlushError> {
        let mut manifest = self.manifest();
        self.check_health()?;
        let now = self.clock.now();
        let elapsed = self.clock.elapsed();
        let mut postponed = self
            .postponed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        postponed.retain(|_, until| *until > elapsed);
        let chosen = Table::ALL.into_iter().find_map(|table| {
            let partitions = by_partition(self.catalogue.files(table));
            let mut hours: Vec<_> = partitions.into_iter().collect();
            hours.sort_by_key(|(hour, _)| *hour);
            hours.retain(|(hour, _)| !postponed.contains_key(&(table, *hour)));
            hours.into_iter().find_map(|(hour, files)| {
                let chosen = choose(&files, now);
                (chosen.len() > 1).then_some((table, hour, chosen))
            })
        });
        let Some((table, hour, chosen)) = chosen else {
            return Ok(false);
        };
        let done = self.replace_by_merged(&mut manifest, table, hour, &chosen);
        if let Err(error) = &done {
            events::merge_failed(table.name(), hour, &error.to_string());
            postponed.insert((table, hour), elapsed + RETRY_AFTER);
        }
        match done {
            // Concerns this hour only.
            Err(FlushError::Rows(_)) => Ok(true),
            done => done.map(|()| true),
        }
    }

    fn replace_by_merged(
        &self,
        manifest: &mut Manifest,
        table: Table,
        hour: i64,
        chosen: &[Arc<TableFile>],
    ) -> Result<(), FlushError> {
        let merged = self.merge(table, hour, chosen, manifest.state().flushed)?;
        let edit = Edit {
            added: vec![merged.clone()],
            removed: chosen.iter().map(|file| file.path.clone()).collect(),
            ..Edit::default()
        };
        self.record(manifest, edit)?;
        events::compacted(chosen.len(), merged.rows, merged.bytes);
        self.catalogue.replace_files(chosen, vec![merged]);
        Ok(())
    }

    fn merge(
        &self,
        table: Table,
        hour: i64,
        files: &[Arc<TableFile>],
        sequence: u64,
    ) -> Result<TableFile, FlushError> {
        let mut batches = Vec::new();
        for file in files {
            let rows = read_file(self.fs.as_ref(), &self.directory, file)
                .map_err(|error| FlushError::Rows(error.to_string()))?;
            batches.extend(rows);
        }
        let arranged =
            Arranged::new(table, &batches).map_err(|error| FlushError::Rows(error.to_string()))?;
        let expected: u64 = files.iter().map(|file| file.rows).sum();
        let found: u64 = arranged.hours().map(|(_, rows)| rows).sum();
        if expected != found || arranged.hours().any(|(other, _)| other != hour) {
            return Err(FlushError::Rows(format!(
                "{expected} rows expected in {} files of {}, found {found}",
                files.len(),
                table.name()
            )));
        }
        self.write_hour(table, hour, sequence, arranged.chunks(hour), |_| {})
            .map_err(|error| self.give_up(error, &[]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(rows: &[u64]) -> Vec<Arc<TableFile>> {
        let file = |(number, rows): (usize, &u64)| {
            Arc::new(TableFile {
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
        assert_eq!(choose(&files(&[10, 400_000, 300_000]), settled).len(), 0);
        assert_eq!(choose(&files(&[200_000; 5]), settled).len(), 2);
    }
}
