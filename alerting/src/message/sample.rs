//! A night's incident, for the tests of messages, channels and the page.

use std::collections::BTreeMap;

use model::{Alert, AlertStatus, Labels, Severity, Timestamp};

use crate::delivery::{
    Delivery, IncidentStatus, IncidentView, Language, MessageKind, Person, Recipient,
};

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn alert(unit: &str, value: &str) -> Alert {
    Alert {
        status: AlertStatus::Firing,
        labels: Labels::from_pairs([
            ("alertname", "SuccessRateLow"),
            ("severity", "critical"),
            ("namespace", "guide"),
            ("function", "wow-video-feed"),
            ("unit", unit),
            ("version", "12"),
        ]),
        annotations: BTreeMap::from([
            (
                "summary".to_owned(),
                format!("wow-video-feed at {value} in {unit}"),
            ),
            ("value".to_owned(), value.to_owned()),
        ]),
        starts_at: at("2026-11-10T18:10:00Z"),
        ends_at: None,
        generator_url: "https://rampart.example.com/guard/rules/SuccessRateLow".to_owned(),
    }
}

pub(crate) fn person(id: &str, name: &str, mobile: &str) -> Person {
    Person {
        id: id.to_owned(),
        name: name.to_owned(),
        im: BTreeMap::from([("dingtalk".to_owned(), mobile.to_owned())]),
        sms: None,
        phone: None,
        email: Some(format!("{id}@example.com")),
        language: None,
    }
}

pub(crate) fn incident() -> IncidentView {
    IncidentView {
        id: "k3x9".to_owned(),
        title: "SuccessRateLow".to_owned(),
        severity: Severity::Critical,
        status: IncidentStatus::Open,
        opened_at: at("2026-11-10T18:10:00Z"),
        function: Some("guide/wow-video-feed".to_owned()),
        labels: alert("a", "83.1%").labels,
        alerts: vec![alert("a", "83.1%")],
        alerts_total: 1,
        url: Some("https://rampart.example.com/guard/incidents/k3x9".to_owned()),
        acknowledge_url: Some("https://rampart.example.com/guard/a/token".to_owned()),
        code: None,
        chart_url: None,
        step: Some((2, 4)),
        note: None,
        group: None,
    }
}

pub(crate) fn delivery(kind: MessageKind, language: Language) -> Delivery {
    let mut incident = incident();
    if kind == MessageKind::Resolved {
        incident.status = IncidentStatus::Resolved;
        for alert in &mut incident.alerts {
            alert.status = AlertStatus::Resolved;
            alert.ends_at = Some(at("2026-11-10T18:14:12Z"));
        }
    }
    Delivery {
        key: "k3x9/2/team-chat".to_owned(),
        kind,
        incident,
        recipient: Recipient {
            name: "team-chat".to_owned(),
            person: None,
            mentions: vec![person("first", "First On Call", "13800000001")],
        },
        language,
        chart: None,
        now: at("2026-11-10T18:14:30Z"),
    }
}
