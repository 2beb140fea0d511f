//! Calls of a batch, gathered per series and bucket of completion time.
//!
//! Texts are compared by dictionary code, so a row costs one hash of seven small numbers at most, and
//! a text is looked at once per distinct series of the batch.

use arrow::array::{
    Array, AsArray, BooleanArray, DictionaryArray, PrimitiveArray, RecordBatch, StringArray,
};
use arrow::datatypes::{
    ArrowPrimitiveType, Int32Type, Int64Type, TimestampMicrosecondType, UInt32Type,
};
use model::{Outcome, Traffic};

use super::clamped;
use super::counts::Counts;
use super::layers::Layer;
use super::top::{ABSENT, NamedCodes, TopDimension};
use crate::rows::intern::{CodeTable, mix};
use crate::schema::as_dictionary;

/// The codes of namespace, function, version, unit, zone and traffic, and the layer: 0 for none or an
/// unknown one, else its place in [`Layer::ALL`] and one.
pub(crate) type Codes = [u32; 7];

/// The layer that codes tell.
pub(crate) fn layer_of(codes: &Codes) -> Option<Layer> {
    let place = (*codes.last()? as usize).checked_sub(1)?;
    Layer::ALL.get(place).copied()
}

/// The columns of `invocations` that counting needs.
pub(crate) struct Calls {
    ts: PrimitiveArray<TimestampMicrosecondType>,
    duration_us: PrimitiveArray<Int64Type>,
    weight: PrimitiveArray<UInt32Type>,
    cold_start: BooleanArray,
    outcome: Words,
    outcomes: Vec<Option<Outcome>>,
    dimensions: [Words; 6],
    instance: Option<Words>,
    /// The columns of [`super::TopDimension::ALL`].
    named: [Option<Words>; 3],
    /// By code of the column `layer`, as [`Codes`] tell it.
    layers: Vec<u32>,
}

/// One call as counting sees it.
#[derive(Clone, Copy)]
pub(crate) struct Call {
    /// When it completed, in microseconds.
    pub completed: i64,
    /// How long it took, clamped to 0..1 h.
    pub duration_us: u64,
    outcome: Outcome,
    weight: u32,
    cold_start: bool,
}

/// Counts of one series in one bucket.
#[derive(Clone, Debug)]
pub(crate) struct Gathered {
    /// Index into [`Gathering::keys`].
    pub key: u32,
    /// The bucket.
    pub bucket: i64,
    /// What was counted.
    pub counts: Counts,
    /// Completion of the earliest call, in microseconds.
    pub earliest: i64,
    /// Completion of the latest call, in microseconds.
    pub latest: i64,
}

/// A batch's calls by series and bucket.
#[derive(Default)]
pub(crate) struct Gathering {
    /// The distinct series, in order of appearance.
    pub keys: Vec<Codes>,
    /// Their counts, in order of appearance.
    pub cells: Vec<Gathered>,
    /// Rows whose outcome no vocabulary knows; they are not counted.
    pub unreadable: u64,
    table: CodeTable,
    cell_table: CodeTable,
    last_cell: Vec<u32>,
}

impl Calls {
    /// `None` when the batch has not the columns of `invocations`.
    pub(crate) fn of(batch: &RecordBatch) -> Option<Calls> {
        let outcome = Words::of(batch, "outcome")?;
        let outcomes = (0..outcome.radix())
            .map(|code| Outcome::from_word(outcome.text(code)))
            .collect();
        let named = TopDimension::ALL.map(|dimension| Words::of(batch, dimension.as_str()));
        let [_, layer, _] = &named;
        let layers = layer.iter().flat_map(|words| {
            (0..words.radix())
                .map(|code| Layer::from_word(words.text(code)).map_or(0, |layer| layer as u32 + 1))
        });
        Some(Calls {
            layers: layers.collect(),
            named,
            ts: numbers(batch, "ts")?,
            duration_us: numbers(batch, "duration_us")?,
            weight: numbers(batch, "weight")?,
            cold_start: batch
                .column_by_name("cold_start")?
                .as_boolean_opt()?
                .clone(),
            outcome,
            outcomes,
            dimensions: [
                Words::of(batch, "namespace")?,
                Words::of(batch, "function")?,
                Words::of(batch, "version")?,
                Words::of(batch, "unit")?,
                Words::of(batch, "zone")?,
                Words::of(batch, "traffic")?,
            ],
            instance: Words::of(batch, "instance"),
        })
    }

    /// The texts behind codes, in the order of [`super::Dimension::ALL`] without traffic, and whose
    /// traffic it is; an unknown word counts as live.
    pub(crate) fn texts(&self, codes: &Codes) -> ([&str; 5], Traffic) {
        let text = |at: usize| self.dimensions[at].text(codes[at]);
        let texts = [text(0), text(1), text(2), text(3), text(4)];
        let traffic = Traffic::from_word(text(5)).unwrap_or(Traffic::Live);
        (texts, traffic)
    }

    /// The code of the instance that answered a row; `None` when the row does not say.
    pub(crate) fn instance(&self, row: usize) -> Option<u32> {
        let words = self.instance.as_ref()?;
        let code = words.code(row);
        (!words.text(code).is_empty()).then_some(code)
    }

    /// The name behind a code of [`Calls::instance`].
    pub(crate) fn instance_name(&self, code: u32) -> &str {
        self.instance.as_ref().map_or("", |words| words.text(code))
    }

    /// The codes of the values a row names; `None` when it names none.
    #[inline]
    pub(super) fn named(&self, row: usize) -> Option<NamedCodes> {
        let codes = self.named.each_ref().map(|words| {
            words.as_ref().map_or(ABSENT, |words| {
                let code = words.code(row);
                if words.is_present(code) { code } else { ABSENT }
            })
        });
        (codes != [ABSENT; 3]).then_some(codes)
    }

    /// The values behind codes of [`Calls::named`].
    pub(super) fn named_values(&self, codes: &NamedCodes) -> [&str; 3] {
        let [error_type, layer, served_by] = &self.named;
        let [first, second, third] = *codes;
        [
            text_of(error_type.as_ref(), first),
            text_of(layer.as_ref(), second),
            text_of(served_by.as_ref(), third),
        ]
    }

    /// Gathers every call for which `bucket` names one; `visit` is told each with its series and row.
    pub(crate) fn gather(
        &self,
        mut bucket: impl FnMut(&Call, &Codes) -> Option<i64>,
        mut visit: impl FnMut(u32, usize, &Call),
    ) -> Gathering {
        let mut gathering = Gathering::default();
        let mut last: Option<(Codes, u32)> = None;
        for row in 0..self.ts.len() {
            let Some(call) = self.call(row) else {
                gathering.unreadable += 1;
                continue;
            };
            let codes = self.codes(row);
            let Some(bucket) = bucket(&call, &codes) else {
                continue;
            };
            let key = match last {
                Some((same, key)) if same == codes => key,
                _ => gathering.key_of(codes),
            };
            last = Some((codes, key));
            gathering.count(key, bucket, &call);
            visit(key, row, &call);
        }
        gathering
    }

    fn call(&self, row: usize) -> Option<Call> {
        let outcome = *self.outcomes.get(self.outcome.code(row) as usize)?;
        let duration_us = clamped(*self.duration_us.values().get(row)?);
        Some(Call {
            completed: self
                .ts
                .values()
                .get(row)?
                .saturating_add(duration_us as i64),
            duration_us,
            outcome: outcome?,
            weight: *self.weight.values().get(row)?,
            cold_start: self.cold_start.value(row),
        })
    }

    #[inline]
    fn codes(&self, row: usize) -> Codes {
        let [namespace, function, version, unit, zone, traffic] =
            self.dimensions.each_ref().map(|words| words.code(row));
        let [_, layer, _] = &self.named;
        let layer = layer
            .as_ref()
            .and_then(|words| self.layers.get(words.code(row) as usize));
        let layer = layer.copied().unwrap_or(0);
        [namespace, function, version, unit, zone, traffic, layer]
    }
}

impl Call {
    /// Counts this call.
    #[inline]
    pub(super) fn count_in(&self, counts: &mut Counts) {
        counts.add(self.outcome, self.weight, self.cold_start, self.duration_us);
    }
}

impl Gathering {
    fn key_of(&mut self, codes: Codes) -> u32 {
        let pair = |at: usize| u64::from(codes[at]) << 32 | u64::from(codes[at + 1]);
        let hash = mix(mix(pair(0), pair(2)), mix(pair(4), u64::from(codes[6])));
        let keys = &self.keys;
        if let Some(key) = self
            .table
            .find(hash, |key| keys.get(key as usize) == Some(&codes))
        {
            return key;
        }
        let key = self.keys.len() as u32;
        self.keys.push(codes);
        self.last_cell.push(u32::MAX);
        self.table.insert(hash, key);
        key
    }

    fn count(&mut self, key: u32, bucket: i64, call: &Call) {
        let at = self.cell_of(key, bucket, call.completed);
        let Some(cell) = self.cells.get_mut(at as usize) else {
            return;
        };
        call.count_in(&mut cell.counts);
        cell.earliest = cell.earliest.min(call.completed);
        cell.latest = cell.latest.max(call.completed);
    }

    fn cell_of(&mut self, key: u32, bucket: i64, completed: i64) -> u32 {
        let cells = &self.cells;
        let is_it = |at: u32| {
            let cell = cells.get(at as usize);
            cell.is_some_and(|cell| cell.key == key && cell.bucket == bucket)
        };
        let last = self
            .last_cell
            .get(key as usize)
            .copied()
            .unwrap_or(u32::MAX);
        if is_it(last) {
            return last;
        }
        let hash = mix(u64::from(key), bucket as u64);
        let at = self.cell_table.find(hash, is_it).unwrap_or_else(|| {
            let at = self.cells.len() as u32;
            self.cells.push(Gathered {
                key,
                bucket,
                counts: Counts::ZERO,
                earliest: completed,
                latest: completed,
            });
            self.cell_table.insert(hash, at);
            at
        });
        if let Some(last) = self.last_cell.get_mut(key as usize) {
            *last = at;
        }
        at
    }
}

/// A dictionary column; absent values have the code after the last.
pub(crate) struct Words {
    codes: DictionaryArray<Int32Type>,
    values: StringArray,
}

impl Words {
    pub(crate) fn of(batch: &RecordBatch, name: &str) -> Option<Words> {
        let column = as_dictionary(batch.column_by_name(name)?)?;
        let codes = column.as_dictionary_opt::<Int32Type>()?.clone();
        let values = codes.values().as_string_opt::<i32>()?.clone();
        Some(Words { codes, values })
    }

    pub(crate) fn code(&self, row: usize) -> u32 {
        if self.codes.is_null(row) {
            return self.values.len() as u32;
        }
        self.codes
            .keys()
            .values()
            .get(row)
            .map_or(0, |code| *code as u32)
    }

    pub(crate) fn text(&self, code: u32) -> &str {
        let at = code as usize;
        if at < self.values.len() && self.values.is_valid(at) {
            self.values.value(at)
        } else {
            ""
        }
    }

    fn is_present(&self, code: u32) -> bool {
        let at = code as usize;
        at < self.values.len() && self.values.value_length(at) > 0
    }

    fn radix(&self) -> u32 {
        self.values.len() as u32 + 1
    }
}

fn text_of(words: Option<&Words>, code: u32) -> &str {
    words.map_or("", |words| words.text(code))
}

fn numbers<T: ArrowPrimitiveType>(batch: &RecordBatch, name: &str) -> Option<PrimitiveArray<T>> {
    batch.column_by_name(name)?.as_primitive_opt::<T>().cloned()
}
