//! The search for the load that a target carries: a state machine that is told what was seen and says
//! what to send next. It sends nothing, sleeps never and has no clock.

pub mod hints;
mod trial;

use std::time::Duration;

pub use trial::{Block, Finding, Observation, Purpose, Step, Trial};

use crate::plan::{CapacityPlan, Objective};
use crate::result::Verdict;

/// A whole search: `plan.searches` times warm-up, climb, bisection and soak, and the verdict over all.
#[derive(Clone, Debug)]
pub struct Search {
    plan: CapacityPlan,
}

impl Search {
    /// A search that has not begun. `calibrated_max` is what this generator reached against the built-in
    /// null server, in calls per second.
    pub fn new(plan: CapacityPlan, _objective: Objective, _calibrated_max: f64) -> Self {
        Search { plan }
    }

    /// What to do next. The first call has nothing to tell; every later one tells what came of the trial
    /// that the call before wanted.
    pub fn next(&mut self, _last: Option<Observation>) -> Step {
        Step::Done(Box::new(self.stop("not begun".to_owned())))
    }

    /// Whether a trial that is still running has shown enough and may end now.
    pub fn enough(&self, _so_far: &Observation) -> bool {
        false
    }

    /// What is known when somebody ends the search early, and says why.
    pub fn stop(&mut self, why: String) -> Finding {
        Finding {
            verdict: Verdict::Invalid { why },
            spread: None,
            mean_latency_ms: None,
            searches: Vec::new(),
            notes: Vec::new(),
            samples: Vec::new(),
        }
    }

    /// How long the whole search will take, to be told before it begins.
    pub fn planned_duration(&self) -> Duration {
        self.plan.soak * self.plan.searches
    }
}
