//! The search for the load that a target carries: a state machine that is told what was seen and says
//! what to send next. It sends nothing, never sleeps and has no clock.
//!
//! A search warms the target up, doubles the load until it fails, narrows the bracket between the last
//! load that held and the first that did not, and holds nine tenths of what it found for long ([`hunt`]).
//! Each trial is held against the objective by exact tests ([`judge`]); a load whose trials leave it open
//! is tried again ([`book`]). All of that is done several times; the lowest result counts ([`verdict`]).

mod beta;
mod book;
mod estimate;
pub mod hints;
mod hunt;
mod judge;
mod length;
mod log;
#[cfg(test)]
mod simulation;
mod soak;
#[cfg(test)]
mod tests;
mod trend;
mod trial;
mod verdict;
mod warm_up;

use std::time::Duration;

pub use trial::{Block, Finding, Observation, Purpose, Step, Trial};

use crate::plan::{CapacityPlan, Objective};
use crate::result::TrialResult;
use hunt::{Ending, Hunt, Terms, Want};
use judge::{Class, Judge};

/// The share of what the generator reached against the null server up to which it is trusted.
const CALIBRATED_SHARE: f64 = 0.7;

/// A whole search: `plan.searches` times warm-up, climb, bisection and soak, and the verdict over all.
#[derive(Clone, Debug)]
pub struct Search {
    terms: Terms,
    hunt: Hunt,
    hunts_over: Vec<(Hunt, Ending)>,
    awaited: Option<Trial>,
    /// Whether the trial at hand was invalid once already.
    is_retry: bool,
    finding: Option<Box<Finding>>,
}

impl Search {
    /// A search that has not begun. `calibrated_max` is what this generator reached against the built-in
    /// null server, in calls per second; loads beyond 70 % of it are not tried.
    pub fn new(plan: CapacityPlan, objective: Objective, calibrated_max: f64) -> Self {
        Search::on(Terms {
            plan,
            objective,
            judge: Judge::new(&objective),
            ceiling: plan.max.min(calibrated_max * CALIBRATED_SHARE),
        })
    }

    fn on(terms: Terms) -> Self {
        Search {
            terms,
            hunt: Hunt::first(terms),
            hunts_over: Vec::new(),
            awaited: None,
            is_retry: false,
            finding: None,
        }
    }

    /// What to do next. The first call has nothing to tell; every later one tells what came of the trial
    /// that the call before wanted. Without it the same trial is wanted again.
    pub fn next(&mut self, last: Option<Observation>) -> Step {
        if let (Some(observation), Some(trial)) = (last, self.awaited.take()) {
            self.learn(&trial, &observation);
        }
        loop {
            if let Some(finding) = &self.finding {
                return Step::Done(finding.clone());
            }
            match self.hunt.want() {
                Want::Try(trial) => {
                    self.awaited = Some(trial);
                    return Step::Run(trial);
                }
                Want::Over(ending) => self.close(ending),
            }
        }
    }

    /// Whether a trial that still runs has shown enough and may end now. To be asked after each block.
    pub fn enough(&self, so_far: &Observation) -> bool {
        let class = || self.terms.judge.early(so_far);
        match so_far.trial.purpose {
            _ if !so_far.faults.is_empty() => true,
            Purpose::WarmUp => false,
            Purpose::Climb => class() != Class::Unclear,
            // A queue near its limit may look well for seconds: only a failure may end these early.
            Purpose::Bisect | Purpose::Repeat | Purpose::Soak => class() == Class::Overloaded,
        }
    }

    /// The trial that was judged last, for whoever watches; `None` before the first.
    pub fn last_trial(&self) -> Option<&TrialResult> {
        let before = || {
            self.hunts_over
                .last()
                .and_then(|(over, _)| over.last_trial())
        };
        self.hunt.last_trial().or_else(before)
    }

    /// What is known when somebody ends the search early, and says why.
    pub fn stop(&self, why: String) -> Finding {
        if let Some(finding) = &self.finding {
            return Finding::clone(finding);
        }
        let mut hunts = self.hunts_over.clone();
        let ending = match (self.hunt.stop(why), verdict::lowest_rate(&hunts)) {
            // What the searches before found stands, as a lower bound.
            (Ending::Nothing { why }, Some(low)) => Ending::Short { low, why },
            (ending, _) => ending,
        };
        hunts.push((self.hunt.clone(), ending));
        verdict::finding(hunts)
    }

    /// How long the whole search takes when all goes well, to be told before it begins: the time it takes
    /// against an imaginary target that carries the middle of the allowed loads.
    pub fn planned_duration(&self) -> Duration {
        estimate::duration(Search::on(self.terms), &self.terms)
    }

    fn learn(&mut self, trial: &Trial, observation: &Observation) {
        let why = match observation.faults.as_slice() {
            [] if !observation.blocks.is_empty() => {
                self.is_retry = false;
                self.hunt.learn(observation);
                return;
            }
            [] => "nothing was observed".to_owned(),
            faults => faults.join("; "),
        };
        self.hunt.note_invalid(observation, &why);
        // Once may be chance. Twice at the same load, and it is the generator.
        if self.is_retry {
            self.hunt.go_blind(
                trial,
                format!("the generator cannot send {:.0}/s: {why}", trial.rate),
            );
        }
        self.is_retry = !self.is_retry;
    }

    fn close(&mut self, ending: Ending) {
        let is_hopeless = matches!(ending, Ending::Nothing { .. });
        self.hunts_over.push((self.hunt.clone(), ending));
        let over = self.hunts_over.len() as u32;
        if is_hopeless || over >= self.terms.plan.searches {
            self.finding = Some(Box::new(verdict::finding(self.hunts_over.clone())));
        } else if let Some(lowest) = verdict::lowest(&self.hunts_over) {
            self.hunt = Hunt::again(lowest, over + 1);
        }
    }
}
