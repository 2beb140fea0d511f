//! Numbers counted by magnitude: the sketch of `rollup/sketch.rs` for any sign and size, with counters
//! side by side, since a query adds far more often than it keeps.
//!
//! A quantile is within α of the number of its rank, as there.

use crate::rollup::Sketch;
use crate::rollup::bytes::{put_varint, take_varint};
use crate::rollup::sketch::{BINS_PER_E, GAMMA, packed_bins};

/// How many numbers fell into which bin. NaN is not a number.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Spread {
    zeros: u64,
    positive: Bins,
    negative: Bins,
}

/// Counts of the bins from `first` on. Bin i holds what lies in (γ^(i-1), γ^i].
#[derive(Clone, Debug, Default)]
struct Bins {
    first: i32,
    counts: Vec<u64>,
}

impl Spread {
    /// Counts one number.
    #[inline]
    pub(super) fn add(&mut self, number: f64) {
        if number > 0.0 {
            self.positive.add(bin_of(number), 1);
        } else if number < 0.0 {
            self.negative.add(bin_of(-number), 1);
        } else if number == 0.0 {
            self.zeros = self.zeros.saturating_add(1);
        }
    }

    /// Adds a packed [`Sketch`]. Its bin 0 is for zeros, its bin 1 for what is at most 1.
    pub(super) fn add_sketch(&mut self, packed: &[u8]) {
        for (bin, count) in packed_bins(packed) {
            match bin.checked_sub(1) {
                Some(bin) => self.positive.add(i32::from(bin), count),
                None => self.zeros = self.zeros.saturating_add(count),
            }
        }
    }

    /// Adds what [`Spread::pack`] gave.
    pub(super) fn add_packed(&mut self, mut packed: &[u8]) {
        let zeros = take_varint(&mut packed).unwrap_or(0);
        self.zeros = self.zeros.saturating_add(zeros);
        self.positive.add_packed(&mut packed);
        self.negative.add_packed(&mut packed);
    }

    /// All of it in few bytes.
    pub(super) fn pack(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, self.zeros);
        self.positive.pack(&mut bytes);
        self.negative.pack(&mut bytes);
        bytes
    }

    /// As a sketch of durations, which are neither negative nor below a microsecond.
    pub(super) fn to_sketch(&self) -> Sketch {
        let zeros = (self.zeros > 0).then_some((0, self.zeros));
        let bins = self.positive.each().filter_map(|(bin, count)| {
            let bin = u16::try_from(bin.checked_add(1)?).ok()?;
            Some((bin, count))
        });
        Sketch::of_bins(zeros.into_iter().chain(bins))
    }

    /// The number of rank ⌊q · (n − 1)⌋, within α; `None` when there is none or `q` is not in 0..=1.
    pub(super) fn quantile(&self, q: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 || !(0.0..=1.0).contains(&q) {
            return None;
        }
        let rank = (q * (count - 1) as f64).floor() as u64;
        let negative = self.negative.each().rev();
        let negative = negative.map(|(bin, count)| (-middle_of(bin), count));
        let positive = self.positive.each();
        let positive = positive.map(|(bin, count)| (middle_of(bin), count));
        let mut below = 0_u64;
        let mut last = None;
        for (number, count) in negative.chain([(0.0, self.zeros)]).chain(positive) {
            below = below.saturating_add(count);
            if below > rank {
                return Some(number);
            }
            last = Some(number);
        }
        last
    }

    /// The memory it takes besides its own size, in bytes.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        (self.positive.counts.capacity() + self.negative.counts.capacity()) * size_of::<u64>()
    }

    fn count(&self) -> u64 {
        let sides = self.positive.each().chain(self.negative.each());
        sides.fold(self.zeros, |sum, (_, count)| sum.saturating_add(count))
    }
}

impl Bins {
    #[inline]
    fn add(&mut self, bin: i32, more: u64) {
        if let Ok(at) = usize::try_from(i64::from(bin) - i64::from(self.first))
            && let Some(count) = self.counts.get_mut(at)
        {
            *count = count.saturating_add(more);
            return;
        }
        self.widen(bin);
        let at = bin.abs_diff(self.first) as usize;
        if let Some(count) = self.counts.get_mut(at) {
            *count = count.saturating_add(more);
        }
    }

    /// Makes room for a bin outside.
    fn widen(&mut self, bin: i32) {
        if self.counts.is_empty() {
            self.first = bin;
            self.counts.push(0);
        } else if bin < self.first {
            let more = self.first.abs_diff(bin) as usize;
            self.counts.splice(..0, std::iter::repeat_n(0, more));
            self.first = bin;
        } else {
            let length = bin.abs_diff(self.first) as usize + 1;
            self.counts.resize(length, 0);
        }
    }

    /// The bins that hold something, in order.
    fn each(&self) -> impl DoubleEndedIterator<Item = (i32, u64)> {
        let numbered = self.counts.iter().enumerate();
        let first = self.first;
        numbered
            .filter(|(_, count)| **count > 0)
            .map(move |(at, count)| (first.saturating_add(at as i32), *count))
    }

    /// How many bins hold something; the first of them; of each its distance to the one before and
    /// its count.
    fn pack(&self, bytes: &mut Vec<u8>) {
        put_varint(bytes, self.each().count() as u64);
        let mut before = None;
        for (bin, count) in self.each() {
            let distance = before.map_or(zigzag(bin), |before| u64::from(bin.abs_diff(before)));
            put_varint(bytes, distance);
            put_varint(bytes, count);
            before = Some(bin);
        }
    }

    fn add_packed(&mut self, packed: &mut &[u8]) {
        let bins = take_varint(packed).unwrap_or(0);
        let mut before = None;
        for _ in 0..bins {
            let (Some(distance), Some(count)) = (take_varint(packed), take_varint(packed)) else {
                return;
            };
            let bin = match before {
                None => unzigzag(distance),
                Some(before) => i32::saturating_add(before, distance as i32),
            };
            self.add(bin.clamp(-BIN_MAX, BIN_MAX), count);
            before = Some(bin);
        }
    }
}

impl PartialEq for Bins {
    fn eq(&self, other: &Self) -> bool {
        self.each().eq(other.each())
    }
}

/// No number of 64 bits lies further out: ln(f64::MAX) / ln γ, and of subnormal ones.
const BIN_MAX: i32 = 37_300;

/// The bin of a positive number; infinity shares that of the largest.
#[inline]
fn bin_of(number: f64) -> i32 {
    ((number.ln() * *BINS_PER_E).ceil() as i32).min(BIN_MAX)
}

fn middle_of(bin: i32) -> f64 {
    2.0 * GAMMA.powi(bin) / (GAMMA + 1.0)
}

fn zigzag(number: i32) -> u64 {
    u64::from(number.unsigned_abs()) << 1 | u64::from(number < 0)
}

fn unzigzag(coded: u64) -> i32 {
    let magnitude = i32::try_from(coded >> 1).unwrap_or(i32::MAX);
    if coded & 1 == 1 {
        -magnitude
    } else {
        magnitude
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(numbers: &[f64]) -> Spread {
        let mut spread = Spread::default();
        for number in numbers {
            spread.add(*number);
        }
        spread
    }

    fn any_number() -> impl Strategy<Value = f64> {
        prop_oneof![
            Just(0.0),
            -1e3..1e3_f64,
            0.0..1e-6_f64,
            1e9..1e15_f64,
            -1e300..1e300_f64
        ]
    }

    proptest! {
        #[test]
        fn quantiles_are_within_one_percent_of_the_exact_ones(
            mut numbers in prop::collection::vec(any_number(), 1..200),
            q in 0.0..=1.0_f64,
            cut in 0..200_usize,
        ) {
            let cut = cut.min(numbers.len());
            let mut parts = Spread::default();
            for part in [&numbers[..cut], &numbers[cut..]] {
                parts.add_packed(&of(part).pack());
            }
            let whole = of(&numbers);
            prop_assert_eq!(&parts, &whole);
            numbers.sort_by(f64::total_cmp);
            let exact = numbers[(q * (numbers.len() - 1) as f64).floor() as usize];
            let told = whole.quantile(q).unwrap();
            let error = (told - exact).abs();
            prop_assert!(error <= exact.abs() * 0.010_001, "{} instead of {}", told, exact);
        }

        #[test]
        fn a_packed_sketch_means_the_same(durations in prop::collection::vec(0..4_000_000_000_i64, 0..80)) {
            let mut sketch = Sketch::new();
            for duration in &durations {
                sketch.add(*duration);
            }
            let mut spread = Spread::default();
            spread.add_sketch(&sketch.pack());
            prop_assert_eq!(spread.to_sketch(), sketch.clone());
            for q in [0.0, 0.5, 0.99, 1.0] {
                prop_assert_eq!(spread.quantile(q), sketch.quantile_us(q));
            }
        }

        #[test]
        fn any_bytes_are_bearable(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut spread = Spread::default();
            spread.add_packed(&bytes);
            spread.add_sketch(&bytes);
            prop_assert!(spread.bytes() < 4 << 20);
            let _ = (spread.quantile(0.5), spread.to_sketch());
        }
    }

    #[test]
    fn what_is_not_a_number_does_not_count() {
        assert_eq!(of(&[f64::NAN]).quantile(0.5), None);
        assert_eq!(of(&[]).quantile(0.5), None);
        assert_eq!(of(&[1.0]).quantile(1.1), None);
        assert!(of(&[f64::INFINITY]).quantile(0.5).unwrap() > 1e300);
        assert!(of(&[5e-324]).quantile(0.5).unwrap() >= 0.0);
    }
}
