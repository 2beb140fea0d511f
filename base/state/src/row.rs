//! One row of an answer, read by column index.

use model::Timestamp;
use sqlx::postgres::{PgRow, Postgres};
use sqlx::sqlite::{Sqlite, SqliteRow};
use sqlx::{Decode, Row as _, TypeInfo, ValueRef};

use crate::{StateError, Value};

/// One row of an answer. Columns are read by index, in the order of the `select`.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    values: Vec<Value>,
}

macro_rules! column {
    ($(#[$doc:meta])* $name:ident, $optional:ident, $type:ty, $expected:literal, $($pattern:pat => $result:expr),+) => {
        $(#[$doc])*
        pub fn $name(&self, column: usize) -> Result<$type, StateError> {
            match self.value(column)? {
                $($pattern => Ok($result),)+
                other => Err(StateError::Shape { column, expected: $expected, found: other.kind() }),
            }
        }

        $(#[$doc])*
        ///
        /// Null is `None`.
        pub fn $optional(&self, column: usize) -> Result<Option<$type>, StateError> {
            match self.value(column)? {
                Value::Null => Ok(None),
                _ => self.$name(column).map(Some),
            }
        }
    };
}

impl Row {
    /// The value as it is.
    pub fn value(&self, column: usize) -> Result<&Value, StateError> {
        self.values.get(column).ok_or(StateError::Shape {
            column,
            expected: "a column",
            found: "nothing: the row is shorter",
        })
    }

    /// Number of columns.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are no columns.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    column!(
        /// An integer.
        integer, optional_integer, i64, "an integer",
        Value::Integer(value) => *value
    );
    column!(
        /// A real; an integer counts as one, as sums of whole numbers are.
        real, optional_real, f64, "a real",
        Value::Real(value) => *value,
        Value::Integer(value) => *value as f64
    );
    column!(
        /// Text.
        text, optional_text, String, "text",
        Value::Text(value) => value.clone()
    );
    column!(
        /// Bytes.
        blob, optional_blob, Vec<u8>, "a blob",
        Value::Blob(value) => value.clone()
    );
    column!(
        /// A boolean, kept as 0 or 1.
        boolean, optional_boolean, bool, "0 or 1",
        Value::Integer(0) => false,
        Value::Integer(1) => true
    );
    column!(
        /// An instant, kept as microseconds since the epoch.
        timestamp, optional_timestamp, Timestamp, "microseconds since the epoch",
        Value::Integer(value) => Timestamp::from_micros(*value)
    );

    pub(crate) fn of_sqlite(row: &SqliteRow) -> Result<Self, StateError> {
        (0..row.len())
            .map(|column| read_sqlite(row, column))
            .collect::<Result<_, _>>()
            .map(|values| Row { values })
    }

    pub(crate) fn of_postgres(row: &PgRow) -> Result<Self, StateError> {
        (0..row.len())
            .map(|column| read_postgres(row, column))
            .collect::<Result<_, _>>()
            .map(|values| Row { values })
    }
}

/// Takes the value by the type it has in this row, not by the column's declaration.
fn read_sqlite(row: &SqliteRow, column: usize) -> Result<Value, StateError> {
    let raw = row
        .try_get_raw(column)
        .map_err(|cause| StateError::of(&cause))?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    let kind = raw.type_info().name().to_owned();
    let value = match kind.as_str() {
        "INTEGER" => <i64 as Decode<'_, Sqlite>>::decode(raw).map(Value::Integer),
        "REAL" => <f64 as Decode<'_, Sqlite>>::decode(raw).map(Value::Real),
        "TEXT" => <String as Decode<'_, Sqlite>>::decode(raw).map(Value::Text),
        _ => <Vec<u8> as Decode<'_, Sqlite>>::decode(raw).map(Value::Blob),
    };
    value.map_err(|_| StateError::Shape {
        column,
        expected: "text in UTF-8",
        found: "other bytes",
    })
}

fn read_postgres(row: &PgRow, column: usize) -> Result<Value, StateError> {
    let raw = row
        .try_get_raw(column)
        .map_err(|cause| StateError::of_server(&cause))?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    let kind = raw.type_info().name().to_owned();
    let value = match kind.as_str() {
        "INT8" => <i64 as Decode<'_, Postgres>>::decode(raw).map(Value::Integer),
        "INT4" => <i32 as Decode<'_, Postgres>>::decode(raw).map(Value::from),
        "BOOL" => <bool as Decode<'_, Postgres>>::decode(raw).map(Value::from),
        "FLOAT8" => <f64 as Decode<'_, Postgres>>::decode(raw).map(Value::Real),
        "TEXT" | "VARCHAR" | "NAME" | "UNKNOWN" => {
            <String as Decode<'_, Postgres>>::decode(raw).map(Value::Text)
        }
        "BYTEA" => <Vec<u8> as Decode<'_, Postgres>>::decode(raw).map(Value::Blob),
        _ => Err("another type".into()),
    };
    value.map_err(|_| StateError::Shape {
        column,
        expected: "an integer, a real, text or bytes",
        found: "another type",
    })
}
