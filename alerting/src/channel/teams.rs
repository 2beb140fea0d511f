//! A Microsoft Teams workflow ("post to a channel when a webhook request is received"): an adaptive
//! card with buttons and mentions.
//!
//! A card has 28 KB. The workflow answers 202; the retired connectors answered 200 with a failure
//! in the body, and so do gateways that imitate them.

use std::time::Duration;

use declare::{Node, Problems, Record};
use model::{Secret, Severity, Timestamp};
use outbound::{Answer, Outbound};
use serde_json::{Value, json};

use super::look::To;
use super::mention::{Mention, is_plain};
use super::read::{self, Common};
use super::{ReadSecret, answer};
use crate::delivery::{Attempt, Delivery, Limits, MessageKind, Retry};
use crate::message::{
    Dialect, Layout, Message, bare_link, escape_markdown, framed, one_line, written,
};

/// Four requests a second are taken; a workflow of a small plan takes far fewer a day.
pub(super) const LIMITS: Limits = Limits {
    burst: 30,
    per: Duration::from_mins(1),
    min_gap: Duration::from_millis(300),
    penalty: Duration::ZERO,
};

/// The card has 28 KB; JSON may double the bytes of a text.
const TEXT_BYTES_MAX: usize = 10_000;
const LINKS_BYTES_MAX: usize = 5_000;
const TITLE_CHARS_MAX: usize = 160;
const NAME_CHARS_MAX: usize = 60;

const DIALECT: Dialect = Dialect {
    escape: escape_markdown,
    strong: ("", ""),
    bullet: "- ",
    link: bare_link,
};

/// A workflow that posts into a Teams channel.
#[derive(Clone, Debug)]
pub struct Teams {
    url: Secret<String>,
    at: Mention,
    pub(super) common: Common,
}

pub(super) fn record() -> Record {
    let record = Record::new(Teams::KIND, "a workflow of Microsoft Teams");
    let record = read::with_url(record, "the workflow's address").field(
        "at",
        Mention::shape_of_people(),
        Mention::DOC,
    );
    read::with_common(record)
}

impl Teams {
    pub(super) const KIND: &'static str = "teams";

    pub(super) fn read(
        node: &Node,
        problems: &mut Problems,
        secrets: ReadSecret<'_>,
    ) -> Option<Teams> {
        let url = read::url(node, problems, secrets);
        Some(Teams {
            at: Mention::read(node),
            common: Common::read(node, problems),
            url: url?,
        })
    }

    pub(super) async fn send(&self, delivery: &Delivery, outbound: &Outbound) -> Attempt {
        let body = self.body(delivery);
        answer::deliver(outbound, &self.url, &body, &self.common, delivery, judge).await
    }

    /// The request's body.
    pub(super) fn body(&self, delivery: &Delivery) -> Value {
        let mut message = self.common.compose(delivery);
        message.keep_links_within(LINKS_BYTES_MAX);
        let layout = Layout {
            with_title: false,
            with_links: false,
            mentions: &[],
            bytes_max: TEXT_BYTES_MAX,
        };
        let to = To::Chat(escape_markdown);
        let title = match self.common.said("title", delivery, to) {
            Some(title) => one_line(&title, TITLE_CHARS_MAX),
            None => message.chat_title(TITLE_CHARS_MAX),
        };
        let block = |text: &str| json!({"type": "TextBlock", "wrap": true, "text": text});
        let mut elements = vec![json!({
            "type": "TextBlock", "wrap": true, "size": "Medium", "weight": "Bolder",
            "color": color(&message), "text": title,
        })];
        // A single line break is none in the card's markdown.
        let text = match self.common.said("text", delivery, to) {
            Some(said) => framed(&said, &message, &DIALECT, &layout),
            None => written(&message, &DIALECT, &layout).replace('\n', "\n\n"),
        };
        elements.push(block(&text));
        let (words, entities) = self.mentions(delivery);
        if !words.is_empty() {
            elements.push(block(&words));
        }
        if let Some(url) = &delivery.incident.chart_url {
            elements.push(json!({"type": "Image", "url": url, "altText": message.headline}));
        }
        let links = message.acknowledge.iter().chain(&message.page);
        let actions: Vec<Value> = links
            .map(|link| json!({"type": "Action.OpenUrl", "title": link.text, "url": link.url}))
            .collect();
        let card = json!({
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "body": elements,
            "actions": actions,
            "msteams": {"width": "Full", "entities": entities},
        });
        json!({
            "type": "message",
            "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": null,
                "content": card,
            }],
        })
    }

    /// `<at>Name</at>` in the text, and whom each means.
    fn mentions(&self, delivery: &Delivery) -> (String, Vec<Value>) {
        let called = self.at.called(delivery, Self::KIND, is_identity);
        let mut words = Vec::new();
        let mut entities = Vec::new();
        for (person, id) in called.people {
            let name = escape_markdown(&one_line(&person.name, NAME_CHARS_MAX));
            let text = format!("<at>{name}</at>");
            entities.push(json!({
                "type": "mention", "text": text, "mentioned": {"id": id, "name": name},
            }));
            words.push(text);
        }
        (words.join(" "), entities)
    }
}

/// A sign-in name or an object id.
pub(super) fn is_identity(id: &str) -> bool {
    is_plain(id, 128, b"-_.@+")
}

/// The title's colour by the card's names.
fn color(message: &Message) -> &'static str {
    match (message.kind, message.severity) {
        (MessageKind::Resolved, _) => "Good",
        (MessageKind::Test, _) | (_, Severity::Info) => "Default",
        (_, Severity::Warning) => "Warning",
        (_, Severity::Critical) => "Attention",
    }
}

fn judge(answer: &Answer, now: Timestamp) -> Attempt {
    let said = String::from_utf8_lossy(&answer.body);
    match answer.status {
        // `Microsoft Teams endpoint returned HTTP error 429 …`, with status 200.
        200..=299 if said.contains("HTTP error") => {
            let passing = ["429", "500", "502", "503", "504"];
            let retry = if passing.iter().any(|status| said.contains(status)) {
                Retry::Backoff
            } else {
                Retry::Never
            };
            let reason = answer::short_reason(&said);
            Attempt::Refused { reason, retry }
        }
        200..=299 => answer::accepted(format!("HTTP {}", answer.status), None),
        _ => answer::refusal(answer, now),
    }
}
