//! Rows of the table `samples`.

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Float64Type, TimeUnit, TimestampMillisecondType, UInt64Type};
use model::Labels;

use super::assemble;
use super::columns::{MapColumn, NumberColumn, WordColumn};
use crate::schema::Table;

/// One value of one metric series.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// Milliseconds since the epoch.
    pub ts_ms: i64,
    /// The metric's name.
    pub name: &'a str,
    /// Its labels, without `__name__`.
    pub labels: &'a Labels,
    /// The value; NaN payloads, stale markers among them, are kept bit by bit.
    pub value: f64,
}

/// Collects samples into a batch.
#[derive(Debug)]
pub struct SampleRows {
    len: usize,
    ts: NumberColumn<TimestampMillisecondType>,
    series: NumberColumn<UInt64Type>,
    name: WordColumn,
    labels: MapColumn,
    value: NumberColumn<Float64Type>,
}

impl Default for SampleRows {
    fn default() -> Self {
        Self::new()
    }
}

impl SampleRows {
    /// No rows yet.
    pub fn new() -> Self {
        SampleRows {
            len: 0,
            ts: NumberColumn::of_type(DataType::Timestamp(
                TimeUnit::Millisecond,
                Some("UTC".into()),
            )),
            series: NumberColumn::new(),
            name: WordColumn::new(),
            labels: MapColumn::new(),
            value: NumberColumn::new(),
        }
    }

    /// Adds a row.
    pub fn push(&mut self, row: &Sample<'_>) {
        self.ts.push(row.ts_ms);
        self.series.push(series_id(row.name, row.labels));
        self.name.push_required(row.name);
        self.labels.push(row.labels.iter());
        self.value.push(row.value);
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

    /// The collected rows as a batch of [`Table::Samples`]; the builder is empty again.
    pub fn finish(&mut self) -> RecordBatch {
        self.len = 0;
        let columns = (|| {
            Ok(vec![
                self.ts.finish()?,
                self.series.finish()?,
                self.name.finish()?,
                self.labels.finish()?,
                self.value.finish()?,
            ])
        })();
        assemble(Table::Samples, columns)
    }
}

/// The id of a metric series: the fingerprint Prometheus computes for the labels with `__name__`
/// among them.
pub fn series_id(name: &str, labels: &Labels) -> u64 {
    const NAME_LABEL: &str = "__name__";
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut feed = |label: &str, value: &str| {
        let bytes = label
            .bytes()
            .chain([0xff])
            .chain(value.bytes())
            .chain([0xff]);
        for byte in bytes {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    let mut named = name.is_empty();
    for (label, value) in labels.iter() {
        if !named && label > NAME_LABEL {
            feed(NAME_LABEL, name);
            named = true;
        }
        feed(label, value);
    }
    if !named {
        feed(NAME_LABEL, name);
    }
    hash
}
