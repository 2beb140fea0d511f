//! `success_rate(outcome [, traffic])` as DESIGN.md's words define it: ok / (ok + failed), where
//! `client_error` and `limited` do not count, nor, when the traffic is named, any that is not `live`.

use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, internal_datafusion_err, not_impl_err};
use datafusion::functions_aggregate::expr_fn::avg;
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::function::{AccumulatorArgs, AggregateFunctionSimplification};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, ExprFunctionExt, Signature, TypeSignature,
    Volatility, lit, when,
};
use model::{Outcome, Traffic};

/// The share of counted calls that ended well; null when none counted.
pub(super) fn success_rate() -> AggregateUDF {
    AggregateUDF::new_from_impl(SuccessRate::new())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct SuccessRate {
    signature: Signature,
}

impl SuccessRate {
    fn new() -> Self {
        let forms = [1, 2].map(|texts| TypeSignature::Exact(vec![DataType::Utf8View; texts]));
        SuccessRate {
            signature: Signature::one_of(forms.to_vec(), Volatility::Immutable),
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
            let mut args = args.into_iter();
            let outcome = args
                .next()
                .ok_or_else(|| internal_datafusion_err!("success_rate without its outcome"))?;
            let score = score(outcome, args.next())?;
            match filter {
                Some(filter) => avg(score).filter(*filter).build(),
                None => Ok::<Expr, _>(avg(score)),
            }
        }))
    }
}

/// 1 for ok, 0 for what failed and null for what does not count; the rate is its mean.
fn score(outcome: Expr, traffic: Option<Expr>) -> Result<Expr> {
    let failed = Outcome::ALL.iter().filter(|outcome| outcome.failed());
    let failed = failed.map(|outcome| word(outcome.as_str())).collect();
    let mut ok = outcome.clone().eq(word(Outcome::Ok.as_str()));
    let mut failed = outcome.in_list(failed, false);
    if let Some(traffic) = traffic {
        let live = traffic.eq(word(Traffic::Live.as_str()));
        ok = ok.and(live.clone());
        failed = failed.and(live);
    }
    when(ok, lit(1.0_f64)).when(failed, lit(0.0_f64)).end()
}

/// A literal of the type texts have in queries; types are settled before this is used.
fn word(text: &str) -> Expr {
    lit(ScalarValue::Utf8View(Some(text.to_owned())))
}
