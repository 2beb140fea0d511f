//! The groups of a selection in order, and to which of them a series belongs.

use std::sync::Arc;

use store::SeriesKey;

use crate::windows::{GroupKey, Select};

/// A series that is not selected.
const NOBODY: u32 = u32::MAX;

/// Groups that ever had a call since this was made, in order of their keys.
#[derive(Debug)]
pub(super) struct Lineup {
    pub(super) select: Select,
    pub(super) keys: Arc<Vec<GroupKey>>,
    /// By the number of a series.
    group_of: Vec<u32>,
}

/// Where each group stands after others came between them.
pub(super) type Moved = Vec<u32>;

impl Lineup {
    pub(super) fn new(select: &Select) -> Lineup {
        Lineup {
            select: select.clone(),
            keys: Arc::default(),
            group_of: Vec::new(),
        }
    }

    /// The place of a series' group.
    #[inline]
    pub(super) fn group_of(&self, series: u32) -> Option<usize> {
        let group = self.group_of.get(series as usize).copied()?;
        (group != NOBODY).then_some(group as usize)
    }

    /// Takes series in. `Some` when groups came, and those that were there stand elsewhere.
    pub(super) fn take_in(&mut self, born: &[(u32, Arc<SeriesKey>)]) -> Option<Moved> {
        let of_born: Vec<(u32, Option<GroupKey>)> = born
            .iter()
            .map(|(at, series)| (*at, self.key_of(series)))
            .collect();
        let keys = of_born.iter().filter_map(|(_, key)| key.clone());
        let moved = self.make_room(keys.collect());
        for (at, key) in of_born {
            let at = at as usize;
            if self.group_of.len() <= at {
                self.group_of.resize(at + 1, NOBODY);
            }
            let group = key.and_then(|key| self.keys.binary_search(&key).ok());
            if let Some(own) = self.group_of.get_mut(at) {
                *own = group.map_or(NOBODY, |group| group as u32);
            }
        }
        moved
    }

    fn key_of(&self, series: &SeriesKey) -> Option<GroupKey> {
        let id = series.function_id().to_string();
        let taken = self.select.takes(&id);
        taken.then(|| GroupKey::of_series(series, &self.select.by))
    }

    /// Puts groups that are new into their places.
    fn make_room(&mut self, mut keys: Vec<GroupKey>) -> Option<Moved> {
        keys.retain(|key| self.keys.binary_search(key).is_err());
        keys.sort_unstable();
        keys.dedup();
        if keys.is_empty() {
            return None;
        }
        let mut moved = Vec::with_capacity(self.keys.len());
        let mut merged = Vec::with_capacity(self.keys.len() + keys.len());
        let mut fresh = keys.into_iter().peekable();
        for key in self.keys.iter() {
            while let Some(earlier) = fresh.next_if(|fresh| fresh < key) {
                merged.push(earlier);
            }
            moved.push(merged.len() as u32);
            merged.push(key.clone());
        }
        merged.extend(fresh);
        for group in self.group_of.iter_mut().filter(|group| **group != NOBODY) {
            *group = moved.get(*group as usize).copied().unwrap_or(NOBODY);
        }
        self.keys = Arc::new(merged);
        Some(moved)
    }
}
