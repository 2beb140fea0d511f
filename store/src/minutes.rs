//! The table `minutes`: sums and a latency sketch per series and minute of completion, kept long after
//! the rows are gone.
//!
//! Rows of it are *partial* sums. A minute of a series may have any number of them, one per batch that
//! was flushed; adding them up gives the truth, however the rows were split into batches.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, AsArray, BinaryBuilder, RecordBatch};
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType, UInt64Type};
use model::{FunctionId, Outcome, Traffic};

use crate::rollup::calls::{Calls, Codes, Words, layer_of};
use crate::rollup::sketch::bin_of;
use crate::rollup::{Counts, Rollups, SeriesKey, Sketch};
use crate::rows::assemble;
use crate::rows::columns::{CodeColumn, NumberColumn, WordColumn};
use crate::schema::{Table, outcome_column};

const SECOND_US: i64 = 1_000_000;
const MINUTE_US: i64 = 60 * SECOND_US;

/// The partial sums of a batch of `invocations`, without the rows of layers that `rollups` do not count.
/// A batch without the table's columns gives none.
pub fn minute_rows(invocations: &RecordBatch, rollups: &Rollups) -> RecordBatch {
    let mut rows = MinuteRows::new();
    let Some(calls) = Calls::of(invocations) else {
        tracing::error!("a batch without the columns of invocations was to be summed");
        return rows.finish();
    };
    let minute_of = |completed: i64| completed.div_euclid(MINUTE_US);
    let mut durations = Vec::with_capacity(invocations.num_rows());
    let mut inner_from: HashMap<Codes, i64> = HashMap::new();
    let gathering = calls.gather(
        |call, codes| {
            let layer = layer_of(codes);
            let counts = layer.is_none() || {
                let from = inner_from.entry(*codes).or_insert_with(|| {
                    let (texts, _) = calls.texts(codes);
                    rollups.counting_of(texts).until(layer)
                });
                call.completed.div_euclid(SECOND_US) < *from
            };
            counts.then(|| minute_of(call.completed))
        },
        |key, _, call| durations.push((key, minute_of(call.completed), bin_of(call.duration_us))),
    );
    durations.sort_unstable();
    for cell in &gathering.cells {
        if let Some(codes) = gathering.keys.get(cell.key as usize) {
            let (texts, traffic) = calls.texts(codes);
            let sketch = sketch_of(&durations, cell.key, cell.bucket);
            rows.push(cell.bucket, texts, traffic, &cell.counts, &sketch.pack());
        }
    }
    rows.finish()
}

/// The durations of one series in one minute; all of them are sorted by series, minute and bin.
fn sketch_of(durations: &[(u32, i64, u16)], key: u32, minute: i64) -> Sketch {
    let first = durations.partition_point(|(own, at, _)| (*own, *at) < (key, minute));
    let end = durations.partition_point(|(own, at, _)| (*own, *at) <= (key, minute));
    let bins = durations
        .get(first..end)
        .unwrap_or_default()
        .chunk_by(|(.., one), (.., other)| one == other);
    Sketch::of_bins(bins.filter_map(|same| Some((same.first()?.2, same.len() as u64))))
}

/// Adds up partial sums: series, minute (Unix seconds / 60) and counts of the minutes in `within`, in
/// order of series and time. Batches without the table's columns add nothing.
pub fn sum_minutes<'a>(
    partials: impl IntoIterator<Item = &'a RecordBatch>,
    within: Range<i64>,
) -> Vec<(SeriesKey, i64, Counts)> {
    let mut sums: BTreeMap<(SeriesKey, i64), Counts> = BTreeMap::new();
    for batch in partials {
        let Some(columns) = MinuteColumns::of(batch) else {
            tracing::error!("a batch without the columns of minutes was to be summed");
            continue;
        };
        for row in 0..batch.num_rows() {
            let minute = columns.minute(row);
            if within.contains(&minute) {
                let sum = sums.entry((columns.key(row), minute)).or_default();
                sum.merge(&columns.counts(row));
            }
        }
    }
    sums.into_iter()
        .map(|((key, minute), counts)| (key, minute, counts))
        .collect()
}

struct MinuteRows {
    minute: NumberColumn<TimestampMicrosecondType>,
    words: [WordColumn; 5],
    traffic: CodeColumn,
    counts: [NumberColumn<UInt64Type>; Outcome::ALL.len() + 3],
    sketches: BinaryBuilder,
}

impl MinuteRows {
    fn new() -> Self {
        MinuteRows {
            minute: NumberColumn::of_type(DataType::Timestamp(
                TimeUnit::Microsecond,
                Some("UTC".into()),
            )),
            words: std::array::from_fn(|_| WordColumn::new()),
            traffic: CodeColumn::default(),
            counts: std::array::from_fn(|_| NumberColumn::new()),
            sketches: BinaryBuilder::new(),
        }
    }

    fn push(
        &mut self,
        minute: i64,
        texts: [&str; 5],
        traffic: Traffic,
        counts: &Counts,
        sketch: &[u8],
    ) {
        self.minute.push(minute.saturating_mul(MINUTE_US));
        let [namespace, function, version, unit, zone] = &mut self.words;
        namespace.push_required(texts[0]);
        function.push_required(texts[1]);
        version.push(texts[2]);
        unit.push(texts[3]);
        zone.push(texts[4]);
        self.traffic.push(traffic as usize);
        let sums = [counts.weighted, counts.cold_starts, counts.duration_us];
        for (column, count) in self
            .counts
            .iter_mut()
            .zip(counts.outcomes.into_iter().chain(sums))
        {
            column.push(count);
        }
        self.sketches.append_value(sketch);
    }

    fn finish(&mut self) -> RecordBatch {
        let traffics = Traffic::ALL.iter().map(|traffic| traffic.as_str());
        let columns = (|| {
            let mut columns = vec![self.minute.finish()?];
            for column in &mut self.words {
                columns.push(column.finish()?);
            }
            columns.push(self.traffic.finish(traffics)?);
            for column in &mut self.counts {
                columns.push(column.finish()?);
            }
            columns.push(Arc::new(self.sketches.finish()));
            Ok(columns)
        })();
        assemble(Table::Minutes, columns)
    }
}

struct MinuteColumns<'a> {
    minute: &'a [i64],
    words: [Words; 5],
    traffic: Words,
    outcomes: Vec<&'a [u64]>,
    sums: [&'a [u64]; 3],
}

impl<'a> MinuteColumns<'a> {
    fn of(batch: &'a RecordBatch) -> Option<Self> {
        let minute = batch
            .column_by_name("minute")?
            .as_primitive_opt::<TimestampMicrosecondType>()?;
        let words = |name| Words::of(batch, name);
        let numbers = |name: &str| {
            let column = batch
                .column_by_name(name)?
                .as_primitive_opt::<UInt64Type>()?;
            (column.null_count() == 0).then(|| column.values().as_ref())
        };
        Some(MinuteColumns {
            minute: minute.values(),
            words: [
                words("namespace")?,
                words("function")?,
                words("version")?,
                words("unit")?,
                words("zone")?,
            ],
            traffic: words("traffic")?,
            outcomes: Outcome::ALL
                .iter()
                .map(|outcome| numbers(outcome_column(*outcome)))
                .collect::<Option<_>>()?,
            sums: [
                numbers("weighted")?,
                numbers("cold_starts")?,
                numbers("duration_us")?,
            ],
        })
    }

    fn minute(&self, row: usize) -> i64 {
        self.minute
            .get(row)
            .map_or(0, |micros| micros.div_euclid(MINUTE_US))
    }

    fn key(&self, row: usize) -> SeriesKey {
        let [namespace, function, version, unit, zone] = self
            .words
            .each_ref()
            .map(|words| words.text(words.code(row)).to_owned());
        let traffic = Traffic::from_word(self.traffic.text(self.traffic.code(row)));
        SeriesKey {
            namespace: if namespace.is_empty() {
                FunctionId::DEFAULT_NAMESPACE.to_owned()
            } else {
                namespace
            },
            function,
            version,
            unit,
            zone,
            traffic: traffic.unwrap_or(Traffic::Live),
        }
    }

    fn counts(&self, row: usize) -> Counts {
        let mut counts = Counts::ZERO;
        for (count, column) in counts.outcomes.iter_mut().zip(&self.outcomes) {
            *count = column.get(row).copied().unwrap_or(0);
        }
        let [weighted, cold_starts, duration_us] = self
            .sums
            .map(|column| column.get(row).copied().unwrap_or(0));
        counts.weighted = weighted;
        counts.cold_starts = cold_starts;
        counts.duration_us = duration_us;
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{Invocation, InvocationRows};
    use model::Timestamp;
    use proptest::prelude::*;

    type Call = (u8, u8, i64, usize, i64);

    fn batch(calls: &[Call]) -> RecordBatch {
        let mut rows = InvocationRows::new();
        for (function, unit, second, outcome, duration_us) in calls {
            let (function, unit) = (format!("fn{function}"), format!("u{unit}"));
            rows.push(&Invocation {
                ts: Timestamp::from_seconds(*second),
                namespace: "guide",
                function: &function,
                unit: if unit == "u0" { "" } else { &unit },
                outcome: Outcome::ALL[*outcome],
                duration_us: *duration_us,
                cold_start: *outcome == 1,
                weight: 3,
                ..Invocation::default()
            });
        }
        rows.finish()
    }

    fn naive(calls: &[Call]) -> Vec<(SeriesKey, i64, Counts)> {
        let mut sums: BTreeMap<(SeriesKey, i64), Counts> = BTreeMap::new();
        for (function, unit, second, outcome, duration_us) in calls {
            let key = SeriesKey {
                namespace: "guide".to_owned(),
                function: format!("fn{function}"),
                version: String::new(),
                unit: if *unit == 0 {
                    String::new()
                } else {
                    format!("u{unit}")
                },
                zone: String::new(),
                traffic: Traffic::Live,
            };
            let duration = (*duration_us).clamp(0, 3_600_000_000);
            let minute = (second * 1_000_000 + duration).div_euclid(MINUTE_US);
            let sum = sums.entry((key, minute)).or_default();
            sum.add(
                Outcome::ALL[*outcome],
                3,
                *outcome == 1,
                duration.unsigned_abs(),
            );
        }
        sums.into_iter()
            .map(|((key, minute), counts)| (key, minute, counts))
            .collect()
    }

    proptest! {
        #[test]
        fn partial_sums_add_up_however_rows_are_split(
            calls in prop::collection::vec((0..3_u8, 0..2_u8, -200..400_i64, 0..7_usize, -5..90_000_000_i64), 0..120),
            cuts in prop::collection::vec(0..120_usize, 0..5),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(calls.len())).collect();
            cuts.extend([0, calls.len()]);
            cuts.sort_unstable();
            let partials: Vec<RecordBatch> = cuts
                .windows(2)
                .map(|cut| minute_rows(&batch(&calls[cut[0]..cut[1]]), &Rollups::default()))
                .collect();
            prop_assert!(partials.iter().all(|partial| partial.schema() == Table::Minutes.schema()));
            prop_assert_eq!(sum_minutes(&partials, i64::MIN..i64::MAX), naive(&calls));
            let some: Vec<_> = naive(&calls).into_iter().filter(|(_, minute, _)| (0..3).contains(minute)).collect();
            prop_assert_eq!(sum_minutes(&partials, 0..3), some);
        }
    }

    #[test]
    fn a_batch_of_another_table_gives_no_minutes() {
        let logs = crate::rows::LogRows::new().finish();
        assert_eq!(minute_rows(&logs, &Rollups::default()).num_rows(), 0);
        assert!(sum_minutes([&logs], i64::MIN..i64::MAX).is_empty());
    }
}
