//! A Feishu or Lark group robot: signed body, an interactive card with buttons, answers by `code`.
//!
//! A robot takes 100 messages a minute, 5 a second, of 20 KB each. Foreign text stands in the card
//! as `plain_text`, which knows no markup; mentions stand apart in markdown of their own.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use declare::{Node, Problems, Record, Shape};
use model::{Secret, Severity, Timestamp};
use outbound::{Answer, Outbound};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Meaning, means};
use super::mention::{Mention, is_plain};
use super::read::{self, Common};
use super::sign::hmac_sha256;
use super::{ReadSecret, answer};
use crate::delivery::{Attempt, Delivery, Limits, MessageKind, Retry};
use crate::message::{Dialect, Layout, Message, bare_link, escape_markdown, written};

/// Half of the robot's 100 a minute at once and half as refill, and under its 5 a second.
pub(super) const LIMITS: Limits = Limits {
    burst: 50,
    per: Duration::from_mins(1),
    min_gap: Duration::from_millis(250),
    penalty: THROTTLED_FOR,
};

const THROTTLED_FOR: Duration = Duration::from_secs(10);
/// The provider's limit for the whole body is 20 KB; JSON may double the bytes of a text.
const TEXT_BYTES_MAX: usize = 8_000;
const LINKS_BYTES_MAX: usize = 3_000;
const TITLE_CHARS_MAX: usize = 100;

const DIALECT: Dialect = Dialect {
    escape: escape_markdown,
    strong: ("", ""),
    bullet: "",
    link: bare_link,
};

const CODES: &[Meaning<i64>] = &[
    means(
        11_232,
        Retry::After(THROTTLED_FOR),
        "the robot takes 100 messages a minute, 5 a second",
    ),
    means(9_499, Retry::Never, "the robot cannot read the message"),
    means(19_001, Retry::Never, "check the address in `url`"),
    means(19_002, Retry::Never, "the robot cannot read the message"),
    means(
        19_021,
        Retry::Never,
        "check `secret` and this machine's clock",
    ),
    means(
        19_022,
        Retry::Never,
        "this machine's address is not on the robot's list",
    ),
    means(
        19_024,
        Retry::Never,
        "the robot asks for a keyword, set `keyword`",
    ),
];

/// A robot in a group chat.
#[derive(Clone, Debug)]
pub struct Feishu {
    url: Secret<String>,
    secret: Option<Secret<String>>,
    keyword: Option<String>,
    at: Mention,
    pub(super) common: Common,
}

pub(super) fn record() -> Record {
    let record = Record::new(Feishu::KIND, "a robot in a Feishu or Lark group chat");
    let record = read::with_url(record, "the robot's address, with its id")
        .field("secret", Shape::Text, "the robot's signing secret")
        .field("secret_file", Shape::Text, "a file that holds the secret")
        .field(
            "keyword",
            Shape::Text,
            "a word every message must hold, where the robot asks for one",
        )
        .field("at", Mention::shape(), Mention::DOC);
    read::with_common(record)
}

impl Feishu {
    pub(super) const KIND: &'static str = "feishu";

    pub(super) fn read(
        node: &Node,
        problems: &mut Problems,
        secrets: ReadSecret<'_>,
    ) -> Option<Feishu> {
        let url = read::url(node, problems, secrets);
        Some(Feishu {
            secret: read::secret(node, "secret", "secret_file", problems, secrets),
            keyword: node.text_of("keyword").map(str::to_owned),
            at: Mention::read(node),
            common: Common::read(node, problems),
            url: url?,
        })
    }

    pub(super) async fn send(&self, delivery: &Delivery, outbound: &Outbound) -> Attempt {
        let body = self.body(delivery);
        answer::deliver(outbound, &self.url, &body, &self.common, delivery, judge).await
    }

    /// The request's body; it is signed with its own time.
    pub(super) fn body(&self, delivery: &Delivery) -> Value {
        let mut body = json!({"msg_type": "interactive", "card": self.card(delivery)});
        if let (Some(secret), Some(fields)) = (&self.secret, body.as_object_mut()) {
            let seconds = delivery.now.as_seconds();
            fields.insert("timestamp".to_owned(), json!(seconds.to_string()));
            let sign = signature(secret.expose(), seconds);
            fields.insert("sign".to_owned(), json!(sign));
        }
        body
    }

    fn card(&self, delivery: &Delivery) -> Value {
        let mut message = self.common.compose(delivery);
        message.keep_links_within(LINKS_BYTES_MAX);
        let layout = Layout {
            with_title: false,
            with_links: false,
            mentions: &[],
            bytes_max: TEXT_BYTES_MAX,
        };
        let plain = |text: String| json!({"tag": "plain_text", "content": text});
        let text = written(&message, &DIALECT, &layout);
        let mut elements = vec![json!({"tag": "div", "text": plain(text)})];
        let mentions = self.mentions(delivery);
        if !mentions.is_empty() {
            elements.push(json!({"tag": "div", "text": {"tag": "lark_md", "content": mentions}}));
        }
        if let Some(keyword) = &self.keyword {
            elements.push(json!({"tag": "div", "text": plain(keyword.clone())}));
        }
        let title = message.chat_title(TITLE_CHARS_MAX);
        let color = color(&message);
        let links = message.acknowledge.iter().map(|link| (link, "primary"));
        let links = links.chain(message.page.iter().map(|link| (link, "default")));
        let buttons: Vec<Value> = links
            .map(|(link, kind)| {
                json!({
                    "tag": "button", "type": kind, "url": link.url,
                    "text": plain(link.text.clone()),
                })
            })
            .collect();
        if !buttons.is_empty() {
            elements.push(json!({"tag": "action", "actions": buttons}));
        }
        json!({
            "config": {"wide_screen_mode": true},
            "header": {"title": plain(title), "template": color},
            "elements": elements,
        })
    }

    /// `<at id=ou_…></at>` for each, empty for nobody.
    fn mentions(&self, delivery: &Delivery) -> String {
        let called = self.at.called(delivery, Self::KIND, is_identity);
        let everybody = called.everybody.then_some("all");
        let people = called.people.iter().map(|(_, id)| *id);
        let named = everybody.into_iter().chain(people);
        named
            .map(|id| format!("<at id={id}></at>"))
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// An open id, `ou_…`, or a user id.
pub(super) fn is_identity(id: &str) -> bool {
    is_plain(id, 64, b"-_") && !id.eq_ignore_ascii_case("all")
}

/// The card's colour by the provider's names.
fn color(message: &Message) -> &'static str {
    match (message.kind, message.severity) {
        (MessageKind::Resolved, _) => "green",
        (MessageKind::Test, _) | (_, Severity::Info) => "grey",
        (_, Severity::Warning) => "orange",
        (_, Severity::Critical) => "red",
    }
}

/// `base64(HMAC-SHA256(key = "<seconds>\n<secret>", ""))`: what other robots sign is the key here.
fn signature(secret: &str, seconds: i64) -> String {
    let key = format!("{seconds}\n{secret}");
    STANDARD.encode(hmac_sha256(key.as_bytes(), &[]))
}

#[derive(Deserialize)]
struct Verdict {
    #[serde(alias = "StatusCode")]
    code: i64,
    #[serde(default, alias = "StatusMessage")]
    msg: String,
}

/// The robot's word is in the body, with HTTP 200 or 400.
fn judge(answer: &Answer, now: Timestamp) -> Attempt {
    match serde_json::from_slice::<Verdict>(&answer.body) {
        Ok(verdict) if verdict.code == 0 && answer.status == 200 => {
            answer::accepted("code 0", None)
        }
        Ok(verdict) if verdict.code != 0 => {
            answer::refused("code", &verdict.code, &verdict.msg, CODES, Retry::Backoff)
        }
        _ if answer.status == 200 => answer::unreadable(answer),
        _ => answer::refusal(answer, now),
    }
}

#[cfg(test)]
mod vectors {
    use super::*;

    #[test]
    fn signature_is_the_providers() {
        assert_eq!(
            signature("test", 1_700_000_000),
            "eSJQnOl8XqPTMPHWz9e5IzeHS/tqoc68g2967ekIPmg="
        );
    }
}
