//! What queries may say beyond standard SQL: `function_id`, `success_rate`, `time_bucket`, and
//! quantiles of rows and of sketches.

mod function_id;
mod quantile;
mod spread;
mod spreads;
mod success_rate;
#[cfg(test)]
mod tests;
mod time_bucket;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::FunctionRegistry;

pub(super) use function_id::FUNCTION_ID_OF;

/// Makes the functions known to a session.
pub(super) fn register(session: &mut dyn FunctionRegistry) -> Result<()> {
    session.register_udf(Arc::new(time_bucket::time_bucket()))?;
    session.register_udf(Arc::new(quantile::sketch_quantile()))?;
    for aggregate in [
        success_rate::success_rate(),
        quantile::quantile(),
        quantile::merge_sketches(),
    ] {
        session.register_udaf(Arc::new(aggregate))?;
    }
    Ok(())
}
