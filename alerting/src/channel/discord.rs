//! A Discord webhook: one embed with a title and a text; the answer is 204.
//!
//! An embed's title holds 256 characters, its description 4,096. A webhook takes 5 messages in 2 seconds and
//! 30 a minute; more is HTTP 429 with Retry-After. `allowed_mentions` keeps every text from ringing anybody.

use std::time::Duration;

use declare::{Node, Problems, Record};
use model::{Secret, Severity, Timestamp};
use outbound::{Answer, Outbound};
use serde_json::{Value, json};

use super::look::To;
use super::read::{self, Common};
use super::{ReadSecret, answer};
use crate::delivery::{Attempt, Delivery, Limits, MessageKind};
use crate::message::{
    Dialect, Layout, Message, cut_chars, escape_markdown, framed, markdown_link, one_line, written,
};

pub(super) const LIMITS: Limits = Limits {
    burst: 20,
    per: Duration::from_mins(1),
    min_gap: Duration::from_millis(500),
    penalty: Duration::ZERO,
};

/// No text has more characters than bytes.
const TEXT_BYTES_MAX: usize = 4_000;
const LINKS_BYTES_MAX: usize = 2_500;
const TITLE_CHARS_MAX: usize = 250;
const CONTENT_CHARS_MAX: usize = 1_900;

const DIALECT: Dialect = Dialect {
    escape: escape_markdown,
    strong: ("**", "**\n"),
    bullet: "- ",
    link: markdown_link,
};

/// A webhook of a Discord channel.
#[derive(Clone, Debug)]
pub struct Discord {
    url: Secret<String>,
    pub(super) common: Common,
}

pub(super) fn record() -> Record {
    let record = Record::new(Discord::KIND, "a webhook of a Discord channel");
    read::with_common(read::with_url(record, "the webhook's address"))
}

impl Discord {
    pub(super) const KIND: &'static str = "discord";

    pub(super) fn read(
        node: &Node,
        problems: &mut Problems,
        secrets: ReadSecret<'_>,
    ) -> Option<Discord> {
        let url = read::url(node, problems, secrets);
        Some(Discord {
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
            with_links: true,
            mentions: &[],
            bytes_max: TEXT_BYTES_MAX,
        };
        let to = To::Chat(escape_markdown);
        let text = match self.common.said("message", delivery, to) {
            Some(said) => framed(&said, &message, &DIALECT, &layout),
            None => written(&message, &DIALECT, &layout),
        };
        let title = match self.common.said("title", delivery, to) {
            Some(title) => one_line(&title, TITLE_CHARS_MAX),
            None => message.chat_title(TITLE_CHARS_MAX),
        };
        let content = self.common.said("content", delivery, to);
        json!({
            "content": cut_chars(&content.unwrap_or_default(), CONTENT_CHARS_MAX),
            "embeds": [{"title": title, "description": text, "color": color(&message)}],
            "allowed_mentions": {"parse": []},
        })
    }
}

/// Red, green, blue.
fn color(message: &Message) -> u32 {
    match (message.kind, message.severity) {
        (MessageKind::Resolved, _) => 0x001a_7f4b,
        (MessageKind::Test, _) | (_, Severity::Info) => 0x005b_6470,
        (_, Severity::Warning) => 0x00b2_6a00,
        (_, Severity::Critical) => 0x00c6_2828,
    }
}

fn judge(answer: &Answer, now: Timestamp) -> Attempt {
    match answer.status {
        200..=299 => answer::accepted(format!("HTTP {}", answer.status), None),
        _ => answer::refusal(answer, now),
    }
}
