//! Whether a figure grows over time, and by how much: least squares with an honest error, and two methods
//! that outliers do not move.

use crate::search::beta;

/// A straight line through figures that were taken at even distances.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Line {
    /// Change from one figure to the next.
    pub(super) slope: f64,
    /// The chance that figures without any growth show such a slope or a steeper one.
    pub(super) chance: f64,
}

/// The least-squares line, `None` with fewer than five figures.
///
/// Neighbouring figures of a queue resemble one another, which makes the plain standard error far too
/// small. So the error is widened, and the degrees of freedom lowered, by the factor `(1 + ρ)/(1 − ρ)` of
/// a first-order autoregression with the residuals' correlation `ρ` (Zięba, "Effective number of
/// observations and unbiased estimators of variance for autocorrelated data", 2010). Residuals of a fitted
/// line show too little of it, by about `(2 + 4ρ)/n`, which is added back (Shaman and Stine, "The bias of
/// autoregressive coefficient estimators", 1988).
pub(super) fn line(figures: &[f64]) -> Option<Line> {
    const FIGURES_MIN: usize = 5;
    const CORRELATION_MAX: f64 = 0.9;
    if figures.len() < FIGURES_MIN {
        return None;
    }
    let count = figures.len() as f64;
    let middle = (count - 1.0) / 2.0;
    let mean = figures.iter().sum::<f64>() / count;
    let steps = || {
        figures
            .iter()
            .enumerate()
            .map(|(at, figure)| (at as f64 - middle, figure - mean))
    };
    let width: f64 = steps().map(|(x, _)| x * x).sum();
    let slope = steps().map(|(x, y)| x * y).sum::<f64>() / width;

    let rest: Vec<f64> = steps().map(|(x, y)| y - slope * x).collect();
    let squares: f64 = rest.iter().map(|r| r * r).sum();
    if squares <= f64::EPSILON * (1.0 + mean * mean) {
        // A line without any scatter needs no test.
        let chance = if slope > 0.0 { 0.0 } else { 1.0 };
        return Some(Line { slope, chance });
    }
    let neighbours: f64 = rest
        .iter()
        .zip(rest.iter().skip(1))
        .map(|(a, b)| a * b)
        .sum();
    let correlation = (count * neighbours / squares + 2.0) / (count - 4.0);
    let correlation = correlation.clamp(0.0, CORRELATION_MAX);
    let widening = (1.0 + correlation) / (1.0 - correlation);
    let freedom = (count / widening - 2.0).max(1.0);
    let error = (squares / (count - 2.0) / width * widening).sqrt();
    Some(Line {
        slope,
        chance: beta::student_above(slope / error, freedom),
    })
}

/// The median of all slopes between two points (Theil 1950, Sen 1968), and the line's value at 0: up to
/// 29 % of the points may be wild. `None` without two points of different `x`.
pub(super) fn theil_sen(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let mut slopes = Vec::new();
    for (index, (x, y)) in points.iter().enumerate() {
        for (other_x, other_y) in points.iter().skip(index + 1) {
            let apart = other_x - x;
            if apart.abs() > 0.0 {
                slopes.push((other_y - y) / apart);
            }
        }
    }
    let slope = median(&mut slopes)?;
    let mut offsets: Vec<f64> = points.iter().map(|(x, y)| y - slope * x).collect();
    Some((slope, median(&mut offsets)?))
}

/// The chance that figures in random order rise as steadily as these (Mann 1945, Kendall 1975: the number
/// of pairs that rise less those that fall, against its normal approximation; ties count for neither).
/// 1 with fewer than four figures.
pub(super) fn chance_of_rising(figures: &[f64]) -> f64 {
    const FIGURES_MIN: usize = 4;
    if figures.len() < FIGURES_MIN {
        return 1.0;
    }
    let mut rising: f64 = 0.0;
    for (index, figure) in figures.iter().enumerate() {
        for later in figures.iter().skip(index + 1) {
            if later > figure {
                rising += 1.0;
            } else if later < figure {
                rising -= 1.0;
            }
        }
    }
    let count = figures.len() as f64;
    let deviation = (count * (count - 1.0) * (2.0 * count + 5.0) / 18.0).sqrt();
    // The count moves in steps of two, hence the correction by one; ν = 10⁶ is the normal distribution.
    let z = (rising - rising.signum()) / deviation;
    beta::student_above(z, 1e6)
}

/// The middle figure, or the mean of the two middle ones.
pub(super) fn median(figures: &mut [f64]) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    let upper = *figures.get(figures.len() / 2)?;
    if figures.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *figures.get(figures.len() / 2 - 1)?;
    Some(lower.midpoint(upper))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Random;

    #[test]
    fn a_line_without_scatter_is_found_exactly() {
        let rising = line(&[3.0, 5.0, 7.0, 9.0, 11.0]).unwrap();
        assert!((rising.slope - 2.0).abs() < 1e-12);
        assert!(rising.chance < 1e-6);
        assert!(line(&[4.0; 9]).unwrap().chance > 0.4);
        assert_eq!(line(&[1.0, 2.0, 3.0]), None);
    }

    /// A queue's length remembers itself. With a limit of 1 % no more than a few in a hundred level series
    /// may pass for growing ones there either.
    #[test]
    fn a_level_series_that_remembers_itself_seldom_passes_for_growing() {
        let seed = 11;
        let mut random = Random::new(seed, 0);
        let series = 2_000;
        let mut alarms = 0;
        for _ in 0..series {
            let mut level = 0.0;
            let figures: Vec<f64> = (0..30)
                .map(|_| {
                    level = 0.6 * level + random.exponential() - 1.0;
                    20.0 + level
                })
                .collect();
            alarms += u32::from(line(&figures).unwrap().chance < 0.01);
        }
        assert!(alarms < series / 25, "seed {seed}: {alarms} of {series}");
    }

    #[test]
    fn theil_sen_ignores_wild_points() {
        let mut points: Vec<_> = (0..20)
            .map(|at| (f64::from(at), 1.5 + 0.25 * f64::from(at)))
            .collect();
        for wild in [2, 9, 17] {
            points[wild].1 = 1e6;
        }
        let (slope, offset) = theil_sen(&points).unwrap();
        assert!(
            (slope - 0.25).abs() < 1e-9 && (offset - 1.5).abs() < 1e-9,
            "{slope} {offset}"
        );
        assert_eq!(theil_sen(&[(1.0, 2.0), (1.0, 3.0)]), None);
    }

    #[test]
    fn steady_rises_are_told_from_noise() {
        // Ten in rising order: S = 45, z = 44/√125 = 3.94.
        let rising: Vec<f64> = (0..10).map(f64::from).collect();
        assert!(
            (chance_of_rising(&rising) - 4.1e-5).abs() < 1e-6,
            "{}",
            chance_of_rising(&rising)
        );
        assert!(chance_of_rising(&[5.0, 5.0, 5.0, 5.0, 5.0]) > 0.4);
        assert!(chance_of_rising(&[3.0, 1.0, 4.0, 1.0, 5.0, 2.0, 3.0]) > 0.1);
        assert!(chance_of_rising(&[1.0, 2.0]) >= 1.0);
    }

    #[test]
    fn medians() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&mut []), None);
    }
}
