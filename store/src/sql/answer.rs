//! An answer as JSON and as CSV.
//!
//! JSON: integers beyond ±2⁵³ are strings, since JSON readers would round them; NaN and infinities are
//! null; times are RFC 3339 in UTC; maps are objects. CSV follows RFC 4180: null is an empty field, an
//! empty text is `""`, maps and lists are their JSON.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Decimal128Type, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, SchemaRef, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

/// The largest integer that every JSON reader keeps.
const EXACT_MAX: u64 = 1 << 53;

/// What a query gave.
#[derive(Clone, Debug)]
pub struct QueryAnswer {
    /// Names and types of the columns.
    pub schema: SchemaRef,
    /// The rows.
    pub batches: Vec<RecordBatch>,
    /// Whether there were more rows than the limit lets through.
    pub truncated: bool,
}

impl QueryAnswer {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// `{"columns":[{"name","type"}],"rows":[[…]],"truncated":false}`.
    pub fn to_json(&self) -> Value {
        let columns: Vec<Value> = self
            .schema
            .fields()
            .iter()
            .map(|field| json!({"name": field.name(), "type": type_word(field.data_type())}))
            .collect();
        json!({"columns": columns, "rows": self.to_json_rows(), "truncated": self.truncated})
    }

    /// The rows alone, each an array of its values.
    pub fn to_json_rows(&self) -> Vec<Value> {
        let mut rows = Vec::with_capacity(self.rows());
        for batch in &self.batches {
            for row in 0..batch.num_rows() {
                let values = batch.columns().iter().map(|column| value(column, row));
                rows.push(Value::Array(values.collect()));
            }
        }
        rows
    }

    /// A header line and a line per row, ended by CR LF.
    pub fn to_csv(&self) -> String {
        let mut text = String::new();
        let names = self
            .schema
            .fields()
            .iter()
            .map(|field| quoted(field.name()));
        push_line(&mut text, names);
        text.push_str(&self.to_csv_rows());
        text
    }

    /// The same without the header line.
    pub(super) fn to_csv_rows(&self) -> String {
        let mut text = String::new();
        for batch in &self.batches {
            for row in 0..batch.num_rows() {
                push_line(
                    &mut text,
                    batch.columns().iter().map(|column| csv_field(column, row)),
                );
            }
        }
        text
    }
}

fn push_line(text: &mut String, fields: impl Iterator<Item = String>) {
    for (at, field) in fields.enumerate() {
        if at > 0 {
            text.push(',');
        }
        text.push_str(&field);
    }
    text.push_str("\r\n");
}

fn csv_field(column: &ArrayRef, row: usize) -> String {
    match value(column, row) {
        Value::Null => float_word(column, row),
        Value::String(text) => quoted(&text),
        Value::Bool(yes) => yes.to_string(),
        Value::Number(number) => number.to_string(),
        nested => quoted(&nested.to_string()),
    }
}

/// NaN and infinities, which JSON cannot say.
fn float_word(column: &ArrayRef, row: usize) -> String {
    match column.as_primitive_opt::<Float64Type>() {
        Some(numbers) if numbers.is_valid(row) => numbers.value(row).to_string(),
        _ => String::new(),
    }
}

fn quoted(text: &str) -> String {
    if text.is_empty() || text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// The type in a word that people know.
fn type_word(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Boolean => "boolean",
        DataType::Float16 | DataType::Float32 | DataType::Float64 | DataType::Decimal128(..) => {
            "number"
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text",
        DataType::Timestamp(..) => "timestamp",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Duration(_) | DataType::Interval(_) => "interval",
        DataType::Map(..) => "map",
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => "list",
        DataType::Struct(_) => "record",
        DataType::Dictionary(_, values) => type_word(values),
        integer if integer.is_integer() => "integer",
        _ => "other",
    }
}

fn value(column: &ArrayRef, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Boolean => Value::Bool(column.as_boolean().value(row)),
        DataType::Int8 => signed(i64::from(column.as_primitive::<Int8Type>().value(row))),
        DataType::Int16 => signed(i64::from(column.as_primitive::<Int16Type>().value(row))),
        DataType::Int32 => signed(i64::from(column.as_primitive::<Int32Type>().value(row))),
        DataType::Int64 => signed(column.as_primitive::<Int64Type>().value(row)),
        DataType::UInt8 => unsigned(u64::from(column.as_primitive::<UInt8Type>().value(row))),
        DataType::UInt16 => unsigned(u64::from(column.as_primitive::<UInt16Type>().value(row))),
        DataType::UInt32 => unsigned(u64::from(column.as_primitive::<UInt32Type>().value(row))),
        DataType::UInt64 => unsigned(column.as_primitive::<UInt64Type>().value(row)),
        DataType::Float16 => number(column.as_primitive::<Float16Type>().value(row).to_f64()),
        DataType::Float32 => number(f64::from(column.as_primitive::<Float32Type>().value(row))),
        DataType::Float64 => number(column.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(..) => decimal(column, row),
        DataType::Utf8 => json!(column.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => json!(column.as_string::<i64>().value(row)),
        DataType::Utf8View => json!(column.as_string_view().value(row)),
        DataType::Timestamp(unit, _) => instant(column, row, *unit),
        DataType::Dictionary(..) | DataType::Map(..) | DataType::Struct(_) => nested(column, row),
        DataType::List(_) => list(&column.as_list::<i32>().value(row)),
        DataType::LargeList(_) => list(&column.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => list(&column.as_fixed_size_list().value(row)),
        _ => displayed(column, row),
    }
}

fn nested(column: &ArrayRef, row: usize) -> Value {
    match column.data_type() {
        DataType::Map(..) => {
            let entries = column.as_map().value(row);
            let mut object = Map::new();
            for at in 0..entries.len() {
                let key = match value(entries.column(0), at) {
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                object.insert(key, value(entries.column(1), at));
            }
            Value::Object(object)
        }
        DataType::Struct(fields) => {
            let columns = column.as_struct().columns();
            let pairs = fields.iter().zip(columns);
            Value::Object(
                pairs
                    .map(|(field, column)| (field.name().clone(), value(column, row)))
                    .collect(),
            )
        }
        _ => {
            let dictionary = column.as_any_dictionary();
            let code = dictionary.normalized_keys().get(row).copied().unwrap_or(0);
            value(dictionary.values(), code)
        }
    }
}

fn list(items: &ArrayRef) -> Value {
    (0..items.len()).map(|at| value(items, at)).collect()
}

fn signed(integer: i64) -> Value {
    if integer.unsigned_abs() > EXACT_MAX {
        Value::String(integer.to_string())
    } else {
        json!(integer)
    }
}

fn unsigned(integer: u64) -> Value {
    if integer > EXACT_MAX {
        Value::String(integer.to_string())
    } else {
        json!(integer)
    }
}

fn number(number: f64) -> Value {
    serde_json::Number::from_f64(number).map_or(Value::Null, Value::Number)
}

fn decimal(column: &ArrayRef, row: usize) -> Value {
    let text = column.as_primitive::<Decimal128Type>().value_as_string(row);
    text.parse().map_or(Value::String(text), number)
}

fn instant(column: &ArrayRef, row: usize, unit: TimeUnit) -> Value {
    let at = match unit {
        TimeUnit::Second => {
            DateTime::from_timestamp(column.as_primitive::<TimestampSecondType>().value(row), 0)
        }
        TimeUnit::Millisecond => DateTime::from_timestamp_millis(
            column.as_primitive::<TimestampMillisecondType>().value(row),
        ),
        TimeUnit::Microsecond => DateTime::from_timestamp_micros(
            column.as_primitive::<TimestampMicrosecondType>().value(row),
        ),
        TimeUnit::Nanosecond => Some(DateTime::<Utc>::from_timestamp_nanos(
            column.as_primitive::<TimestampNanosecondType>().value(row),
        )),
    };
    at.map_or(Value::Null, |at| {
        json!(at.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    })
}

fn displayed(column: &ArrayRef, row: usize) -> Value {
    match ArrayFormatter::try_new(column, &FormatOptions::default()) {
        Ok(formatter) => json!(formatter.value(row).to_string()),
        Err(_) => Value::Null,
    }
}
