//! Questions to the rollups: sums, timelines, latencies, functions.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use model::{FunctionId, Timestamp};

use super::directory::{Directory, Function, Series};
use super::layers::Counting;
use super::select::grouping;
use super::{
    Counts, Dimension, FunctionSeen, Group, Rollups, SKETCH_SECONDS, Selection, SeriesKey, Sketch,
    TIMELINE_POINTS_MAX, TopDimension, top,
};

impl Rollups {
    /// Counts of the seconds `from_second..to_second` per group, in order of group. A group whose
    /// series are known but had no call is there with zeros; nothing selected gives no group.
    ///
    /// Before [`Rollups::BACK_SECONDS`] only tens are kept. A range that begins there begins with the
    /// whole ten in which `from_second` lies, one that ends there ends with a whole ten.
    pub fn sum(
        &self,
        select: &Selection,
        by: &[Dimension],
        from_second: i64,
        to_second: i64,
    ) -> Vec<(Group, Counts)> {
        let directory = self.read();
        let stretch = directory.stretch(from_second, to_second);
        directory.fold(
            select,
            by,
            || Counts::ZERO,
            |sum, series| sum.merge(&series.total(&stretch)),
        )
    }

    /// Counts per group and step, oldest first: the first step begins at `from_second`, the last may
    /// be cut short by `to_second`. At most [`Rollups::TIMELINE_POINTS_MAX`] steps are told.
    ///
    /// Before [`Rollups::BACK_SECONDS`] a ten counts as a whole in the step in which it begins, the one
    /// in which `from_second` lies in the first: there the beginning and the step should be multiples
    /// of ten seconds, or steps are uneven.
    pub fn timeline(
        &self,
        select: &Selection,
        by: &[Dimension],
        from_second: i64,
        to_second: i64,
        step_seconds: i64,
    ) -> Vec<(Group, Vec<Counts>)> {
        let step = step_seconds.max(1);
        let span = to_second.saturating_sub(from_second).max(0).unsigned_abs();
        let points = usize::try_from(span.div_ceil(step.unsigned_abs())).unwrap_or(usize::MAX);
        let points = points.min(TIMELINE_POINTS_MAX);
        let directory = self.read();
        let stretch = directory.stretch(from_second, to_second);
        directory.fold(
            select,
            by,
            || vec![Counts::ZERO; points],
            |line, series| {
                series.each(&stretch, |second, cell| {
                    let at = (second - from_second).max(0) / step;
                    if let Some(counts) = line.get_mut(at.unsigned_abs() as usize) {
                        cell.add_to(counts);
                    }
                });
            },
        )
    }

    /// Shows every second of `from_second..to_second` in which a function had calls, series by series, each in order
    /// of time; the last quarter of an hour at most. About `seconds_max` seconds of all its series are looked at, which
    /// bounds how long whoever counts has to wait; the second reached is where to go on.
    pub(crate) fn each_second(
        &self,
        id: &FunctionId,
        (from_second, to_second): (i64, i64),
        seconds_max: usize,
        mut visit: impl FnMut(&Arc<SeriesKey>, i64, Counts),
    ) -> i64 {
        let directory = self.read();
        let Some(function) = directory.function(id) else {
            return to_second;
        };
        let from = from_second.max(directory.horizon());
        let each = (seconds_max / function.series.len().max(1)).max(1);
        let to = to_second.min(from.saturating_add(i64::try_from(each).unwrap_or(i64::MAX)));
        for series in directory.series_of(function) {
            series.seconds.each(from, to, |second, cell| {
                visit(&series.key, second, Counts::from(*cell));
            });
        }
        to
    }

    /// Latency per group over the sketches that begin in `from_second..to_second`, the first one
    /// being that in which `from_second` lies.
    pub fn latency(
        &self,
        select: &Selection,
        by: &[Dimension],
        from_second: i64,
        to_second: i64,
    ) -> Vec<(Group, Sketch)> {
        let directory = self.read();
        let tens = tens_of(from_second.max(directory.horizon())..to_second);
        directory.fold(select, by, Sketch::new, |sum, series| {
            series.latencies.total(tens.start, tens.end, sum);
        })
    }

    /// Every function that is remembered, in order of id.
    pub fn functions(&self) -> Vec<FunctionSeen> {
        let directory = self.read();
        let mut seen: Vec<_> = directory.functions().map(Function::seen).collect();
        seen.sort_unstable_by(|one, other| one.id.cmp(&other.id));
        seen
    }

    /// Distinct instances of a function that completed a live call at `from_second` or later, the
    /// last quarter of an hour at most. 0 also when records name no instance.
    pub fn instances(&self, id: &FunctionId, from_second: i64) -> u64 {
        let directory = self.read();
        let from = from_second.max(directory.horizon());
        directory
            .function(id)
            .map_or(0, |function| function.instances.since(from))
    }

    /// The first second from which on [`Rollups::sum`] and [`Rollups::timeline`] tell everything: six
    /// hours back, later when the log that was read at the start reaches less far or tens take too
    /// much memory.
    pub fn complete_from(&self) -> Timestamp {
        let directory = self.read();
        Timestamp::from_seconds(directory.tens_from_at(directory.now))
    }

    /// Live calls of a function by the value they named in a column, the most calls first, over the
    /// minutes that begin in `from_second..to_second`, the first being that in which `from_second`
    /// lies; the last quarter of an hour at most. Calls that name none are not told.
    ///
    /// Exact while a minute has at most 64 values. Beyond, `__other__` stands last with the calls whose
    /// value made room for others: no value is told more calls than it had, none misses more than
    /// `__other__` has, and one that had a 64th of a minute's calls is told, unless a million values
    /// are told apart in all.
    pub fn top(
        &self,
        id: &FunctionId,
        dimension: TopDimension,
        from_second: i64,
        to_second: i64,
    ) -> Vec<(String, Counts)> {
        let directory = self.read();
        let from = from_second.max(directory.horizon());
        let from = from.div_euclid(top::MINUTE) * top::MINUTE;
        let function = directory.function(id);
        let top = function.and_then(|function| function.tops.get(dimension as usize));
        top.map_or_else(Vec::new, |top| top.between(from, to_second))
    }

    /// Which layers of a function count.
    pub(crate) fn counting_of(&self, texts: [&str; 5]) -> Counting {
        self.read().counting(texts).1
    }

    /// One function, if it is remembered.
    pub fn function(&self, id: &FunctionId) -> Option<FunctionSeen> {
        self.read().function(id).map(Function::seen)
    }
}

impl Function {
    fn seen(&self) -> FunctionSeen {
        FunctionSeen {
            id: self.id.clone(),
            first_seen: Timestamp::from_micros(self.first_seen),
            last_seen: Timestamp::from_micros(self.last_seen),
        }
    }
}

impl Directory {
    fn fold<A>(
        &self,
        select: &Selection,
        by: &[Dimension],
        empty: impl Fn() -> A,
        mut add: impl FnMut(&mut A, &Series),
    ) -> Vec<(Group, A)> {
        let dimensions = grouping(by);
        let mut groups = Groups::new(&dimensions, empty);
        let exact = select.exact.as_ref().map(|id| self.function(id));
        let named = exact.iter().flatten().copied();
        let others = exact
            .is_none()
            .then(|| self.functions())
            .into_iter()
            .flatten();
        for function in named.chain(others) {
            let FunctionId { namespace, name } = &function.id;
            if !select.takes_function(namespace, name, &function.text) {
                continue;
            }
            for series in self.series_of(function) {
                if select.takes_series(&series.key) {
                    groups.add(series, &mut add);
                }
            }
        }
        groups.into_sorted()
    }
}

/// Accumulators by the values of the dimensions asked for.
struct Groups<'a, A, E> {
    dimensions: &'a [Dimension],
    empty: E,
    index: HashMap<[&'a str; Dimension::ALL.len()], usize>,
    sums: Vec<([&'a str; Dimension::ALL.len()], A)>,
    last: usize,
}

impl<'a, A, E: Fn() -> A> Groups<'a, A, E> {
    fn new(dimensions: &'a [Dimension], empty: E) -> Self {
        Groups {
            dimensions,
            empty,
            index: HashMap::new(),
            sums: Vec::new(),
            last: 0,
        }
    }

    /// Adds a series to its group. Series of one function follow each other, so the group before is
    /// tried first.
    fn add(&mut self, series: &'a Series, add: impl FnOnce(&mut A, &Series)) {
        let mut values = [""; Dimension::ALL.len()];
        for (value, dimension) in values.iter_mut().zip(self.dimensions) {
            *value = series.key.get(*dimension);
        }
        if self
            .sums
            .get(self.last)
            .is_none_or(|(own, _)| *own != values)
        {
            self.last = *self.index.entry(values).or_insert(self.sums.len());
            if self.last == self.sums.len() {
                self.sums.push((values, (self.empty)()));
            }
        }
        if let Some((_, sum)) = self.sums.get_mut(self.last) {
            add(sum, series);
        }
    }

    fn into_sorted(self) -> Vec<(Group, A)> {
        let mut sums = self.sums;
        sums.sort_unstable_by_key(|(values, _)| *values);
        let named = |values: [&str; 6]| {
            let pairs = self.dimensions.iter().zip(values);
            Group(
                pairs
                    .map(|(dimension, value)| (*dimension, value.to_owned()))
                    .collect(),
            )
        };
        sums.into_iter()
            .map(|(values, sum)| (named(values), sum))
            .collect()
    }
}

/// The ten-second spans a window takes.
fn tens_of(seconds: Range<i64>) -> Range<i64> {
    let up = seconds.end.saturating_add(SKETCH_SECONDS - 1);
    seconds.start.div_euclid(SKETCH_SECONDS)..up.div_euclid(SKETCH_SECONDS)
}
