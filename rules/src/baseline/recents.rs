//! Who had calls in the last hours, and how many: so that silence has a name.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use model::Timestamp;

use super::{MinuteRow, SeriesName};
use crate::windows::{GroupKey, Recent, Select};

const MINUTE: i64 = 60;

/// For each series its calls in the ten minutes up to its last call.
#[derive(Debug, Default)]
pub(crate) struct RecentCalls {
    series: HashMap<Arc<SeriesName>, BTreeMap<i64, u64>>,
    refused: usize,
}

impl RecentCalls {
    /// The most series remembered.
    pub(crate) const SERIES_MAX: usize = 500_000;

    fn usual_minutes() -> i64 {
        i64::try_from(Recent::USUAL_OVER.as_secs() / 60).unwrap_or(10)
    }

    /// How many series were not remembered for lack of room.
    pub(crate) fn refused(&self) -> usize {
        self.refused
    }

    /// Takes minutes in any order. All rows of a minute must come together; they replace what was
    /// known of that minute, because a minute that is still filling is read again.
    pub(crate) fn insert(&mut self, rows: Vec<MinuteRow>) {
        let mut sums: HashMap<(Arc<SeriesName>, i64), u64> = HashMap::new();
        for row in rows.into_iter().filter(|row| row.calls > 0) {
            *sums.entry((row.series, row.minute)).or_default() += row.calls;
        }
        for ((series, minute), calls) in sums {
            if !self.series.contains_key(&series) && self.series.len() >= Self::SERIES_MAX {
                self.refused += 1;
                continue;
            }
            let minutes = self.series.entry(series).or_default();
            minutes.insert(minute, calls);
            if let Some(last) = minutes.keys().next_back().copied() {
                *minutes = minutes.split_off(&(last - Self::usual_minutes() + 1));
            }
        }
    }

    /// Forgets who was not seen within memory.
    pub(crate) fn forget(&mut self, now: Timestamp) {
        let oldest = (now - Recent::MEMORY).as_seconds().div_euclid(MINUTE);
        self.series.retain(|_, minutes| {
            minutes
                .keys()
                .next_back()
                .is_some_and(|last| *last >= oldest)
        });
    }

    /// The groups of a selection, in order.
    pub(crate) fn groups(&self, select: &Select) -> Vec<(GroupKey, Recent)> {
        let mut groups: HashMap<GroupKey, BTreeMap<i64, u64>> = HashMap::new();
        for (series, minutes) in &self.series {
            let Some(key) = series.group(select) else {
                continue;
            };
            let sums = groups.entry(key).or_default();
            for (minute, calls) in minutes {
                *sums.entry(*minute).or_default() += calls;
            }
        }
        let mut recents: Vec<(GroupKey, Recent)> = groups
            .into_iter()
            .filter_map(|(key, minutes)| {
                let last = minutes.keys().next_back().copied()?;
                let calls: u64 = minutes
                    .range(last - Self::usual_minutes() + 1..)
                    .map(|(_, calls)| calls)
                    .sum();
                Some((
                    key,
                    Recent {
                        last_seen: Timestamp::from_seconds((last + 1) * MINUTE),
                        usual: calls as f64 / Recent::USUAL_OVER.as_secs_f64(),
                    },
                ))
            })
            .collect();
        recents.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        recents
    }
}
