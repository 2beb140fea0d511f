//! The logarithm of the gamma function, for positive arguments.

/// From here on the series below is exact to 1e-12 of what matters.
const SERIES_FROM: f64 = 10.0;
/// ½·ln 2π.
const HALF_LN_TWO_PI: f64 = 0.918_938_533_204_672_8;

/// `ln Γ(x)` for `x > 0`: Stirling's series (M. Abramowitz and I. Stegun, "Handbook of Mathematical
/// Functions", 6.1.41), smaller arguments lifted by `Γ(x+1) = x·Γ(x)`.
pub(crate) fn ln_gamma(x: f64) -> f64 {
    let (mut lifted, mut product) = (x, 1.0);
    while lifted < SERIES_FROM {
        product *= lifted;
        lifted += 1.0;
    }
    let inverse = 1.0 / lifted;
    let square = inverse * inverse;
    let series = inverse
        * (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1_260.0 - square / 1_680.0)));
    let lift = if lifted > x { product.ln() } else { 0.0 };
    (lifted - 0.5) * lifted.ln() - lifted + HALF_LN_TWO_PI + series - lift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_logarithm_of_the_factorial() {
        let mut factorial = 0.0;
        for n in 1..200 {
            let found = ln_gamma(f64::from(n));
            assert!((found - factorial).abs() < 1e-9, "{n}: {found} {factorial}");
            factorial += f64::from(n).ln();
        }
    }

    #[test]
    fn knows_one_half() {
        let root_of_pi = std::f64::consts::PI.sqrt().ln();
        assert!((ln_gamma(0.5) - root_of_pi).abs() < 1e-11);
        // Γ(x) approaches 1/x near zero.
        assert!((ln_gamma(1e-9) - 1e9_f64.ln()).abs() < 1e-8);
    }
}
