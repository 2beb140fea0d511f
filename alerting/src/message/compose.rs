//! From a delivery to a message: which facts, in which order, in which words.

use chrono_tz::Tz;
use model::{Alert, Labels, Timestamp};

use super::words::{Words, fill, words};
use super::{Fact, Link, Message, cut_chars, instant, one_line, safe_url, span, time};
use crate::delivery::{Delivery, IncidentStatus, IncidentView, MessageKind};

const HEADLINE_CHARS_MAX: usize = 160;
const SENTENCE_CHARS_MAX: usize = 400;
const VALUE_CHARS_MAX: usize = 160;
const SENTENCES_MAX: usize = 3;
const NUMBERS_MAX: usize = 6;
const ALERT_LINES_MAX: usize = 8;
const NAMES_MAX: usize = 8;

/// Labels that say where, in the order in which one narrows a fault down.
const PLACES: [&str; 6] = ["region", "zone", "unit", "version", "alias", "instance"];

/// The annotation that says where failures gather.
pub(crate) const SUSPECTS: &str = "suspects";

/// Annotations that are sentences or addresses rather than numbers.
const NOT_NUMBERS: [&str; 6] = [
    SUSPECTS,
    "summary",
    "description",
    "title",
    "runbook_url",
    "dashboard_url",
];

impl Message {
    /// Composes what `delivery` has to say, with times in `zone`.
    pub fn compose(delivery: &Delivery, zone: Tz) -> Message {
        let incident = &delivery.incident;
        let words = words(delivery.language);
        let wants_answer = delivery.kind != MessageKind::Resolved;
        Message {
            language: delivery.language,
            kind: delivery.kind,
            severity: incident.severity,
            tag: tag(delivery, words),
            headline: headline(incident, words),
            since: time::hour_minute(incident.opened_at, zone),
            sentences: sentences(incident),
            facts: facts(delivery, words, zone),
            alerts: alert_lines(incident, words),
            alerts_left: alerts_left(incident),
            acknowledge: link(words.acknowledge, incident.acknowledge_url.as_deref())
                .filter(|_| wants_answer),
            page: link(words.details, incident.url.as_deref()),
        }
    }
}

fn tag(delivery: &Delivery, words: &Words) -> String {
    let severity = words.severity(delivery.incident.severity);
    match delivery.kind {
        MessageKind::Firing => severity.to_owned(),
        MessageKind::Reminder => fill(words.still_open, &[severity]),
        MessageKind::Resolved => words.resolved.to_owned(),
        MessageKind::Test => words.test.to_owned(),
    }
}

/// The function and the title, without saying the function twice.
pub(crate) fn headline(incident: &IncidentView, words: &Words) -> String {
    let title = one_line(&incident.title, HEADLINE_CHARS_MAX);
    match incident.function.as_deref() {
        Some(function) if !incident.title.contains(function) => {
            let function = one_line(function, HEADLINE_CHARS_MAX);
            cut_chars(
                &format!("{function}{}{title}", words.colon),
                HEADLINE_CHARS_MAX,
            )
        }
        _ => title,
    }
}

/// What the alerts say of themselves, each once, then the note.
pub(crate) fn sentences(incident: &IncidentView) -> Vec<String> {
    let mut sentences: Vec<String> = Vec::new();
    let said = incident.alerts.iter().filter_map(summary);
    for sentence in said {
        if !sentences.contains(&sentence) && sentences.len() < SENTENCES_MAX {
            sentences.push(sentence);
        }
    }
    let note = incident.note.as_deref();
    sentences.extend(note.map(|note| one_line(note, SENTENCE_CHARS_MAX)));
    sentences.retain(|sentence| !sentence.is_empty());
    sentences
}

fn summary(alert: &Alert) -> Option<String> {
    let text = ["summary", "description"]
        .iter()
        .find_map(|name| alert.annotations.get(*name).filter(|text| !text.is_empty()))?;
    Some(one_line(text, SENTENCE_CHARS_MAX))
}

fn facts(delivery: &Delivery, words: &Words, zone: Tz) -> Vec<Fact> {
    let incident = &delivery.incident;
    let mut facts = Vec::new();
    let mut add = |name: &str, value: String| {
        if !value.is_empty() {
            let name = name.to_owned();
            facts.push(Fact { name, value });
        }
    };
    let resolved = delivery.kind == MessageKind::Resolved;
    if resolved {
        add(words.lasted, lasted(delivery, words, zone));
    } else {
        add(words.since, since(incident, delivery.now, words, zone));
    }
    add(words.place, place(&incident.labels, words));
    if !resolved {
        add(words.suspects, suspects(incident).unwrap_or_default());
    }
    if let ([alert], false) = (incident.alerts.as_slice(), resolved) {
        for (name, value) in numbers(alert) {
            add(words.fact(name), one_line(value, VALUE_CHARS_MAX));
        }
    }
    if incident.status == IncidentStatus::Acknowledged && !resolved {
        add(words.status, words.acknowledged.to_owned());
    }
    if let (Some((step, of)), false) = (incident.step, resolved) {
        let (step, of) = (step.to_string(), of.to_string());
        add(words.step, fill(words.step_of, &[&step, &of]));
    }
    if !resolved {
        add(words.told, told(delivery, words));
    }
    facts
}

/// Where failures gather, as the first alert says that knows.
pub(crate) fn suspects(incident: &IncidentView) -> Option<String> {
    let mut said = incident
        .alerts
        .iter()
        .filter_map(|alert| alert.annotations.get(SUSPECTS));
    let said = said.find(|said| !said.is_empty())?;
    Some(one_line(said, VALUE_CHARS_MAX))
}

/// `2026-11-11 00:00:05 +08:00 (2 min ago)`.
pub(crate) fn since(incident: &IncidentView, now: Timestamp, words: &Words, zone: Tz) -> String {
    let language = words.language();
    let ago = fill(words.ago, &[&span(now.since(incident.opened_at), language)]);
    let at = instant(incident.opened_at, zone);
    words.aside(&at, &ago)
}

/// How long it lasted, from when to when.
fn lasted(delivery: &Delivery, words: &Words, zone: Tz) -> String {
    let incident = &delivery.incident;
    // The last alert's end is the truth; the message may come much later.
    let ends: Option<Vec<Timestamp>> = incident.alerts.iter().map(|alert| alert.ends_at).collect();
    let end = ends.and_then(|ends| ends.into_iter().max());
    let end = end.filter(|end| (incident.opened_at..=delivery.now).contains(end));
    let end = end.unwrap_or(delivery.now);
    let duration = span(end.since(incident.opened_at), words.language());
    let period = format!(
        "{} – {}",
        instant(incident.opened_at, zone),
        time::clock_time(end, zone)
    );
    words.aside(&duration, &period)
}

/// `unit a, version 12`.
pub(crate) fn place(labels: &Labels, words: &Words) -> String {
    let places = PLACES.iter().filter_map(|name| {
        let value = labels.get(name)?;
        Some(format!(
            "{} {}",
            words.fact(name),
            one_line(value, VALUE_CHARS_MAX)
        ))
    });
    places.collect::<Vec<_>>().join(words.comma)
}

pub(crate) fn numbers(alert: &Alert) -> impl Iterator<Item = (&str, &str)> {
    alert
        .annotations
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| Labels::is_name(name) && !NOT_NUMBERS.contains(name))
        .take(NUMBERS_MAX)
}

/// Who hears of it by this message.
fn told(delivery: &Delivery, words: &Words) -> String {
    let recipient = &delivery.recipient;
    let people = recipient.person.iter().chain(&recipient.mentions);
    let mut names: Vec<String> = Vec::new();
    for person in people {
        let name = if person.name.is_empty() {
            &person.id
        } else {
            &person.name
        };
        let name = one_line(name, VALUE_CHARS_MAX);
        if !names.contains(&name) && names.len() < NAMES_MAX {
            names.push(name);
        }
    }
    let room = one_line(&recipient.name, VALUE_CHARS_MAX);
    match (names.is_empty(), recipient.person.is_some()) {
        (true, _) => room,
        (false, true) => names.join(words.comma),
        (false, false) => words.aside(&room, &names.join(words.comma)),
    }
}

/// One line an alert, with the labels in which they differ; none for a single alert.
pub(crate) fn alert_lines(incident: &IncidentView, words: &Words) -> Vec<String> {
    if incident.alerts.len() < 2 {
        return Vec::new();
    }
    let line = |alert: &Alert| {
        let own: Vec<String> = alert
            .labels
            .iter()
            .filter(|(name, value)| {
                *name != Alert::NAME_LABEL && incident.labels.get(name) != Some(*value)
            })
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let name = one_line(alert.name(), VALUE_CHARS_MAX);
        let own = one_line(&own.join(" "), VALUE_CHARS_MAX);
        let value = alert.annotations.get("value");
        let value = value.map(|value| one_line(value, VALUE_CHARS_MAX));
        let named = format!("{name} {own}").trim_end().to_owned();
        match value {
            Some(value) if !value.is_empty() => format!("{named}{}{value}", words.colon),
            _ => named,
        }
    };
    incident
        .alerts
        .iter()
        .take(ALERT_LINES_MAX)
        .map(line)
        .collect()
}

fn alerts_left(incident: &IncidentView) -> usize {
    let shown = match incident.alerts.len() {
        0 | 1 => 1,
        several => several.min(ALERT_LINES_MAX),
    };
    incident.alerts_total.saturating_sub(shown)
}

fn link(text: &str, url: Option<&str>) -> Option<Link> {
    Some(Link {
        text: text.to_owned(),
        url: safe_url(url?)?,
    })
}
