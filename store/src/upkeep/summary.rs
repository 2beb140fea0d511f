//! What a directory holds, told by its names, headers and manifest alone.

use std::collections::BTreeMap;
use std::path::Path;

use model::Timestamp;
use serde::Serialize;

use super::log::segments;
use super::{UpkeepError, failed_at, files_below, is_running, load_manifest};
use crate::format::FormatVersion;
use crate::fs::Fs;
use crate::journal::{Header, JournalReader};
use crate::manifest::{self, State};
use crate::recovery::{QUARANTINE, WAL};
use crate::schema::Table;
use crate::wal;

/// One table's Parquet files. Rows that are in the log only are not counted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableSummary {
    /// Its name.
    pub table: &'static str,
    /// Files.
    pub files: u64,
    /// Rows in them.
    pub rows: u64,
    /// Their length.
    pub bytes: u64,
    /// Files that only the second home has.
    pub away_files: u64,
    /// Their length.
    pub away_bytes: u64,
    /// Length by rows; `None` without rows.
    pub bytes_per_row: Option<f64>,
    /// The earliest time of a row.
    pub oldest: Option<Timestamp>,
    /// The latest time of a row.
    pub newest: Option<Timestamp>,
}

/// The log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LogSummary {
    /// Segments.
    pub segments: u64,
    /// Their length.
    pub bytes: u64,
    /// Segments of each format.
    pub formats: BTreeMap<FormatVersion, u64>,
}

/// The manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ManifestSummary {
    /// Its length.
    pub bytes: u64,
    /// Everything up to this commit is in Parquet.
    pub flushed_sequence: u64,
    /// Sources whose positions are kept.
    pub sources: u64,
    /// Senders' keys that are kept.
    pub keys: u64,
    /// Whether it reads to its end, or a server may just be writing there.
    pub sound: bool,
}

/// What was put aside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QuarantineSummary {
    /// Files.
    pub files: u64,
    /// Their length.
    pub bytes: u64,
}

/// What a directory holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Whether a server is running on it.
    pub running: bool,
    /// The directory's format; `None` when no manifest tells.
    pub format: Option<FormatVersion>,
    /// The newest format this binary knows.
    pub newest_format: FormatVersion,
    /// Every table.
    pub tables: Vec<TableSummary>,
    /// The log.
    pub log: LogSummary,
    /// The manifest.
    pub manifest: ManifestSummary,
    /// What was put aside.
    pub quarantine: QuarantineSummary,
}

/// Sums a directory up, beside a running server or without one. Opens no Parquet file.
pub fn summarize(fs: &dyn Fs, directory: &Path) -> Result<Summary, UpkeepError> {
    let running = is_running(fs, directory)?;
    let loaded = load_manifest(fs, directory)?;
    let bytes_of = |name: &str| {
        let entries = fs.list(directory).map_err(failed_at(directory))?;
        let entry = entries.iter().find(|entry| entry.name == name);
        Ok::<_, UpkeepError>(entry.map_or(0, |entry| entry.bytes))
    };
    let set_aside = files_below(fs, directory, QUARANTINE)?;
    let state = &loaded.state;
    Ok(Summary {
        running,
        format: loaded.version,
        newest_format: FormatVersion::NEWEST,
        tables: Table::ALL.map(|table| summarize_table(state, table)).into(),
        log: summarize_log(fs, directory)?,
        manifest: ManifestSummary {
            bytes: bytes_of(manifest::FILE_NAME)?,
            flushed_sequence: state.flushed,
            sources: state.positions.len() as u64,
            keys: state.keys.len() as u64,
            sound: !loaded.damaged || running,
        },
        quarantine: QuarantineSummary {
            files: set_aside.len() as u64,
            bytes: set_aside.iter().map(|(_, bytes)| bytes).sum(),
        },
    })
}

fn summarize_table(state: &State, table: Table) -> TableSummary {
    let files = || state.files.values().filter(|file| file.table == table);
    let rows: u64 = files().map(|file| file.rows).sum();
    let bytes: u64 = files().map(|file| file.bytes).sum();
    let away = || files().filter(|file| !file.place.is_local());
    let time = |micros: Option<i64>| micros.map(Timestamp::from_micros);
    TableSummary {
        table: table.name(),
        files: files().count() as u64,
        rows,
        bytes,
        away_files: away().count() as u64,
        away_bytes: away().map(|file| file.bytes).sum(),
        bytes_per_row: (rows > 0).then(|| bytes as f64 / rows as f64),
        oldest: time(files().map(|file| file.from_us).min()),
        newest: time(files().map(|file| file.to_us).max()),
    }
}

fn summarize_log(fs: &dyn Fs, directory: &Path) -> Result<LogSummary, UpkeepError> {
    let mut summary = LogSummary::default();
    let log = directory.join(WAL);
    for segment in segments(fs, &log)? {
        let path = log.join(&segment.name);
        let header = match JournalReader::open(fs, &path, wal::MAGIC) {
            // Its rows went to Parquet in the meantime.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            opened => opened.map_err(failed_at(&path))?.1,
        };
        if let Header::Sound(version) | Header::Newer(version) = header {
            *summary.formats.entry(version).or_default() += 1;
        }
        summary.segments += 1;
        summary.bytes += segment.bytes;
    }
    Ok(summary)
}
