//! The only place that reads a clock. Everything else is given `now`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::Timestamp;
use crate::timestamp::whole_micros;

/// Wall time for records, monotonic time for timers.
pub trait Clock: Send + Sync {
    /// Wall time; may jump when the machine's clock is set.
    fn now(&self) -> Timestamp;
    /// Time since the clock was made; never jumps.
    fn elapsed(&self) -> Duration;
}

/// A clock handed to every room.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
    /// How far wall time is shifted, in microseconds.
    shift: i64,
}

impl SystemClock {
    /// Starts counting monotonic time now.
    #[allow(clippy::disallowed_methods)] // this is the one allowed reader
    pub fn new() -> Self {
        SystemClock {
            started: Instant::now(),
            shift: 0,
        }
    }

    /// A clock that says `start` now and goes on from there at its usual pace, so that a server can be
    /// looked at as if it were another day.
    pub fn starting_at(start: Timestamp) -> Self {
        let mut clock = Self::new();
        clock.shift = start.as_micros().saturating_sub(clock.now().as_micros());
        clock
    }

    /// The same, ready to be shared.
    pub fn shared() -> SharedClock {
        Arc::new(Self::new())
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)]
    fn now(&self) -> Timestamp {
        let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => whole_micros(after),
            Err(before) => -whole_micros(before.duration()),
        };
        Timestamp::from_micros(micros.saturating_add(self.shift))
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// A clock that moves only when told to, for tests and replays. Wall time may jump; monotonic time
/// only advances.
#[derive(Debug)]
pub struct ManualClock {
    wall_micros: AtomicI64,
    elapsed_micros: AtomicU64,
}

impl ManualClock {
    /// A clock standing at `now`.
    pub fn at(now: Timestamp) -> Arc<Self> {
        Arc::new(ManualClock {
            wall_micros: AtomicI64::new(now.as_micros()),
            elapsed_micros: AtomicU64::new(0),
        })
    }

    /// Lets time pass on both clocks.
    pub fn advance(&self, by: Duration) {
        let micros = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        self.wall_micros
            .fetch_add(i64::try_from(micros).unwrap_or(i64::MAX), Ordering::SeqCst);
        self.elapsed_micros.fetch_add(micros, Ordering::SeqCst);
    }

    /// Sets the wall clock, as an operator or NTP might; monotonic time does not notice.
    pub fn jump_to(&self, now: Timestamp) {
        self.wall_micros.store(now.as_micros(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.wall_micros.load(Ordering::SeqCst))
    }

    fn elapsed(&self) -> Duration {
        Duration::from_micros(self.elapsed_micros.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_may_begin_on_another_day() {
        let start: Timestamp = "2026-11-11T00:00:00Z".parse().unwrap();
        let clock = SystemClock::starting_at(start);
        assert!(clock.now() >= start && clock.now().since(start) < Duration::from_mins(10));
    }
}
