//! Each part of an objective against what a run measured.

use super::words::{self, milliseconds};
use crate::plan::Objective;
use crate::result::Threshold;
use crate::tally::Tally;

/// The percentile and the success rate. Calls that failed or were not answered as expected are over the
/// objective however fast they failed, and calls that a flow limit refused (429) are not judged: as in a
/// capacity search.
pub(super) fn thresholds(objective: &Objective, total: &Tally) -> Vec<Threshold> {
    let counts = &total.counts;
    let judged = counts.done().saturating_sub(counts.limited);
    let share = if judged > 0 {
        counts.ok as f64 / judged as f64
    } else {
        0.0
    };
    let success = Threshold {
        wanted: format!("success rate ≥ {}", objective.success_rate),
        got: format!("{:.3}%", share * 100.0),
        held: judged > 0 && share >= objective.success_rate.get(),
    };
    vec![latency(objective, total, judged), success]
}

fn latency(objective: &Objective, total: &Tally, judged: u64) -> Threshold {
    let good = total.ok_latency.count();
    let failed = judged.saturating_sub(good);
    // So many calls must be within the latency. The product may be a hair above a whole number in binary.
    let needed = (objective.quantile * judged as f64 - 1e-6).ceil().max(1.0) as u64;
    let got = if judged == 0 {
        "no call to judge".to_owned()
    } else if needed > good {
        format!(
            "failed calls ({:.1}% of all)",
            failed as f64 / judged as f64 * 100.0
        )
    } else {
        let nanos = total.ok_latency.quantile(needed as f64 / good as f64);
        let slower = match failed {
            0 => String::new(),
            1 => " (1 call that failed counts as slower)".to_owned(),
            failed => format!(" ({failed} calls that failed count as slower)"),
        };
        format!("{}{slower}", milliseconds(nanos as f64 / 1e6))
    };
    let within = good - total.ok_latency.over(objective.latency.as_nanos() as u64);
    Threshold {
        wanted: format!(
            "{} ≤ {}",
            words::percentile(objective.quantile),
            model::format_duration(objective.latency)
        ),
        got,
        held: judged > 0 && within >= needed,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::outcome::{Failure, Outcome};
    use crate::timing::{Nanos, Timing};

    const OK: Outcome = Outcome::Ok { status: 200 };

    /// Calls by how many, how long and what came of them.
    fn tally(calls: &[(u64, u64, Outcome)]) -> Tally {
        let mut tally = Tally::default();
        for (count, ms, outcome) in calls {
            let timing = Timing {
                done: Nanos(ms * 1_000_000),
                ..Timing::default()
            };
            for _ in 0..*count {
                tally.record(&timing, *outcome);
            }
        }
        tally
    }

    #[test]
    fn failures_are_over_the_objective_and_refusals_are_not_judged() {
        let objective = Objective {
            quantile: 0.99,
            latency: Duration::from_millis(100),
            success_rate: model::Ratio::new(0.9).unwrap(),
        };
        let unexpected = Outcome::Unexpected { status: 503 };
        let failed = Outcome::Failed(Failure::Reset);
        for (calls, held, got) in [
            (&[(990, 50, OK), (10, 900, OK)][..], true, "50.0ms"),
            (&[(989, 50, OK), (11, 900, OK)], false, "900ms"),
            // Fast failures are no fast answers.
            (
                &[(990, 50, OK), (9, 1, unexpected), (1, 1, failed)],
                true,
                "50.0ms (10 calls that failed count as slower)",
            ),
            (
                &[(980, 50, OK), (20, 1, unexpected)],
                false,
                "failed calls (2.0% of all)",
            ),
            (
                &[(985, 50, OK), (14, 200, OK), (1, 1, failed)],
                false,
                "200ms (1 call that failed counts as slower)",
            ),
            // A hundred quick 429s hide no slow call, and slow ones are none.
            (
                &[(98, 50, OK), (2, 200, OK), (100, 1, Outcome::Limited)],
                false,
                "200ms",
            ),
            (
                &[(100, 50, OK), (100, 200, Outcome::Limited)],
                true,
                "50.0ms",
            ),
            (&[(100, 1, Outcome::Limited)], false, "no call to judge"),
            (&[], false, "no call to judge"),
        ] {
            let total = tally(calls);
            let threshold = thresholds(&objective, &total).remove(0);
            assert_eq!(
                (threshold.held, threshold.got.as_str()),
                (held, got),
                "{calls:?}"
            );
            assert_eq!(threshold.wanted, "p99 ≤ 100ms");
            // The plain histogram keeps them all.
            assert_eq!(total.latency.count(), total.counts.done());
        }
    }
}
