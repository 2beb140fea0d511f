//! A sending thread's view of time: notices when the thread itself was away.

use std::sync::atomic::{AtomicU64, Ordering};

use super::RunClock;
use crate::timing::Nanos;

/// Being away for less than this is the ordinary work of a turn.
const AWAY_NANOS_MIN: u64 = 1_000_000;
/// Being away for longer is no matter of turns: the process was stopped.
const STOPPED_NANOS_MIN: u64 = 50_000_000;
/// What is found so soon after a stop was there before it ended.
const SOON_NANOS: u64 = 5_000_000;

/// Reads the clock and notes how long the thread was away without wanting to: stopped, descheduled, or
/// held up. What became readable meanwhile was probably there before; the time away is taken off.
///
/// One thread uses it. The figures are atomic only because a runtime's hooks ask for it.
#[derive(Debug)]
pub(crate) struct Watch {
    clock: RunClock,
    last: AtomicU64,
    /// When a sleep is to end.
    wanted: AtomicU64,
    /// Time away that answers waiting in this turn may hide.
    blind: AtomicU64,
    longest: AtomicU64,
    /// When the process was stopped last, and when it went on.
    stopped: AtomicU64,
    went_on: AtomicU64,
}

impl Watch {
    pub(crate) fn new(clock: RunClock) -> Self {
        let now = clock.now().0;
        Watch {
            clock,
            last: AtomicU64::new(now),
            wanted: AtomicU64::new(u64::MAX),
            blind: AtomicU64::new(0),
            longest: AtomicU64::new(0),
            stopped: AtomicU64::new(0),
            went_on: AtomicU64::new(0),
        }
    }

    /// The instant, between two steps of a turn.
    #[inline]
    pub(crate) fn now(&self) -> Nanos {
        let now = self.clock.now();
        self.note(now, self.last());
        now
    }

    /// The instant as it was read last.
    #[inline]
    pub(crate) fn last(&self) -> Nanos {
        Nanos(self.last.load(Ordering::Relaxed))
    }

    /// A sleep is to end at this instant at the latest.
    #[inline]
    pub(crate) fn wants(&self, wanted: Nanos) {
        self.wanted.store(wanted.0, Ordering::Relaxed);
    }

    /// The instant at which the thread woke from a sleep. A new turn begins.
    #[inline]
    pub(crate) fn woke(&self) -> Nanos {
        let now = self.clock.now();
        self.blind.store(0, Ordering::Relaxed);
        let wanted = Nanos(self.wanted.load(Ordering::Relaxed));
        self.note(now, wanted.max(self.last()));
        now
    }

    /// When something that was found at `now` can have happened at the earliest, which was waited for since
    /// `awaited`.
    #[inline]
    pub(crate) fn happened(&self, now: Nanos, awaited: Nanos) -> Nanos {
        let stopped = Nanos(self.stopped.load(Ordering::Relaxed));
        let went_on = Nanos(self.went_on.load(Ordering::Relaxed));
        if awaited <= stopped && now.since(went_on) < SOON_NANOS {
            return stopped;
        }
        Nanos(now.0.saturating_sub(self.blind.load(Ordering::Relaxed)))
    }

    /// The longest time away since this was last asked.
    pub(crate) fn take_longest(&self) -> u64 {
        self.longest.swap(0, Ordering::Relaxed)
    }

    #[inline]
    fn note(&self, now: Nanos, expected: Nanos) {
        let away = now.since(expected);
        self.last.store(now.0, Ordering::Relaxed);
        if away > self.longest.load(Ordering::Relaxed) {
            self.longest.store(away, Ordering::Relaxed);
        }
        if away > AWAY_NANOS_MIN {
            self.blind.fetch_add(away, Ordering::Relaxed);
        }
        if away > STOPPED_NANOS_MIN {
            self.stopped.store(expected.0, Ordering::Relaxed);
            self.went_on.store(now.0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn when_the_loop_was_away_the_answers_are_not_called_late() {
        let watch = Watch::new(RunClock::start());
        let start = watch.now();
        std::thread::sleep(Duration::from_millis(30));
        // It wanted to wake at once and did 30 ms later: what it finds now was there before.
        watch.wants(start);
        let now = watch.woke();
        assert!(now.since(start) >= 30_000_000);
        assert!(watch.happened(now, now).since(start) < 1_000_000);
        assert!(watch.take_longest() >= 30_000_000);
        // A sleep that lasted as long as it was to last hides nothing.
        let until = watch.now().plus(20_000_000);
        std::thread::sleep(Duration::from_millis(20));
        watch.wants(until);
        let now = watch.woke();
        assert!(now.since(watch.happened(now, now)) < 15_000_000);
    }

    #[test]
    fn what_was_there_while_the_process_was_stopped_is_found_in_the_turns_after_it() {
        let watch = Watch::new(RunClock::start());
        let written = watch.now();
        // It is stopped within a turn, after the request was written, and finds the answer in the next one.
        std::thread::sleep(Duration::from_millis(80));
        let back = watch.now();
        watch.wants(back.plus(1_000_000));
        watch.woke();
        let found = back.plus(1_000_000);
        assert_eq!(watch.happened(found, written), written);
        // A request that was written since then was not answered before, and what comes much later was not
        // there.
        assert!(watch.happened(found, back) > written);
        assert!(watch.happened(back.plus(6_000_000), written) > written);
    }
}
