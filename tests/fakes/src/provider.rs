//! Any provider that is called over HTTP: what it checks and answers is a function, what goes wrong on
//! the way is the same for all.

use std::io;
use std::sync::Arc;

use model::{SharedClock, SystemClock, Timestamp};
use serde_json::Value;

use crate::http::{Reply, Request, Server};
use crate::records::Records;
use crate::script::Script;

/// A request as a provider sees it.
#[derive(Clone, Debug)]
pub struct Call {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path and query as sent.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as sent.
    pub body: Vec<u8>,
    /// When it arrived, by the fake's clock.
    pub at: Timestamp,
}

impl Call {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target
            .split_once('?')
            .map_or(&self.target, |(path, _)| path)
    }

    /// The query's pairs, decoded, in order.
    pub fn query(&self) -> Vec<(String, String)> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        pairs(query)
    }

    /// The body's pairs as a form, decoded, in order.
    pub fn form(&self) -> Vec<(String, String)> {
        pairs(&String::from_utf8_lossy(&self.body))
    }
}

/// What a provider answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The HTTP status.
    pub status: u16,
    /// Headers beside those of every answer.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Said {
    /// An answer without headers of its own.
    pub fn new(status: u16, body: impl Into<String>) -> Said {
        Said {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// The same with one more header.
    pub fn with(mut self, name: &str, value: &str) -> Said {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// What the provider does with a request that its check has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderBehaviour {
    /// Records it and answers as the check says.
    Accept,
    /// Answers this instead, without recording it.
    Say(Said),
    /// Reads the request, then says nothing.
    Hang,
    /// Records the request, then resets the connection without an answer.
    ResetAfterAccepting,
}

/// A provider on loopback.
#[derive(Debug)]
pub struct Provider {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    script: Script<ProviderBehaviour>,
    taken: Records<Call>,
    refused: Records<Said>,
}

impl Provider {
    /// A provider that answers `Ok` to what it takes and `Err` to what it refuses, whatever was
    /// ordered besides.
    pub async fn start(
        check: impl Fn(&Call) -> Result<Said, Said> + Send + Sync + 'static,
    ) -> io::Result<Provider> {
        Self::start_at(SystemClock::shared(), check).await
    }

    /// The same with a given clock.
    pub async fn start_at(
        clock: SharedClock,
        check: impl Fn(&Call) -> Result<Said, Said> + Send + Sync + 'static,
    ) -> io::Result<Provider> {
        let shared = Arc::new(Shared {
            script: Script::always(ProviderBehaviour::Accept),
            taken: Records::new(),
            refused: Records::new(),
        });
        let handling = Arc::clone(&shared);
        let server =
            Server::start(move |request| handling.answer(request, clock.now(), &check)).await?;
        Ok(Provider { server, shared })
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// For the coming calls that pass the check, one each.
    pub fn behave_next(&self, coming: impl IntoIterator<Item = ProviderBehaviour>) {
        self.shared.script.queue(coming);
    }

    /// Requests taken, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.taken.all()
    }

    /// How many were taken.
    pub fn count(&self) -> u64 {
        self.shared.taken.count()
    }

    /// The first `count` requests taken, once there are that many.
    pub async fn wait_for(&self, count: u64) -> Vec<Call> {
        self.shared.taken.wait_for(count).await
    }

    /// What was answered to those that were refused, oldest first.
    pub fn refusals(&self) -> Vec<Said> {
        self.shared.refused.all()
    }
}

impl Shared {
    fn answer(
        &self,
        request: Request,
        now: Timestamp,
        check: &impl Fn(&Call) -> Result<Said, Said>,
    ) -> Reply {
        let call = Call {
            method: request.method,
            target: request.target,
            headers: request.headers,
            body: request.body,
            at: now,
        };
        let said = match check(&call) {
            Ok(said) => said,
            Err(said) => return self.refuse(said),
        };
        match self.script.next() {
            ProviderBehaviour::Accept => {
                self.taken.push(call);
                reply(said)
            }
            ProviderBehaviour::Say(said) => self.refuse(said),
            ProviderBehaviour::Hang => Reply::Hang,
            ProviderBehaviour::ResetAfterAccepting => {
                self.taken.push(call);
                Reply::Reset
            }
        }
    }

    fn refuse(&self, said: Said) -> Reply {
        self.refused.push(said.clone());
        reply(said)
    }
}

fn reply(said: Said) -> Reply {
    Reply::Answer {
        status: said.status,
        headers: said.headers,
        body: said.body,
    }
}

/// `a=b&c=d`, decoded as a form is.
fn pairs(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}

pub(crate) fn decoded(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let digits: Vec<u8> = bytes.by_ref().take(2).collect();
                let digits = std::str::from_utf8(&digits).unwrap_or("");
                u8::from_str_radix(digits, 16).unwrap_or(b'?')
            }
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
