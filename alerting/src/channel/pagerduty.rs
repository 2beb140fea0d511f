//! An integration of a PagerDuty service: events v2, one alert there for each incident here.
//!
//! The `dedup_key` is the incident's, so that a repeated trigger is the same alert there, and a
//! resolve ends it. 120 events a minute are taken, 512 KB each.

use std::time::Duration;

use declare::{Node, Problems, Record, Shape};
use model::{Secret, Severity, Timestamp};
use outbound::{Answer, Outbound};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::look::To;
use super::mention::is_plain;
use super::read::{self, Common};
use super::{ReadSecret, answer};
use crate::delivery::{Attempt, Delivery, IncidentStatus, Limits, MessageKind};
use crate::message::{cut_bytes, cut_chars, plain, safe_url};

pub(super) const LIMITS: Limits = Limits {
    burst: 60,
    per: Duration::from_mins(1),
    min_gap: Duration::ZERO,
    penalty: Duration::ZERO,
};

const URL_DEFAULT: &str = "https://events.pagerduty.com/v2/enqueue";
const DEDUP_KEY_BYTES_MAX: usize = 255;
/// What the templates of `details` are called, before the detail's name.
pub(crate) const DETAILS: &str = "details.";
const SUMMARY_CHARS_MAX: usize = 1_024;
/// Far below the 512 KB of an event.
const DETAILS_BYTES_MAX: usize = 20_000;

/// An integration that takes events.
#[derive(Clone, Debug)]
pub struct PagerDuty {
    url: Secret<String>,
    routing_key: Secret<String>,
    pub(super) common: Common,
}

pub(super) fn record() -> Record {
    let record = Record::new(PagerDuty::KIND, "an Events v2 integration of PagerDuty")
        .field("routing_key", Shape::Text, "the integration key")
        .field("routing_key_file", Shape::Text, "a file that holds the key")
        .field(
            "url",
            Shape::Url,
            "where events go, https://events.pagerduty.com/v2/enqueue when absent; \
             https://events.eu.pagerduty.com/v2/enqueue for accounts in Europe",
        )
        .field("url_file", Shape::Text, "a file that holds the address")
        .exactly_one(&["routing_key", "routing_key_file"]);
    read::with_common(record)
}

impl PagerDuty {
    pub(super) const KIND: &'static str = "pagerduty";

    pub(super) fn read(
        node: &Node,
        problems: &mut Problems,
        secrets: ReadSecret<'_>,
    ) -> Option<PagerDuty> {
        let routing_key = read::secret(node, "routing_key", "routing_key_file", problems, secrets);
        let url = read::url_or(node, URL_DEFAULT, problems, secrets);
        if let Some(key) = &routing_key
            && !is_plain(key.expose(), 64, b"")
        {
            let at = node
                .field("routing_key")
                .or(node.field("routing_key_file"))?;
            problems
                .error(at, "this is not an integration key")
                .hint("copy the 32 characters of the service's Events API v2 integration");
        }
        Some(PagerDuty {
            common: Common::read(node, problems),
            url: url?,
            routing_key: routing_key?,
        })
    }

    pub(super) async fn send(&self, delivery: &Delivery, outbound: &Outbound) -> Attempt {
        let body = self.body(delivery);
        answer::deliver(outbound, &self.url, &body, &self.common, delivery, judge).await
    }

    /// The request's body. Nothing here is markup, so nothing is escaped.
    pub(super) fn body(&self, delivery: &Delivery) -> Value {
        let incident = &delivery.incident;
        let mut body = json!({
            "routing_key": self.routing_key.expose(),
            "event_action": action(delivery),
            "dedup_key": dedup_key(delivery),
        });
        if action(delivery) != "trigger" {
            return body;
        }
        let message = self.common.compose(delivery);
        let links = message.acknowledge.iter().chain(&message.page);
        let links: Vec<Value> = links
            .map(|link| json!({"href": link.url, "text": link.text}))
            .collect();
        let mut payload = json!({
            "summary": cut_chars(&message.title(), SUMMARY_CHARS_MAX),
            "source": incident.function.as_deref().unwrap_or("rampart"),
            "severity": severity(incident.severity),
            "timestamp": incident.opened_at,
            "class": incident.labels.get("alertname").unwrap_or(""),
            "custom_details": {
                "text": cut_bytes(&plain(&message), DETAILS_BYTES_MAX),
                "labels": labels(delivery),
            },
        });
        if let (Some(group), Some(fields)) =
            (incident.labels.get("namespace"), payload.as_object_mut())
        {
            fields.insert("group".to_owned(), json!(group));
        }
        self.as_said(delivery, &mut payload);
        if let Some(fields) = body.as_object_mut() {
            fields.insert("payload".to_owned(), payload);
            fields.insert("links".to_owned(), json!(links));
            let client = self.common.said("client", delivery, To::Plain);
            let client = client.unwrap_or_else(|| "Rampart".to_owned());
            fields.insert("client".to_owned(), json!(client));
            let own = self.common.said("client_url", delivery, To::Plain);
            let own = own.and_then(|url| safe_url(&url));
            if let Some(url) = own.or(message.page.map(|page| page.url)) {
                fields.insert("client_url".to_owned(), json!(url));
            }
        }
        body
    }

    /// Puts what templates say into the payload.
    fn as_said(&self, delivery: &Delivery, payload: &mut Value) {
        let Some(look) = self.common.look.as_ref() else {
            return;
        };
        let said = |field: &str, chars_max: usize| {
            let said = self.common.said(field, delivery, To::Plain)?;
            Some(json!(cut_chars(&said, chars_max)))
        };
        let severities = ["critical", "error", "warning", "info"].map(Value::from);
        let severity = said("severity", SUMMARY_CHARS_MAX);
        let mut put = |path: &str, value: Option<Value>| {
            if let (Some(place), Some(value)) = (payload.pointer_mut(path), value) {
                *place = value;
            }
        };
        put("/summary", said("description", SUMMARY_CHARS_MAX));
        put("/source", said("source", SUMMARY_CHARS_MAX));
        put("/class", said("class", SUMMARY_CHARS_MAX));
        put(
            "/severity",
            severity.filter(|word| severities.contains(word)),
        );
        let details = payload.get_mut("custom_details");
        if let Some(details) = details.and_then(Value::as_object_mut) {
            for field in look.beginning(DETAILS) {
                let name = field.strip_prefix(DETAILS).unwrap_or(field);
                let value = said(field, DETAILS_BYTES_MAX / 4);
                details.extend(value.map(|value| (name.to_owned(), value)));
            }
        }
        if let Some(fields) = payload.as_object_mut() {
            for name in ["group", "component"] {
                let value = said(name, SUMMARY_CHARS_MAX);
                fields.extend(value.map(|value| (name.to_owned(), value)));
            }
        }
    }
}

/// A message about an incident that somebody has taken takes it there too.
fn action(delivery: &Delivery) -> &'static str {
    match (delivery.kind, delivery.incident.status) {
        (MessageKind::Resolved, _) => "resolve",
        (MessageKind::Reminder, IncidentStatus::Acknowledged) => "acknowledge",
        _ => "trigger",
    }
}

/// The same for every message about an incident; a test never touches one.
fn dedup_key(delivery: &Delivery) -> String {
    let key = match delivery.kind {
        MessageKind::Test => format!("rampart-{}", delivery.key),
        _ => format!("rampart-{}", delivery.incident.id),
    };
    cut_bytes(&key, DEDUP_KEY_BYTES_MAX)
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}

fn labels(delivery: &Delivery) -> Map<String, Value> {
    const VALUE_BYTES_MAX: usize = 1_024;
    const LABELS_MAX: usize = 64;
    let labels = delivery.incident.labels.iter().take(LABELS_MAX);
    labels
        .map(|(name, value)| (name.to_owned(), json!(cut_bytes(value, VALUE_BYTES_MAX))))
        .collect()
}

#[derive(Deserialize)]
struct Verdict {
    #[serde(default)]
    dedup_key: Option<String>,
}

/// 202 means taken; 400 will be refused again; 429 and 5xx will not.
fn judge(answer: &Answer, now: Timestamp) -> Attempt {
    if answer.status != 202 {
        return answer::refusal(answer, now);
    }
    match serde_json::from_slice::<Verdict>(&answer.body) {
        Ok(verdict) => answer::accepted("HTTP 202", verdict.dedup_key),
        Err(_) => answer::unreadable(answer),
    }
}
