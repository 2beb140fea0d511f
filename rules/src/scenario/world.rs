//! The world of a scenario: everything that happened, as a list that is searched from end to end each
//! time. Calls are spread evenly; nothing is random.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{FunctionId, Outcome, Ratio, Timestamp, Traffic};
use store::{Counts, SeriesKey, Sketch};

use super::file::{Load, Scenario};
use super::{ORIGIN_SECONDS, instant};
use crate::baseline::same_local_time;
use crate::detection::Arrivals;
use crate::sight::Completeness;
use crate::windows::{
    Against, Baselines, By, EvaluationError, GroupKey, LagRate, Part, Portion, Recent, Recents,
    Select, Tally, Windows,
};

/// What calls take, and what slow ones do.
const QUICK_US: i64 = 20_000;
const SLOW_US: i64 = 5_000_000;

pub(super) struct World<'a> {
    scenario: &'a Scenario,
    pub(super) now: i64,
}

impl Load {
    /// Calls and failures from the beginning until a second.
    fn until(&self, second: i64) -> (u64, u64) {
        let calls = (self.qps * (second - self.from) as f64 + 1e-9).floor();
        let failed = (calls * (1.0 - self.success) + 1e-9).floor();
        (calls as u64, failed as u64)
    }

    fn sum(&self, from: i64, to: i64) -> Tally {
        let (from, to) = (from.max(self.from), to.min(self.to));
        if from >= to {
            return Tally::default();
        }
        let (before, after) = (self.until(from), self.until(to));
        Tally {
            counted: after.0.saturating_sub(before.0),
            failed: after.1.saturating_sub(before.1),
            weighted: after.0.saturating_sub(before.0),
        }
    }

    fn function(&self) -> FunctionId {
        self.series.function.clone().unwrap_or(FunctionId {
            namespace: String::new(),
            name: String::new(),
        })
    }

    fn key(&self, by: &[By]) -> GroupKey {
        let function = self.function();
        let value = |by: &By| match by {
            By::Namespace => function.namespace.clone(),
            By::Function => function.name.clone(),
            By::Unit => self.series.unit.clone(),
            By::Version => self.series.version.clone(),
            By::Zone => self.series.zone.clone(),
        };
        GroupKey::new(by.iter().map(value).collect())
    }
}

impl<'a> World<'a> {
    pub(super) fn new(scenario: &'a Scenario) -> Self {
        World { scenario, now: 0 }
    }

    /// What is committed in a second: what it counts, unless nothing of it arrives.
    pub(super) fn arrivals(&self, second: i64) -> Arrivals {
        let lost = |(from, to, share): &(i64, i64, Option<f64>)| {
            (*from..*to).contains(&second) && *share == Some(0.0)
        };
        let mut arrivals = Arrivals::default();
        if self.scenario.dim.iter().any(lost) {
            return arrivals;
        }
        for load in &self.scenario.loads {
            let tally = load.sum(second, second + 1);
            if tally.counted == 0 {
                continue;
            }
            let function = load.function();
            let mut counts = Counts::default();
            let outcomes = [
                (Outcome::FunctionError, tally.failed),
                (Outcome::Ok, tally.succeeded()),
            ];
            for (outcome, calls) in outcomes {
                if let Some(count) = counts.outcomes.get_mut(outcome as usize) {
                    *count = calls;
                }
            }
            counts.weighted = tally.weighted;
            let series = SeriesKey {
                namespace: function.namespace,
                function: function.name,
                version: load.series.version.clone(),
                unit: load.series.unit.clone(),
                zone: load.series.zone.clone(),
                traffic: Traffic::Live,
            };
            arrivals.add(&Arc::new(series), &counts);
        }
        arrivals
    }

    fn story(second: i64) -> i64 {
        second - ORIGIN_SECONDS
    }

    fn watched<'s>(&'s self, select: &'s Select) -> impl Iterator<Item = &'s Load> {
        let loads = self.scenario.loads.iter();
        loads.filter(|load| select.takes(&load.function().to_string()))
    }

    /// Sums in seconds of the scenario; nothing is visible before it happened.
    fn tallies(&self, select: &Select, from: i64, to: i64) -> BTreeMap<GroupKey, Tally> {
        let mut sums: BTreeMap<GroupKey, Tally> = BTreeMap::new();
        for load in self.watched(select) {
            let tally = load.sum(from, to.min(self.now + 1));
            if tally.weighted > 0 {
                sums.entry(load.key(&select.by)).or_default().merge(&tally);
            }
        }
        sums
    }
}

impl Windows for World<'_> {
    fn sum(
        &self,
        select: &Select,
        only: Option<&FunctionId>,
        from: i64,
        to: i64,
    ) -> Vec<(GroupKey, Tally)> {
        let tallies = self.tallies(select, Self::story(from), Self::story(to));
        tallies
            .into_iter()
            .filter(|(key, _)| only.is_none() || key.function_id(&select.by).as_ref() == only)
            .collect()
    }

    fn latency(
        &self,
        select: &Select,
        only: Option<&FunctionId>,
        from: i64,
        to: i64,
    ) -> Vec<(GroupKey, Sketch)> {
        let from = Self::story(from.div_euclid(10) * 10);
        let to = Self::story(to).min(self.now + 1);
        let mut durations: BTreeMap<GroupKey, Sketch> = BTreeMap::new();
        for load in self.watched(select) {
            let calls = load.sum(from, to).weighted;
            let slow = (calls as f64 * load.slow + 1e-9).floor() as u64;
            let sketch = durations.entry(load.key(&select.by)).or_default();
            (0..slow).for_each(|_| sketch.add(SLOW_US));
            (slow..calls).for_each(|_| sketch.add(QUICK_US));
        }
        durations.retain(|_, sketch| !sketch.is_empty());
        durations
            .into_iter()
            .filter(|(key, _)| only.is_none() || key.function_id(&select.by).as_ref() == only)
            .collect()
    }

    fn baseline(
        &self,
        select: &Select,
        against: &Against,
        now: Timestamp,
    ) -> Result<Baselines, EvaluationError> {
        let over = i64::try_from(against.over.as_secs()).unwrap_or(60).max(1);
        let mut lags: BTreeMap<GroupKey, Vec<LagRate>> = BTreeMap::new();
        for (index, days) in against.days.iter().enumerate() {
            let end = same_local_time(now, *days, against.zone).as_seconds();
            let end = Self::story(end.div_euclid(60) * 60);
            for (key, tally) in self.tallies(select, end - over, end) {
                let rates = lags
                    .entry(key)
                    .or_insert_with(|| vec![LagRate::Missing; against.days.len()]);
                if let Some(rate) = rates.get_mut(index) {
                    *rate = LagRate::Present(tally.weighted as f64 / over as f64);
                }
            }
        }
        Ok(Arc::new(lags.into_iter().collect()))
    }

    fn recent(&self, select: &Select, _: Timestamp) -> Result<Recents, EvaluationError> {
        let memory = i64::try_from(Recent::MEMORY.as_secs()).unwrap_or(i64::MAX);
        let usual_over = i64::try_from(Recent::USUAL_OVER.as_secs()).unwrap_or(600);
        let mut last: BTreeMap<GroupKey, i64> = BTreeMap::new();
        for load in self.watched(select) {
            let end = load.to.min(self.now + 1);
            if load.from < end && end >= self.now - memory && load.qps > 0.0 {
                let seen = last.entry(load.key(&select.by)).or_insert(i64::MIN);
                *seen = (*seen).max(end);
            }
        }
        let recents = last.into_iter().map(|(key, end)| {
            let tallies = self.tallies(select, end - usual_over, end);
            let calls = tallies.get(&key).map_or(0, |tally| tally.weighted);
            let recent = Recent {
                last_seen: instant(end),
                usual: calls as f64 / Recent::USUAL_OVER.as_secs_f64(),
            };
            (key, recent)
        });
        Ok(Arc::new(recents.collect()))
    }

    fn portions(
        &self,
        select: &Select,
        part: &Part,
        from: i64,
        to: i64,
    ) -> Vec<(GroupKey, Portion)> {
        let (from, to) = (Self::story(from), Self::story(to).min(self.now + 1));
        let mut portions: BTreeMap<GroupKey, Portion> = BTreeMap::new();
        for load in self.watched(select) {
            let tally = load.sum(from, to);
            let part = match part {
                Part::ServedBy(hop) if *hop == load.series.served_by => tally.weighted,
                Part::Outcome(Outcome::Ok) => tally.succeeded(),
                Part::Outcome(Outcome::FunctionError) => tally.failed,
                Part::Traffic(Traffic::Live) => tally.weighted,
                _ => 0,
            };
            if tally.weighted > 0 {
                let portion = portions.entry(load.key(&select.by)).or_default();
                portion.part += part;
                portion.calls += tally.weighted;
            }
        }
        portions.into_iter().collect()
    }

    fn served(&self, select: &Select, from: i64, to: i64) -> Vec<(GroupKey, Vec<(String, Tally)>)> {
        let (from, to) = (Self::story(from), Self::story(to).min(self.now + 1));
        let mut hops: BTreeMap<GroupKey, BTreeMap<String, Tally>> = BTreeMap::new();
        for load in self.watched(select) {
            let hop = load.series.served_by.clone();
            let of_function = hops.entry(load.key(&select.by)).or_default();
            of_function
                .entry(hop)
                .or_default()
                .merge(&load.sum(from, to));
        }
        hops.into_iter()
            .map(|(key, hops)| (key, hops.into_iter().collect()))
            .collect()
    }

    fn completeness(&self, _: Option<&FunctionId>, from: Timestamp, to: Timestamp) -> Completeness {
        let (from, to) = (Self::story(from.as_seconds()), Self::story(to.as_seconds()));
        let mut missing = 0.0;
        for (start, end, share) in &self.scenario.dim {
            let overlap = (to.min(*end) - from.max(*start)).max(0);
            match share {
                None if overlap > 0 => {
                    return Completeness::Unknown {
                        why: "the scenario says so".to_owned(),
                    };
                }
                None => {}
                Some(share) => missing += overlap as f64 * (1.0 - share),
            }
        }
        let share = (1.0 - missing / (to - from).max(1) as f64).clamp(0.0, 1.0);
        Ratio::new(share).map_or_else(
            || Completeness::Unknown { why: String::new() },
            Completeness::Known,
        )
    }
}
