//! When a failing function is healthy again: the same test with the parts exchanged.
//!
//! `R = max(0, R + ln(P(health) / P(still failing)))` per block. It is proven at 1,000 to 1, and not
//! before a minute, or four times the longest time a breach took to come back, has passed without one:
//! a fault that flaps does not resolve between its beats.

/// Odds that health needs.
const ODDS: f64 = 1_000.0;
/// The shortest quiet.
const QUIET_MS_MIN: u64 = 60_000;
/// Quiet lasts this many times the longest time to a breach.
const QUIET_TIMES: u64 = 4;
/// While evidence counts a quarter a breach takes four times as long, and so did the longest.
const QUIET_TIMES_LEARNING: u64 = 2;
/// What is still failing is looked for at this part of the peak.
const PEAK_PART: f64 = 3.0;

/// A function that fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Failing {
    /// When the page went out.
    pub(crate) since_ms: u64,
    pub(crate) breached_ms: u64,
    /// The longest time that an excursion took to breach.
    pub(crate) longest_ms: u64,
    /// The largest share of failing calls over a breaching excursion.
    pub(crate) peak: f64,
    /// R.
    pub(crate) health: f64,
}

impl Failing {
    /// From the first breach: its share of failing calls and how long the excursion took.
    pub(crate) fn new(at_ms: u64, share: f64, took_ms: u64) -> Failing {
        Failing {
            since_ms: at_ms,
            breached_ms: at_ms,
            longest_ms: took_ms,
            peak: share,
            health: 0.0,
        }
    }

    /// Another breach: nothing has recovered.
    pub(crate) fn breach(&mut self, at_ms: u64, share: f64, took_ms: u64) {
        self.breached_ms = at_ms;
        self.longest_ms = self.longest_ms.max(took_ms);
        self.peak = self.peak.max(share);
        self.health = 0.0;
    }

    /// The share that would still be failing: between the lowest alternative and one half.
    pub(crate) fn still(&self, lowest: f64) -> f64 {
        (self.peak / PEAK_PART).clamp(lowest, 0.5)
    }

    /// Takes in the evidence of a block for health, against [`Failing::still`].
    pub(crate) fn take(&mut self, for_health: f64) {
        self.health = (self.health + for_health).max(0.0);
    }

    /// Whether it is healthy again.
    pub(crate) fn recovered(&self, now_ms: u64, learning: bool) -> bool {
        let times = if learning {
            QUIET_TIMES_LEARNING
        } else {
            QUIET_TIMES
        };
        let quiet = QUIET_MS_MIN.max(self.longest_ms.saturating_mul(times));
        self.health >= ODDS.ln() && now_ms.saturating_sub(self.breached_ms) >= quiet
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::likelihood::LogRatio;

    fn of_health(failing: &Failing, calls: u64, failed: u64) -> f64 {
        -LogRatio::new(failing.still(0.005), 0.001, 0.0).of(calls, failed)
    }

    #[test]
    fn a_healthy_minute_recovers() {
        let mut failing = Failing::new(0, 0.3, 4_000);
        for second in 1..=60 {
            assert!(!failing.recovered(second * 1_000 - 1, false));
            failing.take(of_health(&failing, 100, 0));
        }
        assert!(failing.recovered(60_000, false));
    }

    #[test]
    fn a_slow_breach_asks_for_a_longer_quiet() {
        let mut failing = Failing::new(0, 0.02, 50_000);
        for _ in 0..100 {
            failing.take(of_health(&failing, 100, 0));
        }
        assert!(!failing.recovered(199_000, false));
        assert!(failing.recovered(200_000, false));
        assert!(failing.recovered(100_000, true) && !failing.recovered(99_000, true));
    }

    #[test]
    fn a_breach_or_few_calls_do_not_recover() {
        let mut failing = Failing::new(0, 0.3, 1_000);
        failing.take(of_health(&failing, 10, 0));
        assert!(
            !failing.recovered(3_600_000, false),
            "ten calls prove nothing"
        );
        failing.take(of_health(&failing, 10_000, 1));
        assert!(failing.recovered(3_600_000, false));
        failing.breach(3_600_000, 0.1, 1_000);
        assert!(!failing.recovered(9_000_000, false));
    }
}
