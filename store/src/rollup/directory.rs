//! All series, by key and by function, and how a batch is counted.

use std::sync::Arc;

use model::{FunctionId, Timestamp, Traffic};

use super::calls::Gathered;
use super::cell::Cell;
use super::follow::{Counted, Followers, Timed};
use super::instances::{Instances, Noted};
use super::latency::Latencies;
use super::layers::{CountedLayers, Counting};
use super::place::Place;
use super::seconds::Seconds;
use super::slots::Slots;
use super::sweep::Sweep;
use super::tens::Tens;
use super::top::{CELLS_MAX, Top, TopDimension};
use super::{
    Applied, BACK_SECONDS, Counts, Delta, FunctionIndex, INSTANCES_MAX, Latency, MICROS,
    RollupStats, SKETCH_SECONDS, SeriesKey, TENS_BYTES_MAX, TENS_SECONDS, Tally, ten_of,
};
use crate::rows::intern::{CodeTable, hash_seed, hash_text};

#[derive(Debug)]
pub(super) struct Directory {
    pub(super) series_max: usize,
    pub(super) layers: CountedLayers,
    /// The time of the newest batch.
    pub(super) now: Timestamp,
    pub(super) series: Slots<Series>,
    pub(super) functions: Slots<Function>,
    pub(super) by_key: CodeTable,
    /// Entries of `by_key` whose series is gone.
    pub(super) stale_keys: usize,
    pub(super) by_id: FunctionIndex,
    pub(super) seed: u64,
    pub(super) sweep: Sweep,
    /// Before this second tens are not there, or not whole.
    pub(super) tens_from: i64,
    /// No ten lies at or after this second, except behind a clock that was set back.
    tens_until: i64,
    /// Memory of all tens together.
    pub(super) tens_bytes: usize,
    pub(super) tens_bytes_max: usize,
    /// Instances of all functions together.
    pub(super) instances: usize,
    /// Values of all tops together.
    pub(super) top_values: usize,
    /// Who is told what is counted.
    pub(super) followers: Followers,
    /// What was turned away; the other numbers are filled in when somebody asks.
    turned_away: RollupStats,
}

/// What a batch added, as followers are told it.
#[derive(Default)]
struct Told {
    /// Whether anybody asks.
    wanted: bool,
    counted: Vec<Counted>,
    timed: Vec<Timed>,
}

#[derive(Debug)]
pub(super) struct Series {
    pub(super) key: Arc<SeriesKey>,
    pub(super) hash: u64,
    pub(super) function: u32,
    pub(super) counted_at: Timestamp,
    pub(super) seconds: Seconds,
    pub(super) tens: Tens,
    pub(super) latencies: Latencies,
}

#[derive(Debug)]
pub(super) struct Function {
    pub(super) id: FunctionId,
    /// `namespace/name`, what patterns are matched against.
    pub(super) text: String,
    pub(super) series: Vec<u32>,
    pub(super) first_seen: i64,
    pub(super) last_seen: i64,
    pub(super) instances: Instances,
    pub(super) counting: Counting,
    /// In the order of [`TopDimension::ALL`].
    pub(super) tops: [Top; TopDimension::ALL.len()],
}

/// A stretch of seconds as it can be answered: exact from the horizon on, before it ten by ten.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    from: i64,
    to: i64,
    horizon: i64,
    /// Whether tens can lie in it.
    tens: bool,
}

impl Series {
    /// The sum over a stretch. A call is in a second or in a ten, never in both.
    pub(super) fn total(&self, stretch: &Stretch) -> Counts {
        let mut sum = self.seconds.total(stretch.from, stretch.to);
        if stretch.tens {
            self.tens.total(stretch.from, stretch.to, &mut sum);
        }
        sum
    }

    /// Every second of a stretch that has calls; before the horizon the beginning of its ten instead,
    /// which may come several times.
    pub(super) fn each(&self, stretch: &Stretch, mut visit: impl FnMut(i64, &Cell)) {
        if stretch.tens {
            self.tens.each(stretch.from, stretch.to, &mut visit);
        }
        self.seconds.each(stretch.from, stretch.to, |second, cell| {
            if second < stretch.horizon {
                visit(ten_of(second), cell);
            } else {
                visit(second, cell);
            }
        });
    }
}

impl Directory {
    pub(super) fn new(series_max: usize) -> Self {
        Directory {
            series_max,
            layers: CountedLayers::default(),
            now: Timestamp::EPOCH,
            series: Slots::new(),
            functions: Slots::new(),
            by_key: CodeTable::default(),
            stale_keys: 0,
            by_id: FunctionIndex::new(),
            seed: hash_seed(),
            sweep: Sweep::default(),
            tens_from: i64::MIN,
            tens_until: i64::MIN,
            tens_bytes: 0,
            tens_bytes_max: TENS_BYTES_MAX,
            instances: 0,
            top_values: 0,
            followers: Followers::default(),
            turned_away: RollupStats::default(),
        }
    }

    pub(super) fn stats(&self) -> RollupStats {
        let reach = self.now.as_seconds() - self.tens_from_at(self.now);
        RollupStats {
            series: self.series.len() as u64,
            functions: self.functions.len() as u64,
            instances: self.instances as u64,
            tens_bytes: self.tens_bytes as u64,
            reach_seconds: reach.clamp(0, TENS_SECONDS).unsigned_abs(),
            top_values: self.top_values as u64,
            ..self.turned_away
        }
    }

    /// The earliest second that is still told by itself.
    pub(super) fn horizon(&self) -> i64 {
        self.now.as_seconds() - BACK_SECONDS
    }

    /// The earliest ten that is told at a time. Seconds are always told, however late the start was.
    pub(super) fn tens_from_at(&self, now: Timestamp) -> i64 {
        let kept = ten_of(now.as_seconds() - TENS_SECONDS);
        let horizon = ten_of(now.as_seconds() - BACK_SECONDS);
        self.tens_from.max(kept).min(horizon)
    }

    /// Nothing before this second was counted.
    pub(super) fn begin_at(&mut self, second: i64) {
        self.tens_from = self
            .tens_from
            .max(ten_of(second.saturating_add(super::TEN - 1)));
    }

    /// The seconds `from..to` as they can be answered.
    pub(super) fn stretch(&self, from: i64, to: i64) -> Stretch {
        let horizon = self.horizon();
        let whole = |second: i64| second.saturating_add(super::TEN - 1);
        let from = if from < horizon {
            ten_of(from).max(self.tens_from_at(self.now))
        } else {
            from
        };
        Stretch {
            from,
            to: if to <= horizon { ten_of(whole(to)) } else { to },
            horizon,
            tens: from < self.tens_until,
        }
    }

    pub(super) fn functions(&self) -> impl Iterator<Item = &Function> {
        self.functions.iter()
    }

    pub(super) fn function(&self, id: &FunctionId) -> Option<&Function> {
        self.functions.get(*self.by_id.get(id)?)
    }

    pub(super) fn series_of<'a>(
        &'a self,
        function: &'a Function,
    ) -> impl Iterator<Item = &'a Series> {
        function.series.iter().filter_map(|at| self.series.get(*at))
    }

    /// Takes note of the time.
    pub(super) fn pass_to(&mut self, now: Timestamp) {
        self.now = now;
        self.tens_from = self.tens_from_at(now);
        self.tens_until = self.tens_until.max(self.horizon());
    }

    pub(super) fn apply(&mut self, applied: &Applied<'_>) -> Vec<Delta> {
        self.pass_to(applied.arrivals.now);
        self.turned_away.late_rows += applied.arrivals.late_rows;
        self.turned_away.corrected_rows += applied.arrivals.corrected_rows;
        self.turned_away.future_rows += applied.arrivals.future_rows;
        self.turned_away.unreadable_rows += applied.gathering.unreadable;
        let places = self.places(applied);
        let mut told = Told {
            wanted: self.followers.any(),
            ..Told::default()
        };
        let deltas = self.count(&places, applied, &mut told);
        self.sketch(&places, applied.latencies, &mut told);
        if told.wanted {
            self.followers.tell(&told.counted, &told.timed);
        }
        self.answer(&places, applied);
        self.name(&places, applied);
        self.sweep();
        deltas
    }

    /// Adds the gathered cells, merged where several keys of the batch share a series. Those before
    /// the horizon are tens, which nobody waits for.
    fn count(&mut self, places: &[Place], applied: &Applied<'_>, told: &mut Told) -> Vec<Delta> {
        let horizon = self.horizon();
        let mut cells: Vec<(u32, &Gathered)> = Vec::with_capacity(applied.gathering.cells.len());
        for cell in &applied.gathering.cells {
            let place = places.get(cell.key as usize);
            match place.and_then(|place| place.series_at(cell.bucket)) {
                Some(at) => cells.push((at, cell)),
                None => self.turned_away.inner_rows += cell.counts.calls(),
            }
        }
        cells.sort_unstable_by_key(|(at, cell)| (*at, cell.bucket));
        let mut deltas: Vec<Delta> = Vec::with_capacity(cells.len());
        for run in
            cells.chunk_by(|(at, cell), (next, other)| at == next && cell.bucket == other.bucket)
        {
            let Some((at, first)) = run.first() else {
                continue;
            };
            let mut counts = Counts::ZERO;
            for (_, cell) in run {
                counts.merge(&cell.counts);
                self.see(*at, cell);
            }
            let Some(series) = self.series.get_mut(*at) else {
                continue;
            };
            if first.bucket < horizon {
                self.tens_bytes -= series.tens.bytes();
                series.tens.add(&[(first.bucket, Cell::from(&counts))]);
                self.tens_bytes += series.tens.bytes();
                continue;
            }
            series.seconds.add(first.bucket, &counts);
            if told.wanted && series.key.traffic == Traffic::Live {
                told.counted.push(Counted {
                    series: *at,
                    second: first.bucket,
                    tally: Tally::from(&counts),
                });
            }
            deltas.push(Delta {
                series: Arc::clone(&series.key),
                second: first.bucket,
                counts,
            });
        }
        self.tidy(cells.iter().map(|(at, _)| *at));
        deltas
    }

    /// Notes when a function was seen, and what had to be counted as `__other__`.
    fn see(&mut self, at: u32, cell: &Gathered) {
        let Some(series) = self.series.get_mut(at) else {
            return;
        };
        series.counted_at = self.now;
        if series.key.namespace == FunctionId::OTHER {
            self.turned_away.other_rows += cell.counts.calls();
        }
        if let Some(function) = self.functions.get_mut(series.function) {
            function.first_seen = function.first_seen.min(cell.earliest);
            function.last_seen = function.last_seen.max(cell.latest);
        }
    }

    fn tidy(&mut self, touched: impl Iterator<Item = u32>) {
        let (now, horizon) = (self.now.as_seconds(), self.horizon());
        let mut before = None;
        for at in touched {
            if before.replace(at) == Some(at) {
                continue;
            }
            if let Some(series) = self.series.get_mut(at) {
                self.tens_bytes -= series.tens.bytes();
                series.seconds.tidy(now, horizon, &mut series.tens);
                series.tens.tidy(self.tens_from);
                self.tens_bytes += series.tens.bytes();
                series.latencies.tidy(horizon);
            }
        }
    }

    fn sketch(&mut self, places: &[Place], latencies: &[Latency], told: &mut Told) {
        for run in latencies.chunk_by(|one, other| one.key == other.key && one.ten == other.ten) {
            let Some(first) = run.first() else {
                continue;
            };
            let place = places.get(first.key as usize);
            let at = place.and_then(|place| place.series_at(first.ten * SKETCH_SECONDS));
            let Some(at) = at else { continue };
            let Some(series) = self.series.get_mut(at) else {
                continue;
            };
            let bins = run.chunk_by(|one, other| one.bin == other.bin);
            let bins = bins.filter_map(|same| Some((same.first()?.bin, same.len() as u64)));
            if told.wanted && series.key.traffic == Traffic::Live {
                told.timed.extend(bins.clone().map(|(bin, calls)| Timed {
                    series: at,
                    second: first.ten * SKETCH_SECONDS,
                    bin,
                    calls,
                }));
            }
            series.latencies.add(first.ten, bins);
        }
    }

    /// Notes which instances answered. Only live calls count: a pod that is tested by itself serves
    /// nobody. Every layer may name the instance, since a set counts nothing twice.
    fn answer(&mut self, places: &[Place], applied: &Applied<'_>) {
        for (key, instance, completed) in applied.answered.each() {
            let owner = places.get(key as usize).and_then(Place::live_function);
            let Some(function) = owner.and_then(|at| self.functions.get_mut(at)) else {
                continue;
            };
            let hash = hash_text(self.seed, applied.calls.instance_name(instance));
            let second = completed.min(self.now.as_micros()).div_euclid(MICROS);
            match function
                .instances
                .note(hash, second, self.instances < INSTANCES_MAX)
            {
                Noted::Known => {}
                Noted::Added => self.instances += 1,
                Noted::Full => self.turned_away.other_instances += 1,
            }
        }
    }

    /// Counts the values that live calls named; of rows that are no calls only the layer.
    fn name(&mut self, places: &[Place], applied: &Applied<'_>) {
        for cell in &applied.named.cells {
            let Some(place) = places.get(cell.key as usize) else {
                continue;
            };
            let owner = place.live_function();
            let Some(function) = owner.and_then(|at| self.functions.get_mut(at)) else {
                continue;
            };
            let counted = place.series_at(cell.minute).is_some();
            let values = applied.calls.named_values(&cell.values);
            let named = TopDimension::ALL.into_iter().zip(values);
            for ((dimension, value), top) in named.zip(&mut function.tops) {
                if value.is_empty() || !(counted || dimension == TopDimension::Layer) {
                    continue;
                }
                let room = self.top_values < CELLS_MAX;
                let folded = top.add(cell.minute, value, &cell.counts, room);
                self.top_values += usize::from(folded.added);
                self.turned_away.top_other_calls += folded.calls;
            }
        }
    }
}
