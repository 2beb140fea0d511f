//! Opsgenie's Alert API: one alert an incident, created, acknowledged and closed by its alias.
//!
//! `POST /v2/alerts` with `GenieKey`; 202 means taken for processing, a wrong key is 401, a wrong field 422,
//! 429 asks to wait. A message holds 130 characters, an alias 512, a description 15,000.

use std::time::Duration;

use declare::{Node, Problems, Record, Shape};
use model::{Secret, Severity, Timestamp};
use outbound::{Answer, Outbound};
use serde::Deserialize;
use serde_json::{Value, json};

use super::look::To;
use super::read::{self, Common};
use super::{ReadSecret, answer};
use crate::delivery::{Attempt, Delivery, IncidentStatus, Limits, MessageKind};
use crate::message::{cut_bytes, one_line, plain, plain_below};

pub(super) const LIMITS: Limits = Limits {
    burst: 60,
    per: Duration::from_mins(1),
    min_gap: Duration::ZERO,
    penalty: Duration::ZERO,
};

const URL_DEFAULT: &str = "https://api.opsgenie.com";
const MESSAGE_CHARS_MAX: usize = 130;
const FIELD_CHARS_MAX: usize = 100;
const DESCRIPTION_BYTES_MAX: usize = 15_000;
const TAGS_MAX: usize = 20;

/// An integration that takes alerts.
#[derive(Clone, Debug)]
pub struct Opsgenie {
    url: Secret<String>,
    key: Secret<String>,
    priority: Option<&'static str>,
    teams: Vec<String>,
    tags: Vec<String>,
    pub(super) common: Common,
}

pub(super) fn record() -> Record {
    let record = Record::new(Opsgenie::KIND, "an API integration of Opsgenie")
        .field("api_key", Shape::Text, "the integration's key")
        .field("api_key_file", Shape::Text, "a file that holds the key")
        .field(
            "priority",
            Shape::Choice(&PRIORITIES),
            "P1 to P5; by severity when absent",
        )
        .field("teams", Shape::list(Shape::Text), "teams that respond, by name")
        .field("tags", Shape::list(Shape::Text), "tags of every alert")
        .field(
            "url",
            Shape::Url,
            "the API's address, https://api.opsgenie.com when absent; https://api.eu.opsgenie.com for \
             accounts in Europe",
        )
        .field("url_file", Shape::Text, "a file that holds the address")
        .exactly_one(&["api_key", "api_key_file"]);
    read::with_common(record)
}

const PRIORITIES: [&str; 5] = ["P1", "P2", "P3", "P4", "P5"];

impl Opsgenie {
    pub(super) const KIND: &'static str = "opsgenie";

    pub(super) fn read(
        node: &Node,
        problems: &mut Problems,
        secrets: ReadSecret<'_>,
    ) -> Option<Opsgenie> {
        let key = read::secret(node, "api_key", "api_key_file", problems, secrets);
        let url = read::url_or(node, URL_DEFAULT, problems, secrets);
        let listed = |name: &str| {
            let items = node.items_of(name).iter().take(TAGS_MAX);
            items
                .filter_map(Node::text)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let priority = node.text_of("priority");
        Some(Opsgenie {
            priority: PRIORITIES.into_iter().find(|word| Some(*word) == priority),
            teams: listed("teams"),
            tags: listed("tags"),
            common: Common::read(node, problems),
            url: url?,
            key: key?,
        })
    }

    pub(super) async fn send(&self, delivery: &Delivery, outbound: &Outbound) -> Attempt {
        let (path, body) = self.request(delivery);
        let url = format!("{}{path}", self.url.expose().trim_end_matches('/'));
        let headers = vec![(
            "authorization".to_owned(),
            format!("GenieKey {}", self.key.expose()),
        )];
        let body = body.to_string().into_bytes();
        let deadline = self.common.deadline;
        match answer::post_json(outbound, url, headers, body, deadline).await {
            Ok(answer) => judge(&answer, delivery.now),
            Err(error) => answer::lost(&error),
        }
    }

    /// Path and body. What somebody has here is acknowledged there.
    pub(super) fn request(&self, delivery: &Delivery) -> (String, Value) {
        let alias = match delivery.kind {
            MessageKind::Test => format!("rampart-{}", one_line(&delivery.key, FIELD_CHARS_MAX)),
            _ => format!("rampart-{}", delivery.incident.id),
        };
        let of_alias = |word: &str| format!("/v2/alerts/{alias}/{word}?identifierType=alias");
        match (delivery.kind, delivery.incident.status) {
            (MessageKind::Resolved, _) => (of_alias("close"), json!({"source": "Rampart"})),
            (MessageKind::Reminder, IncidentStatus::Acknowledged) => {
                (of_alias("acknowledge"), json!({"source": "Rampart"}))
            }
            _ => ("/v2/alerts".to_owned(), self.alert(delivery, &alias)),
        }
    }

    fn alert(&self, delivery: &Delivery, alias: &str) -> Value {
        let message = self.common.compose(delivery);
        let said = |field: &str| self.common.said(field, delivery, To::Plain);
        let short = |text: String| one_line(&text, FIELD_CHARS_MAX);
        let title = said("message").unwrap_or_else(|| message.title());
        let description = match said("description") {
            Some(text) => plain_below(&text, &message),
            None => plain(&message),
        };
        let priority = said("priority").and_then(|said| {
            let mut known = PRIORITIES.into_iter();
            known.find(|word| *word == said)
        });
        let priority = priority.or(self.priority);
        let own = match delivery.incident.severity {
            Severity::Critical => "P1",
            Severity::Warning => "P3",
            Severity::Info => "P5",
        };
        let tags = said("tags").map(|tags| {
            let tags = tags.split(',').map(|tag| one_line(tag.trim(), 50));
            tags.filter(|tag| !tag.is_empty())
                .take(TAGS_MAX)
                .collect::<Vec<_>>()
        });
        let teams = self.teams.iter();
        let teams: Vec<Value> = teams
            .map(|name| json!({"name": name, "type": "team"}))
            .collect();
        let labels: serde_json::Map<String, Value> = delivery
            .incident
            .labels
            .iter()
            .map(|(name, value)| (name.to_owned(), json!(one_line(value, FIELD_CHARS_MAX))))
            .collect();
        json!({
            "message": one_line(&title, MESSAGE_CHARS_MAX),
            "alias": alias,
            "description": cut_bytes(&description, DESCRIPTION_BYTES_MAX),
            "responders": teams,
            "tags": tags.unwrap_or_else(|| self.tags.clone()),
            "details": labels,
            "entity": said("entity").or(delivery.incident.function.clone()).map(short),
            "source": said("source").map_or_else(|| "Rampart".to_owned(), short),
            "note": said("note").map(short),
            "priority": priority.unwrap_or(own),
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Taken {
    request_id: String,
}

fn judge(answer: &Answer, now: Timestamp) -> Attempt {
    if answer.status != 202 {
        return answer::refusal(answer, now);
    }
    match serde_json::from_slice::<Taken>(&answer.body) {
        Ok(taken) => answer::accepted("HTTP 202", Some(taken.request_id)),
        Err(_) => answer::unreadable(answer),
    }
}
