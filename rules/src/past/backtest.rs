//! What would have fired: rules over a stretch of stored calls.

use std::collections::BTreeSet;
use std::time::Duration;

use model::{FunctionId, Glob, Timestamp};
use serde::Serialize;

use super::fired::Fired;
use super::replay::{Replay, Stage};
use super::{Past, PastError, left_out};
use crate::chance;
use crate::condition::{Condition, FailsEarly, FallsEarly};
use crate::detection::Arrivals;
use crate::rule::Rule;
use crate::set::RuleSet;

/// Which stretch is lived through, of whom.
#[derive(Clone, Debug)]
pub struct Backtest {
    /// Its first instant; whole seconds count.
    pub from: Timestamp,
    /// The first instant after it.
    pub to: Timestamp,
    /// How long before it rules watch already, so that windows are full and tests have learned.
    pub warm_up: Duration,
    /// Only these functions.
    pub functions: Glob,
}

impl Backtest {
    /// The longest stretch, warm-up included.
    pub const SPAN_MAX: Duration = Duration::from_hours(31 * 24);
    /// How long rules watch before unless asked: as long as the longest window.
    pub const WARM_UP: Duration = Duration::from_mins(15);
}

/// What would have fired.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Backtest)]
pub struct BacktestReport {
    /// The first instant.
    pub from: Timestamp,
    /// The first instant after it.
    pub to: Timestamp,
    /// Since when rules watched.
    pub watched_from: Timestamp,
    /// Calls that were complete in the stretch, all traffic.
    pub calls: u64,
    /// Episodes in the order in which they began.
    pub episodes: Vec<Fired>,
    /// Episodes that were too many to be kept.
    pub episodes_left_out: usize,
    /// Every rule.
    pub rules: Vec<RuleReport>,
    /// Stretches of a minute and more without any stored call: perhaps nobody called, perhaps Rampart
    /// did not run. Rules took them for silence.
    pub gaps: Vec<Gap>,
}

/// What one rule would have done.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct RuleReport {
    /// The alert's name.
    pub alert: String,
    /// How often it would have fired.
    pub fired: usize,
    /// How long in all.
    pub seconds: u64,
    /// How many label sets had calls.
    pub label_sets: usize,
    /// How many pages in 1,000 days chance alone would cause at this traffic; null where nobody can
    /// say. For `success_rate` windows side by side are taken and `for` is left out; for `detect: early`
    /// it is the declared budget.
    pub by_chance_in_1000_days: Option<f64>,
    /// What the replay of this rule leaves out.
    pub left_out: Option<String>,
}

/// A stretch without any stored call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Gap {
    /// The end of the call before it, or of the warm-up.
    pub from: Timestamp,
    /// The call after it, or the end.
    pub to: Timestamp,
}

/// Lives through the stretch with these rules.
pub async fn backtest(
    past: Past,
    set: &RuleSet,
    asked: &Backtest,
    now: Timestamp,
) -> Result<BacktestReport, PastError> {
    let (from, to) = (asked.from.as_seconds(), asked.to.as_seconds());
    if to <= from {
        return Err(PastError::Backwards);
    }
    if asked.to > now {
        return Err(PastError::Future(asked.to));
    }
    let warm_up = i64::try_from(asked.warm_up.as_secs()).unwrap_or(i64::MAX);
    let begin = from.saturating_sub(warm_up);
    if to.saturating_sub(begin) > i64::try_from(Backtest::SPAN_MAX.as_secs()).unwrap_or(i64::MAX) {
        return Err(PastError::TooLong);
    }
    let replay = Replay::new(past, set, asked.functions.clone(), begin, from);
    let stage = replay.live(to).await?;
    Ok(report(stage, set, asked, begin))
}

fn report(stage: Stage, set: &RuleSet, asked: &Backtest, begin: i64) -> BacktestReport {
    let (from, to) = (asked.from, asked.to);
    let minutes = to.since(from).as_secs_f64() / 60.0;
    let left_out_of_all = stage.episodes.left_out;
    let episodes = stage.episodes.within(from, to);
    let watched_from = Timestamp::from_seconds(begin);
    let rules = set.rules().iter().map(|rule| {
        let own = episodes.iter().filter(|fired| fired.alert == rule.name);
        let rates = rates(rule, &stage.met, minutes);
        RuleReport {
            alert: rule.name.clone(),
            fired: own.clone().count(),
            seconds: own.map(|fired| fired.seconds).sum(),
            label_sets: rates.len(),
            by_chance_in_1000_days: by_chance(rule, &rates),
            left_out: left_out(rule, watched_from),
        }
    });
    BacktestReport {
        from,
        to,
        watched_from,
        calls: stage.calls,
        rules: rules.collect(),
        episodes,
        episodes_left_out: left_out_of_all,
        // Silence of some functions is no sign that Rampart did not run.
        gaps: if asked.functions.as_str() == "*" {
            stage.gaps
        } else {
            Vec::new()
        },
    }
}

/// Calls a minute of every label set that had any, and whose they were.
fn rates(rule: &Rule, met: &Arrivals, minutes: f64) -> Vec<(FunctionId, f64)> {
    let groups = met.groups(&rule.select);
    groups
        .map(|(_, function, tally)| (function, tally.counted as f64 / minutes.max(1.0 / 60.0)))
        .collect()
}

fn by_chance(rule: &Rule, rates: &[(FunctionId, f64)]) -> Option<f64> {
    const THOUSAND_DAYS_SECONDS: f64 = 1_000.0 * 86_400.0;
    match &rule.daily.condition {
        Condition::FailsEarly(FailsEarly { page_every, .. })
        | Condition::FallsEarly(FallsEarly { page_every, .. }) => {
            let functions: BTreeSet<&FunctionId> =
                rates.iter().map(|(function, _)| function).collect();
            let pages = THOUSAND_DAYS_SECONDS / page_every.as_secs_f64().max(1.0);
            Some(functions.len() as f64 * pages)
        }
        condition => {
            let breaches: Vec<f64> = rates
                .iter()
                .filter_map(|(_, rate)| chance::breaches_a_year(condition, *rate))
                .collect();
            let per_thousand_days = THOUSAND_DAYS_SECONDS / chance::YEAR_SECONDS;
            (!breaches.is_empty()).then(|| breaches.iter().sum::<f64>() * per_thousand_days)
        }
    }
}
