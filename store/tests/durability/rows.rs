//! Rows that can be told apart, and counting them wherever they are.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, UInt64Type};
use model::{Labels, Outcome, Timestamp};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use store::fs::Fs;
use store::{
    Batch, Idempotency, Invocation, InvocationRows, LogLine, LogRows, Position, Rollups, Sample,
    SampleRows, Snapshot, Table, minute_rows,
};

/// When the tests play: 2026-11-15 12:30 UTC.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_794_745_800);

/// `count` invocations whose request ids begin with `name`, one second apart from `at` backwards.
pub(crate) fn invocations(name: &str, count: usize, at: Timestamp) -> RecordBatch {
    let mut rows = InvocationRows::new();
    for index in 0..count {
        rows.push(&Invocation {
            ts: at - Duration::from_secs(index as u64 % 60),
            namespace: "guide",
            function: ["feed", "search", "book"][index % 3],
            request_id: &format!("{name}/{index}"),
            duration_us: 41_000,
            outcome: Outcome::ALL[index % Outcome::ALL.len()],
            source: "test",
            seen_at: at,
            attrs: &[("index", name)],
            ..Invocation::default()
        });
    }
    rows.finish()
}

/// A batch with rows of every table, a position and a key.
pub(crate) fn batch(lane: u64, number: u64, rows: usize, at: Timestamp) -> Batch {
    let name = name(lane, number);
    let mut logs = LogRows::new();
    let mut samples = SampleRows::new();
    for index in 0..rows.min(5) {
        logs.push(&LogLine {
            ts: at,
            namespace: "guide",
            function: "feed",
            request_id: &format!("{name}/{index}"),
            message: "one line",
            ..LogLine::default()
        });
        samples.push(&Sample {
            ts_ms: at.as_millis(),
            name: &name,
            labels: &Labels::from_pairs([("job", "pods")]),
            value: 1.0,
        });
    }
    Batch {
        invocations: Some(invocations(&name, rows, at)),
        logs: Some(logs.finish()),
        samples: Some(samples.finish()),
        positions: vec![Position {
            source: source(lane),
            value: number.to_string(),
        }],
        idempotency: Some(Idempotency {
            key: name.clone(),
            answer: format!("answer of {name}"),
        }),
        loadtests: None,
    }
}

pub(crate) fn name(lane: u64, number: u64) -> String {
    format!("lane{lane}-batch{number}")
}

pub(crate) fn source(lane: u64) -> String {
    format!("lane{lane}")
}

/// Rows of each batch by its name, for each table; and the calls that `minutes` tells of.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    pub(crate) invocations: BTreeMap<String, usize>,
    pub(crate) logs: BTreeMap<String, usize>,
    pub(crate) samples: BTreeMap<String, usize>,
    pub(crate) minutes_calls: u64,
    /// Request ids seen more than once.
    pub(crate) twice: Vec<String>,
}

/// Counts everything a snapshot shows.
pub(crate) fn census(fs: &dyn Fs, snapshot: &Snapshot) -> Census {
    let mut census = Census::default();
    let mut seen = std::collections::BTreeSet::new();
    let mut twice = Vec::new();
    for (table, batch) in all_rows(fs, snapshot) {
        match table {
            Table::Invocations => each_name(&batch, "request_id", |id| {
                if !seen.insert(id.to_owned()) {
                    twice.push(id.to_owned());
                }
                *census.invocations.entry(stem(id)).or_default() += 1;
            }),
            Table::Logs => each_name(&batch, "request_id", |id| {
                *census.logs.entry(stem(id)).or_default() += 1;
            }),
            Table::Samples => each_name(&batch, "name", |name| {
                *census.samples.entry(name.to_owned()).or_default() += 1;
            }),
            Table::Minutes => census.minutes_calls += calls(&batch),
            // `loadtests.rs` looks at these one by one.
            Table::Loadtests => {}
        }
    }
    for batch in snapshot.memory_of(Table::Invocations) {
        census.minutes_calls += calls(&minute_rows(batch, &Rollups::default()));
    }
    census.twice = twice;
    census
}

fn all_rows(fs: &dyn Fs, snapshot: &Snapshot) -> Vec<(Table, RecordBatch)> {
    let mut all = Vec::new();
    for table in Table::ALL {
        all.extend(
            snapshot
                .memory_of(table)
                .iter()
                .map(|batch| (table, batch.clone())),
        );
        for file in snapshot.files_of(table) {
            let mut content = Vec::new();
            fs.read(&file.path)
                .unwrap()
                .read_to_end(&mut content)
                .unwrap();
            let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(content))
                .unwrap()
                .build()
                .unwrap();
            let mut rows = 0;
            for batch in reader {
                let batch = table.conform(&batch.unwrap()).unwrap();
                let (from, to) = table.time_range(&batch).unwrap();
                assert!(file.from <= from && to <= file.to, "{file:?} {from} {to}");
                rows += batch.num_rows() as u64;
                all.push((table, batch));
            }
            assert_eq!(rows, file.rows, "{file:?}");
        }
    }
    all
}

fn each_name(batch: &RecordBatch, column: &str, mut each: impl FnMut(&str)) {
    let texts = cast(batch.column_by_name(column).unwrap(), &DataType::Utf8).unwrap();
    for text in texts.as_string::<i32>() {
        each(text.unwrap());
    }
}

fn stem(request_id: &str) -> String {
    request_id.split('/').next().unwrap().to_owned()
}

fn calls(minutes: &RecordBatch) -> u64 {
    Outcome::ALL
        .iter()
        .map(|outcome| {
            let column = minutes.column_by_name(outcome.as_str()).unwrap();
            assert_eq!(column.null_count(), 0);
            column
                .as_primitive::<UInt64Type>()
                .values()
                .iter()
                .sum::<u64>()
        })
        .sum()
}
