//! The steps of an answer: where they begin, how long they are, and what they can be counted from.

use std::time::Duration;

use model::Timestamp;

use crate::range::SECONDS_KEPT;

/// The most steps of a grid before it is thinned: 31 days of minutes.
const STEPS_MAX: u64 = 31 * 24 * 60;
const MINUTE: u64 = 60;

/// Steps of equal length, the first beginning at `from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    /// The beginning, in seconds since the epoch; a multiple of the step.
    pub(crate) from: i64,
    /// The end; the last step may be cut short by it.
    pub(crate) to: i64,
    /// The length of a step in seconds.
    pub(crate) step: u64,
    /// Whether it is counted from the counts per second, which reach back a quarter of an hour.
    pub(crate) seconds: bool,
}

impl Grid {
    /// A grid from `from` to `to`; `step` zero takes the finest that is kept. The running second is
    /// left out, since it would always show a drop.
    pub(crate) fn over(from: Timestamp, to: Timestamp, step: Duration, now: Timestamp) -> Grid {
        // A curve of the whole quarter is asked for a moment after it was right.
        let seconds = now.since(from) <= SECONDS_KEPT + Duration::from_secs(2);
        let finest = if seconds { 1 } else { MINUTE };
        let length = to.since(from).as_secs().max(1);
        let fitting = length.div_ceil(STEPS_MAX).max(finest);
        let step = step.as_secs().max(fitting).div_ceil(finest) * finest;
        let start = from.floor_to(Duration::from_secs(step)).as_seconds();
        Grid {
            from: start,
            to: to.as_seconds().max(start + 1),
            step,
            seconds,
        }
    }

    /// The same grid that much earlier. What is that old is only kept per minute, whatever the step.
    pub(crate) fn earlier(&self, back: Duration) -> Grid {
        let back = i64::try_from(back.as_secs()).unwrap_or(i64::MAX);
        Grid {
            from: self.from.saturating_sub(back),
            to: self.to.saturating_sub(back),
            step: self.step,
            seconds: false,
        }
    }

    /// The step as a signed number.
    pub(crate) fn stride(&self) -> i64 {
        i64::try_from(self.step).unwrap_or(i64::MAX)
    }

    /// How many steps there are.
    pub(crate) fn len(&self) -> usize {
        let span = self.to.saturating_sub(self.from).max(0).unsigned_abs();
        usize::try_from(span.div_ceil(self.step.max(1))).unwrap_or(0)
    }

    /// Where the steps begin.
    pub(crate) fn times(&self) -> Vec<i64> {
        (0..self.len()).map(|at| self.start_of(at)).collect()
    }

    /// Where a step begins.
    pub(crate) fn start_of(&self, at: usize) -> i64 {
        let at = i64::try_from(at).unwrap_or(i64::MAX);
        self.from.saturating_add(at.saturating_mul(self.stride()))
    }

    /// How many seconds of a step lie before `now`: a step that is running is only as long as it ran.
    pub(crate) fn seconds_of(&self, at: usize, now: Timestamp) -> f64 {
        let start = self.start_of(at);
        let end = start
            .saturating_add(self.stride())
            .min(now.as_seconds().max(start));
        (end - start).max(1) as f64
    }
}
