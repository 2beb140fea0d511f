//! Which instances of a function answered lately. Bounded: what is beyond is counted, not told apart.

use super::INSTANCES_OF_ONE_MAX;
use crate::rows::intern::{CodeTable, mix};

/// The instances that answered in one batch, each with its latest completion.
#[derive(Default)]
pub(super) struct Answered {
    /// Index of the series' key in the batch, code of the instance, completion in microseconds.
    seen: Vec<(u32, u32, i64)>,
    table: CodeTable,
    last: usize,
}

impl Answered {
    /// Notes one call.
    pub(super) fn note(&mut self, key: u32, instance: u32, completed: i64) {
        let is_it =
            |seen: Option<&(u32, u32, i64)>| seen.is_some_and(|s| s.0 == key && s.1 == instance);
        if !is_it(self.seen.get(self.last)) {
            let hash = mix(u64::from(key), u64::from(instance));
            let found = self
                .table
                .find(hash, |at| is_it(self.seen.get(at as usize)));
            self.last = if let Some(at) = found {
                at as usize
            } else {
                self.table.insert(hash, self.seen.len() as u32);
                self.seen.push((key, instance, completed));
                self.seen.len() - 1
            };
        }
        if let Some((_, _, latest)) = self.seen.get_mut(self.last) {
            *latest = (*latest).max(completed);
        }
    }

    /// What was noted, each pair once.
    pub(super) fn each(&self) -> impl Iterator<Item = (u32, u32, i64)> {
        self.seen.iter().copied()
    }
}

/// What became of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noted {
    /// It was known already.
    Known,
    /// It is new.
    Added,
    /// There is no room for it.
    Full,
}

/// The instances of one function: a hash of each one's name, in order, and the second it answered last.
#[derive(Debug, Default)]
pub(super) struct Instances(Vec<(u64, i64)>);

impl Instances {
    /// Notes that an instance answered. `room` says whether any function may have one more.
    pub(super) fn note(&mut self, hash: u64, second: i64, room: bool) -> Noted {
        match self.0.binary_search_by_key(&hash, |(own, _)| *own) {
            Ok(at) => {
                if let Some((_, latest)) = self.0.get_mut(at) {
                    *latest = (*latest).max(second);
                }
                Noted::Known
            }
            Err(_) if !room || self.0.len() >= INSTANCES_OF_ONE_MAX => Noted::Full,
            Err(at) => {
                self.0.insert(at, (hash, second));
                Noted::Added
            }
        }
    }

    /// How many answered at this second or later.
    pub(super) fn since(&self, second: i64) -> u64 {
        self.0
            .iter()
            .filter(|(_, latest)| *latest >= second)
            .count() as u64
    }

    /// Forgets those that did not answer since; says how many.
    pub(super) fn forget_before(&mut self, second: i64) -> usize {
        let before = self.0.len();
        self.0.retain(|(_, latest)| *latest >= second);
        if self.0.capacity() > 16 + 4 * self.0.len() {
            self.0.shrink_to_fit();
        }
        before - self.0.len()
    }

    /// How many are told apart.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_told_once_with_its_latest_completion() {
        let mut answered = Answered::default();
        for (key, instance, completed) in [(0, 1, 5), (0, 2, 6), (0, 1, 9), (1, 1, 3), (0, 1, 4)] {
            answered.note(key, instance, completed);
        }
        let told: Vec<_> = answered.each().collect();
        assert_eq!(told, [(0, 1, 9), (0, 2, 6), (1, 1, 3)]);
    }

    #[test]
    fn instances_are_bounded_and_those_that_fell_silent_make_room() {
        let mut instances = Instances::default();
        for hash in 0..INSTANCES_OF_ONE_MAX as u64 {
            assert_eq!(instances.note(hash, 100, true), Noted::Added);
        }
        assert_eq!(instances.note(7, 160, true), Noted::Known);
        assert_eq!(instances.note(u64::MAX, 160, true), Noted::Full);
        assert_eq!(instances.since(101), 1);
        assert_eq!(instances.forget_before(101), INSTANCES_OF_ONE_MAX - 1);
        assert_eq!(instances.note(u64::MAX, 160, false), Noted::Full);
        assert_eq!(instances.note(u64::MAX, 160, true), Noted::Added);
        assert_eq!((instances.len(), instances.since(160)), (2, 2));
    }
}
