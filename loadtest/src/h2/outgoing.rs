//! The requests as the library wants them: what never varies is made once.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, TE, TRANSFER_ENCODING, UPGRADE,
    USER_AGENT,
};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};

use crate::engine::EngineError;
use crate::request::{
    Envelope, Filling, Parts, RequestSet, TEST_HEADER, TRAFFIC_HEADER, TRAFFIC_STRESS,
};

/// Headers that speak of a connection of HTTP/1 and are forbidden here (RFC 9113, section 8.2.2); `te` is
/// set by gRPC alone.
const FORBIDDEN: [HeaderName; 7] = [
    CONNECTION,
    HOST,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// A request's head and body.
pub(super) type Whole = (Request<()>, Bytes);

/// Makes requests of one thread.
#[derive(Debug)]
pub(super) struct Outgoing {
    requests: Arc<RequestSet>,
    /// By their place in the set; `None` varies.
    fixed: Vec<Option<Whole>>,
    filling: Filling,
    is_grpc: bool,
}

impl Outgoing {
    /// Makes what never varies, and one of each that does, to see that it can be made.
    pub(super) fn new(
        requests: &Arc<RequestSet>,
        mut filling: Filling,
        is_grpc: bool,
    ) -> Result<Self, EngineError> {
        let number = filling.number;
        let mut fixed = Vec::with_capacity(requests.requests().len());
        for request in requests.requests() {
            let whole = make(&request.parts(&mut filling), is_grpc).map_err(|error| {
                EngineError::Request {
                    name: request.name.clone(),
                    cause: error.to_string(),
                }
            })?;
            fixed.push((!request.varies()).then_some(whole));
        }
        filling.number = number;
        Ok(Outgoing {
            requests: Arc::clone(requests),
            fixed,
            filling,
            is_grpc,
        })
    }

    /// One request; `None` when what it drew makes no path.
    pub(super) fn make(&mut self, index: usize) -> Option<Whole> {
        if let Some(Some(whole)) = self.fixed.get(index) {
            self.filling.number = self.filling.number.wrapping_add(self.filling.step);
            return Some(whole.clone());
        }
        let request = self.requests.requests().get(index)?;
        make(&request.parts(&mut self.filling), self.is_grpc).ok()
    }
}

/// The GET that follows a redirect to a path of the target.
pub(super) fn following(path: &str, envelope: &Envelope) -> Option<Whole> {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static("rampart"));
    headers.insert(TEST_HEADER, envelope.run_id.parse().ok()?);
    headers.insert(TRAFFIC_HEADER, HeaderValue::from_static(TRAFFIC_STRESS));
    let mut request = Request::builder()
        .uri(uri(envelope.scheme, &envelope.authority, path).ok()?)
        .version(Version::HTTP_2)
        .body(())
        .ok()?;
    *request.headers_mut() = headers;
    Some((request, Bytes::new()))
}

fn uri(scheme: &str, authority: &str, path: &str) -> Result<Uri, http::Error> {
    Uri::builder()
        .scheme(scheme)
        .authority(authority)
        .path_and_query(path)
        .build()
}

fn make(parts: &Parts<'_>, is_grpc: bool) -> Result<Whole, http::Error> {
    let uri = uri(parts.scheme, parts.authority, &parts.path)?;
    let mut headers = HeaderMap::with_capacity(parts.headers.len() + 2);
    for (name, value) in parts.headers.iter() {
        if !FORBIDDEN.contains(name) {
            headers.append(name.clone(), value.clone());
        }
    }
    if is_grpc {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
    } else if !parts.body.is_empty() || brings_something(parts.method) {
        headers.insert(CONTENT_LENGTH, parts.body.len().into());
    }
    let mut request = Request::builder()
        .method(parts.method)
        .uri(uri)
        .version(Version::HTTP_2)
        .body(())?;
    *request.headers_mut() = headers;
    Ok((request, parts.body.clone()))
}

fn brings_something(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}
