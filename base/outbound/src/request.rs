//! What is asked and what comes back.

use std::fmt;
use std::time::Duration;

use crate::target;

/// Default cap on an answer's body.
pub const DEFAULT_ANSWER_BYTES_MAX: usize = 1 << 20;

/// Where the host in a URL comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The host stands in the configuration file, written by who runs this.
    Configured,
    /// The host comes from labels, templates or API bodies: only public addresses, or those on the
    /// allow list.
    Derived,
}

/// One request. `Debug` shows no path, header or body, which may all hold tokens.
#[derive(Clone)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// An absolute `http` or `https` URL.
    pub url: String,
    /// Extra headers; `Host`, lengths and connection handling are not the caller's.
    pub headers: Vec<(String, String)>,
    /// The body, empty for none.
    pub body: Vec<u8>,
    /// From now until the whole answer has been read.
    pub deadline: Duration,
    /// Where the host comes from.
    pub trust: Trust,
    /// Largest body taken as an answer.
    pub answer_bytes_max: usize,
}

impl Request {
    /// A request without headers and body, with a deadline of 10 s and the default cap, to a host
    /// that is not trusted.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Request {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            deadline: Duration::from_secs(10),
            trust: Trust::Derived,
            answer_bytes_max: DEFAULT_ANSWER_BYTES_MAX,
        }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Request({} {}, {} headers, {} bytes, within {:?}, {:?})",
            self.method,
            target::redacted(&self.url),
            self.headers.len(),
            self.body.len(),
            self.deadline,
            self.trust
        )
    }
}

/// The answer. Redirects are answers like any other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers with lower-case names, in order; bytes that are not UTF-8 are replaced.
    pub headers: Vec<(String, String)>,
    /// The body as sent; it is not decompressed.
    pub body: Vec<u8>,
}

impl Answer {
    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header of that lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(present, _)| present == name)
            .map(|(_, value)| value.as_str())
    }
}
