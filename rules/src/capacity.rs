//! What one pod of a function carries. Load tests know; rules only ask.

use std::sync::Arc;

use model::FunctionId;

/// What is known of one pod.
#[derive(Clone, Debug, PartialEq)]
pub enum Capacity {
    /// It carries this many calls per second.
    PerPod(f64),
    /// It was never measured.
    Untested,
    /// It was measured, and the figure must not be used.
    Unusable {
        /// The reason, for people.
        why: Arc<str>,
    },
}

/// What knows the newest valid load test of a function; the root adapts it.
pub trait CapacitySource: Send + Sync {
    /// What one pod of this function carries. Asked for each function and tick, so it must be quick.
    fn capacity(&self, function: &FunctionId) -> Capacity;
}

/// Knows of no load test.
#[derive(Clone, Copy, Debug, Default)]
pub struct NothingTested;

impl CapacitySource for NothingTested {
    fn capacity(&self, _: &FunctionId) -> Capacity {
        Capacity::Untested
    }
}

/// A metric whose samples say how many pods a function has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PodsGauge {
    /// Its name.
    pub metric: String,
    /// The label that names the function: `namespace/name`, or the name with a label `namespace` beside
    /// it.
    pub label: String,
}
