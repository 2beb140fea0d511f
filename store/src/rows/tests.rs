//! Rows come back from a batch as they were pushed.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Float64Type, Int64Type, TimestampMicrosecondType, UInt32Type, UInt64Type,
};
use model::{Labels, Outcome, Timestamp, Traffic};
use proptest::prelude::*;

use super::*;

type Texts = (String, String, String, String);

#[derive(Clone, Debug)]
struct Pushed {
    texts: Texts,
    ts: i64,
    duration_us: i64,
    init_us: Option<i64>,
    memory: Option<u64>,
    outcome: usize,
    weight: u32,
    attrs: Vec<(String, String)>,
}

fn pushed() -> impl Strategy<Value = Pushed> {
    let word = || prop_oneof![Just(String::new()), "[a-c]{1,2}", "\\PC{0,20}"];
    (
        (word(), word(), word(), word()),
        any::<i64>(),
        any::<i64>(),
        any::<Option<i64>>(),
        any::<Option<u64>>(),
        (0..7_usize, any::<u32>()),
        prop::collection::vec(("[a-z]{1,3}", "\\PC{0,5}"), 0..3),
    )
        .prop_map(
            |(texts, ts, duration_us, init_us, memory, (outcome, weight), attrs)| Pushed {
                texts,
                ts,
                duration_us,
                init_us,
                memory,
                outcome,
                weight,
                attrs,
            },
        )
}

fn text(batch: &RecordBatch, column: &str, row: usize) -> Option<String> {
    let column = cast(batch.column_by_name(column).unwrap(), &DataType::Utf8).unwrap();
    let texts = column.as_string::<i32>();
    texts.is_valid(row).then(|| texts.value(row).to_owned())
}

fn absent_if_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn map(batch: &RecordBatch, column: &str, row: usize) -> Vec<(String, String)> {
    let maps = batch.column_by_name(column).unwrap().as_map();
    if maps.is_null(row) {
        return Vec::new();
    }
    let entries = maps.value(row);
    let (keys, values) = (
        entries.column(0).as_string::<i32>(),
        entries.column(1).as_string::<i32>(),
    );
    (0..entries.len())
        .map(|at| (keys.value(at).to_owned(), values.value(at).to_owned()))
        .collect()
}

fn number<T: arrow::datatypes::ArrowPrimitiveType>(
    batch: &RecordBatch,
    column: &str,
    row: usize,
) -> Option<T::Native> {
    let numbers = batch.column_by_name(column).unwrap().as_primitive::<T>();
    numbers.is_valid(row).then(|| numbers.value(row))
}

fn check(batch: &RecordBatch, row: usize, pushed: &Pushed) {
    let (namespace, function, version, request) = &pushed.texts;
    let namespace = absent_if_empty(namespace).unwrap_or_else(|| "default".to_owned());
    assert_eq!(text(batch, "namespace", row), Some(namespace));
    assert_eq!(text(batch, "function", row).as_ref(), Some(function));
    assert_eq!(text(batch, "version", row), absent_if_empty(version));
    assert_eq!(text(batch, "request_id", row), absent_if_empty(request));
    assert_eq!(
        text(batch, "outcome", row).as_deref(),
        Some(Outcome::ALL[pushed.outcome].as_str())
    );
    assert_eq!(text(batch, "traffic", row).as_deref(), Some("bot"));
    assert_eq!(
        number::<TimestampMicrosecondType>(batch, "ts", row),
        Some(pushed.ts)
    );
    assert_eq!(
        number::<Int64Type>(batch, "duration_us", row),
        Some(pushed.duration_us)
    );
    assert_eq!(number::<Int64Type>(batch, "init_us", row), pushed.init_us);
    assert_eq!(
        number::<UInt64Type>(batch, "memory_max", row),
        pushed.memory
    );
    assert_eq!(
        number::<UInt32Type>(batch, "weight", row),
        Some(pushed.weight)
    );
    assert_eq!(map(batch, "attrs", row), pushed.attrs);
}

proptest! {
    #[test]
    fn invocations_round_trip(first in prop::collection::vec(pushed(), 0..40), second in prop::collection::vec(pushed(), 0..40)) {
        let mut rows = InvocationRows::new();
        // The builder is used again: nothing of the first batch may show in the second.
        for batch in [first, second] {
            for pushed in &batch {
                let (namespace, function, version, request_id) = &pushed.texts;
                let attrs: Vec<_> = pushed.attrs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
                rows.push(&Invocation {
                    ts: Timestamp::from_micros(pushed.ts),
                    namespace,
                    function,
                    version,
                    request_id,
                    duration_us: pushed.duration_us,
                    init_us: pushed.init_us,
                    memory_max: pushed.memory,
                    outcome: Outcome::ALL[pushed.outcome],
                    traffic: Traffic::Bot,
                    weight: pushed.weight,
                    attrs: &attrs,
                    ..Invocation::default()
                });
            }
            prop_assert_eq!(rows.len(), batch.len());
            let built = rows.finish();
            prop_assert_eq!(built.num_rows(), batch.len());
            prop_assert_eq!(built.schema(), Table::Invocations.schema());
            built.column_by_name("namespace").unwrap().to_data().validate_full().unwrap();
            for (row, pushed) in batch.iter().enumerate() {
                check(&built, row, pushed);
            }
        }
    }
}

#[test]
fn logs_and_samples_have_their_tables_columns() {
    let mut logs = LogRows::new();
    logs.push(&LogLine {
        function: "feed",
        level: "error",
        message: "no \"luck\"\n",
        attrs: &[("k", "v")],
        ..LogLine::default()
    });
    let batch = logs.finish();
    assert_eq!(batch.schema(), Table::Logs.schema());
    assert_eq!(text(&batch, "message", 0).as_deref(), Some("no \"luck\"\n"));
    assert_eq!(
        (
            text(&batch, "trace_id", 0),
            text(&batch, "namespace", 0).as_deref()
        ),
        (None, Some("default"))
    );

    let mut samples = SampleRows::new();
    let labels = Labels::from_pairs([("Zone", "a"), ("pod", "p-1")]);
    let stale = f64::from_bits(0x7ff0_0000_0000_0002);
    samples.push(&Sample {
        ts_ms: 7,
        name: "up",
        labels: &labels,
        value: stale,
    });
    let batch = samples.finish();
    assert_eq!(batch.schema(), Table::Samples.schema());
    assert_eq!(
        number::<Float64Type>(&batch, "value", 0).unwrap().to_bits(),
        stale.to_bits()
    );
    assert_eq!(
        map(&batch, "labels", 0),
        [("Zone".into(), "a".into()), ("pod".into(), "p-1".into())]
    );
    let mut named = labels.clone();
    named.set("__name__", "up");
    assert_eq!(
        number::<UInt64Type>(&batch, "series", 0),
        Some(named.fingerprint())
    );
}
