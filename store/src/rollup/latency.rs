//! One series' latency, a sketch per ten seconds.

use std::collections::VecDeque;

use super::bytes::make_room;
use super::sketch::{Sketch, packed_bins};
use super::{AHEAD_SECONDS, SKETCH_SECONDS};

/// How many of the newest sketches stay open for quick adding.
const OPEN_MAX: usize = 2;

/// Sketches in order of time.
#[derive(Debug, Default)]
pub(super) struct Latencies(VecDeque<(i64, Stored)>);

#[derive(Debug)]
enum Stored {
    Open(Sketch),
    Packed(Box<[u8]>),
}

impl Latencies {
    /// Adds sorted bins to the sketch of the ten seconds numbered `ten`.
    pub(super) fn add(&mut self, ten: i64, bins: impl Iterator<Item = (u16, u64)>) {
        let at = self.0.partition_point(|(own, _)| *own < ten);
        if self.0.get(at).is_none_or(|(own, _)| *own != ten) {
            make_room(&mut self.0, 16);
            self.0.insert(at, (ten, Stored::Open(Sketch::new())));
            self.pack_all_but(OPEN_MAX);
        }
        let Some((_, stored)) = self.0.get_mut(at) else {
            return;
        };
        match stored {
            Stored::Open(sketch) => sketch.merge_bins(bins),
            Stored::Packed(bytes) => {
                let mut sketch = Sketch::unpack(bytes);
                sketch.merge_bins(bins);
                *bytes = sketch.pack();
            }
        }
    }

    /// Forgets what is past `horizon`.
    pub(super) fn tidy(&mut self, horizon: i64) {
        while self
            .0
            .front()
            .is_some_and(|(ten, _)| (ten + 1) * SKETCH_SECONDS <= horizon)
        {
            self.0.pop_front();
        }
    }

    /// Gives memory back, and forgets what a clock set back has put out of reach.
    pub(super) fn sweep(&mut self, now_second: i64, horizon: i64) {
        self.tidy(horizon);
        let reach = now_second + AHEAD_SECONDS;
        while self
            .0
            .back()
            .is_some_and(|(ten, _)| ten * SKETCH_SECONDS > reach)
        {
            self.0.pop_back();
        }
        let newest = self.0.back().map_or(i64::MAX, |(ten, _)| *ten);
        if (newest.saturating_add(OPEN_MAX as i64)).saturating_mul(SKETCH_SECONDS) < now_second {
            self.pack_all_but(0);
        }
        if self.0.is_empty() {
            self.0 = VecDeque::new();
        }
    }

    /// Adds the sketches that begin in `from..to` (numbers of ten seconds).
    pub(super) fn total(&self, from: i64, to: i64, sum: &mut Sketch) {
        let first = self.0.partition_point(|(ten, _)| *ten < from);
        for (_, stored) in self.0.iter().skip(first).take_while(|(ten, _)| *ten < to) {
            match stored {
                Stored::Open(sketch) => sum.merge(sketch),
                Stored::Packed(bytes) => sum.merge_bins(packed_bins(bytes)),
            }
        }
    }

    fn pack_all_but(&mut self, open: usize) {
        let end = self.0.len().saturating_sub(open);
        for (_, stored) in self.0.range_mut(..end).rev() {
            let Stored::Open(sketch) = stored else {
                return;
            };
            *stored = Stored::Packed(sketch.pack());
        }
    }
}
