//! `POST /api/v1/sql`: one SELECT, answered as JSON or, by `Accept`, as CSV or an Arrow stream.
//!
//! The answer, bounded in rows and bytes, is complete before its first byte leaves, so that a failure is
//! always a status; it is then written down piece by piece.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use inbound::{Json, ProblemDocument};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{AnswerFormat, QueryError};
use utoipa::ToSchema;

use crate::Sources;

/// A question in SQL.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SqlQuestion)]
pub(crate) struct Question {
    /// One SELECT over `invocations`, `logs`, `samples`, `minutes`, `loadtests` and `seconds`.
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
/// Within limits of rows and time; JSON, or by `Accept` CSV or an Arrow stream, whose header
/// `Rampart-Truncated` says that there are more rows.
#[utoipa::path(post, path = "/api/v1/sql", tag = "dashboards", request_body = Question, responses(
    (status = 200, description = "columns and rows", content(
        (Answer = "application/json"),
        (String = "application/vnd.apache.arrow.stream"),
        (String = "text/csv"),
    )),
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
    let format = wanted(&headers);
    let truncated = answer.truncated && format != AnswerFormat::Json;
    let pieces = Body::from_stream(stream::iter(answer.into_pieces(format)));
    let mut response = ([(header::CONTENT_TYPE, format.media_type())], pieces).into_response();
    if truncated {
        let name = HeaderName::from_static("rampart-truncated");
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// The format that `Accept` asks for most, the first named of equals; JSON for what is not known.
fn wanted(headers: &HeaderMap) -> AnswerFormat {
    let mut best = (0, AnswerFormat::Json);
    let accepted = headers.get_all(header::ACCEPT).into_iter();
    let ranges = accepted.filter_map(|value| value.to_str().ok());
    for range in ranges.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let format = match parts.next().unwrap_or("").to_lowercase().as_str() {
            "application/json" | "application/*" | "*/*" => AnswerFormat::Json,
            "text/csv" | "text/*" => AnswerFormat::Csv,
            "application/vnd.apache.arrow.stream" => AnswerFormat::Arrow,
            _ => continue,
        };
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok());
        let thousandths = (weight.unwrap_or(1.0).clamp(0.0, 1.0) * 1_000.0) as u32;
        if thousandths > best.0 {
            best = (thousandths, format);
        }
    }
    best.1
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_chooses_the_format() {
        const STREAM: &str = "application/vnd.apache.arrow.stream";
        for (accept, format) in [
            (None, AnswerFormat::Json),
            (Some("*/*"), AnswerFormat::Json),
            (Some("text/csv"), AnswerFormat::Csv),
            (Some("Text/CSV; charset=utf-8"), AnswerFormat::Csv),
            (Some(STREAM), AnswerFormat::Arrow),
            (
                Some("text/html, application/vnd.apache.arrow.stream;q=0.9, */*;q=0.1"),
                AnswerFormat::Arrow,
            ),
            (
                Some("text/csv;q=0.2, application/json;q=0.3"),
                AnswerFormat::Json,
            ),
            (Some("text/csv;q=0"), AnswerFormat::Json),
            (Some("image/png"), AnswerFormat::Json),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            }
            assert_eq!(wanted(&headers), format, "{accept:?}");
        }
    }
}
