//! Exact tails of the binomial and Student's t distribution, through the incomplete beta function.

/// Terms of the continued fraction at most; far more than the largest trials need (it takes some √max(a, b)).
const TERMS_MAX: u32 = 10_000;

/// The chance that at most `over` of `count` independent calls are over when each is with chance `share`:
/// `P(X ≤ k) = I₁₋ₚ(n − k, k + 1)` (NIST DLMF 8.17.5), which stays meaningful for fractional counts, as
/// they come from scaling a trial to its effective size.
pub(super) fn binomial_at_most(over: f64, count: f64, share: f64) -> f64 {
    if over >= count {
        1.0
    } else {
        incomplete(1.0 - share, count - over, over + 1.0)
    }
}

/// The chance that at least `over` of `count` calls are over: `P(X ≥ k) = Iₚ(k, n − k + 1)` (DLMF 8.17.5).
pub(super) fn binomial_at_least(over: f64, count: f64, share: f64) -> f64 {
    if over <= 0.0 {
        1.0
    } else {
        incomplete(share, over, (count - over).max(0.0) + 1.0)
    }
}

/// The chance that Student's t with `freedom` degrees exceeds `t`:
/// half of `I_x(ν/2, ½)` with `x = ν/(ν + t²)` for `t ≥ 0` (Abramowitz and Stegun 26.7.1).
pub(super) fn student_above(t: f64, freedom: f64) -> f64 {
    let half = incomplete(freedom / (freedom + t * t), freedom / 2.0, 0.5) / 2.0;
    if t >= 0.0 { half } else { 1.0 - half }
}

/// The regularised incomplete beta function `I_x(a, b)` for `a, b > 0`.
fn incomplete(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let front = (a * x.ln() + b * (-x).ln_1p() + ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b)).exp();
    // The fraction converges fast below the mean; above it the mirrored one does (DLMF 8.17.4).
    if x < (a + 1.0) / (a + b + 2.0) {
        front * fraction(x, a, b) / a
    } else {
        1.0 - front * fraction(1.0 - x, b, a) / b
    }
}

/// The continued fraction of DLMF 8.17.22, `1 / (1 + d₁/(1 + d₂/(1 + …)))`, evaluated from the front with
/// Lentz's method (DLMF 3.10.(iii)): two ratios of neighbouring convergents, so that nothing overflows.
#[expect(clippy::many_single_char_names, reason = "the letters of the formula")]
fn fraction(x: f64, a: f64, b: f64) -> f64 {
    let away_from_zero = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let (mut value, mut upper, mut lower) = (1.0, 1.0, 0.0);
    for term in 1..=TERMS_MAX {
        let m = f64::from(term / 2);
        let d = if term % 2 == 1 {
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        } else {
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        };
        lower = 1.0 / away_from_zero(1.0 + d * lower);
        upper = away_from_zero(1.0 + d / upper);
        value *= upper * lower;
        if (upper * lower - 1.0).abs() < 1e-15 {
            break;
        }
    }
    1.0 / value
}

/// The logarithm of the gamma function for `x > 0`: Stirling's series (DLMF 5.11.1), after moving `x` up to
/// where seven terms give all digits.
fn ln_gamma(x: f64) -> f64 {
    const COEFFICIENTS: [f64; 7] = [
        1.0 / 12.0,
        -1.0 / 360.0,
        1.0 / 1_260.0,
        -1.0 / 1_680.0,
        1.0 / 1_188.0,
        -691.0 / 360_360.0,
        1.0 / 156.0,
    ];
    let (mut x, mut product) = (x, 1.0);
    while x < 10.0 {
        product *= x;
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    let series = COEFFICIENTS
        .iter()
        .rev()
        .fold(0.0, |sum, coefficient| sum * square + coefficient)
        / x;
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series - product.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, wanted: f64) {
        assert!(
            (got / wanted - 1.0).abs() < 1e-9,
            "got {got:e}, wanted {wanted:e}"
        );
    }

    /// Wanted values: computed with 40 digits from the definition.
    #[test]
    fn the_incomplete_beta_function_is_exact() {
        for ((x, a, b), wanted) in [
            ((0.5, 2.0, 3.0), 0.687_5),
            ((0.01, 1.0, 299.0), 0.950_463_743_362_338),
            ((0.99, 299.0, 1.0), 0.049_536_256_637_662_5),
            ((0.3, 0.5, 0.5), 0.369_010_119_565_545),
            ((0.01, 50.0, 5_000.0), 0.546_668_587_217_49),
            ((0.2, 3.7, 11.25), 0.368_247_007_497_28),
            ((0.001, 20.0, 29_956.0), 0.977_951_484_615_639),
            ((0.999, 100_000.0, 80.0), 0.017_082_443_207_436_3),
        ] {
            close(incomplete(x, a, b), wanted);
        }
        assert!(incomplete(0.0, 2.0, 2.0).abs() < 1e-12);
        close(incomplete(1.0, 2.0, 2.0), 1.0);
    }

    #[test]
    fn binomial_tails_are_sums_of_their_terms() {
        // Counted from the definition, term by term.
        let term = |k: i32, n: i32, p: f64| {
            let ways = (0..k).fold(1.0, |ways, i| ways * f64::from(n - i) / f64::from(i + 1));
            ways * p.powi(k) * (1.0 - p).powi(n - k)
        };
        for (over, count, share) in [
            (0, 299, 0.01),
            (3, 775, 0.01),
            (12, 40, 0.25),
            (39, 40, 0.9),
        ] {
            let at_most: f64 = (0..=over).map(|k| term(k, count, share)).sum();
            let (k, n) = (f64::from(over), f64::from(count));
            close(binomial_at_most(k, n, share), at_most);
            close(binomial_at_least(k + 1.0, n, share), 1.0 - at_most);
        }
        // What trial lengths rest on: 299 with none over, or 775 with three, say "below 1 %" with 95 %.
        assert!(binomial_at_most(0.0, 299.0, 0.01) < 0.05);
        assert!(binomial_at_most(0.0, 298.0, 0.01) > 0.05);
        assert!(binomial_at_most(3.0, 775.0, 0.01) < 0.05);
        close(binomial_at_least(0.0, 10.0, 0.01), 1.0);
        close(binomial_at_most(10.0, 10.0, 0.01), 1.0);
    }

    /// Wanted values: the tables of Abramowitz and Stegun 26.10 (two-sided there).
    #[test]
    fn students_tail_is_that_of_the_tables() {
        for (t, freedom, wanted) in [
            (12.706, 1.0, 0.025),
            (2.228, 10.0, 0.025),
            (2.750, 30.0, 0.005),
        ] {
            assert!(
                (student_above(t, freedom) - wanted).abs() < 2e-5,
                "{t} {freedom}"
            );
            assert!((student_above(-t, freedom) - (1.0 - wanted)).abs() < 2e-5);
        }
        close(student_above(0.0, 5.0), 0.5);
    }
}
