//! The five tables: their names, columns and Arrow types.
//!
//! Texts with few distinct values are dictionary-encoded in memory and in the write-ahead log.
//! `attrs` and `labels` are maps, so SQL reaches one entry with `attrs['key']`; a sample's `series`
//! is the fingerprint of its labels and name, the cheap thing to group by.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, new_null_array};
use arrow::datatypes::{
    DataType, Field, Int32Type, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType,
};
use arrow::error::ArrowError;
use model::{Outcome, Timestamp};

/// One of the tables a store keeps.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Table {
    /// One row per call of a function.
    Invocations,
    /// One row per line a function logged.
    Logs,
    /// One row per metric sample.
    Samples,
    /// Additive partial sums per series and minute; SUM over the partials gives the truth.
    Minutes,
    /// One row per result of a load test, and per decision about the limits that follow from one.
    Loadtests,
}

/// Why a batch is not one of a table.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// A column that every row needs is not there.
    #[error("table {table} needs the column {column}, which the batch does not have")]
    Missing {
        /// The table the batch was meant for.
        table: &'static str,
        /// The absent column.
        column: String,
    },
    /// A column has a type that does not convert.
    #[error("column {column} of table {table} does not convert to its type")]
    Type {
        /// The table the batch was meant for.
        table: &'static str,
        /// The column that does not fit.
        column: String,
        /// What Arrow said.
        #[source]
        source: ArrowError,
    },
}

impl Table {
    /// Every table.
    pub const ALL: [Table; 5] = [
        Table::Invocations,
        Table::Logs,
        Table::Samples,
        Table::Minutes,
        Table::Loadtests,
    ];

    /// The name in SQL and in directory names.
    pub const fn name(self) -> &'static str {
        match self {
            Table::Invocations => "invocations",
            Table::Logs => "logs",
            Table::Samples => "samples",
            Table::Minutes => "minutes",
            Table::Loadtests => "loadtests",
        }
    }

    /// The table with this name.
    pub fn from_name(name: &str) -> Option<Table> {
        Table::ALL.into_iter().find(|table| table.name() == name)
    }

    /// The columns as rows are built, logged and written to Parquet.
    pub fn schema(self) -> SchemaRef {
        SCHEMAS.with(self).clone()
    }

    /// The column that says when: `minute` for [`Table::Minutes`], otherwise `ts`.
    pub const fn time_column(self) -> &'static str {
        match self {
            Table::Minutes => "minute",
            _ => "ts",
        }
    }

    /// The columns Parquet files are sorted by, most significant first.
    pub const fn sort_columns(self) -> &'static [&'static str] {
        match self {
            Table::Invocations | Table::Logs | Table::Loadtests => &["namespace", "function", "ts"],
            Table::Samples => &["name", "series", "ts"],
            Table::Minutes => &["namespace", "function", "minute"],
        }
    }

    /// Whether rows belong to a function, so that SQL sees the derived column `function_id`.
    pub const fn has_function(self) -> bool {
        !matches!(self, Table::Samples)
    }

    /// The earliest and the latest time in a batch; `None` when it has no rows.
    pub fn time_range(self, batch: &RecordBatch) -> Option<(Timestamp, Timestamp)> {
        let column = batch.column_by_name(self.time_column())?;
        if let Some(times) = column.as_primitive_opt::<TimestampMicrosecondType>() {
            let low = arrow::compute::min(times)?;
            let high = arrow::compute::max(times)?;
            return Some((Timestamp::from_micros(low), Timestamp::from_micros(high)));
        }
        let times = column.as_primitive_opt::<TimestampMillisecondType>()?;
        let low = arrow::compute::min(times)?;
        let high = arrow::compute::max(times)?;
        Some((Timestamp::from_millis(low), Timestamp::from_millis(high)))
    }

    /// The batch with exactly this table's columns: order and types are put right, columns an older
    /// version did not know become null, unknown ones are left out.
    pub fn conform(self, batch: &RecordBatch) -> Result<RecordBatch, SchemaError> {
        let schema = self.schema();
        if batch.schema_ref().fields() == schema.fields() {
            return Ok(batch.clone());
        }
        let columns = schema
            .fields()
            .iter()
            .map(|field| self.conform_column(batch, field))
            .collect::<Result<Vec<_>, _>>()?;
        RecordBatch::try_new(schema, columns).map_err(|source| SchemaError::Type {
            table: self.name(),
            column: "*".to_owned(),
            source,
        })
    }

    fn conform_column(self, batch: &RecordBatch, field: &Field) -> Result<ArrayRef, SchemaError> {
        let Some(column) = batch.column_by_name(field.name()) else {
            if field.is_nullable() {
                return Ok(new_null_array(field.data_type(), batch.num_rows()));
            }
            return Err(SchemaError::Missing {
                table: self.name(),
                column: field.name().clone(),
            });
        };
        if column.data_type() == field.data_type() {
            return Ok(Arc::clone(column));
        }
        arrow::compute::cast(column, field.data_type()).map_err(|source| SchemaError::Type {
            table: self.name(),
            column: field.name().clone(),
            source,
        })
    }
}

/// The derived column of tables with functions: `namespace/name`.
pub(crate) const FUNCTION_ID: &str = "function_id";

/// The column of [`Table::Minutes`] with a packed [`crate::Sketch`] of durations; null in files of
/// versions that had none.
pub(crate) const SKETCH: &str = "sketch";

/// The name of the column of [`Table::Minutes`] that counts calls of an outcome.
pub(crate) const fn outcome_column(outcome: Outcome) -> &'static str {
    outcome.as_str()
}

struct Schemas([SchemaRef; 5]);

impl Schemas {
    fn with(&self, table: Table) -> &SchemaRef {
        let [invocations, logs, samples, minutes, loadtests] = &self.0;
        match table {
            Table::Invocations => invocations,
            Table::Logs => logs,
            Table::Samples => samples,
            Table::Minutes => minutes,
            Table::Loadtests => loadtests,
        }
    }
}

static SCHEMAS: LazyLock<Schemas> = LazyLock::new(|| {
    let tables = [invocations(), logs(), samples(), minutes(), loadtests()];
    Schemas(tables.map(|fields| Arc::new(Schema::new(fields))))
});

/// A text with few distinct values.
pub(crate) fn dictionary_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

fn time(unit: TimeUnit) -> DataType {
    DataType::Timestamp(unit, Some("UTC".into()))
}

/// A map of texts, with the field names Parquet prescribes so that files read back as written.
pub(crate) fn map_type() -> DataType {
    let [key, value] = map_entry_fields();
    let entries = DataType::Struct(vec![key, value].into());
    DataType::Map(Arc::new(Field::new("key_value", entries, false)), false)
}

fn map_entry_fields() -> [Field; 2] {
    [
        Field::new("key", DataType::Utf8, false),
        Field::new("value", DataType::Utf8, true),
    ]
}

fn required(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, false)
}

fn optional(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

fn invocations() -> Vec<Field> {
    vec![
        required("ts", time(TimeUnit::Microsecond)),
        required("namespace", dictionary_type()),
        required("function", dictionary_type()),
        optional("version", dictionary_type()),
        optional("alias", dictionary_type()),
        optional("request_id", DataType::Utf8),
        required("attempt", DataType::UInt16),
        optional("trace_id", DataType::Utf8),
        optional("instance", dictionary_type()),
        optional("region", dictionary_type()),
        optional("zone", dictionary_type()),
        optional("unit", dictionary_type()),
        optional("trigger", dictionary_type()),
        required("duration_us", DataType::Int64),
        optional("init_us", DataType::Int64),
        optional("queue_us", DataType::Int64),
        required("cold_start", DataType::Boolean),
        optional("memory_limit", DataType::UInt64),
        optional("memory_max", DataType::UInt64),
        required("outcome", dictionary_type()),
        optional("error_type", dictionary_type()),
        optional("http_status", DataType::UInt16),
        optional("served_by", dictionary_type()),
        required("traffic", dictionary_type()),
        optional("layer", dictionary_type()),
        required("weight", DataType::UInt32),
        optional("source", dictionary_type()),
        required("seen_at", time(TimeUnit::Microsecond)),
        optional("attrs", map_type()),
    ]
}

fn logs() -> Vec<Field> {
    vec![
        required("ts", time(TimeUnit::Microsecond)),
        required("namespace", dictionary_type()),
        required("function", dictionary_type()),
        optional("version", dictionary_type()),
        optional("instance", dictionary_type()),
        optional("request_id", DataType::Utf8),
        optional("trace_id", DataType::Utf8),
        optional("level", dictionary_type()),
        optional("message", DataType::Utf8),
        optional("attrs", map_type()),
    ]
}

fn samples() -> Vec<Field> {
    vec![
        required("ts", time(TimeUnit::Millisecond)),
        required("series", DataType::UInt64),
        required("name", dictionary_type()),
        optional("labels", map_type()),
        required("value", DataType::Float64),
    ]
}

fn minutes() -> Vec<Field> {
    let mut fields = vec![
        required("minute", time(TimeUnit::Microsecond)),
        required("namespace", dictionary_type()),
        required("function", dictionary_type()),
        optional("version", dictionary_type()),
        optional("unit", dictionary_type()),
        optional("zone", dictionary_type()),
        required("traffic", dictionary_type()),
    ];
    fields.extend(
        Outcome::ALL
            .iter()
            .map(|outcome| required(outcome_column(*outcome), DataType::UInt64)),
    );
    fields.extend(
        ["weighted", "cold_starts", "duration_us"]
            .into_iter()
            .map(|name| required(name, DataType::UInt64)),
    );
    fields.push(optional(SKETCH, DataType::Binary));
    fields
}

fn loadtests() -> Vec<Field> {
    vec![
        required("ts", time(TimeUnit::Microsecond)),
        optional("id", DataType::Utf8),
        required("namespace", dictionary_type()),
        required("function", dictionary_type()),
        optional("version", dictionary_type()),
        optional("digest", dictionary_type()),
        required("kind", dictionary_type()),
        optional("verdict", dictionary_type()),
        optional("low", DataType::Float64),
        optional("high", DataType::Float64),
        optional("per_pod", DataType::Float64),
        optional("per_cpu", DataType::Float64),
        optional("concurrency", DataType::UInt64),
        optional("cpu_limit", DataType::Float64),
        optional("memory_limit", DataType::UInt64),
        optional("scenario_hash", dictionary_type()),
        optional("target", dictionary_type()),
        optional("result", DataType::Utf8),
    ]
}

/// A text column as dictionary codes; other text encodings are converted.
pub(crate) fn as_dictionary(column: &ArrayRef) -> Option<ArrayRef> {
    if column.as_dictionary_opt::<Int32Type>().is_some() {
        return Some(Arc::clone(column));
    }
    arrow::compute::cast(column, &dictionary_type()).ok()
}
