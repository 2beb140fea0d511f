//! A Telegram bot that writes into a chat: `sendMessage` with a little HTML.
//!
//! A chat's number has 64 bits, a group takes 20 messages a minute, a text 4,096 characters. Links
//! stand in the text: a button whose address Telegram does not like makes it refuse the message.

use std::time::Duration;

use declare::{Node, Problems, Record, Shape};
use model::{Secret, Timestamp};
use outbound::{Answer, Outbound};
use serde::Deserialize;
use serde_json::{Value, json};

use super::look::To;
use super::mention::{Mention, is_plain};
use super::read::{self, Common};
use super::{ReadSecret, answer};
use crate::delivery::{Attempt, Delivery, Limits, Retry};
use crate::message::{Dialect, Layout, escape_html, escape_markdown, framed, one_line, written};

/// Ten at once and ten a minute stay within a group's 20 of any minute.
pub(super) const LIMITS: Limits = Limits {
    burst: 10,
    per: Duration::from_mins(1),
    min_gap: Duration::from_secs(1),
    penalty: Duration::ZERO,
};

const URL_DEFAULT: &str = "https://api.telegram.org";
/// The limit is 4,096 UTF-16 units without the markup; no text has more units than bytes.
const TEXT_BYTES_MAX: usize = 4_000;
const LINKS_BYTES_MAX: usize = 2_500;
const NAME_CHARS_MAX: usize = 40;

const DIALECT: Dialect = Dialect {
    escape,
    strong: ("<b>", "</b>\n"),
    bullet: "• ",
    link: |link| format!("<a href=\"{}\">{}</a>", escape_html(&link.url), link.text),
};

/// A bot and the chat it writes into.
#[derive(Clone, Debug)]
pub struct Telegram {
    url: Secret<String>,
    token: Secret<String>,
    chat: Value,
    thread: Option<i64>,
    at: Mention,
    pub(super) common: Common,
}

pub(super) fn record() -> Record {
    let record = Record::new(Telegram::KIND, "a bot in a Telegram chat")
        .field("token", Shape::Text, "the bot's token")
        .field("token_file", Shape::Text, "a file that holds the token")
        .required(
            "chat_id",
            Shape::Either(vec![
                Shape::Integer {
                    min: i64::MIN,
                    max: i64::MAX,
                },
                Shape::Text,
            ]),
            "the chat's number, negative for groups, or a public channel's @name",
        )
        .field(
            "message_thread_id",
            Shape::at_least(1),
            "the topic of a group that has topics",
        )
        .field(
            "url",
            Shape::Url,
            "the Bot API's address, https://api.telegram.org when absent",
        )
        .field("url_file", Shape::Text, "a file that holds the address")
        .field("at", Mention::shape_of_people(), Mention::DOC)
        .exactly_one(&["token", "token_file"]);
    read::with_common(record)
}

impl Telegram {
    pub(super) const KIND: &'static str = "telegram";

    pub(super) fn read(
        node: &Node,
        problems: &mut Problems,
        secrets: ReadSecret<'_>,
    ) -> Option<Telegram> {
        let token = read::secret(node, "token", "token_file", problems, secrets);
        let url = read::url_or(node, URL_DEFAULT, problems, secrets);
        let chat = node.field("chat_id").and_then(|at| chat(at, problems));
        if let Some(token) = &token
            && !is_plain(token.expose(), 128, b":_-")
        {
            let at = node.field("token").or(node.field("token_file"))?;
            problems
                .error(at, "this is not a bot's token")
                .hint("write it as BotFather gave it, such as 123456:ABC-DEF");
        }
        Some(Telegram {
            thread: node.integer_of("message_thread_id"),
            at: Mention::read(node),
            common: Common::read(node, problems),
            url: url?,
            token: token?,
            chat: chat?,
        })
    }

    pub(super) async fn send(&self, delivery: &Delivery, outbound: &Outbound) -> Attempt {
        let base = self.url.expose().trim_end_matches('/');
        let url = format!("{base}/bot{}/sendMessage", self.token.expose());
        let body = self.body(delivery).to_string().into_bytes();
        let deadline = self.common.deadline;
        answer::tell(outbound, url, body, deadline, delivery.now, judge).await
    }

    /// The request's body.
    pub(super) fn body(&self, delivery: &Delivery) -> Value {
        let mut message = self.common.compose(delivery);
        message.keep_links_within(LINKS_BYTES_MAX);
        let mut mentions = self.mentions(delivery);
        // Many long names must not push the links out.
        while mentions.iter().map(String::len).sum::<usize>() > 1_000 {
            mentions.pop();
        }
        let layout = Layout {
            with_title: true,
            with_links: true,
            mentions: &mentions,
            bytes_max: TEXT_BYTES_MAX,
        };
        // Markup that is cut is none, so a text that is too long gives way to Rampart's own.
        let said = self.common.said("message", delivery, To::Chat(escape));
        let whole = said.and_then(|said| {
            let framed = framed(&said, &message, &DIALECT, &layout);
            framed.starts_with(&said).then_some(framed)
        });
        let text = whole.unwrap_or_else(|| written(&message, &DIALECT, &layout));
        let mut body = json!({
            "chat_id": self.chat,
            "text": text,
            "parse_mode": "HTML",
            "link_preview_options": {"is_disabled": true},
        });
        if let (Some(thread), Some(fields)) = (self.thread, body.as_object_mut()) {
            fields.insert("message_thread_id".to_owned(), json!(thread));
        }
        body
    }

    /// `@name`, or a link to the user's number with their name.
    fn mentions(&self, delivery: &Delivery) -> Vec<String> {
        let is_number = |id: &str| id.len() <= 19 && id.bytes().all(|b| b.is_ascii_digit());
        let called = self.at.called(delivery, Self::KIND, is_identity);
        let people = called.people.iter().map(|(person, id)| {
            if is_number(id) {
                let name = escape(&one_line(&person.name, NAME_CHARS_MAX));
                format!("<a href=\"tg://user?id={id}\">{name}</a>")
            } else {
                format!("@{}", id.strip_prefix('@').unwrap_or(id))
            }
        });
        people.collect()
    }
}

/// A user name, with or without its `@`, or a user's number.
pub(super) fn is_identity(id: &str) -> bool {
    is_plain(id.strip_prefix('@').unwrap_or(id), 32, b"_")
}

fn chat(at: &Node, problems: &mut Problems) -> Option<Value> {
    if let Some(number) = at.integer() {
        return Some(json!(number));
    }
    let text = at.text()?;
    if let Ok(number) = text.parse::<i64>() {
        return Some(json!(number));
    }
    let name = text
        .strip_prefix('@')
        .filter(|name| is_plain(name, 64, b"_"));
    if name.is_none() {
        problems
            .error(at, "this is neither a chat's number nor a channel's name")
            .hint("write a number such as -1001234567890, or `@name` of a public channel");
    }
    name.map(|_| json!(text))
}

/// Telegram's own escapes come last; `@` and addresses are twins already.
fn escape(text: &str) -> String {
    escape_html(&escape_markdown(text))
}

#[derive(Deserialize)]
struct Verdict {
    ok: bool,
    #[serde(default)]
    description: String,
    error_code: Option<u16>,
    result: Option<Sent>,
    #[serde(default)]
    parameters: Parameters,
}

#[derive(Deserialize)]
struct Sent {
    message_id: i64,
}

#[derive(Default, Deserialize)]
struct Parameters {
    retry_after: Option<u64>,
    migrate_to_chat_id: Option<i64>,
}

/// The bot's word is in the body, whatever the status.
fn judge(answer: &Answer, now: Timestamp) -> Attempt {
    let Ok(verdict) = serde_json::from_slice::<Verdict>(&answer.body) else {
        return match answer.status {
            200 => answer::unreadable(answer),
            _ => answer::refusal(answer, now),
        };
    };
    if verdict.ok {
        let id = verdict.result.map(|sent| sent.message_id.to_string());
        return answer::accepted("ok", id);
    }
    let code = verdict.error_code.unwrap_or(answer.status);
    let (retry, hint) = match (code, &verdict.parameters) {
        (429, Parameters { retry_after, .. }) => {
            let pause = retry_after.map(Duration::from_secs);
            let pause = pause.map(|pause| Retry::After(pause.min(answer::RETRY_AFTER_MAX)));
            (pause.unwrap_or(Retry::Backoff), String::new())
        }
        (
            _,
            Parameters {
                migrate_to_chat_id: Some(chat),
                ..
            },
        ) => (
            Retry::Never,
            format!("; the group has moved, write `chat_id: {chat}`"),
        ),
        (401 | 404, _) => (Retry::Never, "; check `token`".to_owned()),
        (403, _) => (Retry::Never, "; let the bot into the chat".to_owned()),
        (408 | 500..=599, _) => (Retry::Backoff, String::new()),
        _ => (Retry::Never, "; check `chat_id`".to_owned()),
    };
    let said = answer::short_reason(&verdict.description);
    Attempt::Refused {
        reason: format!("error_code {code}: {said}{hint}"),
        retry,
    }
}
