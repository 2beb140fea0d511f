//! The two JSON bodies a webhook posts.

use std::collections::BTreeMap;

use model::{Alert, AlertStatus, Labels, Severity, Timestamp};
use serde::Serialize;

use crate::delivery::{Delivery, IncidentStatus, MessageKind};
use crate::message::{self, Message};

/// Rampart's own body. Fields may be added; these stay. People's numbers and addresses stay out.
#[derive(Serialize)]
struct Own<'a> {
    version: u32,
    kind: MessageKind,
    key: &'a str,
    at: Timestamp,
    title: String,
    text: String,
    recipient: OwnRecipient<'a>,
    acknowledge_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chart_url: Option<&'a str>,
    incident: OwnIncident<'a>,
}

#[derive(Serialize)]
struct OwnRecipient<'a> {
    name: &'a str,
    person: Option<&'a str>,
    mentions: Vec<&'a str>,
}

#[derive(Serialize)]
struct OwnIncident<'a> {
    id: &'a str,
    title: &'a str,
    severity: Severity,
    status: IncidentStatus,
    opened_at: Timestamp,
    function: Option<&'a str>,
    labels: &'a Labels,
    url: Option<&'a str>,
    step: Option<OwnStep>,
    note: Option<&'a str>,
    alerts_total: usize,
    alerts: Vec<OwnAlert<'a>>,
}

#[derive(Serialize)]
struct OwnStep {
    number: usize,
    of: usize,
}

#[derive(Serialize)]
struct OwnAlert<'a> {
    status: AlertStatus,
    fingerprint: String,
    labels: &'a Labels,
    annotations: &'a BTreeMap<String, String>,
    starts_at: Timestamp,
    ends_at: Option<Timestamp>,
}

pub(super) fn rampart(delivery: &Delivery, message: &Message) -> Vec<u8> {
    let incident = &delivery.incident;
    let recipient = &delivery.recipient;
    let own = Own {
        version: 1,
        kind: delivery.kind,
        key: &delivery.key,
        at: delivery.now,
        title: message.title(),
        text: message::plain(message),
        recipient: OwnRecipient {
            name: &recipient.name,
            person: recipient.person.as_ref().map(|person| person.id.as_str()),
            mentions: recipient
                .mentions
                .iter()
                .map(|person| person.id.as_str())
                .collect(),
        },
        acknowledge_url: incident.acknowledge_url.as_deref(),
        chart_url: incident.chart_url.as_deref(),
        incident: OwnIncident {
            id: &incident.id,
            title: &incident.title,
            severity: incident.severity,
            status: incident.status,
            opened_at: incident.opened_at,
            function: incident.function.as_deref(),
            labels: &incident.labels,
            url: incident.url.as_deref(),
            step: incident.step.map(|(number, of)| OwnStep { number, of }),
            note: incident.note.as_deref(),
            alerts_total: incident.alerts_total,
            alerts: incident.alerts.iter().map(own_alert).collect(),
        },
    };
    to_json(&own)
}

fn own_alert(alert: &Alert) -> OwnAlert<'_> {
    OwnAlert {
        status: alert.status,
        fingerprint: fingerprint(alert),
        labels: &alert.labels,
        annotations: &alert.annotations,
        starts_at: alert.starts_at,
        ends_at: alert.ends_at,
    }
}

/// Alertmanager's webhook body, version 4.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Theirs<'a> {
    version: &'static str,
    group_key: String,
    truncated_alerts: usize,
    status: &'static str,
    receiver: &'a str,
    group_labels: &'a Labels,
    common_labels: &'a Labels,
    common_annotations: BTreeMap<&'a str, &'a str>,
    #[serde(rename = "externalURL")]
    external_url: &'a str,
    alerts: Vec<TheirAlert<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TheirAlert<'a> {
    status: &'static str,
    labels: &'a Labels,
    annotations: &'a BTreeMap<String, String>,
    starts_at: Timestamp,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
    fingerprint: String,
}

pub(super) fn alertmanager(delivery: &Delivery) -> Vec<u8> {
    let incident = &delivery.incident;
    let group = incident.group.as_ref();
    let theirs = Theirs {
        version: "4",
        group_key: group.map_or_else(
            || format!("incident:{}", incident.id),
            |group| group.key.clone(),
        ),
        truncated_alerts: incident.alerts_total.saturating_sub(incident.alerts.len()),
        status: match delivery.kind {
            MessageKind::Resolved => "resolved",
            _ => "firing",
        },
        receiver: receiver_of(delivery),
        group_labels: group.map_or(&incident.labels, |group| &group.labels),
        common_labels: &incident.labels,
        common_annotations: common_annotations(&incident.alerts),
        external_url: match group {
            Some(group) => &group.external_url,
            None => incident.url.as_deref().unwrap_or(""),
        },
        alerts: incident.alerts.iter().map(their_alert).collect(),
    };
    to_json(&theirs)
}

/// The receiver's name, without the number of its way.
pub(super) fn receiver_of(delivery: &Delivery) -> &str {
    let way = delivery.recipient.name.as_str();
    let receiver = delivery
        .incident
        .group
        .as_ref()
        .map(|group| group.receiver.as_str());
    let own = |receiver: &&str| {
        let rest = way.strip_prefix(receiver);
        rest.is_some_and(|rest| rest.starts_with('/'))
    };
    receiver.filter(own).unwrap_or(way)
}

fn their_alert(alert: &Alert) -> TheirAlert<'_> {
    /// Go's zero time, which Alertmanager sends while the end is not known.
    const NO_END: &str = "0001-01-01T00:00:00Z";
    let resolved = alert.status == AlertStatus::Resolved;
    let ends_at = alert.ends_at.filter(|_| resolved);
    TheirAlert {
        status: if resolved { "resolved" } else { "firing" },
        labels: &alert.labels,
        annotations: &alert.annotations,
        starts_at: alert.starts_at,
        ends_at: ends_at.map_or_else(|| NO_END.to_owned(), Timestamp::to_rfc3339),
        generator_url: &alert.generator_url,
        fingerprint: fingerprint(alert),
    }
}

pub(super) fn fingerprint(alert: &Alert) -> String {
    format!("{:016x}", alert.fingerprint())
}

/// Annotations that all alerts share.
pub(super) fn common_annotations(alerts: &[Alert]) -> BTreeMap<&str, &str> {
    let Some((first, others)) = alerts.split_first() else {
        return BTreeMap::new();
    };
    first
        .annotations
        .iter()
        .filter(|(name, value)| {
            let same = |other: &Alert| other.annotations.get(*name) == Some(*value);
            others.iter().all(same)
        })
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

/// These structures hold texts, numbers and maps with text keys: they always serialize.
fn to_json(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).unwrap_or_default()
}
