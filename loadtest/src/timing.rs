//! The four instants of a request, and what lies between them.

use std::time::Duration;

/// Nanoseconds on the run's own monotonic clock; every thread of a run shares its zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(pub u64);

impl Nanos {
    /// From a span of time, saturating after 584 years.
    pub fn from_duration(span: Duration) -> Self {
        Nanos(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX))
    }

    /// How long after `earlier` this is; zero when it is not after.
    pub fn since(self, earlier: Nanos) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This instant, later by so many nanoseconds.
    pub fn plus(self, nanos: u64) -> Nanos {
        Nanos(self.0.saturating_add(nanos))
    }

    /// The same as a span since the run's zero.
    pub fn duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }
}

/// When one request was due, could go, went, and was answered.
///
/// Latency counts from `intended`: a target that makes callers wait cannot hide behind a generator
/// that stops asking ("coordinated omission"). What the generator itself is late stays apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// When the arrival process wanted it sent. A closed model has no such instant of its own; there it
    /// is the moment at which the connection became free.
    pub intended: Nanos,
    /// When a connection was free to carry it.
    pub eligible: Nanos,
    /// When its first byte was handed to the kernel.
    pub written: Nanos,
    /// When its answer was read to the end, or its failure was known.
    pub done: Nanos,
}

impl Timing {
    /// Of a request that was due at `intended` and given up at `now` without ever having had a connection
    /// or a stream: the target's doing.
    pub fn never_sent(intended: Nanos, now: Nanos) -> Self {
        let now = now.max(intended);
        Timing {
            intended,
            eligible: now,
            written: now,
            done: now,
        }
    }

    /// What a caller who came at the intended instant waited, in nanoseconds, without what the generator
    /// itself was late.
    pub fn latency(&self) -> u64 {
        self.done.since(self.intended).saturating_sub(self.lag())
    }

    /// What the target took once it had the request.
    pub fn service(&self) -> u64 {
        self.done.since(self.written)
    }

    /// How long the target kept every connection busy when this request was due.
    pub fn back_pressure(&self) -> u64 {
        self.eligible.since(self.intended)
    }

    /// How late the generator itself was.
    pub fn lag(&self) -> u64 {
        self.written.since(self.intended.max(self.eligible))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(intended: u64, eligible: u64, written: u64, done: u64) -> Timing {
        Timing {
            intended: Nanos(intended),
            eligible: Nanos(eligible),
            written: Nanos(written),
            done: Nanos(done),
        }
    }

    #[test]
    fn who_made_a_request_wait() {
        // (instants) → latency, service, back-pressure, lag
        for (instants, expected) in [
            // On time, answered in 40.
            ((100, 0, 100, 140), (40, 40, 0, 0)),
            // The target held all connections for 30: its fault, within the latency.
            ((100, 130, 130, 170), (70, 40, 30, 0)),
            // The generator slept for 25: its own fault, not the target's latency.
            ((100, 0, 125, 165), (40, 40, 0, 25)),
            // Both.
            ((100, 130, 150, 190), (70, 40, 30, 20)),
        ] {
            let (intended, eligible, written, done) = instants;
            let timing = timing(intended, eligible, written, done);
            assert_eq!(
                (
                    timing.latency(),
                    timing.service(),
                    timing.back_pressure(),
                    timing.lag()
                ),
                expected,
                "{instants:?}"
            );
        }
    }
}
