//! A manifest from the Parquet files that are there, for when no checkpoint reads any more.
//!
//! What it cannot know: which of the files a merge had replaced and not yet removed (a start or the next minute
//! removes them; until then their rows would count twice), whether a flush that the crash interrupted had written
//! all its files (its other rows would be missing), and source positions and senders' keys older than the log.

use std::path::Path;
use std::time::Duration;

use model::Timestamp;

use super::log::{segments, walk_segment};
use super::parquet::{Unmeasured, measure};
use super::verify::table_of;
use super::{UpkeepError, files_below};
use crate::fs::Fs;
use crate::manifest::{KeptKey, State, TableFile};
use crate::partition::{PARQUET, TABLES, directory_of};
use crate::recovery::WAL;
use crate::schema::Table;
use crate::second_home::Place;

/// The commit up to which a file's name says that everything is in Parquet.
fn flushed_of(path: &str) -> Option<u64> {
    let name = path.rsplit('/').next()?.strip_suffix(PARQUET)?;
    name.split_once('-')?.0.parse().ok()
}

/// A file as a manifest would name it.
pub(super) fn file(
    fs: &dyn Fs,
    directory: &Path,
    path: &str,
    table: Table,
) -> Result<TableFile, Unmeasured> {
    let damaged = |reason: &str| Unmeasured::Damaged(reason.to_owned());
    let flushed = flushed_of(path);
    flushed.ok_or_else(|| damaged("its name does not say up to which commit it goes"))?;
    let measured = measure(fs, &directory.join(path), table, None)?;
    let hour = Duration::from_hours(1);
    let begin = |us| Timestamp::from_micros(us).floor_to(hour).as_seconds();
    let hour = begin(measured.from_us);
    let lies_in = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    if begin(measured.to_us) != hour || directory_of(table, hour) != lies_in {
        return Err(damaged("its rows are not of the hour it lies in"));
    }
    Ok(TableFile {
        table,
        path: path.to_owned(),
        rows: measured.rows,
        bytes: measured.bytes,
        hour,
        from_us: measured.from_us,
        to_us: measured.to_us,
        place: Place::Local,
        checksum: Some(measured.checksum),
    })
}

/// What a manifest would say that named every sound file there is.
pub(super) fn rebuild(fs: &dyn Fs, directory: &Path) -> Result<State, UpkeepError> {
    let mut state = State::default();
    for (path, _) in files_below(fs, directory, TABLES)? {
        let Some(table) = table_of(&path).filter(|_| path.ends_with(PARQUET)) else {
            continue;
        };
        match file(fs, directory, &path, table) {
            Ok(file) => {
                state.flushed = state.flushed.max(flushed_of(&path).unwrap_or(0));
                state.files.insert(path, file);
            }
            Err(Unmeasured::Newer(found)) => {
                let path = directory.join(path);
                return Err(UpkeepError::Newer { path, found });
            }
            // Goes to quarantine.
            Err(Unmeasured::Gone | Unmeasured::Damaged(_)) => {}
        }
    }
    recall(fs, directory, &mut state)?;
    Ok(state)
}

/// Takes positions and keys as of `flushed` from the log, which is kept for a while after a flush.
fn recall(fs: &dyn Fs, directory: &Path, state: &mut State) -> Result<(), UpkeepError> {
    let log = directory.join(WAL);
    for segment in segments(fs, &log)? {
        walk_segment(fs, &log, &segment, |record| {
            if record.sequence > state.flushed {
                return;
            }
            for position in record.batch.positions {
                state.positions.insert(position.source, position.value);
            }
            if let Some(idempotency) = record.batch.idempotency {
                state.keys.push(KeptKey {
                    key: idempotency.key,
                    answer: idempotency.answer,
                    sequence: record.sequence,
                    at: record.committed_at,
                });
            }
        })?;
    }
    Ok(())
}
