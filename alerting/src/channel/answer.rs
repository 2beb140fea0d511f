//! What an HTTP exchange with a provider means for the message: taken, refused, or nobody knows.

use std::fmt::Display;
use std::time::Duration;

use chrono::DateTime;
use model::{Secret, Timestamp};
use outbound::{Answer, Outbound, OutboundError, Request, Trust};
use serde_json::Value;

use super::read::Common;
use crate::delivery::{Attempt, Delivery, Retry};
use crate::message::one_line;

/// More than any provider's answer to one message.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// A provider may not silence a channel for longer than this by one header.
pub(super) const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);
const REASON_CHARS_MAX: usize = 200;
const PROVIDER_ID_CHARS_MAX: usize = 100;

/// Posts JSON to an address from the configuration.
pub(super) async fn post_json(
    outbound: &Outbound,
    url: String,
    mut headers: Vec<(String, String)>,
    body: Vec<u8>,
    deadline: Duration,
) -> Result<Answer, OutboundError> {
    headers.push((
        "content-type".to_owned(),
        "application/json; charset=utf-8".to_owned(),
    ));
    post(outbound, url, headers, body, deadline).await
}

/// Posts a channel's body to its own address and lets it judge the answer.
pub(super) async fn deliver(
    outbound: &Outbound,
    url: &Secret<String>,
    body: &Value,
    common: &Common,
    delivery: &Delivery,
    judge: fn(&Answer, Timestamp) -> Attempt,
) -> Attempt {
    let url = url.expose().clone();
    let body = body.to_string().into_bytes();
    tell(outbound, url, body, common.deadline, delivery.now, judge).await
}

/// Posts JSON and lets the provider's channel judge the answer.
pub(super) async fn tell(
    outbound: &Outbound,
    url: String,
    body: Vec<u8>,
    deadline: Duration,
    now: Timestamp,
    judge: fn(&Answer, Timestamp) -> Attempt,
) -> Attempt {
    match post_json(outbound, url, Vec::new(), body, deadline).await {
        Ok(answer) => judge(&answer, now),
        Err(error) => lost(&error),
    }
}

/// Posts whatever the headers say to an address from the configuration.
pub(super) async fn post(
    outbound: &Outbound,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    deadline: Duration,
) -> Result<Answer, OutboundError> {
    let request = Request {
        method: "POST".to_owned(),
        url,
        headers,
        body,
        deadline,
        trust: Trust::Configured,
        answer_bytes_max: ANSWER_BYTES_MAX,
    };
    outbound.send(request).await
}

/// What a provider means by a code of its own, and what helps.
pub(super) struct Meaning<C> {
    pub(super) code: C,
    pub(super) retry: Retry,
    pub(super) hint: &'static str,
}

/// One line of a provider's table of codes.
pub(super) const fn means<C>(code: C, retry: Retry, hint: &'static str) -> Meaning<C> {
    Meaning { code, retry, hint }
}

/// A refusal by code; `unlisted` is for codes that the table does not hold.
pub(super) fn refused<C: PartialEq + Display>(
    word: &str,
    code: &C,
    said: &str,
    table: &[Meaning<C>],
    unlisted: Retry,
) -> Attempt {
    let listed = table.iter().find(|meaning| meaning.code == *code);
    let (retry, hint) = listed.map_or((unlisted, ""), |meaning| (meaning.retry, meaning.hint));
    let mut reason = format!("{word} {code}: {}", short_reason(said));
    if !hint.is_empty() {
        reason.push_str("; ");
        reason.push_str(hint);
    }
    Attempt::Refused { reason, retry }
}

/// The provider took it.
pub(super) fn accepted(detail: impl Into<String>, provider_id: Option<String>) -> Attempt {
    Attempt::Accepted {
        detail: detail.into(),
        provider_id: provider_id.map(|id| one_line(&id, PROVIDER_ID_CHARS_MAX)),
    }
}

/// A success by status whose body is not the provider's: something stands in between.
pub(super) fn unreadable(answer: &Answer) -> Attempt {
    let said = short_reason(&String::from_utf8_lossy(&answer.body));
    Attempt::Unknown {
        reason: format!("HTTP {} with a foreign answer: {said}", answer.status),
    }
}

/// An exchange that ended without an answer.
pub(super) fn lost(error: &OutboundError) -> Attempt {
    let reason = short_reason(&error.to_string());
    if error.outcome_unknown() {
        return Attempt::Unknown { reason };
    }
    let retry = match error {
        OutboundError::BadUrl { .. }
        | OutboundError::BadRequest { .. }
        | OutboundError::Refused { .. } => Retry::Never,
        _ => Retry::Backoff,
    };
    Attempt::Refused { reason, retry }
}

/// What a status says that is not a success. Every provider means the same by these.
pub(super) fn refusal(answer: &Answer, now: Timestamp) -> Attempt {
    let status = answer.status;
    let retry = match status {
        429 | 503 => retry_after(answer, now).map_or(Retry::Backoff, Retry::After),
        408 | 425 | 500..=599 => Retry::Backoff,
        _ => Retry::Never,
    };
    let said = short_reason(&String::from_utf8_lossy(&answer.body));
    let hint = match status {
        300..=399 => "; redirects are not followed, configure the final address",
        401 | 403 => "; check the token or secret",
        404 | 410 => "; check the address",
        _ => "",
    };
    let reason = match said.as_str() {
        "" => format!("HTTP {status}{hint}"),
        said => format!("HTTP {status}: {said}{hint}"),
    };
    Attempt::Refused { reason, retry }
}

/// Foreign text for a record: one line, not long.
pub(super) fn short_reason(text: &str) -> String {
    one_line(text, REASON_CHARS_MAX)
}

/// `Retry-After` as seconds or as an HTTP date, capped; `None` when absent or unreadable.
fn retry_after(answer: &Answer, now: Timestamp) -> Option<Duration> {
    let text = answer.header("retry-after")?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => http_date(text)?.since(now),
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(super) fn http_date(text: &str) -> Option<Timestamp> {
    let instant = DateTime::parse_from_rfc2822(text).ok()?;
    Some(Timestamp::from(instant.to_utc()))
}
