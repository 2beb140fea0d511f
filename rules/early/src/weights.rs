//! The likelihood ratios and thresholds in force: derived from what was learned, never stored.

use crate::likelihood::{ALTERNATIVES_MAX, LogRatio, alternatives};

/// One number for each alternative; those beyond the last are zero.
pub(crate) type Sums = [f64; ALTERNATIVES_MAX];

/// Alternatives against the healthy share of this hour, for each correlation that is thought possible.
#[derive(Clone, Debug)]
pub(crate) struct Weights {
    pub(crate) healthy: f64,
    pub(crate) alternatives: Vec<f64>,
    pub(crate) correlations: Vec<f64>,
    /// For each correlation, one ratio an alternative.
    ratios: Vec<Vec<LogRatio>>,
    /// Evidence that pages, one for each alternative.
    pub(crate) thresholds: Sums,
}

impl Weights {
    pub(crate) fn new(healthy: f64, correlations: Vec<f64>) -> Weights {
        let alternatives = alternatives(healthy);
        let ratios = correlations
            .iter()
            .map(|correlation| {
                alternatives
                    .iter()
                    .map(|share| LogRatio::new(*share, healthy, *correlation))
                    .collect()
            })
            .collect();
        Weights {
            healthy,
            alternatives,
            correlations,
            ratios,
            thresholds: [f64::INFINITY; ALTERNATIVES_MAX],
        }
    }

    /// The evidence of a block for each alternative: that of the correlation which gives least. A
    /// minimum of fair bets is never better than fair, whichever correlation is true.
    pub(crate) fn weigh(&self, calls: u64, failed: u64) -> Sums {
        let mut least = [f64::INFINITY; ALTERNATIVES_MAX];
        for ratios in &self.ratios {
            for (least, ratio) in least.iter_mut().zip(ratios) {
                *least = least.min(ratio.of(calls, failed));
            }
        }
        for unused in least.iter_mut().skip(self.alternatives.len()) {
            *unused = 0.0;
        }
        least
    }

    /// The lowest share that is looked for.
    pub(crate) fn lowest(&self) -> f64 {
        self.alternatives.iter().copied().fold(0.5, f64::min)
    }

    /// Ratios of another share against health, one for each correlation.
    pub(crate) fn against_health(&self, share: f64) -> impl Iterator<Item = LogRatio> + '_ {
        self.correlations
            .iter()
            .map(move |correlation| LogRatio::new(share, self.healthy, *correlation))
    }
}
