//! When callers come: the instants at which the open model wants requests sent.

use crate::plan::{Arrivals, Stage};
use crate::random::Random;
use crate::timing::Nanos;

/// A thread's share of the arrivals of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct ArrivalPlan {
    /// How callers are spaced.
    pub arrivals: Arrivals,
    /// Rates over time, of all threads together.
    pub stages: Vec<Stage>,
    /// This thread takes every `of`th slot, from slot number `index` on (constant), or a share of
    /// `1 / of` of the rate (Poisson: thinning a Poisson process gives Poisson processes).
    pub index: u64,
    /// Threads over all workers.
    pub of: u64,
}

/// The instants, in order, as offsets from the run's start.
#[derive(Clone, Debug)]
pub struct Slots {
    plan: ArrivalPlan,
    random: Random,
    /// Stage at hand, when it began, and how many arrivals lie before it.
    stage: usize,
    stage_start_s: f64,
    stage_start_area: f64,
    /// Arrivals expected (area under the rate) up to the next slot.
    area: f64,
    next_index: u64,
}

impl Slots {
    /// The slots of a share; `random` spaces Poisson arrivals.
    pub fn new(plan: ArrivalPlan, mut random: Random) -> Self {
        let of = plan.of.max(1) as f64;
        let area = match plan.arrivals {
            Arrivals::Constant => plan.index as f64,
            Arrivals::Poisson => random.exponential() * of,
        };
        Slots {
            next_index: plan.index,
            plan,
            random,
            stage: 0,
            stage_start_s: 0.0,
            stage_start_area: 0.0,
            area,
        }
    }
}

impl Iterator for Slots {
    type Item = Nanos;

    /// The next slot as an offset from the start; `None` when the stages are over.
    fn next(&mut self) -> Option<Nanos> {
        // Time is where the area under the rate reaches `area`: one formula for every shape of rate.
        loop {
            let stage = self.plan.stages.get(self.stage)?;
            let seconds = stage.duration.as_secs_f64();
            let stage_area = (stage.from + stage.to) / 2.0 * seconds;
            let wanted = self.area - self.stage_start_area;
            if wanted < stage_area {
                let at = self.stage_start_s + time_of_area(stage.from, stage.to, seconds, wanted);
                self.advance();
                return Some(Nanos((at * 1e9) as u64));
            }
            self.stage += 1;
            self.stage_start_s += seconds;
            self.stage_start_area += stage_area;
        }
    }
}

impl Slots {
    fn advance(&mut self) {
        let of = self.plan.of.max(1);
        match self.plan.arrivals {
            Arrivals::Constant => {
                // Counted in whole numbers, so that an hour of slots does not drift.
                self.next_index += of;
                self.area = self.next_index as f64;
            }
            Arrivals::Poisson => self.area += self.random.exponential() * of as f64,
        }
    }
}

/// When the area under a rate that goes evenly `from … to` over `seconds` reaches `area`: the root of
/// `from·t + (to − from)/(2·seconds)·t² = area`, written so that neither a flat nor a rising-from-zero
/// rate loses digits.
fn time_of_area(from: f64, to: f64, seconds: f64, area: f64) -> f64 {
    let slope = (to - from) / seconds;
    let root = (from * from + 2.0 * slope * area).max(0.0).sqrt();
    let below = from + root;
    if below > 0.0 {
        (2.0 * area / below).min(seconds)
    } else {
        0.0
    }
}
