//! Whether figures may be believed: a slow generator is never reported as a slow pod.
//!
//! Judged second by second. A second in which the generator itself failed says nothing about the pod, so
//! it is left out, whatever the pod did in it; when too many are, nothing of the span is believed.

use crate::outcome::Failure;
use crate::plan::Objective;
use crate::report::health::Health;
use crate::tally::Tally;

/// Smallest share of the slots that must be offered to the target.
const OFFERED_SHARE_MIN: f64 = 0.995;
/// Largest share of the seconds that may be left out.
const LEFT_OUT_SHARE_MAX: f64 = 0.2;
/// Of a short span so many may be left out all the same, as long as twice as many are kept.
const LEFT_OUT_SECONDS: f64 = 2.0;
/// A shorter rest of a second, in which answers are waited for, is not judged, in nanoseconds.
const JUDGED_NANOS_MIN: u64 = 200_000_000;

/// Lets the seconds pass that say something about the pod.
#[derive(Clone, Debug)]
pub(super) struct Sieve {
    objective: Option<Objective>,
    kept: u32,
    left_out: u32,
    first_trouble: Option<String>,
    out_of_ports: u64,
    capped: u64,
}

impl Sieve {
    /// Nothing seen yet.
    pub(super) fn new(objective: Option<&Objective>) -> Self {
        Sieve {
            objective: objective.copied(),
            kept: 0,
            left_out: 0,
            first_trouble: None,
            out_of_ports: 0,
            capped: 0,
        }
    }

    /// Whether a second counts.
    pub(super) fn admit(&mut self, second: &Tally) -> bool {
        self.out_of_ports += second.counts.failures[Failure::OutOfPorts as usize];
        self.capped += second.counts.capped;
        if second.span_nanos < JUDGED_NANOS_MIN {
            return true;
        }
        let troubles = troubles(second, self.objective.as_ref());
        if troubles.is_empty() {
            self.kept += 1;
            return true;
        }
        self.left_out += 1;
        self.first_trouble
            .get_or_insert_with(|| troubles.join("; "));
        false
    }

    /// Seconds that were left out.
    pub(super) fn left_out(&self) -> u32 {
        self.left_out
    }

    /// What went wrong in the first of them.
    pub(super) fn first_trouble(&self) -> Option<&str> {
        self.first_trouble.as_deref()
    }

    /// Why nothing of the span may be believed, in sentences; none when it may.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = self.faults_of_machine();
        if self.capped > 0 {
            faults.push(format!(
                "{} calls were not sent because as many were in flight as load.in_flight_max allows",
                self.capped
            ));
        }
        faults
    }

    /// The same of a load at which `in_flight_max` calls in flight would be too many for the objective: a
    /// target that lets so many come together is overloaded, and that it is may be believed.
    pub(super) fn faults_at(&self, rate: f64, in_flight_max: u32) -> Vec<String> {
        let latency = self.objective.map(|objective| objective.latency);
        // By Little's law, twice over: calls in flight are the rate times their latency.
        let too_many = |seconds: f64| f64::from(in_flight_max) > 2.0 * rate * seconds;
        if latency.is_some_and(|latency| too_many(latency.as_secs_f64())) {
            self.faults_of_machine()
        } else {
            self.faults()
        }
    }

    fn faults_of_machine(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let seconds = self.kept + self.left_out;
        let of_short = LEFT_OUT_SECONDS.min(f64::from(seconds) / 3.0);
        let allowed = (f64::from(seconds) * LEFT_OUT_SHARE_MAX).max(of_short);
        if f64::from(self.left_out) > allowed {
            let first = self.first_trouble.as_deref().unwrap_or("it was late");
            faults.push(format!(
                "the generator failed in {} of {seconds} seconds; first: {first}",
                self.left_out
            ));
        }
        if self.out_of_ports > 0 {
            faults.push(format!(
                "this machine ran out of ports or files {} times; keep connections alive, or raise `ulimit -n` and net.ipv4.ip_local_port_range",
                self.out_of_ports
            ));
        }
        faults
    }
}

/// What was wrong with the generator in a second.
fn troubles(second: &Tally, objective: Option<&Objective>) -> Vec<String> {
    let counts = &second.counts;
    let mut troubles = Health {
        lag_p99_ms: second.lag.quantile(0.99) as f64 / 1e6,
        loop_gap_ms: second.loop_gap_nanos_max as f64 / 1e6,
        cpu: second.cpu_share(),
        objective_ms: objective.map(|objective| objective.latency.as_secs_f64() * 1e3),
    }
    .troubles();
    let late = counts.missed.saturating_sub(counts.capped);
    if late as f64 > counts.intended as f64 * (1.0 - OFFERED_SHARE_MIN) {
        troubles.push(format!(
            "it missed {late} of {} calls that were due",
            counts.intended
        ));
    }
    troubles
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Outcome;
    use crate::timing::{Nanos, Timing};

    fn healthy() -> Tally {
        let mut tally = Tally {
            span_nanos: 1_000_000_000,
            threads: 1,
            cpu_nanos: 300_000_000,
            ..Tally::default()
        };
        tally.counts.intended = 1_000;
        for _ in 0..1_000 {
            let timing = Timing {
                written: Nanos(20_000),
                done: Nanos(9_000_000),
                ..Timing::default()
            };
            tally.record(&timing, Outcome::Ok { status: 200 });
        }
        tally
    }

    fn sieve() -> Sieve {
        Sieve::new(Some(&Objective {
            quantile: 0.99,
            latency: Duration::from_millis(100),
            success_rate: model::Ratio::new(0.999).unwrap(),
        }))
    }

    fn found(change: impl FnOnce(&mut Tally)) -> String {
        let mut tally = healthy();
        change(&mut tally);
        let mut sieve = sieve();
        sieve.admit(&tally);
        sieve.faults().join("; ")
    }

    #[test]
    fn each_weakness_of_the_generator_is_named() {
        assert_eq!(found(|_| {}), "");
        let late =
            |nanos: u64| move |tally: &mut Tally| (0..20).for_each(|_| tally.lag.record(nanos));
        assert_eq!(
            found(late(4_000_000)),
            "",
            "5 % of the objective are allowed"
        );
        assert!(found(late(6_000_000)).contains("it sends late: p99 6"));
        assert!(
            found(|tally| tally.loop_gap_nanos_max = 6_000_000).contains("its loop was away for 6")
        );
        assert!(found(|tally| tally.cpu_nanos = 810_000_000).contains("81"));
        assert!(
            found(|tally| tally.counts.failures[Failure::OutOfPorts as usize] = 2)
                .contains("ports or files 2 times")
        );
        assert!(
            found(|tally| (tally.counts.capped, tally.counts.missed) = (3, 3))
                .contains("3 calls were not sent")
        );
        assert_eq!(found(|tally| tally.counts.missed = 5), "");
        assert!(found(|tally| tally.counts.missed = 6).contains("6 of 1000"));
    }

    #[test]
    fn a_full_target_is_overloaded_where_so_many_in_flight_are_too_many() {
        let mut full = healthy();
        (full.counts.capped, full.counts.missed) = (3, 3);
        let mut sieve = sieve();
        sieve.admit(&full);
        // 100 ms at 8 000/s leave 800 in flight.
        assert_eq!(sieve.faults_at(8_000.0, 1_601), [] as [String; 0]);
        assert_eq!(sieve.faults_at(8_000.0, 1_600).len(), 1);
        let mut late = healthy();
        late.loop_gap_nanos_max = 50_000_000;
        sieve.admit(&late);
        assert!(sieve.faults_at(8_000.0, 10_000)[0].starts_with("the generator failed"));
    }

    #[test]
    fn two_bad_seconds_do_not_spoil_a_short_span_that_keeps_twice_as_many() {
        let bad = Tally {
            loop_gap_nanos_max: 50_000_000,
            ..healthy()
        };
        for (kept, is_believed) in [(3, false), (4, true), (6, true)] {
            let mut sieve = sieve();
            for at in 0..kept + 2 {
                sieve.admit(&if at < 2 { bad.clone() } else { healthy() });
            }
            assert_eq!(sieve.faults().is_empty(), is_believed, "{kept}");
        }
    }

    #[test]
    fn a_few_bad_seconds_are_left_out_and_many_spoil_the_span() {
        let bad = Tally {
            loop_gap_nanos_max: 50_000_000,
            ..healthy()
        };
        let good = healthy();
        let mut sieve = sieve();
        let admitted: Vec<bool> = (0..10)
            .map(|at| sieve.admit(if at < 2 { &bad } else { &good }))
            .collect();
        assert_eq!(admitted.iter().filter(|admitted| **admitted).count(), 8);
        assert_eq!((sieve.left_out(), sieve.faults().len()), (2, 0));
        assert!(!sieve.admit(&bad));
        assert!(
            sieve.faults()[0]
                .starts_with("the generator failed in 3 of 11 seconds; first: its loop was away"),
            "{:?}",
            sieve.faults()
        );
    }

    #[test]
    fn the_rest_of_a_second_is_not_judged() {
        let rest = Tally {
            span_nanos: 5_000_000,
            cpu_nanos: 5_000_000,
            loop_gap_nanos_max: 9_000_000,
            ..healthy()
        };
        let mut sieve = sieve();
        assert!(sieve.admit(&rest));
        assert_eq!(sieve.faults(), [] as [String; 0]);
    }
}
