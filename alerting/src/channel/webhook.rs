//! A POST of JSON, in Rampart's own shape or in Alertmanager's, signed if asked.
//!
//! The signature is the header `Rampart-Signature: t=<unix seconds>,v1=<hex>` where the hex is
//! HMAC-SHA256 over `<t>.<raw body>`; a receiver refuses what is older than it likes. The header
//! `Idempotency-Key` is the same on every retry of one delivery.

use std::time::Duration;

use declare::{Node, Problems, Record, Shape};
use model::{Secret, Timestamp};
use outbound::{Answer, Outbound, OutboundError};

use super::read::{self, Common};
use super::sign::{hex, hmac_sha256};
use super::{ReadSecret, answer, payload};
use crate::delivery::{Attempt, Delivery, IncidentView, Limits};
use crate::message::one_line;

/// A machine's own limits are its own; this only keeps a loop from flooding it.
pub(super) const LIMITS: Limits = Limits {
    burst: 120,
    per: Duration::from_mins(1),
    min_gap: Duration::ZERO,
    penalty: Duration::ZERO,
};

/// The most alerts of one group in Alertmanager's body; `truncatedAlerts` counts the rest.
const GROUP_ALERTS_MAX: usize = 1_000;
const HEADERS_MAX: usize = 32;
const KEY_CHARS_MAX: usize = 200;

/// Which JSON is posted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Payload {
    /// Rampart's own.
    #[default]
    Rampart,
    /// Alertmanager's webhook, version 4.
    Alertmanager,
}

/// A receiver of JSON.
#[derive(Clone, Debug)]
pub struct Webhook {
    url: Secret<String>,
    payload: Payload,
    headers: Vec<(String, Secret<String>)>,
    bearer: Option<Secret<String>>,
    secret: Option<Secret<String>>,
    pub(super) common: Common,
}

pub(super) fn record() -> Record {
    let record = Record::new("webhook", "posts JSON to an address");
    let record = read::with_url(record, "the address")
        .field(
            "payload",
            Shape::Choice(&["rampart", "alertmanager"]),
            "which JSON: Rampart's own (default) or Alertmanager's webhook, version 4",
        )
        .field(
            "headers",
            Shape::map("header name", Shape::Text),
            "more headers of every request",
        )
        .field(
            "bearer_token",
            Shape::Text,
            "sent as `Authorization: Bearer`",
        )
        .field(
            "bearer_token_file",
            Shape::Text,
            "a file that holds the token",
        )
        .field("secret", Shape::Text, "signs every body with HMAC-SHA256")
        .field("secret_file", Shape::Text, "a file that holds the secret");
    read::with_common(record)
}

impl Webhook {
    pub(super) const KIND: &'static str = "webhook";

    pub(super) fn read(
        node: &Node,
        problems: &mut Problems,
        secrets: ReadSecret<'_>,
    ) -> Option<Webhook> {
        let url = read::url(node, problems, secrets);
        let bearer = read::secret(node, "bearer_token", "bearer_token_file", problems, secrets);
        let payload = match node.text_of("payload") {
            Some("alertmanager") => Payload::Alertmanager,
            _ => Payload::Rampart,
        };
        let secret = read::secret(node, "secret", "secret_file", problems, secrets);
        Some(Webhook {
            payload,
            headers: headers(node, bearer.is_some(), problems),
            bearer,
            secret,
            common: Common::read(node, problems),
            url: url?,
        })
    }

    /// Alertmanager's body is about one group.
    pub(super) fn takes_digests(&self) -> bool {
        self.payload == Payload::Rampart
    }

    /// The most alerts of one body; Alertmanager's readers expect all of a group.
    pub(super) fn alerts_max(&self) -> usize {
        match self.payload {
            Payload::Rampart => IncidentView::ALERTS_MAX,
            Payload::Alertmanager => GROUP_ALERTS_MAX,
        }
    }

    pub(super) async fn send(&self, delivery: &Delivery, outbound: &Outbound) -> Attempt {
        let message = self.common.compose(delivery);
        let body = match self.payload {
            Payload::Rampart => payload::rampart(delivery, &message),
            Payload::Alertmanager => payload::alertmanager(delivery),
        };
        let headers = self.request_headers(delivery, &body);
        let url = self.url.expose().clone();
        let posted = answer::post_json(outbound, url, headers, body, self.common.deadline).await;
        match posted {
            // Nobody reads a webhook's answer, so its size does not matter.
            Ok(Answer { status, .. }) | Err(OutboundError::AnswerTooLarge { status, .. })
                if (200..300).contains(&status) =>
            {
                Attempt::Accepted {
                    detail: format!("HTTP {status}"),
                    provider_id: None,
                }
            }
            Ok(answer) => answer::refusal(&answer, delivery.now),
            Err(error) => answer::lost(&error),
        }
    }

    fn request_headers(&self, delivery: &Delivery, body: &[u8]) -> Vec<(String, String)> {
        let named = |name: &str, value: String| (name.to_owned(), value);
        let mut headers: Vec<(String, String)> = self
            .headers
            .iter()
            .map(|(name, value)| named(name, value.expose().clone()))
            .collect();
        headers.push(named("idempotency-key", header_safe(&delivery.key)));
        if let Some(token) = &self.bearer {
            headers.push(named("authorization", format!("Bearer {}", token.expose())));
        }
        if let Some(secret) = &self.secret {
            headers.push(named(
                "rampart-signature",
                signature(secret, delivery.now, body),
            ));
        }
        headers
    }
}

/// `t=<unix seconds>,v1=<hex of HMAC-SHA256(secret, "<t>." + body)>`.
fn signature(secret: &Secret<String>, now: Timestamp, body: &[u8]) -> String {
    let seconds = now.as_seconds();
    let signed = format!("{seconds}.");
    let tag = hmac_sha256(secret.expose().as_bytes(), &[signed.as_bytes(), body]);
    format!("t={seconds},v1={}", hex(&tag))
}

fn header_safe(text: &str) -> String {
    let visible = |c: char| if c.is_ascii_graphic() { c } else { '_' };
    one_line(text, KEY_CHARS_MAX).chars().map(visible).collect()
}

/// The user's own headers; those that the channel or HTTP itself sets are refused.
fn headers(
    node: &Node,
    has_bearer: bool,
    problems: &mut Problems,
) -> Vec<(String, Secret<String>)> {
    const OURS: [&str; 6] = [
        "content-length",
        "content-type",
        "host",
        "idempotency-key",
        "rampart-signature",
        "transfer-encoding",
    ];
    let mut headers = Vec::new();
    for (key, value) in node.field("headers").iter().flat_map(|map| map.fields()) {
        let (Some(name), Some(text)) = (key.key_text(), value.text()) else {
            continue;
        };
        let name = name.to_ascii_lowercase();
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b"-_.!#$%&'*+^`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(is_token) {
            problems.error(key, format!("`{name}` is not a header name"));
        } else if OURS.contains(&name.as_str()) || (has_bearer && name == "authorization") {
            problems.error(
                key,
                format!("the header `{name}` is set by the channel itself"),
            );
        } else if text.chars().any(char::is_control) || !text.is_ascii() {
            problems.error(value, "a header's value is visible ASCII in one line");
        } else if headers.len() == HEADERS_MAX {
            problems.error(key, format!("more than {HEADERS_MAX} headers"));
            break;
        } else {
            headers.push((name, Secret::new(text.to_owned())));
        }
    }
    headers
}

#[cfg(test)]
mod vectors {
    use super::*;

    #[test]
    fn signature_is_the_documented_one() {
        let secret = Secret::new("whsec".to_owned());
        let header = signature(
            &secret,
            Timestamp::from_seconds(1_700_000_000),
            b"{\"a\":1}",
        );
        assert_eq!(
            header,
            "t=1700000000,v1=8ad37ba156048ae0e0a5533c75cdf26fee88b07f93cb57ee4c80adb053012032"
        );
    }
}
