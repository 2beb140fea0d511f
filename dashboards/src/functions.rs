//! `GET /api/v1/functions`: every function with the numbers of the last minutes.

use std::collections::BTreeMap;
use std::time::Duration;

use alerting::{AlertingError, Teams};
use axum::extract::State;
use inbound::{Json, ProblemDocument, Query};
use model::{Alert, FunctionId, Outcome, Ratio, Severity, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Counts, Dimension, FunctionSeen, Group, Selection, Sketch};

use crate::Sources;
use crate::range::{self, SECONDS_KEPT};

/// What may be asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    range: Option<String>,
    owner: Option<String>,
}

/// One function's numbers over the range. Shares and latencies are absent without calls.
#[derive(Debug, Serialize)]
pub(crate) struct FunctionRow {
    pub(crate) namespace: String,
    pub(crate) function: String,
    owner: Option<String>,
    calls: u64,
    pub(crate) qps: f64,
    pub(crate) success_rate: Option<f64>,
    p50_ms: Option<f64>,
    p95_ms: Option<f64>,
    p99_ms: Option<f64>,
    limited: u64,
    cold_starts: u64,
    /// Pods are not counted by this version.
    pods: Option<u64>,
    pub(crate) status: &'static str,
    first_seen: Timestamp,
    last_seen: Timestamp,
}

/// Every function, and how much of the range has arrived.
#[derive(Debug, Serialize)]
pub(crate) struct FunctionList {
    pub(crate) functions: Vec<FunctionRow>,
    pub(crate) as_of: Timestamp,
    range_seconds: u64,
    completeness: Option<f64>,
}

/// Answers from the counts per second, so the range reaches back fifteen minutes at most.
pub(crate) async fn list(
    State(sources): State<Sources>,
    Query(question): Query<Question>,
) -> Result<Json<FunctionList>, ProblemDocument> {
    let range = range::length(
        question.range.as_deref(),
        "range",
        Duration::from_mins(5),
        SECONDS_KEPT,
    )?;
    let now = sources.clock.now();
    collect(&sources, range, question.owner.as_deref(), now)
        .await
        .map(Json)
        .map_err(ProblemDocument::internal)
}

/// The numbers of the last `range` up to `now`.
pub(crate) async fn collect(
    sources: &Sources,
    range: Duration,
    owner: Option<&str>,
    now: Timestamp,
) -> Result<FunctionList, AlertingError> {
    let firing = loudest(
        sources
            .alerting
            .firing()
            .await?
            .into_iter()
            .map(|(_, alert)| alert),
    );
    let policy = sources.alerting.policy().await?;
    // The running second is part of the answer.
    let (from, to) = ((now - range).as_seconds() + 1, now.as_seconds() + 1);
    let rollups = sources.store.rollups();
    let by = [Dimension::Function];
    let numbers = Numbers {
        counts: by_function(rollups.sum(&Selection::default(), &by, from, to)),
        latencies: by_function(rollups.latency(&Selection::default(), &by, from, to)),
        firing,
        teams: &policy.teams,
        seconds: range.as_secs_f64(),
    };
    let mut functions: Vec<FunctionRow> = rollups
        .functions()
        .into_iter()
        .map(|seen| numbers.row(seen))
        .collect();
    if let Some(owner) = owner {
        functions.retain(|function| function.owner.as_deref() == Some(owner));
    }
    let completeness = sources
        .collector
        .completeness(None, now - range, now)
        .known
        .map(Ratio::get);
    Ok(FunctionList {
        functions,
        as_of: now,
        range_seconds: range.as_secs(),
        completeness,
    })
}

/// The loudest firing alert of each function.
fn loudest(alerts: impl Iterator<Item = Alert>) -> BTreeMap<FunctionId, Severity> {
    let mut firing = BTreeMap::new();
    for alert in alerts {
        if let Some(id) = alert
            .function_id()
            .and_then(|id| id.parse::<FunctionId>().ok())
        {
            let severity = firing.entry(id).or_insert(alert.severity());
            *severity = (*severity).max(alert.severity());
        }
    }
    firing
}

fn by_function<T>(groups: Vec<(Group, T)>) -> BTreeMap<FunctionId, T> {
    groups
        .into_iter()
        .filter_map(|(group, value)| Some((group.function_id()?, value)))
        .collect()
}

/// What was summed up for all functions at once.
struct Numbers<'a> {
    teams: &'a Teams,
    counts: BTreeMap<FunctionId, Counts>,
    latencies: BTreeMap<FunctionId, Sketch>,
    firing: BTreeMap<FunctionId, Severity>,
    seconds: f64,
}

impl Numbers<'_> {
    fn row(&self, seen: FunctionSeen) -> FunctionRow {
        let counts = self.counts.get(&seen.id).copied().unwrap_or(Counts::ZERO);
        let quantile = |q: f64| Some(self.latencies.get(&seen.id)?.quantile_us(q)? / 1_000.0);
        let status = match (self.firing.get(&seen.id), counts.calls()) {
            (Some(severity), _) => severity.as_str(),
            (None, 0) => "idle",
            (None, _) => "ok",
        };
        FunctionRow {
            owner: self
                .teams
                .owner(&seen.id.to_string())
                .map(|team| team.name.clone()),
            calls: counts.weighted,
            qps: counts.weighted as f64 / self.seconds,
            success_rate: counts.success_rate(),
            p50_ms: quantile(0.5),
            p95_ms: quantile(0.95),
            p99_ms: quantile(0.99),
            limited: counts.of(Outcome::Limited),
            cold_starts: counts.cold_starts,
            pods: None,
            status,
            first_seen: seen.first_seen,
            last_seen: seen.last_seen,
            namespace: seen.id.namespace,
            function: seen.id.name,
        }
    }
}
