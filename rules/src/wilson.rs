//! How much a count can prove: Wilson's score interval and the binomial tail.
//!
//! A success rate seen over few calls says little. Wilson's interval (E. B. Wilson, "Probable
//! inference, the law of succession, and statistical inference", JASA 22, 1927, formula 4) keeps
//! its coverage for small counts and for shares near 0 and 1, where the textbook interval fails.

/// The interval that holds the true share with the chosen confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower bound, at least 0.
    pub lower: f64,
    /// Upper bound, at most 1.
    pub upper: f64,
}

/// Wilson's interval for `successes` of `trials`; `z` is the normal quantile of [`z_of`].
/// Without a trial everything is possible: 0 to 1.
pub fn interval(successes: u64, trials: u64, z: f64) -> Interval {
    if trials == 0 {
        return Interval {
            lower: 0.0,
            upper: 1.0,
        };
    }
    let n = trials as f64;
    let share = successes.min(trials) as f64 / n;
    let z2 = z * z;
    let shrink = 1.0 + z2 / n;
    let middle = (share + z2 / (2.0 * n)) / shrink;
    let half = z * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt() / shrink;
    Interval {
        lower: (middle - half).max(0.0),
        upper: (middle + half).min(1.0),
    }
}

/// The lower bound of `first − second`, both shares given as (successes, trials): Newcombe's interval
/// (R. G. Newcombe, "Interval estimation for the difference between independent proportions", Statistics
/// in Medicine 17, 1998, method 10).
pub fn difference_at_least(first: (u64, u64), second: (u64, u64), z: f64) -> f64 {
    let share = |(hits, trials): (u64, u64)| hits as f64 / trials.max(1) as f64;
    let below_first = share(first) - interval(first.0, first.1, z).lower;
    let above_second = interval(second.0, second.1, z).upper - share(second);
    share(first) - share(second) - below_first.hypot(above_second)
}

/// The two-sided normal quantile for a confidence between 0 and 1: 1.96 for 0.95.
pub fn z_of(confidence: f64) -> f64 {
    normal_quantile(0.5 + confidence.clamp(0.0, 1.0 - 1e-12) / 2.0)
}

/// The smallest number of failures among `trials` calls whose upper bound lies below `threshold`;
/// `None` when even failing every call does not prove it.
pub fn failures_that_prove(trials: u64, threshold: f64, z: f64) -> Option<u64> {
    let proves = |failures: u64| interval(trials - failures, trials, z).upper < threshold;
    // The bound falls as failures rise.
    match trials {
        0 => None,
        _ if proves(0) => Some(0),
        _ => fewest(trials, proves),
    }
}

/// The smallest number above 0 and up to `most` that proves something; `None` when not even `most` does.
/// Whatever is more than one that proves has to prove as well.
pub fn fewest(most: u64, proves: impl Fn(u64) -> bool) -> Option<u64> {
    if !proves(most) {
        return None;
    }
    let (mut silent, mut proven) = (0, most);
    while proven - silent > 1 {
        let middle = silent + (proven - silent) / 2;
        if proves(middle) {
            proven = middle;
        } else {
            silent = middle;
        }
    }
    Some(proven)
}

/// The chance of at least `at_least` events in `trials` when each happens with `chance`.
pub fn binomial_tail(trials: u64, at_least: u64, chance: f64) -> f64 {
    if at_least == 0 {
        return 1.0;
    }
    if at_least > trials || chance <= 0.0 {
        return 0.0;
    }
    if chance >= 1.0 {
        return 1.0;
    }
    // Terms in logarithms: (1 - p)^n underflows long before the tail does.
    let odds = (chance / (1.0 - chance)).ln();
    let step = |i: u64| ((trials - i) as f64 / (i + 1) as f64).ln() + odds;
    let mut term = trials as f64 * (-chance).ln_1p();
    for i in 0..at_least {
        term += step(i);
    }
    let mut tail = 0.0;
    for i in at_least..=trials {
        let addend = term.exp();
        tail += addend;
        let past_the_mean = i as f64 > trials as f64 * chance;
        if past_the_mean && addend < tail * 1e-15 {
            break;
        }
        if i < trials {
            term += step(i);
        }
    }
    tail.min(1.0)
}

/// The inverse of the standard normal distribution, by P. J. Acklam's rational approximation
/// (relative error below 1.2e-9).
fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 6] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
        1.0,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 5] = [
        7.784_695_709_041_462e-3,
        3.224_671_290_700_398e-1,
        2.445_134_137_142_996,
        3.754_408_661_907_416,
        1.0,
    ];
    const TAIL: f64 = 0.024_25;
    let p = p.clamp(1e-300, 1.0 - 1e-16);
    if p < TAIL {
        let q = (-2.0 * p.ln()).sqrt();
        polynomial(&C, q) / polynomial(&D, q)
    } else if p > 1.0 - TAIL {
        let q = (-2.0 * (1.0 - p).ln()).sqrt();
        -polynomial(&C, q) / polynomial(&D, q)
    } else {
        let q = p - 0.5;
        let r = q * q;
        q * polynomial(&A, r) / polynomial(&B, r)
    }
}

/// Horner's rule, highest power first.
fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().fold(0.0, |sum, c| sum * x + c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(left: f64, right: f64, within: f64) -> bool {
        (left - right).abs() <= within
    }

    /// R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in
    /// Medicine 17 (1998), table I, method 3 (score without continuity correction), 95 %.
    #[test]
    fn agrees_with_newcombes_table() {
        for (successes, trials, lower, upper) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let found = interval(successes, trials, z_of(0.95));
            assert!(
                close(found.lower, lower, 5e-5) && close(found.upper, upper, 5e-5),
                "{successes}/{trials}: {found:?}"
            );
        }
    }

    #[test]
    fn quantiles_agree_with_the_tables() {
        for (confidence, z) in [
            (0.90, 1.644_853_627),
            (0.95, 1.959_963_985),
            (0.99, 2.575_829_304),
            (0.999, 3.290_526_731),
        ] {
            assert!(close(z_of(confidence), z, 1e-7), "{confidence}");
        }
    }

    #[test]
    fn five_failures_of_a_hundred_prove_less_than_99_percent() {
        assert_eq!(failures_that_prove(100, 0.99, z_of(0.999)), Some(5));
        assert_eq!(failures_that_prove(100, 0.99, z_of(0.95)), Some(3));
        assert_eq!(failures_that_prove(5, 0.5, z_of(0.999)), None);
        assert_eq!(failures_that_prove(0, 0.99, z_of(0.95)), None);
    }

    #[test]
    fn the_tail_is_the_exact_sum() {
        // 1 - 0.999^60: at least one failure among 60 calls of a 99.9 % function.
        assert!(close(
            binomial_tail(60, 1, 0.001),
            1.0 - 0.999_f64.powi(60),
            1e-12
        ));
        assert!(close(binomial_tail(10, 5, 0.5), 638.0 / 1024.0, 1e-12));
        assert!(close(binomial_tail(10, 11, 0.5), 0.0, 0.0));
        assert!(close(binomial_tail(10, 0, 0.5), 1.0, 0.0));
        assert!(close(binomial_tail(1_000_000, 999_000, 0.999), 0.5, 0.02));
    }

    proptest! {
        #[test]
        fn the_interval_holds_the_share_and_narrows(ok in 0_u64..5_000, failed in 0_u64..5_000, z in 0.1_f64..5.0) {
            let trials = ok + failed;
            prop_assume!(trials > 0);
            let share = ok as f64 / trials as f64;
            let few = interval(ok, trials, z);
            let many = interval(ok * 10, trials * 10, z);
            prop_assert!(0.0 <= few.lower && few.lower <= share + 1e-12);
            prop_assert!(share <= few.upper + 1e-12 && few.upper <= 1.0);
            prop_assert!(many.upper - many.lower <= few.upper - few.lower + 1e-12);
        }

        #[test]
        fn the_edge_is_the_edge(trials in 1_u64..2_000, threshold in 0.5_f64..0.9999) {
            let z = z_of(0.999);
            match failures_that_prove(trials, threshold, z) {
                Some(k) => {
                    prop_assert!(interval(trials - k, trials, z).upper < threshold);
                    prop_assert!(k == 0 || interval(trials - k + 1, trials, z).upper >= threshold);
                }
                None => prop_assert!(interval(0, trials, z).upper >= threshold),
            }
        }
    }
}
