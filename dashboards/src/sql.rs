//! `POST /api/v1/sql`: one SELECT, answered as JSON or, by `Accept`, as CSV.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use inbound::{Json, ProblemDocument};
use serde::Deserialize;
use store::{QueryError, QueryLimits};

use crate::Sources;

/// The question.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    query: String,
}

/// Answers within the limits of [`QueryLimits::default`].
pub(crate) async fn ask(
    State(sources): State<Sources>,
    headers: HeaderMap,
    Json(question): Json<Question>,
) -> Result<Response, ProblemDocument> {
    let answer = sources
        .store
        .query(&question.query, &QueryLimits::default())
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

fn problem(error: QueryError) -> ProblemDocument {
    match error {
        QueryError::Busy => {
            ProblemDocument::too_many_requests(error.to_string(), Duration::from_secs(1))
        }
        QueryError::Failed(cause) => ProblemDocument::internal(cause),
        QueryError::TooLong { .. } => ProblemDocument::too_large(error.to_string()).field("query"),
        mistake => ProblemDocument::bad_request(mistake.to_string()).field("query"),
    }
}
