//! What clean time has taught: the share of each hour, bursts, and how high clean excursions rise.

use crate::baseline::{Baseline, KEEP_PER_DAY};
use crate::blocks::Grid;
use crate::dispersion::{Dispersion, Fit};
use crate::likelihood::ALTERNATIVES_MAX;
use crate::peaks::Peaks;
use crate::settings::{
    DAYS_LEARNING, HEALTHY_TIMES_MAX, LEARNING_CORRELATIONS, LEARNING_DIVISOR, Settings,
};
use crate::threshold::{Budget, threshold};
use crate::weights::Weights;

const HOURS_A_DAY: u64 = 24;
/// Clean days before bursts are fitted.
const DAYS_OF_BURSTS: u64 = 4;
/// Clean days of peaks before thresholds are drawn from them.
const DAYS_OF_PEAKS: u64 = 3;
/// Bursts that outlast a base block rarely are as short-tailed as the beta distribution: so many times
/// ρ is thought possible too.
const WIDER: f64 = 4.0;
/// Blocks after which peaks count half: 28 days of them.
const PEAKS_SECONDS_MAX: f64 = 28.0 * 86_400.0;
/// Traffic within this factor of that where ρ was learned is the same traffic.
const SAME_TRAFFIC: f64 = 1.5;

/// Everything that is kept of clean time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Learned {
    pub(crate) grid: Grid,
    pub(crate) baseline: Baseline,
    pub(crate) dispersion: Dispersion,
    pub(crate) fit: Option<Fit>,
    /// Clean hours when the fit was made.
    pub(crate) fitted_at: u64,
    pub(crate) peaks: [Peaks; ALTERNATIVES_MAX],
    /// Clean hours when peaks began to be recorded.
    pub(crate) peaks_from: u64,
    /// T: clean blocks whose peaks were recorded.
    pub(crate) blocks: f64,
}

impl Learned {
    /// Whether too few clean days are known. First bursts are learned, then how high excursions rise
    /// that are weighed by them. Evidence counts less all that time, so that an excursion which would
    /// page later is seen as clean and teaches.
    pub(crate) fn is_learning(&self) -> bool {
        let hours = self.baseline.clean_hours;
        self.fit.is_none()
            || hours < DAYS_LEARNING * HOURS_A_DAY
            || hours < self.peaks_from + DAYS_OF_PEAKS * HOURS_A_DAY
    }

    /// What evidence is divided by.
    pub(crate) fn divisor(&self) -> f64 {
        if self.is_learning() {
            LEARNING_DIVISOR
        } else {
            1.0
        }
    }

    /// Before the first clean hour the grid follows the traffic at once. Gives whether it changed.
    pub(crate) fn find_first_grid(&mut self, calls_per_second: f64) -> bool {
        if self.baseline.clean_hours > 0 || self.fit.is_some() {
            return false;
        }
        let Some(grid) = self.grid.outgrown(calls_per_second) else {
            return false;
        };
        self.change_grid(grid);
        true
    }

    /// A clean hour is over. `hour` is that of the day. Gives whether the grid changed.
    pub(crate) fn close_hour(
        &mut self,
        hour: usize,
        calls: u64,
        failed: u64,
        seconds: f64,
    ) -> bool {
        let of_hour = self.fit.map_or(1.0, |fit| {
            1.0 + fit.correlation * (fit.calls_learned - 1.0).max(0.0)
        });
        self.baseline.add(hour, calls, failed, of_hour);
        self.dispersion.close_stretch();
        if self.fit.is_none()
            && let Some(grid) = self.grid.outgrown(calls as f64 / seconds.max(1.0))
        {
            self.change_grid(grid);
            return true;
        }
        let due = self.baseline.clean_hours >= self.fitted_at + HOURS_A_DAY;
        due && self.baseline.clean_days() >= DAYS_OF_BURSTS && self.refit()
    }

    /// Fits bursts again, once a clean day. Gives whether the grid changed.
    fn refit(&mut self) -> bool {
        self.fitted_at = self.baseline.clean_hours;
        if let Some(grid) = self.grid.outgrown(self.baseline.calls_per_second()) {
            self.change_grid(grid);
            return true;
        }
        let Some(fit) = self.dispersion.fit() else {
            return false;
        };
        self.dispersion.age(KEEP_PER_DAY);
        let first = self.fit.replace(fit).is_none();
        if fit.multiple == self.grid.multiple && !first {
            return false;
        }
        self.grid.multiple = fit.multiple;
        self.forget_peaks();
        true
    }

    /// Blocks of another length have other bursts and other peaks.
    fn change_grid(&mut self, grid: Grid) {
        self.grid = grid;
        self.dispersion = Dispersion::default();
        self.fit = None;
        self.forget_peaks();
    }

    fn forget_peaks(&mut self) {
        self.peaks = Default::default();
        self.blocks = 0.0;
        self.peaks_from = self.baseline.clean_hours;
    }

    /// A clean block is over.
    pub(crate) fn count_block(&mut self) {
        if self.fit.is_none() {
            return;
        }
        self.blocks += 1.0;
        if self.blocks * self.grid.block_seconds() > PEAKS_SECONDS_MAX {
            self.blocks /= 2.0;
            for peaks in &mut self.peaks {
                peaks.age();
            }
        }
    }

    /// A clean excursion of an alternative came to nothing.
    pub(crate) fn record_peak(&mut self, alternative: usize, peak: f64) {
        // Before bursts are known evidence is weighed otherwise: such peaks say nothing about later ones.
        if self.fit.is_some()
            && let Some(peaks) = self.peaks.get_mut(alternative)
        {
            peaks.add(peak);
        }
    }

    /// The healthy share at this hour, and whether it had to be capped.
    pub(crate) fn healthy(&self, settings: &Settings, hour: usize) -> (f64, bool) {
        let allowed = settings.failing_allowed;
        let cap = allowed * HEALTHY_TIMES_MAX;
        let bound = self.fit.and_then(|_| self.baseline.bound(hour));
        let share = bound.unwrap_or(allowed).max(allowed);
        (share.min(cap), share > cap)
    }

    /// What is to be weighed at this hour, at this many calls a block.
    pub(crate) fn weights(&self, settings: &Settings, hour: usize, calls: f64) -> Weights {
        let (healthy, _) = self.healthy(settings, hour);
        let mut weights = Weights::new(healthy, self.correlations(calls));
        let budget = Budget {
            blocks_per_page: settings.page_every.as_secs_f64() / self.grid.block_seconds()
                * f64::from(settings.series.max(1)),
            alternatives: weights.alternatives.len() as f64,
        };
        let learning = self.is_learning();
        let known = weights.alternatives.len();
        let slots = weights.thresholds.iter_mut().zip(&self.peaks).take(known);
        for (slot, peaks) in slots {
            *slot = if learning {
                budget.nominal()
            } else {
                threshold(&budget, peaks, self.blocks)
            };
        }
        weights
    }

    /// ρ where it was learned; at other traffic also the ρ that would leave φ as it was learned,
    /// because nobody knows which of the two stays the same.
    fn correlations(&self, calls: f64) -> Vec<f64> {
        let Some(fit) = self.fit else {
            return LEARNING_CORRELATIONS.to_vec();
        };
        let mut correlations = vec![fit.correlation];
        if fit.correlation > 0.0 && fit.multiple > 1 {
            correlations.push((fit.correlation * WIDER).min(0.9));
        }
        let times = fit.calls_learned / calls.max(1.0);
        if fit.correlation > 0.0 && !(1.0 / SAME_TRAFFIC..=SAME_TRAFFIC).contains(&times) {
            correlations.push((fit.correlation * times).min(0.9));
        }
        correlations
    }
}
