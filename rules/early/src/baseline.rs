//! The healthy share of failing calls at this hour of the day, seen from up to 28 clean days: not the
//! mean but a bound under which today's share lies almost surely.
//!
//! Log shares of the same hour vary from day to day with a variance of their own, besides the noise
//! of counting. The bound is that of a new observation, not of the mean (G. J. Hahn and W. Q. Meeker,
//! "Statistical Intervals", 1991, chapter 4): `exp(mean + 3.4·√(between + total/D))`. The noise of
//! counting is left out of `between`, because the likelihood of the block has it already.

/// Days that an hour remembers: each new day keeps this share of the old weight.
pub(crate) const KEEP_PER_DAY: f64 = 27.0 / 28.0;
/// Standard deviations between the mean and the bound.
const DEVIATIONS: f64 = 3.4;
/// An hour is judged by its own days from this many on, else by all hours.
const DAYS_MIN: f64 = 3.0;
/// An hour's own variance counts when it lies this many standard errors over the noise.
const OWN_ERRORS_MIN: f64 = 2.0;
const HOURS: usize = 24;

/// One hour of the day over clean days, older days with less weight. Single precision is ample and
/// keeps a series small.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Hour {
    pub(crate) days: f32,
    pub(crate) calls: f32,
    pub(crate) failed: f32,
    /// Σ ln share and Σ (ln share)².
    pub(crate) logs: f32,
    pub(crate) squares: f32,
    /// Σ of the variance that counting alone gives to ln share.
    pub(crate) noise: f32,
}

impl Hour {
    fn add(&mut self, calls: f64, failed: f64, dispersion: f64) {
        // Half a failure more: the logarithm of an hour without any must exist.
        let log = ((failed + 0.5) / (calls + 1.0)).ln();
        for (sum, addend) in [
            (&mut self.days, 1.0),
            (&mut self.calls, calls),
            (&mut self.failed, failed),
            (&mut self.logs, log),
            (&mut self.squares, log * log),
            (&mut self.noise, dispersion.max(1.0) / (failed + 0.5)),
        ] {
            *sum = (f64::from(*sum) * KEEP_PER_DAY + addend) as f32;
        }
    }

    fn days(&self) -> f64 {
        f64::from(self.days)
    }

    /// Variance of the logs, counting included.
    fn variance(&self) -> f64 {
        let days = self.days();
        if days < 2.0 {
            return 0.0;
        }
        let mean = f64::from(self.logs) / days;
        ((f64::from(self.squares) / days - mean * mean) * days / (days - 1.0)).max(0.0)
    }

    fn mean_noise(&self) -> f64 {
        f64::from(self.noise) / self.days().max(1.0)
    }
}

impl Baseline {
    /// Calls per second over all clean hours.
    pub(crate) fn calls_per_second(&self) -> f64 {
        let (calls, days) = self.hours.iter().fold((0.0, 0.0), |sum, hour| {
            (sum.0 + f64::from(hour.calls), sum.1 + hour.days())
        });
        calls / (days * 3_600.0_f64).max(1.0)
    }
}

/// What is known about healthy hours.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Baseline {
    pub(crate) hours: [Hour; HOURS],
    pub(crate) clean_hours: u64,
}

impl Default for Baseline {
    fn default() -> Self {
        Baseline {
            hours: [Hour::default(); HOURS],
            clean_hours: 0,
        }
    }
}

impl Baseline {
    /// Adds a clean hour; `hour` is that of the day. `dispersion` is φ of a whole hour's count.
    pub(crate) fn add(&mut self, hour: usize, calls: u64, failed: u64, dispersion: f64) {
        if let Some(of_day) = self.hours.get_mut(hour % HOURS)
            && calls > 0
        {
            of_day.add(calls as f64, failed as f64, dispersion);
            self.clean_hours += 1;
        }
    }

    /// Clean days learned so far.
    pub(crate) fn clean_days(&self) -> u64 {
        self.clean_hours / HOURS as u64
    }

    /// The bound for this hour of the day. `None` when nothing is known.
    pub(crate) fn bound(&self, hour: usize) -> Option<f64> {
        let own = self.hours.get(hour % HOURS)?;
        let (calls, failed) = if own.days() >= DAYS_MIN {
            (f64::from(own.calls), f64::from(own.failed))
        } else {
            self.hours.iter().fold((0.0, 0.0), |sum, hour| {
                (
                    sum.0 + f64::from(hour.calls),
                    sum.1 + f64::from(hour.failed),
                )
            })
        };
        if calls <= 0.0 {
            return None;
        }
        let share = (failed + 0.5) / (calls + 1.0);
        let days = own.days().max(1.0);
        let between = self.between(own);
        // The mean is that of the added-up counts, so its noise is theirs.
        let of_mean = between / days + own.mean_noise() / days;
        Some((share.ln() + DEVIATIONS * (between + of_mean).sqrt()).exp())
    }

    /// The variance between days without that of counting: pooled over all hours, because one hour has
    /// few days; an hour that clearly varies more than others by itself.
    fn between(&self, own: &Hour) -> f64 {
        let known = self.hours.iter().filter(|hour| hour.days() >= DAYS_MIN);
        let (sum, weight) = known.fold((0.0, 0.0), |(sum, weight), hour| {
            let freedom = hour.days() - 1.0;
            (
                sum + freedom * (hour.variance() - hour.mean_noise()),
                weight + freedom,
            )
        });
        let pooled = if weight > 0.0 {
            (sum / weight).max(0.0)
        } else {
            0.0
        };
        let noise = own.mean_noise() + pooled;
        let error = noise * (2.0 / (own.days() - 1.0).max(1.0)).sqrt();
        if own.days() >= DAYS_MIN && own.variance() > noise + OWN_ERRORS_MIN * error {
            own.variance() - own.mean_noise()
        } else {
            pooled
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steady_days_bound_close_to_their_share() {
        let mut baseline = Baseline::default();
        for _ in 0..28 {
            baseline.add(9, 360_000, 360, 1.0);
        }
        let bound = baseline.bound(9).unwrap();
        assert!((0.001..0.001_1).contains(&bound), "{bound}");
    }

    #[test]
    fn days_that_differ_widen_the_bound() {
        let mut baseline = Baseline::default();
        for day in 0..28 {
            baseline.add(9, 3_600_000, if day % 2 == 0 { 1_800 } else { 7_200 }, 1.0);
        }
        // ln shares are ±0.69 around ln 0.001: e^(3.4·0.7) is about eleven times their mean.
        let bound = baseline.bound(9).unwrap();
        assert!((0.008..0.02).contains(&bound), "{bound}");
    }

    #[test]
    fn the_noise_of_counting_alone_does_not() {
        let mut baseline = Baseline::default();
        for day in 0..28_u64 {
            for hour in 0..24 {
                // Counts that scatter as much as Poisson counts of mean 4 do.
                let failed = [1, 2, 2, 3, 3, 4, 4, 4, 5, 5, 6, 6, 7, 4]
                    [((day * 5 + hour as u64 * 3) % 14) as usize];
                baseline.add(hour, 4_000, failed, 1.0);
            }
        }
        let bound = baseline.bound(3).unwrap();
        assert!((0.001..0.002).contains(&bound), "{bound}");
    }

    #[test]
    fn nothing_known_bounds_nothing() {
        assert_eq!(Baseline::default().bound(0), None);
        let mut baseline = Baseline::default();
        baseline.add(5, 1_000, 1, 1.0);
        assert!(baseline.bound(6).is_some(), "other hours lend theirs");
    }
}
