//! One series' latency, a sketch per ten seconds: the newest open, the others packed minute by minute.

use std::collections::VecDeque;

use super::bytes::{make_room, put_varint, take_varint};
use super::nibbles::{bins_of, pack_bins};
use super::sketch::{Sketch, merge_sorted};
use super::{AHEAD_SECONDS, SKETCH_SECONDS};

/// How many of the newest sketches stay open for quick adding.
const OPEN_MAX: usize = 2;
/// Sketches packed together.
const PACKED_TOGETHER: i64 = 60 / SKETCH_SECONDS;

/// Sketches in order of time, each numbered by its ten seconds.
#[derive(Debug)]
pub(super) struct Latencies {
    packed: VecDeque<Minute>,
    /// Up to this number, inclusive, sketches are packed.
    packed_until: i64,
    open: VecDeque<(i64, OpenSketch)>,
}

/// A sketch of ten seconds that is being added to, which has fewer than 2³² calls: half as large as a [`Sketch`].
#[derive(Debug, Default)]
struct OpenSketch(Vec<(u16, u32)>);

impl OpenSketch {
    /// Adds sorted bins.
    fn add(&mut self, bins: impl Iterator<Item = (u16, u64)>) {
        let fits = |count| u32::try_from(count).unwrap_or(u32::MAX);
        let bins = bins.map(|(bin, count)| (bin, fits(count)));
        merge_sorted(&mut self.0, bins, u32::saturating_add);
    }

    fn bins(&self) -> impl Iterator<Item = (u16, u64)> {
        self.0.iter().map(|(bin, count)| (*bin, u64::from(*count)))
    }
}

/// The sketches of one minute: number within it, length, bins; in order.
#[derive(Debug)]
struct Minute {
    first: i64,
    bytes: Box<[u8]>,
}

impl Default for Latencies {
    fn default() -> Self {
        Latencies {
            packed: VecDeque::new(),
            packed_until: i64::MIN,
            open: VecDeque::new(),
        }
    }
}

impl Latencies {
    /// Adds sorted bins to the sketch of the ten seconds numbered `ten`.
    pub(super) fn add(&mut self, ten: i64, bins: impl Iterator<Item = (u16, u64)>) {
        if ten <= self.packed_until {
            self.add_packed(ten, bins);
            return;
        }
        let at = self.open.partition_point(|(own, _)| *own < ten);
        match self.open.get_mut(at) {
            Some((own, sketch)) if *own == ten => sketch.add(bins),
            _ => {
                let mut sketch = OpenSketch::default();
                sketch.add(bins);
                self.open.insert(at, (ten, sketch));
                self.pack_all_but(OPEN_MAX);
            }
        }
    }

    /// Forgets what is past `horizon`, packed sketches by the minute.
    pub(super) fn tidy(&mut self, horizon: i64) {
        let over = |end: i64| end * SKETCH_SECONDS <= horizon;
        while self
            .packed
            .pop_front_if(|minute| over(minute.first + PACKED_TOGETHER))
            .is_some()
        {}
        while self.open.pop_front_if(|(ten, _)| over(*ten + 1)).is_some() {}
    }

    /// Gives memory back, and forgets what a clock set back has put out of reach.
    pub(super) fn sweep(&mut self, now_second: i64, horizon: i64) {
        self.tidy(horizon);
        let beyond = |ten: i64| ten * SKETCH_SECONDS > now_second + AHEAD_SECONDS;
        while self.open.pop_back_if(|(ten, _)| beyond(*ten)).is_some() {}
        while self.packed.pop_back_if(|it| beyond(it.first)).is_some() {}
        let newest = self.open.back().map_or(i64::MAX, |(ten, _)| *ten);
        if (newest.saturating_add(OPEN_MAX as i64)).saturating_mul(SKETCH_SECONDS) < now_second {
            self.pack_all_but(0);
        }
        let packed = self.packed.back().map(|it| it.first + PACKED_TOGETHER - 1);
        self.packed_until = self.packed_until.min(packed.unwrap_or(i64::MIN));
        if self.packed.is_empty() {
            self.packed = VecDeque::new();
        }
        if self.open.is_empty() {
            self.open = VecDeque::new();
        }
    }

    /// Adds the sketches that begin in `from..to` (numbers of ten seconds).
    pub(super) fn total(&self, from: i64, to: i64, sum: &mut Sketch) {
        let after = |minute: &Minute| minute.first + PACKED_TOGETHER <= from;
        let first = self.packed.partition_point(after);
        let minutes = self.packed.iter().skip(first);
        for minute in minutes.take_while(|minute| minute.first < to) {
            for (ten, bins) in minute.sketches() {
                if (from..to).contains(&ten) {
                    sum.merge_bins(bins_of(bins));
                }
            }
        }
        let open = self.open.iter().filter(|(ten, _)| (from..to).contains(ten));
        for (_, sketch) in open {
            sum.merge_bins(sketch.bins());
        }
    }

    /// Every bin of the sketches from this number on.
    pub(super) fn each(&self, from: i64, mut visit: impl FnMut(i64, u16, u64)) {
        let packed = self.packed.iter().flat_map(Minute::sketches);
        for (ten, bins) in packed.filter(|(ten, _)| *ten >= from) {
            bins_of(bins).for_each(|(bin, calls)| visit(ten, bin, calls));
        }
        for (ten, sketch) in self.open.iter().filter(|(ten, _)| *ten >= from) {
            sketch
                .bins()
                .for_each(|(bin, calls)| visit(*ten, bin, calls));
        }
    }

    fn pack_all_but(&mut self, open: usize) {
        while self.open.len() > open
            && let Some((ten, sketch)) = self.open.pop_front()
        {
            self.add_packed(ten, sketch.bins());
            self.packed_until = self.packed_until.max(ten);
        }
    }

    /// Writes the minute anew with these bins added to one of its sketches.
    fn add_packed(&mut self, ten: i64, bins: impl Iterator<Item = (u16, u64)>) {
        let first = ten.div_euclid(PACKED_TOGETHER) * PACKED_TOGETHER;
        let at = self.packed.partition_point(|minute| minute.first < first);
        if self.packed.get(at).is_none_or(|it| it.first != first) {
            make_room(&mut self.packed, 4);
            let bytes = Box::default();
            self.packed.insert(at, Minute { first, bytes });
        }
        let Some(minute) = self.packed.get_mut(at) else {
            return;
        };
        let known = minute.sketches().find(|(own, _)| *own == ten);
        let mut sketch = Sketch::new();
        if let Some((_, known)) = known {
            sketch.merge_bins(bins_of(known));
        }
        sketch.merge_bins(bins);
        let packed = pack_bins(sketch.bins());
        let mut bytes = Vec::with_capacity(minute.bytes.len() + packed.len() + 3);
        let mut put = |own: i64, bins: &[u8]| {
            put_varint(&mut bytes, (own - first).unsigned_abs());
            put_varint(&mut bytes, bins.len() as u64);
            bytes.extend_from_slice(bins);
        };
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for (own, bins) in minute.sketches() {
            if own < ten {
                before.push((own, bins));
            } else if own > ten {
                after.push((own, bins));
            }
        }
        for (own, bins) in before.into_iter().chain([(ten, &*packed)]).chain(after) {
            put(own, bins);
        }
        minute.bytes = bytes.into_boxed_slice();
    }
}

impl Minute {
    /// Each sketch's number and packed bins.
    fn sketches(&self) -> impl Iterator<Item = (i64, &[u8])> {
        let mut bytes = &*self.bytes;
        std::iter::from_fn(move || {
            let number = take_varint(&mut bytes)?;
            let length = take_varint(&mut bytes)?;
            let (bins, rest) = bytes.split_at_checked(length as usize)?;
            bytes = rest;
            Some((self.first + number as i64, bins))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agree_with_a_sketch_of_each_ten(
            calls in prop::collection::vec((0..200_i64, 0..40_u64, 1..200_000_i64), 1..300),
            from in 0..200_i64,
            length in 0..200_i64,
            kept_from in 0..2_000_i64,
        ) {
            let mut latencies = Latencies::default();
            let mut model: BTreeMap<i64, Sketch> = BTreeMap::new();
            // Mostly forward, each up to forty back.
            for (at, (ten, late, micros)) in calls.iter().enumerate() {
                let ten = (at as i64 + ten / 20 - late.cast_signed() % 40).max(0);
                let mut one = Sketch::new();
                one.add(*micros);
                latencies.add(ten, one.bins());
                model.entry(ten).or_default().merge(&one);
            }
            let mut told = Sketch::new();
            latencies.total(from, from + length, &mut told);
            let mut wanted = Sketch::new();
            for (_, sketch) in model.range(from..from + length) {
                wanted.merge(sketch);
            }
            prop_assert_eq!(&told, &wanted);
            latencies.tidy(kept_from);
            let mut kept = Sketch::new();
            let first = kept_from.div_euclid(SKETCH_SECONDS);
            latencies.total(first, i64::MAX, &mut kept);
            let wanted: u64 = model.range(first..).map(|(_, sketch)| sketch.count()).sum();
            prop_assert_eq!(kept.count(), wanted);
            latencies.sweep(1_000_000, 1_000_000);
            prop_assert_eq!(latencies.packed.capacity() + latencies.open.capacity(), 0);
        }
    }
}
