//! Sums taken once per tick and shared by the rules that look at the same window.

use std::collections::HashMap;
use std::rc::Rc;

use model::FunctionId;

use crate::windows::{GroupKey, Select, Tally, Windows};

type Asked = (Select, Option<FunctionId>, i64, i64);

/// One tick's view of the windows.
pub(super) struct Sums<'a> {
    pub(super) view: &'a dyn Windows,
    taken: HashMap<Asked, Rc<Vec<(GroupKey, Tally)>>>,
}

impl<'a> Sums<'a> {
    pub(super) fn new(view: &'a dyn Windows) -> Self {
        Sums {
            view,
            taken: HashMap::new(),
        }
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
