//! What queries may say beyond standard SQL: the column `function_id` and `success_rate(outcome)`.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err, internal_datafusion_err, not_impl_err};
use datafusion::functions_aggregate::expr_fn::avg;
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::function::{AccumulatorArgs, AggregateFunctionSimplification};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, Expr, ExprFunctionExt,
    ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit, when,
};
use model::Outcome;

use crate::rows::columns::WordColumn;
use crate::schema::FUNCTION_ID;

/// `namespace/name` from the two columns.
pub(super) static FUNCTION_ID_OF: LazyLock<Arc<ScalarUDF>> =
    LazyLock::new(|| Arc::new(ScalarUDF::new_from_impl(FunctionIdOf::new())));

/// `success_rate(outcome)`: the share of counted calls that ended well; null when none counted.
pub(super) fn success_rate() -> AggregateUDF {
    AggregateUDF::new_from_impl(SuccessRate::new())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct FunctionIdOf {
    signature: Signature,
}

impl FunctionIdOf {
    fn new() -> Self {
        FunctionIdOf {
            signature: Signature::any(2, Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for FunctionIdOf {
    fn name(&self) -> &'static str {
        FUNCTION_ID
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let [namespace, function] = columns.as_slice() else {
            return exec_err!("{FUNCTION_ID} takes a namespace and a name");
        };
        Ok(ColumnarValue::Array(join(namespace, function)?))
    }
}

/// Rows come in runs of the same function, so the text is made once per run.
fn join(namespace: &ArrayRef, function: &ArrayRef) -> Result<ArrayRef> {
    let namespace = arrow::compute::cast(namespace, &DataType::Utf8View)?;
    let function = arrow::compute::cast(function, &DataType::Utf8View)?;
    let (namespace, function) = (namespace.as_string_view(), function.as_string_view());
    let mut ids = WordColumn::new();
    let mut id = String::new();
    let mut last = ("", "");
    for row in 0..namespace.len() {
        let parts = (namespace.value(row), function.value(row));
        if row == 0 || parts != last {
            id.clear();
            id.push_str(parts.0);
            id.push('/');
            id.push_str(parts.1);
            last = parts;
        }
        ids.push_required(&id);
    }
    Ok(arrow::compute::cast(&ids.finish()?, &DataType::Utf8View)?)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct SuccessRate {
    signature: Signature,
}

impl SuccessRate {
    fn new() -> Self {
        SuccessRate {
            signature: Signature::exact(vec![DataType::Utf8View], Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for SuccessRate {
    fn name(&self) -> &'static str {
        "success_rate"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        not_impl_err!("success_rate over a window; group by the window instead")
    }

    /// The mean of 1 for ok, 0 for what failed and null for what does not count.
    fn simplify(&self) -> Option<AggregateFunctionSimplification> {
        Some(Box::new(|call: AggregateFunction, _| {
            let AggregateFunctionParams {
                args,
                filter,
                distinct,
                ..
            } = call.params;
            if distinct {
                return not_impl_err!("success_rate of DISTINCT outcomes");
            }
            let outcome = args
                .into_iter()
                .next()
                .ok_or_else(|| internal_datafusion_err!("success_rate without its outcome"))?;
            let failed = Outcome::ALL.iter().filter(|outcome| outcome.failed());
            let failed = failed.map(|outcome| word(*outcome)).collect();
            let score = when(outcome.clone().eq(word(Outcome::Ok)), lit(1.0_f64))
                .when(outcome.in_list(failed, false), lit(0.0_f64))
                .end()?;
            match filter {
                Some(filter) => avg(score).filter(*filter).build(),
                None => Ok::<Expr, _>(avg(score)),
            }
        }))
    }
}

/// An outcome as a literal of the type outcomes have in queries; types are settled before this is used.
fn word(outcome: Outcome) -> Expr {
    lit(ScalarValue::Utf8View(Some(outcome.as_str().to_owned())))
}
