//! All series, by key and by function; how a batch is counted and how what is idle is forgotten.

use std::sync::Arc;

use model::{FunctionId, Timestamp, Traffic};

use super::calls::{Codes, Gathered};
use super::instances::{Instances, Noted};
use super::latency::Latencies;
use super::seconds::Seconds;
use super::{
    Applied, BACK_SECONDS, Counts, Delta, FunctionIndex, IDLE_SECONDS, INSTANCES_MAX, Latency,
    MICROS, RollupStats, SeriesKey,
};
use crate::rows::intern::{CodeTable, hash_text, mix, seed};

/// How long it takes to look at every series once for what can be forgotten.
const SWEEP_SECONDS: i64 = 60;

#[derive(Debug)]
pub(super) struct Directory {
    series_max: usize,
    /// The time of the newest batch.
    pub(super) now: Timestamp,
    series: Slots<Series>,
    functions: Slots<Function>,
    by_key: CodeTable,
    /// Entries of `by_key` whose series is gone.
    stale_keys: usize,
    by_id: FunctionIndex,
    seed: u64,
    swept_until: i64,
    sweep_at: usize,
    late_rows: u64,
    future_rows: u64,
    other_rows: u64,
    unreadable_rows: u64,
    /// Instances of all functions together.
    instances: usize,
    other_instances: u64,
}

#[derive(Debug)]
pub(super) struct Series {
    pub(super) key: Arc<SeriesKey>,
    hash: u64,
    function: u32,
    counted_at: Timestamp,
    pub(super) seconds: Seconds,
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
}

impl Directory {
    pub(super) fn new(series_max: usize) -> Self {
        Directory {
            series_max,
            now: Timestamp::EPOCH,
            series: Slots::new(),
            functions: Slots::new(),
            by_key: CodeTable::default(),
            stale_keys: 0,
            by_id: FunctionIndex::new(),
            seed: seed(),
            swept_until: i64::MIN,
            sweep_at: 0,
            late_rows: 0,
            future_rows: 0,
            other_rows: 0,
            unreadable_rows: 0,
            instances: 0,
            other_instances: 0,
        }
    }

    pub(super) fn stats(&self) -> RollupStats {
        RollupStats {
            series: self.series.len as u64,
            functions: self.functions.len as u64,
            late_rows: self.late_rows,
            future_rows: self.future_rows,
            other_rows: self.other_rows,
            unreadable_rows: self.unreadable_rows,
            instances: self.instances as u64,
            other_instances: self.other_instances,
        }
    }

    /// The earliest second that is still told.
    pub(super) fn horizon(&self) -> i64 {
        self.now.as_seconds() - BACK_SECONDS
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

    pub(super) fn apply(&mut self, applied: &Applied<'_>) -> Vec<Delta> {
        self.now = applied.arrivals.now;
        self.late_rows += applied.arrivals.late_rows;
        self.future_rows += applied.arrivals.future_rows;
        self.unreadable_rows += applied.gathering.unreadable;
        let series: Vec<u32> = applied
            .gathering
            .keys
            .iter()
            .map(|codes| self.series_for(applied, codes))
            .collect();
        let deltas = self.count(&series, applied);
        self.sketch(&series, applied.latencies);
        self.answer(&series, applied);
        self.sweep();
        deltas
    }

    /// The series of a key of the batch, made when there is none and room for one.
    fn series_for(&mut self, applied: &Applied<'_>, codes: &Codes) -> u32 {
        let (texts, traffic) = applied.calls.texts(codes);
        let hash = self.hash(texts, traffic);
        if let Some(at) = self.find(hash, texts, traffic) {
            return at;
        }
        if self.series.len < self.series_max {
            return self.add(hash, texts, traffic);
        }
        let texts = [FunctionId::OTHER, FunctionId::OTHER, "", "", ""];
        let hash = self.hash(texts, traffic);
        self.find(hash, texts, traffic)
            .unwrap_or_else(|| self.add(hash, texts, traffic))
    }

    fn hash(&self, texts: [&str; 5], traffic: Traffic) -> u64 {
        let start = traffic as u64;
        texts
            .iter()
            .fold(start, |hash, text| mix(hash, hash_text(self.seed, text)))
    }

    fn find(&self, hash: u64, texts: [&str; 5], traffic: Traffic) -> Option<u32> {
        let [namespace, function, version, unit, zone] = texts;
        self.by_key.find(hash, |at| {
            self.series.get(at).is_some_and(|series| {
                let key = &series.key;
                key.function == function
                    && key.namespace == namespace
                    && key.version == version
                    && key.unit == unit
                    && key.zone == zone
                    && key.traffic == traffic
            })
        })
    }

    fn add(&mut self, hash: u64, texts: [&str; 5], traffic: Traffic) -> u32 {
        let [namespace, function, version, unit, zone] = texts.map(str::to_owned);
        let key = Arc::new(SeriesKey {
            namespace,
            function,
            version,
            unit,
            zone,
            traffic,
        });
        let owner = self.function_for(&key);
        let at = self.series.put(Series {
            key,
            hash,
            function: owner,
            counted_at: self.now,
            seconds: Seconds::new(),
            latencies: Latencies::default(),
        });
        self.by_key.insert(hash, at);
        if let Some(function) = self.functions.get_mut(owner) {
            function.series.push(at);
        }
        at
    }

    fn function_for(&mut self, key: &SeriesKey) -> u32 {
        let id = key.function_id();
        if let Some(at) = self.by_id.get(&id) {
            return *at;
        }
        let at = self.functions.put(Function {
            text: id.to_string(),
            id: id.clone(),
            series: Vec::new(),
            first_seen: i64::MAX,
            last_seen: i64::MIN,
            instances: Instances::default(),
        });
        self.by_id.insert(id, at);
        at
    }

    /// Adds the gathered cells, merged where several keys of the batch share a series.
    fn count(&mut self, series: &[u32], applied: &Applied<'_>) -> Vec<Delta> {
        let mut cells: Vec<(u32, &Gathered)> = applied
            .gathering
            .cells
            .iter()
            .filter_map(|cell| Some((*series.get(cell.key as usize)?, cell)))
            .collect();
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
            if let Some(series) = self.series.get_mut(*at) {
                series.seconds.add(first.bucket, &counts);
                deltas.push(Delta {
                    series: Arc::clone(&series.key),
                    second: first.bucket,
                    counts,
                });
            }
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
            self.other_rows += cell.counts.calls();
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
                series.seconds.tidy(now, horizon);
                series.latencies.tidy(horizon);
            }
        }
    }

    fn sketch(&mut self, series: &[u32], latencies: &[Latency]) {
        for run in latencies.chunk_by(|one, other| one.key == other.key && one.ten == other.ten) {
            let Some(first) = run.first() else {
                continue;
            };
            let at = series.get(first.key as usize).copied();
            let Some(series) = at.and_then(|at| self.series.get_mut(at)) else {
                continue;
            };
            let bins = run.chunk_by(|one, other| one.bin == other.bin);
            let bins = bins.filter_map(|same| Some((same.first()?.bin, same.len() as u64)));
            series.latencies.add(first.ten, bins);
        }
    }

    /// Notes which instances answered. Only live calls count: a pod that is tested by itself serves
    /// nobody.
    fn answer(&mut self, series: &[u32], applied: &Applied<'_>) {
        for (key, instance, completed) in applied.answered.each() {
            let owner = series
                .get(key as usize)
                .and_then(|at| self.series.get(*at))
                .filter(|series| series.key.traffic == Traffic::Live)
                .filter(|series| series.key.namespace != FunctionId::OTHER)
                .map(|series| series.function);
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
                Noted::Full => self.other_instances += 1,
            }
        }
    }

    /// Looks at as many series as the time since the last look asks for.
    fn sweep(&mut self) {
        let now = self.now.as_seconds();
        let elapsed = now.saturating_sub(self.swept_until);
        if elapsed == 0 {
            return;
        }
        self.swept_until = now;
        let slots = self.series.places.len();
        // A clock set back, or the first batch, counts as one second.
        let share = elapsed.clamp(1, SWEEP_SECONDS) as usize;
        let looks = (slots * share).div_ceil(SWEEP_SECONDS as usize);
        for _ in 0..looks {
            self.sweep_at = if self.sweep_at + 1 < slots {
                self.sweep_at + 1
            } else {
                0
            };
            self.sweep_one(self.sweep_at as u32);
        }
        if self.stale_keys > self.series.len + 1_024 {
            self.rebuild_keys();
        }
    }

    fn sweep_one(&mut self, at: u32) {
        let (now, horizon) = (self.now.as_seconds(), self.horizon());
        let Some(series) = self.series.get_mut(at) else {
            return;
        };
        series.seconds.sweep(now, horizon);
        series.latencies.sweep(now, horizon);
        let (owner, idle) = (
            series.function,
            now - series.counted_at.as_seconds() >= IDLE_SECONDS,
        );
        if let Some(function) = self.functions.get_mut(owner) {
            self.instances -= function.instances.forget_before(horizon);
        }
        if idle {
            self.forget(at);
        }
    }

    fn forget(&mut self, at: u32) {
        let Some(series) = self.series.take(at) else {
            return;
        };
        self.stale_keys += 1;
        let Some(function) = self.functions.get_mut(series.function) else {
            return;
        };
        function.series.retain(|own| *own != at);
        if function.series.is_empty()
            && let Some(function) = self.functions.take(series.function)
        {
            self.by_id.remove(&function.id);
            self.instances -= function.instances.len();
        }
    }

    fn rebuild_keys(&mut self) {
        self.by_key = CodeTable::default();
        self.stale_keys = 0;
        for (at, series) in self.series.places.iter().enumerate() {
            if let Some(series) = series {
                self.by_key.insert(series.hash, at as u32);
            }
        }
    }
}

/// Things with a number that stays theirs until they are taken out.
#[derive(Debug)]
struct Slots<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
    len: usize,
}

impl<T> Slots<T> {
    fn new() -> Self {
        Slots {
            places: Vec::new(),
            free: Vec::new(),
            len: 0,
        }
    }

    fn get(&self, at: u32) -> Option<&T> {
        self.places.get(at as usize)?.as_ref()
    }

    fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        self.places.get_mut(at as usize)?.as_mut()
    }

    fn iter(&self) -> impl Iterator<Item = &T> {
        self.places.iter().flatten()
    }

    fn put(&mut self, thing: T) -> u32 {
        self.len += 1;
        if let Some(at) = self.free.pop()
            && let Some(slot) = self.places.get_mut(at as usize)
        {
            *slot = Some(thing);
            return at;
        }
        self.places.push(Some(thing));
        (self.places.len() - 1) as u32
    }

    fn take(&mut self, at: u32) -> Option<T> {
        let thing = self.places.get_mut(at as usize)?.take()?;
        self.free.push(at);
        self.len -= 1;
        Some(thing)
    }
}
