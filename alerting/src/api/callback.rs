//! What Twilio posts back: signed over the address it was told and every field.

use axum::body::Body;
use axum::http::HeaderMap;
use inbound::{BodyLimits, read_body};

use super::form;
use crate::delivery::Receipt;
use crate::engine::Handle;

/// A callback's form is two dozen short fields.
const FORM_BYTES_MAX: usize = 16_384;
/// The longest status or code that is kept.
const WORD_CHARS_MAX: usize = 40;

/// The fields of a form that the provider has signed for this path of ours; nothing without.
pub(super) async fn signed(
    handle: &Handle,
    path: &str,
    headers: &HeaderMap,
    body: Body,
) -> Option<Vec<(String, String)>> {
    let address = handle.links().external_url.clone()?;
    let signature = headers.get("x-twilio-signature")?.to_str().ok()?.to_owned();
    let form = read_body(headers, body, &BodyLimits::small(FORM_BYTES_MAX)).await;
    let fields = form::fields(&form.ok()?);
    let url = format!("{address}{path}");
    let genuine = handle.is_signed(&url, &fields, &signature).await;
    genuine.is_ok_and(|genuine| genuine).then_some(fields)
}

/// Which message a status is about and what it means; `None` while it is on its way. A completed call
/// may have reached a mailbox: it proves no more than that a line answered.
pub(super) fn receipt(fields: &[(String, String)]) -> Option<(&str, Receipt)> {
    let either = |a: &str, b: &str| form::value(fields, a).or_else(|| form::value(fields, b));
    let id = either("MessageSid", "CallSid")?;
    let word = either("MessageStatus", "CallStatus")?;
    let known = ["delivered", "read", "completed"];
    if known.contains(&word) {
        let detail = word.to_owned();
        return Some((id, Receipt::Arrived { detail }));
    }
    if !["failed", "undelivered", "busy", "no-answer", "canceled"].contains(&word) {
        return None;
    }
    let code = form::value(fields, "ErrorCode").filter(|code| !code.is_empty());
    let code = code.map(|code| {
        let short: String = code
            .chars()
            .filter(char::is_ascii_digit)
            .take(WORD_CHARS_MAX)
            .collect();
        format!(", code {short}")
    });
    let reason = format!("{word}{}", code.unwrap_or_default());
    Some((id, Receipt::Failed { reason }))
}
