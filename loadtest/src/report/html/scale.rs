//! From figures to places on an axis.

/// How figures lie on an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Linear,
    Log,
}

/// An axis from one figure to another, with the places of its ticks.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    kind: Kind,
    low: f64,
    high: f64,
    ticks: Vec<f64>,
}

/// Ticks of a linear axis, about.
const TICKS: f64 = 4.0;
/// Ticks of a time axis, about.
const TIME_TICKS: f64 = 6.0;
/// Ticks of a logarithmic axis at most.
const LOG_TICKS_MAX: usize = 7;

impl Scale {
    /// From zero to a round figure at or above `highest`.
    pub(super) fn from_zero(highest: f64) -> Self {
        let highest = usable(highest, 1.0);
        let step = round_step(highest / TICKS);
        let high = (highest / step).ceil() * step;
        let count = (high / step).round() as usize;
        Scale {
            kind: Kind::Linear,
            low: 0.0,
            high,
            ticks: (0..=count).map(|tick| tick as f64 * step).collect(),
        }
    }

    /// From zero to exactly `highest`, ticks at round figures: for time.
    pub(super) fn up_to(highest: f64) -> Self {
        let highest = usable(highest, 1.0);
        let step = time_step(highest / TIME_TICKS);
        let count = (highest / step * 1.000_001).floor() as usize;
        Scale {
            kind: Kind::Linear,
            low: 0.0,
            high: highest,
            ticks: (0..=count).map(|tick| tick as f64 * step).collect(),
        }
    }

    /// From just before 1 to just after `count`, for things that are counted.
    pub(super) fn steps(count: usize) -> Self {
        let count = count.max(1);
        let step = (round_step(count as f64 / TICKS).ceil() as usize).max(1);
        Scale {
            kind: Kind::Linear,
            low: 0.5,
            high: count as f64 + 0.5,
            ticks: (1..=count)
                .filter(|tick| *tick == 1 || tick % step == 0)
                .map(|tick| tick as f64)
                .collect(),
        }
    }

    /// Logarithmic, from at or below `lowest` to at or above `highest`, both at 1, 2 or 5 times a power
    /// of ten. Not positive figures take the place of the lowest.
    pub(super) fn log(lowest: f64, highest: f64) -> Self {
        let lowest = usable(lowest, 1e-3).max(1e-9);
        let highest = usable(highest, 1.0).max(lowest * 1.01);
        let low = one_two_five(lowest, f64::floor);
        let high = one_two_five(highest, f64::ceil);
        Scale {
            kind: Kind::Log,
            low,
            high,
            ticks: log_ticks(low, high),
        }
    }

    /// Logarithmic, exactly from `low` to `high`, with ticks where they are given.
    pub(super) fn log_with(low: f64, high: f64, ticks: Vec<f64>) -> Self {
        Scale {
            kind: Kind::Log,
            low,
            high,
            ticks,
        }
    }

    /// Where a figure lies, 0 to 1; what lies outside is put on the nearer end.
    pub(super) fn at(&self, figure: f64) -> f64 {
        let place = match self.kind {
            Kind::Linear => (figure - self.low) / (self.high - self.low),
            Kind::Log => (figure.max(self.low) / self.low).ln() / (self.high / self.low).ln(),
        };
        if place.is_finite() {
            place.clamp(0.0, 1.0)
        } else {
            0.0
        }
    }

    /// The figures that get a line and a name.
    pub(super) fn ticks(&self) -> &[f64] {
        &self.ticks
    }

    /// Whether a tick is one of those that narrow screens do without: of many on a logarithmic axis,
    /// all but the powers of ten.
    pub(super) fn is_minor(&self, tick: f64) -> bool {
        let crowded = self.kind == Kind::Log && self.ticks.len() > LOG_TICKS_MAX - 2;
        crowded && !is_power_of_ten(tick)
    }
}

fn usable(figure: f64, otherwise: f64) -> f64 {
    if figure.is_finite() && figure > 0.0 {
        figure
    } else {
        otherwise
    }
}

/// 1, 2, 2.5 or 5 times a power of ten, at or above `about`.
fn round_step(about: f64) -> f64 {
    let power = 10_f64.powf(about.log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= about * 0.999_999)
        .unwrap_or(10.0 * power)
}

/// A step that clocks have: seconds, minutes, hours.
fn time_step(about: f64) -> f64 {
    [
        1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0,
        7_200.0, 21_600.0, 43_200.0, 86_400.0,
    ]
    .into_iter()
    .find(|step| *step >= about)
    .unwrap_or_else(|| round_step(about))
}

/// The nearest of 1, 2 and 5 times a power of ten on one side, `side` being floor or ceil.
fn one_two_five(figure: f64, side: fn(f64) -> f64) -> f64 {
    let power = 10_f64.powf(figure.log10().floor());
    let ladder = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    let up = side(0.5) > 0.5;
    let found = if up {
        ladder.into_iter().find(|step| *step >= figure * 0.999_999)
    } else {
        ladder.into_iter().rfind(|step| *step <= figure * 1.000_001)
    };
    found.unwrap_or(figure)
}

fn is_power_of_ten(figure: f64) -> bool {
    (figure.log10() - figure.log10().round()).abs() < 1e-6
}

fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    let mut ticks = Vec::new();
    let mut power = 10_f64.powf(low.log10().floor());
    while power <= high * 1.000_001 {
        ticks.extend(
            [1.0, 2.0, 5.0]
                .map(|factor| factor * power)
                .into_iter()
                .filter(|tick| *tick >= low * 0.999_999 && *tick <= high * 1.000_001),
        );
        power *= 10.0;
    }
    if ticks.len() > LOG_TICKS_MAX {
        ticks.retain(|tick| is_power_of_ten(*tick));
    }
    let thin = ticks.len().div_ceil(LOG_TICKS_MAX).max(1);
    ticks.into_iter().step_by(thin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_ticks_are_round() {
        let scale = Scale::from_zero(297.0);
        assert_eq!(scale.ticks(), [0.0, 100.0, 200.0, 300.0]);
        assert_eq!(
            (scale.at(0.0), scale.at(150.0), scale.at(900.0)),
            (0.0, 0.5, 1.0)
        );
        assert_eq!(Scale::up_to(65.0).ticks(), [0.0, 15.0, 30.0, 45.0, 60.0]);
        assert_eq!(Scale::up_to(47.0).ticks(), [0.0, 10.0, 20.0, 30.0, 40.0]);
        let scale = Scale::log(3.0, 450.0);
        assert_eq!(scale.ticks(), [10.0, 100.0]);
        assert_eq!((scale.at(2.0), scale.at(500.0)), (0.0, 1.0));
        assert!(scale.at(499.0) < 1.0);
        assert!((scale.at(1_000.0_f64.sqrt()) - 0.5).abs() < 1e-9);
        assert_eq!(Scale::log(12.0, 80.0).ticks(), [10.0, 20.0, 50.0, 100.0]);
    }

    #[test]
    fn nonsense_still_draws_something() {
        for scale in [
            Scale::from_zero(f64::NAN),
            Scale::from_zero(0.0),
            Scale::up_to(f64::INFINITY),
            Scale::log(0.0, 0.0),
            Scale::log(f64::NAN, -1.0),
            Scale::log(1e-300, 1e300),
        ] {
            for figure in [0.0, 1.0, -1.0, f64::NAN, f64::INFINITY] {
                assert!(
                    (0.0..=1.0).contains(&scale.at(figure)),
                    "{scale:?} {figure}"
                );
            }
            assert!(scale.ticks().len() <= 12, "{scale:?}");
        }
    }
}
