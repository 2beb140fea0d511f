//! The loop's view of time: notices when the loop itself was away.

use crate::engine::RunClock;
use crate::timing::Nanos;

/// Being away for less than this is the ordinary work of a turn.
const AWAY_NANOS_MIN: u64 = 1_000_000;
/// Being away for longer is no matter of turns: the process was stopped.
const STOPPED_NANOS_MIN: u64 = 50_000_000;
/// What is found so soon after a stop was there before it ended.
const SOON_NANOS: u64 = 5_000_000;

/// Reads the clock and notes how long the loop was away without wanting to: stopped, descheduled, or
/// held up. What became readable meanwhile was probably there before; the time away is taken off.
#[derive(Debug)]
pub(super) struct Watch {
    clock: RunClock,
    last: Nanos,
    /// Time away that answers waiting in this turn may hide.
    blind: u64,
    longest: u64,
    /// When the process was stopped last, and when it went on.
    stopped: (Nanos, Nanos),
}

impl Watch {
    pub(super) fn new(clock: RunClock) -> Self {
        let last = clock.now();
        Watch {
            clock,
            last,
            blind: 0,
            longest: 0,
            stopped: (Nanos(0), Nanos(0)),
        }
    }

    /// The instant, between two steps of a turn.
    #[inline]
    pub(super) fn now(&mut self) -> Nanos {
        let now = self.clock.now();
        self.note(now, self.last);
        now
    }

    /// The instant as it was read last.
    #[inline]
    pub(super) fn last(&self) -> Nanos {
        self.last
    }

    /// The instant after a sleep that was to end at `wanted` at the latest. A new turn begins.
    #[inline]
    pub(super) fn woke(&mut self, wanted: Nanos) -> Nanos {
        let now = self.clock.now();
        self.blind = 0;
        self.note(now, wanted.max(self.last));
        now
    }

    /// When something that was found at `now` can have happened at the earliest, which was waited for since
    /// `awaited`.
    #[inline]
    pub(super) fn happened(&self, now: Nanos, awaited: Nanos) -> Nanos {
        let (from, until) = self.stopped;
        if awaited <= from && now.since(until) < SOON_NANOS {
            return from;
        }
        Nanos(now.0.saturating_sub(self.blind))
    }

    /// The longest time away since this was last asked.
    pub(super) fn take_longest(&mut self) -> u64 {
        std::mem::take(&mut self.longest)
    }

    #[inline]
    fn note(&mut self, now: Nanos, expected: Nanos) {
        let away = now.since(expected);
        self.last = now;
        if away > self.longest {
            self.longest = away;
        }
        if away > AWAY_NANOS_MIN {
            self.blind += away;
        }
        if away > STOPPED_NANOS_MIN {
            self.stopped = (expected, now);
        }
    }
}
