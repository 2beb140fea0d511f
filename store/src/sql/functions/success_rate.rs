//! `success_rate(outcome [, traffic])` as DESIGN.md's words define it: ok / (ok + failed), where
//! `client_error` and `limited` do not count, nor, when the traffic is named, any that is not `live`.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, AsArray, Float64Array, Float64Builder, StringViewArray};
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err, internal_datafusion_err, not_impl_err};
use datafusion::functions_aggregate::expr_fn::avg;
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::function::{AccumulatorArgs, AggregateFunctionSimplification};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, Expr, ExprFunctionExt,
    ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility, lit, when,
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
    let score = SCORE_OF.call(vec![outcome]);
    match traffic {
        Some(traffic) => when(traffic.eq(word(Traffic::Live.as_str())), score).end(),
        None => Ok(score),
    }
}

/// A literal of the type texts have in queries; types are settled before this is used.
fn word(text: &str) -> Expr {
    lit(ScalarValue::Utf8View(Some(text.to_owned())))
}

/// The score of an outcome. As a `case` over the words it would cost several passes over every row.
static SCORE_OF: LazyLock<ScalarUDF> = LazyLock::new(|| {
    ScalarUDF::new_from_impl(ScoreOf {
        signature: Signature::exact(vec![DataType::Utf8View], Volatility::Immutable),
    })
});

#[derive(Debug, PartialEq, Eq, Hash)]
struct ScoreOf {
    signature: Signature,
}

impl ScalarUDFImpl for ScoreOf {
    fn name(&self) -> &'static str {
        "outcome_score"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let outcomes = columns
            .first()
            .and_then(|column| column.as_string_view_opt());
        let Some(outcomes) = outcomes else {
            return exec_err!("{} takes outcomes", self.name());
        };
        Ok(ColumnarValue::Array(Arc::new(scores(outcomes))))
    }
}

/// Views of one array that are the same are the same text, and most are that of the row before.
fn scores(outcomes: &StringViewArray) -> Float64Array {
    let mut scores = Float64Builder::with_capacity(outcomes.len());
    let mut last = None;
    for (row, view) in outcomes.views().iter().enumerate() {
        let score = match last {
            _ if outcomes.is_null(row) => None,
            Some((same, score)) if same == *view => score,
            _ => {
                let score = Outcome::from_word(outcomes.value(row)).and_then(score_of);
                last = Some((*view, score));
                score
            }
        };
        scores.append_option(score);
    }
    scores.finish()
}

fn score_of(outcome: Outcome) -> Option<f64> {
    outcome
        .counts()
        .then_some(if outcome.failed() { 0.0 } else { 1.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_scores_wherever_its_text_lies() {
        let words = Outcome::ALL.iter().map(|outcome| Some(outcome.as_str()));
        let words = words.chain([None, Some("no outcome at all"), Some("")]);
        let words: Vec<_> = words
            .flat_map(|word| [word, word, Some("ok"), word])
            .collect();
        let told = scores(&StringViewArray::from(words.clone()));
        let expected = words.iter().map(|word| match (*word)? {
            "ok" => Some(1.0),
            "function_error" | "timeout" | "oom" | "platform_error" => Some(0.0),
            _ => None,
        });
        assert_eq!(
            told.iter().collect::<Vec<_>>(),
            expected.collect::<Vec<_>>()
        );
    }
}
