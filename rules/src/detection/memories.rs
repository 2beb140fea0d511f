//! Memories by group, and how many groups share a function's budget.

use std::collections::HashMap;
use std::time::Duration;

use model::{FunctionId, Timestamp};

use super::Detection;
use crate::windows::{By, GroupKey};

/// Evidence that is not settled is stored this often.
const KEEP_RISING_EVERY: Duration = Duration::from_secs(10);
/// What was learned is stored this often.
const KEEP_EVERY: Duration = Duration::from_mins(10);
/// A group without calls is forgotten after this long.
pub(super) const FORGOTTEN_AFTER: Duration = Duration::from_hours(14 * 24);

/// What one group's memory must be able to do.
pub(super) trait Memory {
    /// Tells it how many groups share the function's budget.
    fn share(&mut self, groups: u32);
    /// Whether its evidence is not settled.
    fn is_rising(&self) -> bool;
    /// As bytes.
    fn to_record(&self) -> Vec<u8>;
    /// When the group last had calls.
    fn last_call(&self) -> Timestamp;
}

/// All memories of a rule.
pub(super) struct Memories<M> {
    by_group: HashMap<GroupKey, Kept<M>>,
    of_function: HashMap<FunctionId, Vec<GroupKey>>,
}

struct Kept<M> {
    memory: M,
    stored_at: Timestamp,
    /// Something happened that must not be forgotten.
    changed: bool,
}

impl<M> Default for Memories<M> {
    fn default() -> Self {
        Memories {
            by_group: HashMap::new(),
            of_function: HashMap::new(),
        }
    }
}

impl<M: Memory> Memories<M> {
    pub(super) fn get(&self, key: &GroupKey) -> Option<&M> {
        self.by_group.get(key).map(|kept| &kept.memory)
    }

    pub(super) fn get_mut(&mut self, key: &GroupKey) -> Option<&mut M> {
        self.by_group.get_mut(key).map(|kept| &mut kept.memory)
    }

    /// The group's memory; a new one when there is none and room for one more.
    pub(super) fn remember(
        &mut self,
        key: &GroupKey,
        by: &[By],
        now: Timestamp,
        new: impl FnOnce() -> M,
    ) -> Option<&mut M> {
        if !self.by_group.contains_key(key) {
            if self.by_group.len() >= Detection::MEMORIES_MAX {
                return None;
            }
            self.put(key.clone(), by, now, new());
        }
        self.get_mut(key)
    }

    /// Puts a memory in its place.
    pub(super) fn put(&mut self, key: GroupKey, by: &[By], now: Timestamp, memory: M) {
        // Spread over time, so that groups met together are not all stored together.
        let turn = self.by_group.len() as u64 % KEEP_EVERY.as_secs();
        let kept = Kept {
            memory,
            stored_at: now - Duration::from_secs(turn),
            changed: false,
        };
        let fresh = self.by_group.insert(key.clone(), kept).is_none();
        let Some(function) = key.function_id(by).filter(|_| fresh) else {
            return;
        };
        let groups = self.of_function.entry(function).or_default();
        groups.push(key);
        let share = u32::try_from(groups.len()).unwrap_or(u32::MAX);
        for group in groups.iter() {
            if let Some(kept) = self.by_group.get_mut(group) {
                kept.memory.share(share);
            }
        }
    }

    /// How many groups share the budget of this one's function.
    pub(super) fn sharing(&self, key: &GroupKey, by: &[By]) -> u32 {
        key.function_id(by)
            .and_then(|function| self.of_function.get(&function))
            .map_or(1, |groups| u32::try_from(groups.len()).unwrap_or(u32::MAX))
    }

    /// Has the group's memory stored with the next others.
    pub(super) fn mark(&mut self, key: &GroupKey) {
        if let Some(kept) = self.by_group.get_mut(key) {
            kept.changed = true;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&GroupKey, &M)> {
        self.by_group.iter().map(|(key, kept)| (key, &kept.memory))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&GroupKey, &mut M)> {
        self.by_group
            .iter_mut()
            .map(|(key, kept)| (key, &mut kept.memory))
    }

    /// The groups of one function.
    pub(super) fn of_function(&self, function: &FunctionId) -> &[GroupKey] {
        self.of_function.get(function).map_or(&[], Vec::as_slice)
    }

    /// Records that are due, at most so many; groups without calls for weeks are dropped.
    pub(super) fn due(
        &mut self,
        now: Timestamp,
        whole: bool,
        memories_max: usize,
    ) -> Vec<(GroupKey, Vec<u8>)> {
        self.by_group
            .retain(|_, kept| now.since(kept.memory.last_call()) < FORGOTTEN_AFTER);
        let known = &self.by_group;
        self.of_function.retain(|_, groups| {
            groups.retain(|key| known.contains_key(key));
            !groups.is_empty()
        });
        let mut due = Vec::new();
        for (key, kept) in &mut self.by_group {
            let age = now.since(kept.stored_at);
            let rising = kept.memory.is_rising() && age >= KEEP_RISING_EVERY;
            if !(whole || kept.changed || rising || age >= KEEP_EVERY) {
                continue;
            }
            if due.len() >= memories_max {
                break;
            }
            kept.stored_at = now;
            kept.changed = false;
            due.push((key.clone(), kept.memory.to_record()));
        }
        due
    }
}
