//! The order in which rows of a table are written, as numbers that compare as the values do: texts are
//! ranked among the texts there are, once for each of them and not once for each comparison.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{TimestampMicrosecondType, TimestampMillisecondType, UInt64Type};
use arrow::error::ArrowError;

use crate::lexicon::Lexicon;
use crate::schema::Table;

/// How many columns a table is sorted by.
const COLUMNS: usize = 3;

/// What a row is sorted by, column by column.
pub(crate) type SortKey = [u64; COLUMNS];

/// The sort keys of all rows, batch by batch, with the lexicons of all columns of words. Keys of different calls
/// do not compare.
pub(crate) fn sort_keys(
    table: Table,
    batches: &[&RecordBatch],
    lexicons: &[Option<Lexicon<'_>>],
) -> Result<Vec<Vec<SortKey>>, ArrowError> {
    let mut keys: Vec<Vec<SortKey>> = batches
        .iter()
        .map(|batch| vec![[0; COLUMNS]; batch.num_rows()])
        .collect();
    let names = table.sort_columns();
    debug_assert_eq!(names.len(), COLUMNS, "of {}", table.name());
    for (at, name) in names.iter().enumerate() {
        let lexicon = lexicons.get(table.schema().index_of(name)?);
        let values = match lexicon.and_then(Option::as_ref) {
            Some(lexicon) => Some(ranked(batches, lexicon)),
            None => numbered(batches, name),
        };
        let values = values.ok_or_else(|| {
            ArrowError::SchemaError(format!("rows cannot be sorted by {name}, as it is"))
        })?;
        for (keys, values) in keys.iter_mut().zip(values) {
            for (key, value) in keys.iter_mut().zip(values) {
                if let Some(own) = key.get_mut(at) {
                    *own = value;
                }
            }
        }
    }
    Ok(keys)
}

/// Texts as their place among all texts of the column; what is absent comes first.
fn ranked(batches: &[&RecordBatch], lexicon: &Lexicon<'_>) -> Vec<Vec<u64>> {
    let ranks = batches.iter().enumerate().map(|(batch, rows)| {
        let rank = |row| lexicon.place(batch, row).map_or(0, |at| at as u64 + 1);
        (0..rows.num_rows()).map(rank).collect()
    });
    ranks.collect()
}

fn numbered(batches: &[&RecordBatch], name: &str) -> Option<Vec<Vec<u64>>> {
    batches.iter().map(|batch| numbers(batch, name)).collect()
}

fn numbers(batch: &RecordBatch, name: &str) -> Option<Vec<u64>> {
    /// Moved so that the lowest is 0.
    fn moved(number: i64) -> u64 {
        number.cast_unsigned() ^ 1 << 63
    }
    let column = batch.column_by_name(name)?;
    if let Some(micros) = column.as_primitive_opt::<TimestampMicrosecondType>() {
        return Some(micros.values().iter().copied().map(moved).collect());
    }
    if let Some(millis) = column.as_primitive_opt::<TimestampMillisecondType>() {
        return Some(millis.values().iter().copied().map(moved).collect());
    }
    let numbers = column.as_primitive_opt::<UInt64Type>()?;
    Some(numbers.values().to_vec())
}

#[cfg(test)]
mod tests {
    use model::{Labels, Timestamp};
    use proptest::prelude::*;

    use super::*;
    use crate::partition::{key_columns, key_converter};
    use crate::rows::{Invocation, InvocationRows, Sample, SampleRows};

    /// Whether any two rows of the batches compare as Arrow's own keys do.
    fn check(table: Table, batches: &[RecordBatch]) {
        let borrowed: Vec<_> = batches.iter().collect();
        let columns = 0..table.schema().fields().len();
        let lexicons: Vec<_> = columns.map(|at| Lexicon::of(&borrowed, at)).collect();
        let keys: Vec<SortKey> = sort_keys(table, &borrowed, &lexicons).unwrap().concat();
        let converter = key_converter(table).unwrap();
        let rows: Vec<_> = batches
            .iter()
            .map(|batch| {
                let columns = key_columns(table, batch).unwrap();
                converter.convert_columns(&columns).unwrap()
            })
            .collect();
        let rows: Vec<_> = rows.iter().flatten().collect();
        assert_eq!(keys.len(), rows.len());
        for (key, row) in keys.iter().zip(&rows) {
            for (other_key, other_row) in keys.iter().zip(&rows) {
                assert_eq!(key.cmp(other_key), row.cmp(other_row));
            }
        }
    }

    proptest! {
        #[test]
        fn calls_compare_as_arrow_has_it(
            batches in prop::collection::vec(
                prop::collection::vec(("[ab]{0,2}", "[a-cé]{1,3}", -5..5_i64), 0..12), 0..4),
        ) {
            let batches: Vec<RecordBatch> = batches.iter().map(|calls| {
                let mut rows = InvocationRows::new();
                for (namespace, function, micros) in calls {
                    let ts = Timestamp::from_micros(*micros);
                    rows.push(&Invocation { ts, namespace, function, ..Invocation::default() });
                }
                rows.finish()
            }).collect();
            check(Table::Invocations, &batches);
        }

        #[test]
        fn samples_compare_as_arrow_has_it(
            batches in prop::collection::vec(
                prop::collection::vec(("[ab]{0,2}", "[ab]", -5..5_i64), 0..12), 0..4),
        ) {
            let batches: Vec<RecordBatch> = batches.iter().map(|samples| {
                let mut rows = SampleRows::new();
                for (name, pod, ts_ms) in samples {
                    let labels = &Labels::from_pairs([("pod", pod.as_str())]);
                    rows.push(&Sample { ts_ms: *ts_ms, name, labels, value: 1.0 });
                }
                rows.finish()
            }).collect();
            check(Table::Samples, &batches);
        }
    }
}
