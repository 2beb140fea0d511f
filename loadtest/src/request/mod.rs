//! What is sent: weighted requests, whose bytes are ready before the clock starts.

mod expect;
mod header;
mod json;
mod lines;
mod template;
#[cfg(test)]
mod tests;
mod wire;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

pub use expect::{Complaint, Expect, StatusSet};
pub use header::{HeaderCheck, check_header, check_path};
pub(crate) use header::{check_header_text, check_path_text};
pub use json::JsonCheck;
pub use lines::Lines;
pub use template::{Template, TemplateError};

use crate::random::Random;
use wire::Wire;

/// Sent with every request: the run it belongs to.
pub const TEST_HEADER: &str = "x-rampart-test";
/// Sent with every request, so that a chain can keep its load apart from users' calls.
pub const TRAFFIC_HEADER: &str = "x-rampart-traffic";
/// What [`TRAFFIC_HEADER`] says.
pub const TRAFFIC_STRESS: &str = "stress";

/// What varies from one sending to the next, of one thread.
#[derive(Debug)]
pub struct Filling {
    /// Random choices of templates.
    pub random: Random,
    /// The number of the next request, `{{ number }}`; lines of a body file are taken in turn by it.
    /// Writing a request ([`Request::write_http1`], [`Request::parts`]) moves it on by `step`.
    pub number: u64,
    /// How far it moves.
    pub step: u64,
}

impl Filling {
    /// For thread `thread` (from 0) of `threads` over all workers: each takes its own numbers, so that
    /// no two requests of a run have the same one.
    pub fn new(random: Random, thread: u64, threads: u64) -> Self {
        Filling {
            random,
            number: thread,
            step: threads.max(1),
        }
    }

    #[inline]
    fn advance(&mut self) {
        self.number = self.number.wrapping_add(self.step);
    }
}

/// The requests of a plan with their weights.
#[derive(Clone, Debug)]
pub struct RequestSet {
    requests: Vec<Request>,
    /// Running sum of the weights.
    ends: Vec<u64>,
}

/// One kind of request.
#[derive(Clone, Debug)]
pub struct Request {
    /// What reports call it: method and path as written, unless named.
    pub name: String,
    /// `GET`; of gRPC always `POST`.
    pub method: http::Method,
    /// Path and query, behind the target's own path; a [`Template`]. Of gRPC `/package.Service/Method`.
    pub path: String,
    /// Further headers, names in lower case, values are [`Template`]s. One of these names replaces what
    /// would be sent by itself: `host`, `user-agent`, `content-type`.
    pub headers: Vec<(String, String)>,
    /// What is sent along as it stands, unless `body_template` is there.
    pub body: Bytes,
    /// A body that varies.
    pub body_template: Option<Template>,
    /// What `{{ line }}` stands for.
    pub lines: Option<Arc<Lines>>,
    /// What counts as a success.
    pub expect: Expect,
    /// How often among the others.
    pub weight: u64,
    /// The call, of gRPC; its body is encoded before the run.
    pub grpc: Option<GrpcCall>,
    wire: Wire,
}

/// A gRPC call as a plan names it.
#[derive(Clone, Debug, PartialEq)]
pub struct GrpcCall {
    /// `package.Service/Method`.
    pub service_method: String,
    /// The message in protobuf's JSON form.
    pub message: serde_json::Value,
}

/// Why a text of a plan cannot be used as what it stands for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TextError {
    /// What is wrong.
    pub message: String,
    /// The way out.
    pub hint: String,
}

impl TextError {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        TextError {
            message: message.into(),
            hint: hint.into(),
        }
    }
}

/// What is the same for every request of a run.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// For `Host` and `:authority`, with the port unless it is the scheme's own.
    pub authority: String,
    /// `https` or `http`.
    pub scheme: &'static str,
    /// The target's own path, without its last `/`.
    pub base_path: String,
    /// Sent as `x-rampart-test`.
    pub run_id: String,
    /// Whether the connection is used again.
    pub keep_alive: bool,
}

/// One request for HTTP/2, where the transport writes the frames.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    /// `:method`
    pub method: &'a http::Method,
    /// `:scheme`
    pub scheme: &'static str,
    /// `:authority`; a `host` header of the plan replaces the target's own.
    pub authority: &'a str,
    /// `:path`, the target's own path included.
    pub path: Cow<'a, str>,
    /// Everything else but `content-length`. A gRPC request's have no `content-type` and no `te`: the
    /// transport sets them.
    pub headers: Cow<'a, [(HeaderName, HeaderValue)]>,
    /// What is sent along; empty means none.
    pub body: Bytes,
}

impl RequestSet {
    /// `None` without requests or when no weight is above zero.
    pub fn new(requests: Vec<Request>) -> Option<Self> {
        let mut sum = 0_u64;
        let ends = requests
            .iter()
            .map(|request| {
                sum = sum.saturating_add(request.weight);
                sum
            })
            .collect();
        (sum > 0).then_some(RequestSet { requests, ends })
    }

    /// The request that a random number chooses.
    #[inline]
    pub fn choose(&self, draw: u64) -> (usize, &Request) {
        let total = self.ends.last().copied().unwrap_or(1);
        let at = ((u128::from(draw) * u128::from(total)) >> 64) as u64;
        let index = self
            .ends
            .partition_point(|end| *end <= at)
            .min(self.requests.len() - 1);
        (index, &self.requests[index])
    }

    /// Every kind of request.
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// Every kind of request, to put encoded bodies into before [`RequestSet::prepare`].
    pub fn requests_mut(&mut self) -> &mut [Request] {
        &mut self.requests
    }

    /// Writes down once what is the same for every request.
    pub fn prepare(&mut self, envelope: &Envelope) {
        for request in &mut self.requests {
            request.wire = Wire::new(request, envelope);
        }
    }
}

impl Request {
    /// A GET of a path that expects any status below 400.
    pub fn get(path: &str) -> Self {
        Request::new(http::Method::GET, path)
    }

    /// A request without headers and body that expects any status below 400.
    pub fn new(method: http::Method, path: &str) -> Self {
        Request {
            name: format!("{method} {path}"),
            method,
            path: path.to_owned(),
            headers: Vec::new(),
            body: Bytes::new(),
            body_template: None,
            lines: None,
            expect: Expect::default(),
            weight: 1,
            grpc: None,
            wire: Wire::default(),
        }
    }

    /// Appends the whole HTTP/1.1 request. Call [`RequestSet::prepare`] before.
    #[inline]
    pub fn write_http1(&self, filling: &mut Filling, out: &mut Vec<u8>) {
        match self.wire.fixed_http1() {
            Some(bytes) => out.extend_from_slice(bytes),
            None => self.wire.write_http1(filling, self.lines.as_deref(), out),
        }
        filling.advance();
    }

    /// The request in parts, with the same choices as [`Request::write_http1`] makes. Call
    /// [`RequestSet::prepare`] before.
    pub fn parts(&self, filling: &mut Filling) -> Parts<'_> {
        let parts = self
            .wire
            .parts(&self.method, filling, self.lines.as_deref());
        filling.advance();
        parts
    }

    /// Whether it is not the same for every sending. Of a fixed request what [`Request::parts`] gives
    /// may be kept.
    pub fn varies(&self) -> bool {
        self.wire.fixed_http1().is_none()
    }

    /// Whether an answer has no body whatever its head says.
    pub fn is_head(&self) -> bool {
        self.method == http::Method::HEAD
    }

    /// Whether a redirect may be followed: only where nothing is sent along.
    pub fn may_follow(&self) -> bool {
        self.method == http::Method::GET || self.method == http::Method::HEAD
    }
}
