//! The other end of every message: a chat robot, an SMS gateway and a phone gateway on loopback. They
//! check what the real ones check and keep what a person would have received.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use model::{SharedClock, Timestamp};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::mpsc;

use crate::DemoError;
use crate::listening::Listening;

/// The robot's access token.
pub const ROBOT_TOKEN: &str = "demo-robot";
/// The robot's signing secret.
pub const ROBOT_SECRET: &str = "SECdemo";

/// The provider takes signatures this old.
const SIGNATURE_AGE_MAX: Duration = Duration::from_hours(1);
const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// The most messages that wait to be told.
const WAITING_MESSAGES_MAX: usize = 256;
/// The most messages remembered.
const KEPT_MESSAGES_MAX: usize = 1_000;

/// By which way a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// The team's chat.
    Im,
    /// A text message.
    Sms,
    /// A call.
    Phone,
}

/// What a person received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The way it came.
    pub medium: Medium,
    /// When.
    pub at: Timestamp,
    /// Who was meant, where the message says so.
    pub person: Option<String>,
    /// What it says.
    pub text: String,
    /// The signed link in it, to acknowledge with.
    pub link: Option<String>,
}

/// The running receivers. Dropping it stops them.
pub struct Phone {
    listening: Listening,
    arrivals: mpsc::Receiver<Received>,
    desk: Arc<Desk>,
}

struct Desk {
    clock: SharedClock,
    arrived: mpsc::Sender<Received>,
    kept: Mutex<VecDeque<Received>>,
    refused: Mutex<u64>,
}

impl Phone {
    /// Starts the receivers on one free loopback port: `/robot/send`, `/sms` and `/phone`.
    pub async fn start(clock: SharedClock) -> Result<Phone, DemoError> {
        let (arrived, arrivals) = mpsc::channel(WAITING_MESSAGES_MAX);
        let desk = Arc::new(Desk {
            clock,
            arrived,
            kept: Mutex::default(),
            refused: Mutex::default(),
        });
        let router = Router::new()
            .route("/robot/send", post(take_robot))
            .route("/sms", post(take_sms))
            .route("/phone", post(take_call))
            .layer(DefaultBodyLimit::max(MESSAGE_BYTES_MAX))
            .with_state(Arc::clone(&desk));
        Ok(Phone {
            listening: Listening::start("the phones", router).await?,
            arrivals,
            desk,
        })
    }

    /// Where the receivers listen.
    pub fn address(&self) -> SocketAddr {
        self.listening.address()
    }

    /// The next message; waits for it.
    pub async fn next(&mut self) -> Option<Received> {
        self.arrivals.recv().await
    }

    /// What has been received, oldest first.
    pub fn received(&self) -> Vec<Received> {
        let kept = self
            .desk
            .kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        kept.iter().cloned().collect()
    }

    /// How many messages were refused: badly signed, or not what the provider takes.
    pub fn refused(&self) -> u64 {
        *self
            .desk
            .refused
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    fn keep(&self, medium: Medium, text: &str, link: Option<String>, person: Option<String>) {
        let received = Received {
            medium,
            at: self.clock.now(),
            person,
            text: text.to_owned(),
            link: link.or_else(|| find_link(text)),
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT_MESSAGES_MAX {
            kept.pop_front();
        }
        kept.push_back(received.clone());
        // When nobody listens to the story, what was kept is all there is.
        let _ = self.arrived.try_send(received);
    }

    fn refuse(&self) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    }
}

/// DingTalk's robot: HTTP 200 always, the verdict is `errcode`.
async fn take_robot(
    State(desk): State<Arc<Desk>>,
    Query(query): Query<HashMap<String, String>>,
    body: String,
) -> Json<Value> {
    let refuse = |code: i64, message: &str| {
        desk.refuse();
        Json(json!({"errcode": code, "errmsg": message}))
    };
    let given = |name: &str| query.get(name).map_or("", String::as_str);
    if given("access_token") != ROBOT_TOKEN {
        return refuse(300_001, "token is not exist");
    }
    if let Err(message) = check_signature(given("timestamp"), given("sign"), desk.clock.now()) {
        return refuse(310_000, message);
    }
    match serde_json::from_str(&body)
        .ok()
        .as_ref()
        .and_then(read_robot_message)
    {
        Some((text, link)) => {
            desk.keep(Medium::Im, &text, link, None);
            Json(json!({"errcode": 0, "errmsg": "ok"}))
        }
        None => refuse(40_035, "param error"),
    }
}

/// `sign` is `base64(HMAC-SHA256(key = secret, "<timestamp>\n<secret>"))`, the timestamp in
/// milliseconds and not older than an hour.
fn check_signature(timestamp: &str, sign: &str, now: Timestamp) -> Result<(), &'static str> {
    let millis: i64 = timestamp.parse().map_err(|_| "invalid timestamp")?;
    let then = Timestamp::from_millis(millis);
    if now.since(then).max(then.since(now)) > SIGNATURE_AGE_MAX {
        return Err("invalid timestamp");
    }
    let mismatch = "sign not match";
    let given = STANDARD.decode(sign).map_err(|_| mismatch)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(ROBOT_SECRET.as_bytes()).map_err(|_| mismatch)?;
    mac.update(format!("{timestamp}\n{ROBOT_SECRET}").as_bytes());
    mac.verify_slice(&given).map_err(|_| mismatch)
}

/// The text of a robot's message, and the first button's address of a card.
fn read_robot_message(body: &Value) -> Option<(String, Option<String>)> {
    let text = |path: &str| {
        body.pointer(path)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    match body.get("msgtype")?.as_str()? {
        "text" => Some((text("/text/content")?, None)),
        "markdown" => Some((text("/markdown/text")?, None)),
        "actionCard" => {
            let button = text("/actionCard/btns/0/actionURL");
            Some((
                text("/actionCard/text")?,
                button.or_else(|| text("/actionCard/singleURL")),
            ))
        }
        _ => None,
    }
}

async fn take_sms(desk: State<Arc<Desk>>, message: Json<Value>) -> StatusCode {
    take_webhook(&desk, Medium::Sms, &message)
}

async fn take_call(desk: State<Arc<Desk>>, message: Json<Value>) -> StatusCode {
    take_webhook(&desk, Medium::Phone, &message)
}

/// A gateway's webhook: Rampart's own JSON, of which the text is read out or sent on.
fn take_webhook(desk: &Desk, medium: Medium, message: &Value) -> StatusCode {
    let field = |path: &str| {
        message
            .pointer(path)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let Some(text) = field("/text") else {
        desk.refuse();
        return StatusCode::BAD_REQUEST;
    };
    desk.keep(
        medium,
        &text,
        field("/acknowledge_url"),
        field("/recipient/person"),
    );
    StatusCode::OK
}

/// The first address of a phone page in a text: it has `/a/` in its path.
fn find_link(text: &str) -> Option<String> {
    text.split(|c: char| c.is_whitespace() || "()<>\"".contains(c))
        .find(|word| word.starts_with("http") && word.contains("/a/"))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use model::{ManualClock, SystemClock};

    use super::*;

    const MILLIS: &str = "1700000000000";

    fn sign(timestamp: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(ROBOT_SECRET.as_bytes()).unwrap();
        mac.update(format!("{timestamp}\n{ROBOT_SECRET}").as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    }

    #[test]
    fn signatures_are_checked() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let good = sign(MILLIS);
        assert_eq!(check_signature(MILLIS, &good, now), Ok(()));
        assert_eq!(
            check_signature(MILLIS, &good, now + SIGNATURE_AGE_MAX),
            Ok(())
        );
        let late = now + SIGNATURE_AGE_MAX + Duration::from_secs(1);
        assert_eq!(
            check_signature(MILLIS, &good, late),
            Err("invalid timestamp")
        );
        assert_eq!(
            check_signature("1700000000001", &good, now),
            Err("sign not match")
        );
        assert_eq!(check_signature(MILLIS, "c2ln", now), Err("sign not match"));
        assert_eq!(check_signature("", "", now), Err("invalid timestamp"));
    }

    #[test]
    fn links_are_found_where_messages_carry_them() {
        for (text, expected) in [
            (
                "[I have it](http://h/guard/a/x.y)　[Details](http://h/i/1)",
                Some("http://h/guard/a/x.y"),
            ),
            (
                "Acknowledge: https://h/a/t-_.z\nMore",
                Some("https://h/a/t-_.z"),
            ),
            ("http://h/incidents/a", None),
        ] {
            assert_eq!(find_link(text).as_deref(), expected, "{text}");
        }
        let card = json!({"msgtype": "actionCard", "actionCard": {"text": "t", "btns": [{"title": "x", "actionURL": "http://h/a/1"}]}});
        assert_eq!(
            read_robot_message(&card),
            Some(("t".to_owned(), Some("http://h/a/1".to_owned())))
        );
        assert_eq!(read_robot_message(&json!({"msgtype": "link"})), None);
    }

    async fn send(phone: &Phone, path: &str, body: &Value) -> (u16, String) {
        let client = crate::loopback_client(Duration::from_secs(20)).unwrap();
        let url = format!("http://{}{path}", phone.address());
        let answer = client.post(url).json(body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    #[tokio::test]
    async fn messages_are_taken_as_their_providers_take_them() {
        let mut phone = Phone::start(SystemClock::shared()).await.unwrap();
        let stamp = SystemClock::new();
        let stamp = model::Clock::now(&stamp).as_millis().to_string();
        let encoded = sign(&stamp)
            .replace('+', "%2B")
            .replace('/', "%2F")
            .replace('=', "%3D");
        let robot = format!("/robot/send?access_token={ROBOT_TOKEN}&timestamp={stamp}&sign=");
        let message = json!({"msgtype": "markdown", "markdown": {"title": "t", "text": "### down [x](http://h/a/1)"}});
        let (status, body) = send(&phone, &format!("{robot}{encoded}"), &message).await;
        assert_eq!(
            (status, body.contains("\"errcode\":0")),
            (200, true),
            "{body}"
        );
        let (status, body) = send(&phone, &format!("{robot}forged"), &message).await;
        assert_eq!((status, body.contains("310000")), (200, true), "{body}");
        let (_, body) = send(&phone, "/robot/send?access_token=other", &message).await;
        assert!(body.contains("300001"), "{body}");

        let text = json!({"text": "failing", "acknowledge_url": "http://h/a/2", "recipient": {"person": "first"}});
        assert_eq!(send(&phone, "/sms", &text).await.0, 200);
        assert_eq!(send(&phone, "/phone", &text).await.0, 200);
        assert_eq!(send(&phone, "/sms", &json!({})).await.0, 400);
        assert_eq!(phone.refused(), 3);

        let first = phone.next().await.unwrap();
        assert_eq!(
            (first.medium, first.link.as_deref()),
            (Medium::Im, Some("http://h/a/1"))
        );
        let second = phone.next().await.unwrap();
        assert_eq!(
            (
                second.medium,
                second.person.as_deref(),
                second.text.as_str()
            ),
            (Medium::Sms, Some("first"), "failing")
        );
        let media: Vec<_> = phone
            .received()
            .iter()
            .map(|received| received.medium)
            .collect();
        assert_eq!(media, [Medium::Im, Medium::Sms, Medium::Phone]);
    }

    #[tokio::test]
    async fn what_nobody_hears_is_kept_up_to_a_limit() {
        let phone = Phone::start(ManualClock::at(Timestamp::EPOCH))
            .await
            .unwrap();
        for number in 0..KEPT_MESSAGES_MAX + 5 {
            phone
                .desk
                .keep(Medium::Sms, &number.to_string(), None, None);
        }
        let received = phone.received();
        assert_eq!(
            (received.len(), received[0].text.as_str()),
            (KEPT_MESSAGES_MAX, "5")
        );
    }
}
