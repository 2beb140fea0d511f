//! How much more likely counts are if a given share fails than if the function is healthy.
//!
//! Within a block the calls are exchangeable: each fails with the block's own share, and that share
//! varies from block to block by a beta distribution (J. G. Skellam, "A probability distribution
//! derived from the binomial distribution by regarding the probability of success as variable between
//! the sets of trials", J. R. Statist. Soc. B 10, 1948). ρ is the correlation of two calls of a block;
//! at ρ = 0 they are independent.

use crate::gamma::ln_gamma;

/// The share of failing calls above which the ladder of alternatives is left to the last rung.
const LADDER_TO: f64 = 0.4;
/// How many times a rung lies above the one before it; the lowest lies as much above the healthy share.
const RUNG: f64 = 5.0;
/// The last rung: half of all calls fail, or more.
const HALF: f64 = 0.5;
/// The most alternatives.
pub(crate) const ALTERNATIVES_MAX: usize = 10;
/// A healthy share below this is taken for this.
pub(crate) const HEALTHY_MIN: f64 = 1e-6;
/// A healthy share above this is taken for this.
pub(crate) const HEALTHY_MAX: f64 = 0.2;
/// A weaker correlation counts as none.
const CORRELATION_MIN: f64 = 1e-6;
/// A stronger correlation says nothing more.
const CORRELATION_MAX: f64 = 0.9;

/// The shares of failing calls that are weighed against the healthy share `p0`. The first is one half,
/// which every `p0` has, so that what is learned about it stays comparable; then `5·p0·5^i` while that
/// is below 40 %, in rising order.
pub fn alternatives(healthy: f64) -> Vec<f64> {
    let mut shares = vec![HALF];
    let mut share = healthy.clamp(HEALTHY_MIN, HEALTHY_MAX) * RUNG;
    while share < LADDER_TO && shares.len() < ALTERNATIVES_MAX {
        shares.push(share);
        share *= RUNG;
    }
    shares
}

/// The log-likelihood ratio of one alternative against the healthy share, for one correlation. What
/// does not depend on the counts is worked out once, so a look costs four terms whatever the counts.
#[derive(Clone, Copy, Debug)]
pub struct LogRatio {
    form: Form,
}

#[derive(Clone, Copy, Debug)]
enum Form {
    /// Independent calls: what a failing and what a successful call weigh.
    Independent { failed: f64, ok: f64 },
    /// Correlated calls: the beta distributions' parameters and the constant term.
    Correlated {
        failing: Beta,
        healthy: Beta,
        constant: f64,
    },
}

#[derive(Clone, Copy, Debug)]
struct Beta {
    failed: f64,
    ok: f64,
}

impl Beta {
    /// Mean `share`, correlation ρ: the sum of the parameters is 1/ρ − 1.
    fn new(share: f64, correlation: f64) -> Beta {
        let size = 1.0 / correlation - 1.0;
        Beta {
            failed: size * share,
            ok: size * (1.0 - share),
        }
    }

    fn ln_gammas(self, failed: f64, ok: f64) -> f64 {
        ln_gamma(self.failed + failed) + ln_gamma(self.ok + ok)
    }
}

impl LogRatio {
    /// For `failing` against `healthy`, both shares of failing calls, at a correlation from 0 to 1.
    pub fn new(failing: f64, healthy: f64, correlation: f64) -> LogRatio {
        let healthy = healthy.clamp(HEALTHY_MIN, HEALTHY_MAX);
        let form = if correlation < CORRELATION_MIN {
            Form::Independent {
                failed: (failing / healthy).ln(),
                ok: (-failing).ln_1p() - (-healthy).ln_1p(),
            }
        } else {
            let correlation = correlation.min(CORRELATION_MAX);
            let failing = Beta::new(failing, correlation);
            let healthy = Beta::new(healthy, correlation);
            Form::Correlated {
                failing,
                healthy,
                constant: healthy.ln_gammas(0.0, 0.0) - failing.ln_gammas(0.0, 0.0),
            }
        };
        LogRatio { form }
    }

    /// The ratio, as a natural logarithm, for a block with these counts so far.
    pub fn of(&self, calls: u64, failed: u64) -> f64 {
        let ok = calls.saturating_sub(failed) as f64;
        let failed = failed as f64;
        match self.form {
            Form::Independent {
                failed: per_failed,
                ok: per_ok,
            } => failed * per_failed + ok * per_ok,
            Form::Correlated {
                failing,
                healthy,
                constant,
            } => failing.ln_gammas(failed, ok) - healthy.ln_gammas(failed, ok) + constant,
        }
    }
}

/// How likely counts are at a share of failing calls, for one correlation: without the number of orders in
/// which they may come, which no share and no correlation changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Likelihood {
    share: f64,
    /// None for independent calls; else the parameters of the beta distribution.
    beta: Option<Beta>,
}

impl Likelihood {
    pub(crate) fn new(share: f64, correlation: f64) -> Likelihood {
        let share = share.clamp(HEALTHY_MIN, 1.0 - HEALTHY_MIN);
        Likelihood {
            share,
            beta: (correlation >= CORRELATION_MIN)
                .then(|| Beta::new(share, correlation.min(CORRELATION_MAX))),
        }
    }

    /// The natural logarithm, for a block with these counts.
    pub(crate) fn of(&self, calls: u64, failed: u64) -> f64 {
        let ok = calls.saturating_sub(failed) as f64;
        let failed = failed as f64;
        match self.beta {
            None => failed * self.share.ln() + ok * (-self.share).ln_1p(),
            Some(beta) => {
                let size = beta.failed + beta.ok;
                let all = ln_gamma(size) - ln_gamma(size + failed + ok);
                beta.ln_gammas(failed, ok) - beta.ln_gammas(0.0, 0.0) + all
            }
        }
    }
}

/// How far apart two shares are, in natural logarithms per call: the Kullback-Leibler divergence
/// (S. Kullback and R. A. Leibler, "On information and sufficiency", Ann. Math. Statist. 22, 1951).
pub fn divergence(share: f64, from: f64) -> f64 {
    let term = |p: f64, q: f64| if p > 0.0 { p * (p / q).ln() } else { 0.0 };
    term(share, from) + term(1.0 - share, 1.0 - from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, call by call.
    fn reference(failing: f64, healthy: f64, correlation: f64, calls: u64, failed: u64) -> f64 {
        let size = 1.0 / correlation - 1.0;
        let chain = |top: f64, bottom: f64, count: u64| -> f64 {
            (0..count)
                .map(|i| ((size * top + i as f64) / (size * bottom + i as f64)).ln())
                .sum()
        };
        chain(failing, healthy, failed) + chain(1.0 - failing, 1.0 - healthy, calls - failed)
    }

    #[test]
    fn the_closed_form_is_the_product_over_calls() {
        for correlation in [0.9, 0.1, 0.03, 0.01, 0.002, 1e-4, 2e-6] {
            for (calls, failed) in [(0, 0), (1, 1), (1, 0), (10, 3), (1_000, 0), (5_000, 77)] {
                for failing in alternatives(0.001) {
                    let found = LogRatio::new(failing, 0.001, correlation).of(calls, failed);
                    let exact = reference(failing, 0.001, correlation, calls, failed);
                    assert!(
                        (found - exact).abs() < 1e-6 * (1.0 + exact.abs()),
                        "ρ {correlation}, {failed}/{calls}, {failing}: {found} against {exact}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_ratio_is_that_of_two_likelihoods() {
        for correlation in [0.0, 0.002, 0.1, 0.5] {
            for (calls, failed) in [(1, 0), (1, 1), (200, 0), (200, 9), (5_000, 77)] {
                let ln = |share| Likelihood::new(share, correlation).of(calls, failed);
                let ratio = LogRatio::new(0.025, 0.001, correlation).of(calls, failed);
                assert!(
                    (ln(0.025) - ln(0.001) - ratio).abs() < 1e-6 * (1.0 + ratio.abs()),
                    "ρ {correlation}, {failed}/{calls}"
                );
            }
        }
    }

    #[test]
    fn no_correlation_is_the_limit_of_a_small_one() {
        let small = LogRatio::new(0.025, 0.001, 1.5e-6).of(200, 9);
        let none = LogRatio::new(0.025, 0.001, 0.0).of(200, 9);
        assert!((small - none).abs() < 0.1, "{small} {none}");
    }

    /// A likelihood ratio has mean 1 under the healthy share; summed over all outcomes of a block.
    #[test]
    fn the_ratio_is_fair_under_health() {
        let (healthy, correlation, calls) = (0.01, 0.05, 60_u64);
        let beta = Beta::new(healthy, correlation);
        let mut chance = (ln_gamma(beta.ok + calls as f64) - ln_gamma(beta.ok)
            + ln_gamma(beta.ok + beta.failed)
            - ln_gamma(beta.ok + beta.failed + calls as f64))
        .exp();
        let ratio = LogRatio::new(0.25, healthy, correlation);
        let (mut total, mut mean) = (0.0, 0.0);
        for failed in 0..=calls {
            total += chance;
            mean += chance * ratio.of(calls, failed).exp();
            let (i, rest) = (failed as f64, (calls - failed) as f64);
            chance *= rest / (i + 1.0) * (beta.failed + i) / (beta.ok + rest - 1.0);
        }
        assert!((total - 1.0).abs() < 1e-9, "{total}");
        assert!((mean - 1.0).abs() < 1e-6, "{mean}");
    }

    #[test]
    fn the_ladder_begins_five_times_above_health() {
        let close = |found: &[f64], wanted: &[f64]| {
            found.len() == wanted.len()
                && found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-12)
        };
        assert!(close(&alternatives(0.001), &[0.5, 0.005, 0.025, 0.125]));
        assert!(close(&alternatives(0.1), &[0.5]));
        assert_eq!(alternatives(0.0).len(), 9);
    }

    #[test]
    fn a_share_does_not_diverge_from_itself() {
        assert!(divergence(0.02, 0.02).abs() < 1e-15);
        assert!((divergence(1.0, 0.001) - 1_000_f64.ln()).abs() < 1e-12);
        assert!((divergence(0.1, 0.001) - 0.366_6).abs() < 1e-3);
    }
}
