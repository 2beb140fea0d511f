//! What the modelled pod carries, computed by sending calls through its arithmetic.

use std::time::Duration;

use model::Ratio;

use super::ModelPlan;
use super::pod::{Admission, Pod};
use crate::arrivals::{ArrivalPlan, Slots};
use crate::plan::{Arrivals, Objective, Stage};
use crate::random::Random;
use crate::tally::Times;
use crate::timing::Nanos;

/// Calls of one simulation, so many that the rate of a p99 is known to about 1 %, of a p99.9 to about 3 %.
const CALLS: u32 = 100_000;
/// The first tenth fills the queue and is not counted.
const CALLS_UNCOUNTED: u32 = CALLS / 10;
/// Halvings of the bracket: to a thousandth of the capacity.
const HALVINGS: u32 = 11;

/// A pod that carries a rate within a latency has at most this many times its capacity.
const CARRYING_EXCESS_MAX: f64 = 4.0;
/// Largest error of what a pod that was made for a rate carries.
const CARRYING_ERROR_MAX: f64 = 0.03;

/// What became of simulated calls.
#[derive(Clone, Debug, Default)]
pub struct Simulated {
    /// From arrival to the end, shed calls not counted.
    pub latency: Times,
    /// Calls that were answered with 200.
    pub ok: u64,
    /// Calls that were answered with 500.
    pub failed: u64,
    /// Calls that found the queue full.
    pub shed: u64,
}

/// Sends calls at a rate (per second) through the plan's queue, on paper.
pub fn simulate(plan: &ModelPlan, arrivals: Arrivals, rate: f64) -> Simulated {
    let mut seen = Simulated::default();
    for (at, admission) in calls(plan, arrivals, rate) {
        match admission {
            Admission::Work(work) => {
                seen.latency.record(work.due.since(at));
                if work.ok {
                    seen.ok += 1;
                } else {
                    seen.failed += 1;
                }
            }
            Admission::Shed(_) => seen.shed += 1,
        }
    }
    seen
}

/// The highest rate (calls per second) at which the plan meets the objective in the long run; 0 when it
/// never does. A call that is shed counts as one that failed. A short trial may pass a little above this
/// rate, while the queue is still filling.
pub fn rate_within(plan: &ModelPlan, arrivals: Arrivals, objective: &Objective) -> f64 {
    let (mut low, mut high) = (0.0, plan.capacity());
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if meets(plan, arrivals, middle, objective) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// A pod that carries `rate` (calls per second) with its 99th percentile (or another `quantile`) of
/// latency within `latency`, and hardly more; `None` when none of this kind does.
pub fn carrying(
    rate: f64,
    arrivals: Arrivals,
    quantile: f64,
    latency: Duration,
) -> Option<ModelPlan> {
    let objective = Objective {
        quantile,
        latency,
        success_rate: Ratio::new(0.999)?,
    };
    let (mut low, mut high) = (rate, rate * CARRYING_EXCESS_MAX);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if meets(&ModelPlan::of_capacity(middle), arrivals, rate, &objective) {
            high = middle;
        } else {
            low = middle;
        }
    }
    let plan = ModelPlan::of_capacity(high);
    let within = rate_within(&plan, arrivals, &objective);
    ((within / rate - 1.0).abs() < CARRYING_ERROR_MAX).then_some(plan)
}

/// Whether the objective is met; ends as soon as it no longer can be.
fn meets(plan: &ModelPlan, arrivals: Arrivals, rate: f64, objective: &Objective) -> bool {
    if rate <= 0.0 {
        return false;
    }
    let limit = u64::try_from(objective.latency.as_nanos()).unwrap_or(u64::MAX);
    let counted = f64::from(CALLS - CALLS_UNCOUNTED);
    let over_max = counted * (1.0 - objective.quantile);
    let failed_max = counted * (1.0 - objective.success_rate.get());
    let (mut over, mut failed) = (0.0, 0.0);
    for (at, admission) in calls(plan, arrivals, rate) {
        match admission {
            Admission::Work(work) if work.ok => {
                over += f64::from(u8::from(work.due.since(at) > limit));
            }
            Admission::Work(_) | Admission::Shed(_) => {
                over += 1.0;
                failed += 1.0;
            }
        }
        // The last digit of a share such as 0.99 must not decide.
        if over > over_max + 1e-6 || failed > failed_max + 1e-6 {
            return false;
        }
    }
    true
}

/// The calls that count, each with its arrival and what becomes of it.
fn calls(
    plan: &ModelPlan,
    arrivals: Arrivals,
    rate: f64,
) -> impl Iterator<Item = (Nanos, Admission)> {
    // Random arrivals need a little longer than their mean, in the worst case.
    let seconds = f64::from(CALLS) / rate * 1.1;
    let share = ArrivalPlan {
        arrivals,
        stages: vec![Stage {
            duration: Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX),
            from: rate,
            to: rate,
        }],
        index: 0,
        of: 1,
    };
    // Another stream than the pod's own draws.
    let slots = Slots::new(share, Random::new(plan.seed, 1));
    let mut pod = Pod::new(plan.clone());
    slots
        .take(CALLS as usize)
        .map(move |at| (at, pod.arrive(at)))
        .skip(CALLS_UNCOUNTED as usize)
}

#[cfg(test)]
mod tests {
    use model::Ratio;

    use super::*;
    use crate::serve::model::{ServiceTime, Shed};

    fn objective(latency_ms: u64) -> Objective {
        Objective {
            quantile: 0.99,
            latency: Duration::from_millis(latency_ms),
            success_rate: Ratio::new(0.999).unwrap(),
        }
    }

    #[test]
    fn one_worker_waits_as_pollaczek_and_khinchine_say() {
        // Mean wait of M/G/1: ρ·s·(1 + c²) / (2·(1 − ρ)), c² = 0 for constant, 1 for exponential times.
        let mean = Duration::from_millis(10);
        for (service, c2) in [
            (ServiceTime::Constant(mean), 0.0),
            (ServiceTime::Exponential { mean }, 1.0),
        ] {
            let plan = ModelPlan {
                workers: 1,
                service,
                ..ModelPlan::default()
            };
            for load in [0.3, 0.6, 0.8] {
                let seen = simulate(&plan, Arrivals::Poisson, load * 100.0);
                let got = seen.latency.mean() / 1e6;
                let wanted = 10.0 + load * 10.0 * (1.0 + c2) / (2.0 * (1.0 - load));
                assert!(
                    (got / wanted - 1.0).abs() < 0.07,
                    "{service:?} at {load}: {got} ms, theory {wanted} ms"
                );
            }
        }
    }

    #[test]
    fn the_rate_of_an_objective_lies_where_theory_puts_it() {
        for rate in [100.0, 1_000.0] {
            let plan = ModelPlan::of_capacity(rate);
            assert!((plan.capacity() / rate - 1.0).abs() < 1e-6);
            let even = rate_within(&plan, Arrivals::Constant, &objective(100));
            assert!((even / rate - 1.0).abs() < 0.005, "{even} of {rate}");
            let random = rate_within(&plan, Arrivals::Poisson, &objective(100));
            assert!(
                even <= rate && random < rate,
                "{even} and {random} of {rate}"
            );
            let theory = rate - 25.0;
            assert!(
                (random - theory).abs() < rate * 0.02,
                "{random} of {rate}, theory {theory}"
            );
        }
    }

    #[test]
    fn what_cannot_be_met_is_met_at_no_rate() {
        let plan = ModelPlan::of_capacity(300.0);
        assert!(rate_within(&plan, Arrivals::Poisson, &objective(10)) < 1.0);
        let fails = ModelPlan {
            fail_share: Ratio::new(0.01),
            ..plan.clone()
        };
        assert!(rate_within(&fails, Arrivals::Constant, &objective(100)) < 1.0);
        // Fast refusals are no capacity: shedding does not raise the rate.
        let sheds = ModelPlan {
            queue_max: 2,
            shed: Shed::Unavailable,
            ..plan.clone()
        };
        let with = rate_within(&sheds, Arrivals::Poisson, &objective(100));
        let without = rate_within(&plan, Arrivals::Poisson, &objective(100));
        assert!(with < without, "{with} with shedding, {without} without");
    }
}
