//! What a sender is answered.

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use inbound::ProblemDocument;
use serde::Serialize;
use store::Idempotency;
use utoipa::ToSchema;

use crate::formats::{Decoded, cut};

/// The longest reason in an answer.
const REASON_BYTES_MAX: usize = 256;

/// What was taken of a batch.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Ingested)]
pub(super) struct Taken<'a> {
    /// Rows that are on disk and visible now.
    accepted: u64,
    /// Lines that could not be read.
    rejected: u64,
    /// The first of them.
    errors: Vec<LineError<'a>>,
}

/// A line that could not be read.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RefusedLine)]
pub(super) struct LineError<'a> {
    /// Its number, counted from 1.
    line: usize,
    /// Why.
    reason: &'a str,
}

/// The answer to a batch of which something was read. It fits what an idempotency key keeps.
pub(super) fn body(decoded: &Decoded) -> String {
    let errors = decoded.refusals.iter().map(|refusal| LineError {
        line: refusal.line,
        reason: cut(&refusal.reason, REASON_BYTES_MAX),
    });
    let mut taken = Taken {
        accepted: decoded.accepted,
        rejected: decoded.rejected.total(),
        errors: errors.collect(),
    };
    loop {
        // Serializing numbers and texts cannot fail.
        let text = serde_json::to_string(&taken).unwrap_or_default();
        if text.len() <= Idempotency::ANSWER_BYTES_MAX || taken.errors.is_empty() {
            return text;
        }
        taken.errors.truncate(taken.errors.len() / 2);
    }
}

/// JSON that is already text.
pub(super) fn json(text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// The answer to a body of which nothing could be read.
pub(super) fn nothing_read(decoded: &Decoded) -> ProblemDocument {
    let lines = decoded.rejected.total();
    let first = decoded.refusals.first();
    let detail = match first {
        Some(first) => format!(
            "none of {lines} lines could be read; line {}: {}",
            first.line,
            cut(&first.reason, REASON_BYTES_MAX)
        ),
        None => format!("none of {lines} lines could be read"),
    };
    ProblemDocument::bad_request(detail)
        .hint("send one JSON object a line, with at least function and outcome or http_status")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::{Refusal, RefusalCounts, RefusalKind};

    #[test]
    fn answers_as_the_contract_says_and_stays_within_what_a_key_keeps() {
        let mut rejected = RefusalCounts::default();
        rejected.add(RefusalKind::BadField, 1);
        let mut decoded = Decoded {
            accepted: 9,
            rejected,
            refusals: vec![Refusal {
                line: 4,
                kind: RefusalKind::BadField,
                reason: "field outcome: unknown value \"okk\"".to_owned(),
                text: String::new(),
            }],
            ..Decoded::default()
        };
        assert_eq!(
            body(&decoded),
            r#"{"accepted":9,"rejected":1,"errors":[{"line":4,"reason":"field outcome: unknown value \"okk\""}]}"#
        );
        let worst = Refusal {
            reason: "\u{1}".repeat(1_000),
            ..decoded.refusals[0].clone()
        };
        decoded.refusals = vec![worst; 100];
        let text = body(&decoded);
        assert!(text.len() <= Idempotency::ANSWER_BYTES_MAX && text.len() > 1_000);
    }
}
