//! Several sorted inputs become one, a few rows of each in memory at a time.

use arrow::array::RecordBatch;
use arrow::compute::interleave_record_batch;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, Rows};

use crate::partition::{key_columns, key_converter};
use crate::schema::Table;

/// Rows that are given at once: as many as take about this many bytes, within these bounds.
const CHUNK_BYTES: usize = 1 << 20;
const CHUNK_ROWS_MAX: usize = 8192;
const CHUNK_ROWS_MIN: usize = 16;

/// Memory that merging takes besides its inputs, in bytes: the rows given, and the batches they are of.
pub(crate) const MEMORY_BYTES: u64 = 2 * CHUNK_BYTES as u64;

/// One input: its rows of the moment, and how far they were given.
struct Input<I> {
    rows: I,
    batch: RecordBatch,
    keys: Rows,
    at: usize,
}

/// The rows of sorted inputs in order; equal rows in the order of their inputs.
pub(crate) struct Merge<I> {
    inputs: Vec<Input<I>>,
    /// The inputs that have rows, as a heap: the one whose row is next comes first.
    heap: Vec<usize>,
    table: Table,
    converter: RowConverter,
    chunk_rows: usize,
    failed: bool,
}

impl<I: Iterator<Item = Result<RecordBatch, ArrowError>>> Merge<I> {
    /// Reads the first rows of each input.
    pub(crate) fn new(table: Table, inputs: Vec<I>) -> Result<Self, ArrowError> {
        let mut merge = Merge {
            inputs: Vec::with_capacity(inputs.len()),
            heap: Vec::with_capacity(inputs.len()),
            table,
            converter: key_converter(table)?,
            chunk_rows: CHUNK_ROWS_MAX,
            failed: false,
        };
        for mut rows in inputs {
            let Some(batch) = next_batch(&mut rows)? else {
                continue;
            };
            let keys = merge.keys(&batch)?;
            let row_bytes = (batch.get_array_memory_size() / batch.num_rows()).max(1);
            let fitting = (CHUNK_BYTES / row_bytes).clamp(CHUNK_ROWS_MIN, CHUNK_ROWS_MAX);
            merge.chunk_rows = merge.chunk_rows.min(fitting);
            merge.heap.push(merge.inputs.len());
            merge.inputs.push(Input {
                rows,
                batch,
                keys,
                at: 0,
            });
        }
        for place in (0..merge.heap.len() / 2).rev() {
            merge.sink(place);
        }
        Ok(merge)
    }

    fn keys(&self, batch: &RecordBatch) -> Result<Rows, ArrowError> {
        self.converter
            .convert_columns(&key_columns(self.table, batch)?)
    }

    /// Whether the row of one input comes before that of another.
    fn precedes(&self, one: usize, other: usize) -> bool {
        let (a, b) = (&self.inputs[one], &self.inputs[other]);
        a.keys
            .row(a.at)
            .cmp(&b.keys.row(b.at))
            .then(one.cmp(&other))
            .is_lt()
    }

    /// Moves the input at one place of the heap down to where it belongs.
    fn sink(&mut self, mut place: usize) {
        loop {
            let below = [2 * place + 1, 2 * place + 2];
            let first = below
                .into_iter()
                .filter(|child| *child < self.heap.len())
                .reduce(|a, b| {
                    if self.precedes(self.heap[b], self.heap[a]) {
                        b
                    } else {
                        a
                    }
                });
            match first {
                Some(child) if self.precedes(self.heap[child], self.heap[place]) => {
                    self.heap.swap(child, place);
                    place = child;
                }
                _ => return,
            }
        }
    }

    fn next_chunk(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        // Batches that rows were taken from, and which of them is each input's own now.
        let mut window: Vec<RecordBatch> = self.inputs.iter().map(|i| i.batch.clone()).collect();
        let mut own: Vec<usize> = (0..window.len()).collect();
        let mut places = Vec::with_capacity(self.chunk_rows);
        while places.len() < self.chunk_rows {
            let Some(&first) = self.heap.first() else {
                break;
            };
            let input = &mut self.inputs[first];
            places.push((own[first], input.at));
            input.at += 1;
            if input.at == input.batch.num_rows() {
                if self.advance(first)? {
                    own[first] = window.len();
                    window.push(self.inputs[first].batch.clone());
                } else {
                    self.heap.swap_remove(0);
                }
            } else if input.keys.row(input.at) < input.keys.row(input.at - 1) {
                return Err(not_sorted());
            }
            self.sink(0);
        }
        if places.is_empty() {
            return Ok(None);
        }
        let window: Vec<&RecordBatch> = window.iter().collect();
        interleave_record_batch(&window, &places).map(Some)
    }

    /// Goes on to an input's next rows; `false` when it has none.
    fn advance(&mut self, input: usize) -> Result<bool, ArrowError> {
        let Some(batch) = next_batch(&mut self.inputs[input].rows)? else {
            // Nothing of it is needed any more.
            let input = &mut self.inputs[input];
            input.batch = RecordBatch::new_empty(self.table.schema());
            return Ok(false);
        };
        let keys = self.keys(&batch)?;
        let input = &mut self.inputs[input];
        if keys.row(0) < input.keys.row(input.at - 1) {
            return Err(not_sorted());
        }
        (input.batch, input.keys, input.at) = (batch, keys, 0);
        Ok(true)
    }
}

fn next_batch(
    rows: &mut impl Iterator<Item = Result<RecordBatch, ArrowError>>,
) -> Result<Option<RecordBatch>, ArrowError> {
    rows.find(|batch| batch.as_ref().map_or(true, |batch| batch.num_rows() > 0))
        .transpose()
}

fn not_sorted() -> ArrowError {
    ArrowError::InvalidArgumentError("the rows of a file are not in order".to_owned())
}

impl<I: Iterator<Item = Result<RecordBatch, ArrowError>>> Iterator for Merge<I> {
    type Item = Result<RecordBatch, ArrowError>;

    /// After an error there is nothing more.
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let chunk = self.next_chunk().transpose();
        self.failed = matches!(chunk, Some(Err(_)));
        chunk
    }
}

#[cfg(test)]
mod tests {
    use arrow::compute::concat_batches;
    use proptest::prelude::*;

    use super::*;
    use crate::partition::Arranged;
    use crate::rows::{LogLine, LogRows};
    use model::Timestamp;

    type Line = (u8, i64);

    fn rows(input: usize, lines: &[Line]) -> RecordBatch {
        let mut rows = LogRows::new();
        for (index, (function, second)) in lines.iter().enumerate() {
            rows.push(&LogLine {
                ts: Timestamp::from_seconds(*second),
                namespace: "guide",
                function: &format!("fn{function}"),
                message: &format!("{input}/{index}"),
                ..LogLine::default()
            });
        }
        rows.finish()
    }

    /// One input in order, cut into batches of `length` rows.
    fn cut(batch: &RecordBatch, length: usize) -> Vec<Result<RecordBatch, ArrowError>> {
        (0..batch.num_rows())
            .step_by(length)
            .map(|from| Ok(batch.slice(from, length.min(batch.num_rows() - from))))
            .collect()
    }

    proptest! {
        #[test]
        fn merging_is_sorting(
            inputs in prop::collection::vec(
                (prop::collection::vec((0..3_u8, 0..40_i64), 0..60), 1..20_usize), 0..6),
        ) {
            let schema = Table::Logs.schema();
            let mut sorted = Vec::new();
            let mut merged = Vec::new();
            for (number, (lines, length)) in inputs.iter().enumerate() {
                let mut lines = lines.clone();
                lines.sort_unstable();
                let batch = rows(number, &lines);
                merged.push(cut(&batch, *length).into_iter());
                sorted.push(batch);
            }
            let arranged = Arranged::new(Table::Logs, &sorted).unwrap();
            let naive: Vec<RecordBatch> = arranged
                .hours()
                .map(|(hour, _)| hour)
                .collect::<Vec<_>>()
                .into_iter()
                .flat_map(|hour| arranged.chunks(hour).map(Result::unwrap).collect::<Vec<_>>())
                .collect();
            let mut merge = Merge::new(Table::Logs, merged).unwrap();
            merge.chunk_rows = 7;
            let chunks: Vec<RecordBatch> = merge.map(Result::unwrap).collect();
            prop_assert!(chunks.iter().all(|chunk| chunk.num_rows() <= 7));
            prop_assert_eq!(
                concat_batches(&schema, &chunks).unwrap(),
                concat_batches(&schema, &naive).unwrap()
            );
        }
    }

    #[test]
    fn an_input_out_of_order_is_an_error() {
        let batch = rows(0, &[(1, 5), (1, 3), (1, 4)]);
        for length in [1, 3] {
            let mut merge = Merge::new(Table::Logs, vec![cut(&batch, length).into_iter()]).unwrap();
            let error = merge.find_map(Result::err).unwrap();
            assert!(error.to_string().contains("not in order"), "{error}");
            assert!(merge.next().is_none());
        }
    }
}
