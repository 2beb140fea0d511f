//! One series, ten seconds by ten seconds, for the hours before its seconds: chunks of half an hour.
//!
//! A chunk is only ever read from its beginning and written anew, since what comes to it is rare: a
//! minute that the seconds let go of, or a row that is late.

use std::collections::VecDeque;

use super::cell::Cell;
use super::counts::Counts;
use super::run::Run;
use super::{AHEAD_SECONDS, TEN, ten_of};

/// How much time one chunk covers.
pub(super) const CHUNK_SECONDS: i64 = 1_800;

/// Chunks in order of time.
#[derive(Debug, Default)]
pub(super) struct Tens {
    chunks: VecDeque<Chunk>,
    bytes: usize,
}

type Chunk = Run<TEN>;

impl Tens {
    /// About how much memory the chunks take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds cells of seconds, in order of time.
    pub(super) fn add(&mut self, seconds: &[(i64, Cell)]) {
        for run in seconds.chunk_by(|(one, _), (other, _)| chunk_of(*one) == chunk_of(*other)) {
            if let Some((first, _)) = run.first() {
                self.add_to_chunk(chunk_of(*first), run);
            }
        }
    }

    /// Forgets the chunks that end before `from`.
    pub(super) fn tidy(&mut self, from: i64) {
        let over = |chunk: &mut Chunk| chunk.start + CHUNK_SECONDS <= from;
        while let Some(chunk) = self.chunks.pop_front_if(over) {
            self.bytes -= chunk.bytes();
        }
    }

    /// Gives memory back, and forgets chunks that a clock set back has put out of reach.
    pub(super) fn sweep(&mut self, now_second: i64, from: i64) {
        self.tidy(from);
        let reach = now_second + AHEAD_SECONDS;
        while let Some(chunk) = self.chunks.pop_back_if(|chunk| chunk.start > reach) {
            self.bytes -= chunk.bytes();
        }
        if self.chunks.is_empty() {
            self.chunks = VecDeque::new();
        }
    }

    /// Adds the tens that begin in `from..to`.
    pub(super) fn total(&self, from: i64, to: i64, sum: &mut Counts) {
        for chunk in self.between(from, to) {
            if from <= chunk.start && chunk.start + CHUNK_SECONDS <= to {
                chunk.total.add_to(sum);
            } else {
                chunk.each(|ten, cell| {
                    if (from..to).contains(&ten) {
                        cell.add_to(sum);
                    }
                });
            }
        }
    }

    /// Every ten with calls that begins in `from..to`, in order.
    pub(super) fn each(&self, from: i64, to: i64, mut visit: impl FnMut(i64, &Cell)) {
        for chunk in self.between(from, to) {
            chunk.each(|ten, cell| {
                if (from..to).contains(&ten) {
                    visit(ten, cell);
                }
            });
        }
    }

    fn between(&self, from: i64, to: i64) -> impl Iterator<Item = &Chunk> {
        let first = self
            .chunks
            .partition_point(|chunk| chunk.start + CHUNK_SECONDS <= from);
        self.chunks
            .iter()
            .skip(first)
            .take_while(move |chunk| chunk.start < to)
    }

    fn add_to_chunk(&mut self, start: i64, seconds: &[(i64, Cell)]) {
        let place = self
            .chunks
            .binary_search_by_key(&start, |chunk| chunk.start);
        let known = place.ok().and_then(|at| self.chunks.get(at));
        let mut tens = known.map(Chunk::cells).unwrap_or_default();
        for (second, cell) in seconds {
            merge(&mut tens, ten_of(*second), cell);
        }
        let chunk = Chunk::of(start, &tens);
        self.bytes += chunk.bytes();
        match place {
            Ok(at) => {
                if let Some(own) = self.chunks.get_mut(at) {
                    self.bytes -= own.bytes();
                    *own = chunk;
                }
            }
            Err(at) => self.chunks.insert(at, chunk),
        }
    }
}

/// Adds a cell to the ten it belongs to. Most come in order.
fn merge(tens: &mut Vec<(i64, Cell)>, ten: i64, cell: &Cell) {
    match tens.binary_search_by_key(&ten, |(own, _)| *own) {
        Ok(at) => {
            if let Some((_, own)) = tens.get_mut(at) {
                *own = own.plus(cell);
            }
        }
        Err(at) => tens.insert(at, (ten, *cell)),
    }
}

fn chunk_of(second: i64) -> i64 {
    second.div_euclid(CHUNK_SECONDS) * CHUNK_SECONDS
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const START: i64 = 1_762_790_400;

    fn counts() -> impl Strategy<Value = Counts> {
        let outcomes = prop::array::uniform7(prop_oneof![3 => Just(0), 2 => 0..300_u64]);
        let duration = prop_oneof![0..5_000_000_u64, Just(0), Just(1 << 45)];
        (outcomes, 0..3_u64, 0..90_u64, duration).prop_map(
            |(outcomes, weight, cold_starts, duration_us)| Counts {
                outcomes,
                weighted: outcomes.iter().sum::<u64>() * weight,
                cold_starts,
                duration_us,
            },
        )
    }

    proptest! {
        #[test]
        fn agree_with_a_map(
            batches in prop::collection::vec(
                prop::collection::vec((0..9_000_i64, counts()), 1..40), 1..12),
            from in -100..900_i64,
            length in 0..900_i64,
            kept_from in 0..9_000_i64,
        ) {
            let mut tens = Tens::default();
            let mut model: BTreeMap<i64, Counts> = BTreeMap::new();
            for mut batch in batches {
                batch.sort_by_key(|(offset, _)| *offset);
                let seconds: Vec<_> = batch
                    .iter()
                    .map(|(offset, counts)| (START + offset, Cell::from(counts)))
                    .collect();
                tens.add(&seconds);
                for (offset, counts) in &batch {
                    model.entry(ten_of(START + offset)).or_default().merge(counts);
                }
            }
            let (from, to) = (START + from * TEN, START + (from + length) * TEN);
            let wanted: BTreeMap<_, _> = model.range(from..to).map(|(ten, counts)| (*ten, *counts)).collect();
            let mut told = BTreeMap::new();
            tens.each(from, to, |ten, cell| { told.insert(ten, Counts::from(*cell)); });
            // A ten without calls may be told as one with zeros.
            told.retain(|_, counts| !counts.is_zero());
            let wanted: BTreeMap<_, _> = wanted.into_iter().filter(|(_, counts)| !counts.is_zero()).collect();
            prop_assert_eq!(&told, &wanted);
            let mut sum = Counts::ZERO;
            tens.total(from, to, &mut sum);
            let mut exact = Counts::ZERO;
            for counts in wanted.values() {
                exact.merge(counts);
            }
            prop_assert_eq!(sum, exact);

            tens.tidy(START + kept_from);
            let mut first = i64::MAX;
            tens.each(i64::MIN, i64::MAX, |ten, _| first = first.min(ten));
            prop_assert!(first >= chunk_of(START + kept_from) || first == i64::MAX);
            let held: usize = tens.chunks.iter().map(Chunk::bytes).sum();
            prop_assert_eq!(tens.bytes(), held);
            tens.sweep(START, START + 20_000);
            prop_assert_eq!((tens.bytes(), tens.chunks.capacity()), (0, 0));
        }
    }

    #[test]
    fn a_steady_ten_takes_five_bytes() {
        let mut tens = Tens::default();
        let mut seconds = Vec::new();
        for at in 0..180_i64 {
            let mut counts = Counts::ZERO;
            counts.outcomes[0] = (95 + at * 7 % 11).unsigned_abs();
            counts.weighted = counts.outcomes[0];
            counts.duration_us = counts.weighted * 20_000 + (at * 7_919 % 90_001).unsigned_abs();
            seconds.push((START + at * TEN, Cell::from(&counts)));
        }
        tens.add(&seconds);
        let packed = tens.bytes() - size_of::<Chunk>();
        assert!((720..=950).contains(&packed), "180 tens take {packed} B");
    }
}
