//! `GET /api/v1/functions/{namespace}/{function}/locate`: what explains the failures, with samples.

use std::time::Duration;

use ::rules::suspects::{Cell, Explanation, Share, pairs, rank};
use axum::extract::State;
use inbound::{Json, Path, ProblemDocument, Query};
use model::{FunctionId, Outcome, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{QueryError, QueryLimits};
use utoipa::ToSchema;

use crate::Sources;
use crate::function::{identify, unknown};
use crate::range::{self, LONGEST};
use crate::sql::problem;

/// Failed calls shown.
const SAMPLES: usize = 20;
/// The most values of one dimension that are compared.
const VALUES_MAX: usize = 1_000;
/// Where a call can have run, the widest first, and what only failures have.
const DIMENSIONS: [&str; 7] = [
    "unit",
    "version",
    "zone",
    "layer",
    "served_by",
    "instance",
    "error_type",
];

/// Where a call can have run and who answered it: pairs of these are compared as well.
const PLACES: [&str; 4] = ["unit", "version", "zone", "served_by"];

/// What may be asked.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Question {
    /// How far back, `5m` when nothing is said.
    range: Option<String>,
    /// The end of the range, RFC 3339 or Unix seconds; now when nothing is said.
    to: Option<String>,
}

/// Explanations and samples.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Located {
    /// Where failures gather, the best explanation first; empty where they are spread evenly.
    pub(crate) explanations: Vec<Explanation>,
    /// Pairs of places that say more than either place alone: both values hold.
    pub(crate) pairs: Vec<Explanation>,
    /// The newest failed calls.
    pub(crate) samples: Vec<FailedCall>,
    /// The end of the range.
    pub(crate) as_of: Timestamp,
}

/// A call that failed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct FailedCall {
    /// When it began.
    pub(crate) ts: String,
    /// How it ended.
    pub(crate) outcome: String,
    /// How long it took, in milliseconds.
    pub(crate) duration_ms: f64,
    /// The request.
    pub(crate) request_id: Option<String>,
    /// The version that ran.
    pub(crate) version: Option<String>,
    /// The unit it ran in.
    pub(crate) unit: Option<String>,
    /// The zone it ran in.
    pub(crate) zone: Option<String>,
    /// The pod it ran in.
    pub(crate) instance: Option<String>,
    /// The type of the error.
    pub(crate) error_type: Option<String>,
    /// The HTTP status it was answered with.
    pub(crate) http_status: Option<u16>,
}

/// Compares every dimension and ranks what explains the failures.
#[utoipa::path(get, path = "/api/v1/functions/{namespace}/{function}/locate", tag = "dashboards",
    params(("namespace" = String, Path, description = "the function's namespace"), ("function" = String, Path, description = "its name"), Question),
    responses(
        (status = 200, description = "explanations and samples", body = Located),
        (status = 404, description = "no call of it is known", content_type = "application/problem+json"),
    ))]
pub(crate) async fn show(
    State(sources): State<Sources>,
    Path((namespace, function)): Path<(String, String)>,
    Query(question): Query<Question>,
) -> Result<Json<Located>, ProblemDocument> {
    let id = identify(&namespace, &function)?;
    if sources.store.rollups().function(&id).is_none() {
        return Err(unknown(&id));
    }
    let to = range::instant(question.to.as_deref(), "to", sources.clock.now())?;
    let five = Duration::from_mins(5);
    let range = range::length(question.range.as_deref(), "range", five, LONGEST)?;
    let calls = Calls {
        sources: &sources,
        condition: condition(&id, to - range, to),
    };
    let (explanations, pairs, samples) =
        tokio::try_join!(calls.explanations(), calls.pairs(), calls.samples()).map_err(problem)?;
    Ok(Json(Located {
        explanations,
        pairs,
        samples,
        as_of: to,
    }))
}

/// The calls in question.
struct Calls<'a> {
    sources: &'a Sources,
    condition: String,
}

impl Calls<'_> {
    async fn rows(&self, sql: &str, rows_max: usize) -> Result<Vec<Value>, QueryError> {
        let limits = QueryLimits {
            rows_max,
            ..*self.sources.store.query_limits()
        };
        let answer = self.sources.store.query(sql, &limits).await?;
        Ok(answer.to_json_rows())
    }

    async fn explanations(&self) -> Result<Vec<Explanation>, QueryError> {
        let mut shares = Vec::new();
        let (mut failures, mut calls) = (0, 0);
        for dimension in DIMENSIONS {
            let sql = format!(
                "select \"{dimension}\", count(*), count(*) filter (where {failed}), \
                 count(*) filter (where outcome = 'ok') from invocations where {} group by 1 order by 3 desc, 2 desc",
                self.condition,
                failed = failed(),
            );
            let rows = self.rows(&sql, VALUES_MAX).await?;
            let counted: Vec<(String, u64, u64, u64)> = rows.iter().filter_map(counts).collect();
            // Every dimension splits the same calls.
            calls = counted.iter().map(|(_, calls, ..)| calls).sum();
            failures = counted.iter().map(|(_, _, failed, _)| failed).sum();
            shares.extend(
                counted
                    .into_iter()
                    .map(|(value, calls, failures, ok)| Share {
                        dimension,
                        value,
                        failures,
                        calls: (dimension != "error_type").then_some(calls),
                        success_rate: (ok + failures > 0)
                            .then(|| ok as f64 / (ok + failures) as f64),
                    }),
            );
        }
        Ok(rank(shares.into_iter(), failures, calls))
    }

    /// Pairs of places, out of all combinations of them. With more than [`VALUES_MAX`] of those the ones
    /// that failed least are left out, which speaks for no pair.
    async fn pairs(&self) -> Result<Vec<Explanation>, QueryError> {
        let names = PLACES.map(|place| format!("\"{place}\"")).join(", ");
        let columns: Vec<String> = (1..=PLACES.len()).map(|at| at.to_string()).collect();
        let sql = format!(
            "select {names}, count(*) as calls, count(*) filter (where {failed}) as failures, \
             count(*) filter (where outcome = 'ok') as ok from invocations where {} \
             group by {} order by failures desc, calls desc",
            self.condition,
            columns.join(", "),
            failed = failed(),
        );
        let rows = self.rows(&sql, VALUES_MAX).await?;
        let cells: Vec<Cell> = rows.iter().filter_map(cell).collect();
        Ok(pairs(&PLACES, &cells))
    }

    async fn samples(&self) -> Result<Vec<FailedCall>, QueryError> {
        let sql = format!(
            "select ts, outcome, duration_us, request_id, version, unit, zone, instance, error_type, http_status \
             from invocations where {} and {} order by ts desc limit {SAMPLES}",
            self.condition,
            failed(),
        );
        let rows = self.rows(&sql, SAMPLES).await?;
        Ok(rows.iter().filter_map(failed_call).collect())
    }
}

fn counts(row: &Value) -> Option<(String, u64, u64, u64)> {
    let number = |column: usize| row.get(column).and_then(Value::as_u64);
    let value = row.get(0).and_then(Value::as_str).unwrap_or_default();
    Some((value.to_owned(), number(1)?, number(2)?, number(3)?))
}

fn cell(row: &Value) -> Option<Cell> {
    let text = |at: usize| row.get(at).and_then(Value::as_str).unwrap_or_default();
    let number = |at: usize| row.get(PLACES.len() + at).and_then(Value::as_u64);
    Some(Cell {
        values: (0..PLACES.len()).map(|at| text(at).to_owned()).collect(),
        calls: number(0)?,
        failures: number(1)?,
        ok: number(2)?,
    })
}

fn failed_call(row: &Value) -> Option<FailedCall> {
    let text = |column: usize| row.get(column).and_then(Value::as_str).map(str::to_owned);
    Some(FailedCall {
        ts: text(0)?,
        outcome: text(1)?,
        duration_ms: row.get(2).and_then(Value::as_f64)? / 1_000.0,
        request_id: text(3),
        version: text(4),
        unit: text(5),
        zone: text(6),
        instance: text(7),
        error_type: text(8),
        http_status: row
            .get(9)
            .and_then(Value::as_u64)
            .and_then(|status| u16::try_from(status).ok()),
    })
}

/// Live calls of the function that began in the stretch.
fn condition(id: &FunctionId, from: Timestamp, to: Timestamp) -> String {
    format!(
        "namespace = {} and \"function\" = {} and traffic = 'live' and ts >= timestamp '{}' and ts <= timestamp '{}'",
        literal(&id.namespace),
        literal(&id.name),
        from.to_rfc3339(),
        to.to_rfc3339()
    )
}

fn failed() -> String {
    let words = Outcome::ALL.iter().filter(|outcome| outcome.failed());
    let words: Vec<String> = words.map(|outcome| literal(outcome.as_str())).collect();
    format!("outcome in ({})", words.join(", "))
}

/// A text as SQL writes it.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        assert_eq!(literal("it's"), "'it''s'");
        let failed = failed();
        assert!(
            failed.contains("'timeout'") && !failed.contains("'limited'"),
            "{failed}"
        );
    }
}
