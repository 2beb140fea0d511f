//! An application of WeCom, which writes to its members: a token by `gettoken`, then `message/send`; both
//! answer by `errcode`.
//!
//! A token is good for two hours and is fetched again when the provider says that it is not (40014, 42001). A
//! text holds 2,048 bytes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use declare::{Node, Problems, Record, Shape};
use model::{Secret, Timestamp};
use outbound::{Answer, Outbound, OutboundError, Request, Trust};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Meaning, means};
use super::look::To;
use super::mention::is_plain;
use super::read::{self, Common};
use super::wecom::{self, LINKS_BYTES_MAX, TEXT, TEXT_BYTES_MAX, Verdict};
use super::{ReadSecret, answer};
use crate::delivery::{Attempt, Delivery, Limits, Retry};
use crate::message::{Layout, escape_markdown, framed, written};

pub(super) const LIMITS: Limits = Limits {
    burst: 30,
    per: Duration::from_mins(1),
    min_gap: Duration::ZERO,
    penalty: Duration::ZERO,
};

const URL_DEFAULT: &str = "https://qyapi.weixin.qq.com/cgi-bin/";
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// A token is given up this long before its end.
const TOKEN_MARGIN: Duration = Duration::from_mins(5);
/// The token is no longer good.
const TOKEN_OVER: [i64; 2] = [40_014, 42_001];
const BUSY_FOR: Duration = Duration::from_mins(1);

const CODES: &[Meaning<i64>] = &[
    means(-1, Retry::Backoff, "the provider is busy"),
    means(40_001, Retry::Never, "check `secret`"),
    means(40_013, Retry::Never, "check `corp_id`"),
    means(40_014, Retry::Backoff, "a new token is fetched"),
    means(40_056, Retry::Never, "check `agent_id`"),
    means(42_001, Retry::Backoff, "a new token is fetched"),
    means(45_009, Retry::After(BUSY_FOR), "too many calls"),
    means(
        60_020,
        Retry::Never,
        "let this machine's address into the application's trusted ones",
    ),
    means(
        81_013,
        Retry::Never,
        "nobody of `to_user`, `to_party`, `to_tag` may be reached",
    ),
];

/// An application and its members that are told.
#[derive(Clone, Debug)]
pub struct WeComApp {
    url: Secret<String>,
    corp_id: String,
    secret: Secret<String>,
    agent_id: i64,
    to_user: String,
    to_party: String,
    to_tag: String,
    token: Arc<Mutex<Option<Token>>>,
    pub(super) common: Common,
}

#[derive(Clone, Debug)]
struct Token {
    text: Secret<String>,
    good_until: Timestamp,
}

pub(super) fn record() -> Record {
    let record = Record::new(
        WeComApp::KIND,
        "an application of WeCom that writes to its members",
    )
    .required("corp_id", Shape::Text, "the company's id")
    .field("secret", Shape::Text, "the application's secret")
    .field("secret_file", Shape::Text, "a file that holds the secret")
    .required("agent_id", Shape::at_least(1), "the application's number")
    .field(
        "to_user",
        Shape::Text,
        "members by id, `|` between them, or @all",
    )
    .field(
        "to_party",
        Shape::Text,
        "departments by number, `|` between them",
    )
    .field("to_tag", Shape::Text, "tags by number, `|` between them")
    .field(
        "url",
        Shape::Url,
        "the API's address, https://qyapi.weixin.qq.com/cgi-bin/ when absent",
    )
    .field("url_file", Shape::Text, "a file that holds the address")
    .exactly_one(&["secret", "secret_file"]);
    read::with_common(record)
}

impl WeComApp {
    pub(super) const KIND: &'static str = "wecom-app";

    pub(super) fn read(
        node: &Node,
        problems: &mut Problems,
        secrets: ReadSecret<'_>,
    ) -> Option<WeComApp> {
        let url = read::url_or(node, URL_DEFAULT, problems, secrets);
        let secret = read::secret(node, "secret", "secret_file", problems, secrets);
        let to = ["to_user", "to_party", "to_tag"];
        let told = to.map(|name| node.text_of(name).unwrap_or_default().to_owned());
        if told.iter().all(String::is_empty) {
            problems
                .error(node, "the application is told to write to nobody")
                .hint("add `to_user`, `to_party` or `to_tag`");
        }
        let corp_id = node.text_of("corp_id")?;
        if !is_plain(corp_id, 64, b"_-") {
            let at = node.field("corp_id").unwrap_or(node);
            problems.error(at, "this is not a company's id");
        }
        let [to_user, to_party, to_tag] = told;
        Some(WeComApp {
            corp_id: corp_id.to_owned(),
            agent_id: node.integer_of("agent_id")?,
            to_user,
            to_party,
            to_tag,
            token: Arc::default(),
            common: Common::read(node, problems),
            url: url?,
            secret: secret?,
        })
    }

    pub(super) async fn send(&self, delivery: &Delivery, outbound: &Outbound) -> Attempt {
        let half = self.common.deadline / 2;
        let token = match self.token(delivery.now, outbound, half).await {
            Ok(token) => token,
            Err(refused) => return refused,
        };
        let url = format!(
            "{}message/send?access_token={}",
            self.base(),
            token.expose()
        );
        let body = self.body(delivery).to_string().into_bytes();
        match answer::post_json(outbound, url, Vec::new(), body, half).await {
            Ok(answer) => {
                if code(&answer).is_some_and(|code| TOKEN_OVER.contains(&code)) {
                    self.keep(None);
                }
                judge(&answer, delivery.now)
            }
            Err(error) => answer::lost(&error),
        }
    }

    fn base(&self) -> String {
        format!("{}/", self.url.expose().trim_end_matches('/'))
    }

    fn keep(&self, token: Option<Token>) {
        if let Ok(mut kept) = self.token.lock() {
            *kept = token;
        }
    }

    /// The token that is still good, or a new one. Nothing was sent when it cannot be had.
    async fn token(
        &self,
        now: Timestamp,
        outbound: &Outbound,
        deadline: Duration,
    ) -> Result<Secret<String>, Attempt> {
        let kept = self.token.lock().ok().and_then(|kept| kept.clone());
        if let Some(token) = kept.filter(|token| now < token.good_until) {
            return Ok(token.text);
        }
        let secret = self.secret.expose();
        let corp_id = &self.corp_id;
        let request = Request {
            method: "GET".to_owned(),
            url: format!(
                "{}gettoken?corpid={corp_id}&corpsecret={secret}",
                self.base()
            ),
            headers: Vec::new(),
            body: Vec::new(),
            deadline,
            trust: Trust::Configured,
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        let answer = match outbound.send(request).await {
            Ok(answer) => answer,
            Err(error) => return Err(without_token(&error)),
        };
        match serde_json::from_slice::<Given>(&answer.body) {
            Ok(given) if given.errcode == 0 && !given.access_token.is_empty() => {
                let text = Secret::new(given.access_token);
                let lasts = Duration::from_secs(given.expires_in).saturating_sub(TOKEN_MARGIN);
                self.keep(Some(Token {
                    text: text.clone(),
                    good_until: now + lasts,
                }));
                Ok(text)
            }
            Ok(_) => Err(judge(&answer, now)),
            Err(_) if answer.status == 200 => Err(Attempt::Refused {
                reason: "no token: a foreign answer".to_owned(),
                retry: Retry::Backoff,
            }),
            Err(_) => Err(answer::refusal(&answer, now)),
        }
    }

    /// The request's body.
    pub(super) fn body(&self, delivery: &Delivery) -> Value {
        let mut message = self.common.compose(delivery);
        message.keep_links_within(LINKS_BYTES_MAX);
        let layout = Layout {
            with_title: true,
            with_links: true,
            mentions: &[],
            bytes_max: TEXT_BYTES_MAX,
        };
        let said = self
            .common
            .said("message", delivery, To::Chat(escape_markdown));
        let content = match said {
            Some(said) => framed(&said, &message, &TEXT, &layout),
            None => written(&message, &TEXT, &layout),
        };
        json!({
            "touser": self.to_user,
            "toparty": self.to_party,
            "totag": self.to_tag,
            "agentid": self.agent_id,
            "msgtype": "text",
            "text": {"content": content},
            "safe": 0,
        })
    }
}

/// Without a token no message was sent, whatever became of the question.
fn without_token(error: &OutboundError) -> Attempt {
    match answer::lost(error) {
        Attempt::Unknown { reason } => Attempt::Refused {
            reason: format!("no token: {reason}"),
            retry: Retry::Backoff,
        },
        other => other,
    }
}

#[derive(Deserialize)]
struct Given {
    errcode: i64,
    #[serde(default)]
    access_token: String,
    #[serde(default)]
    expires_in: u64,
}

fn code(answer: &Answer) -> Option<i64> {
    let verdict: Verdict = serde_json::from_slice(&answer.body).ok()?;
    Some(verdict.errcode)
}

fn judge(answer: &Answer, now: Timestamp) -> Attempt {
    wecom::judge_by(CODES, answer, now)
}
