//! What the rollups hold and what they turned away.

use serde::Serialize;

/// What the rollups hold and what they turned away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct RollupStats {
    /// Series told apart.
    pub series: u64,
    /// Functions they belong to.
    pub functions: u64,
    /// Rows too old for seconds.
    pub late_rows: u64,
    /// Those of them that were counted in their ten.
    pub corrected_rows: u64,
    /// Rows not counted because an outer layer logs the same calls.
    pub inner_rows: u64,
    /// Rows too far ahead to be believed.
    pub future_rows: u64,
    /// Rows counted under `__other__` because there were too many series.
    pub other_rows: u64,
    /// Rows whose outcome no vocabulary knows.
    pub unreadable_rows: u64,
    /// Instances told apart.
    pub instances: u64,
    /// Times an instance was not counted because there were too many.
    pub other_instances: u64,
    /// About how much memory counts per ten seconds take, in bytes.
    pub tens_bytes: u64,
    /// How far back counts reach without a gap, in seconds; six hours unless the start was too lately
    /// for that or memory too little.
    pub reach_seconds: u64,
    /// Values of `error_type`, `layer` and `served_by` told apart, once for every function and minute.
    pub top_values: u64,
    /// Calls counted under `__other__` because their function named too many values, or too long ones.
    pub top_other_calls: u64,
}
