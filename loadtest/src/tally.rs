//! What one thread saw in one second: histograms and counts that can be added up.

mod encoding;

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::outcome::{Failure, Outcome};
use crate::timing::Timing;

/// Longest time a histogram tells apart, in nanoseconds: one hour. Longer ones count as this.
pub const TIME_NANOS_MAX: u64 = 3_600_000_000_000;
/// Shortest time a histogram tells apart, in nanoseconds.
const LOWEST_NANOS: u64 = 1_000;
/// Digits of a time that are told apart.
const SIGNIFICANT_DIGITS: u8 = 3;

/// Figures of time, in nanoseconds, to three significant digits (12 to 170 KB each, by spread).
#[derive(Clone, Debug)]
pub struct Times(Histogram<u64>);

impl Times {
    /// Nothing recorded. It grows with what it is given.
    pub fn new() -> Self {
        let mut histogram = Histogram::new_with_bounds(LOWEST_NANOS, 1_000_000, SIGNIFICANT_DIGITS)
            .or_else(|_| Histogram::new(SIGNIFICANT_DIGITS))
            .unwrap_or_else(|_| unreachable!("3 digits are always a valid precision"));
        histogram.auto(true);
        Times(histogram)
    }

    /// Counts one time in nanoseconds.
    #[inline]
    pub fn record(&mut self, nanos: u64) {
        // The histogram grows by itself up to the bound, so recording cannot be refused.
        let _ = self.0.record(nanos.min(TIME_NANOS_MAX));
    }

    /// Adds another's counts; percentiles are read from sums, never averaged.
    pub fn add(&mut self, other: &Times) {
        let _ = self.0.add(&other.0);
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.0.reset();
    }

    /// How many were recorded.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The time that the share `quantile` (0 to 1) does not exceed, in nanoseconds; 0 when empty.
    pub fn quantile(&self, quantile: f64) -> u64 {
        self.0.value_at_quantile(quantile)
    }

    /// How many were longer than so many nanoseconds.
    pub fn over(&self, nanos: u64) -> u64 {
        if nanos >= self.0.high() && nanos >= self.0.max() {
            return 0;
        }
        self.0.len() - self.0.count_between(0, nanos)
    }

    /// The mean in nanoseconds; 0 when empty.
    pub fn mean(&self) -> f64 {
        if self.0.is_empty() {
            0.0
        } else {
            self.0.mean()
        }
    }

    /// The shortest, 0 when empty.
    pub fn min(&self) -> u64 {
        if self.0.is_empty() { 0 } else { self.0.min() }
    }

    /// The longest, 0 when empty.
    pub fn max(&self) -> u64 {
        self.0.max()
    }

    /// The histogram itself, for reports that need every bucket.
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }

    /// From a histogram that was written by another worker.
    pub fn from_histogram(histogram: Histogram<u64>) -> Self {
        Times(histogram)
    }
}

impl Default for Times {
    fn default() -> Self {
        Self::new()
    }
}

/// How many requests ended how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Came due while the load lasted.
    pub intended: u64,
    /// Came due while the generator was stalled or at its cap of requests in flight, and were not sent.
    pub missed: u64,
    /// Handed to the kernel.
    pub sent: u64,
    /// Answered as expected.
    pub ok: u64,
    /// Refused by a flow limit (429).
    pub limited: u64,
    /// Answered otherwise than expected.
    pub unexpected: u64,
    /// Not answered, in the order of [`Failure::ALL`].
    pub failures: [u64; Failure::ALL.len()],
    /// Missed because as many requests were in flight as the plan allows.
    pub capped: u64,
    /// Connections made.
    pub connects: u64,
    /// Bytes read, as they came from the wire (after TLS).
    pub bytes_in: u64,
    /// Bytes written (before TLS).
    pub bytes_out: u64,
}

impl Counts {
    /// Requests whose end is known.
    pub fn done(&self) -> u64 {
        self.ok + self.limited + self.unexpected + self.failed()
    }

    /// Requests that were not answered.
    pub fn failed(&self) -> u64 {
        self.failures.iter().sum()
    }

    /// Counts one end.
    #[inline]
    pub fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Ok { .. } => self.ok += 1,
            Outcome::Limited => self.limited += 1,
            Outcome::Unexpected { .. } => self.unexpected += 1,
            Outcome::Failed(failure) => self.failures[failure as usize] += 1,
        }
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &Counts) {
        self.intended += other.intended;
        self.missed += other.missed;
        self.sent += other.sent;
        self.ok += other.ok;
        self.limited += other.limited;
        self.unexpected += other.unexpected;
        for (mine, theirs) in self.failures.iter_mut().zip(&other.failures) {
            *mine += theirs;
        }
        self.capped += other.capped;
        self.connects += other.connects;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
    }
}

/// What one or several threads saw in a span of time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Tally {
    /// How requests ended.
    pub counts: Counts,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// What callers waited, from the intended instant; every end counts, failures too.
    pub latency: Times,
    /// The same of the successes alone.
    pub ok_latency: Times,
    /// From written to done.
    pub service: Times,
    /// From intended to a free connection: the target's back-pressure.
    pub back_pressure: Times,
    /// How late the generator itself wrote.
    pub lag: Times,
    /// The longest the loop was away, in nanoseconds.
    pub loop_gap_nanos_max: u64,
    /// CPU the sending threads used, in nanoseconds.
    pub cpu_nanos: u64,
    /// Requests in flight at the end of the span.
    pub in_flight: u64,
    /// The most requests that were in flight.
    pub in_flight_max: u64,
    /// Wall time of the span, in nanoseconds (of one thread; threads run side by side).
    pub span_nanos: u64,
    /// Sending threads that were added up.
    pub threads: u32,
}

impl Tally {
    /// Counts one request.
    #[inline]
    pub fn record(&mut self, timing: &Timing, outcome: Outcome) {
        self.counts.count(outcome);
        if let Some(status) = outcome.status() {
            *self.statuses.entry(status).or_default() += 1;
        }
        let latency = timing.latency();
        self.latency.record(latency);
        if outcome.is_ok() {
            self.ok_latency.record(latency);
        }
        self.service.record(timing.service());
        self.back_pressure.record(timing.back_pressure());
        self.lag.record(timing.lag());
    }

    /// Adds another thread's view of the same span.
    pub fn add_beside(&mut self, other: &Tally) {
        self.add(other);
        self.in_flight += other.in_flight;
        self.in_flight_max += other.in_flight_max;
        self.span_nanos = self.span_nanos.max(other.span_nanos);
        self.threads += other.threads;
    }

    /// Adds the span that follows.
    pub fn add_after(&mut self, other: &Tally) {
        self.add(other);
        self.in_flight = other.in_flight;
        self.in_flight_max = self.in_flight_max.max(other.in_flight_max);
        self.span_nanos += other.span_nanos;
        self.threads = self.threads.max(other.threads);
    }

    fn add(&mut self, other: &Tally) {
        self.counts.add(&other.counts);
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        self.latency.add(&other.latency);
        self.ok_latency.add(&other.ok_latency);
        self.service.add(&other.service);
        self.back_pressure.add(&other.back_pressure);
        self.lag.add(&other.lag);
        self.loop_gap_nanos_max = self.loop_gap_nanos_max.max(other.loop_gap_nanos_max);
        self.cpu_nanos += other.cpu_nanos;
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.counts = Counts::default();
        self.statuses.clear();
        for times in [
            &mut self.latency,
            &mut self.ok_latency,
            &mut self.service,
            &mut self.back_pressure,
            &mut self.lag,
        ] {
            times.clear();
        }
        self.loop_gap_nanos_max = 0;
        self.cpu_nanos = 0;
        self.in_flight = 0;
        self.in_flight_max = 0;
        self.span_nanos = 0;
        self.threads = 0;
    }

    /// Share of one CPU that the busiest sender could have used and did, 0 to 1.
    pub fn cpu_share(&self) -> f64 {
        let available = self.span_nanos as f64 * f64::from(self.threads.max(1));
        if available > 0.0 {
            self.cpu_nanos as f64 / available
        } else {
            0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timing::Nanos;

    fn tally(latencies: &[u64], outcome: Outcome) -> Tally {
        let mut tally = Tally {
            threads: 1,
            span_nanos: 1_000_000_000,
            ..Tally::default()
        };
        for latency in latencies {
            let timing = Timing {
                done: Nanos(*latency),
                ..Timing::default()
            };
            tally.record(&timing, outcome);
        }
        tally
    }

    #[test]
    fn histograms_are_added_never_percentiles() {
        let mut sum = tally(&[1_000_000; 99], Outcome::Ok { status: 200 });
        sum.add_beside(&tally(&[80_000_000; 99], Outcome::Failed(Failure::Timeout)));
        assert_eq!(sum.latency.count(), 198);
        assert_eq!(sum.ok_latency.count(), 99);
        assert!((sum.latency.quantile(0.25) as f64 / 1e6 - 1.0).abs() < 0.001);
        assert!((sum.latency.quantile(0.75) as f64 / 80e6 - 1.0).abs() < 0.001);
        assert_eq!(sum.latency.over(10_000_000), 99);
        assert_eq!(sum.latency.over(100_000_000), 0);
        assert_eq!(
            (sum.counts.ok, sum.counts.failed(), sum.counts.done()),
            (99, 99, 198)
        );
        assert_eq!((sum.threads, sum.span_nanos), (2, 1_000_000_000));
        sum.add_after(&tally(&[5], Outcome::Limited));
        assert_eq!((sum.threads, sum.span_nanos), (2, 2_000_000_000));
        assert_eq!(sum.statuses, [(200, 99), (429, 1)].into());
    }

    #[test]
    fn a_time_beyond_an_hour_counts_as_an_hour() {
        let tally = tally(&[u64::MAX], Outcome::Limited);
        assert!((tally.latency.max() as f64 / TIME_NANOS_MAX as f64 - 1.0).abs() < 0.001);
    }
}
