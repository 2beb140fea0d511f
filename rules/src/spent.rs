//! What functions spent of their error budgets over days: totals of hours and days out of the table
//! `minutes`, each read once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use model::Timestamp;
use serde_json::Value;
use store::{QueryLimits, Store};

use crate::baseline::SeriesName;
use crate::condition::Condition;
use crate::events;
use crate::rule::Rule;
use crate::windows::{EvaluationError, GroupKey, Select, Spent, SpentDays, Tally};

const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;
/// Whole hours are kept for three days and one hour more.
const HOURS_KEPT: i64 = 73;
/// The longest period.
const DAYS_KEPT: i64 = 91;
/// Totals read in one refresh: more than there are.
const READ_AT_ONCE_MAX: usize = 200;
/// Late rows still change an hour for this long.
const SETTLED_AFTER: i64 = 600;
/// What reading one total may take.
const LIMITS: QueryLimits = QueryLimits {
    rows_max: 200_000,
    deadline: Duration::from_secs(20),
};

type Totals = HashMap<Arc<SeriesName>, Tally>;

/// Totals by the second at which they begin. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct SpentBudgets {
    inner: Arc<RwLock<Known>>,
}

#[derive(Default)]
struct Known {
    hours: BTreeMap<i64, Totals>,
    days: BTreeMap<i64, Totals>,
    names: HashSet<Arc<SeriesName>>,
    failure: Option<String>,
    ready: HashMap<(Select, Duration), Arc<SpentDays>>,
}

impl SpentBudgets {
    /// What each group of a selection had, up to the newest whole hour.
    pub(crate) fn get(
        &self,
        select: &Select,
        period: Duration,
    ) -> Result<Arc<SpentDays>, EvaluationError> {
        let known = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let ready = known.ready.get(&(select.clone(), period)).cloned();
        ready.ok_or_else(|| match &known.failure {
            Some(why) => EvaluationError::History(why.clone()),
            None => EvaluationError::HistoryUnread,
        })
    }

    /// Reads totals that are missing and sums them up for every rule that asks.
    pub(crate) async fn refresh(&self, store: &Store, rules: &[Arc<Rule>], now: Timestamp) {
        let asked = asked(rules);
        if asked.is_empty() {
            return;
        }
        let period = asked.iter().map(|(_, period)| *period).max();
        let days = period.map_or(0, |period| {
            i64::try_from(period.as_secs()).unwrap_or(0) / DAY
        });
        let now = now.as_seconds();
        let missing = self.missing(now, days.min(DAYS_KEPT));
        let complete = missing.len() <= READ_AT_ONCE_MAX;
        let mut failure = None;
        for (from, length) in missing.into_iter().take(READ_AT_ONCE_MAX) {
            match read(store, from, from + length).await {
                Ok(totals) => self.keep(from, length, totals),
                Err(why) => {
                    events::history_failed(&why);
                    failure = Some(why);
                    break;
                }
            }
        }
        let mut known = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let whole = complete && failure.is_none();
        known.failure = failure;
        if whole {
            known.ready = asked
                .into_iter()
                .map(|(select, period)| {
                    let spent = known.sum(&select, period, now);
                    ((select, period), Arc::new(spent))
                })
                .collect();
        }
    }

    /// Beginning and length of totals that are not known yet, newest first.
    fn missing(&self, now: i64, days: i64) -> Vec<(i64, i64)> {
        let mut known = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let settled = now - SETTLED_AFTER;
        let this_hour = settled.div_euclid(HOUR) * HOUR;
        let this_day = settled.div_euclid(DAY) * DAY;
        known
            .hours
            .retain(|from, _| *from >= this_hour - HOURS_KEPT * HOUR && *from < this_hour);
        known
            .days
            .retain(|from, _| *from >= this_day - DAYS_KEPT * DAY && *from < this_day);
        let hours = (1..=HOURS_KEPT)
            .map(|ago| this_hour - ago * HOUR)
            .filter(|from| !known.hours.contains_key(from))
            .map(|from| (from, HOUR));
        let days = (1..=days)
            .map(|ago| this_day - ago * DAY)
            .filter(|from| !known.days.contains_key(from))
            .map(|from| (from, DAY));
        hours.chain(days).collect()
    }

    fn keep(&self, from: i64, length: i64, totals: Totals) {
        let mut known = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let totals = known.with_shared_names(totals);
        let place = if length == HOUR {
            &mut known.hours
        } else {
            &mut known.days
        };
        place.insert(from, totals);
    }
}

impl Known {
    /// One copy of each name, in however many totals it stands.
    fn with_shared_names(&mut self, totals: Totals) -> Totals {
        // Names that only this set still holds belong to no total.
        self.names.retain(|name| Arc::strong_count(name) > 1);
        let shared = totals.into_iter().map(|(name, tally)| {
            if let Some(known) = self.names.get(&name) {
                return (Arc::clone(known), tally);
            }
            self.names.insert(Arc::clone(&name));
            (name, tally)
        });
        shared.collect()
    }

    fn sum(&self, select: &Select, period: Duration, now: i64) -> SpentDays {
        let mut groups: BTreeMap<GroupKey, Spent> = BTreeMap::new();
        let newest = self
            .hours
            .keys()
            .next_back()
            .map_or(now, |from| from + HOUR);
        let mut group_of: HashMap<Arc<SeriesName>, Option<GroupKey>> = HashMap::new();
        let mut add = |totals: &Totals, to: fn(&mut Spent) -> &mut Tally| {
            for (series, tally) in totals {
                let group = group_of
                    .entry(Arc::clone(series))
                    .or_insert_with(|| series.group(select));
                if let Some(group) = group {
                    to(groups.entry(group.clone()).or_default()).merge(tally);
                }
            }
        };
        for (from, totals) in &self.hours {
            if *from >= newest - DAY {
                add(totals, |spent| &mut spent.day);
            }
            if *from >= newest - 3 * DAY {
                add(totals, |spent| &mut spent.three_days);
            }
        }
        let length = i64::try_from(period.as_secs()).unwrap_or(i64::MAX);
        let newest_day = self
            .days
            .keys()
            .next_back()
            .map_or(i64::MIN, |from| from + DAY);
        for (_, totals) in self.days.range(newest - length..) {
            add(totals, |spent| &mut spent.period);
        }
        for (_, totals) in self.hours.range(newest_day..) {
            add(totals, |spent| &mut spent.period);
        }
        SpentDays {
            until: newest,
            groups: groups.into_iter().collect(),
        }
    }
}

fn asked(rules: &[Arc<Rule>]) -> Vec<(Select, Duration)> {
    let mut asked = Vec::new();
    for rule in rules {
        for settings in rule.all_settings() {
            if let Condition::Slo(condition) = &settings.condition {
                let one = (rule.select.clone(), condition.period);
                if !asked.contains(&one) {
                    asked.push(one);
                }
            }
        }
    }
    asked
}

/// Live calls of every series over `[from, to)` in Unix seconds.
async fn read(store: &Store, from: i64, to: i64) -> Result<Totals, String> {
    let failures = "function_error + timeout + oom + platform_error";
    let sql = format!(
        "SELECT namespace, function, coalesce(unit, ''), coalesce(version, ''), coalesce(zone, ''), \
         sum(ok + {failures}) AS counted, sum({failures}) AS failed, sum(weighted) AS weighted \
         FROM minutes WHERE traffic = 'live' AND minute >= TIMESTAMP '{}' AND minute < TIMESTAMP '{}' \
         GROUP BY 1, 2, 3, 4, 5",
        Timestamp::from_seconds(from),
        Timestamp::from_seconds(to)
    );
    let answer = Box::pin(store.query(&sql, &LIMITS))
        .await
        .map_err(|error| crate::driver::chain(&error))?;
    if answer.truncated {
        return Err(format!("more than {} series in an hour", LIMITS.rows_max));
    }
    let mut totals = Totals::new();
    for row in answer.to_json_rows() {
        let text = |at: usize| row.get(at).and_then(Value::as_str).unwrap_or("").to_owned();
        let count = |at: usize| row.get(at).and_then(Value::as_u64).unwrap_or(0);
        let name = SeriesName {
            namespace: text(0),
            function: text(1),
            unit: text(2),
            version: text(3),
            zone: text(4),
        };
        totals.insert(
            Arc::new(name),
            Tally {
                counted: count(5),
                failed: count(6),
                weighted: count(7),
            },
        );
    }
    Ok(totals)
}
