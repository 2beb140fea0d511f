//! `quantile(numbers, q)` and `quantile(sketches, q)` over groups of rows, `merge_sketches(sketches)`, and
//! `sketch_quantile(sketch, q)` of one: every figure within 1 % of the value of rank ⌊q · (n − 1)⌋.

use std::sync::Arc;

use arrow::array::{Array, AsArray, Float64Array};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::{Result, ScalarValue, exec_err, not_impl_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, GroupsAccumulator,
    ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Literal;

use super::spread::Spread;
use super::spreads::{Give, Spreads};

/// `quantile(column, q)`: of numbers, or of all durations behind packed sketches.
pub(super) fn quantile() -> AggregateUDF {
    AggregateUDF::new_from_impl(OfSpread::new("quantile"))
}

/// `merge_sketches(column)`: one packed sketch of all of them, for several quantiles of one pass.
pub(super) fn merge_sketches() -> AggregateUDF {
    AggregateUDF::new_from_impl(OfSpread::new(MERGE))
}

/// `sketch_quantile(sketch, q)`: of one row's sketch.
pub(super) fn sketch_quantile() -> ScalarUDF {
    ScalarUDF::new_from_impl(SketchQuantile {
        signature: Signature::exact(
            vec![DataType::Binary, DataType::Float64],
            Volatility::Immutable,
        ),
    })
}

const MERGE: &str = "merge_sketches";

#[derive(Debug, PartialEq, Eq, Hash)]
struct OfSpread {
    name: &'static str,
    signature: Signature,
}

impl OfSpread {
    fn new(name: &'static str) -> Self {
        OfSpread {
            name,
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }

    fn spreads(&self, args: &AccumulatorArgs) -> Result<Spreads> {
        if args.is_distinct {
            return not_impl_err!("{} of DISTINCT values", self.name);
        }
        if self.name == MERGE {
            return Ok(Spreads::new(Give::Sketch));
        }
        let Some(q) = args.exprs.get(1).and_then(share) else {
            return plan_err!("the second argument of quantile has to be a constant of 0 to 1");
        };
        Ok(Spreads::new(Give::Quantile(q)))
    }
}

/// A constant of 0 to 1.
fn share(expr: &Arc<dyn PhysicalExpr>) -> Option<f64> {
    let literal = expr.downcast_ref::<Literal>()?;
    match literal.value() {
        ScalarValue::Float64(Some(q)) if (0.0..=1.0).contains(q) => Some(*q),
        _ => None,
    }
}

impl AggregateUDFImpl for OfSpread {
    fn name(&self) -> &'static str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let is_sketch = |given: &DataType| given.is_binary() || *given == DataType::Null;
        match given {
            [sketches] if self.name == MERGE && is_sketch(sketches) => Ok(vec![DataType::Binary]),
            _ if self.name == MERGE => plan_err!("{MERGE} takes a column of sketches"),
            [sketches, q] if sketches.is_binary() && q.is_numeric() => {
                Ok(vec![DataType::Binary, DataType::Float64])
            }
            [numbers, q] if (numbers.is_numeric() || numbers.is_null()) && q.is_numeric() => {
                Ok(vec![DataType::Float64; 2])
            }
            _ => plan_err!("quantile takes numbers or sketches, and a share such as 0.99"),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(if self.name == MERGE {
            DataType::Binary
        } else {
            DataType::Float64
        })
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let name = format_state_name(args.name, "spread");
        Ok(vec![Arc::new(Field::new(name, DataType::Binary, true))])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(self.spreads(&args)?))
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(self.spreads(&args)?))
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct SketchQuantile {
    signature: Signature,
}

impl ScalarUDFImpl for SketchQuantile {
    fn name(&self) -> &'static str {
        "sketch_quantile"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let [sketches, shares] = columns.as_slice() else {
            return exec_err!("sketch_quantile takes a sketch and a share");
        };
        let sketches = sketches.as_binary::<i32>();
        let shares = shares.as_primitive::<Float64Type>();
        let quantile = |row: usize| {
            if sketches.is_null(row) || shares.is_null(row) {
                return None;
            }
            let mut spread = Spread::default();
            spread.add_sketch(sketches.value(row));
            spread.quantile(shares.value(row))
        };
        let quantiles: Float64Array = (0..sketches.len()).map(quantile).collect();
        Ok(ColumnarValue::Array(Arc::new(quantiles)))
    }
}
