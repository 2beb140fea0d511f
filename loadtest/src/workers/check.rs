//! What each side believes of the other: a share that the plan allows, seconds that a share can have.

use super::messages::Share;
use crate::engine::SecondTally;
use crate::plan::{Load, Plan, caps};
use crate::run::senders::{Purpose, Sending};
use crate::timing::Nanos;

/// The farthest ahead that a load may begin, in nanoseconds.
const AHEAD_NANOS_MAX: u64 = 60_000_000_000;
/// Threads of all workers together.
pub(super) const THREADS_OVER_ALL_MAX: u64 = caps::THREADS_MAX as u64 * super::WORKERS_MAX as u64;
/// A count that no thread reaches in one second; sums of it stay far from overflowing.
const COUNT_MAX: u64 = 1_000_000_000_000;
/// Statuses that are told apart.
const STATUSES_MAX: usize = 1_000;
/// A rate that went through JSON may come back this much larger.
const ROUNDING: f64 = 1e-9;
/// Longest name of a run, which is sent as a header with every request.
const RUN_ID_BYTES_MAX: usize = 64;
/// Seconds that a thread may go on after the load and its timeout.
const GRACE_SECONDS: u64 = 5;

/// Whether a run's name can stand in a header.
pub(super) fn run_id(id: &str) -> Result<(), String> {
    let is_name = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic());
    if is_name && id.len() <= RUN_ID_BYTES_MAX {
        Ok(())
    } else {
        Err("the run has a name that cannot be sent".to_owned())
    }
}

/// Whether a worker may send a share. The error is a sentence.
pub(super) fn share(
    share: &Share,
    purpose: Purpose,
    plan: &Plan,
    now: Nanos,
) -> Result<(), String> {
    let last = share.first.checked_add(u64::from(share.threads));
    let threads_fit = (1..=caps::THREADS_MAX).contains(&share.threads)
        && share.of <= THREADS_OVER_ALL_MAX
        && last.is_some_and(|last| last <= share.of);
    if !threads_fit {
        return Err("a share of threads that there are not".to_owned());
    }
    if share.start_nanos > now.0.saturating_add(AHEAD_NANOS_MAX) {
        return Err("a start that is more than a minute ahead".to_owned());
    }
    match (share.sending, purpose) {
        (Sending::Whole, Purpose::Run) => Ok(()),
        (Sending::Trial { rate, duration, .. }, Purpose::Capacity) => {
            let most = plan.capacity.max;
            if !(rate > 0.0 && rate <= most * (1.0 + ROUNDING)) {
                return Err(format!(
                    "{rate} calls per second, the plan's most is {most}"
                ));
            }
            if duration > caps::RUN_DURATION_MAX {
                return Err("a trial that is longer than any run".to_owned());
            }
            Ok(())
        }
        _ => Err("a load of another kind than was prepared".to_owned()),
    }
}

/// Whether a second can be one of a worker's share of a load. The error is a sentence.
pub(super) fn second(
    second: &SecondTally,
    first: u64,
    threads: u32,
    load: &Load,
) -> Result<(), &'static str> {
    let numbers = first..first + u64::from(threads);
    if !numbers.contains(&second.thread) {
        return Err("it reports a thread that is not its own");
    }
    let seconds_max = (load.duration + load.timeout).as_secs() + GRACE_SECONDS;
    if u64::from(second.second) > seconds_max {
        return Err("it reports a second after the end");
    }
    let tally = &second.tally;
    let counts = &tally.counts;
    let figures = [
        counts.intended,
        counts.missed,
        counts.sent,
        counts.ok,
        counts.limited,
        counts.unexpected,
        counts.capped,
        counts.connects,
        tally.in_flight,
        tally.in_flight_max,
        counts.bytes_in / 1_000,
        counts.bytes_out / 1_000,
        tally.span_nanos / 1_000_000,
        tally.cpu_nanos / 1_000_000,
    ];
    let all = figures
        .iter()
        .chain(&counts.failures)
        .chain(tally.statuses.values());
    let times = [
        &tally.latency,
        &tally.ok_latency,
        &tally.service,
        &tally.back_pressure,
        &tally.lag,
    ];
    let is_possible = tally.threads <= 1
        && tally.statuses.len() <= STATUSES_MAX
        && all.copied().all(|count| count <= COUNT_MAX)
        && times.iter().all(|times| times.count() <= COUNT_MAX);
    if is_possible {
        Ok(())
    } else {
        Err("it reports figures that cannot be")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::tally::Tally;

    fn plan() -> Plan {
        crate::plan::read(
            "plan.yaml",
            "target: {url: \"http://127.0.0.1:1\"}\nallow: [\"127.0.0.0/8\"]\nrequests: [{method: GET, path: /}]\nload: {rate: 10/s, duration: 10s, timeout: 1s}\nobjective: {p50: 1s}\ncapacity: {start: 1/s, max: 100/s}",
            std::path::Path::new("."),
            |_| None,
        )
        .unwrap()
    }

    #[test]
    fn a_share_stays_within_the_plan() {
        let plan = plan();
        let trial = |rate: f64| Sending::Trial {
            rate,
            duration: Duration::from_secs(5),
            seed: 1,
        };
        let good = Share {
            sending: trial(100.0),
            first: 2,
            threads: 2,
            of: 4,
            start_nanos: 5,
        };
        let ask = |asked: Share| share(&asked, Purpose::Capacity, &plan, Nanos(0));
        assert_eq!(ask(good), Ok(()));
        for sending in [trial(100.1), trial(0.0), trial(f64::NAN), Sending::Whole] {
            assert!(ask(Share { sending, ..good }).is_err(), "{sending:?}");
        }
        for (first, threads, of) in [
            (3, 2, 4),
            (u64::MAX, 1, 4),
            (0, 0, 4),
            (0, 257, 1_000),
            (0, 1, u64::MAX),
        ] {
            let asked = Share {
                first,
                threads,
                of,
                ..good
            };
            assert!(ask(asked).is_err(), "{asked:?}");
        }
        assert!(
            ask(Share {
                start_nanos: u64::MAX,
                ..good
            })
            .is_err()
        );
        assert!(share(&good, Purpose::Run, &plan, Nanos(0)).is_err());
        let whole = Share {
            sending: Sending::Whole,
            ..good
        };
        assert_eq!(share(&whole, Purpose::Run, &plan, Nanos(0)), Ok(()));
    }

    #[test]
    fn a_run_has_a_name_that_can_be_a_header() {
        assert_eq!(run_id("lt-5f1c-01ab"), Ok(()));
        for name in ["", "a b", "a\r\nx: y", "é", &"x".repeat(65)] {
            assert!(run_id(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_second_that_cannot_be_is_not_added() {
        let load = plan().load;
        let report = |thread: u64, at: u32, change: fn(&mut Tally)| {
            let mut reported = SecondTally {
                second: at,
                thread,
                tally: Box::default(),
            };
            change(&mut reported.tally);
            second(&reported, 2, 2, &load)
        };
        assert_eq!(report(2, 0, |_| {}), Ok(()));
        assert_eq!(report(3, 16, |tally| tally.threads = 1), Ok(()));
        assert!(report(1, 0, |_| {}).is_err() && report(4, 0, |_| {}).is_err());
        assert!(report(2, 17, |_| {}).is_err());
        assert!(report(2, 0, |tally| tally.threads = u32::MAX).is_err());
        assert!(report(2, 0, |tally| tally.counts.ok = u64::MAX).is_err());
        assert!(report(2, 0, |tally| tally.counts.failures[3] = u64::MAX).is_err());
        assert!(report(2, 0, |tally| tally.cpu_nanos = u64::MAX).is_err());
        assert!(
            report(2, 0, |tally| {
                tally.statuses.insert(200, u64::MAX);
            })
            .is_err()
        );
    }
}
