//! A Slack incoming webhook: blocks with buttons and a text for notifications; the answer is `ok`.
//!
//! About one message a second is taken; more is HTTP 429 with Retry-After.

use std::time::Duration;

use declare::{Node, Problems, Record};
use model::{Secret, Timestamp};
use outbound::{Answer, Outbound};
use serde_json::{Value, json};

use super::answer::{Meaning, means};
use super::look::To;
use super::mention::{Mention, is_plain};
use super::read::{self, Common};
use super::{ReadSecret, answer};
use crate::delivery::{Attempt, Delivery, Limits, Retry};
use crate::message::{Dialect, Layout, escape_markdown, framed, one_line, written};

pub(super) const LIMITS: Limits = Limits {
    burst: 30,
    per: Duration::from_mins(1),
    min_gap: Duration::from_secs(1),
    penalty: Duration::ZERO,
};

/// A section holds 3,000 characters.
const SECTION_BYTES_MAX: usize = 2_900;
/// A header holds 150 characters.
const TITLE_CHARS_MAX: usize = 140;
/// A button's address holds 3,000.
const LINKS_BYTES_MAX: usize = 5_000;

const DIALECT: Dialect = Dialect {
    escape,
    strong: ("", ""),
    bullet: "• ",
    link: |link| format!("<{}|{}>", link.url.replace('&', "&amp;"), link.text),
};

/// Words of the refusals that Slack documents, with statuses 400 to 410 and 500.
const WORDS: &[Meaning<&str>] = &[
    means(
        "invalid_payload",
        Retry::Never,
        "Slack cannot read the message",
    ),
    means(
        "invalid_blocks",
        Retry::Never,
        "Slack cannot read the message",
    ),
    means("no_text", Retry::Never, "Slack cannot read the message"),
    means(
        "too_many_attachments",
        Retry::Never,
        "Slack cannot read the message",
    ),
    means(
        "user_not_found",
        Retry::Never,
        "check the person's `im: {slack: …}`",
    ),
    means(
        "action_prohibited",
        Retry::Never,
        "the workspace does not allow it",
    ),
    means(
        "posting_to_general_channel_denied",
        Retry::Never,
        "choose another Slack channel",
    ),
    means("invalid_token", Retry::Never, "check the address in `url`"),
    means("no_active_hooks", Retry::Never, "the webhook is disabled"),
    means(
        "no_service",
        Retry::Never,
        "the webhook is disabled or removed",
    ),
    means("no_service_id", Retry::Never, "check the address in `url`"),
    means("no_team", Retry::Never, "check the address in `url`"),
    means("team_disabled", Retry::Never, "the workspace is disabled"),
    means(
        "channel_not_found",
        Retry::Never,
        "the Slack channel is gone",
    ),
    means(
        "channel_is_archived",
        Retry::Never,
        "the Slack channel is archived",
    ),
    means("rollup_error", Retry::Backoff, "Slack could not post it"),
];

/// A webhook into a Slack channel.
#[derive(Clone, Debug)]
pub struct Slack {
    url: Secret<String>,
    at: Mention,
    picture: bool,
    pub(super) common: Common,
}

pub(super) fn record() -> Record {
    let record = Record::new(Slack::KIND, "an incoming webhook of Slack");
    let record =
        read::with_url(record, "the webhook's address").field("at", Mention::shape(), Mention::DOC);
    read::with_common(read::with_picture(record))
}

impl Slack {
    pub(super) const KIND: &'static str = "slack";

    pub(super) fn read(
        node: &Node,
        problems: &mut Problems,
        secrets: ReadSecret<'_>,
    ) -> Option<Slack> {
        let url = read::url(node, problems, secrets);
        Some(Slack {
            at: Mention::read(node),
            picture: node.boolean_of("picture").unwrap_or(false),
            common: Common::read(node, problems),
            url: url?,
        })
    }

    pub(super) async fn send(&self, delivery: &Delivery, outbound: &Outbound) -> Attempt {
        let said = self.tell(self.body(delivery), delivery, outbound).await;
        let has_picture = self.picture && delivery.incident.chart_url.is_some();
        match &said {
            // Slack refuses the whole message when it cannot fetch the picture.
            Attempt::Refused { reason, .. } if has_picture && reason.contains("invalid_blocks") => {
                self.tell(self.body_with(delivery, false), delivery, outbound)
                    .await
            }
            _ => said,
        }
    }

    async fn tell(&self, body: Value, delivery: &Delivery, outbound: &Outbound) -> Attempt {
        let url = self.url.expose().clone();
        // Two attempts may follow each other.
        let deadline = self.common.deadline / if self.picture { 2 } else { 1 };
        let body = body.to_string().into_bytes();
        answer::tell(outbound, url, body, deadline, delivery.now, judge).await
    }

    /// The request's body.
    pub(super) fn body(&self, delivery: &Delivery) -> Value {
        self.body_with(delivery, self.picture)
    }

    fn body_with(&self, delivery: &Delivery, with_picture: bool) -> Value {
        let mut message = self.common.compose(delivery);
        message.keep_links_within(LINKS_BYTES_MAX);
        let mentions = self.mentions(delivery);
        let layout = Layout {
            with_title: false,
            with_links: false,
            mentions: &mentions,
            bytes_max: SECTION_BYTES_MAX,
        };
        let to = To::Chat(escape);
        let said = self
            .common
            .said_by(&["pretext", "text", "footer"], delivery, to);
        let text = match said {
            Some(said) => framed(&said, &message, &DIALECT, &layout),
            None => written(&message, &DIALECT, &layout),
        };
        let title = self
            .common
            .said("title", delivery, To::Chat(escape_markdown));
        let title = match title {
            Some(title) => one_line(&title, TITLE_CHARS_MAX),
            None => message.chat_title(TITLE_CHARS_MAX),
        };
        let plain = |text: &str| json!({"type": "plain_text", "text": text, "emoji": false});
        let mut blocks = vec![json!({"type": "header", "text": plain(&title)})];
        if !text.is_empty() {
            // Verbatim: Slack itself makes no links and mentions of what looks like one.
            let text = json!({"type": "mrkdwn", "text": text, "verbatim": true});
            blocks.push(json!({"type": "section", "text": text}));
        }
        if let Some(url) = delivery
            .incident
            .chart_url
            .as_ref()
            .filter(|_| with_picture)
        {
            let alt = one_line(&message.headline, TITLE_CHARS_MAX);
            blocks.push(json!({"type": "image", "image_url": url, "alt_text": alt}));
        }
        let buttons = [
            (&message.acknowledge, "acknowledge"),
            (&message.page, "details"),
        ];
        let buttons: Vec<Value> = buttons
            .into_iter()
            .filter_map(|(link, id)| {
                let link = link.as_ref()?;
                Some(json!({
                    "type": "button", "action_id": id, "url": link.url,
                    "text": plain(&link.text),
                }))
            })
            .collect();
        if !buttons.is_empty() {
            blocks.push(json!({"type": "actions", "elements": buttons}));
        }
        // Only this is read aloud by a notification; it must name whom it calls, too.
        let fallback = [vec![title.replace('&', "&amp;")], mentions]
            .concat()
            .join(" ");
        json!({"text": fallback, "blocks": blocks})
    }

    /// `<@U…>`, `<!subteam^S…>` or `<!channel>`.
    fn mentions(&self, delivery: &Delivery) -> Vec<String> {
        let called = self.at.called(delivery, Self::KIND, is_identity);
        let everybody = called.everybody.then(|| "<!channel>".to_owned());
        let people = called.people.iter().map(|(_, id)| match id.chars().next() {
            Some('S') => format!("<!subteam^{id}>"),
            _ => format!("<@{id}>"),
        });
        everybody.into_iter().chain(people).collect()
    }
}

/// A member's id, `U…` or `W…`, or a user group's, `S…`.
pub(super) fn is_identity(id: &str) -> bool {
    is_plain(id, 32, b"") && id.starts_with(['U', 'W', 'S'])
}

/// Slack's own escapes are for `&`, `<` and `>`; the latter two are already twins.
fn escape(text: &str) -> String {
    escape_markdown(text).replace('&', "&amp;")
}

/// A success is HTTP 200 with the body `ok`; a refusal is one word.
fn judge(answer: &Answer, now: Timestamp) -> Attempt {
    let said = String::from_utf8_lossy(&answer.body);
    let said = said.trim();
    match answer.status {
        200 if said == "ok" => answer::accepted("ok", None),
        200 => answer::unreadable(answer),
        status if WORDS.iter().any(|meaning| meaning.code == said) => {
            let word = format!("HTTP {status}");
            answer::refused(&word, &said, "refused", WORDS, Retry::Never)
        }
        _ => answer::refusal(answer, now),
    }
}
