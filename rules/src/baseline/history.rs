//! Minutes of earlier days that some rule compares with. Each minute is fetched once and kept while
//! a window still reaches over it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use model::Timestamp;

use super::{Exclusions, MinuteRow, SeriesName, same_local_time};
use crate::windows::{Against, GroupKey, LagRate, Select};

const MINUTE: i64 = 60;

/// Minutes in memory, by minute.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(super) minutes: BTreeMap<i64, Vec<(Arc<SeriesName>, u64)>>,
    rows: usize,
    full: bool,
}

impl History {
    /// The most rows kept: about 64 MB. Beyond it, minutes stay unfetched and the days they belong to
    /// are missing, which rules show as unknown.
    pub(crate) const ROWS_MAX: usize = 4_000_000;

    /// The minutes that are needed now and not yet here, as ranges of minutes; drops what is no
    /// longer needed.
    pub(crate) fn wanted(&mut self, against: &[Against], now: Timestamp) -> Vec<Range<i64>> {
        let needed: BTreeSet<i64> = against
            .iter()
            .flat_map(|against| {
                against
                    .days
                    .iter()
                    .flat_map(move |days| window(against, *days, now))
            })
            .collect();
        self.minutes.retain(|minute, _| needed.contains(minute));
        self.rows = self.minutes.values().map(Vec::len).sum();
        self.full = self.rows >= Self::ROWS_MAX;
        ranges(
            needed
                .into_iter()
                .filter(|minute| !self.minutes.contains_key(minute)),
        )
    }

    /// Whether minutes had to be left out for lack of room.
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }

    /// Takes all rows of a range; minutes without rows are known to be empty afterwards.
    pub(crate) fn insert(&mut self, range: Range<i64>, rows: Vec<MinuteRow>) {
        if self.rows + rows.len() > Self::ROWS_MAX {
            self.full = true;
            return;
        }
        self.rows += rows.len();
        for minute in range.clone() {
            self.minutes.entry(minute).or_default();
        }
        for row in rows {
            if range.contains(&row.minute) {
                self.minutes
                    .entry(row.minute)
                    .or_default()
                    .push((row.series, row.calls));
            }
        }
    }

    /// What each group had on each of the days, in order of groups.
    pub(crate) fn lag_rates(
        &self,
        select: &Select,
        against: &Against,
        exclusions: &Exclusions,
        now: Timestamp,
    ) -> Vec<(GroupKey, Vec<LagRate>)> {
        let mut groups: HashMap<GroupKey, Vec<u64>> = HashMap::new();
        let mut group_of: HashMap<&Arc<SeriesName>, Option<GroupKey>> = HashMap::new();
        for (index, days) in against.days.iter().enumerate() {
            for (series, calls) in self
                .minutes
                .range(window(against, *days, now))
                .flat_map(|(_, rows)| rows)
            {
                let group = group_of
                    .entry(series)
                    .or_insert_with(|| series.group(select));
                if let Some(group) = group {
                    let sums = groups
                        .entry(group.clone())
                        .or_insert_with(|| vec![0; against.days.len()]);
                    if let Some(sum) = sums.get_mut(index) {
                        *sum += calls;
                    }
                }
            }
        }
        let mut lag_rates: Vec<(GroupKey, Vec<LagRate>)> = groups
            .into_iter()
            .map(|(key, sums)| {
                let rates = against
                    .days
                    .iter()
                    .zip(sums)
                    .map(|(days, calls)| rate(&key, select, against, *days, calls, exclusions, now))
                    .collect();
                (key, rates)
            })
            .collect();
        lag_rates.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        lag_rates
    }
}

fn rate(
    key: &GroupKey,
    select: &Select,
    against: &Against,
    days: u32,
    calls: u64,
    exclusions: &Exclusions,
    now: Timestamp,
) -> LagRate {
    let minutes = window(against, days, now);
    let (from, to) = (minutes.start * MINUTE, minutes.end * MINUTE);
    let function = key.function_id(&select.by);
    let left_out = exclusions.touch(
        function.as_ref(),
        Timestamp::from_seconds(from),
        Timestamp::from_seconds(to),
    );
    if left_out {
        LagRate::LeftOut
    } else if calls == 0 {
        LagRate::Missing
    } else {
        LagRate::Present(calls as f64 / (to - from).max(1) as f64)
    }
}

/// The whole minutes that end where clocks showed, `days` ago, the minute that `now` lies in.
fn window(against: &Against, days: u32, now: Timestamp) -> Range<i64> {
    let length = i64::try_from(against.over.as_secs().div_ceil(60)).unwrap_or(1);
    let end = same_local_time(now, days, against.zone)
        .as_seconds()
        .div_euclid(MINUTE);
    end - length..end
}

fn ranges(minutes: impl Iterator<Item = i64>) -> Vec<Range<i64>> {
    let mut ranges: Vec<Range<i64>> = Vec::new();
    for minute in minutes {
        match ranges.last_mut() {
            Some(last) if last.end == minute => last.end = minute + 1,
            _ => ranges.push(minute..minute + 1),
        }
    }
    ranges
}
