//! Loads and objectives in words.

use std::time::Duration;

use model::format_duration;

use crate::plan::{Arrivals, LoadModel, Objective, Plan};
use crate::search::Search;

/// What a plan is good for, a line each: the load that `loadtest run` sends, and what `loadtest capacity`
/// looks for and for how long about.
pub fn intentions(plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    if !plan.load.is_empty() {
        let warm_up = match plan.load.warm_up {
            Duration::ZERO => String::new(),
            time => format!(" after {} of warm-up", format_duration(time)),
        };
        let what = load(&plan.load.model, plan.load.duration);
        lines.push(format!("run: {what}{warm_up}"));
    }
    if let Some(held) = &plan.objective {
        // What the generator reaches is found out when it runs.
        let search = Search::new(plan.capacity, *held, f64::INFINITY);
        lines.push(format!(
            "capacity: {} to {}, {}, about {}",
            rate(plan.capacity.start),
            rate(plan.capacity.max),
            objective(held),
            format_duration(estimate(search.planned_duration()))
        ));
    }
    lines
}

/// Estimates beyond it are told in whole minutes.
const WHOLE_MINUTES_FROM: Duration = Duration::from_mins(5);

/// A length of time that is only about right, as exactly as anybody may take it: in whole minutes, below
/// five of them in whole seconds.
pub(super) fn estimate(length: Duration) -> Duration {
    let seconds = length.as_secs_f64();
    if length > WHOLE_MINUTES_FROM {
        Duration::from_mins((seconds / 60.0).round() as u64)
    } else {
        Duration::from_secs(seconds.round() as u64)
    }
}

/// `open, poisson, 300/s for 1m`.
pub(super) fn load(model: &LoadModel, duration: Duration) -> String {
    let time = format_duration(duration);
    match model {
        LoadModel::Closed { connections } => format!("closed, {connections} callers for {time}"),
        LoadModel::Open { arrivals, stages } => {
            let spacing = match arrivals {
                Arrivals::Constant => "even",
                Arrivals::Poisson => "poisson",
            };
            match stages.as_slice() {
                [only] if (only.from - only.to).abs() < f64::EPSILON => {
                    format!("open, {spacing}, {} for {time}", rate(only.from))
                }
                stages => {
                    let highest = stages
                        .iter()
                        .map(|stage| stage.from.max(stage.to))
                        .fold(0.0, f64::max);
                    format!(
                        "open, {spacing}, {} stages up to {} for {time}",
                        stages.len(),
                        rate(highest)
                    )
                }
            }
        }
    }
}

/// `p99 ≤ 100ms, success rate ≥ 99.9%`.
pub(super) fn objective(objective: &Objective) -> String {
    format!(
        "{} ≤ {}, success rate ≥ {}",
        percentile(objective.quantile),
        format_duration(objective.latency),
        objective.success_rate
    )
}

/// `p99`, `p99.9`.
pub(super) fn percentile(quantile: f64) -> String {
    let text = format!("{:.3}", quantile * 100.0);
    format!("p{}", text.trim_end_matches('0').trim_end_matches('.'))
}

/// `300/s`, `12.5/s`.
pub(crate) fn rate(per_second: f64) -> String {
    let text = if per_second >= 100.0 {
        format!("{per_second:.0}")
    } else {
        format!("{per_second:.2}")
    };
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{text}/s")
}

/// Milliseconds with three digits that matter: `87.2ms`, `1.24s`.
pub(super) fn milliseconds(ms: f64) -> String {
    match ms {
        ms if ms >= 1_000.0 => format!("{:.2}s", ms / 1_000.0),
        ms if ms >= 100.0 => format!("{ms:.0}ms"),
        ms if ms >= 10.0 => format!("{ms:.1}ms"),
        ms => format!("{ms:.2}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Stage;

    #[test]
    fn an_estimate_is_no_more_exact_than_it_is() {
        for (ms, expected) in [
            (380_800, "6m"),
            (1_724_800, "29m"),
            (300_000, "5m"),
            (299_600, "5m"),
            (96_400, "1m36s"),
            (0, "0s"),
        ] {
            let length = estimate(Duration::from_millis(ms));
            assert_eq!(format_duration(length), expected, "{ms}");
        }
    }

    #[test]
    fn loads_and_figures_in_words() {
        let minute = Duration::from_mins(1);
        let stage = |from, to| Stage {
            duration: minute,
            from,
            to,
        };
        let open = |stages| LoadModel::Open {
            arrivals: Arrivals::Poisson,
            stages,
        };
        assert_eq!(
            load(&open(vec![stage(300.0, 300.0)]), minute),
            "open, poisson, 300/s for 1m"
        );
        assert_eq!(
            load(&open(vec![stage(0.0, 50.0), stage(50.0, 12.5)]), 2 * minute),
            "open, poisson, 2 stages up to 50/s for 2m"
        );
        assert_eq!(
            load(&LoadModel::Closed { connections: 64 }, minute),
            "closed, 64 callers for 1m"
        );
        assert_eq!(
            (percentile(0.99), percentile(0.999), percentile(0.5)),
            ("p99".into(), "p99.9".into(), "p50".into())
        );
        assert_eq!(
            [rate(12.5), rate(300.4), rate(20.0)],
            ["12.5/s", "300/s", "20/s"]
        );
        assert_eq!(
            [
                milliseconds(0.1234),
                milliseconds(87.24),
                milliseconds(123.4),
                milliseconds(1_240.0)
            ],
            ["0.12ms", "87.2ms", "123ms", "1.24s"]
        );
    }
}
