//! Whether the figures of a run may be believed: a slow generator is never reported as a slow pod.

use crate::outcome::Failure;
use crate::plan::{LoadModel, Objective};
use crate::tally::Tally;

use super::words::milliseconds;

/// Generator lag at its 99th percentile that is always tolerated, in nanoseconds.
const LAG_NANOS_MAX: u64 = 1_000_000;
/// The same as a share of the objective's latency.
const LAG_SHARE_MAX: f64 = 0.05;
/// Longest time the loop may be away, in nanoseconds.
const LOOP_GAP_NANOS_MAX: u64 = 5_000_000;
/// Largest share of its threads' time that the sender may use.
const CPU_SHARE_MAX: f64 = 0.8;
/// Smallest share of the slots that must be offered to the target.
const OFFERED_SHARE_MIN: f64 = 0.995;

/// Why the figures of a span must not be believed, in sentences; none when they may.
pub(super) fn faults(
    tally: &Tally,
    model: &LoadModel,
    objective: Option<&Objective>,
) -> Vec<String> {
    let mut faults = Vec::new();
    let counts = &tally.counts;
    let lag_max = objective.map_or(LAG_NANOS_MAX, |objective| {
        let share = objective.latency.as_nanos() as f64 * LAG_SHARE_MAX;
        LAG_NANOS_MAX.max(share as u64)
    });
    let lag = tally.lag.quantile(0.99);
    if lag > lag_max {
        faults.push(format!(
            "the generator was late: p99 of its own lag is {}, more than {}",
            milliseconds(lag as f64 / 1e6),
            milliseconds(lag_max as f64 / 1e6)
        ));
    }
    if tally.loop_gap_nanos_max > LOOP_GAP_NANOS_MAX {
        faults.push(format!(
            "the generator was away for {} at a time; something else used its CPU, or it was stopped",
            milliseconds(tally.loop_gap_nanos_max as f64 / 1e6)
        ));
    }
    if tally.cpu_share() > CPU_SHARE_MAX {
        faults.push(format!(
            "the generator used {:.0} % of its threads' CPU; give it more threads or workers",
            tally.cpu_share() * 100.0
        ));
    }
    let out_of_ports = counts.failures[Failure::OutOfPorts as usize];
    if out_of_ports > 0 {
        faults.push(format!(
            "this machine ran out of ports or files {out_of_ports} times; keep connections alive, or raise `ulimit -n` and net.ipv4.ip_local_port_range"
        ));
    }
    if counts.capped > 0 {
        faults.push(format!(
            "{} calls were not sent because as many were in flight as load.in_flight_max allows",
            counts.capped
        ));
    }
    let late = counts.missed - counts.capped.min(counts.missed);
    let is_open = matches!(model, LoadModel::Open { .. });
    if is_open && (late as f64) > counts.intended as f64 * (1.0 - OFFERED_SHARE_MIN) {
        faults.push(format!(
            "{late} of {} calls that were due were missed by the generator",
            counts.intended
        ));
    }
    faults
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
                intended: Nanos(0),
                eligible: Nanos(0),
                written: Nanos(20_000),
                done: Nanos(9_000_000),
            };
            tally.record(&timing, Outcome::Ok { status: 200 });
        }
        tally
    }

    fn found(change: impl FnOnce(&mut Tally)) -> String {
        let mut tally = healthy();
        change(&mut tally);
        let model = LoadModel::Open {
            arrivals: crate::plan::Arrivals::Poisson,
            stages: Vec::new(),
        };
        let objective = Objective {
            quantile: 0.99,
            latency: Duration::from_millis(100),
            success_rate: model::Ratio::new(0.999).unwrap(),
        };
        faults(&tally, &model, Some(&objective)).join("; ")
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
        assert!(found(late(6_000_000)).contains("p99 of its own lag is 6.00ms, more than 5.00ms"));
        assert!(found(|tally| tally.loop_gap_nanos_max = 6_000_000).contains("away for 6.00ms"));
        assert!(found(|tally| tally.cpu_nanos = 810_000_000).contains("81 %"));
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
}
