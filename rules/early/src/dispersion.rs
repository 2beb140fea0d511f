//! How bursty healthy failures are: dispersion and correlation by moments, at three block lengths.
//!
//! With beta-binomial blocks, `Var f = n·p·(1−p)·(1 + (n−1)·ρ)`. Weighted residuals of a stretch of
//! blocks with one share, `X = Σ (f − n·p)² / (n·p·(1−p))`, therefore have mean
//! `(blocks − 1) + ρ·(calls − blocks)`, which is solved for ρ (J. C. Kleinman, "Proportions with
//! extraneous variance", J. Am. Statist. Assoc. 68, 1973). The share is that of the stretch itself, so a
//! share that drifts over the day is not mistaken for bursts.

/// How many base blocks the three lengths have.
pub(crate) const MULTIPLES: [u64; 3] = [1, 10, 60];
/// A stretch is judged once it has this many of the longest blocks.
const LONG_BLOCKS_MIN: f64 = 6.0;
/// Excess dispersion below this is none.
const EXCESS_MIN: f64 = 0.05;
/// Excess dispersion within so many standard errors of zero is none.
const ERRORS_MIN: f64 = 3.0;
/// A shorter block that holds this share of the longest one's excess holds whole bursts.
const WHOLE_BURST: f64 = 0.5;

/// Sums of one block length over the present stretch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Stretch {
    pub(crate) blocks: f64,
    pub(crate) calls: f64,
    pub(crate) failed: f64,
    /// Σ f²/n.
    pub(crate) squares: f64,
}

/// What all stretches of one block length add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Total {
    pub(crate) blocks: f64,
    /// Σ (X − (blocks − 1)).
    pub(crate) excess: f64,
    /// Σ (calls − blocks).
    pub(crate) pairs: f64,
}

impl Total {
    /// φ − 1.
    fn dispersion_excess(&self) -> f64 {
        if self.blocks > 0.0 {
            self.excess / self.blocks
        } else {
            0.0
        }
    }

    fn correlation(&self) -> f64 {
        if self.pairs > 0.0 {
            (self.excess / self.pairs).clamp(0.0, 0.9)
        } else {
            0.0
        }
    }
}

/// What was fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fit {
    /// How many base blocks one block has.
    pub(crate) multiple: u64,
    /// ρ within such a block.
    pub(crate) correlation: f64,
    /// Mean calls of such a block where it was learned.
    pub(crate) calls_learned: f64,
}

/// Learns dispersion from clean base blocks.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Dispersion {
    /// The block of each length that is filling: its index, calls, failures.
    pub(crate) filling: [(u64, u64, u64); 3],
    pub(crate) stretches: [Stretch; 3],
    pub(crate) totals: [Total; 3],
}

impl Dispersion {
    /// Adds a base block; `index` counts base blocks and rises.
    pub(crate) fn add(&mut self, index: u64, calls: u64, failed: u64) {
        let lengths = self.filling.iter_mut().zip(&mut self.stretches);
        for ((filling, stretch), multiple) in lengths.zip(MULTIPLES) {
            let block = index / multiple;
            if filling.0 != block {
                stretch.add(filling.1, filling.2);
                *filling = (block, 0, 0);
            }
            filling.1 += calls;
            filling.2 += failed;
        }
    }

    /// Ends the stretch that has one share, such as an hour. Too short a stretch goes on.
    pub(crate) fn close_stretch(&mut self) {
        if self.stretches[2].blocks < LONG_BLOCKS_MIN {
            return;
        }
        for (stretch, total) in self.stretches.iter_mut().zip(&mut self.totals) {
            stretch.close_into(total);
        }
    }

    /// Forgets the present stretch: it was not clean.
    pub(crate) fn drop_stretch(&mut self) {
        self.stretches = Default::default();
        self.filling = Default::default();
    }

    /// Lets what was learned count less, so that it stays that of the last weeks.
    pub(crate) fn age(&mut self, keep: f64) {
        for total in &mut self.totals {
            total.blocks *= keep;
            total.excess *= keep;
            total.pairs *= keep;
        }
    }

    /// The block length that holds whole bursts, and the correlation within it. Blocks must be
    /// independent of each other, so they may not be shorter than bursts are.
    pub(crate) fn fit(&self) -> Option<Fit> {
        let [_, _, longest] = &self.totals;
        if longest.blocks < LONG_BLOCKS_MIN {
            return None;
        }
        let excess = longest.dispersion_excess();
        let noise = ERRORS_MIN * (2.0 / longest.blocks).sqrt();
        let bursty = excess > EXCESS_MIN.max(noise);
        let (total, multiple) = self
            .totals
            .iter()
            .zip(MULTIPLES)
            .find(|(total, _)| !bursty || total.dispersion_excess() >= WHOLE_BURST * excess)?;
        Some(Fit {
            multiple,
            correlation: total.correlation(),
            calls_learned: 1.0 + total.pairs / total.blocks.max(1.0),
        })
    }
}

impl Stretch {
    fn add(&mut self, calls: u64, failed: u64) {
        if calls == 0 {
            return;
        }
        let (calls, failed) = (calls as f64, failed as f64);
        self.blocks += 1.0;
        self.calls += calls;
        self.failed += failed;
        self.squares += failed * failed / calls;
    }

    fn close_into(&mut self, total: &mut Total) {
        let stretch = std::mem::take(self);
        if stretch.calls < 2.0 || stretch.blocks < 2.0 {
            return;
        }
        let share = stretch.failed / stretch.calls;
        if share <= 0.0 || share >= 1.0 {
            return;
        }
        let residuals = stretch.squares - stretch.failed * share;
        total.blocks += stretch.blocks;
        total.excess += residuals / (share * (1.0 - share)) - (stretch.blocks - 1.0);
        total.pairs += stretch.calls - stretch.blocks;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Deterministic counts with exactly known moments: of every ten blocks of 100 calls one holds all
    /// failures.
    #[test]
    fn bursts_of_one_block_are_found_at_the_base_length() {
        let mut dispersion = Dispersion::default();
        for index in 0..36_000_u64 {
            // A fixed scatter without period, so that longer blocks see no more than one burst more.
            let burst = index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60 == 0;
            dispersion.add(index, 100, if burst { 5 } else { 0 });
            if index % 3_600 == 3_599 {
                dispersion.close_stretch();
            }
        }
        let fit = dispersion.fit().unwrap();
        assert_eq!(fit.multiple, 1);
        // φ = 5·(1 − 1/16)·… ≈ 4.7, so ρ ≈ 3.7 / 99.
        assert!((0.03..0.06).contains(&fit.correlation), "{fit:?}");
        assert!((fit.calls_learned - 100.0).abs() < 0.1);
    }

    #[test]
    fn bursts_of_many_blocks_need_long_blocks() {
        let mut dispersion = Dispersion::default();
        for index in 0..360_000_u64 {
            let burst = (index / 40).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60 == 0;
            dispersion.add(index, 100, u64::from(burst));
            if index % 3_600 == 3_599 {
                dispersion.close_stretch();
            }
        }
        assert_eq!(dispersion.fit().unwrap().multiple, 60);
    }

    #[test]
    fn even_failures_are_not_bursty() {
        let mut dispersion = Dispersion::default();
        for index in 0..36_000_u64 {
            dispersion.add(index, 100, u64::from(index % 10 == 0));
            if index % 3_600 == 3_599 {
                dispersion.close_stretch();
            }
        }
        let fit = dispersion.fit().unwrap();
        assert_eq!((fit.multiple, fit.correlation), (1, 0.0));
    }

    #[test]
    fn too_little_fits_nothing() {
        let mut dispersion = Dispersion::default();
        dispersion.add(0, 100, 1);
        dispersion.close_stretch();
        assert_eq!(dispersion.fit(), None);
    }
}
