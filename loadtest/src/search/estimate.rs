//! How long a search will take.

use std::time::Duration;

use crate::search::Search;
use crate::search::hunt::Terms;
use crate::search::trial::{Block, Observation, Step, Trial};

/// What repeated trials add to a search in which every trial is clear, as a factor.
const REPEATS: f64 = 1.4;
/// Trials that are played at most; far beyond any search.
const TRIALS_MAX: u32 = 1_000;

/// Plays the search against a target that carries every load up to the geometric middle between start and
/// ceiling and none above, and adds up what it would have taken.
pub(super) fn duration(mut search: Search, terms: &Terms) -> Duration {
    let carries = (terms.plan.start * terms.ceiling).max(0.0).sqrt();
    let mut sum = Duration::ZERO;
    let mut last = None;
    for _ in 0..TRIALS_MAX {
        let Step::Run(trial) = search.next(last.take()) else {
            break;
        };
        let observation = imagine(&search, trial, carries);
        let seconds: f64 = observation.blocks.iter().map(|block| block.seconds).sum();
        sum += trial.cool_down + Duration::from_secs_f64(seconds);
        last = Some(observation);
    }
    sum.mul_f64(REPEATS)
}

/// What would be seen of a trial, up to where it may end.
fn imagine(search: &Search, trial: Trial, carries: f64) -> Observation {
    let mut observation = Observation {
        trial,
        blocks: Vec::new(),
        faults: Vec::new(),
    };
    let seconds = trial.block.as_secs_f64();
    let calls = (trial.rate * seconds).ceil() as u64;
    let mut left = trial.duration;
    while !left.is_zero() && !search.enough(&observation) {
        observation.blocks.push(Block {
            seconds,
            intended: calls,
            sent: calls,
            ok: calls,
            over: if trial.rate > carries { calls } else { 0 },
            done: calls,
            mean_latency_ms: 1.0,
            ..Block::default()
        });
        left = left.saturating_sub(trial.block);
    }
    observation
}
