//! Keeps a planned query stoppable.
//!
//! A query is stopped by not polling it again, so every operator must hand control back now and then.
//! DataFusion makes its leaves do so, but a join in the middle can make millions of rows out of one batch
//! of its inputs without ever asking a leaf.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, plan_err};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::{CrossJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};

/// How many pairs of rows a join without an equality may look at, as far as can be told beforehand.
const PAIRS_MAX: u64 = 10_000_000_000;

/// The plan with every operator yielding; an error for joins that would compare everything with
/// everything.
pub(super) fn stoppable(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    check_joins(plan.as_ref())?;
    let yielding = plan.transform_up(|node| {
        if node.children().is_empty() {
            return Ok(Transformed::no(node));
        }
        let yielding: Arc<dyn ExecutionPlan> = Arc::new(CooperativeExec::new(node));
        Ok(Transformed::yes(yielding))
    })?;
    Ok(yielding.data)
}

fn check_joins(node: &dyn ExecutionPlan) -> Result<()> {
    for input in node.children() {
        check_joins(input.as_ref())?;
    }
    if !node.is::<NestedLoopJoinExec>() && !node.is::<CrossJoinExec>() {
        return Ok(());
    }
    let mut pairs = 1_u64;
    for input in node.children() {
        let rows = StatisticsContext::new()
            .compute(input.as_ref(), &StatisticsArgs::new())?
            .num_rows;
        pairs = pairs.saturating_mul(rows.get_value().map_or(1, |rows| *rows as u64));
    }
    if pairs > PAIRS_MAX {
        return plan_err!(
            "it joins every row with every row, about {pairs} pairs; add an equality to the join's ON"
        );
    }
    Ok(())
}
