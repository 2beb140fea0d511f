//! The memories of sequential tests: one for each group of a rule with `detect: early`. Fed with counts as
//! they are committed, moved by ticks, kept in the state database.

mod arrivals;
mod failing;
mod falling;
mod memories;

use std::collections::HashSet;

use model::{FunctionId, Labels, Ratio, Timestamp};

use crate::condition::Condition;
use crate::engine::{Found, Sieve, Steps};
use crate::windows::{By, EvaluationError, GroupKey, Select, Tally};

pub use arrivals::Arrivals;

use failing::Failings;
use falling::Fallings;

/// The sequential tests of one rule.
pub(crate) enum Detection {
    /// That calls fail.
    Failing(Failings),
    /// That calls stop coming.
    Falling(Fallings),
}

/// What a moment is like, as far as a memory learns from it.
#[derive(Clone, Copy)]
pub(crate) struct Moment<'a> {
    pub(crate) now: Timestamp,
    /// Whether this is everyday time of which everything is seen.
    pub(crate) everyday: bool,
    /// Functions that something is wrong with.
    pub(crate) in_episode: &'a HashSet<FunctionId>,
}

impl Moment<'_> {
    fn is_clean(&self, function: Option<&FunctionId>) -> bool {
        self.everyday && function.is_none_or(|function| !self.in_episode.contains(function))
    }

    /// The same; the function is asked for only when it matters.
    fn is_clean_for(&self, function: impl Fn() -> Option<FunctionId>) -> bool {
        if !self.everyday || self.in_episode.is_empty() {
            return self.everyday;
        }
        self.is_clean(function().as_ref())
    }
}

/// One memory as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredMemory {
    /// The rule's name.
    pub rule: String,
    /// The label set.
    pub labels: Labels,
    /// When it was as the record says.
    pub at: Timestamp,
    /// What the crate `early` makes of it.
    pub record: Vec<u8>,
}

impl Detection {
    /// The most memories of one rule; further label sets are not watched.
    pub(crate) const MEMORIES_MAX: usize = 200_000;

    /// Memories for a condition, if it is one that remembers.
    pub(crate) fn of(condition: &Condition) -> Option<Detection> {
        match condition {
            Condition::FailsEarly(condition) => {
                Some(Detection::Failing(Failings::new(condition.clone())))
            }
            Condition::FallsEarly(condition) => {
                Some(Detection::Falling(Fallings::new(condition.clone())))
            }
            _ => None,
        }
    }

    /// Goes on under other settings of the same kind. `false` when the kind is another.
    pub(crate) fn declare(&mut self, condition: &Condition) -> bool {
        match (self, condition) {
            (Detection::Failing(own), Condition::FailsEarly(condition)) => own.declare(condition),
            (Detection::Falling(own), Condition::FallsEarly(condition)) => own.declare(condition),
            _ => return false,
        }
        true
    }

    /// Goes on with other functions.
    pub(crate) fn reselect(&mut self, select: &Select, now: Timestamp) {
        match self {
            Detection::Failing(own) => own.reselect(select, now),
            Detection::Falling(own) => own.reselect(select, now),
        }
    }

    /// Takes in counts that have just been committed.
    pub(crate) fn arrive(&mut self, select: &Select, arrivals: &Arrivals, moment: Moment<'_>) {
        if let Detection::Failing(own) = self {
            own.arrive(select, arrivals, moment);
        }
    }

    /// Takes in counts of a second before a restart that the memory may not have seen.
    pub(crate) fn replay(
        &mut self,
        select: &Select,
        tallies: &[(GroupKey, Tally)],
        moment: Moment<'_>,
    ) {
        if let Detection::Failing(own) = self {
            for (key, tally) in tallies {
                own.replay(key, &select.by, *tally, moment);
            }
        }
    }

    /// Lets time pass, and judges steps whose data has arrived.
    pub(crate) fn advance(
        &mut self,
        select: &Select,
        needed: Ratio,
        steps: &mut Steps<'_, '_>,
        moment: Moment<'_>,
    ) -> Result<(), EvaluationError> {
        match self {
            Detection::Failing(own) => {
                own.advance(&select.by, needed, steps, moment);
                Ok(())
            }
            Detection::Falling(own) => own.advance(select, needed, steps, moment),
        }
    }

    /// What the memories say, of all groups or of one function's.
    pub(crate) fn verdicts(
        &self,
        only: Option<&FunctionId>,
        now: Timestamp,
        sieve: Sieve<'_>,
    ) -> Found {
        match self {
            Detection::Failing(own) => own.verdicts(only, now, sieve),
            Detection::Falling(own) => own.verdicts(only, sieve),
        }
    }

    /// What is known of one group, in numbers for a person.
    pub(crate) fn numbers(&self, key: &GroupKey) -> Option<String> {
        match self {
            Detection::Failing(own) => own.numbers(key),
            Detection::Falling(own) => own.numbers(key),
        }
    }

    /// Nobody watched for a while: what was counted in part teaches nothing.
    pub(crate) fn interrupt(&mut self) {
        if let Detection::Failing(own) = self {
            own.interrupt();
        }
    }

    /// Memories to be stored now: those with open evidence, changed ones, and the rest in turn; at most
    /// `memories_max`, all when `whole`.
    pub(crate) fn due(
        &mut self,
        by: &[By],
        now: Timestamp,
        whole: bool,
        memories_max: usize,
    ) -> Vec<(GroupKey, Vec<u8>)> {
        match self {
            Detection::Failing(own) => own.due(by, now, whole, memories_max),
            Detection::Falling(own) => own.due(by, now, whole, memories_max),
        }
    }

    /// Takes a stored memory up. `Err` says why it cannot be; the group then learns anew.
    pub(crate) fn recall(
        &mut self,
        key: GroupKey,
        select: &Select,
        at: Timestamp,
        record: &[u8],
    ) -> Result<(), early::RecordError> {
        match self {
            Detection::Failing(own) => own.recall(key, &select.by, at, record),
            Detection::Falling(own) => own.recall(key, &select.by, at, record),
        }
    }

    /// An episode is under way that this memory may not know of, because it was stored before.
    pub(crate) fn resume(&mut self, key: &GroupKey, select: &Select, now: Timestamp) {
        match self {
            Detection::Failing(own) => own.resume(key, &select.by, now),
            Detection::Falling(own) => own.resume(key, &select.by, now),
        }
    }
}

fn millis(at: Timestamp) -> u64 {
    u64::try_from(at.as_millis()).unwrap_or(0)
}
