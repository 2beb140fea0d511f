//! The thread's view of time: notices when the thread itself was away.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine::RunClock;
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
/// One thread uses it. The figures are atomic only because the runtime's hooks ask for it.
#[derive(Debug)]
pub(super) struct Watch {
    clock: RunClock,
    last: AtomicU64,
    /// When the alarm is to end a sleep.
    wanted: AtomicU64,
    /// Time away that answers waiting in this turn may hide.
    blind: AtomicU64,
    longest: AtomicU64,
    /// When the process was stopped last, and when it went on.
    stopped: AtomicU64,
    went_on: AtomicU64,
}

impl Watch {
    pub(super) fn new(clock: RunClock) -> Self {
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
    pub(super) fn now(&self) -> Nanos {
        let now = self.clock.now();
        self.note(now, self.last.load(Ordering::Relaxed));
        now
    }

    /// A sleep is to end at this instant at the latest.
    #[inline]
    pub(super) fn wants(&self, wanted: Nanos) {
        self.wanted.store(wanted.0, Ordering::Relaxed);
    }

    /// The thread woke from a sleep. A new turn begins.
    #[inline]
    pub(super) fn woke(&self) {
        let now = self.clock.now();
        self.blind.store(0, Ordering::Relaxed);
        let wanted = self.wanted.load(Ordering::Relaxed);
        self.note(now, wanted.max(self.last.load(Ordering::Relaxed)));
    }

    /// When something that was found just now can have happened at the earliest.
    #[inline]
    pub(super) fn happened(&self) -> Nanos {
        let now = self.now();
        self.before(now)
    }

    /// The same of what was waited for since `awaited`.
    #[inline]
    pub(super) fn happened_since(&self, awaited: Nanos) -> Nanos {
        let now = self.now();
        let stopped = Nanos(self.stopped.load(Ordering::Relaxed));
        let went_on = Nanos(self.went_on.load(Ordering::Relaxed));
        if awaited <= stopped && now.since(went_on) < SOON_NANOS {
            return stopped;
        }
        self.before(now)
    }

    fn before(&self, now: Nanos) -> Nanos {
        Nanos(now.0.saturating_sub(self.blind.load(Ordering::Relaxed)))
    }

    /// The longest time away since this was last asked.
    pub(super) fn take_longest(&self) -> u64 {
        self.longest.swap(0, Ordering::Relaxed)
    }

    #[inline]
    fn note(&self, now: Nanos, expected: u64) {
        let away = now.0.saturating_sub(expected);
        self.last.store(now.0, Ordering::Relaxed);
        if away > self.longest.load(Ordering::Relaxed) {
            self.longest.store(away, Ordering::Relaxed);
        }
        if away > AWAY_NANOS_MIN {
            self.blind.fetch_add(away, Ordering::Relaxed);
        }
        if away > STOPPED_NANOS_MIN {
            self.stopped.store(expected, Ordering::Relaxed);
            self.went_on.store(now.0, Ordering::Relaxed);
        }
    }
}
