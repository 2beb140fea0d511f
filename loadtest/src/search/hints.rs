//! Cross-checks that support or doubt a found capacity.

use crate::result::Verdict;

/// What one judged trial cost and gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Calls per second that were offered.
    pub rate: f64,
    /// Calls per second that were answered as expected.
    pub ok_per_second: f64,
    /// Mean latency in ms.
    pub mean_latency_ms: f64,
    /// CPUs that the pod used, when known.
    pub pod_cpus: Option<f64>,
    /// Share of the time that the pod was kept from running by its quota, when known.
    pub throttled: Option<f64>,
    /// Whether the trial was carried; `None` when it stayed open.
    pub held: Option<bool>,
}

/// The cross-checks in sentences. `pod_cpus` is the CPU quota of all pods of the target together.
pub fn sentences(_samples: &[Sample], _verdict: &Verdict, _pod_cpus: Option<f64>) -> Vec<String> {
    Vec::new()
}
