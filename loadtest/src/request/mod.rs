//! What is sent: weighted requests, whose bytes are ready before the clock starts.

mod expect;

use bytes::Bytes;

pub use expect::Expect;

use crate::random::Random;

/// What varies from one sending to the next, of one thread.
#[derive(Debug)]
pub struct Filling {
    /// Random choices of templates.
    pub random: Random,
    /// Counts this thread's requests; lines of a body file are taken in turn by it.
    pub number: u64,
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
    /// Path and query, behind the target's own path. Of gRPC `/package.Service/Method`.
    pub path: String,
    /// Further headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// What is sent along.
    pub body: Bytes,
    /// What counts as a success.
    pub expect: Expect,
    /// How often among the others.
    pub weight: u64,
    wire: Bytes,
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

    /// Writes down once what is the same for every request.
    pub fn prepare(&mut self, envelope: &Envelope) {
        for request in &mut self.requests {
            request.wire = request.serialise(envelope);
        }
    }
}

impl Request {
    /// A GET of a path that expects any status below 400.
    pub fn get(path: &str) -> Self {
        Request {
            name: format!("GET {path}"),
            method: http::Method::GET,
            path: path.to_owned(),
            headers: Vec::new(),
            body: Bytes::new(),
            expect: Expect::default(),
            weight: 1,
            wire: Bytes::new(),
        }
    }

    /// Appends the whole HTTP/1.1 request. Call [`RequestSet::prepare`] before.
    #[inline]
    pub fn write_http1(&self, _filling: &mut Filling, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.wire);
    }

    /// Whether an answer has no body whatever its head says.
    pub fn is_head(&self) -> bool {
        self.method == http::Method::HEAD
    }

    /// Whether a redirect may be followed: only where nothing is sent along.
    pub fn may_follow(&self) -> bool {
        self.method == http::Method::GET || self.method == http::Method::HEAD
    }

    fn serialise(&self, envelope: &Envelope) -> Bytes {
        let mut head = format!(
            "{} {}{} HTTP/1.1\r\nhost: {}\r\nuser-agent: rampart\r\nx-rampart-test: {}\r\nx-rampart-traffic: stress\r\n",
            self.method, envelope.base_path, self.path, envelope.authority, envelope.run_id
        );
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !envelope.keep_alive {
            head.push_str("connection: close\r\n");
        }
        if !self.body.is_empty() {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        let mut wire = head.into_bytes();
        wire.extend_from_slice(&self.body);
        wire.into()
    }
}
