//! One SQL statement with its values.

use std::borrow::Cow;
use std::fmt;

use model::Timestamp;

use crate::batch::Table;

/// A value that a column holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// Integers, booleans (0, 1), instants (microseconds since the epoch).
    Integer(i64),
    /// Floating point. SQLite keeps NaN as null.
    Real(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
    /// A list to look in: `where id in ?1`. No column holds one.
    Integers(Vec<i64>),
    /// A list to look in: `where id in ?1`. No column holds one.
    Texts(Vec<String>),
}

impl Value {
    /// The word for its kind, as errors print it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Integer(_) => "an integer",
            Value::Real(_) => "a real",
            Value::Text(_) => "text",
            Value::Blob(_) => "a blob",
            Value::Integers(_) | Value::Texts(_) => "a list",
        }
    }
}

macro_rules! integers {
    ($($from:ty),*) => {$(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Value::Integer(i64::from(value))
            }
        }
    )*};
}
integers!(i64, i32, u32, u16, u8, bool);

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Value::Real(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Value::Text(value)
    }
}

impl From<&String> for Value {
    fn from(value: &String) -> Self {
        Value::Text(value.clone())
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Value::Blob(value)
    }
}

impl From<Vec<i64>> for Value {
    fn from(value: Vec<i64>) -> Self {
        Value::Integers(value)
    }
}

impl From<Vec<String>> for Value {
    fn from(value: Vec<String>) -> Self {
        Value::Texts(value)
    }
}

impl From<Timestamp> for Value {
    fn from(value: Timestamp) -> Self {
        Value::Integer(value.as_micros())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

/// One SQL statement, in words that both databases know. Values are bound, never written into the
/// text; `bind` fills `?1`, `?2`, … (or plain `?`) in order, and their number must fit. A list stands
/// for what it holds: `id in ?1`. `now_us()` is the database's own clock in microseconds.
#[derive(Clone, PartialEq)]
pub struct Statement {
    pub(crate) text: Text,
    pub(crate) values: Vec<Value>,
    pub(crate) rows_expected: Option<u64>,
}

/// What a statement says.
#[derive(Clone, PartialEq)]
pub(crate) enum Text {
    /// As the room wrote it.
    Plain(Cow<'static, str>),
    /// These rows, in place of those with their keys.
    Put(&'static Table, Vec<Vec<Value>>),
    /// Nothing of these keys any more.
    Remove(&'static Table, Vec<Vec<Value>>),
}

impl Statement {
    /// A statement without values yet.
    pub fn new(sql: impl Into<Cow<'static, str>>) -> Self {
        Statement::of(Text::Plain(sql.into()))
    }

    pub(crate) fn of(text: Text) -> Self {
        Statement {
            text,
            values: Vec::new(),
            rows_expected: None,
        }
    }

    /// Gives the next parameter its value.
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Its job counts only if it affects so many rows; otherwise nothing of the job is kept and the
    /// answer is [`crate::StateError::Unmet`].
    pub fn expect_rows(mut self, rows: u64) -> Self {
        self.rows_expected = Some(rows);
        self
    }
}

// Values may be phone numbers and the like, so logs get the text alone.
impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.text {
            Text::Plain(sql) => write!(f, "Statement({sql:?}, {} values)", self.values.len()),
            Text::Put(table, rows) => write!(f, "Put({}, {} rows)", table.name, rows.len()),
            Text::Remove(table, keys) => write!(f, "Remove({}, {} keys)", table.name, keys.len()),
        }
    }
}
