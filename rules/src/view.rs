//! The store as rules see it.

use std::sync::Arc;
use std::time::Duration;

use model::{FunctionId, Functions, Timestamp, Traffic};
use store::{Dimension, Group, Rollups, Selection, Sketch};

use crate::answers::Answers;
use crate::capacity::{Capacity, CapacitySource, PodsGauge};
use crate::gauges::Gauges;
use crate::moving::MovingSums;
use crate::portions;
use crate::sight::{Completeness, Sight};
use crate::spent::SpentBudgets;
use crate::tables::Tables;
use crate::windows::{
    Against, Answer, Baselines, By, EvaluationError, GroupKey, GroupSums, Part, Portion, Recents,
    Select, SpentDays, Tally, Windows,
};

/// Rollups for what is now, tables for what was, sight for what is still missing.
pub(crate) struct StoreView {
    pub(crate) rollups: Arc<Rollups>,
    pub(crate) moving: MovingSums,
    pub(crate) tables: Tables,
    pub(crate) sight: Arc<dyn Sight>,
    pub(crate) tested: Arc<dyn CapacitySource>,
    pub(crate) gauges: Gauges,
    pub(crate) answers: Answers,
    pub(crate) spent: SpentBudgets,
}

/// An instance that answered within this time lives.
const ALIVE_SECONDS: i64 = 60;

/// Sums of a selection out of rollups; groups without calls are left out.
pub fn sum_rollups(
    rollups: &Rollups,
    select: &Select,
    only: Option<&FunctionId>,
    from: i64,
    to: i64,
) -> Vec<(GroupKey, Tally)> {
    rollups
        .sum(&selection(select, only), &dimensions(select), from, to)
        .into_iter()
        .filter(|(_, counts)| !counts.is_zero())
        .map(|(group, counts)| (key_of(group), Tally::from(&counts)))
        .collect()
}

/// Durations of a selection out of rollups; groups without calls are left out.
pub fn latency_of_rollups(
    rollups: &Rollups,
    select: &Select,
    only: Option<&FunctionId>,
    from: i64,
    to: i64,
) -> Vec<(GroupKey, Sketch)> {
    rollups
        .latency(&selection(select, only), &dimensions(select), from, to)
        .into_iter()
        .filter(|(_, durations)| !durations.is_empty())
        .map(|(group, durations)| (key_of(group), durations))
        .collect()
}

/// Live calls of the watched functions.
pub(crate) fn selection(select: &Select, only: Option<&FunctionId>) -> Selection {
    Selection {
        functions: if only.is_some() {
            // The engine has matched the one function already.
            Functions::default()
        } else {
            select.functions.clone()
        },
        exact: only.cloned(),
        traffic: vec![Traffic::Live],
        ..Selection::default()
    }
}

fn dimensions(select: &Select) -> Vec<Dimension> {
    select.by.iter().map(|by| dimension(*by)).collect()
}

/// Both name the namespace before the function, so the values stand in the order of `by`.
pub(crate) fn key_of(group: Group) -> GroupKey {
    GroupKey::new(group.0.into_iter().map(|(_, value)| value).collect())
}

impl Windows for StoreView {
    fn sum(
        &self,
        select: &Select,
        only: Option<&FunctionId>,
        from: i64,
        to: i64,
    ) -> Vec<(GroupKey, Tally)> {
        sum_rollups(&self.rollups, select, only, from, to)
    }

    fn sums(&self, select: &Select, from: i64, to: i64) -> GroupSums {
        self.moving.calls(&self.rollups, select, from, to)
    }

    fn latency(
        &self,
        select: &Select,
        only: Option<&FunctionId>,
        from: i64,
        to: i64,
    ) -> Vec<(GroupKey, Sketch)> {
        latency_of_rollups(&self.rollups, select, only, from, to)
    }

    fn slower(&self, select: &Select, limit: Duration, from: i64, to: i64) -> GroupSums {
        self.moving.slower(&self.rollups, select, limit, from, to)
    }

    fn baseline(
        &self,
        select: &Select,
        against: &Against,
        _: Timestamp,
    ) -> Result<Baselines, EvaluationError> {
        self.tables.baseline(select, against)
    }

    fn recent(&self, select: &Select, _: Timestamp) -> Result<Recents, EvaluationError> {
        self.tables.recent(select)
    }

    fn portions(
        &self,
        select: &Select,
        part: &Part,
        from: i64,
        to: i64,
    ) -> Vec<(GroupKey, Portion)> {
        portions::portions_of(&self.rollups, select, part, from, to)
    }

    fn served(&self, select: &Select, from: i64, to: i64) -> Vec<(GroupKey, Vec<(String, Tally)>)> {
        portions::served_of(&self.rollups, select, from, to)
    }

    fn spent(
        &self,
        select: &Select,
        period: Duration,
        _: Timestamp,
    ) -> Result<Arc<SpentDays>, EvaluationError> {
        self.spent.get(select, period)
    }

    fn answer(&self, rule: &str, text: &str) -> Result<Arc<Answer>, EvaluationError> {
        self.answers.get(rule, text)
    }

    fn capacity(&self, function: &FunctionId) -> Capacity {
        self.tested.capacity(function)
    }

    fn pods(
        &self,
        function: &FunctionId,
        gauge: Option<&PodsGauge>,
        now: Timestamp,
    ) -> Option<f64> {
        let from = now.as_seconds() - ALIVE_SECONDS + 1;
        let seen = self.rollups.instances(function, from) as f64;
        let told = gauge.and_then(|gauge| self.gauges.pods(gauge, function));
        let pods = seen.max(told.unwrap_or(0.0));
        (pods > 0.0).then_some(pods)
    }

    fn completeness(
        &self,
        function: Option<&FunctionId>,
        from: Timestamp,
        to: Timestamp,
    ) -> Completeness {
        self.sight.completeness(function, from, to)
    }
}

/// The dimension of rollups that an alert is told apart by.
pub(crate) fn dimension(by: By) -> Dimension {
    match by {
        By::Namespace => Dimension::Namespace,
        By::Function => Dimension::Function,
        By::Unit => Dimension::Unit,
        By::Version => Dimension::Version,
        By::Zone => Dimension::Zone,
    }
}
