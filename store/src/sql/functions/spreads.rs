//! A [`Spread`] per group of a query, for whole columns at a time.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, BooleanArray, Float64Array,
};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

use super::spread::Spread;

/// What comes out of a spread in the end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Give {
    /// The number at this share of the ranks.
    Quantile(f64),
    /// A packed sketch.
    Sketch,
}

/// Spreads by group.
#[derive(Debug)]
pub(super) struct Spreads {
    give: Give,
    groups: Vec<Spread>,
    /// What the spreads hold outside of themselves.
    bytes: usize,
}

/// A column of numbers, of packed sketches, or of packed spreads.
enum Column<'a> {
    Numbers(&'a Float64Array),
    Sketches(&'a BinaryArray),
    Spreads(&'a BinaryArray),
}

impl<'a> Column<'a> {
    fn of(values: &'a [ArrayRef]) -> Result<Self> {
        match values.first() {
            Some(values) if *values.data_type() == DataType::Float64 => {
                Ok(Column::Numbers(values.as_primitive::<Float64Type>()))
            }
            Some(values) if *values.data_type() == DataType::Binary => {
                Ok(Column::Sketches(values.as_binary()))
            }
            _ => exec_err!("neither numbers nor sketches"),
        }
    }

    fn of_states(states: &'a [ArrayRef]) -> Result<Self> {
        let Some(states) = states.first().and_then(|states| states.as_binary_opt()) else {
            return exec_err!("no sums of quantiles");
        };
        Ok(Column::Spreads(states))
    }

    fn array(&self) -> &dyn Array {
        match self {
            Column::Numbers(values) => values,
            Column::Sketches(values) | Column::Spreads(values) => values,
        }
    }

    #[inline]
    fn add_to(&self, row: usize, spread: &mut Spread) {
        match self {
            Column::Numbers(values) => spread.add(values.value(row)),
            Column::Sketches(values) => spread.add_sketch(values.value(row)),
            Column::Spreads(values) => spread.add_packed(values.value(row)),
        }
    }
}

impl Spreads {
    pub(super) fn new(give: Give) -> Self {
        Spreads {
            give,
            groups: Vec::new(),
            bytes: 0,
        }
    }

    fn add(
        &mut self,
        column: &Column<'_>,
        groups: impl Iterator<Item = usize>,
        filter: Option<&BooleanArray>,
        total: usize,
    ) {
        self.groups.resize_with(total, Spread::default);
        let array = column.array();
        for (row, group) in groups.enumerate() {
            let filtered = filter.is_some_and(|filter| filter.is_null(row) || !filter.value(row));
            if filtered || array.is_null(row) {
                continue;
            }
            if let Some(spread) = self.groups.get_mut(group) {
                let before = spread.bytes();
                column.add_to(row, spread);
                self.bytes += spread.bytes() - before;
            }
        }
    }

    fn take(&mut self, emit_to: EmitTo) -> Vec<Spread> {
        let taken = emit_to.take_needed(&mut self.groups);
        self.bytes -= taken.iter().map(Spread::bytes).sum::<usize>();
        taken
    }

    fn given(&self, spreads: &[Spread]) -> ArrayRef {
        match self.give {
            Give::Quantile(q) => {
                let quantiles = spreads.iter().map(|spread| spread.quantile(q));
                Arc::new(quantiles.collect::<Float64Array>())
            }
            Give::Sketch => packed(spreads.iter().map(|spread| {
                let sketch = spread.to_sketch();
                (!sketch.is_empty()).then(|| sketch.pack())
            })),
        }
    }

    fn one(&mut self) -> Vec<Spread> {
        self.groups.resize_with(1, Spread::default);
        self.take(EmitTo::All)
    }
}

fn packed<B: AsRef<[u8]>>(spreads: impl Iterator<Item = Option<B>>) -> ArrayRef {
    let mut column = BinaryBuilder::new();
    spreads.for_each(|spread| column.append_option(spread));
    Arc::new(column.finish())
}

impl GroupsAccumulator for Spreads {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        let groups = group_indices.iter().copied();
        self.add(&Column::of(values)?, groups, filter, total);
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        let groups = groups.iter().copied();
        self.add(&Column::of_states(states)?, groups, None, total);
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let taken = self.take(emit_to);
        Ok(self.given(&taken))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let taken = self.take(emit_to);
        Ok(vec![packed(taken.iter().map(|spread| Some(spread.pack())))])
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let rows = values.first().map_or(0, Array::len);
        let mut each = Spreads::new(self.give);
        each.add(&Column::of(values)?, 0..rows, filter, rows);
        GroupsAccumulator::state(&mut each, EmitTo::All)
    }

    fn size(&self) -> usize {
        self.bytes + self.groups.capacity() * size_of::<Spread>()
    }
}

/// One group that is all rows.
impl Accumulator for Spreads {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let column = Column::of(values)?;
        let groups = std::iter::repeat_n(0, column.array().len());
        self.add(&column, groups, None, 1);
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let column = Column::of_states(states)?;
        let groups = std::iter::repeat_n(0, column.array().len());
        self.add(&column, groups, None, 1);
        Ok(())
    }

    /// Keeps what it has, since a window asks again after every row.
    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.groups.resize_with(1, Spread::default);
        ScalarValue::try_from_array(&self.given(&self.groups), 0)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let packed = self.one().first().map(Spread::pack);
        Ok(vec![ScalarValue::Binary(packed)])
    }

    fn size(&self) -> usize {
        GroupsAccumulator::size(self) + size_of::<Self>()
    }
}
