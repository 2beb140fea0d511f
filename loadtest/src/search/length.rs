//! How long a trial must last to say something about its objective.

use std::time::Duration;

use crate::plan::Objective;

/// The chance of a wrong conclusion that a finished trial may carry.
pub(super) const CHANCE_OF_ERROR: f64 = 0.05;
/// Trials that narrow the bracket last so long at least: queues near their limit take seconds to fill.
const TRIAL_MIN: Duration = Duration::from_secs(15);
/// And longer, up to this, where the plan has the patience for a soak ten times as long.
const TRIAL_MIN_PATIENT: Duration = Duration::from_secs(30);
/// And so long at most; a percentile that needs more calls than come in this time cannot be proven.
const TRIAL_MAX: Duration = Duration::from_mins(2);
/// Trials that only look for a load that fails last so long at least.
const CLIMB_MIN: Duration = Duration::from_secs(6);
/// And so long at most. What they leave open is proven later, and only if it turns out to matter.
const CLIMB_MAX: Duration = Duration::from_secs(20);
/// Calls of the first seconds are not counted (see [`super::judge`]); this makes up for them.
const LEAD_IN_ALLOWANCE: f64 = 1.25;
/// With half the allowed share over the objective, so many times the calls are needed as with none over:
/// at p99 775 instead of 299.
const HALF_OVER_FACTOR: f64 = 2.6;

/// The number of calls, none of them over, that shows a share over of less than `allowed`: the smallest n
/// with `(1 − allowed)^n ≤ 5 %`. 299 for 1 %, 2 995 for 0.1 %. None over can be shown of nothing: 1.
pub(super) fn calls_with_none_over(allowed: f64) -> f64 {
    if allowed <= 0.0 {
        return 1.0;
    }
    (CHANCE_OF_ERROR.ln() / (-allowed).ln_1p()).ceil().max(1.0)
}

/// The length of a trial of the climb.
pub(super) fn of_climb(objective: &Objective, rate: f64) -> Duration {
    let calls = calls_with_none_over(1.0 - objective.quantile);
    whole_seconds(calls, rate, CLIMB_MIN, CLIMB_MAX)
}

/// The length of a trial that decides about a rate, before a soak of the given length.
pub(super) fn of_trial(objective: &Objective, rate: f64, soak: Duration) -> Duration {
    let latency = calls_with_none_over(1.0 - objective.quantile) * HALF_OVER_FACTOR;
    let success = calls_with_none_over(1.0 - objective.success_rate.get());
    let min = (soak / 10).clamp(TRIAL_MIN, TRIAL_MIN_PATIENT);
    whole_seconds(latency.max(success), rate, min, TRIAL_MAX)
}

/// The lowest rate at which the longest trial holds enough calls for the objective's percentile.
pub(super) fn rate_min(objective: &Objective) -> f64 {
    calls_with_none_over(1.0 - objective.quantile) * LEAD_IN_ALLOWANCE / TRIAL_MAX.as_secs_f64()
}

fn whole_seconds(calls: f64, rate: f64, min: Duration, max: Duration) -> Duration {
    let seconds = (calls * LEAD_IN_ALLOWANCE / rate).ceil();
    Duration::from_secs_f64(seconds.clamp(min.as_secs_f64(), max.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Ratio;

    fn objective(quantile: f64, success_rate: f64) -> Objective {
        Objective {
            quantile,
            latency: Duration::from_millis(100),
            success_rate: Ratio::new(success_rate).unwrap(),
        }
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "whole numbers come out of a ceiling")]
    fn a_trial_is_as_long_as_its_percentile_needs() {
        assert_eq!(calls_with_none_over(0.01), 299.0);
        assert_eq!(calls_with_none_over(0.001), 2_995.0);
        assert_eq!(calls_with_none_over(0.0), 1.0);
        // (quantile, success rate, calls per second) → seconds of climb and of a deciding trial
        for (quantile, success, rate, climb, trial) in [
            (0.99, 0.99, 1_000.0, 6, 15),
            (0.99, 0.99, 20.0, 19, 49),
            (0.99, 0.999, 100.0, 6, 38),
            (0.999, 0.99, 100.0, 20, 98),
            (0.999, 0.99, 10.0, 20, 120),
            (0.5, 1.0, 20.0, 6, 15),
        ] {
            let (objective, soak) = (objective(quantile, success), Duration::from_secs(20));
            let got = (
                of_climb(&objective, rate).as_secs(),
                of_trial(&objective, rate, soak).as_secs(),
            );
            assert_eq!(got, (climb, trial), "{quantile} {success} {rate}");
        }
        let patient = of_trial(&objective(0.99, 0.99), 1_000.0, Duration::from_mins(5));
        assert_eq!(patient.as_secs(), 30);
        assert!((rate_min(&objective(0.99, 0.99)) - 3.11).abs() < 0.01);
    }
}
