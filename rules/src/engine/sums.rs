//! What is asked once per tick and shared by the rules that look at the same window.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use model::{FunctionId, Timestamp};
use store::Sketch;

use super::joins::{Joins, Known, Pair};
use crate::sight::Completeness;
use crate::windows::{GroupKey, GroupSums, Select, Windows};

type Durations = Rc<Vec<(GroupKey, Sketch)>>;
type Asked = (Select, Option<FunctionId>, i64, i64);

/// One tick's view of the windows.
pub(super) struct Sums<'a> {
    pub(super) view: &'a dyn Windows,
    taken: HashMap<Asked, GroupSums>,
    durations: HashMap<Asked, Durations>,
    slower: HashMap<(Select, Duration, i64, i64), GroupSums>,
    complete: HashMap<(i64, i64), Completeness>,
    joins: Joins,
}

impl<'a> Sums<'a> {
    pub(super) fn new(view: &'a dyn Windows, joins: Joins) -> Self {
        Sums {
            view,
            taken: HashMap::new(),
            durations: HashMap::new(),
            slower: HashMap::new(),
            complete: HashMap::new(),
            joins,
        }
    }

    /// What the next tick need not find out again.
    pub(super) fn into_joins(mut self) -> Joins {
        self.joins.age();
        self.joins
    }

    /// Groups of a window beside those of a table.
    pub(super) fn join<K: Send + Sync + 'static>(
        &mut self,
        groups: &GroupSums,
        known: &Known<K>,
    ) -> Arc<Vec<Pair>> {
        self.joins.of(groups.keys(), known)
    }

    /// How complete `[from, to)` is as a whole.
    pub(super) fn completeness(&mut self, from: i64, to: i64) -> &Completeness {
        let view = self.view;
        self.complete.entry((from, to)).or_insert_with(|| {
            view.completeness(
                None,
                Timestamp::from_seconds(from),
                Timestamp::from_seconds(to),
            )
        })
    }

    /// Durations of the calls that were complete in `[from, to)`.
    pub(super) fn latency(
        &mut self,
        select: &Select,
        only: Option<&FunctionId>,
        from: i64,
        to: i64,
    ) -> Durations {
        let view = self.view;
        let asked = (select.clone(), only.cloned(), from, to);
        let known = self.durations.entry(asked);
        Rc::clone(known.or_insert_with(|| Rc::new(view.latency(select, only, from, to))))
    }

    /// Calls of the same stretch, and how many of them took longer than `limit`.
    pub(super) fn slower(
        &mut self,
        select: &Select,
        limit: Duration,
        from: i64,
        to: i64,
    ) -> GroupSums {
        let view = self.view;
        let known = self.slower.entry((select.clone(), limit, from, to));
        known
            .or_insert_with(|| view.slower(select, limit, from, to))
            .clone()
    }

    pub(super) fn get(
        &mut self,
        select: &Select,
        only: Option<&FunctionId>,
        from: i64,
        to: i64,
    ) -> GroupSums {
        let view = self.view;
        let known = self.taken.entry((select.clone(), only.cloned(), from, to));
        let sums = known.or_insert_with(|| match only {
            Some(_) => view.sum(select, only, from, to).into_iter().collect(),
            None => view.sums(select, from, to),
        });
        sums.clone()
    }
}
