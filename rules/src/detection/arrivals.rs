//! Counts that were committed since somebody last looked.

use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use model::{FunctionId, Traffic};
use store::{Counts, SeriesKey};

use crate::windows::{GroupKey, Select, Tally};

/// A series told apart by where its key lies: the rollups have one key for each, and texts are slow to compare
/// for a hundred thousand of them in a second.
#[derive(Clone, Debug)]
pub(super) struct ByAddress(pub(super) Arc<SeriesKey>);

impl PartialEq for ByAddress {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ByAddress {}

impl Hash for ByAddress {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

/// Counts of live traffic by series, in arrival order: what was committed, whenever it happened.
#[derive(Clone, Debug, Default)]
pub struct Arrivals {
    series: HashMap<ByAddress, Tally>,
    left_out: u64,
}

impl Arrivals {
    /// The most series that wait for a look; calls of further ones are not seen by sequential tests.
    pub const SERIES_MAX: usize = 400_000;

    /// Adds what a commit counted. Traffic that is not live is left out.
    pub fn add(&mut self, series: &Arc<SeriesKey>, counts: &Counts) {
        if series.traffic != Traffic::Live {
            return;
        }
        let series = ByAddress(Arc::clone(series));
        if self.series.len() >= Self::SERIES_MAX && !self.series.contains_key(&series) {
            self.left_out += counts.counted();
            return;
        }
        let tally = self.series.entry(series).or_default();
        tally.merge(&Tally::from(counts));
    }

    /// Whether nothing has arrived.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Calls that were left out for lack of room.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Functions with failures among what arrived, at most so many.
    pub fn failing(&self, functions_max: usize) -> Vec<FunctionId> {
        let mut functions: Vec<FunctionId> = Vec::new();
        let failing = self.series.iter().filter(|(_, tally)| tally.failed > 0);
        for (series, _) in failing {
            let id = series.0.function_id();
            if functions.len() >= functions_max {
                break;
            }
            if !functions.contains(&id) {
                functions.push(id);
            }
        }
        functions
    }

    /// What arrived, series by series.
    pub(super) fn each(&self) -> impl Iterator<Item = (&ByAddress, &Tally)> {
        self.series.iter()
    }

    /// What arrived, by the groups of a selection.
    pub(crate) fn groups(
        &self,
        select: &Select,
    ) -> impl Iterator<Item = (GroupKey, FunctionId, Tally)> {
        let mut groups: BTreeMap<GroupKey, (FunctionId, Tally)> = BTreeMap::new();
        for (series, tally) in self.each() {
            let id = series.0.function_id();
            if !select.takes(&id.to_string()) {
                continue;
            }
            let key = GroupKey::of_series(&series.0, &select.by);
            let group = groups.entry(key).or_insert((id, Tally::default()));
            group.1.merge(tally);
        }
        groups
            .into_iter()
            .map(|(key, (function, tally))| (key, function, tally))
    }
}
