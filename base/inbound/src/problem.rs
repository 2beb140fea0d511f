//! Refusals, as RFC 9457 problem documents.

use std::fmt;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::events;

/// A refusal: `{"type","title","status","detail","field","hint"}` as `application/problem+json`.
///
/// `detail` says what is wrong with this request, `field` which part of it, `hint` the way out. All
/// three reach the client, so they never hold a secret or an inner cause.
#[derive(Clone, Debug)]
pub struct ProblemDocument(Box<Inner>);

// Boxed so that `Result<_, ProblemDocument>` stays small in every handler.
#[derive(Clone, Debug)]
struct Inner {
    status: StatusCode,
    detail: String,
    field: Option<String>,
    hint: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Why a request was refused, as RFC 9457 has it.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Wire<'a> {
    /// Always `about:blank`: the status says of which kind it is.
    r#type: &'static str,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong with this request.
    detail: &'a str,
    /// Which part of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<&'a str>,
    /// The way out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    hint: Option<&'a str>,
}

impl ProblemDocument {
    /// A problem with an HTTP status; a number that is no HTTP error status becomes 500.
    pub fn new(status: u16, detail: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(status)
            .ok()
            .filter(|status| status.is_client_error() || status.is_server_error())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        ProblemDocument(Box::new(Inner {
            status,
            detail: detail.into(),
            field: None,
            hint: None,
            headers: Vec::new(),
        }))
    }

    /// Names the part of the request that is wrong.
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.0.field = Some(field.into());
        self
    }

    /// Says the way out.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Sets `Retry-After`, in whole seconds rounded up, at least one.
    pub fn retry_after(self, after: Duration) -> Self {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    /// Adds a response header, replacing an earlier one of the same name.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.retain(|(present, _)| *present != name);
        self.0.headers.push((name, value));
        self
    }

    /// 400: the request cannot be understood.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(400, detail)
    }

    /// 401 with the challenge that RFC 9110 asks for.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(401, detail).header(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"rampart\""),
        )
    }

    /// 403: known caller, not allowed.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(403, detail)
    }

    /// 404: no such thing.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(404, detail)
    }

    /// 409: the thing is in a state that does not allow this.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(409, detail)
    }

    /// 413: the body is over a limit.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(413, detail)
    }

    /// 415: the body is in a form that is not read here.
    pub fn unsupported_media_type(detail: impl Into<String>) -> Self {
        Self::new(415, detail)
    }

    /// 422: understood, but wrong in itself.
    pub fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(422, detail)
    }

    /// 429 with `Retry-After`.
    pub fn too_many_requests(detail: impl Into<String>, after: Duration) -> Self {
        Self::new(429, detail).retry_after(after)
    }

    /// 503 with `Retry-After`.
    pub fn unavailable(detail: impl Into<String>, after: Duration) -> Self {
        Self::new(503, detail).retry_after(after)
    }

    /// 500: logs the cause, and tells the client only that the log has it.
    pub fn internal(cause: impl fmt::Display) -> Self {
        events::internal_error(&cause);
        Self::new(500, "something failed inside rampart")
            .hint("the server's log names the cause next to this answer's x-request-id")
    }

    /// 401 for a caller without a token that is known.
    pub(crate) fn token_needed() -> Self {
        Self::unauthorized("this needs a token, and the request carries none that is known")
            .hint("send `Authorization: Bearer TOKEN`; tokens are listed under auth.tokens")
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The sentence that says what is wrong.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }
}

impl fmt::Display for ProblemDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.status, self.0.detail)
    }
}

impl std::error::Error for ProblemDocument {}

impl IntoResponse for ProblemDocument {
    fn into_response(self) -> Response {
        let Inner {
            status,
            detail,
            field,
            hint,
            headers,
        } = *self.0;
        let wire = Wire {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: &detail,
            field: field.as_deref(),
            hint: hint.as_deref(),
        };
        // Strings and a number always serialise.
        let body = serde_json::to_vec(&wire).unwrap_or_default();
        let mut response = (status, body).into_response();
        let all = response.headers_mut();
        all.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        all.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in headers {
            all.insert(name, value);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    async fn shown(problem: ProblemDocument) -> (Response<()>, String) {
        let (parts, body) = problem.into_response().into_parts();
        let text = body.collect().await.unwrap().to_bytes();
        (
            Response::from_parts(parts, ()),
            String::from_utf8(text.to_vec()).unwrap(),
        )
    }

    #[tokio::test]
    async fn every_member_is_shown_and_absent_ones_are_not() {
        let (response, body) = shown(
            ProblemDocument::bad_request("`for` is not a duration")
                .field("for")
                .hint("write 5m"),
        )
        .await;
        assert_eq!(response.status(), 400);
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
        assert_eq!(
            body,
            r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"`for` is not a duration","field":"for","hint":"write 5m"}"#
        );
        let (_, body) = shown(ProblemDocument::not_found("no incident 7")).await;
        assert_eq!(
            body,
            r#"{"type":"about:blank","title":"Not Found","status":404,"detail":"no incident 7"}"#
        );
    }

    #[tokio::test]
    async fn retry_after_rounds_up_and_is_never_zero() {
        for (after, expected) in [(0, "1"), (1_000, "1"), (1_001, "2"), (90_000, "90")] {
            let problem = ProblemDocument::unavailable("full", Duration::from_millis(after));
            let (response, _) = shown(problem).await;
            assert_eq!(response.headers()["retry-after"], expected);
        }
    }

    #[tokio::test]
    async fn an_inner_cause_stays_inside() {
        let (response, body) = shown(ProblemDocument::internal("disk /dev/sda1 is on fire")).await;
        assert_eq!(response.status(), 500);
        assert!(!body.contains("sda1"), "{body}");
    }

    #[test]
    fn a_status_that_is_no_error_becomes_500() {
        for status in [0, 99, 200, 302, 1000] {
            assert_eq!(ProblemDocument::new(status, "x").status(), 500);
        }
    }
}
