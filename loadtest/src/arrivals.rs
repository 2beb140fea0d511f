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
            let stage_area = f64::midpoint(stage.from, stage.to) * seconds;
            let wanted = self.area - self.stage_start_area;
            if wanted < stage_area {
                let at = self.stage_start_s + time_of_area(stage.from, stage.to, seconds, wanted);
                self.advance();
                return Some(Nanos((at * 1e9).round() as u64));
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn stage(seconds: f64, from: f64, to: f64) -> Stage {
        Stage {
            duration: Duration::from_secs_f64(seconds),
            from,
            to,
        }
    }

    fn slots(arrivals: Arrivals, stages: &[Stage], index: u64, of: u64) -> Vec<f64> {
        let plan = ArrivalPlan {
            arrivals,
            stages: stages.to_vec(),
            index,
            of,
        };
        Slots::new(plan, Random::new(7, index))
            .map(|slot| slot.0 as f64 / 1e9)
            .collect()
    }

    #[test]
    fn even_slots_are_where_they_belong() {
        let found = slots(Arrivals::Constant, &[stage(1.0, 4.0, 4.0)], 0, 1);
        assert_eq!(found, [0.0, 0.25, 0.5, 0.75]);
        // A rate that rises evenly from 0 to 8 has 4 calls in the second; the third comes at √(2·2/8).
        let rising = slots(Arrivals::Constant, &[stage(1.0, 0.0, 8.0)], 0, 1);
        let expected = [0.0, 0.5, std::f64::consts::FRAC_1_SQRT_2, 0.866_025_404];
        assert!(
            rising.len() == 4
                && rising
                    .iter()
                    .zip(expected)
                    .all(|(a, b)| (a - b).abs() < 1e-8),
            "{rising:?}"
        );
        // Over the edge of a stage, and through one without any call.
        let edges = slots(
            Arrivals::Constant,
            &[
                stage(0.5, 2.0, 2.0),
                stage(1.0, 0.0, 0.0),
                stage(0.5, 4.0, 4.0),
            ],
            0,
            1,
        );
        assert_eq!(edges, [0.0, 1.5, 1.75]);
    }

    #[test]
    fn threads_share_the_slots_without_gap_or_double() {
        let stages = [stage(2.0, 100.0, 300.0)];
        let whole = slots(Arrivals::Constant, &stages, 0, 1);
        let mut shared: Vec<f64> = (0..3)
            .flat_map(|index| slots(Arrivals::Constant, &stages, index, 3))
            .collect();
        shared.sort_by(f64::total_cmp);
        assert_eq!(shared, whole);
        assert_eq!(whole.len(), 400);
    }

    #[test]
    fn poisson_callers_are_as_many_as_wanted_and_as_uneven_as_they_must_be() {
        let stages = [stage(100.0, 200.0, 200.0)];
        let threads = (0..4).flat_map(|index| slots(Arrivals::Poisson, &stages, index, 4));
        let mut found: Vec<f64> = threads.collect();
        found.sort_by(f64::total_cmp);
        let count = found.len() as f64;
        // 20 000 ± 4 standard deviations (√20 000 = 141).
        assert!((count - 20_000.0).abs() < 566.0, "{count}");
        // Counts of a second have a variance equal to their mean.
        let mut seconds = [0.0_f64; 100];
        for at in &found {
            seconds[*at as usize] += 1.0;
        }
        let variance = seconds.iter().map(|n| (n - 200.0).powi(2)).sum::<f64>() / 100.0;
        assert!((120.0..300.0).contains(&variance), "{variance}");
    }

    #[test]
    fn an_hour_does_not_drift() {
        let last = slots(Arrivals::Constant, &[stage(3_600.0, 300.0, 300.0)], 0, 1);
        assert_eq!(last.len(), 1_080_000);
        assert!((last[1_079_999] - 1_079_999.0 / 300.0).abs() < 1e-6);
    }

    proptest! {
        #[test]
        fn slots_follow_the_area_under_the_rate(
            rates in prop::collection::vec((0.1_f64..5.0, 0.0_f64..200.0, 0.0_f64..200.0), 1..6),
        ) {
            let stages: Vec<Stage> = rates.iter().map(|(seconds, from, to)| stage(*seconds, *from, *to)).collect();
            let area: f64 = rates.iter().map(|(seconds, from, to)| seconds * (from + to) / 2.0).sum();
            let total: f64 = rates.iter().map(|(seconds, ..)| seconds).sum();
            let found = slots(Arrivals::Constant, &stages, 0, 1);
            prop_assert!((found.len() as f64 - area).abs() <= 1.0 + 1e-6, "{} of {area}", found.len());
            prop_assert!(found.windows(2).all(|pair| pair[0] <= pair[1]));
            prop_assert!(found.iter().all(|at| *at <= total + 1e-6));
        }
    }
}
