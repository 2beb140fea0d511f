//! Times that are no baseline: sales and incidents.

use std::collections::HashMap;

use model::{FunctionId, Timestamp};

type Stretch = (Timestamp, Timestamp);

/// Stretches of time to be left out, for everything or for one function.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exclusions {
    everywhere: Vec<Stretch>,
    by_function: HashMap<FunctionId, Vec<Stretch>>,
    count: usize,
}

impl Exclusions {
    /// The most stretches kept; beyond it, the newest are not added and their days count as usual.
    pub(crate) const COUNT_MAX: usize = 50_000;

    pub(crate) fn add(&mut self, function: Option<FunctionId>, from: Timestamp, to: Timestamp) {
        if self.count >= Self::COUNT_MAX || to <= from {
            return;
        }
        self.count += 1;
        match function {
            Some(id) => self.by_function.entry(id).or_default().push((from, to)),
            None => self.everywhere.push((from, to)),
        }
    }

    /// Whether any part of `[from, to)` is to be left out.
    pub(crate) fn touch(
        &self,
        function: Option<&FunctionId>,
        from: Timestamp,
        to: Timestamp,
    ) -> bool {
        let meets = |stretch: &Stretch| stretch.0 < to && from < stretch.1;
        self.everywhere.iter().any(meets)
            || function
                .and_then(|id| self.by_function.get(id))
                .is_some_and(|stretches| stretches.iter().any(meets))
    }
}
