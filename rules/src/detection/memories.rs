//! Memories by group, and how many groups share a function's budget.
//!
//! They lie side by side in the order in which their groups were met. A tick goes through them in that order and
//! reads no more of one that is well than its [`Glance`].

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use model::{FunctionId, Timestamp};
use store::Tally;

use super::Detection;
use super::arrivals::{Arrivals, ByAddress};
use crate::condition::Verdict;
use crate::engine::{Found, Sieve};
use crate::windows::{By, GroupKey, Select};

/// Evidence that is not settled is stored this often.
const KEEP_RISING_EVERY: Duration = Duration::from_secs(10);
/// What was learned is stored this often.
const KEEP_EVERY: Duration = Duration::from_mins(10);
/// A group without calls is forgotten after this long.
pub(super) const FORGOTTEN_AFTER: Duration = Duration::from_hours(14 * 24);
/// The group of a series that the rule does not watch, or that found no room.
const NOBODY: u32 = u32::MAX;

/// What one group's memory must be able to do.
pub(super) trait Memory {
    /// Tells it how many groups share the function's budget.
    fn share(&mut self, groups: u32);
    /// Whether its evidence is not settled.
    fn is_rising(&self) -> bool;
    /// As bytes.
    fn to_record(&self) -> Vec<u8>;
    /// What a tick has to know of it.
    fn glance(&self) -> Glance;
}

/// What a tick has to know of a memory before it looks closer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Glance {
    /// When the group last had calls.
    pub(super) last_call: Timestamp,
    /// When it was last looked at.
    pub(super) looked_at: Timestamp,
    /// Whether there is nothing to find out and nothing to tell.
    pub(super) calm: bool,
}

/// All memories of a rule.
pub(super) struct Memories<M> {
    index: HashMap<GroupKey, u32>,
    keys: Vec<GroupKey>,
    kept: Vec<Kept<M>>,
    glances: Vec<Glance>,
    of_function: HashMap<FunctionId, Vec<u32>>,
    /// The groups of series that were met.
    of_series: HashMap<ByAddress, u32>,
    /// What arrived for each group since it was taken.
    arrived: Vec<Tally>,
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
            index: HashMap::new(),
            keys: Vec::new(),
            kept: Vec::new(),
            glances: Vec::new(),
            of_function: HashMap::new(),
            of_series: HashMap::new(),
            arrived: Vec::new(),
        }
    }
}

impl<M: Memory> Memories<M> {
    pub(super) fn find(&self, key: &GroupKey) -> Option<u32> {
        self.index.get(key).copied()
    }

    pub(super) fn get(&self, key: &GroupKey) -> Option<&M> {
        self.at(self.find(key)?)
    }

    pub(super) fn at(&self, at: u32) -> Option<&M> {
        self.kept.get(at as usize).map(|kept| &kept.memory)
    }

    pub(super) fn key(&self, at: u32) -> Option<&GroupKey> {
        self.keys.get(at as usize)
    }

    /// Changes a memory. What the work says decides whether it is stored with the next others.
    pub(super) fn change(&mut self, at: u32, work: impl FnOnce(&mut M) -> bool) {
        let at = at as usize;
        if let Some(kept) = self.kept.get_mut(at) {
            kept.changed |= work(&mut kept.memory);
            if let Some(glance) = self.glances.get_mut(at) {
                *glance = kept.memory.glance();
            }
        }
    }

    /// Changes all of them.
    pub(super) fn change_all(&mut self, mut work: impl FnMut(&mut M)) {
        for (kept, glance) in self.kept.iter_mut().zip(&mut self.glances) {
            work(&mut kept.memory);
            *glance = kept.memory.glance();
        }
    }

    /// How many there are; their numbers are those below.
    pub(super) fn len(&self) -> u32 {
        self.kept.len() as u32
    }

    /// What a tick has to know of one.
    pub(super) fn glance(&self, at: u32) -> Option<Glance> {
        self.glances.get(at as usize).copied()
    }

    /// The group's memory; a new one when there is none and room for one more.
    pub(super) fn remember(
        &mut self,
        key: &GroupKey,
        by: &[By],
        now: Timestamp,
        new: impl FnOnce() -> M,
    ) -> Option<u32> {
        if let Some(at) = self.find(key) {
            return Some(at);
        }
        if self.kept.len() >= Detection::MEMORIES_MAX {
            return None;
        }
        Some(self.put(key.clone(), by, now, new()))
    }

    /// Puts a memory in its place.
    pub(super) fn put(&mut self, key: GroupKey, by: &[By], now: Timestamp, memory: M) -> u32 {
        // Spread over time, so that groups met together are not all stored together.
        let turn = self.kept.len() as u64 % KEEP_EVERY.as_secs();
        let glance = memory.glance();
        let kept = Kept {
            memory,
            stored_at: now - Duration::from_secs(turn),
            changed: false,
        };
        if let Some(at) = self.find(&key) {
            if let Some(own) = self.kept.get_mut(at as usize) {
                *own = kept;
            }
            self.change(at, |_| false);
            return at;
        }
        let at = self.kept.len() as u32;
        self.index.insert(key.clone(), at);
        self.keys.push(key.clone());
        self.kept.push(kept);
        self.glances.push(glance);
        self.arrived.push(Tally::default());
        if let Some(function) = key.function_id(by) {
            self.of_function
                .entry(function.clone())
                .or_default()
                .push(at);
            self.share(&function);
        }
        at
    }

    fn share(&mut self, function: &FunctionId) {
        let groups = self.of_function.get(function).cloned().unwrap_or_default();
        let share = u32::try_from(groups.len()).unwrap_or(u32::MAX);
        for at in groups {
            self.change(at, |memory| {
                memory.share(share);
                false
            });
        }
    }

    /// How many groups share the budget of this one's function.
    pub(super) fn sharing(&self, key: &GroupKey, by: &[By]) -> u32 {
        key.function_id(by)
            .and_then(|function| self.of_function.get(&function))
            .map_or(1, |groups| u32::try_from(groups.len()).unwrap_or(u32::MAX))
    }

    /// What arrived, by group, in the order of memories; groups that are met for the first time are remembered.
    pub(super) fn sort(
        &mut self,
        arrivals: &Arrivals,
        select: &Select,
        now: Timestamp,
        new: impl Fn() -> M,
    ) -> Vec<(u32, Tally)> {
        let mut met = Vec::new();
        for (series, tally) in arrivals.each().filter(|(_, tally)| tally.counted > 0) {
            let known = self.of_series.get(series).copied();
            let at = known.unwrap_or_else(|| self.meet(series, select, now, &new));
            let Some(own) = self.arrived.get_mut(at as usize) else {
                continue;
            };
            if own.is_zero() {
                met.push(at);
            }
            own.merge(tally);
        }
        met.sort_unstable();
        let taken = met.into_iter().filter_map(|at| {
            let own = self.arrived.get_mut(at as usize)?;
            Some((at, std::mem::take(own)))
        });
        taken.collect()
    }

    fn meet(
        &mut self,
        series: &ByAddress,
        select: &Select,
        now: Timestamp,
        new: impl FnOnce() -> M,
    ) -> u32 {
        if !select.takes(&series.0.function_id().to_string()) {
            self.of_series.insert(series.clone(), NOBODY);
            return NOBODY;
        }
        let key = GroupKey::of_series(&series.0, &select.by);
        let Some(at) = self.remember(&key, &select.by, now, new) else {
            // There may be room another time.
            return NOBODY;
        };
        self.of_series.insert(series.clone(), at);
        at
    }

    /// What the memories say, of all groups or of one function's.
    pub(super) fn verdicts(
        &self,
        only: Option<&FunctionId>,
        sieve: Sieve<'_>,
        calm: impl Fn(Glance) -> bool,
        verdict: impl Fn(&M) -> Verdict,
    ) -> Found {
        if let Some(function) = only {
            let groups = self.of_function.get(function).into_iter().flatten();
            let told = groups.filter_map(|at| {
                let kept = self.kept.get(*at as usize)?;
                Some((self.key(*at)?.clone(), verdict(&kept.memory)))
            });
            return sieve.pour(told.collect());
        }
        let mut found = Found::default();
        for (at, glance) in self.glances.iter().enumerate() {
            if !sieve.is_open() && calm(*glance) {
                found.met += 1;
                continue;
            }
            let (Some(key), Some(kept)) = (self.keys.get(at), self.kept.get(at)) else {
                continue;
            };
            let verdict = verdict(&kept.memory);
            found.count(key, &verdict);
            if sieve.tells(&verdict) {
                found.told.push((key.clone(), verdict));
            }
        }
        // Nobody else may be moved by being well.
        for key in sieve.active() {
            if let Some(verdict) = self.get(key).map(&verdict)
                && !sieve.tells(&verdict)
            {
                found.told.push((key.clone(), verdict));
            }
        }
        found
    }

    /// Records that are due, at most so many; groups without calls for weeks are dropped.
    pub(super) fn due(
        &mut self,
        by: &[By],
        now: Timestamp,
        whole: bool,
        memories_max: usize,
    ) -> Vec<(GroupKey, Vec<u8>)> {
        self.forget(by, now);
        let mut due = Vec::new();
        for (key, kept) in self.keys.iter().zip(&mut self.kept) {
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

    fn forget(&mut self, by: &[By], now: Timestamp) {
        let stays = |glance: &Glance| now.since(glance.last_call) < FORGOTTEN_AFTER;
        // Series that the rollups gave up are not held on to.
        self.of_series
            .retain(|series, _| Arc::strong_count(&series.0) > 1);
        if !self.glances.iter().all(stays) {
            self.retain(by, now, |_, glance| stays(glance));
        }
    }

    /// Goes on with the functions that a changed selection still takes. A group of several functions is another one
    /// now and is learned anew.
    pub(super) fn reselect(&mut self, select: &Select, now: Timestamp) {
        self.retain(&select.by, now, |key, _| select.takes_function_of(key));
    }

    /// Keeps some groups. What series are part of is found out anew.
    fn retain(&mut self, by: &[By], now: Timestamp, stays: impl Fn(&GroupKey, &Glance) -> bool) {
        let old = std::mem::take(self);
        for ((key, kept), glance) in old.keys.into_iter().zip(old.kept).zip(&old.glances) {
            if stays(&key, glance) {
                let at = self.put(key, by, now, kept.memory);
                if let Some(own) = self.kept.get_mut(at as usize) {
                    (own.stored_at, own.changed) = (kept.stored_at, kept.changed);
                }
            }
        }
    }
}
