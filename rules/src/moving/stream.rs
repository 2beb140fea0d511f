//! One thing that is counted, column by column, and the windows that go along it.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use store::Tally;

use super::column::Column;
use super::lineup::{Lineup, Moved};

/// How far before the furthest window columns are kept: a window may step back to wait for data.
const STEP_BACK_SECONDS: i64 = 64;
/// What nobody asked for in this time is given up.
const ASKED_WITHIN_SECONDS: i64 = 150;
/// How often that is looked for.
const TIDY_EVERY_SECONDS: i64 = 10;
/// How many columns there are at most; rows are believed ten minutes ahead.
const COLUMNS_MAX: usize = 4_096;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    /// Calls and failures, by the second.
    Calls,
    /// Calls and those that took longer than this bin, by ten seconds.
    Slower(u16),
}

impl Measure {
    /// How many seconds share a column.
    fn step(self) -> i64 {
        match self {
            Measure::Calls => 1,
            Measure::Slower(_) => store::Rollups::SKETCH_SECONDS,
        }
    }
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) measure: Measure,
    /// The number of the first column; a column's number is its beginning divided by the step.
    first: i64,
    columns: VecDeque<Column>,
    windows: Vec<Window>,
    /// Lengths of windows, and when each was asked for: also those that the columns do not reach yet.
    asked: Vec<(i64, i64)>,
    tidied_at: i64,
}

/// Sums of `[from, to)`: always those of exactly these columns.
#[derive(Debug)]
struct Window {
    lineup: usize,
    columns: Range<i64>,
    sums: Arc<Vec<Tally>>,
    asked_at: i64,
}

impl Stream {
    /// A stream that is told everything from this second on.
    pub(super) fn new(measure: Measure, from_second: i64, now_second: i64) -> Stream {
        Stream {
            measure,
            first: from_second.div_euclid(measure.step()),
            columns: VecDeque::new(),
            windows: Vec::new(),
            asked: Vec::new(),
            tidied_at: now_second,
        }
    }

    /// Adds what was counted to its column and to every window over it. What lies before the columns is
    /// before every window.
    pub(super) fn add(&mut self, series: u32, second: i64, tally: &Tally, lineups: &[Lineup]) {
        let number = second.div_euclid(self.measure.step());
        let Ok(at) = usize::try_from(number - self.first) else {
            return;
        };
        if at >= COLUMNS_MAX {
            return;
        }
        if at >= self.columns.len() {
            self.columns.resize_with(at + 1, Column::default);
        }
        if let Some(column) = self.columns.get_mut(at) {
            column.push(series, tally);
        }
        for window in &mut self.windows {
            if window.columns.contains(&number) {
                let group = lineups
                    .get(window.lineup)
                    .and_then(|it| it.group_of(series));
                let sums = Arc::make_mut(&mut window.sums);
                if let Some(sum) = group.and_then(|group| sums.get_mut(group)) {
                    sum.merge(tally);
                }
            }
        }
    }

    /// Sums by group of the columns that begin in `[from, to)`, the first being that in which `from` lies.
    /// `None` when the columns do not reach back that far.
    pub(super) fn sums(
        &mut self,
        lineup: usize,
        lineups: &[Lineup],
        from: i64,
        to: i64,
    ) -> Option<Arc<Vec<Tally>>> {
        let step = self.measure.step();
        let columns = from.div_euclid(step)..(to + step - 1).div_euclid(step);
        self.note(columns.end - columns.start, to);
        self.tidy(to);
        if columns.start < self.first || columns.is_empty() {
            return None;
        }
        let groups = lineups.get(lineup)?;
        let at = self.nearest(lineup, &columns).unwrap_or_else(|| {
            self.windows.push(Window {
                lineup,
                columns: columns.start..columns.start,
                sums: Arc::new(vec![Tally::default(); groups.keys.len()]),
                asked_at: to,
            });
            self.windows.len() - 1
        });
        let window = self.windows.get_mut(at)?;
        window.asked_at = to;
        window.move_to(columns, self.first, &self.columns, groups);
        Some(Arc::clone(&window.sums))
    }

    /// The window from which these columns are reached soonest, if that is sooner than from nothing.
    fn nearest(&self, lineup: usize, columns: &Range<i64>) -> Option<usize> {
        let length = columns.end - columns.start;
        let steps =
            |own: &Range<i64>| (own.start - columns.start).abs() + (own.end - columns.end).abs();
        let near = self.windows.iter().enumerate().filter(|(_, window)| {
            let own = &window.columns;
            // Another window of another rule stays where it is.
            window.lineup == lineup && own.end - own.start == length && steps(own) < length
        });
        near.min_by_key(|(_, window)| steps(&window.columns))
            .map(|(at, _)| at)
    }

    /// Groups stand elsewhere.
    pub(super) fn rearrange(&mut self, lineup: usize, moved: &Moved, groups: usize) {
        for window in self.windows.iter_mut().filter(|it| it.lineup == lineup) {
            let mut sums = vec![Tally::default(); groups];
            for (sum, at) in window.sums.iter().zip(moved) {
                if let Some(own) = sums.get_mut(*at as usize) {
                    *own = *sum;
                }
            }
            window.sums = Arc::new(sums);
        }
    }

    fn note(&mut self, length: i64, to: i64) {
        match self.asked.iter_mut().find(|(own, _)| *own == length) {
            Some((_, asked_at)) => *asked_at = to,
            None => self.asked.push((length, to)),
        }
    }

    /// Forgets windows that nobody asks for, and columns before those that somebody may ask for.
    fn tidy(&mut self, to: i64) {
        if (to - self.tidied_at).abs() < TIDY_EVERY_SECONDS {
            return;
        }
        self.tidied_at = to;
        let lately = |asked_at: i64| (to - asked_at).abs() < ASKED_WITHIN_SECONDS;
        self.windows.retain(|window| lately(window.asked_at));
        self.asked.retain(|(_, asked_at)| lately(*asked_at));
        let longest = self.asked.iter().map(|(length, _)| *length).max();
        let step = self.measure.step();
        let now = to.div_euclid(step);
        let keep = now - longest.unwrap_or(0) - STEP_BACK_SECONDS.div_euclid(step) - 1;
        let kept = self.windows.iter().map(|window| window.columns.start);
        let keep = kept.min().map_or(keep, |first| first.min(keep));
        while self.first < keep && self.columns.pop_front().is_some() {
            self.first += 1;
        }
    }

    /// Gives up the oldest columns until they take no more than so many bytes, with the windows over them.
    pub(super) fn shrink(&mut self, bytes_max: usize) {
        let mut bytes = self.bytes();
        while bytes > bytes_max
            && let Some(column) = self.columns.pop_front()
        {
            bytes -= column.bytes();
            self.first += 1;
        }
        let first = self.first;
        self.windows.retain(|window| window.columns.start >= first);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    fn bytes(&self) -> usize {
        self.columns.iter().map(Column::bytes).sum()
    }
}

impl Window {
    fn move_to(
        &mut self,
        wanted: Range<i64>,
        first: i64,
        columns: &VecDeque<Column>,
        groups: &Lineup,
    ) {
        let own = std::mem::replace(&mut self.columns, wanted.clone());
        if own == wanted {
            return;
        }
        let sums = Arc::make_mut(&mut self.sums);
        let mut fold = |number: i64, with: fn(&mut Tally, &Tally)| {
            let at = usize::try_from(number - first).ok();
            let Some(column) = at.and_then(|at| columns.get(at)) else {
                return;
            };
            column.each(|series, tally| {
                if let Some(sum) = groups
                    .group_of(series)
                    .and_then(|group| sums.get_mut(group))
                {
                    with(sum, &tally);
                }
            });
        };
        for number in own.clone().filter(|number| !wanted.contains(number)) {
            fold(number, |sum, tally| *sum = sum.less(tally));
        }
        for number in wanted.filter(|number| !own.contains(number)) {
            fold(number, Tally::merge);
        }
    }
}
