//! One Parquet file, read from end to end: does it hold what it should, in the order it should.

use std::io::{self, BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::row::{OwnedRow, RowConverter, SortField};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{ChunkReader, Length};

use crate::format::{FormatVersion, PARQUET_KEY};
use crate::fs::{Fs, FsRead};
use crate::schema::Table;

/// Rows decoded at once.
const BATCH_ROWS: usize = 8192;
/// Bytes checksummed at once.
const CHUNK_BYTES: usize = 256 << 10;

/// What a file turned out to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Measured {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// CRC-32C of its content.
    pub(super) checksum: u32,
    /// The earliest and the latest time of its rows, in microseconds since the epoch.
    pub(super) from_us: i64,
    pub(super) to_us: i64,
}

/// Why a file could not be measured.
#[derive(Debug)]
pub(super) enum Unmeasured {
    /// It is not there (any more).
    Gone,
    /// A newer version wrote it.
    Newer(FormatVersion),
    /// It does not read, or is not what it should be.
    Damaged(String),
}

impl Unmeasured {
    fn of(error: &io::Error) -> Unmeasured {
        match error.kind() {
            io::ErrorKind::NotFound => Unmeasured::Gone,
            _ => Unmeasured::Damaged(format!("it cannot be read: {error}")),
        }
    }
}

/// Reads a file twice: once for its checksum, which must be `checksum` if one is known, once to decode it. Holds a
/// page of each column and [`BATCH_ROWS`] rows in memory.
pub(super) fn measure(
    fs: &dyn Fs,
    path: &Path,
    table: Table,
    checksum: Option<u32>,
) -> Result<Measured, Unmeasured> {
    let file = fs.open(path).map_err(|error| Unmeasured::of(&error))?;
    let bytes = file.bytes().map_err(|error| Unmeasured::of(&error))?;
    let found = checksum_of(file.as_ref()).map_err(|error| Unmeasured::of(&error))?;
    if checksum.is_some_and(|checksum| checksum != found) {
        let reason = "its content changed since it was written (the checksum differs)";
        return Err(Unmeasured::Damaged(reason.to_owned()));
    }
    let chunks = Chunks {
        file: Arc::from(file),
        bytes,
    };
    // The decoder meets bytes here that nothing vouches for; its panic is one more way to say no.
    let decoded = catch_unwind(AssertUnwindSafe(|| decode(chunks, table)));
    let (rows, range) = decoded.unwrap_or_else(|_| {
        let reason = "it does not decode: the decoder gave up";
        Err(Unmeasured::Damaged(reason.to_owned()))
    })?;
    let Some((from_us, to_us)) = range else {
        return Err(Unmeasured::Damaged("it has no rows".to_owned()));
    };
    Ok(Measured {
        rows,
        bytes,
        checksum: found,
        from_us,
        to_us,
    })
}

fn checksum_of(file: &dyn FsRead) -> io::Result<u32> {
    let (mut at, mut checksum) = (0, 0);
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        match file.read_at(at, &mut buffer)? {
            0 => return Ok(checksum),
            read => {
                let part = buffer.get(..read).unwrap_or_default();
                checksum = crc32c::crc32c_append(checksum, part);
                at += read as u64;
            }
        }
    }
}

type TimeRange = Option<(i64, i64)>;

/// Decodes every row group, and gives the number of rows and their times.
fn decode(chunks: Chunks, table: Table) -> Result<(u64, TimeRange), Unmeasured> {
    let damaged = |reason: String| Unmeasured::Damaged(format!("it does not decode: {reason}"));
    let builder = ParquetRecordBatchReaderBuilder::try_new(chunks)
        .map_err(|error| damaged(error.to_string()))?;
    let version = version_of(builder.metadata());
    if !version.is_known() {
        return Err(Unmeasured::Newer(version));
    }
    let reader = builder
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(|error| damaged(error.to_string()))?;
    let mut order = Order::new(table).map_err(|error| damaged(error.to_string()))?;
    let (mut rows, mut range) = (0, None);
    for batch in reader {
        let batch = batch.map_err(|error| damaged(error.to_string()))?;
        let batch = table
            .conform(&batch)
            .map_err(|error| damaged(error.to_string()))?;
        rows += batch.num_rows() as u64;
        if let Some((from, to)) = table.time_range(&batch) {
            let (from, to) = (from.as_micros(), to.as_micros());
            let (earliest, latest) = range.unwrap_or((from, to));
            range = Some((from.min(earliest), to.max(latest)));
        }
        let sorted = order
            .follows(&batch)
            .map_err(|error| damaged(error.to_string()))?;
        if !sorted {
            let columns = table.sort_columns().join(", ");
            let reason = format!("its rows are not sorted by {columns}");
            return Err(Unmeasured::Damaged(reason));
        }
    }
    Ok((rows, range))
}

fn version_of(metadata: &ParquetMetaData) -> FormatVersion {
    let entries = metadata.file_metadata().key_value_metadata();
    let entry = entries.and_then(|entries| entries.iter().find(|entry| entry.key == PARQUET_KEY));
    entry
        .and_then(|entry| entry.value.as_ref()?.parse().ok())
        .and_then(FormatVersion::new)
        .unwrap_or(FormatVersion::OLDEST)
}

/// Whether rows come in the order of a table's sort columns.
struct Order {
    table: Table,
    converter: RowConverter,
    last: Option<OwnedRow>,
}

impl Order {
    fn new(table: Table) -> Result<Order, arrow::error::ArrowError> {
        let schema = table.schema();
        let fields = table
            .sort_columns()
            .iter()
            .map(|name| {
                let field = schema.field_with_name(name)?;
                Ok(SortField::new(field.data_type().clone()))
            })
            .collect::<Result<Vec<_>, arrow::error::ArrowError>>()?;
        Ok(Order {
            table,
            converter: RowConverter::new(fields)?,
            last: None,
        })
    }

    /// Whether the next rows are in order, and follow those before.
    fn follows(&mut self, batch: &RecordBatch) -> Result<bool, arrow::error::ArrowError> {
        let columns: Vec<_> = self
            .table
            .sort_columns()
            .iter()
            .filter_map(|name| batch.column_by_name(name).cloned())
            .collect();
        let rows = self.converter.convert_columns(&columns)?;
        let follows = match (&self.last, rows.iter().next()) {
            (Some(last), Some(first)) => last.row() <= first,
            _ => true,
        };
        let sorted = rows
            .iter()
            .zip(rows.iter().skip(1))
            .all(|(row, next)| row <= next);
        if let Some(last) = rows.iter().next_back() {
            self.last = Some(last.owned());
        }
        Ok(follows && sorted)
    }
}

/// A file as the decoder wants to read it.
struct Chunks {
    file: Arc<dyn FsRead>,
    bytes: u64,
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for Chunks {
    type T = BufReader<Section>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(BufReader::new(Section {
            file: Arc::clone(&self.file),
            at: start,
        }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        // A damaged file may ask for more than there is; memory grows only with what is there.
        if start.saturating_add(length as u64) > self.bytes {
            let reason = format!("{length} bytes from {start} on lie behind its end");
            return Err(ParquetError::EOF(reason));
        }
        let mut section = Section {
            file: Arc::clone(&self.file),
            at: start,
        };
        let mut content = vec![0; length];
        section.read_exact(&mut content)?;
        Ok(content.into())
    }
}

/// A file from some byte on.
struct Section {
    file: Arc<dyn FsRead>,
    at: u64,
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(self.at, buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}
