//! Calls counted by outcome.

use std::ops::AddAssign;

use model::Outcome;
use serde::Serialize;

/// What is counted of a set of calls. Sums saturate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Calls by outcome, unweighted; the index is `Outcome as usize`.
    pub outcomes: [u64; Outcome::ALL.len()],
    /// Calls, each as many as its record stands for.
    pub weighted: u64,
    /// Calls that had to wait for an instance to start.
    pub cold_starts: u64,
    /// Sum of durations in microseconds, each clamped to 0..1 h.
    pub duration_us: u64,
}

impl Counts {
    /// Nothing counted.
    pub const ZERO: Counts = Counts {
        outcomes: [0; Outcome::ALL.len()],
        weighted: 0,
        cold_starts: 0,
        duration_us: 0,
    };

    /// Calls with this outcome.
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.outcomes.get(outcome as usize).copied().unwrap_or(0)
    }

    /// All calls, whatever their outcome.
    pub fn calls(&self) -> u64 {
        self.outcomes
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Calls that are part of the success rate.
    pub fn counted(&self) -> u64 {
        self.sum_where(Outcome::counts)
    }

    /// Calls that count as failures.
    pub fn failed(&self) -> u64 {
        self.sum_where(Outcome::failed)
    }

    /// Calls that ended well.
    pub fn ok(&self) -> u64 {
        self.of(Outcome::Ok)
    }

    /// ok / counted; `None` when nothing was counted.
    pub fn success_rate(&self) -> Option<f64> {
        let counted = self.counted();
        (counted > 0).then(|| self.ok() as f64 / counted as f64)
    }

    /// The mean duration in microseconds; `None` without calls.
    pub fn mean_duration_us(&self) -> Option<f64> {
        let calls = self.calls();
        (calls > 0).then(|| self.duration_us as f64 / calls as f64)
    }

    /// Whether there was no call.
    pub fn is_zero(&self) -> bool {
        *self == Counts::ZERO
    }

    /// Counts one call.
    pub fn add(&mut self, outcome: Outcome, weight: u32, cold_start: bool, duration_us: u64) {
        if let Some(count) = self.outcomes.get_mut(outcome as usize) {
            *count = count.saturating_add(1);
        }
        self.weighted = self.weighted.saturating_add(u64::from(weight));
        self.cold_starts = self.cold_starts.saturating_add(u64::from(cold_start));
        self.duration_us = self.duration_us.saturating_add(duration_us);
    }

    /// Adds what another counted.
    pub fn merge(&mut self, other: &Counts) {
        for (count, more) in self.outcomes.iter_mut().zip(other.outcomes) {
            *count = count.saturating_add(more);
        }
        self.weighted = self.weighted.saturating_add(other.weighted);
        self.cold_starts = self.cold_starts.saturating_add(other.cold_starts);
        self.duration_us = self.duration_us.saturating_add(other.duration_us);
    }

    fn sum_where(&self, wanted: fn(Outcome) -> bool) -> u64 {
        Outcome::ALL
            .iter()
            .filter(|outcome| wanted(**outcome))
            .fold(0, |sum, outcome| sum.saturating_add(self.of(*outcome)))
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.merge(&other);
    }
}
