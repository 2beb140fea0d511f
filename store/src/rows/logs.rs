//! Rows of the table `logs`.

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use model::{FunctionId, Timestamp};

use super::assemble;
use super::columns::{MapColumn, NumberColumn, TextColumn, WordColumn};
use crate::schema::Table;

/// One line a function logged. An empty text is an absent one.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogLine<'a> {
    /// When it was written.
    pub ts: Timestamp,
    /// The function's namespace; empty means [`FunctionId::DEFAULT_NAMESPACE`].
    pub namespace: &'a str,
    /// The function's name.
    pub function: &'a str,
    /// Deployed version.
    pub version: &'a str,
    /// The pod that wrote it.
    pub instance: &'a str,
    /// The request it was written for.
    pub request_id: &'a str,
    /// The trace it was written in.
    pub trace_id: &'a str,
    /// How loud: debug, info, warn, error, or the platform's word.
    pub level: &'a str,
    /// The line itself.
    pub message: &'a str,
    /// Everything else that was known.
    pub attrs: &'a [(&'a str, &'a str)],
}

/// Collects log lines into a batch.
#[derive(Debug)]
pub struct LogRows {
    len: usize,
    ts: NumberColumn<TimestampMicrosecondType>,
    namespace: WordColumn,
    function: WordColumn,
    version: WordColumn,
    instance: WordColumn,
    request_id: TextColumn,
    trace_id: TextColumn,
    level: WordColumn,
    message: TextColumn,
    attrs: MapColumn,
}

impl Default for LogRows {
    fn default() -> Self {
        Self::new()
    }
}

impl LogRows {
    /// No rows yet.
    pub fn new() -> Self {
        LogRows {
            len: 0,
            ts: NumberColumn::of_type(DataType::Timestamp(
                TimeUnit::Microsecond,
                Some("UTC".into()),
            )),
            namespace: WordColumn::new(),
            function: WordColumn::new(),
            version: WordColumn::new(),
            instance: WordColumn::new(),
            request_id: TextColumn::new(),
            trace_id: TextColumn::new(),
            level: WordColumn::new(),
            message: TextColumn::new(),
            attrs: MapColumn::new(),
        }
    }

    /// Adds a row.
    pub fn push(&mut self, row: &LogLine<'_>) {
        let namespace = if row.namespace.is_empty() {
            FunctionId::DEFAULT_NAMESPACE
        } else {
            row.namespace
        };
        self.ts.push(row.ts.as_micros());
        self.namespace.push_required(namespace);
        self.function.push_required(row.function);
        self.version.push(row.version);
        self.instance.push(row.instance);
        self.request_id.push(row.request_id);
        self.trace_id.push(row.trace_id);
        self.level.push(row.level);
        self.message.push(row.message);
        self.attrs.push(row.attrs.iter().copied());
        self.len += 1;
    }

    /// How many rows are collected.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none are.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The collected rows as a batch of [`Table::Logs`]; the builder is empty again.
    pub fn finish(&mut self) -> RecordBatch {
        self.len = 0;
        let columns = (|| {
            Ok(vec![
                self.ts.finish()?,
                self.namespace.finish()?,
                self.function.finish()?,
                self.version.finish()?,
                self.instance.finish()?,
                self.request_id.finish()?,
                self.trace_id.finish()?,
                self.level.finish()?,
                self.message.finish()?,
                self.attrs.finish()?,
            ])
        })();
        assemble(Table::Logs, columns)
    }
}
