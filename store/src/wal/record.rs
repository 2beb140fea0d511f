//! One record of the log: a batch, its sequence number and when it was committed.
//!
//! `sequence u64 | committed_at i64 µs | key? (u8, key, answer) | positions (u32, source and value each)
//! | tables (u8, code u8, Arrow IPC stream each)`; texts and streams are preceded by their length (u32).

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow::ipc::{CompressionType, MetadataVersion};
use model::Timestamp;

use crate::batch::{Batch, Idempotency, Position};
use crate::schema::{SchemaError, Table};

/// Below this many rows a table is not compressed: setting up LZ4 for each of its columns costs more
/// than the few bytes it saves.
const COMPRESS_ROWS_MIN: usize = 512;
/// Arrow's buffers are padded to this many bytes; the default of 64 would double small records.
const ALIGNMENT_BYTES: usize = 8;

/// A record as read back.
#[derive(Debug)]
pub(crate) struct Record {
    /// Its place in the order of commits.
    pub(crate) sequence: u64,
    /// Wall time of its commit.
    pub(crate) committed_at: Timestamp,
    /// What was committed.
    pub(crate) batch: Batch,
}

/// Why a record with a sound checksum does not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    /// A length points behind the record's end, or a text is not UTF-8.
    #[error("its fields do not add up")]
    Shape,
    /// No such table.
    #[error("table code {0} is not known")]
    Table(u8),
    /// The rows do not decode.
    #[error("its rows do not decode: {0}")]
    Rows(#[from] ArrowError),
    /// The rows are not of the table they were written for.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

fn code(table: Table) -> u8 {
    match table {
        Table::Invocations => 1,
        Table::Logs => 2,
        Table::Samples => 3,
        Table::Minutes => 4,
        Table::Loadtests => 5,
    }
}

/// The record's body, everything after `committed_at`. Runs on the committer's side, in parallel.
pub(crate) fn encode(batch: &Batch) -> Result<Vec<u8>, ArrowError> {
    let mut body = Vec::with_capacity(1024 + batch.rows() * 64);
    match &batch.idempotency {
        None => body.push(0),
        Some(idempotency) => {
            body.push(1);
            put_text(&mut body, &idempotency.key);
            put_text(&mut body, &idempotency.answer);
        }
    }
    body.extend_from_slice(&(batch.positions.len() as u32).to_le_bytes());
    for position in &batch.positions {
        put_text(&mut body, &position.source);
        put_text(&mut body, &position.value);
    }
    body.push(batch.tables().count() as u8);
    for (table, rows) in batch.tables() {
        body.push(code(table));
        let length_at = body.len();
        body.extend_from_slice(&[0; 4]);
        put_rows(&mut body, rows)?;
        let length = ((body.len() - length_at - 4) as u32).to_le_bytes();
        body[length_at..length_at + 4].copy_from_slice(&length);
    }
    Ok(body)
}

fn put_rows(body: &mut Vec<u8>, rows: &RecordBatch) -> Result<(), ArrowError> {
    let compression = (rows.num_rows() >= COMPRESS_ROWS_MIN).then_some(CompressionType::LZ4_FRAME);
    let options = IpcWriteOptions::try_new(ALIGNMENT_BYTES, false, MetadataVersion::V5)?
        .try_with_compression(compression)?;
    let mut writer = StreamWriter::try_new_with_options(body, rows.schema_ref(), options)?;
    writer.write(rows)?;
    writer.finish()
}

fn put_text(body: &mut Vec<u8>, text: &str) {
    body.extend_from_slice(&(text.len() as u32).to_le_bytes());
    body.extend_from_slice(text.as_bytes());
}

/// Reads a record back.
pub(crate) fn decode(payload: &[u8]) -> Result<Record, RecordError> {
    let mut fields = Fields(payload);
    let sequence = u64::from_le_bytes(fields.array()?);
    let committed_at = Timestamp::from_micros(i64::from_le_bytes(fields.array()?));
    let mut batch = Batch::default();
    if fields.byte()? != 0 {
        batch.idempotency = Some(Idempotency {
            key: fields.text()?,
            answer: fields.text()?,
        });
    }
    for _ in 0..fields.count()? {
        batch.positions.push(Position {
            source: fields.text()?,
            value: fields.text()?,
        });
    }
    for _ in 0..fields.byte()? {
        let code = fields.byte()?;
        let table = Table::ALL
            .into_iter()
            .find(|table| self::code(*table) == code)
            .ok_or(RecordError::Table(code))?;
        let stream = fields.bytes()?;
        batch.set(table, table.conform(&read_rows(stream)?)?);
    }
    Ok(Record {
        sequence,
        committed_at,
        batch,
    })
}

fn read_rows(stream: &[u8]) -> Result<RecordBatch, ArrowError> {
    let reader = StreamReader::try_new(stream, None)?;
    let schema = reader.schema();
    let mut batches = reader.collect::<Result<Vec<_>, _>>()?;
    match (batches.pop(), batches.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Ok(RecordBatch::new_empty(schema)),
        (Some(last), false) => concat_batches(&schema, batches.iter().chain([&last])),
    }
}

/// What is left to read of a record.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], RecordError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(RecordError::Shape)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        self.take(N)?.try_into().map_err(|_| RecordError::Shape)
    }

    fn byte(&mut self) -> Result<u8, RecordError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    fn count(&mut self) -> Result<usize, RecordError> {
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }

    fn bytes(&mut self) -> Result<&'a [u8], RecordError> {
        let length = self.count()?;
        self.take(length)
    }

    fn text(&mut self) -> Result<String, RecordError> {
        let bytes = self.bytes()?;
        String::from_utf8(bytes.to_vec()).map_err(|_| RecordError::Shape)
    }
}
