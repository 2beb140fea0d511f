//! Whether a target has warmed up: its latency and its CPU per call no longer get better.

use crate::search::judge;
use crate::search::trend;
use crate::search::trial::{Block, Observation};

/// After so many trials the search begins whether or not the figures have settled.
pub(super) const TRIALS_MAX: usize = 6;
/// Figures that got better by less than this have settled.
const CHANGE_MAX: f64 = 0.1;
/// A change within so many deviations of the blocks is noise.
const DEVIATIONS_MAX: f64 = 3.0;

/// The warm-up trials so far.
#[derive(Clone, Debug, Default)]
pub(super) struct WarmUp {
    trials: usize,
    latest: Option<Figures>,
    settled: bool,
}

/// What is compared from one warm-up trial to the next.
#[derive(Clone, Copy, Debug)]
struct Figures {
    latency_ms: Level,
    cpu_seconds_per_call: Option<Level>,
}

/// The median of the blocks, and the standard error of it.
#[derive(Clone, Copy, Debug)]
struct Level {
    median: f64,
    error: f64,
}

impl WarmUp {
    pub(super) fn is_over(&self) -> bool {
        self.settled || self.trials >= TRIALS_MAX
    }

    /// Whether the trials ended before the figures settled.
    pub(super) fn is_unsettled(&self) -> bool {
        self.is_over() && !self.settled
    }

    pub(super) fn note(&mut self, observation: &Observation) {
        let figures = Figures::of(judge::counted(&observation.blocks));
        self.settled = match (&self.latest, &figures) {
            (Some(earlier), Some(later)) => later.is_no_better_than(earlier),
            _ => false,
        };
        self.latest = figures;
        self.trials += 1;
    }
}

impl Figures {
    /// `None` when nothing ended.
    fn of(blocks: &[Block]) -> Option<Self> {
        let answering: Vec<&Block> = blocks.iter().filter(|block| block.done > 0).collect();
        let cpu: Option<Vec<f64>> = answering
            .iter()
            .map(|block| Some(block.pod_cpu_seconds? / block.done as f64))
            .collect();
        Some(Figures {
            latency_ms: Level::of(
                answering
                    .iter()
                    .map(|block| block.mean_latency_ms)
                    .collect(),
            )?,
            cpu_seconds_per_call: cpu.and_then(Level::of),
        })
    }

    fn is_no_better_than(&self, earlier: &Figures) -> bool {
        let cpu = match (&self.cpu_seconds_per_call, &earlier.cpu_seconds_per_call) {
            (Some(later), Some(earlier)) => later.is_no_better_than(earlier),
            _ => true,
        };
        cpu && self.latency_ms.is_no_better_than(&earlier.latency_ms)
    }
}

impl Level {
    fn of(mut figures: Vec<f64>) -> Option<Self> {
        let median = trend::median(&mut figures)?;
        let mut distances: Vec<f64> = figures
            .iter()
            .map(|figure| (figure - median).abs())
            .collect();
        // 1.4826 turns the median distance into the deviation of a normal distribution, √(π/2) its
        // error into that of a median.
        let deviation = trend::median(&mut distances)? * 1.4826;
        let error = deviation * (std::f64::consts::FRAC_PI_2 / figures.len() as f64).sqrt();
        Some(Level { median, error })
    }

    fn is_no_better_than(&self, earlier: &Level) -> bool {
        let gain = earlier.median - self.median;
        gain <= CHANGE_MAX * earlier.median
            || gain <= DEVIATIONS_MAX * self.error.hypot(earlier.error)
    }
}
