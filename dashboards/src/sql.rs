//! `POST /api/v1/sql`: one SELECT, answered as JSON or, by `Accept`, as CSV.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use inbound::{Json, ProblemDocument};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::QueryError;
use utoipa::ToSchema;

use crate::Sources;

/// A question in SQL.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SqlQuestion)]
pub(crate) struct Question {
    /// One SELECT over `invocations`, `logs`, `samples` and `minutes`.
    query: String,
}

/// Columns and rows.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SqlAnswer)]
pub(crate) struct Answer {
    /// The columns in order.
    pub(crate) columns: Vec<Column>,
    /// The rows, each with a value per column. Integers beyond 2⁵³ are texts.
    pub(crate) rows: Vec<Vec<Value>>,
    /// Whether there were more rows than the limit lets through.
    pub(crate) truncated: bool,
}

/// A column of an answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SqlColumn)]
pub(crate) struct Column {
    /// Its name.
    pub(crate) name: String,
    /// Its type in a word.
    #[serde(rename = "type")]
    pub(crate) kind: String,
}

/// One SELECT over the tables as they are now.
///
/// Within limits of rows and time; JSON, or CSV by `Accept: text/csv`.
#[utoipa::path(post, path = "/api/v1/sql", tag = "dashboards", request_body = Question, responses(
    (status = 200, description = "columns and rows", body = Answer),
    (status = 400, description = "the query is wrong, or took too long", content_type = "application/problem+json"),
    (status = 429, description = "too many queries at once", content_type = "application/problem+json"),
))]
pub(crate) async fn ask(
    State(sources): State<Sources>,
    headers: HeaderMap,
    Json(question): Json<Question>,
) -> Result<Response, ProblemDocument> {
    let answer = sources
        .store
        .query(&question.query, sources.store.query_limits())
        .await
        .map_err(problem)?;
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    if accept.contains("text/csv") {
        let csv = answer.to_csv();
        return Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], csv).into_response());
    }
    Ok(Json(answer.to_json()).into_response())
}

pub(crate) fn problem(error: QueryError) -> ProblemDocument {
    match error {
        QueryError::Busy => {
            ProblemDocument::too_many_requests(error.to_string(), Duration::from_secs(1))
        }
        QueryError::Failed(cause) => ProblemDocument::internal(cause),
        QueryError::TooLong { .. } => ProblemDocument::too_large(error.to_string()).field("query"),
        mistake => ProblemDocument::bad_request(mistake.to_string()).field("query"),
    }
}
