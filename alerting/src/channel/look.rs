//! How messages look where an `alertmanager.yml` says so: its templates, run on the facts of a delivery. A
//! template that fails costs its look, never the message: Rampart's own text goes out instead.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono_tz::Tz;
use model::{Alert, AlertStatus, Labels, Severity};

use super::payload;
use crate::delivery::{Delivery, GroupView, IncidentStatus, IncidentView, MessageKind, Recipient};
use crate::events;
use crate::message::gotemplate::{Medium, Mistake, Moment, Template, Text, Value};
use crate::message::{escape_html, safe_url};

/// The templates of one destination, by its fields.
#[derive(Clone, Debug, Default)]
pub(crate) struct Look {
    fields: BTreeMap<String, Template>,
}

impl Look {
    /// Takes in a field's template; it is tried on two alerts first, which shows what is misspelt in it.
    pub(crate) fn add(&mut self, field: &str, template: Template) -> Result<(), Mistake> {
        for delivery in [sample(MessageKind::Firing), sample(MessageKind::Resolved)] {
            let medium = Medium {
                escape: escape_html,
                is_html: true,
                now: delivery.now,
            };
            template.run(&facts(&delivery, Tz::UTC), medium)?;
        }
        self.fields.insert(field.to_owned(), template);
        Ok(())
    }

    /// Whether it says nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The names of fields that begin so.
    pub(super) fn beginning<'a>(&'a self, start: &'a str) -> impl Iterator<Item = &'a str> {
        let names = self.fields.keys().map(String::as_str);
        names.filter(move |name| name.starts_with(start))
    }

    /// What a field says of a delivery; `None` where it says nothing, where its template fails, and for
    /// what is not about one group.
    pub(super) fn said(
        &self,
        field: &str,
        delivery: &Delivery,
        zone: Tz,
        to: To,
    ) -> Option<String> {
        let template = self.fields.get(field)?;
        delivery.incident.group.as_ref()?;
        let medium = Medium {
            escape: to.escape(),
            is_html: matches!(to, To::Html),
            now: delivery.now,
        };
        match template.run(&facts(delivery, zone), medium) {
            Ok(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            Err(mistake) => {
                events::template_failed(field, &mistake);
                None
            }
        }
    }
}

/// What a text is for.
#[derive(Clone, Copy)]
pub(super) enum To {
    /// Where nothing is markup.
    Plain,
    /// HTML.
    Html,
    /// A chat with an escape of its own.
    Chat(fn(&str) -> String),
}

impl To {
    fn escape(self) -> fn(&str) -> String {
        match self {
            To::Plain => str::to_owned,
            To::Html => escape_html,
            To::Chat(escape) => escape,
        }
    }
}

/// The data that templates are given, as Alertmanager documents it.
fn facts(delivery: &Delivery, zone: Tz) -> Value {
    let incident = &delivery.incident;
    let group = incident.group.as_ref();
    let status = match delivery.kind {
        MessageKind::Resolved => "resolved",
        _ => "firing",
    };
    let annotations = payload::common_annotations(&incident.alerts);
    let receiver = payload::receiver_of(delivery);
    let external_url = group.map_or("", |group| group.external_url.as_str());
    let alerts = incident.alerts.iter().map(|alert| about(alert, zone));
    Value::record(
        "the data of a template",
        vec![
            ("Receiver", Value::own(receiver)),
            ("Status", Value::own(status)),
            ("Alerts", Value::list(alerts)),
            (
                "GroupLabels",
                labels(group.map_or(&incident.labels, |group| &group.labels)),
            ),
            ("CommonLabels", labels(&incident.labels)),
            ("CommonAnnotations", texts(annotations.into_iter())),
            ("ExternalURL", Value::own(external_url)),
        ],
    )
}

fn about(alert: &Alert, zone: Tz) -> Value {
    let resolved = alert.status == AlertStatus::Resolved;
    let annotations = alert.annotations.iter();
    let annotations = annotations.map(|(name, text)| (name.as_str(), text.as_str()));
    let time = |at| Value::Time(Moment { at, zone });
    Value::record(
        "an alert",
        vec![
            (
                "Status",
                Value::own(if resolved { "resolved" } else { "firing" }),
            ),
            ("Labels", labels(&alert.labels)),
            ("Annotations", texts(annotations)),
            ("StartsAt", time(Some(alert.starts_at))),
            ("EndsAt", time(alert.ends_at.filter(|_| resolved))),
            ("GeneratorURL", Value::Text(text(&alert.generator_url))),
            ("Fingerprint", Value::own(payload::fingerprint(alert))),
        ],
    )
}

fn labels(labels: &Labels) -> Value {
    texts(labels.iter())
}

fn texts<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
    let pairs = pairs.map(|(name, value)| (name.to_owned(), text(value)));
    Value::Pairs(Arc::new(pairs.collect()))
}

/// Foreign, unless it is an address through and through: the template's author put it where it stands.
fn text(text: &str) -> Text {
    match safe_url(text) {
        Some(url) if url == text => Text::own(text),
        _ => Text::foreign(text),
    }
}

/// Two alerts of one group, to try templates on.
fn sample(kind: MessageKind) -> Delivery {
    let now = model::Timestamp::from_seconds(1_794_355_200);
    let status = match kind {
        MessageKind::Resolved => AlertStatus::Resolved,
        _ => AlertStatus::Firing,
    };
    let shared = Labels::from_pairs([("alertname", "Down"), ("severity", "critical")]);
    let alert = |instance: &str| {
        let mut labels = shared.clone();
        labels.set("instance", instance);
        Alert {
            status,
            labels,
            annotations: BTreeMap::from([("summary".to_owned(), format!("{instance} is down"))]),
            starts_at: now,
            ends_at: (status == AlertStatus::Resolved).then_some(now),
            generator_url: "http://prometheus.example.com/graph".to_owned(),
        }
    };
    Delivery {
        key: "sample".to_owned(),
        kind,
        incident: IncidentView {
            id: "sample".to_owned(),
            title: "Down".to_owned(),
            severity: Severity::Critical,
            status: IncidentStatus::Open,
            opened_at: now,
            function: None,
            labels: shared.clone(),
            alerts: vec![alert("a:9100"), alert("b:9100")],
            alerts_total: 2,
            chart_url: None,
            url: None,
            acknowledge_url: None,
            code: None,
            step: None,
            note: None,
            group: Some(GroupView {
                key: "{}:{alertname=\"Down\"}".to_owned(),
                labels: Labels::from_pairs([("alertname", "Down")]),
                receiver: "sample".to_owned(),
                external_url: "https://rampart.example.com".to_owned(),
            }),
        },
        recipient: Recipient {
            name: "sample".to_owned(),
            ..Recipient::default()
        },
        language: crate::delivery::Language::En,
        chart: None,
        now,
    }
}
