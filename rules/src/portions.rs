//! Calls of one kind beside all calls, and calls by who answered them.

use model::{FunctionId, Outcome, Traffic};
use store::{Counts, Dimension, Rollups, Selection, TopDimension};

use crate::view::{dimension, key_of, selection};
use crate::windows::{GroupKey, Select, Tally};

/// One kind of calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// This hop answered.
    ServedBy(String),
    /// They named this kind of error.
    ErrorType(String),
    /// They ended this way.
    Outcome(Outcome),
    /// They waited for an instance to start.
    ColdStart,
    /// They are this traffic, not only live.
    Traffic(Traffic),
}

/// Calls of a part and all of them, unweighted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Portion {
    /// Calls of the part.
    pub part: u64,
    /// All calls, whatever their outcome.
    pub calls: u64,
}

impl Part {
    /// The word of `of:`.
    pub fn of(&self) -> &'static str {
        match self {
            Part::ServedBy(_) => "served_by",
            Part::ErrorType(_) => "error_type",
            Part::Outcome(_) => "outcome",
            Part::ColdStart => "cold_start",
            Part::Traffic(_) => "traffic",
        }
    }

    /// The word of `value:`, if it has one.
    pub fn value(&self) -> Option<&str> {
        match self {
            Part::ServedBy(value) | Part::ErrorType(value) => Some(value),
            Part::Outcome(outcome) => Some(outcome.as_str()),
            Part::ColdStart => None,
            Part::Traffic(traffic) => Some(traffic.as_str()),
        }
    }

    /// Whether it is counted by minutes and for functions as a whole.
    pub fn is_by_minute(&self) -> bool {
        matches!(self, Part::ServedBy(_) | Part::ErrorType(_))
    }

    /// What such calls do: `were served by java`.
    pub fn phrase(&self) -> String {
        match self {
            Part::ServedBy(value) => format!("were served by {value}"),
            Part::ErrorType(value) => format!("failed with {value}"),
            Part::Outcome(outcome) => format!("ended with {outcome}"),
            Part::ColdStart => "were cold starts".to_owned(),
            Part::Traffic(traffic) => format!("were {traffic} traffic"),
        }
    }
}

/// Calls of a part per group out of rollups, in order; groups without calls are left out.
pub(crate) fn portions_of(
    rollups: &Rollups,
    select: &Select,
    part: &Part,
    from: i64,
    to: i64,
) -> Vec<(GroupKey, Portion)> {
    match part {
        Part::ServedBy(value) => named(rollups, select, TopDimension::ServedBy, value, from, to),
        Part::ErrorType(value) => named(rollups, select, TopDimension::ErrorType, value, from, to),
        Part::Outcome(outcome) => counted(rollups, select, from, to, |c| c.of(*outcome)),
        Part::ColdStart => counted(rollups, select, from, to, |c| c.cold_starts),
        Part::Traffic(traffic) => of_traffic(rollups, select, *traffic, from, to),
    }
}

/// Calls of each function by the hop that answered.
pub(crate) fn served_of(
    rollups: &Rollups,
    select: &Select,
    from: i64,
    to: i64,
) -> Vec<(GroupKey, Vec<(String, Tally)>)> {
    let called = totals(rollups, select, from, to);
    let hops = called.into_iter().map(|(key, function, _)| {
        let hops = rollups.top(&function, TopDimension::ServedBy, from, to);
        let hops = hops
            .into_iter()
            .map(|(hop, counts)| (hop, Tally::from(&counts)));
        (key, hops.collect())
    });
    hops.collect()
}

fn counted(
    rollups: &Rollups,
    select: &Select,
    from: i64,
    to: i64,
    part: impl Fn(&Counts) -> u64,
) -> Vec<(GroupKey, Portion)> {
    let by: Vec<Dimension> = select.by.iter().map(|by| dimension(*by)).collect();
    rollups
        .sum(&selection(select, None), &by, from, to)
        .into_iter()
        .filter(|(_, counts)| !counts.is_zero())
        .map(|(group, counts)| {
            let portion = Portion {
                part: part(&counts),
                calls: counts.calls(),
            };
            (key_of(group), portion)
        })
        .collect()
}

fn of_traffic(
    rollups: &Rollups,
    select: &Select,
    traffic: Traffic,
    from: i64,
    to: i64,
) -> Vec<(GroupKey, Portion)> {
    let by: Vec<Dimension> = select.by.iter().map(|by| dimension(*by)).collect();
    let all = Selection {
        traffic: Traffic::ALL.to_vec(),
        ..selection(select, None)
    };
    let own = Selection {
        traffic: vec![traffic],
        ..all.clone()
    };
    let mut of_part = rollups.sum(&own, &by, from, to).into_iter().peekable();
    let sums = rollups.sum(&all, &by, from, to).into_iter();
    let sums = sums.filter(|(_, counts)| !counts.is_zero());
    sums.map(|(group, counts)| {
        let key = key_of(group);
        let mut part = 0;
        // Both come in order of their groups, and the part's are among all.
        while let Some((own, counts)) = of_part.next_if(|(own, _)| key_of(own.clone()) <= key) {
            if key_of(own) == key {
                part = counts.calls();
            }
        }
        let calls = counts.calls();
        (key, Portion { part, calls })
    })
    .collect()
}

fn named(
    rollups: &Rollups,
    select: &Select,
    dimension: TopDimension,
    value: &str,
    from: i64,
    to: i64,
) -> Vec<(GroupKey, Portion)> {
    let called = totals(rollups, select, from, to);
    let portions = called.into_iter().map(|(key, function, calls)| {
        let values = rollups.top(&function, dimension, from, to);
        let part = values.iter().find(|(own, _)| own == value);
        let part = part.map_or(0, |(_, counts)| counts.calls());
        (key, Portion { part, calls })
    });
    portions.collect()
}

/// All calls of each function since the beginning of the minute in which `from` lies, as values of columns
/// are counted.
fn totals(
    rollups: &Rollups,
    select: &Select,
    from: i64,
    to: i64,
) -> Vec<(GroupKey, FunctionId, u64)> {
    let from = from.div_euclid(60) * 60;
    let sums = counted(rollups, select, from, to, |_| 0).into_iter();
    sums.filter_map(|(key, portion)| {
        let function = key.function_id(&select.by)?;
        Some((key, function, portion.calls))
    })
    .collect()
}
