//! An answer on its way out, a piece at a time: no second copy of all of it is ever in memory.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use serde_json::json;

use super::{QueryAnswer, QueryError};

/// How many rows of text are written at once.
const PIECE_ROWS: usize = 512;

/// How an answer is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerFormat {
    /// One object: columns, rows, and whether there are more.
    Json,
    /// RFC 4180 with a header line.
    Csv,
    /// The stream format of Arrow's IPC, texts as plain UTF-8.
    Arrow,
}

impl AnswerFormat {
    /// The media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            AnswerFormat::Json => "application/json",
            AnswerFormat::Csv => "text/csv; charset=utf-8",
            AnswerFormat::Arrow => "application/vnd.apache.arrow.stream",
        }
    }
}

impl QueryAnswer {
    /// The pieces that make up the answer in this format. They are made as they are asked for, from
    /// at most a few hundred rows or one batch each.
    pub fn into_pieces(
        self,
        format: AnswerFormat,
    ) -> Box<dyn Iterator<Item = Result<Vec<u8>, QueryError>> + Send> {
        match format {
            AnswerFormat::Json => Box::new(json_pieces(self)),
            AnswerFormat::Csv => Box::new(csv_pieces(self)),
            AnswerFormat::Arrow => Box::new(Arrows::new(self)),
        }
    }
}

/// Slices of the batches, with whether it is the first.
fn slices(batches: Vec<RecordBatch>) -> impl Iterator<Item = (bool, RecordBatch)> + Send {
    let slices = batches.into_iter().flat_map(|batch| {
        (0..batch.num_rows()).step_by(PIECE_ROWS).map(move |from| {
            let rows = PIECE_ROWS.min(batch.num_rows() - from);
            batch.slice(from, rows)
        })
    });
    slices.enumerate().map(|(at, slice)| (at == 0, slice))
}

fn part_of(schema: &SchemaRef, slice: RecordBatch) -> QueryAnswer {
    QueryAnswer {
        schema: Arc::clone(schema),
        batches: vec![slice],
        truncated: false,
    }
}

fn json_pieces(answer: QueryAnswer) -> impl Iterator<Item = Result<Vec<u8>, QueryError>> + Send {
    let QueryAnswer {
        schema,
        batches,
        truncated,
    } = answer;
    let columns = QueryAnswer {
        schema: Arc::clone(&schema),
        batches: Vec::new(),
        truncated,
    };
    let begin = format!("{{\"columns\":{},\"rows\":[", columns.to_json()["columns"]);
    let rows = slices(batches).map(move |(first, slice)| {
        let mut text = String::new();
        for row in part_of(&schema, slice).to_json_rows() {
            if !(first && text.is_empty()) {
                text.push(',');
            }
            text.push_str(&row.to_string());
        }
        text.into_bytes()
    });
    let end = format!("],\"truncated\":{}}}", json!(truncated));
    let whole = [begin.into_bytes()].into_iter();
    whole.chain(rows).chain([end.into_bytes()]).map(Ok)
}

fn csv_pieces(answer: QueryAnswer) -> impl Iterator<Item = Result<Vec<u8>, QueryError>> + Send {
    let QueryAnswer {
        schema, batches, ..
    } = answer;
    let header = QueryAnswer {
        schema: Arc::clone(&schema),
        batches: Vec::new(),
        truncated: false,
    };
    let rows = slices(batches).map(move |(_, slice)| part_of(&schema, slice).to_csv_rows());
    let whole = [header.to_csv()].into_iter().chain(rows);
    whole.map(|text| Ok(text.into_bytes()))
}

/// The messages of an Arrow stream: the schema, a batch each, the end.
struct Arrows {
    writer: Option<StreamWriter<Vec<u8>>>,
    schema: SchemaRef,
    batches: std::vec::IntoIter<RecordBatch>,
    failed: Option<ArrowError>,
}

impl Arrows {
    fn new(answer: QueryAnswer) -> Self {
        let fields: Vec<Field> = answer
            .schema
            .fields()
            .iter()
            .map(|field| Field::new(field.name(), widely_read(field.data_type()), true))
            .collect();
        let schema = Arc::new(Schema::new(fields));
        let (writer, failed) = match StreamWriter::try_new(Vec::new(), &schema) {
            Ok(writer) => (Some(writer), None),
            Err(error) => (None, Some(error)),
        };
        Arrows {
            writer,
            schema,
            batches: answer.batches.into_iter(),
            failed,
        }
    }

    fn piece(&mut self) -> Result<Option<Vec<u8>>, ArrowError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let Some(mut writer) = self.writer.take() else {
            return Ok(None);
        };
        let Some(batch) = self.batches.next() else {
            writer.finish()?;
            return writer.into_inner().map(Some);
        };
        writer.write(&plain(&self.schema, &batch)?)?;
        let piece = std::mem::take(writer.get_mut());
        self.writer = Some(writer);
        Ok(Some(piece))
    }
}

impl Iterator for Arrows {
    type Item = Result<Vec<u8>, QueryError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.piece()
            .map_err(|error| QueryError::Failed(error.to_string()))
            .transpose()
    }
}

/// A type that readers of Arrow streams have known for long: no views, no dictionaries.
fn widely_read(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, values) => widely_read(values),
        other => other.clone(),
    }
}

fn plain(schema: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let columns: Vec<ArrayRef> = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| {
            if column.data_type() == field.data_type() {
                return Ok(Arc::clone(column));
            }
            cast(column, field.data_type())
        })
        .collect::<Result<_, _>>()?;
    RecordBatch::try_new(Arc::clone(schema), columns)
}
