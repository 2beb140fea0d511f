//! The grid of time: base blocks with about ten calls or more, and blocks of 1, 10 or 60 of them that
//! hold whole bursts. Milliseconds since the Unix epoch throughout.

use crate::dispersion::MULTIPLES;

/// Calls that a base block should have.
const CALLS_WANTED: f64 = 10.0;
/// The shortest base block.
const BASE_MS_MIN: u64 = 1_000;
/// The longest base block, and that of a function about which nothing is known.
const BASE_MS_MAX: u64 = 600_000;
/// The base block before the first hour is over.
const BASE_MS_UNKNOWN: u64 = 60_000;
/// A base block changes when it should be this many times longer or shorter: change forgets bursts.
const CHANGE_TIMES: u64 = 4;

/// Lengths in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) base_ms: u64,
    /// Base blocks in a block.
    pub(crate) multiple: u64,
}

impl Default for Grid {
    fn default() -> Self {
        Grid {
            base_ms: BASE_MS_UNKNOWN,
            multiple: MULTIPLES[1],
        }
    }
}

impl Grid {
    /// The grid for this many calls per second, bursts unknown.
    pub(crate) fn for_rate(calls_per_second: f64) -> Grid {
        let seconds = (CALLS_WANTED / calls_per_second.max(1e-9)).ceil();
        let base_ms = (seconds * 1_000.0).min(BASE_MS_MAX as f64) as u64;
        Grid {
            base_ms: base_ms.max(BASE_MS_MIN),
            multiple: MULTIPLES[1],
        }
    }

    /// The grid to change to, if the traffic has changed that much.
    pub(crate) fn outgrown(self, calls_per_second: f64) -> Option<Grid> {
        let wanted = Grid::for_rate(calls_per_second);
        let (short, long) = (
            self.base_ms.min(wanted.base_ms),
            self.base_ms.max(wanted.base_ms),
        );
        (long >= short * CHANGE_TIMES).then_some(wanted)
    }

    /// The base block that an instant lies in.
    pub(crate) fn base_of(self, at_ms: u64) -> u64 {
        at_ms / self.base_ms
    }

    /// When a base block began.
    pub(crate) fn base_began_ms(self, base: u64) -> u64 {
        base * self.base_ms
    }

    /// The block that a base block lies in.
    pub(crate) fn block_of(self, base: u64) -> u64 {
        base / self.multiple
    }

    /// When that block began.
    pub(crate) fn block_began_ms(self, base: u64) -> u64 {
        self.block_of(base) * self.multiple * self.base_ms
    }

    /// The length of a block in seconds.
    pub(crate) fn block_seconds(self) -> f64 {
        (self.base_ms * self.multiple) as f64 / 1_000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_block_has_ten_calls_and_a_second() {
        for (rate, seconds) in [
            (10_000.0, 1),
            (10.0, 1),
            (3.0, 4),
            (1.0, 10),
            (0.05, 200),
            (0.0, 600),
        ] {
            assert_eq!(Grid::for_rate(rate).base_ms, seconds * 1_000, "{rate}");
        }
    }

    #[test]
    fn only_a_large_change_of_traffic_changes_it() {
        let grid = Grid::for_rate(1.0);
        assert_eq!(grid.outgrown(2.0), None);
        assert_eq!(grid.outgrown(5.0).map(|grid| grid.base_ms), Some(2_000));
        assert_eq!(grid.outgrown(0.2).map(|grid| grid.base_ms), Some(50_000));
        assert_eq!(Grid::for_rate(50.0).outgrown(5_000.0), None);
    }
}
