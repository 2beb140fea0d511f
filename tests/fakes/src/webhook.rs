//! A webhook receiver: checks the signature over the raw body and records requests.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use model::{SharedClock, SystemClock, Timestamp};
use serde_json::Value;

use crate::http::{Reply, Request, Server};
use crate::records::Records;
use crate::script::Script;
use crate::{hex, hmac_sha256};

const AGE_MAX: Duration = Duration::from_mins(5);

/// What the receiver does with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookBehaviour {
    /// Records it and answers 200.
    Accept,
    /// Answers this status with these headers, without recording it.
    Answer(u16, Vec<(String, String)>),
    /// Reads the request, then says nothing.
    Hang,
    /// Records the request, then resets the connection without an answer.
    ResetAfterAccepting,
    /// Records the request, then says nothing.
    HangAfterAccepting,
}

/// One request the receiver took.
#[derive(Clone, Debug)]
pub struct Hook {
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as JSON; null if it is none.
    pub body: Value,
    /// When it arrived, by the fake's clock.
    pub at: Timestamp,
}

impl Hook {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A receiver on loopback.
#[derive(Debug)]
pub struct Webhook {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    secret: Option<String>,
    script: Script<WebhookBehaviour>,
    taken: Records<Hook>,
    refused: Records<String>,
}

impl Webhook {
    /// A receiver; with a secret it refuses (401) what is not signed with it within five minutes.
    pub async fn start(secret: Option<&str>) -> io::Result<Webhook> {
        Self::start_at(secret, SystemClock::shared()).await
    }

    /// The same with a given clock.
    pub async fn start_at(secret: Option<&str>, clock: SharedClock) -> io::Result<Webhook> {
        let shared = Arc::new(Shared {
            secret: secret.map(str::to_owned),
            script: Script::always(WebhookBehaviour::Accept),
            taken: Records::new(),
            refused: Records::new(),
        });
        let handling = Arc::clone(&shared);
        let server = Server::start(move |request| handling.answer(request, clock.now())).await?;
        Ok(Webhook { server, shared })
    }

    /// What goes into a receiver's `url`.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.server.address)
    }

    /// From now on, whatever was queued before.
    pub fn behave(&self, behaviour: WebhookBehaviour) {
        self.shared.script.set(behaviour);
    }

    /// For the coming calls, one each.
    pub fn behave_next(&self, coming: impl IntoIterator<Item = WebhookBehaviour>) {
        self.shared.script.queue(coming);
    }

    /// Requests taken, oldest first.
    pub fn requests(&self) -> Vec<Hook> {
        self.shared.taken.all()
    }

    /// How many requests were taken.
    pub fn count(&self) -> u64 {
        self.shared.taken.count()
    }

    /// Waits (up to 20 s) until `count` requests were taken.
    pub async fn wait_for(&self, count: u64) -> Vec<Hook> {
        self.shared.taken.wait_for(count).await
    }

    /// Distinct `Idempotency-Key`s taken: deliveries, however often each was retried.
    pub fn distinct_keys(&self) -> BTreeSet<String> {
        let requests = self.requests();
        let keys = requests
            .iter()
            .filter_map(|hook| hook.header("idempotency-key"));
        keys.map(str::to_owned).collect()
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
    fn answer(&self, request: Request, now: Timestamp) -> Reply {
        if let Err(reason) = self.check(&request, now) {
            return self.refuse(401, Vec::new(), reason);
        }
        let hook = Hook {
            target: request.target,
            headers: request.headers,
            body: serde_json::from_slice(&request.body).unwrap_or(Value::Null),
            at: now,
        };
        match self.script.next() {
            WebhookBehaviour::Accept => {
                self.taken.push(hook);
                Reply::json(&serde_json::json!({"ok": true}))
            }
            WebhookBehaviour::Answer(status, headers) => {
                self.refuse(status, headers, format!("status {status}"))
            }
            WebhookBehaviour::Hang => {
                self.refused.push("hang".to_owned());
                Reply::Hang
            }
            WebhookBehaviour::ResetAfterAccepting => {
                self.taken.push(hook);
                Reply::Reset
            }
            WebhookBehaviour::HangAfterAccepting => {
                self.taken.push(hook);
                Reply::Hang
            }
        }
    }

    fn refuse(&self, status: u16, headers: Vec<(String, String)>, reason: String) -> Reply {
        self.refused.push(reason);
        Reply::Answer {
            status,
            headers,
            body: String::new(),
        }
    }

    /// `Rampart-Signature: t=<unix seconds>,v1=<hex of HMAC-SHA256(secret, "<t>." + body)>`.
    fn check(&self, request: &Request, now: Timestamp) -> Result<(), String> {
        let Some(secret) = &self.secret else {
            return Ok(());
        };
        let header = request.header("rampart-signature").ok_or("not signed")?;
        let (time, tag) = header
            .strip_prefix("t=")
            .and_then(|rest| rest.split_once(",v1="))
            .ok_or("malformed signature")?;
        let sent = Timestamp::from_seconds(time.parse().map_err(|_| "malformed time")?);
        if now.since(sent).max(sent.since(now)) > AGE_MAX {
            return Err("stale signature".to_owned());
        }
        let signed = [time.as_bytes(), b".", request.body.as_slice()].concat();
        if hex(&hmac_sha256(secret.as_bytes(), &signed)) == tag {
            Ok(())
        } else {
            Err("wrong signature".to_owned())
        }
    }
}
