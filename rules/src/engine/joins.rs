//! Which group of a window stands beside which group of a table. Both change seldom, so that is found out once
//! and not every tick.

use std::any::Any;
use std::cmp::Ordering;
use std::sync::Arc;

use crate::windows::GroupKey;

/// Nobody stands there.
const NOBODY: u32 = u32::MAX;
/// Joins that nobody asked for in so many ticks are forgotten.
const UNUSED_TICKS_MAX: u32 = 120;

/// A group that either side knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    group: u32,
    known: u32,
}

impl Pair {
    pub(super) fn group(self) -> Option<usize> {
        (self.group != NOBODY).then_some(self.group as usize)
    }

    pub(super) fn known(self) -> Option<usize> {
        (self.known != NOBODY).then_some(self.known as usize)
    }
}

/// What tables know of groups, in order.
pub(super) type Known<K> = Arc<Vec<(GroupKey, K)>>;

/// The joins of the last ticks.
#[derive(Default)]
pub(super) struct Joins(Vec<Join>);

struct Join {
    /// Both are held, so that nothing else is ever found at their places.
    keys: Arc<Vec<GroupKey>>,
    known: Arc<dyn Any + Send + Sync>,
    pairs: Arc<Vec<Pair>>,
    unused_ticks: u32,
}

impl Joins {
    /// Both lists merged in order of groups.
    pub(super) fn of<K: Send + Sync + 'static>(
        &mut self,
        keys: &Arc<Vec<GroupKey>>,
        known: &Known<K>,
    ) -> Arc<Vec<Pair>> {
        let asked: Arc<dyn Any + Send + Sync> = Arc::<Vec<(GroupKey, K)>>::clone(known);
        let same = |join: &&mut Join| {
            Arc::ptr_eq(&join.keys, keys)
                && std::ptr::addr_eq(&raw const *join.known, &raw const *asked)
        };
        if let Some(join) = self.0.iter_mut().find(same) {
            join.unused_ticks = 0;
            return Arc::clone(&join.pairs);
        }
        let pairs = Arc::new(merge(keys, known));
        self.0.push(Join {
            keys: Arc::clone(keys),
            known: asked,
            pairs: Arc::clone(&pairs),
            unused_ticks: 0,
        });
        pairs
    }

    /// A tick is over.
    pub(super) fn age(&mut self) {
        self.0.retain_mut(|join| {
            join.unused_ticks += 1;
            join.unused_ticks <= UNUSED_TICKS_MAX
        });
    }
}

fn merge<K>(keys: &[GroupKey], known: &[(GroupKey, K)]) -> Vec<Pair> {
    let mut pairs = Vec::with_capacity(keys.len().max(known.len()));
    let (mut group, mut other) = (0, 0);
    loop {
        let order = match (keys.get(group), known.get(other)) {
            (Some(left), Some((right, _))) => left.cmp(right),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return pairs,
        };
        pairs.push(Pair {
            group: if order.is_le() { group as u32 } else { NOBODY },
            known: if order.is_ge() { other as u32 } else { NOBODY },
        });
        group += usize::from(order.is_le());
        other += usize::from(order.is_ge());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn keys(names: &BTreeSet<u8>) -> Vec<GroupKey> {
        let key = |name: &u8| GroupKey::new(vec![format!("{name:03}")]);
        names.iter().map(key).collect()
    }

    proptest! {
        #[test]
        fn every_group_of_either_side_stands_in_its_place(
            left in prop::collection::btree_set(0_u8..60, 0..40),
            right in prop::collection::btree_set(0_u8..60, 0..40),
        ) {
            let present = Arc::new(keys(&left));
            let known: Known<()> = Arc::new(keys(&right).into_iter().map(|key| (key, ())).collect());
            let mut joins = Joins::default();
            let pairs = joins.of(&present, &known);
            let told: Vec<(Option<&GroupKey>, Option<&GroupKey>)> = pairs
                .iter()
                .map(|pair| (
                    pair.group().map(|at| &present[at]),
                    pair.known().map(|at| &known[at].0),
                ))
                .collect();
            let both: BTreeSet<u8> = left.union(&right).copied().collect();
            let wanted: Vec<(Option<GroupKey>, Option<GroupKey>)> = both
                .iter()
                .map(|name| {
                    let key = || keys(&BTreeSet::from([*name])).pop();
                    (
                        left.contains(name).then(key).flatten(),
                        right.contains(name).then(key).flatten(),
                    )
                })
                .collect();
            let told: Vec<_> = told.into_iter().map(|(one, other)| (one.cloned(), other.cloned())).collect();
            prop_assert_eq!(told, wanted);
            prop_assert!(Arc::ptr_eq(&pairs, &joins.of(&present, &known)));
        }
    }
}
