//! What time it is on a worker, as far as a leader can tell.
//!
//! A leader asks a few times and believes the quickest answer: the worker read its clock somewhere
//! between question and answer, so taking the middle is wrong by half that span at most (Cristian's
//! algorithm).

use crate::timing::Nanos;

/// How often a leader asks.
pub(super) const QUESTIONS: usize = 8;

/// One question and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// When it was asked, on our clock.
    pub(super) asked: Nanos,
    /// When the answer was there, on our clock.
    pub(super) heard: Nanos,
    /// What the worker's clock said in between, in nanoseconds.
    pub(super) there: u64,
}

impl Reading {
    fn round_trip(&self) -> u64 {
        self.heard.since(self.asked)
    }
}

/// How far a worker's clock is ahead of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offset {
    nanos: i128,
    /// How wrong that may be, in nanoseconds.
    pub(super) error_nanos: u64,
}

impl Offset {
    /// From the quickest of some readings; `None` of none.
    pub(super) fn of(readings: &[Reading]) -> Option<Self> {
        let best = readings.iter().min_by_key(|reading| reading.round_trip())?;
        let middle = i128::from(best.asked.0) + i128::from(best.round_trip() / 2);
        Some(Offset {
            nanos: i128::from(best.there) - middle,
            error_nanos: best.round_trip().div_ceil(2),
        })
    }

    /// What the worker's clock shows at an instant of ours.
    pub(super) fn there(&self, here: Nanos) -> u64 {
        let there = i128::from(here.0) + self.nanos;
        u64::try_from(there.max(0)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quickest_answer_counts_and_bounds_the_error() {
        // The worker's clock is 5,000,000 ahead; ways there and back differ.
        let reading = |asked: u64, way: u64, back: u64| Reading {
            asked: Nanos(asked),
            heard: Nanos(asked + way + back),
            there: 5_000_000 + asked + way,
        };
        let readings = [
            reading(1_000, 900, 100),
            reading(9_000, 60, 41),
            reading(20_000, 5_000, 5_000),
        ];
        let offset = Offset::of(&readings).unwrap();
        assert_eq!(offset.error_nanos, 51);
        let wrong = offset.there(Nanos(100_000)).abs_diff(5_100_000);
        assert!(wrong <= offset.error_nanos, "{wrong}");
        assert_eq!(Offset::of(&[]), None);
    }

    #[test]
    fn a_clock_that_began_later_is_behind() {
        let offset = Offset::of(&[Reading {
            asked: Nanos(1_000_000),
            heard: Nanos(1_000_010),
            there: 5,
        }])
        .unwrap();
        assert_eq!(offset.there(Nanos(1_000_105)), 105);
        assert_eq!(offset.there(Nanos(0)), 0);
    }
}
