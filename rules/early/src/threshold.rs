//! How much evidence a page needs.
//!
//! If failures were just as the likelihood says, an excursion of the sum would pass `ln A` once in A
//! blocks at most, whatever the traffic (G. Lorden, "Procedures for reacting to a change in
//! distribution", Ann. Math. Statist. 42, 1971), `ln A + ln k` for k sums at once. They never are quite
//! so. What clean excursions did so far says how fast their tail really falls; a slower fall than
//! nominal raises the threshold.

use crate::peaks::Peaks;

/// How many of the highest peaks are looked at; the higher threshold counts.
const TAILS: [u32; 2] = [100, 30];
/// Peaks of the nominal tail that are counted in, so that few peaks prove little.
const PRIOR_PEAKS: f64 = 30.0;
/// Standard errors by which the rate of fall is taken lower than measured: one-sided 95 %.
const ERRORS: f64 = 1.64;
/// The threshold lies this many times over the largest clean peak.
const LARGEST_TIMES: f64 = 1.3;

/// The budget as the thresholds see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Budget {
    /// A: blocks per allowed page, all series that share the budget counted.
    pub(crate) blocks_per_page: f64,
    /// k: how many alternatives are weighed at once.
    pub(crate) alternatives: f64,
}

impl Budget {
    /// The threshold if failures were just as the likelihood says.
    pub(crate) fn nominal(&self) -> f64 {
        (self.blocks_per_page * self.alternatives).max(1.0).ln()
    }
}

/// The threshold of one alternative whose clean excursions peaked like this over so many blocks.
pub(crate) fn threshold(budget: &Budget, peaks: &Peaks, blocks_learned: f64) -> f64 {
    let nominal = budget.nominal();
    let drawn = TAILS
        .iter()
        .filter_map(|wanted| peaks.tail(*wanted))
        .map(|tail| {
            let rate = fall(tail.peaks, tail.excess);
            let chances =
                budget.alternatives * budget.blocks_per_page * tail.peaks / blocks_learned.max(1.0);
            tail.level + chances.max(1.0).ln() / rate
        });
    // Before there are enough peaks the tail is the prior's.
    let tail = drawn.reduce(f64::max).unwrap_or(nominal / fall(0.0, 0.0));
    nominal.max(tail).max(LARGEST_TIMES * peaks.largest())
}

/// ω: how fast the tail falls, at most 1, the nominal rate.
fn fall(peaks: f64, excess: f64) -> f64 {
    let known = peaks + PRIOR_PEAKS;
    ((1.0 - ERRORS / known.sqrt()) * known / (excess + PRIOR_PEAKS)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEARS_3: Budget = Budget {
        blocks_per_page: 3.0 * 365.0 * 86_400.0,
        alternatives: 4.0,
    };

    /// Peaks that fall at the given rate, as many as days of seconds give.
    fn falling(rate: f64) -> Peaks {
        let mut peaks = Peaks::default();
        for i in 1..=20_000 {
            peaks.add(-(f64::from(i) / 20_001.0).ln() / rate);
        }
        peaks
    }

    #[test]
    fn nominal_peaks_ask_for_little_more_than_the_nominal_threshold() {
        let nominal = YEARS_3.nominal();
        assert!((nominal - (9.460_8e7_f64 * 4.0).ln()).abs() < 1e-9);
        let found = threshold(&YEARS_3, &falling(1.0), 14.0 * 86_400.0);
        assert!(
            found >= nominal && found < nominal + 4.0,
            "{found} {nominal}"
        );
    }

    #[test]
    fn a_slow_tail_raises_it() {
        let slow = threshold(&YEARS_3, &falling(0.4), 14.0 * 86_400.0);
        let even = threshold(&YEARS_3, &falling(1.0), 14.0 * 86_400.0);
        assert!(slow > 1.8 * even, "{slow} {even}");
    }

    #[test]
    fn one_large_peak_is_not_repeated() {
        let mut peaks = falling(1.0);
        peaks.add(40.0);
        assert!(threshold(&YEARS_3, &peaks, 1e6) >= 52.0);
    }

    #[test]
    fn without_peaks_the_prior_is_cautious() {
        let found = threshold(&YEARS_3, &Peaks::default(), 0.0);
        assert!((found / YEARS_3.nominal() - 1.0 / 0.7006).abs() < 1e-3);
    }
}
