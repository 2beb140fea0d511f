//! How high clean excursions of the sum rise: a histogram, from whose tail thresholds are drawn.

/// Bins of the histogram.
pub(crate) const BINS: usize = 64;
/// Bin edges are `SCALE·(e^(i/STEPS) − 1)`: a third wide near zero, 7 % of their height far out.
const SCALE: f64 = 8.0;
const STEPS: f64 = 24.0;

/// Peaks of clean excursions of one alternative.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Peaks {
    pub(crate) bins: [u16; BINS],
    pub(crate) largest: f64,
}

/// The highest peaks over a level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tail {
    /// How many.
    pub(crate) peaks: f64,
    /// The level: the next highest peak.
    pub(crate) level: f64,
    /// How far they lie over it, added up.
    pub(crate) excess: f64,
}

impl Default for Peaks {
    fn default() -> Self {
        Peaks {
            bins: [0; BINS],
            largest: 0.0,
        }
    }
}

impl Peaks {
    /// Adds the peak of an excursion that came to nothing.
    pub(crate) fn add(&mut self, peak: f64) {
        let bin = (STEPS * (peak.max(0.0) / SCALE).ln_1p()) as usize;
        if let Some(count) = self.bins.get_mut(bin.min(BINS - 1)) {
            *count = count.saturating_add(1);
        }
        self.largest = self.largest.max(peak);
    }

    /// Halves what was learned, rounded up, so that rare peaks stay; the largest sinks by a tenth.
    pub(crate) fn age(&mut self) {
        for count in &mut self.bins {
            *count = count.div_ceil(2);
        }
        self.largest *= 0.9;
    }

    /// The largest peak.
    pub(crate) fn largest(&self) -> f64 {
        self.largest
    }

    /// The `wanted` highest peaks. `None` when there are not that many and one more. Peaks are known
    /// to a bin: they are taken as spread evenly over it.
    pub(crate) fn tail(&self, wanted: u32) -> Option<Tail> {
        let wanted = f64::from(wanted);
        let (mut peaks, mut heights) = (0.0, 0.0);
        for (bin, count) in self.bins.iter().enumerate().rev() {
            let count = f64::from(*count);
            let (lower, upper) = (edge(bin), edge(bin + 1).min(self.largest.max(edge(bin))));
            if peaks + count > wanted {
                let taken = wanted - peaks;
                let level = upper - (upper - lower) * taken / count;
                heights += taken * (upper + level) / 2.0;
                return Some(Tail {
                    peaks: wanted,
                    level,
                    excess: (heights - wanted * level).max(0.0),
                });
            }
            peaks += count;
            heights += count * (lower + upper) / 2.0;
        }
        None
    }
}

fn edge(bin: usize) -> f64 {
    SCALE * (bin as f64 / STEPS).exp_m1()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_agrees_with_the_sorted_peaks() {
        let heights: Vec<f64> = (1..=400).map(|i| -(f64::from(i) / 401.0).ln()).collect();
        let mut peaks = Peaks::default();
        for height in &heights {
            peaks.add(*height);
        }
        // Heights are in falling order: the 101st is the level.
        let level = heights[100];
        let excess: f64 = heights[..100].iter().map(|height| height - level).sum();
        let tail = peaks.tail(100).unwrap();
        assert!((tail.level - level).abs() < 0.1, "{tail:?} {level}");
        assert!(
            (tail.excess / excess - 1.0).abs() < 0.1,
            "{tail:?} {excess}"
        );
        assert!((peaks.largest() - heights[0]).abs() < 1e-12);
        assert_eq!(peaks.tail(400), None);
    }

    #[test]
    fn age_keeps_the_rare() {
        let mut peaks = Peaks::default();
        peaks.add(20.0);
        for _ in 0..100 {
            peaks.add(1.0);
        }
        peaks.age();
        assert_eq!(peaks.bins.iter().map(|n| u32::from(*n)).sum::<u32>(), 51);
        assert!((peaks.largest() - 18.0).abs() < 1e-12);
    }
}
