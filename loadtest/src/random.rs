//! The one source of randomness: seeded, so that a run can be repeated.

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A stream of random numbers that is the same for the same seed and stream on every machine.
#[derive(Clone, Debug)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// Stream number `stream` of `seed`: each thread and each purpose takes one of its own.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Random(rng)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        // 53 bits fill the fraction of an f64.
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A whole number from `low` to `high`, both included; `low` when the two are the wrong way round.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let Some(width) = high.checked_sub(low).filter(|width| *width >= 0) else {
            return low;
        };
        let span = u128::from(width.unsigned_abs()) + 1;
        let offset = (u128::from(self.bits()) * span) >> 64;
        low.saturating_add(i64::try_from(offset).unwrap_or(width))
    }

    /// A draw from the exponential distribution with mean 1.
    pub fn exponential(&mut self) -> f64 {
        // 1 − u lies in (0, 1], so the logarithm is finite.
        -(1.0 - self.unit()).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_streams_differ() {
        let draw = |seed, stream| {
            let mut random = Random::new(seed, stream);
            (0..4).map(|_| random.bits()).collect::<Vec<_>>()
        };
        assert_eq!(draw(7, 1), draw(7, 1));
        assert_ne!(draw(7, 1), draw(7, 2));
        assert_ne!(draw(7, 1), draw(8, 1));
    }

    #[test]
    fn draws_keep_their_range_and_mean() {
        let mut random = Random::new(3, 0);
        let draws = 20_000;
        let (mut sum, mut seen) = (0.0, [0_u32; 6]);
        for _ in 0..draws {
            sum += random.exponential();
            seen[random.between(1, 6) as usize - 1] += 1;
        }
        assert!(
            (sum / f64::from(draws) - 1.0).abs() < 0.03,
            "mean {}",
            sum / f64::from(draws)
        );
        for count in seen {
            assert!((3_100..3_600).contains(&count), "{seen:?}");
        }
        assert_eq!(random.between(5, 4), 5);
        assert_eq!(random.between(i64::MIN, i64::MAX).signum().abs(), 1);
    }
}
