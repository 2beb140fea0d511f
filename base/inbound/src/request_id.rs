//! A name for each request, so that a client's answer and the server's log can be matched.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// The header it travels in, both ways.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id taken from a client.
const ID_BYTES_MAX: usize = 128;

/// The request's id: the client's own when it is short and plain, else a random one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// Takes the client's id or makes one.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        headers
            .get(X_REQUEST_ID)
            .and_then(|value| value.to_str().ok())
            .filter(|text| is_plain(text))
            .map_or_else(Self::random, |text| RequestId(text.into()))
    }

    fn random() -> Self {
        RequestId(format!("{:016x}", rand::random::<u64>()).into())
    }

    /// The id as text: visible ASCII, at most 128 bytes.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn header_value(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }
}

/// Ids end up in log lines, so anything that could be read as more than one word is not taken.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= ID_BYTES_MAX
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(&byte))
}

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts
            .extensions
            .get::<RequestId>()
            .cloned()
            .unwrap_or_else(|| RequestId::of(&parts.headers)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str) -> RequestId {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, HeaderValue::from_str(value).unwrap());
        RequestId::of(&headers)
    }

    #[test]
    fn plain_ids_are_taken_and_others_replaced() {
        assert_eq!(of("r-1_2.3:4/5+6=@").as_str(), "r-1_2.3:4/5+6=@");
        let long = "x".repeat(129);
        for hostile in ["", "two words", "a\"b", "<script>", long.as_str()] {
            let id = of(hostile);
            assert_ne!(id.as_str(), hostile);
            assert_eq!(id.as_str().len(), 16);
        }
    }

    #[test]
    fn made_ids_differ() {
        let none = HeaderMap::new();
        assert_ne!(RequestId::of(&none), RequestId::of(&none));
    }
}
