//! Many rows in one statement: a storm costs no more statements than a single row.

use crate::statement::Text;
use crate::{Statement, Value};

/// A table as batches write it.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns, the key's first.
    pub columns: &'static [(&'static str, Kind)],
    /// How many columns the key has.
    pub key: usize,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Integers, booleans, instants.
    Integer,
    /// Floating point.
    Real,
    /// Text.
    Text,
}

impl Table {
    /// Writes rows, each in place of the one with its key. A key may stand in one row only.
    pub fn put(&'static self, rows: Vec<Vec<Value>>) -> Statement {
        Statement::of(Text::Put(self, rows))
    }

    /// Deletes the rows of these keys.
    pub fn remove(&'static self, keys: Vec<Vec<Value>>) -> Statement {
        Statement::of(Text::Remove(self, keys))
    }

    /// The key's columns.
    pub(crate) fn key_columns(&self) -> &'static [(&'static str, Kind)] {
        self.columns.get(..self.key).unwrap_or(self.columns)
    }

    /// The other columns.
    pub(crate) fn other_columns(&self) -> &'static [(&'static str, Kind)] {
        self.columns.get(self.key..).unwrap_or_default()
    }
}
