//! `GET /api/v1/functions/{namespace}/{function}`: is it well, since when not, where.

use std::collections::BTreeMap;
use std::time::Duration;

use ::rules::Release;
use ::rules::suspects::{Explanation, Share, rank};
use axum::extract::State;
use inbound::{Json, Path, ProblemDocument, Query};
use model::{FunctionId, Outcome, Severity, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Counts, Dimension, Selection, Sketch};
use utoipa::ToSchema;

use crate::Sources;
use crate::numbers::{FunctionRow, Numbers, loudest};
use crate::range::{self, LONGEST, SECONDS_KEPT};

/// The most values of one dimension in an answer; those with the most calls.
const SLICES_MAX: usize = 50;
/// The most explanations in an answer.
const EXPLANATIONS_MAX: usize = 5;
/// The most releases in an answer.
const RELEASES_MAX: usize = 20;
/// The dimensions of a deployment.
pub(crate) const PLACES: [Dimension; 3] = [Dimension::Unit, Dimension::Version, Dimension::Zone];

/// What may be asked.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Question {
    /// How far back: up to `15m`, `5m` when nothing is said.
    pub(crate) range: Option<String>,
    /// Also the calls per second of the same range this much earlier, such as `7d`.
    pub(crate) compare: Option<String>,
}

/// One function, whole.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FunctionDetail {
    /// Its numbers.
    pub(crate) function: FunctionRow,
    /// Calls by outcome.
    pub(crate) outcomes: BTreeMap<&'static str, u64>,
    /// Its calls by where they ran.
    pub(crate) by: Places,
    /// What fires, the loudest first.
    pub(crate) alerts: Vec<FiringAlert>,
    /// Where failures gather, the best explanation first; empty where they are spread evenly.
    pub(crate) explanations: Vec<Explanation>,
    /// The newest releases, newest first: marks for curves.
    pub(crate) releases: Vec<Release>,
    /// The moment these numbers are of.
    pub(crate) as_of: Timestamp,
    /// The range in seconds.
    pub(crate) range_seconds: u64,
    /// The share of the sources behind these numbers that are on time; null when that cannot be told.
    pub(crate) completeness: Option<f64>,
}

/// Calls by the dimensions of a deployment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Places {
    /// By unit.
    pub(crate) unit: Vec<Slice>,
    /// By version.
    pub(crate) version: Vec<Slice>,
    /// By zone.
    pub(crate) zone: Vec<Slice>,
}

/// The calls that share one value of a dimension.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Slice {
    /// The value; empty when records do not say.
    pub(crate) value: String,
    /// Calls in the range.
    pub(crate) calls: u64,
    /// Calls per second.
    pub(crate) qps: f64,
    /// Calls that failed.
    pub(crate) errors: u64,
    /// ok / (ok + failures), 0 to 1.
    pub(crate) success_rate: Option<f64>,
    /// 99th percentile of the duration in milliseconds.
    pub(crate) p99_ms: Option<f64>,
    /// Calls refused by a flow limit.
    pub(crate) limited: u64,
    /// Calls that waited for an instance to start.
    pub(crate) cold_starts: u64,
}

/// An alert that fires for the function.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FiringAlert {
    /// The rule's name.
    pub(crate) rule: String,
    /// How loud.
    pub(crate) severity: Severity,
    /// Since when.
    pub(crate) since: Timestamp,
    /// All its labels.
    pub(crate) labels: model::Labels,
    /// What it says.
    pub(crate) summary: String,
    /// The incident it belongs to.
    pub(crate) incident: Option<String>,
}

/// One function with its numbers, where its calls ran, what fires and what explains it.
#[utoipa::path(get, path = "/api/v1/functions/{namespace}/{function}", tag = "dashboards",
    params(("namespace" = String, Path, description = "the function's namespace"), ("function" = String, Path, description = "its name"), Question),
    responses(
        (status = 200, description = "the function", body = FunctionDetail),
        (status = 404, description = "no call of it is known", content_type = "application/problem+json"),
    ))]
pub(crate) async fn show(
    State(sources): State<Sources>,
    Path((namespace, function)): Path<(String, String)>,
    Query(question): Query<Question>,
) -> Result<Json<FunctionDetail>, ProblemDocument> {
    let id = identify(&namespace, &function)?;
    let now = sources.clock.now();
    collect(&sources, &id, &question, now).await.map(Json)
}

/// The id that a path names.
pub(crate) fn identify(namespace: &str, function: &str) -> Result<FunctionId, ProblemDocument> {
    FunctionId::new(namespace, function)
        .map_err(|error| ProblemDocument::not_found(error.to_string()))
}

/// What a caller is told who asks for a function that nobody called.
pub(crate) fn unknown(id: &FunctionId) -> ProblemDocument {
    ProblemDocument::not_found(format!("no call of the function {id} is known"))
        .hint("GET /api/v1/functions lists those that are")
}

/// Everything about one function at `now`.
pub(crate) async fn collect(
    sources: &Sources,
    id: &FunctionId,
    question: &Question,
    now: Timestamp,
) -> Result<FunctionDetail, ProblemDocument> {
    let range = range::length(
        question.range.as_deref(),
        "range",
        Duration::from_mins(5),
        SECONDS_KEPT,
    )?;
    let back = question
        .compare
        .as_deref()
        .map(|text| range::length(Some(text), "compare", Duration::ZERO, LONGEST))
        .transpose()?;
    let rollups = sources.store.rollups();
    let seen = rollups.function(id).ok_or_else(|| unknown(id))?;
    let past = match back {
        None => std::sync::Arc::default(),
        Some(back) => {
            let past = sources.pasts.of(&sources.store, range, back, now).await;
            past.map_err(ProblemDocument::internal)?
        }
    };
    let mut firing = sources.alerting.firing().await;
    if let Ok(firing) = &mut firing {
        firing.retain(|(_, alert)| alert.function_id() == Some(id.to_string()));
    }
    let firing = firing.map_err(ProblemDocument::internal)?;
    let policy = sources.alerting.policy().await;
    let policy = policy.map_err(ProblemDocument::internal)?;
    let select = Selection::function(id.clone());
    let numbers = Numbers::sum(rollups, &select, range, None, now);
    let total = numbers.total(id);
    let loudest = loudest(firing.iter().map(|(_, alert)| alert));
    let places = PLACES.map(|dimension| slices(sources, &select, dimension, range, now));
    let shares = PLACES.iter().zip(&places).flat_map(|(dimension, slices)| {
        slices.iter().map(|slice| Share {
            dimension: dimension.as_str(),
            value: slice.value.clone(),
            failures: slice.errors,
            calls: Some(slice.calls),
            success_rate: slice.success_rate,
        })
    });
    let mut explanations = rank(shares, total.failed(), total.calls());
    explanations.truncate(EXPLANATIONS_MAX);
    let [unit, version, zone] = places;
    Ok(FunctionDetail {
        function: numbers.row(seen, &policy.teams, loudest.get(id), &past),
        outcomes: outcomes(&total),
        by: Places {
            unit,
            version,
            zone,
        },
        alerts: alerts(firing),
        explanations,
        releases: releases(sources, id),
        as_of: now,
        range_seconds: range.as_secs(),
        completeness: sources.collector.on_time(Some(id)),
    })
}

fn releases(sources: &Sources, id: &FunctionId) -> Vec<Release> {
    let known = sources.rules.releases();
    let newest = known.of(id).iter().rev().take(RELEASES_MAX);
    newest.cloned().collect()
}

fn outcomes(counts: &Counts) -> BTreeMap<&'static str, u64> {
    let all = Outcome::ALL.iter();
    all.map(|outcome| (outcome.as_str(), counts.of(*outcome)))
        .collect()
}

fn alerts(firing: Vec<(String, model::Alert)>) -> Vec<FiringAlert> {
    let mut alerts: Vec<FiringAlert> = firing
        .into_iter()
        .map(|(incident, alert)| FiringAlert {
            rule: alert.labels.get("alertname").unwrap_or_default().to_owned(),
            severity: alert.severity(),
            since: alert.starts_at,
            summary: alert
                .annotations
                .get("summary")
                .cloned()
                .unwrap_or_default(),
            labels: alert.labels,
            incident: Some(incident),
        })
        .collect();
    alerts.sort_by_key(|alert| (std::cmp::Reverse(alert.severity), alert.since));
    alerts
}

/// The function's calls by one dimension, the most called value first.
fn slices(
    sources: &Sources,
    select: &Selection,
    dimension: Dimension,
    range: Duration,
    now: Timestamp,
) -> Vec<Slice> {
    let rollups = sources.store.rollups();
    let (from, to) = ((now - range).as_seconds() + 1, now.as_seconds() + 1);
    let latencies: BTreeMap<String, Sketch> = rollups
        .latency(select, &[dimension], from, to)
        .into_iter()
        .filter_map(|(group, sketch)| Some((group.get(dimension)?.to_owned(), sketch)))
        .collect();
    let mut slices: Vec<Slice> = rollups
        .sum(select, &[dimension], from, to)
        .into_iter()
        .filter(|(_, counts)| !counts.is_zero())
        .filter_map(|(group, counts)| {
            let value = group.get(dimension)?.to_owned();
            let p99 = latencies.get(&value).and_then(|all| all.quantile_us(0.99));
            Some(Slice {
                calls: counts.weighted,
                qps: counts.weighted as f64 / range.as_secs_f64(),
                errors: counts.failed(),
                success_rate: counts.success_rate(),
                p99_ms: p99.map(|micros| micros / 1_000.0),
                limited: counts.of(Outcome::Limited),
                cold_starts: counts.cold_starts,
                value,
            })
        })
        .collect();
    slices.sort_by(|one, other| (other.calls, &one.value).cmp(&(one.calls, &other.value)));
    slices.truncate(SLICES_MAX);
    slices
}
