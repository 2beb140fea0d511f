//! What rules look at: counts per group over a stretch of seconds, what earlier days had, and how
//! much of the truth has arrived. A small trait, so that the engine never meets a store.

use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;
use model::{FunctionId, Functions, Labels, Timestamp};
use store::{SeriesKey, Sketch};

use crate::capacity::{Capacity, PodsGauge};
pub use crate::portions::{Part, Portion};
use crate::sight::Completeness;
use crate::view::dimension;
pub use store::Tally;

/// A dimension that alerts can be told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum By {
    /// The first part of a function's identity.
    Namespace,
    /// The function; implies its namespace.
    Function,
    /// The cell of the deployment.
    Unit,
    /// The deployed version.
    Version,
    /// The data centre.
    Zone,
}

impl By {
    /// The words of `by:`, in declaration order.
    pub const WORDS: [&'static str; 5] = ["namespace", "function", "unit", "version", "zone"];

    /// The word in `by:`, which is also the label's name.
    pub fn as_str(self) -> &'static str {
        match self {
            By::Namespace => "namespace",
            By::Function => "function",
            By::Unit => "unit",
            By::Version => "version",
            By::Zone => "zone",
        }
    }

    /// The dimension with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "namespace" => Some(By::Namespace),
            "function" => Some(By::Function),
            "unit" => Some(By::Unit),
            "version" => Some(By::Version),
            "zone" => Some(By::Zone),
            _ => None,
        }
    }
}

/// One combination of the values of `by`, in the same order. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupKey(Arc<[String]>);

impl GroupKey {
    /// From the values, in the order of `by`.
    pub fn new(values: Vec<String>) -> Self {
        GroupKey(values.into())
    }

    /// The group of a series.
    pub(crate) fn of_series(series: &SeriesKey, by: &[By]) -> Self {
        let values = by.iter().map(|by| series.get(dimension(*by)).to_owned());
        GroupKey(values.collect())
    }

    /// The value of one dimension.
    pub fn get(&self, by: &[By], wanted: By) -> Option<&str> {
        by.iter()
            .position(|dimension| *dimension == wanted)
            .and_then(|index| self.0.get(index))
            .map(String::as_str)
    }

    /// The same group without one dimension.
    pub fn without(&self, by: &[By], left_out: By) -> GroupKey {
        let kept = by.iter().zip(self.0.iter());
        GroupKey(
            kept.filter(|(dimension, _)| **dimension != left_out)
                .map(|(_, value)| value.clone())
                .collect(),
        )
    }

    /// The function, when `by` holds it.
    pub fn function_id(&self, by: &[By]) -> Option<FunctionId> {
        Some(FunctionId {
            namespace: self.get(by, By::Namespace)?.to_owned(),
            name: self.get(by, By::Function)?.to_owned(),
        })
    }

    /// As labels; empty values are no labels.
    pub fn labels(&self, by: &[By]) -> Labels {
        Labels::from_pairs(
            by.iter()
                .zip(self.0.iter())
                .map(|(dimension, value)| (dimension.as_str(), value.as_str())),
        )
    }

    /// The group these labels name; `None` when they hold a label that `by` does not.
    pub fn from_labels(labels: &Labels, by: &[By]) -> Option<Self> {
        let known = |name: &str| by.iter().any(|dimension| dimension.as_str() == name);
        if !labels.iter().all(|(name, _)| known(name)) {
            return None;
        }
        Some(GroupKey::new(
            by.iter()
                .map(|dimension| labels.get(dimension.as_str()).unwrap_or("").to_owned())
                .collect(),
        ))
    }
}

/// Sums by group, side by side with the groups in order of their keys. Clones share both.
#[derive(Clone, Debug, Default)]
pub struct GroupSums {
    keys: Arc<Vec<GroupKey>>,
    sums: Arc<Vec<Tally>>,
}

impl GroupSums {
    /// From keys in order and as many sums; those that are zero are groups without calls.
    pub(crate) fn new(keys: Arc<Vec<GroupKey>>, sums: Arc<Vec<Tally>>) -> GroupSums {
        GroupSums { keys, sums }
    }

    /// Every group with calls, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&GroupKey, &Tally)> {
        let groups = self.keys.iter().zip(self.sums.iter());
        groups.filter(|(_, tally)| !tally.is_zero())
    }

    /// Every group, also those without calls.
    pub(crate) fn keys(&self) -> &Arc<Vec<GroupKey>> {
        &self.keys
    }

    /// The sums of all groups.
    pub(crate) fn sums(&self) -> &[Tally] {
        &self.sums
    }

    /// What a group had; zero when it is not known.
    pub fn get(&self, key: &GroupKey) -> Tally {
        let at = self.keys.binary_search(key).ok();
        at.and_then(|at| self.sums.get(at))
            .copied()
            .unwrap_or_default()
    }
}

impl FromIterator<(GroupKey, Tally)> for GroupSums {
    /// The groups have to come in order.
    fn from_iter<T: IntoIterator<Item = (GroupKey, Tally)>>(groups: T) -> GroupSums {
        let (keys, sums): (Vec<GroupKey>, Vec<Tally>) = groups.into_iter().unzip();
        GroupSums {
            keys: Arc::new(keys),
            sums: Arc::new(sums),
        }
    }
}

/// Which live traffic, and how it is told apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Select {
    /// Which functions.
    pub functions: Functions,
    /// The dimensions of a group, in order.
    pub by: Vec<By>,
}

impl Select {
    /// Whether a group is of a function that is looked at; one of several functions is not.
    pub(crate) fn takes_function_of(&self, key: &GroupKey) -> bool {
        key.function_id(&self.by)
            .is_some_and(|function| self.takes(&function.to_string()))
    }

    /// Whether a function is looked at.
    pub fn takes(&self, id: &str) -> bool {
        self.functions.takes(id)
    }
}

/// Which earlier days a drop is measured against.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Against {
    /// How long ago: whole days.
    pub days: Vec<u32>,
    /// The length of the window.
    pub over: Duration,
    /// Whose local time.
    pub zone: Tz,
}

/// What one earlier day had at the same local time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LagRate {
    /// Calls per second.
    Present(f64),
    /// No calls are on record: idle, not deployed yet or not watched; nobody can tell which.
    Missing,
    /// That time was a sale or an incident.
    LeftOut,
}

/// What is remembered of a group's newest calls, also when it is silent now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recent {
    /// The end of the last minute with calls.
    pub last_seen: Timestamp,
    /// Calls per second over the ten minutes before that.
    pub usual: f64,
}

/// What groups had over days.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpentDays {
    /// Where the sums end, in Unix seconds.
    pub until: i64,
    /// The groups that had calls, in order.
    pub groups: Vec<(GroupKey, Spent)>,
}

/// What one group had over days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Of the day before that.
    pub day: Tally,
    /// Of the three days before that.
    pub three_days: Tally,
    /// Of the rule's period before that, in whole days and hours.
    pub period: Tally,
}

/// The groups that a query names, each once and in order, with their values.
pub type Answer = Vec<(GroupKey, f64)>;
/// Groups with what earlier days had, one entry per lag in the order asked.
pub type Baselines = Arc<Vec<(GroupKey, Vec<LagRate>)>>;
/// Groups that had calls in the last hours.
pub type Recents = Arc<Vec<(GroupKey, Recent)>>;

/// Why an evaluation could not be made at all. Phases stay as they are and the rule says so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// History has not been read yet. No failure: the verdict is unknown until it has.
    #[error("history is still being read")]
    HistoryUnread,
    /// History could not be read.
    #[error("history is not available: {0}")]
    History(String),
    /// The query of the rule failed.
    #[error("the query failed: {0}")]
    Query(String),
    /// The evaluation met a bug in Rampart.
    #[error("the evaluation broke off: {0}")]
    Broken(String),
}

/// What the engine reads. Groups are told once each and in order of their keys.
pub trait Windows {
    /// Counts per group over `[from, to)` in whole seconds of completion. Groups without calls are
    /// left out. With `only`, just that function.
    fn sum(
        &self,
        select: &Select,
        only: Option<&FunctionId>,
        from: i64,
        to: i64,
    ) -> Vec<(GroupKey, Tally)>;

    /// [`Windows::sum`] of all groups, for a window that moves on with every tick.
    fn sums(&self, select: &Select, from: i64, to: i64) -> GroupSums {
        self.sum(select, None, from, to).into_iter().collect()
    }

    /// Durations per group over the ten seconds that begin in `[from, to)`, the first being those in which
    /// `from` lies. Groups without calls are left out. With `only`, just that function. A world without
    /// durations knows of none.
    fn latency(
        &self,
        _select: &Select,
        _only: Option<&FunctionId>,
        _from: i64,
        _to: i64,
    ) -> Vec<(GroupKey, Sketch)> {
        Vec::new()
    }

    /// How many of the same calls took longer than `limit`: those are the failed ones. Moves on like
    /// [`Windows::sums`].
    fn slower(&self, select: &Select, limit: Duration, from: i64, to: i64) -> GroupSums {
        slower_of(self.latency(select, None, from, to), limit)
    }

    /// What earlier days had at this local time. Groups without any are left out.
    fn baseline(
        &self,
        select: &Select,
        against: &Against,
        now: Timestamp,
    ) -> Result<Baselines, EvaluationError>;

    /// Groups that had calls within [`Recent::MEMORY`], silent ones included.
    fn recent(&self, select: &Select, now: Timestamp) -> Result<Recents, EvaluationError>;

    /// Calls of a part beside all calls, per group; groups without calls are left out. Values of columns
    /// are counted from the beginning of the minute in which `from` lies.
    fn portions(
        &self,
        _select: &Select,
        _part: &Part,
        _from: i64,
        _to: i64,
    ) -> Vec<(GroupKey, Portion)> {
        Vec::new()
    }

    /// Calls of each function by the hop that answered, from the beginning of the minute in which `from`
    /// lies.
    fn served(
        &self,
        _select: &Select,
        _from: i64,
        _to: i64,
    ) -> Vec<(GroupKey, Vec<(String, Tally)>)> {
        Vec::new()
    }

    /// What groups had over days. A world without days has not read them yet.
    fn spent(
        &self,
        _select: &Select,
        _period: Duration,
        _now: Timestamp,
    ) -> Result<Arc<SpentDays>, EvaluationError> {
        Err(EvaluationError::HistoryUnread)
    }

    /// The newest answer to the query of a rule. A world without queries has not asked yet.
    fn answer(&self, _rule: &str, _text: &str) -> Result<Arc<Answer>, EvaluationError> {
        Err(EvaluationError::HistoryUnread)
    }

    /// What one pod of a function carries. A world without load tests knows of none.
    fn capacity(&self, _function: &FunctionId) -> Capacity {
        Capacity::Untested
    }

    /// How many pods of a function live now: the distinct instances that answered within a minute, or
    /// what the gauge says if that is more. `None` when neither tells.
    fn pods(
        &self,
        _function: &FunctionId,
        _gauge: Option<&PodsGauge>,
        _now: Timestamp,
    ) -> Option<f64> {
        None
    }

    /// Which share of the expected data of a window has arrived.
    fn completeness(
        &self,
        function: Option<&FunctionId>,
        from: Timestamp,
        to: Timestamp,
    ) -> Completeness;
}

/// Calls by group, those that took longer than a limit as the failed ones.
pub(crate) fn slower_of(groups: Vec<(GroupKey, Sketch)>, limit: Duration) -> GroupSums {
    let limit = model::whole_micros(limit);
    let tallies = groups.into_iter().map(|(key, durations)| {
        let calls = durations.count();
        let tally = Tally {
            counted: calls,
            failed: durations.count_above_us(limit),
            weighted: calls,
        };
        (key, tally)
    });
    tallies.collect()
}

impl Recent {
    /// How long a silent group is remembered.
    pub const MEMORY: Duration = Duration::from_hours(6);
    /// The time over which its usual rate is taken.
    pub const USUAL_OVER: Duration = Duration::from_mins(10);
}
