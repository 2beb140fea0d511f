//! A WeCom group robot: a text that mentions, or markdown that does not; answers by `errcode`.
//!
//! A robot takes 20 messages a minute. A `text` holds 2,048 bytes, a `markdown` 4,096; only a text
//! can call somebody by mobile number.

use std::time::Duration;

use declare::{Node, Problems, Record};
use model::{Secret, Timestamp};
use outbound::{Answer, Outbound};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Meaning, means};
use super::mention::{Mention, is_plain};
use super::read::{self, Common};
use super::{ReadSecret, answer};
use crate::delivery::{Attempt, Delivery, Limits, Retry};
use crate::message::{Dialect, Layout, bare_link, escape_markdown, markdown_link, written};

/// Ten at once and ten a minute stay within the robot's 20 of any minute.
pub(super) const LIMITS: Limits = Limits {
    burst: 10,
    per: Duration::from_mins(1),
    min_gap: Duration::ZERO,
    penalty: THROTTLED_FOR,
};

const THROTTLED_FOR: Duration = Duration::from_mins(1);
pub(super) const TEXT_BYTES_MAX: usize = 2_048;
const MARKDOWN_BYTES_MAX: usize = 4_096;
/// What must be left for the text beside the links.
pub(super) const LINKS_BYTES_MAX: usize = 1_200;

/// Plain text, for robots and applications alike.
pub(super) const TEXT: Dialect = Dialect {
    escape: escape_markdown,
    strong: ("", "\n"),
    bullet: "",
    link: bare_link,
};

const MARKDOWN: Dialect = Dialect {
    escape: escape_markdown,
    strong: ("### ", "\n"),
    bullet: "> ",
    link: markdown_link,
};

const CODES: &[Meaning<i64>] = &[
    means(-1, Retry::Backoff, "the provider is busy"),
    means(40_008, Retry::Never, "the robot cannot read the message"),
    means(
        40_058,
        Retry::Never,
        "the message is too long for the robot or a field is wrong",
    ),
    means(44_004, Retry::Never, "the message is empty"),
    means(
        45_002,
        Retry::Never,
        "the message is too long for the robot",
    ),
    means(
        45_009,
        Retry::After(THROTTLED_FOR),
        "the robot takes 20 messages a minute",
    ),
    means(
        93_000,
        Retry::Never,
        "check the key in `url`; the robot may have been removed",
    ),
    means(93_004, Retry::Never, "the robot is disabled"),
    means(93_008, Retry::Never, "the robot is not in the group"),
];

/// A robot in a group chat.
#[derive(Clone, Debug)]
pub struct WeCom {
    url: Secret<String>,
    at: Mention,
    pub(super) common: Common,
}

pub(super) fn record() -> Record {
    let record = Record::new(WeCom::KIND, "a robot in a WeCom group chat");
    let record = read::with_url(record, "the robot's address, with its key").field(
        "at",
        Mention::shape(),
        Mention::DOC,
    );
    read::with_common(record)
}

impl WeCom {
    pub(super) const KIND: &'static str = "wecom";

    pub(super) fn read(
        node: &Node,
        problems: &mut Problems,
        secrets: ReadSecret<'_>,
    ) -> Option<WeCom> {
        let url = read::url(node, problems, secrets);
        Some(WeCom {
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
        let called = self.at.called(delivery, Self::KIND, is_identity);
        let is_mobile = |name: &str| name.len() == 11 && name.bytes().all(|b| b.is_ascii_digit());
        let names = called.people.iter();
        let names = names.map(|(_, name)| name.strip_prefix("+86").unwrap_or(name));
        let (mobiles, users): (Vec<&str>, Vec<&str>) = names.partition(|name| is_mobile(name));
        let users: Vec<&str> = called
            .everybody
            .then_some("@all")
            .into_iter()
            .chain(users)
            .collect();
        let layout = |bytes_max| Layout {
            with_title: true,
            with_links: true,
            mentions: &[],
            bytes_max,
        };
        if mobiles.is_empty() && users.is_empty() {
            let content = written(&message, &MARKDOWN, &layout(MARKDOWN_BYTES_MAX));
            return json!({"msgtype": "markdown", "markdown": {"content": content}});
        }
        let content = written(&message, &TEXT, &layout(TEXT_BYTES_MAX));
        json!({
            "msgtype": "text",
            "text": {
                "content": content,
                "mentioned_list": users,
                "mentioned_mobile_list": mobiles,
            },
        })
    }
}

/// A mobile number of the mainland or a user id.
pub(super) fn is_identity(name: &str) -> bool {
    let name = name.strip_prefix("+86").unwrap_or(name);
    is_plain(name, 64, b"-_.@") && !name.starts_with('@')
}

/// What WeCom says to a message.
#[derive(Deserialize)]
pub(super) struct Verdict {
    pub(super) errcode: i64,
    #[serde(default)]
    errmsg: String,
    /// Its number for a message of an application.
    #[serde(default)]
    msgid: Option<String>,
}

fn judge(answer: &Answer, now: Timestamp) -> Attempt {
    judge_by(CODES, answer, now)
}

/// WeCom says what it thinks with HTTP 200.
pub(super) fn judge_by(codes: &[Meaning<i64>], answer: &Answer, now: Timestamp) -> Attempt {
    if answer.status != 200 {
        return answer::refusal(answer, now);
    }
    match serde_json::from_slice::<Verdict>(&answer.body) {
        Ok(verdict) if verdict.errcode == 0 => answer::accepted("errcode 0", verdict.msgid),
        Ok(verdict) => answer::refused(
            "errcode",
            &verdict.errcode,
            &verdict.errmsg,
            codes,
            Retry::Backoff,
        ),
        Err(_) => answer::unreadable(answer),
    }
}
