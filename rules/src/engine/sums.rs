//! What is asked once per tick and shared by the rules that look at the same window.

use std::collections::HashMap;
use std::rc::Rc;

use model::{FunctionId, Timestamp};
use store::Sketch;

use crate::sight::Completeness;
use crate::windows::{GroupKey, Select, Tally, Windows};

type Durations = Rc<Vec<(GroupKey, Sketch)>>;
type Asked = (Select, Option<FunctionId>, i64, i64);

/// One tick's view of the windows.
pub(super) struct Sums<'a> {
    pub(super) view: &'a dyn Windows,
    taken: HashMap<Asked, Rc<Vec<(GroupKey, Tally)>>>,
    durations: HashMap<(Select, i64, i64), Durations>,
    complete: HashMap<(i64, i64), Completeness>,
}

impl<'a> Sums<'a> {
    pub(super) fn new(view: &'a dyn Windows) -> Self {
        Sums {
            view,
            taken: HashMap::new(),
            durations: HashMap::new(),
            complete: HashMap::new(),
        }
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
    pub(super) fn latency(&mut self, select: &Select, from: i64, to: i64) -> Durations {
        let view = self.view;
        Rc::clone(
            self.durations
                .entry((select.clone(), from, to))
                .or_insert_with(|| Rc::new(view.latency(select, from, to))),
        )
    }

    pub(super) fn get(
        &mut self,
        select: &Select,
        only: Option<&FunctionId>,
        from: i64,
        to: i64,
    ) -> Rc<Vec<(GroupKey, Tally)>> {
        let view = self.view;
        Rc::clone(
            self.taken
                .entry((select.clone(), only.cloned(), from, to))
                .or_insert_with(|| Rc::new(view.sum(select, only, from, to))),
        )
    }
}
