//! Whether the generator itself kept up: the words that the screen, the text and the page share.

use super::words::{self, LatencyLimit};
use crate::result::RunResult;

/// The generator's lateness at its 99th percentile that is always allowed, in ms.
pub const LAG_MS_MAX: f64 = 1.0;
/// Or so much of the objective's latency, whichever is more.
pub const LAG_SHARE_MAX: f64 = 0.05;
/// The longest the generator's loop may always be away, in ms; or the same share of the objective.
pub const LOOP_GAP_MS_MAX: f64 = 5.0;
/// Share of a sending thread's CPU above which its times are not to be believed.
pub const CPU_SHARE_MAX: f64 = 0.8;

/// What is known of the generator.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Health {
    /// 99th percentile of its own lateness, in ms.
    pub lag_p99_ms: f64,
    /// The longest its loop was away, in ms.
    pub loop_gap_ms: f64,
    /// Share of its threads' time, 0 to 1.
    pub cpu: f64,
    /// The objective's latency in ms, when there is one.
    pub objective_ms: Option<f64>,
}

impl Health {
    /// Of the seconds that a run's totals hold.
    pub(crate) fn of_run(result: &RunResult) -> Self {
        Health {
            lag_p99_ms: result.total.lag.p99_ms,
            loop_gap_ms: result.total.loop_gap_max_ms,
            cpu: result.total.cpu,
            objective_ms: LatencyLimit::of_run(result).map(|limit| limit.ms),
        }
    }

    /// The lateness that is allowed, in ms.
    pub fn lag_ms_max(&self) -> f64 {
        self.objective_ms
            .map_or(LAG_MS_MAX, |ms| LAG_MS_MAX.max(ms * LAG_SHARE_MAX))
    }

    /// How long its loop may be away, in ms: no call can be judged later than by so much.
    pub fn loop_gap_ms_max(&self) -> f64 {
        self.objective_ms.map_or(LOOP_GAP_MS_MAX, |ms| {
            LOOP_GAP_MS_MAX.max(ms * LAG_SHARE_MAX)
        })
    }

    /// Why its figures may not be believed; empty when it is healthy.
    pub fn troubles(&self) -> Vec<String> {
        let mut troubles = Vec::new();
        if self.lag_p99_ms > self.lag_ms_max() {
            troubles.push(format!(
                "it sends late: p99 {} (limit {})",
                words::ms(self.lag_p99_ms),
                words::ms(self.lag_ms_max())
            ));
        }
        if self.loop_gap_ms > self.loop_gap_ms_max() {
            troubles.push(format!(
                "its loop was away for {} (limit {})",
                words::ms(self.loop_gap_ms),
                words::ms(self.loop_gap_ms_max())
            ));
        }
        if self.cpu > CPU_SHARE_MAX {
            troubles.push(format!(
                "it uses {} of its CPU (limit {})",
                words::cpu(self.cpu),
                words::cpu(CPU_SHARE_MAX)
            ));
        }
        troubles
    }

    /// `healthy`, or why not.
    pub fn words(&self) -> String {
        let troubles = self.troubles();
        if troubles.is_empty() {
            "healthy".to_owned()
        } else {
            troubles.join("; ")
        }
    }
}

/// How the generator did in a run, the seconds that its totals leave out first.
pub(crate) fn sentence(result: &RunResult) -> String {
    let health = Health::of_run(result);
    let figures = format!(
        "lag p99 {}, longest gap {}, CPU {}",
        words::ms(health.lag_p99_ms),
        words::ms(health.loop_gap_ms),
        words::cpu(health.cpu)
    );
    if result.left_out == 0 {
        return format!("{}; {figures}", health.words());
    }
    let counted = result.seconds.iter().filter(|second| !second.warm_up);
    let why = result.left_out_why.as_deref().unwrap_or("it was late");
    format!(
        "failed in {} of {}, which the figures leave out; first: {why}; in the others {figures}",
        result.left_out,
        words::counted(counted.count() as u64, "second")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Second;

    #[test]
    fn seconds_that_are_left_out_are_told_with_their_reason() {
        let second = |warm_up, left_out| Second {
            warm_up,
            left_out,
            ..Second::default()
        };
        let mut run = RunResult {
            seconds: vec![
                second(true, false),
                second(false, true),
                second(false, false),
            ],
            ..RunResult::default()
        };
        assert!(sentence(&run).starts_with("healthy; lag p99 0"));
        run.left_out = 1;
        run.left_out_why = Some("its loop was away for 8ms (limit 5ms)".to_owned());
        assert_eq!(
            sentence(&run),
            "failed in 1 of 2 seconds, which the figures leave out; first: its loop was away for 8ms (limit 5ms); in the others lag p99 0ms, longest gap 0ms, CPU 0%"
        );
    }

    #[test]
    fn each_limit_speaks_for_itself() {
        let fine = Health {
            lag_p99_ms: 0.9,
            loop_gap_ms: 4.9,
            cpu: 0.79,
            objective_ms: None,
        };
        assert_eq!(fine.words(), "healthy");
        let late = Health {
            lag_p99_ms: 2.0,
            ..fine
        };
        assert_eq!(late.words(), "it sends late: p99 2ms (limit 1ms)");
        // A tenth of a second of objective leaves 5 ms.
        assert_eq!(
            Health {
                objective_ms: Some(100.0),
                ..late
            }
            .words(),
            "healthy"
        );
        // Half a second of objective leaves 25 ms to the loop.
        let away = |loop_gap_ms| Health {
            objective_ms: Some(500.0),
            loop_gap_ms,
            ..fine
        };
        assert_eq!(away(24.0).words(), "healthy");
        assert!(away(26.0).words().contains("(limit 25ms)"));
        let busy = Health {
            cpu: 0.93,
            loop_gap_ms: 7.5,
            ..fine
        };
        assert_eq!(
            busy.words(),
            "its loop was away for 7.5ms (limit 5ms); it uses 93% of its CPU (limit 80%)"
        );
    }
}
