//! One Parquet file per table and hour: `tables/<table>/dt=YYYY-MM-DD/hour=HH/<sequence>-<n>.parquet`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, new_null_array};
use arrow::compute::interleave;
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType, TimestampMillisecondType};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use chrono::{DateTime, Utc};
use model::Timestamp;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use crate::format::{FormatVersion, PARQUET_KEY};
use crate::fs::{Fs, FsFile, create_dirs};
use crate::lexicon::Lexicon;
use crate::manifest::TableFile;
use crate::order::{SortKey, sort_keys};
use crate::schema::Table;

/// The directory of all Parquet files.
pub(crate) const TABLES: &str = "tables";
/// How a finished file ends.
pub(crate) const PARQUET: &str = ".parquet";
/// How an unfinished file ends.
pub(crate) const TEMPORARY: &str = ".tmp";
const HOUR_SECONDS: i64 = 3600;
/// Rows of a row group: large enough to compress well, small enough to skip.
const ROW_GROUP_ROWS: usize = 128 * 1024;
/// An unfinished row group takes at most about this much memory, in bytes; large rows make small groups.
pub(crate) const ROW_GROUP_BYTES_MAX: usize = 64 << 20;
/// A page, and a dictionary, is ended at this many bytes: whoever merges files has one of both of each
/// column of each file in memory.
pub(crate) const PAGE_BYTES: usize = 256 << 10;
/// Whether a page is full is looked at after this many values, so a few large ones make a larger page.
pub(crate) const PAGE_VALUES: usize = 128;
/// Rows that are gathered at once. Few, since text columns of one batch end at 2 GiB.
const CHUNK_ROWS: usize = 8192;

/// Why a file could not be written or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PartitionError {
    /// The file system failed.
    #[error("{path}: {source}", path = path.display())]
    Io { path: PathBuf, source: io::Error },
    /// The file does not hold what was written to it.
    #[error("{path}: its checksum is wrong, so it is not merged", path = path.display())]
    Damaged { path: PathBuf },
    /// The rows could not be sorted or gathered.
    #[error("cannot arrange rows: {0}")]
    Rows(#[from] ArrowError),
    /// The rows could not be encoded or decoded.
    #[error("{path}: {source}", path = path.display())]
    Parquet { path: PathBuf, source: ParquetError },
}

impl PartitionError {
    /// The file system's error, wherever it is wrapped.
    pub(crate) fn io(&self) -> Option<&io::Error> {
        match self {
            PartitionError::Io { source, .. } => Some(source),
            PartitionError::Parquet {
                source: ParquetError::External(source),
                ..
            } => source.downcast_ref(),
            _ => None,
        }
    }
}

/// A row: what it is sorted by, and the batch and row where it lies, so that equal rows keep their order.
type Sorted = (SortKey, u32, u32);

/// Rows of one table in the order they are written, by hour.
pub(crate) struct Arranged<'a> {
    batches: Vec<&'a RecordBatch>,
    /// By column; only columns of words have one.
    lexicons: Vec<Option<Lexicon<'a>>>,
    schema: SchemaRef,
    hours: BTreeMap<i64, Vec<Sorted>>,
    /// About how much memory arranging took, in bytes.
    bytes: u64,
}

impl<'a> Arranged<'a> {
    /// Sorts rows by the table's sort columns within their hours; equal rows keep their order.
    pub(crate) fn new(
        table: Table,
        batches: impl IntoIterator<Item = &'a RecordBatch>,
    ) -> Result<Self, ArrowError> {
        let batches: Vec<_> = batches.into_iter().collect();
        let schema = table.schema();
        let columns = 0..schema.fields().len();
        let lexicons: Vec<_> = columns.map(|at| Lexicon::of(&batches, at)).collect();
        let keys = sort_keys(table, &batches, &lexicons)?;
        let rows: usize = keys.iter().map(Vec::len).sum();
        let mut hours: BTreeMap<i64, Vec<Sorted>> = BTreeMap::new();
        for (at, (batch, keys)) in batches.iter().zip(keys).enumerate() {
            let seconds = seconds_of(table, batch)?;
            for (row, (key, seconds)) in keys.into_iter().zip(seconds).enumerate() {
                let hour = seconds.div_euclid(HOUR_SECONDS) * HOUR_SECONDS;
                let sorted = (key, at as u32, row as u32);
                hours.entry(hour).or_default().push(sorted);
            }
        }
        for rows in hours.values_mut() {
            rows.sort_unstable();
        }
        let sorted: usize = hours.values().map(Vec::capacity).sum();
        let words: usize = lexicons.iter().flatten().map(Lexicon::bytes).sum();
        let bytes = rows * size_of::<SortKey>() + sorted * size_of::<Sorted>() + words;
        Ok(Arranged {
            batches,
            lexicons,
            schema,
            hours,
            bytes: bytes as u64,
        })
    }

    /// About how much memory arranging took, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The hours that have rows, as seconds since the epoch, with the number of their rows.
    pub(crate) fn hours(&self) -> impl Iterator<Item = (i64, u64)> {
        self.hours
            .iter()
            .map(|(hour, rows)| (*hour, rows.len() as u64))
    }

    /// The rows of an hour in order, a bounded number at a time.
    pub(crate) fn chunks(
        &self,
        hour: i64,
    ) -> impl Iterator<Item = Result<RecordBatch, ArrowError>> {
        let rows = self.hours.get(&hour).map_or(&[][..], Vec::as_slice);
        rows.chunks(CHUNK_ROWS).map(|chunk| {
            let places = chunk.iter();
            let places: Vec<_> = places
                .map(|(_, batch, row)| (*batch as usize, *row as usize))
                .collect();
            self.gather(&places)
        })
    }

    /// These rows as one batch.
    fn gather(&self, places: &[(usize, usize)]) -> Result<RecordBatch, ArrowError> {
        let columns = self.lexicons.iter().enumerate().map(|(at, lexicon)| {
            if let Some(lexicon) = lexicon.as_ref().filter(|words| !words.is_empty()) {
                return lexicon.gather(places);
            }
            let columns = self.batches.iter();
            let columns: Vec<_> = columns.map(|batch| batch.column(at).as_ref()).collect();
            let field = self.schema.field(at);
            if field.is_nullable() && columns.iter().all(|rows| rows.null_count() == rows.len()) {
                return Ok(new_null_array(field.data_type(), places.len()));
            }
            interleave(&columns, places)
        });
        RecordBatch::try_new(Arc::clone(&self.schema), columns.collect::<Result<_, _>>()?)
    }
}

/// Turns what a table's rows are sorted by into bytes that compare alike.
pub(crate) fn key_converter(table: Table) -> Result<RowConverter, ArrowError> {
    let schema = table.schema();
    let fields = table
        .sort_columns()
        .iter()
        .map(|name| {
            Ok(SortField::new(
                schema.field_with_name(name)?.data_type().clone(),
            ))
        })
        .collect::<Result<Vec<_>, ArrowError>>()?;
    RowConverter::new(fields)
}

/// The columns that a table's rows are sorted by.
pub(crate) fn key_columns(table: Table, batch: &RecordBatch) -> Result<Vec<ArrayRef>, ArrowError> {
    let names = table.sort_columns().iter();
    names.map(|name| column(batch, name).cloned()).collect()
}

/// The time of each row, in seconds since the epoch.
fn seconds_of(table: Table, batch: &RecordBatch) -> Result<Vec<i64>, ArrowError> {
    let times = column(batch, table.time_column())?;
    if let Some(micros) = times.as_primitive_opt::<TimestampMicrosecondType>() {
        let seconds = micros
            .values()
            .iter()
            .map(|time| time.div_euclid(1_000_000));
        return Ok(seconds.collect());
    }
    let millis = times
        .as_primitive_opt::<TimestampMillisecondType>()
        .ok_or_else(|| {
            ArrowError::SchemaError(format!("{} is not a time column", table.time_column()))
        })?;
    Ok(millis
        .values()
        .iter()
        .map(|time| time.div_euclid(1_000))
        .collect())
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, ArrowError> {
    batch
        .column_by_name(name)
        .ok_or_else(|| ArrowError::SchemaError(format!("no column {name}")))
}

/// The directory of an hour's files, below the store's directory.
pub(crate) fn directory_of(table: Table, hour: i64) -> String {
    let hour = DateTime::from_timestamp(hour, 0).unwrap_or(DateTime::<Utc>::MAX_UTC);
    format!(
        "{TABLES}/{}/{}",
        table.name(),
        hour.format("dt=%Y-%m-%d/hour=%H")
    )
}

/// The `<n>` of a file's name.
pub(crate) fn number_of(path: &str) -> Option<u64> {
    path.strip_suffix(PARQUET)?.rsplit_once('-')?.1.parse().ok()
}

/// Where and how a file is written.
pub(crate) struct Target<'a> {
    pub(crate) fs: &'a dyn Fs,
    /// The store's directory.
    pub(crate) root: &'a Path,
    pub(crate) version: FormatVersion,
    pub(crate) table: Table,
    /// When the hour begins, in seconds since the epoch.
    pub(crate) hour: i64,
    /// The file's name without its end.
    pub(crate) name: &'a str,
    /// Writing stops, as on a full disk, when less is free.
    pub(crate) disk_free_bytes_min: u64,
    /// What an unfinished row group may take in memory.
    pub(crate) row_group_bytes_max: usize,
}

impl Target<'_> {
    /// Writes one file, durable under its final name when this returns. `each` sees the rows as they
    /// are written. After an error no part of the file is left, if the disk lets it go.
    pub(crate) fn write(
        &self,
        rows: impl Iterator<Item = Result<RecordBatch, ArrowError>>,
        each: impl FnMut(&RecordBatch),
    ) -> Result<TableFile, PartitionError> {
        let directory = directory_of(self.table, self.hour);
        let path = format!("{directory}/{}{PARQUET}", self.name);
        let absolute = self.root.join(&path);
        let temporary = self.root.join(format!("{path}{TEMPORARY}"));
        let failed = |source| PartitionError::Io {
            path: absolute.clone(),
            source,
        };
        create_dirs(self.fs, self.root, Path::new(&directory)).map_err(failed)?;
        let file = TableFile {
            table: self.table,
            path,
            rows: 0,
            bytes: 0,
            hour: self.hour,
            from_us: i64::MAX,
            to_us: i64::MIN,
            place: crate::second_home::Place::Local,
            checksum: None,
        };
        let written = self
            .write_rows(&temporary, file, rows, each)
            .and_then(|file| {
                self.fs.rename(&temporary, &absolute).map_err(failed)?;
                self.fs
                    .sync_dir(&self.root.join(&directory))
                    .map_err(failed)?;
                Ok(file)
            });
        if written.is_err() {
            let _ = self.fs.remove(&temporary);
        }
        written
    }

    /// Writes rows to a file and syncs its content.
    fn write_rows(
        &self,
        path: &Path,
        mut file: TableFile,
        rows: impl Iterator<Item = Result<RecordBatch, ArrowError>>,
        mut each: impl FnMut(&RecordBatch),
    ) -> Result<TableFile, PartitionError> {
        let failed = |source| PartitionError::Io {
            path: path.to_path_buf(),
            source,
        };
        let failed_parquet = |source| PartitionError::Parquet {
            path: path.to_path_buf(),
            source,
        };
        let sink = Sink {
            file: self.fs.create(path).map_err(failed)?,
            bytes: 0,
            checksum: 0,
            fs: self.fs,
            root: self.root,
            disk_free_bytes_min: self.disk_free_bytes_min,
        };
        let mut writer =
            ArrowWriter::try_new(sink, file.table.schema(), Some(properties(self.version)))
                .map_err(failed_parquet)?;
        for rows in rows {
            let rows = rows?;
            writer.write(&rows).map_err(failed_parquet)?;
            if writer.memory_size() >= self.row_group_bytes_max {
                writer.flush().map_err(failed_parquet)?;
            }
            file.rows += rows.num_rows() as u64;
            if let Some((from, to)) = file.table.time_range(&rows) {
                file.from_us = file.from_us.min(from.as_micros());
                file.to_us = file.to_us.max(to.as_micros());
            }
            each(&rows);
        }
        let mut sink = writer.into_inner().map_err(failed_parquet)?;
        file.bytes = sink.bytes;
        file.checksum = Some(sink.checksum);
        sink.file.sync().map_err(failed)?;
        Ok(file)
    }
}

fn properties(version: FormatVersion) -> WriterProperties {
    let format = KeyValue::new(PARQUET_KEY.to_owned(), version.to_string());
    WriterProperties::builder()
        .set_key_value_metadata(Some(vec![format]))
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_data_page_size_limit(PAGE_BYTES)
        .set_write_batch_size(PAGE_VALUES)
        .set_dictionary_page_size_limit(PAGE_BYTES)
        .set_created_by("rampart".to_owned())
        .build()
}

/// When an hour is over.
pub(crate) fn end_of(hour: i64) -> Timestamp {
    Timestamp::from_seconds(hour.saturating_add(HOUR_SECONDS))
}

/// A file being written, which leaves some of the disk to others.
struct Sink<'a> {
    file: Box<dyn FsFile>,
    bytes: u64,
    checksum: u32,
    fs: &'a dyn Fs,
    root: &'a Path,
    disk_free_bytes_min: u64,
}

impl Sink<'_> {
    fn check_space(&self, more: usize) -> io::Result<()> {
        let needed = self.disk_free_bytes_min.saturating_add(more as u64);
        match self.fs.free_bytes(self.root) {
            Ok(free) if free < needed => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check_space(bytes.len())?;
        self.file.write(bytes)?;
        self.bytes += bytes.len() as u64;
        self.checksum = crc32c::crc32c_append(self.checksum, bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
