//! Extractors whose rejections are problem documents.

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{BodyLimits, ProblemDocument, read_body};

/// Largest JSON command that [`Json`] reads.
pub const JSON_BODY_BYTES_MAX: usize = 1 << 20;

/// A JSON body, in and out. An empty body reads as `{}`, so that commands whose fields are all
/// optional can be sent bare.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = ProblemDocument;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        let (parts, body) = request.into_parts();
        let bytes = read_json(&parts.headers, body, JSON_BODY_BYTES_MAX).await?;
        if bytes.is_empty() {
            return parse(b"{}").map(Json);
        }
        parse(&bytes).map(Json)
    }
}

/// Reads a body that says it is JSON, for documents that [`Json`] is too small for. An empty one needs
/// not say so.
///
/// Errors: those of [`read_body`]; 415 for another `Content-Type`.
pub async fn read_json(
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
) -> Result<Bytes, ProblemDocument> {
    let bytes = read_body(headers, body, &BodyLimits::small(bytes_max)).await?;
    if !bytes.is_empty() && !is_json(headers) {
        return Err(
            ProblemDocument::unsupported_media_type("the body must be JSON")
                .field("Content-Type")
                .hint("send `Content-Type: application/json`"),
        );
    }
    Ok(bytes)
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(text) = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    let media = text.split(';').next().unwrap_or_default().trim();
    let Some((kind, sub)) = media.split_once('/') else {
        return false;
    };
    let sub = sub.to_ascii_lowercase();
    kind.eq_ignore_ascii_case("application") && (sub == "json" || sub.ends_with("+json"))
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ProblemDocument> {
    serde_json::from_slice(bytes).map_err(|cause| {
        let message = cause.to_string();
        let problem = ProblemDocument::bad_request(format!("the JSON body is wrong: {message}"));
        with_named_field(problem, &message)
    })
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(bytes) => (
                [(
                    header::CONTENT_TYPE,
                    HeaderValue::from_static("application/json"),
                )],
                bytes,
            )
                .into_response(),
            Err(cause) => ProblemDocument::internal(cause).into_response(),
        }
    }
}

/// The query string.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ProblemDocument;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        axum::extract::Query::try_from_uri(&parts.uri)
            .map(|axum::extract::Query(value)| Query(value))
            .map_err(|cause| {
                let message = innermost(&cause);
                let problem =
                    ProblemDocument::bad_request(format!("the query string is wrong: {message}"));
                with_named_field(problem, &message)
            })
    }
}

/// Parameters of the path.
#[derive(Clone, Copy, Debug, Default)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = ProblemDocument;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        axum::extract::Path::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Path(value)| Path(value))
            .map_err(|cause| {
                ProblemDocument::bad_request(format!("the path is wrong: {}", innermost(&cause)))
            })
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    deepest.to_string()
}

/// serde's messages name a missing or unknown field between backquotes.
fn with_named_field(problem: ProblemDocument, message: &str) -> ProblemDocument {
    let quoted = ["missing field `", "unknown field `"]
        .into_iter()
        .find_map(|start| message.split_once(start)?.1.split_once('`'))
        .map(|(name, _)| name);
    match quoted {
        Some(name) => problem.field(name),
        None => problem,
    }
}
