//! Calls as rules count them.

use std::time::Duration;

use super::Counts;

/// Calls counted over some stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls that count towards the success rate, unweighted.
    pub counted: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// All calls, scaled by their sampling weight.
    pub weighted: u64,
}

impl Tally {
    /// Calls per second over a window.
    pub fn qps(&self, over: Duration) -> f64 {
        self.weighted as f64 / over.as_secs_f64().max(1.0)
    }

    /// Calls that count and did not fail.
    pub fn succeeded(&self) -> u64 {
        self.counted.saturating_sub(self.failed)
    }

    /// The share of them; 0 without any.
    pub fn success_rate(&self) -> f64 {
        self.succeeded() as f64 / self.counted.max(1) as f64
    }

    /// Whether there was no call at all.
    pub fn is_zero(&self) -> bool {
        self.counted == 0 && self.weighted == 0
    }

    /// What is left without a part of it.
    pub fn less(&self, part: &Tally) -> Tally {
        Tally {
            counted: self.counted.saturating_sub(part.counted),
            failed: self.failed.saturating_sub(part.failed),
            weighted: self.weighted.saturating_sub(part.weighted),
        }
    }

    /// Adds another tally.
    pub fn merge(&mut self, other: &Tally) {
        self.counted += other.counted;
        self.failed += other.failed;
        self.weighted += other.weighted;
    }
}

impl From<&Counts> for Tally {
    fn from(counts: &Counts) -> Tally {
        Tally {
            counted: counts.counted(),
            failed: counts.failed(),
            weighted: counts.weighted,
        }
    }
}
