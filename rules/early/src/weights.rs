//! The likelihood ratios and thresholds in force: derived from what was learned, never stored.

use crate::likelihood::{ALTERNATIVES_MAX, Likelihood, LogRatio, alternatives};

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

    /// The evidence of a block for health against a share of failing calls that would still be a fault.
    ///
    /// Not that of the correlation which gives least, as for a page: where calls are thought to fail
    /// together, single failures in many blocks look like a fault, though they are what health without
    /// bursts looks like. So each block may be as bursty as any that is thought possible, with even
    /// chances, and the ratio is that of the two means: as fair a bet, and one that can be won.
    pub(crate) fn of_health(&self, still: f64, calls: u64, failed: u64) -> f64 {
        let mean = |share: f64| {
            let each = self.correlations.iter();
            let logs =
                each.map(|correlation| Likelihood::new(share, *correlation).of(calls, failed));
            ln_sum(logs)
        };
        mean(self.healthy) - mean(still)
    }
}

/// `ln Σ e^x` without overflow.
fn ln_sum(logs: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = logs.clone().fold(f64::NEG_INFINITY, f64::max);
    if largest.is_finite() {
        largest + logs.map(|log| (log - largest).exp()).sum::<f64>().ln()
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_one_correlation_health_is_the_ratio_turned_round() {
        let weights = Weights::new(0.001, vec![0.01]);
        let ratio = LogRatio::new(0.02, 0.001, 0.01);
        for (calls, failed) in [(200, 0), (200, 1), (200, 30), (100_000, 90_000)] {
            let found = weights.of_health(0.02, calls, failed);
            assert!((found + ratio.of(calls, failed)).abs() < 1e-6, "{found}");
        }
    }

    /// Two hundred calls a block, one of a thousand fails: by itself, as nobody knows yet.
    #[test]
    fn health_without_bursts_is_proven_though_bursts_are_thought_possible() {
        let weights = Weights::new(0.001, crate::settings::LEARNING_CORRELATIONS.to_vec());
        let of_minute: f64 = (0..60)
            .map(|block| weights.of_health(0.017, 200, u64::from(block % 5 == 0)))
            .sum();
        assert!(of_minute > 1_000_f64.ln(), "{of_minute}");
        let failing: f64 = (0..60)
            .map(|block| weights.of_health(0.017, 200, 2 + block % 4))
            .sum();
        assert!(failing < 0.0, "{failing}");
    }
}
