//! A DingTalk group robot: checks signature and age, counts, records, and blocks like the real one.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::{SharedClock, SystemClock, Timestamp};
use serde_json::{Value, json};

use crate::hmac_sha256;
use crate::http::{Reply, Request, Server};
use crate::records::Records;
use crate::script::Script;

const AGE_MAX: Duration = Duration::from_hours(1);
const TEXT_BYTES_MAX: usize = 20_000;
const MESSAGES_PER_MINUTE_MAX: usize = 20;
const BLOCKED_FOR: Duration = Duration::from_mins(10);

/// What the robot does with a request whose signature is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DingTalkBehaviour {
    /// Records it and answers `errcode: 0`.
    Accept,
    /// Answers HTTP 200 with this code and message, without recording it as a message.
    Errcode(i64, String),
    /// Answers this HTTP status.
    Status(u16),
    /// Reads the request, then says nothing.
    Hang,
    /// Records the message, then resets the connection without an answer.
    ResetAfterAccepting,
}

/// One message the robot took.
#[derive(Clone, Debug)]
pub struct Robot {
    /// The body as JSON.
    pub body: Value,
    /// When it arrived, by the fake's clock.
    pub at: Timestamp,
}

impl Robot {
    /// `markdown` or `actionCard`.
    pub fn kind(&self) -> &str {
        self.body
            .pointer("/msgtype")
            .and_then(Value::as_str)
            .unwrap_or("")
    }

    /// The markdown text, whatever the kind.
    pub fn text(&self) -> &str {
        let pointer = format!("/{}/text", self.kind());
        self.body
            .pointer(&pointer)
            .and_then(Value::as_str)
            .unwrap_or("")
    }

    /// The title, which a phone shows as the notification.
    pub fn title(&self) -> &str {
        let pointer = format!("/{}/title", self.kind());
        self.body
            .pointer(&pointer)
            .and_then(Value::as_str)
            .unwrap_or("")
    }

    /// Mobile numbers that are rung.
    pub fn mentioned(&self) -> Vec<String> {
        let mobiles = self.body.pointer("/at/atMobiles").and_then(Value::as_array);
        let mobiles = mobiles.into_iter().flatten();
        mobiles
            .filter_map(|mobile| mobile.as_str().map(str::to_owned))
            .collect()
    }
}

/// A robot on loopback.
#[derive(Debug)]
pub struct DingTalk {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    secret: String,
    script: Script<DingTalkBehaviour>,
    taken: Records<Robot>,
    refused: Records<String>,
    enforce_rate: AtomicBool,
    rate: Mutex<Rate>,
}

#[derive(Debug, Default)]
struct Rate {
    recent: VecDeque<Timestamp>,
    blocked_until: Option<Timestamp>,
}

impl DingTalk {
    /// A robot whose clock is the machine's.
    pub async fn start(secret: &str) -> io::Result<DingTalk> {
        Self::start_at(secret, SystemClock::shared()).await
    }

    /// A robot that reads `clock` for ages and rates.
    pub async fn start_at(secret: &str, clock: SharedClock) -> io::Result<DingTalk> {
        let shared = Arc::new(Shared {
            secret: secret.to_owned(),
            script: Script::always(DingTalkBehaviour::Accept),
            taken: Records::new(),
            refused: Records::new(),
            enforce_rate: AtomicBool::new(false),
            rate: Mutex::default(),
        });
        let handling = Arc::clone(&shared);
        let server = Server::start(move |request| handling.answer(&request, clock.now())).await?;
        Ok(DingTalk { server, shared })
    }

    /// What goes into a receiver's `url`.
    pub fn url(&self) -> String {
        format!(
            "http://{}/robot/send?access_token=fake",
            self.server.address
        )
    }

    /// From now on, whatever was queued before.
    pub fn behave(&self, behaviour: DingTalkBehaviour) {
        self.shared.script.set(behaviour);
    }

    /// For the coming calls, one each.
    pub fn behave_next(&self, coming: impl IntoIterator<Item = DingTalkBehaviour>) {
        self.shared.script.queue(coming);
    }

    /// Blocks for ten minutes after the 21st message within a minute, as the real robot does.
    pub fn enforce_rate(&self) {
        self.shared.enforce_rate.store(true, Ordering::SeqCst);
    }

    /// Messages taken, oldest first.
    pub fn messages(&self) -> Vec<Robot> {
        self.shared.taken.all()
    }

    /// How many messages were taken.
    pub fn count(&self) -> u64 {
        self.shared.taken.count()
    }

    /// Waits (up to 20 s) until `count` messages were taken.
    pub async fn wait_for(&self, count: u64) -> Vec<Robot> {
        self.shared.taken.wait_for(count).await
    }

    /// Why requests were refused, oldest first.
    pub fn refusals(&self) -> Vec<String> {
        self.shared.refused.all()
    }

    /// Waits (up to 20 s) until `count` requests were refused.
    pub async fn wait_for_refusals(&self, count: u64) -> Vec<String> {
        self.shared.refused.wait_for(count).await
    }
}

impl Shared {
    fn answer(&self, request: &Request, now: Timestamp) -> Reply {
        let checked = self.check(request, now).and_then(|body| {
            self.count_rate(now)?;
            Ok(body)
        });
        let body = match checked {
            Ok(body) => body,
            Err((code, reason)) => return self.refuse(code, &reason),
        };
        match self.script.next() {
            DingTalkBehaviour::Accept => {
                self.taken.push(Robot { body, at: now });
                Reply::json(&json!({"errcode": 0, "errmsg": "ok"}))
            }
            DingTalkBehaviour::Errcode(code, reason) => self.refuse(code, &reason),
            DingTalkBehaviour::Status(status) => {
                self.refused.push(format!("status {status}"));
                Reply::Answer {
                    status,
                    headers: Vec::new(),
                    body: String::new(),
                }
            }
            DingTalkBehaviour::Hang => {
                self.refused.push("hang".to_owned());
                Reply::Hang
            }
            DingTalkBehaviour::ResetAfterAccepting => {
                self.taken.push(Robot { body, at: now });
                Reply::Reset
            }
        }
    }

    fn refuse(&self, code: i64, reason: &str) -> Reply {
        self.refused.push(format!("{code} {reason}"));
        Reply::json(&json!({"errcode": code, "errmsg": reason}))
    }

    /// Signature, age, shape and size, in the order and with the codes of the real robot.
    fn check(&self, request: &Request, now: Timestamp) -> Result<Value, (i64, String)> {
        let bad = |code: i64, reason: &str| (code, reason.to_owned());
        let timestamp = parameter(&request.target, "timestamp").unwrap_or_default();
        let millis: i64 = timestamp
            .parse()
            .map_err(|_| bad(310_000, "sign not match, timestamp is missing"))?;
        let sent = Timestamp::from_millis(millis);
        if now.since(sent).max(sent.since(now)) > AGE_MAX {
            return Err(bad(310_000, "invalid timestamp"));
        }
        let message = format!("{timestamp}\n{}", self.secret);
        let expected = STANDARD.encode(hmac_sha256(self.secret.as_bytes(), message.as_bytes()));
        if parameter(&request.target, "sign").as_deref() != Some(expected.as_str()) {
            return Err(bad(310_000, "sign not match"));
        }
        let body: Value =
            serde_json::from_slice(&request.body).map_err(|_| bad(40_035, "invalid json"))?;
        let robot = Robot { body, at: now };
        if robot.text().is_empty() || robot.title().is_empty() {
            return Err(bad(40_035, "title or text is missing"));
        }
        if robot.text().len() > TEXT_BYTES_MAX {
            return Err(bad(460_101, "message too long"));
        }
        Ok(robot.body)
    }

    fn count_rate(&self, now: Timestamp) -> Result<(), (i64, String)> {
        if !self.enforce_rate.load(Ordering::SeqCst) {
            return Ok(());
        }
        let mut rate = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        let blocked = || {
            Err((
                130_101,
                "send too fast, exceed 20 times per minute".to_owned(),
            ))
        };
        if rate.blocked_until.is_some_and(|until| now < until) {
            return blocked();
        }
        rate.recent
            .retain(|at| now.since(*at) < Duration::from_mins(1));
        if rate.recent.len() >= MESSAGES_PER_MINUTE_MAX {
            rate.blocked_until = Some(now + BLOCKED_FOR);
            return blocked();
        }
        rate.recent.push_back(now);
        Ok(())
    }
}

/// The decoded value of a query parameter.
fn parameter(target: &str, name: &str) -> Option<String> {
    let query = target.split_once('?')?.1;
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.into_iter().find(|(key, _)| *key == name)?;
    let mut decoded = Vec::new();
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            // A robot that decodes forms sees a space here: an unescaped + breaks the signature.
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}
