//! Latency sketches with a bounded relative error: DDSketch (Masson, Rim, Lee, VLDB 2019), sparse.
//!
//! A value v goes to bin ⌈log_γ v⌉ with γ = (1 + α) / (1 − α). A bin's middle is within α of every value
//! in it, so every quantile is, too, and sketches of parts add up to the sketch of the whole.

use std::sync::LazyLock;

use super::bytes::{put_varint, take_varint};

/// The relative accuracy α.
const RELATIVE_ACCURACY: f64 = 0.01;
/// How many bins a sketch grows by: there are many, and most stay small.
const ROOM_STEP: usize = 16;

pub(crate) const GAMMA: f64 = (1.0 + RELATIVE_ACCURACY) / (1.0 - RELATIVE_ACCURACY);
/// 1 / ln γ: how many bins a factor of e takes.
pub(crate) static BINS_PER_E: LazyLock<f64> = LazyLock::new(|| 1.0 / GAMMA.ln());

/// The bin of a duration; 0 is for what is not positive, 1 for one microsecond.
#[inline]
pub(crate) fn bin_of(micros: u64) -> u16 {
    if micros == 0 {
        return 0;
    }
    ((micros as f64).ln() * *BINS_PER_E).ceil() as u16 + 1
}

fn middle_of(bin: u16) -> f64 {
    if bin == 0 {
        return 0.0;
    }
    2.0 * GAMMA.powi(i32::from(bin) - 1) / (GAMMA + 1.0)
}

/// How many durations fell into which bin, sorted by bin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sketch {
    bins: Vec<(u16, u64)>,
}

impl Sketch {
    /// Quantiles are at most this share off.
    pub const RELATIVE_ACCURACY: f64 = RELATIVE_ACCURACY;

    /// Of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a duration in microseconds; negative ones count as 0, longer ones than 1 h as 1 h.
    pub fn add(&mut self, micros: i64) {
        self.add_to_bin(Sketch::bin_of(micros), 1);
    }

    /// Adds what another holds.
    pub fn merge(&mut self, other: &Sketch) {
        self.merge_bins(other.bins.iter().copied());
    }

    /// How many durations it holds.
    pub fn count(&self) -> u64 {
        self.bins.iter().map(|(_, count)| count).sum()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.bins.is_empty()
    }

    /// The duration in microseconds below which a share `q` (0..=1) of them lies, within 1 %: the
    /// value of rank ⌊q · (n − 1)⌋. `None` when there are none or `q` is not a share.
    pub fn quantile_us(&self, q: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 || !(0.0..=1.0).contains(&q) {
            return None;
        }
        let rank = (q * (count - 1) as f64).floor() as u64;
        let mut below = 0;
        for (bin, count) in &self.bins {
            below += count;
            if below > rank {
                return Some(middle_of(*bin));
            }
        }
        self.bins.last().map(|(bin, _)| middle_of(*bin))
    }

    /// How many of them were longer than so many microseconds. Those within 2 % above it may be left out,
    /// because they share its bin.
    pub fn count_above_us(&self, micros: i64) -> u64 {
        let limit = Sketch::bin_of(micros);
        let first = self.bins.partition_point(|(bin, _)| *bin <= limit);
        self.bins.iter().skip(first).map(|(_, count)| count).sum()
    }

    /// The number of the bin that a duration in microseconds falls into; longer ones fall into higher bins.
    pub fn bin_of(micros: i64) -> u16 {
        bin_of(super::clamped(micros))
    }

    /// The sketch of these bins, which have to be sorted.
    pub(crate) fn of_bins(bins: impl Iterator<Item = (u16, u64)>) -> Sketch {
        Sketch {
            bins: bins.collect(),
        }
    }

    /// Adds sorted bins.
    pub(super) fn merge_bins(&mut self, more: impl Iterator<Item = (u16, u64)>) {
        merge_sorted(&mut self.bins, more, |one, other| one + other);
    }

    fn add_to_bin(&mut self, bin: u16, count: u64) {
        match self.bins.binary_search_by_key(&bin, |(own, _)| *own) {
            Ok(at) => {
                if let Some((_, total)) = self.bins.get_mut(at) {
                    *total += count;
                }
            }
            Err(at) => self.bins.insert(at, (bin, count)),
        }
    }

    /// The bins, sorted.
    pub(super) fn bins(&self) -> impl Iterator<Item = (u16, u64)> {
        self.bins.iter().copied()
    }

    /// About a byte a bin: twice the distance to the bin before, and one more when it counts several, whose
    /// number less two follows.
    pub(crate) fn pack(&self) -> Box<[u8]> {
        let mut bytes = Vec::with_capacity(self.bins.len() + 16);
        let mut before = 0;
        for (bin, count) in &self.bins {
            let distance = u64::from(bin - before) << 1;
            match count.checked_sub(2) {
                None => put_varint(&mut bytes, distance),
                Some(more) => {
                    put_varint(&mut bytes, distance | 1);
                    put_varint(&mut bytes, more);
                }
            }
            before = *bin;
        }
        bytes.into_boxed_slice()
    }
}

/// Adds sorted bins to sorted bins. Most of the time all of them are there already.
pub(super) fn merge_sorted<C: Copy>(
    bins: &mut Vec<(u16, C)>,
    more: impl Iterator<Item = (u16, C)>,
    sum: impl Fn(C, C) -> C,
) {
    let mut at = 0;
    for (bin, count) in more {
        while bins.get(at).is_some_and(|(own, _)| *own < bin) {
            at += 1;
        }
        match bins.get_mut(at) {
            Some((own, total)) if *own == bin => *total = sum(*total, count),
            _ => {
                if bins.len() == bins.capacity() {
                    bins.reserve_exact(ROOM_STEP);
                }
                bins.insert(at, (bin, count));
            }
        }
    }
}

/// The bins of a packed sketch.
pub(crate) fn packed_bins(mut bytes: &[u8]) -> impl Iterator<Item = (u16, u64)> {
    let mut bin = 0_u16;
    std::iter::from_fn(move || {
        let head = take_varint(&mut bytes)?;
        let count = match head & 1 {
            0 => 1,
            _ => take_varint(&mut bytes)?.saturating_add(2),
        };
        bin = bin.wrapping_add((head >> 1) as u16);
        Some((bin, count))
    })
}
