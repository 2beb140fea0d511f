//! What sequential tests may ask of the windows.

use std::time::Duration;

use model::{FunctionId, Ratio, Timestamp};

use super::sums::Sums;
use crate::condition::{TelemetryLate, Why};
use crate::sight::Completeness;
use crate::windows::{Against, Baselines, EvaluationError, GroupSums, Select};

/// The windows of one tick, and since when nothing was missed.
pub(crate) struct Steps<'s, 'v> {
    pub(super) sums: &'s mut Sums<'v>,
    pub(super) now: Timestamp,
    pub(super) watched_since: Timestamp,
}

impl Steps<'_, '_> {
    /// How complete the newest minute is that should have arrived.
    pub(crate) fn completeness_lately(&self, function: Option<&FunctionId>) -> Completeness {
        let to = self.now - TelemetryLate::SETTLED;
        let from = to - TelemetryLate::OVER;
        self.sums.view.completeness(function, from, to)
    }

    /// Why nothing can be said about `[from, to)` yet, if so.
    pub(crate) fn blindness(
        &mut self,
        function: Option<&FunctionId>,
        needed: Ratio,
        from: i64,
        to: i64,
    ) -> Option<Why> {
        let (start, end) = (Timestamp::from_seconds(from), Timestamp::from_seconds(to));
        if start < self.watched_since {
            let seconds = u64::try_from(to - from).unwrap_or(0);
            return Some(Why::JustStarted {
                over: Duration::from_secs(seconds),
            });
        }
        let completeness = match function {
            None => self.sums.completeness(from, to).clone(),
            Some(_) => self.sums.view.completeness(function, start, end),
        };
        match completeness {
            Completeness::Unknown { why } => Some(Why::Blind(why)),
            Completeness::Known(share) if share < needed => Some(Why::Incomplete {
                share: share.get(),
                needed: needed.get(),
            }),
            Completeness::Known(_) => None,
        }
    }

    /// What earlier days had.
    pub(crate) fn baseline(
        &self,
        select: &Select,
        against: &Against,
    ) -> Result<Baselines, EvaluationError> {
        self.sums.view.baseline(select, against, self.now)
    }

    /// Counts of `[from, to)`.
    pub(crate) fn sum(&mut self, select: &Select, from: i64, to: i64) -> GroupSums {
        self.sums.get(select, None, from, to)
    }
}
