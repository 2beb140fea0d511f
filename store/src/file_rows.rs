//! The rows of one Parquet file, a few at a time and in little memory, through the store's file system.

use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};

use crate::fs::{Fs, FsRead};
use crate::manifest::TableFile;
use crate::partition::{PAGE_BYTES, PAGE_VALUES, PartitionError};
use crate::schema::Table;
use crate::scrub::is_sound;

/// Rows that are decoded at once: as many as take about this many bytes, within these bounds.
const BATCH_BYTES: u64 = 256 << 10;
const BATCH_ROWS_MIN: u64 = 16;
const BATCH_ROWS_MAX: u64 = 1024;

/// A file of the store as Parquet's reader wants it.
struct FileChunks {
    file: Arc<dyn FsRead>,
    bytes: u64,
}

impl Length for FileChunks {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for FileChunks {
    type T = BufReader<Section>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(BufReader::new(Section {
            file: Arc::clone(&self.file),
            at: start,
        }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        // The length stands in the file; no more memory than the file has bytes is given to it.
        if start.saturating_add(length as u64) > self.bytes {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let mut bytes = vec![0; length];
        let mut section = Section {
            file: Arc::clone(&self.file),
            at: start,
        };
        section.read_exact(&mut bytes)?;
        Ok(bytes.into())
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

/// A file that is open, none of its rows read yet.
pub(crate) struct OpenFile {
    builder: ParquetRecordBatchReaderBuilder<FileChunks>,
    table: Table,
    path: PathBuf,
    memory_bytes: u64,
    batch_rows: u64,
}

impl OpenFile {
    /// Opens a file and reads its footer.
    pub(crate) fn open(fs: &dyn Fs, root: &Path, file: &TableFile) -> Result<Self, PartitionError> {
        let path = root.join(&file.path);
        let failed = |source| PartitionError::Io {
            path: path.clone(),
            source,
        };
        if let Some(checksum) = file.checksum
            && !is_sound(fs, &path, checksum).map_err(failed)?
        {
            return Err(PartitionError::Damaged { path });
        }
        let chunks = fs
            .open(&path)
            .and_then(|file| {
                let bytes = file.bytes()?;
                Ok(FileChunks {
                    file: file.into(),
                    bytes,
                })
            })
            .map_err(failed)?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(chunks).map_err(|source| {
            PartitionError::Parquet {
                path: path.clone(),
                source,
            }
        })?;
        let metadata = builder.metadata();
        let batch_rows = batch_rows(metadata);
        Ok(OpenFile {
            memory_bytes: memory_bytes(metadata),
            batch_rows,
            builder,
            table: file.table,
            path,
        })
    }

    /// Memory that reading it takes at most, in bytes: its footer, one page and one dictionary of each
    /// column, and the rows decoded at once.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    /// Its rows.
    pub(crate) fn rows(self) -> Result<FileRows, PartitionError> {
        let reader = self
            .builder
            .with_batch_size(self.batch_rows as usize)
            .build();
        match reader {
            Ok(reader) => Ok(FileRows {
                reader,
                table: self.table,
            }),
            Err(source) => Err(PartitionError::Parquet {
                path: self.path,
                source,
            }),
        }
    }
}

fn batch_rows(metadata: &ParquetMetaData) -> u64 {
    let groups = metadata.row_groups();
    let row_bytes = groups.iter().map(row_bytes).max().unwrap_or(1);
    (BATCH_BYTES / row_bytes.max(1)).clamp(BATCH_ROWS_MIN, BATCH_ROWS_MAX)
}

/// How many bytes a row takes on average before compression.
fn row_bytes(group: &RowGroupMetaData) -> u64 {
    let rows = group.num_rows().unsigned_abs().max(1);
    group.total_byte_size().unsigned_abs() / rows
}

fn memory_bytes(metadata: &ParquetMetaData) -> u64 {
    let groups = metadata.row_groups();
    let pages = groups.iter().map(page_bytes).max().unwrap_or(0);
    metadata.memory_size() as u64 + pages + 2 * BATCH_BYTES
}

/// What one page and one dictionary of each column take at most.
fn page_bytes(group: &RowGroupMetaData) -> u64 {
    let columns = group.columns().iter().map(|column| {
        let bytes = column.uncompressed_size().unsigned_abs();
        let values = column.num_values().unsigned_abs().max(1);
        bytes.min(2 * (PAGE_BYTES as u64).max(bytes / values * PAGE_VALUES as u64))
    });
    columns.sum()
}

/// The rows of one file, in the order they lie in it.
pub(crate) struct FileRows {
    reader: ParquetRecordBatchReader,
    table: Table,
}

impl Iterator for FileRows {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.reader.next()?;
        Some(rows.and_then(|rows| {
            self.table
                .conform(&rows)
                .map_err(|error| ArrowError::ExternalError(Box::new(error)))
        }))
    }
}
