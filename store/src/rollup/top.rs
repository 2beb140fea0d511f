//! Which values of a column a function's live calls named, minute by minute, at most 64 a minute.
//!
//! With more values than that the least of them makes room, as in SpaceSaving (Metwally, Agrawal, El
//! Abbadi, ICDT 2005), and its calls go to `__other__`. So sums stay exact, what is told of a value is
//! never too much and never more than `__other__` too little, and a value that a share of 1/64 of a
//! minute's calls named is always told, unless [`CELLS_MAX`] is reached.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use model::FunctionId;

use super::bytes::make_room;
use super::calls::Call;
use super::cell::Cell;
use super::{AHEAD_SECONDS, Counts};
use crate::rows::intern::{CodeTable, mix};

/// How many values of one function are told apart in a minute.
pub(crate) const VALUES_MAX: usize = 64;
/// The longest value that is told.
pub(crate) const VALUE_BYTES_MAX: usize = 128;
/// How many values are told apart in all, once for every function, column and minute: about 100 MB.
pub(crate) const CELLS_MAX: usize = 1 << 20;

pub(super) const MINUTE: i64 = 60;

/// A column whose values are counted per function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TopDimension {
    /// The error's kind, in the platform's words.
    ErrorType,
    /// Who wrote the record.
    Layer,
    /// Which hop answered.
    ServedBy,
}

impl TopDimension {
    /// Every one of them.
    pub const ALL: [TopDimension; 3] = [
        TopDimension::ErrorType,
        TopDimension::Layer,
        TopDimension::ServedBy,
    ];

    /// The column of `invocations`.
    pub const fn as_str(self) -> &'static str {
        match self {
            TopDimension::ErrorType => "error_type",
            TopDimension::Layer => "layer",
            TopDimension::ServedBy => "served_by",
        }
    }
}

/// The codes of the values a row names, in the order of [`TopDimension::ALL`]; [`ABSENT`] for none.
pub(crate) type NamedCodes = [u32; TopDimension::ALL.len()];

/// No value.
pub(crate) const ABSENT: u32 = u32::MAX;

/// The calls of one batch by series, minute and the values they name.
#[derive(Default)]
pub(super) struct NamedCalls {
    pub(super) cells: Vec<NamedCell>,
    table: CodeTable,
    /// By series of the batch, the cell that was counted in last.
    last: Vec<u32>,
}

pub(super) struct NamedCell {
    /// Index into the batch's keys.
    pub(super) key: u32,
    /// When the minute begins.
    pub(super) minute: i64,
    pub(super) values: NamedCodes,
    pub(super) counts: Counts,
}

impl NamedCalls {
    /// Notes one call.
    pub(super) fn note(&mut self, key: u32, values: NamedCodes, second: i64, call: &Call) {
        let minute = second.div_euclid(MINUTE) * MINUTE;
        let cells = &self.cells;
        let is_it = |at: u32| {
            cells.get(at as usize).is_some_and(|cell| {
                cell.key == key && cell.minute == minute && cell.values == values
            })
        };
        if self.last.len() <= key as usize {
            self.last.resize(key as usize + 1, u32::MAX);
        }
        let last = self.last.get(key as usize).copied().unwrap_or(u32::MAX);
        let at = if is_it(last) {
            last
        } else {
            let [one, two, three] = values.map(u64::from);
            let hash = mix(
                mix(u64::from(key) << 32 | one, two << 32 | three),
                minute.cast_unsigned(),
            );
            self.table.find(hash, is_it).unwrap_or_else(|| {
                let at = self.cells.len() as u32;
                self.table.insert(hash, at);
                self.cells.push(NamedCell {
                    key,
                    minute,
                    values,
                    counts: Counts::ZERO,
                });
                at
            })
        };
        if let Some(last) = self.last.get_mut(key as usize) {
            *last = at;
        }
        if let Some(cell) = self.cells.get_mut(at as usize) {
            call.count_in(&mut cell.counts);
        }
    }
}

/// The values of one column of one function, minutes in order.
#[derive(Debug, Default)]
pub(super) struct Top(VecDeque<Minute>);

#[derive(Debug)]
struct Minute {
    start: i64,
    values: Vec<Counted>,
    /// Seldom there.
    other: Option<Box<Cell>>,
}

#[derive(Debug)]
struct Counted {
    value: Arc<str>,
    cell: Cell,
    /// The most calls of this value that may have been folded before it was told.
    missed_max: u64,
}

/// What adding to a top did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Folded {
    /// Whether one more value is told apart.
    pub(super) added: bool,
    /// Calls that were moved to `__other__`.
    pub(super) calls: u64,
}

impl Top {
    /// Adds the calls of a minute that named a value. `room` says whether one more may be told apart.
    pub(super) fn add(&mut self, start: i64, value: &str, counts: &Counts, room: bool) -> Folded {
        let cell = Cell::from(counts);
        let place = self.0.binary_search_by_key(&start, |minute| minute.start);
        let at = place.unwrap_or_else(|at| {
            let minute = Minute {
                start,
                values: Vec::new(),
                other: None,
            };
            make_room(&mut self.0, 4);
            self.0.insert(at, minute);
            at
        });
        let known = self.0.get(at).and_then(|minute| minute.find(value));
        if known.is_none() && value.len() <= VALUE_BYTES_MAX {
            let name = self.name(at, value);
            return match self.0.get_mut(at) {
                Some(minute) => minute.admit(name, &cell, room),
                None => Folded::default(),
            };
        }
        let Some(minute) = self.0.get_mut(at) else {
            return Folded::default();
        };
        if let Some(own) = known.and_then(|at| minute.values.get_mut(at)) {
            own.cell = own.cell.plus(&cell);
            return Folded::default();
        }
        minute.fold(&cell)
    }

    /// Forgets minutes that end before `horizon` or lie too far ahead; says how many values went.
    pub(super) fn forget(&mut self, now_second: i64, horizon: i64) -> usize {
        let before = self.len();
        let reach = now_second + AHEAD_SECONDS;
        self.0
            .retain(|minute| minute.start + MINUTE > horizon && minute.start <= reach);
        if self.0.is_empty() {
            self.0 = VecDeque::new();
        }
        before - self.len()
    }

    /// How many values are told apart, once for every minute.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|minute| minute.values.len()).sum()
    }

    /// Calls per value of the minutes that begin in `from..to`, the most calls first; what was folded
    /// is last.
    pub(super) fn between(&self, from: i64, to: i64) -> Vec<(String, Counts)> {
        let mut sums: BTreeMap<&str, Counts> = BTreeMap::new();
        let mut other = Counts::ZERO;
        for minute in self
            .0
            .iter()
            .filter(|minute| (from..to).contains(&minute.start))
        {
            for own in &minute.values {
                own.cell.add_to(sums.entry(&own.value).or_default());
            }
            if let Some(folded) = &minute.other {
                folded.add_to(&mut other);
            }
        }
        let mut told: Vec<(String, Counts)> = sums
            .into_iter()
            .map(|(value, counts)| (value.to_owned(), counts))
            .collect();
        told.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.calls()));
        if !other.is_zero() {
            told.push((FunctionId::OTHER.to_owned(), other));
        }
        told
    }

    /// The name as a neighbouring minute holds it, so that it is held once.
    fn name(&self, at: usize, value: &str) -> Arc<str> {
        let neighbours = [at.checked_sub(1), at.checked_add(1)];
        let known = neighbours.into_iter().flatten().find_map(|at| {
            let minute = self.0.get(at)?;
            minute.values.get(minute.find(value)?)
        });
        known.map_or_else(|| Arc::from(value), |own| Arc::clone(&own.value))
    }
}

impl Minute {
    fn find(&self, value: &str) -> Option<usize> {
        self.values.iter().position(|own| &*own.value == value)
    }

    fn admit(&mut self, value: Arc<str>, cell: &Cell, room: bool) -> Folded {
        if self.values.len() < VALUES_MAX {
            if !room {
                return self.fold(cell);
            }
            // Most minutes name one value, or two.
            self.values
                .reserve_exact(usize::from(self.values.len() < 4));
            self.values.push(Counted {
                value,
                cell: *cell,
                missed_max: 0,
            });
            return Folded {
                added: true,
                calls: 0,
            };
        }
        let rank = |own: &Counted| own.cell.calls().saturating_add(own.missed_max);
        let Some(least) = self.values.iter_mut().min_by_key(|own| rank(own)) else {
            return self.fold(cell);
        };
        let newcomer = Counted {
            value,
            cell: *cell,
            missed_max: rank(least),
        };
        let gone = std::mem::replace(least, newcomer).cell;
        self.fold(&gone)
    }

    fn fold(&mut self, cell: &Cell) -> Folded {
        let other = self.other.get_or_insert_default();
        **other = other.plus(cell);
        Folded {
            added: false,
            calls: cell.calls(),
        }
    }
}

#[cfg(test)]
mod tests;
