//! One series, second by second: a hot part of running totals and sealed minutes before it. What is
//! too old for seconds goes on as [`Tens`].
//!
//! Running totals make the sum over any hot window two searches and a subtraction. A minute is
//! sealed once it ended [`HOT_SECONDS`] ago; a late row opens and reseals its minute.

use std::collections::VecDeque;

use super::bytes::make_room;
use super::cell::Cell;
use super::counts::Counts;
use super::run::Run;
use super::tens::Tens;
use super::{AHEAD_SECONDS, HOT_SECONDS};

const MINUTE: i64 = 60;

#[derive(Debug)]
pub(super) struct Seconds {
    /// Minutes in order, each before `sealed_until`.
    sealed: VecDeque<Minute>,
    sealed_until: i64,
    /// The running total before the first hot second.
    base: Cell,
    /// Seconds with calls, in order, each with the running total up to and with it.
    hot: VecDeque<(i64, Cell)>,
}

type Minute = Run<1>;

impl Seconds {
    pub(super) fn new() -> Self {
        Seconds {
            sealed: VecDeque::new(),
            sealed_until: i64::MIN,
            base: Cell::default(),
            hot: VecDeque::new(),
        }
    }

    /// Adds counts to a second.
    pub(super) fn add(&mut self, second: i64, counts: &Counts) {
        let cell = Cell::from(counts);
        if second < self.sealed_until {
            self.add_sealed(second, &cell);
            return;
        }
        // Nearly all come to the newest second, or one behind it.
        let at = match self.hot.back() {
            Some((newest, _)) if *newest == second => self.hot.len() - 1,
            Some((newest, _)) if *newest < second => self.hot.len(),
            _ => self.hot.partition_point(|(own, _)| *own < second),
        };
        if self.hot.get(at).is_none_or(|(own, _)| *own != second) {
            make_room(&mut self.hot, 16);
            self.hot.insert(at, (second, self.total_before(at)));
        }
        for (_, total) in self.hot.range_mut(at..) {
            *total = total.plus(&cell);
        }
    }

    /// Seals what is no longer hot; minutes past `horizon` go on as tens.
    pub(super) fn tidy(&mut self, now_second: i64, horizon: i64, tens: &mut Tens) {
        while let Some((first, _)) = self.hot.front() {
            let end = minute_of(*first) + MINUTE;
            if end > now_second - HOT_SECONDS {
                break;
            }
            self.seal_until(end);
        }
        let over = |minute: &mut Minute| minute.start + MINUTE <= horizon;
        while let Some(minute) = self.sealed.pop_front_if(over) {
            tens.add(&minute.cells());
        }
    }

    /// Gives memory back, and forgets seconds that a clock set back has put out of reach.
    pub(super) fn sweep(&mut self, now_second: i64, horizon: i64, tens: &mut Tens) {
        self.tidy(now_second, horizon, tens);
        let reach = now_second + AHEAD_SECONDS;
        while self.hot.back().is_some_and(|(second, _)| *second > reach) {
            self.hot.pop_back();
        }
        while self
            .sealed
            .back()
            .is_some_and(|minute| minute.start > reach)
        {
            self.sealed.pop_back();
        }
        let sealed_end = self
            .sealed
            .back()
            .map_or(i64::MIN, |minute| minute.start + MINUTE);
        if self.sealed_until > now_second {
            self.sealed_until = sealed_end;
        }
        if self.hot.is_empty() {
            self.hot = VecDeque::new();
        }
        if self.sealed.is_empty() {
            self.sealed = VecDeque::new();
        }
    }

    /// The sum over `from..to`.
    pub(super) fn total(&self, from: i64, to: i64) -> Counts {
        let mut counts = Counts::ZERO;
        for minute in self.sealed_between(from, to) {
            if from <= minute.start && minute.start + MINUTE <= to {
                minute.total.add_to(&mut counts);
            } else {
                minute.each(|second, cell| {
                    if (from..to).contains(&second) {
                        cell.add_to(&mut counts);
                    }
                });
            }
        }
        if from < to {
            let first = self.hot.partition_point(|(second, _)| *second < from);
            let end = self.hot.partition_point(|(second, _)| *second < to);
            self.total_before(end)
                .minus(&self.total_before(first))
                .add_to(&mut counts);
        }
        counts
    }

    /// Every second of `from..to` that has calls, in order.
    pub(super) fn each(&self, from: i64, to: i64, mut visit: impl FnMut(i64, &Cell)) {
        for minute in self.sealed_between(from, to) {
            minute.each(|second, cell| {
                if (from..to).contains(&second) {
                    visit(second, cell);
                }
            });
        }
        let first = self.hot.partition_point(|(second, _)| *second < from);
        let mut before = self.total_before(first);
        for (second, total) in self
            .hot
            .iter()
            .skip(first)
            .take_while(|(second, _)| *second < to)
        {
            visit(*second, &total.minus(&before));
            before = *total;
        }
    }

    fn sealed_between(&self, from: i64, to: i64) -> impl Iterator<Item = &Minute> {
        let first = self
            .sealed
            .partition_point(|minute| minute.start + MINUTE <= from);
        self.sealed
            .iter()
            .skip(first)
            .take_while(move |minute| minute.start < to)
    }

    fn total_before(&self, at: usize) -> Cell {
        match at.checked_sub(1).and_then(|before| self.hot.get(before)) {
            Some((_, total)) => *total,
            None => self.base,
        }
    }

    /// Moves the hot seconds before `end` into one sealed minute.
    fn seal_until(&mut self, end: i64) {
        let mut seconds = Vec::new();
        while let Some((second, total)) = self.hot.front().copied()
            && second < end
        {
            self.hot.pop_front();
            seconds.push((second, total.minus(&self.base)));
            self.base = total;
        }
        self.sealed_until = end;
        self.put_minute(end - MINUTE, &seconds);
    }

    fn add_sealed(&mut self, second: i64, cell: &Cell) {
        let start = minute_of(second);
        let known = self
            .sealed
            .binary_search_by_key(&start, |minute| minute.start);
        let minute = known.ok().and_then(|at| self.sealed.get(at));
        let mut seconds = minute.map(Minute::cells).unwrap_or_default();
        match seconds.binary_search_by_key(&second, |(own, _)| *own) {
            Ok(at) => {
                if let Some((_, own)) = seconds.get_mut(at) {
                    *own = own.plus(cell);
                }
            }
            Err(at) => seconds.insert(at, (second, *cell)),
        }
        self.put_minute(start, &seconds);
    }

    fn put_minute(&mut self, start: i64, seconds: &[(i64, Cell)]) {
        let minute = Minute::of(start, seconds);
        match self
            .sealed
            .binary_search_by_key(&start, |minute| minute.start)
        {
            Ok(at) => {
                if let Some(own) = self.sealed.get_mut(at) {
                    *own = minute;
                }
            }
            Err(at) => {
                make_room(&mut self.sealed, 4);
                self.sealed.insert(at, minute);
            }
        }
    }
}

fn minute_of(second: i64) -> i64 {
    second.div_euclid(MINUTE) * MINUTE
}
