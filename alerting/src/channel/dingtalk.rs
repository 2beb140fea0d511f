//! A DingTalk group robot: signed address, markdown or a card with a button, answers by `errcode`.
//!
//! A robot takes 20 messages a minute and then nothing for ten minutes. Mentions ring only from a
//! `markdown` message whose text also holds `@mobile`; a card's buttons are larger, so a message
//! that mentions nobody and can be acknowledged becomes a card.

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use declare::{Node, Problems, Record, Shape};
use model::{Secret, Timestamp};
use outbound::{Answer, Outbound};
use serde::{Deserialize, Serialize};

use super::answer::{Meaning, means};
use super::mention::{Mention, is_plain};
use super::read::{self, Common};
use super::sign::{hmac_sha256, percent_encoded};
use super::{ReadSecret, answer};
use crate::delivery::{Attempt, Delivery, Limits, Retry};
use crate::message;

const PENALTY: Duration = Duration::from_mins(10);

/// Ten at once and ten a minute: a bucket of twenty refilled by twenty a minute would let forty
/// through in one, and the twenty-first shuts the door for ten.
pub(super) const LIMITS: Limits = Limits {
    burst: 10,
    per: Duration::from_mins(1),
    min_gap: Duration::ZERO,
    penalty: PENALTY,
};

/// The provider's limit is 20,000 bytes; the rest is for title, mentions and frame.
const TEXT_BYTES_MAX: usize = 19_000;
const TITLE_CHARS_MAX: usize = 100;
/// A difference of clocks worth a hint; the provider allows an hour.
const SKEW_NOTABLE: Duration = Duration::from_mins(5);

/// One of the robot's security settings does not let the message pass; the text tells which.
const SECURITY: i64 = 310_000;

const CODES: &[Meaning<i64>] = &[
    means(130_101, Retry::After(PENALTY), BLOCKED),
    means(410_100, Retry::After(PENALTY), BLOCKED),
    means(
        460_101,
        Retry::Never,
        "the message is too long for the robot",
    ),
    means(300_001, Retry::Never, TOKEN),
    means(300_005, Retry::Never, TOKEN),
    means(400_101, Retry::Never, TOKEN),
    means(400_013, Retry::Never, GONE),
    means(400_102, Retry::Never, GONE),
    means(40_035, Retry::Never, UNREADABLE),
    means(400_105, Retry::Never, UNREADABLE),
    means(400_106, Retry::Never, UNREADABLE),
];
const BLOCKED: &str = "the robot is blocked for ten minutes";
const TOKEN: &str = "check the access_token in `url`";
const GONE: &str = "the robot is disabled or its group is gone";
const UNREADABLE: &str = "the robot cannot read the message";

/// A robot in a group chat.
#[derive(Clone, Debug)]
pub struct DingTalk {
    url: Secret<String>,
    secret: Option<Secret<String>>,
    keyword: Option<String>,
    at: Mention,
    picture: bool,
    pub(super) common: Common,
}

pub(super) fn record() -> Record {
    let record = Record::new("dingtalk", "a robot in a DingTalk group chat");
    let record = read::with_url(record, "the robot's address, with its access_token")
        .field("secret", Shape::Text, "the robot's signing secret, SEC…")
        .field("secret_file", Shape::Text, "a file that holds the secret")
        .field(
            "keyword",
            Shape::Text,
            "a word every message must hold, where the robot asks for one",
        )
        .field("at", Mention::shape(), Mention::DOC);
    read::with_common(read::with_picture(record))
}

impl DingTalk {
    pub(super) const KIND: &'static str = "dingtalk";

    pub(super) fn read(
        node: &Node,
        problems: &mut Problems,
        secrets: ReadSecret<'_>,
    ) -> Option<DingTalk> {
        let url = read::url(node, problems, secrets);
        let secret = read::secret(node, "secret", "secret_file", problems, secrets);
        Some(DingTalk {
            secret,
            keyword: node.text_of("keyword").map(str::to_owned),
            at: Mention::read(node),
            picture: node.boolean_of("picture").unwrap_or(false),
            common: Common::read(node, problems),
            url: url?,
        })
    }

    pub(super) async fn send(&self, delivery: &Delivery, outbound: &Outbound) -> Attempt {
        let url = self.signed_url(delivery.now);
        let body = self.body(delivery);
        let deadline = self.common.deadline;
        answer::tell(outbound, url, body, deadline, delivery.now, judge).await
    }

    /// The address with time and signature; the robot refuses what is more than an hour off.
    fn signed_url(&self, now: Timestamp) -> String {
        let url = self.url.expose();
        let Some(secret) = &self.secret else {
            return url.clone();
        };
        let separator = if url.contains('?') { '&' } else { '?' };
        let millis = now.as_millis();
        let sign = percent_encoded(&signature(secret.expose(), millis));
        format!("{url}{separator}timestamp={millis}&sign={sign}")
    }

    /// The request's body as JSON.
    pub(super) fn body(&self, delivery: &Delivery) -> Vec<u8> {
        // Texts, lists and a flag always serialize.
        serde_json::to_vec(&self.compose(delivery)).unwrap_or_default()
    }

    fn compose(&self, delivery: &Delivery) -> Body {
        let message = self.common.compose(delivery);
        let at = self.mentions(delivery);
        let title = message.chat_title(TITLE_CHARS_MAX);
        let button = message.acknowledge.clone().filter(|_| at.is_nobody());
        let mut markdown = message::markdown(&message, &at.words(), button.is_none());
        if let Some(url) = delivery
            .incident
            .chart_url
            .as_ref()
            .filter(|_| self.picture)
        {
            markdown.tail.insert_str(0, &format!("\n\n![]({url})"));
        }
        if let Some(keyword) = &self.keyword {
            let _ = write!(markdown.tail, "\n\n{keyword}");
        }
        let text = markdown.fit(TEXT_BYTES_MAX);
        let Some(button) = button else {
            return Body::Markdown {
                markdown: Text { title, text },
                at,
            };
        };
        let buttons = [Some(button), message.page];
        let buttons = buttons.into_iter().flatten().map(|link| Button {
            title: link.text,
            action_url: link.url,
        });
        Body::Card {
            action_card: Card {
                title,
                text,
                orientation: "0",
                buttons: buttons.collect(),
            },
        }
    }

    fn mentions(&self, delivery: &Delivery) -> At {
        let called = self.at.called(delivery, Self::KIND, is_identity);
        let mut at = At {
            everybody: called.everybody,
            ..At::default()
        };
        for (_, name) in called.people {
            let list = if is_mobile(name) {
                &mut at.mobiles
            } else {
                &mut at.users
            };
            list.push(name.to_owned());
        }
        at
    }
}

/// A mobile number or a user id.
pub(super) fn is_identity(name: &str) -> bool {
    is_mobile(name) || is_user(name)
}

fn is_mobile(name: &str) -> bool {
    let digits = name.strip_prefix('+').unwrap_or(name);
    (5..=20).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit() || b == b'-')
}

fn is_user(name: &str) -> bool {
    is_plain(name, 64, b"-_.") && !name.eq_ignore_ascii_case("all")
}

/// `base64(HMAC-SHA256(key = secret, "<millis>\n<secret>"))`.
fn signature(secret: &str, millis: i64) -> String {
    let signed = format!("{millis}\n{secret}");
    STANDARD.encode(hmac_sha256(secret.as_bytes(), &[signed.as_bytes()]))
}

#[derive(Serialize)]
#[serde(tag = "msgtype")]
enum Body {
    #[serde(rename = "markdown")]
    Markdown { markdown: Text, at: At },
    #[serde(rename = "actionCard")]
    Card {
        #[serde(rename = "actionCard")]
        action_card: Card,
    },
}

#[derive(Serialize)]
struct Text {
    title: String,
    text: String,
}

#[derive(Serialize)]
struct Card {
    title: String,
    text: String,
    #[serde(rename = "btnOrientation")]
    orientation: &'static str,
    #[serde(rename = "btns")]
    buttons: Vec<Button>,
}

#[derive(Serialize)]
struct Button {
    title: String,
    #[serde(rename = "actionURL")]
    action_url: String,
}

#[derive(Default, Serialize)]
struct At {
    #[serde(rename = "atMobiles")]
    mobiles: Vec<String>,
    #[serde(rename = "atUserIds")]
    users: Vec<String>,
    #[serde(rename = "isAtAll")]
    everybody: bool,
}

impl At {
    fn is_nobody(&self) -> bool {
        !self.everybody && self.mobiles.is_empty() && self.users.is_empty()
    }

    /// What the text must hold for the mentions to ring.
    fn words(&self) -> Vec<String> {
        let named = self.mobiles.iter().chain(&self.users);
        let mut words: Vec<String> = named.map(|name| format!("@{name}")).collect();
        if self.everybody {
            words.push("@all".to_owned());
        }
        words
    }
}

#[derive(Deserialize)]
struct Verdict {
    errcode: i64,
    #[serde(default)]
    errmsg: String,
}

/// The robot says what it thinks with HTTP 200; other statuses come from what stands before it.
pub(super) fn judge(answer: &Answer, now: Timestamp) -> Attempt {
    if answer.status != 200 {
        return answer::refusal(answer, now);
    }
    let Ok(verdict) = serde_json::from_slice::<Verdict>(&answer.body) else {
        let said = answer::short_reason(&String::from_utf8_lossy(&answer.body));
        return Attempt::Unknown {
            reason: format!("HTTP 200 without an errcode: {said}"),
        };
    };
    let code = verdict.errcode;
    match code {
        0 => answer::accepted("errcode 0", None),
        SECURITY => {
            let said = answer::short_reason(&verdict.errmsg);
            let hint = security_hint(&said, answer, now);
            Attempt::Refused {
                reason: format!("errcode {code}: {said}; {hint}"),
                retry: Retry::Never,
            }
        }
        _ => answer::refused("errcode", &code, &verdict.errmsg, CODES, Retry::Backoff),
    }
}

/// Which of the robot's security settings it was: signature, clock, keyword or address.
fn security_hint(said: &str, answer: &Answer, now: Timestamp) -> String {
    let theirs = answer.header("date").and_then(answer::http_date);
    let skew = theirs.map(|theirs| theirs.since(now).max(now.since(theirs)));
    if let Some(skew) = skew.filter(|skew| *skew > SKEW_NOTABLE) {
        let skew = Duration::from_secs(skew.as_secs());
        return format!(
            "this machine's clock is {} off the provider's, set it",
            model::format_duration(skew)
        );
    }
    let said = said.to_lowercase();
    let hint = if said.contains("keyword") {
        "the robot asks for a keyword, set `keyword`"
    } else if said.contains("ip") && said.contains("white") {
        "this machine's address is not on the robot's list"
    } else if said.contains("timestamp") {
        "check this machine's clock"
    } else {
        "check `secret` and this machine's clock"
    };
    hint.to_owned()
}

#[cfg(test)]
mod vectors {
    use super::*;

    #[test]
    fn signature_is_the_providers() {
        let signed = signature("SECtest", 1_700_000_000_000);
        assert_eq!(signed, "aZLLrriXgn05YbwaGR7knYsLeJADjr9NwLaNNKpxh4g=");
        assert_eq!(percent_encoded("a+/="), "a%2B%2F%3D");
    }
}
