//! What earlier days and the last hours had. Kept in memory, bounded, filled once a minute.

mod calendar;
mod exclusions;
mod history;
mod recents;

use std::sync::Arc;

use crate::windows::{By, GroupKey, Select};

pub(crate) use calendar::same_local_time;
pub(crate) use exclusions::Exclusions;
pub(crate) use history::History;
pub(crate) use recents::RecentCalls;

/// Whose calls: the dimensions that alerts can be told apart by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SeriesName {
    pub(crate) namespace: String,
    pub(crate) function: String,
    pub(crate) unit: String,
    pub(crate) version: String,
    pub(crate) zone: String,
}

/// Live calls of one series in one minute.
#[derive(Clone, Debug)]
pub(crate) struct MinuteRow {
    pub(crate) series: Arc<SeriesName>,
    /// Unix seconds / 60.
    pub(crate) minute: i64,
    /// Calls, scaled by their sampling weight.
    pub(crate) calls: u64,
}

impl SeriesName {
    fn get(&self, by: By) -> &str {
        match by {
            By::Namespace => &self.namespace,
            By::Function => &self.function,
            By::Unit => &self.unit,
            By::Version => &self.version,
            By::Zone => &self.zone,
        }
    }

    /// The group of a selection it belongs to, if the selection takes it.
    pub(crate) fn group(&self, select: &Select) -> Option<GroupKey> {
        select
            .takes(&format!("{}/{}", self.namespace, self.function))
            .then(|| {
                GroupKey::new(
                    select
                        .by
                        .iter()
                        .map(|by| self.get(*by).to_owned())
                        .collect(),
                )
            })
    }
}

#[cfg(test)]
mod tests;
