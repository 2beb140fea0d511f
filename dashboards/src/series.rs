//! `GET /api/v1/functions/{namespace}/{function}/series`: curves, as columns.

mod grid;
mod lines;
mod measure;
mod thin;

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::State;
use inbound::{Json, Path, ProblemDocument, Query};
use model::{FunctionId, Timestamp};
use serde::{Deserialize, Serialize};
use store::Dimension;
use utoipa::ToSchema;

use crate::Sources;
use crate::function::{PLACES, identify, unknown};
use crate::range::{self, LONGEST};
pub(crate) use grid::Grid;
use lines::Line;
pub(crate) use measure::Measures;

/// The most points in one answer when nothing is said.
const POINTS: usize = 1_200;
/// The most that may be asked for.
const POINTS_MAX: usize = 4_000;
/// The most earlier stretches to compare with.
const COMPARED_MAX: usize = 3;

/// What may be asked.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Question {
    /// The beginning, RFC 3339 or Unix seconds.
    from: Option<String>,
    /// The end, RFC 3339 or Unix seconds; now when nothing is said.
    to: Option<String>,
    /// How far back from the end, instead of `from`; `15m` when nothing is said.
    range: Option<String>,
    /// The length of a step; the finest that is kept when nothing is said.
    step: Option<String>,
    /// One curve per `unit`, `version` or `zone`.
    by: Option<String>,
    /// Also the same stretch this much earlier: `1d`, or several: `1d,7d`.
    compare: Option<String>,
    /// About how many points are wanted; longer curves are thinned so that every peak stays.
    points: Option<usize>,
    /// Which curves: `qps`, `success_rate`, `errors`, `outcomes`, `latency`, `limited`, `cold_starts`;
    /// the first two when nothing is said.
    measures: Option<String>,
}

/// One curve; `values` stand under the same places of `time`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Curve {
    /// What tells it from others of the same measure.
    pub(crate) labels: BTreeMap<&'static str, String>,
    /// `qps`, `success_rate`, `errors`, `outcome`, `p50_ms`, `p95_ms`, `p99_ms`, `limited` or
    /// `cold_starts`; all but shares and latencies are per second.
    pub(crate) measure: &'static str,
    /// The values; null where nothing is known.
    pub(crate) values: Vec<Option<f64>>,
}

/// Curves over common times.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Curves {
    /// The beginnings of the steps, in seconds since the epoch.
    pub(crate) time: Vec<i64>,
    /// The length of a step before thinning.
    pub(crate) step_seconds: u64,
    /// The curves.
    pub(crate) series: Vec<Curve>,
    /// The moment of the answer.
    pub(crate) as_of: Timestamp,
    /// Seconds since the epoch up to which calls are known to be complete; null when that cannot be
    /// told. Later points may still change.
    pub(crate) complete_until: Option<i64>,
}

/// Curves of one function over a stretch of time.
#[utoipa::path(get, path = "/api/v1/functions/{namespace}/{function}/series", tag = "dashboards",
    params(("namespace" = String, Path, description = "the function's namespace"), ("function" = String, Path, description = "its name"), Question),
    responses(
        (status = 200, description = "the curves", body = Curves),
        (status = 400, description = "a stretch or measure that cannot be answered", content_type = "application/problem+json"),
        (status = 404, description = "no call of it is known", content_type = "application/problem+json"),
    ))]
pub(crate) async fn show(
    State(sources): State<Sources>,
    Path((namespace, function)): Path<(String, String)>,
    Query(question): Query<Question>,
) -> Result<Json<Curves>, ProblemDocument> {
    let id = identify(&namespace, &function)?;
    let now = sources.clock.now();
    let grid = stretch(&question, now)?;
    let by = dimension(question.by.as_deref())?;
    let measures = Measures::read(question.measures.as_deref())?;
    let backs = backs(question.compare.as_deref())?;
    let points = question.points.unwrap_or(POINTS).clamp(10, POINTS_MAX);
    let mut curves = collect(&sources, &id, &grid, by, measures, now).await?;
    for (text, back) in backs {
        let earlier = grid.earlier(back);
        let plain = measures.without_latency();
        for line in lines::counts(&sources.store, &id, None, &earlier, now).await? {
            let mut compared = measure::curves(&line, &earlier, plain, now);
            for curve in &mut compared {
                curve.labels.insert("compare", text.clone());
            }
            curves.series.extend(compared);
        }
    }
    if curves.series.is_empty() && sources.store.rollups().function(&id).is_none() {
        return Err(unknown(&id));
    }
    Ok(Json(thin::thin(curves, points)))
}

/// The curves of a grid, unthinned and without a comparison.
pub(crate) async fn collect(
    sources: &Sources,
    id: &FunctionId,
    grid: &Grid,
    by: Option<Dimension>,
    measures: Measures,
    now: Timestamp,
) -> Result<Curves, ProblemDocument> {
    let mut series = Vec::new();
    for line in lines::counts(&sources.store, id, by, grid, now).await? {
        series.extend(measure::curves(&line, grid, measures, now));
    }
    if measures.latency {
        series.extend(lines::latencies(&sources.store, id, by, grid, now).await?);
    }
    let complete = sources.collector.watermark(id);
    Ok(Curves {
        time: grid.times(),
        step_seconds: grid.step,
        series,
        as_of: now,
        complete_until: complete.map(|until| until.min(now).as_seconds()),
    })
}

fn stretch(question: &Question, now: Timestamp) -> Result<Grid, ProblemDocument> {
    let to = range::instant(question.to.as_deref(), "to", now)?.min(now);
    let from = match (&question.from, &question.range) {
        (Some(_), Some(_)) => {
            let said = "`from` and `range` both say where it begins";
            return Err(ProblemDocument::bad_request(said).field("range"));
        }
        (Some(from), None) => range::instant(Some(from), "from", to)?,
        (None, length) => {
            let quarter = range::SECONDS_KEPT;
            to - range::length(length.as_deref(), "range", quarter, LONGEST)?
        }
    };
    let length = to.since(from);
    if length.is_zero() || length > LONGEST {
        let said = "`from` must lie before `to` and before now, by at most 31 days";
        return Err(ProblemDocument::bad_request(said).field("from"));
    }
    let day = Duration::from_hours(24);
    let step = range::length(question.step.as_deref(), "step", Duration::ZERO, day)?;
    Ok(Grid::over(from, to, step, now))
}

/// The dimension to split by.
pub(crate) fn dimension(by: Option<&str>) -> Result<Option<Dimension>, ProblemDocument> {
    let Some(word) = by.filter(|word| !word.is_empty()) else {
        return Ok(None);
    };
    match Dimension::from_word(word) {
        Some(dimension) if PLACES.contains(&dimension) => Ok(Some(dimension)),
        _ => Err(
            ProblemDocument::bad_request(format!("cannot split by {word:?}"))
                .field("by")
                .hint("use version, unit or zone"),
        ),
    }
}

fn backs(compare: Option<&str>) -> Result<Vec<(String, Duration)>, ProblemDocument> {
    let words: Vec<&str> = compare
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .collect();
    if words.len() > COMPARED_MAX {
        let said = format!("at most {COMPARED_MAX} stretches can be compared with");
        return Err(ProblemDocument::bad_request(said).field("compare"));
    }
    words
        .into_iter()
        .map(|word| {
            let back = range::length(Some(word), "compare", Duration::ZERO, LONGEST)?;
            Ok((word.to_owned(), back))
        })
        .collect()
}

/// What a curve is made of.
pub(crate) type Labels = BTreeMap<&'static str, String>;

#[cfg(test)]
mod tests;
