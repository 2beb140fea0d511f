//! Sending: resolve, check, pin, connect, send, read — all under one deadline.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, redirect};
use tokio::sync::Semaphore;
use tower::ServiceExt;
use tower::layer::layer_fn;

use crate::target::Target;
use crate::{AllowList, Answer, OutboundError, Request, events};

/// Headers that belong to the connection, not to the caller.
const OWN_HEADERS: [&str; 8] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "upgrade",
    "te",
    "trailer",
];

/// Limits on everything that is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests under way at the same time; later ones wait, within their deadline.
    pub requests_in_flight_max: usize,
    /// Longest deadline; a request that asks for more gets this.
    pub deadline_max: Duration,
    /// Longest wait for a connection; a silent address is given up before the deadline passes.
    pub connect_max: Duration,
    /// Largest body sent.
    pub request_bytes_max: usize,
    /// Largest answer taken, whatever a request asks for.
    pub answer_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            requests_in_flight_max: 256,
            deadline_max: Duration::from_mins(5),
            connect_max: Duration::from_secs(10),
            request_bytes_max: 16 << 20,
            answer_bytes_max: 64 << 20,
        }
    }
}

/// The one HTTP client. Clones share its limits.
#[derive(Clone, Debug)]
pub struct Outbound {
    allow: Arc<AllowList>,
    limits: Arc<Limits>,
    in_flight: Arc<Semaphore>,
}

impl Outbound {
    /// A client that lets data name only public addresses and those on the list.
    pub fn new(allow: AllowList, limits: Limits) -> Self {
        Outbound {
            allow: Arc::new(allow),
            in_flight: Arc::new(Semaphore::new(limits.requests_in_flight_max.max(1))),
            limits: Arc::new(limits),
        }
    }

    /// Sends a request and reads its answer; any status is an answer. Redirects are not followed,
    /// proxies from the environment are not used, TLS is verified, and each request has a
    /// connection of its own to an address that was checked.
    pub async fn send(&self, request: Request) -> Result<Answer, OutboundError> {
        let result = self.send_uncounted(request).await;
        if let Err(error) = &result {
            events::failed(error);
        }
        result
    }

    async fn send_uncounted(&self, request: Request) -> Result<Answer, OutboundError> {
        let target = Target::parse(&request.url)?;
        let shown = target.shown();
        let deadline = request.deadline.min(self.limits.deadline_max);
        let connected = Arc::new(AtomicBool::new(false));
        let exchange = self.exchange(target, request, Arc::clone(&connected));
        match tokio::time::timeout(deadline, exchange).await {
            Ok(Ok(answer)) => {
                events::answered(&shown, answer.status);
                Ok(answer)
            }
            Ok(Err(error)) => Err(error),
            Err(_elapsed) => Err(OutboundError::Timeout {
                target: shown,
                deadline,
                sent: connected.load(Ordering::Acquire),
            }),
        }
    }

    async fn exchange(
        &self,
        target: Target,
        request: Request,
        connected: Arc<AtomicBool>,
    ) -> Result<Answer, OutboundError> {
        // The semaphore is never closed, so there is always a turn to wait for.
        let _turn = self.in_flight.acquire().await.ok();
        let shown = target.shown();
        let prepared = self.prepare(&target, &request)?;
        let addresses = target.resolve().await?;
        target.check(&addresses, request.trust, &self.allow)?;
        let client = self.pinned_client(&target, &addresses, Arc::clone(&connected))?;
        let response = client
            .execute(prepared)
            .await
            .map_err(|cause| broken(&shown, &cause, &connected))?;
        let bytes_max = request.answer_bytes_max.min(self.limits.answer_bytes_max);
        read_answer(response, bytes_max, &shown).await
    }

    fn prepare(
        &self,
        target: &Target,
        request: &Request,
    ) -> Result<reqwest::Request, OutboundError> {
        let bad = |reason: String| OutboundError::BadRequest {
            target: target.shown(),
            reason,
        };
        let method: Method = request.method.parse().map_err(|_| {
            bad(format!(
                "`{}` is not a method",
                request.method.escape_debug()
            ))
        })?;
        if method == Method::CONNECT {
            return Err(bad("CONNECT opens a tunnel".to_owned()));
        }
        if request.body.len() > self.limits.request_bytes_max {
            return Err(bad(format!(
                "the body is larger than {} bytes",
                self.limits.request_bytes_max
            )));
        }
        let mut prepared = reqwest::Request::new(method, target.url.clone());
        *prepared.headers_mut() = headers(&request.headers).map_err(bad)?;
        if !request.body.is_empty() {
            *prepared.body_mut() = Some(request.body.clone().into());
        }
        Ok(prepared)
    }

    /// A client for one request, which knows no other address than those that were checked.
    fn pinned_client(
        &self,
        target: &Target,
        addresses: &[std::net::SocketAddr],
        connected: Arc<AtomicBool>,
    ) -> Result<Client, OutboundError> {
        // Reading the system's authorities takes longer than a whole exchange; without TLS nobody asks
        // for them.
        let is_encrypted = target.url.scheme() == "https";
        Client::builder()
            .tls_built_in_root_certs(is_encrypted)
            .resolve_to_addrs(&target.host, addresses)
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .referer(false)
            .http1_only()
            .pool_max_idle_per_host(0)
            .connect_timeout(self.limits.connect_max)
            .user_agent(concat!("rampart/", env!("CARGO_PKG_VERSION")))
            .connector_layer(layer_fn(move |connector| {
                let connected = Arc::clone(&connected);
                // From here on a byte may have reached the other side.
                ServiceExt::map_response(connector, move |connection| {
                    connected.store(true, Ordering::Release);
                    connection
                })
            }))
            .build()
            .map_err(|cause| OutboundError::BadRequest {
                target: target.shown(),
                reason: chain(&cause.without_url()),
            })
    }
}

fn headers(given: &[(String, String)]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| format!("`{}` is not a header name", name.escape_debug()))?;
        if OWN_HEADERS.contains(&name.as_str()) {
            return Err(format!("the header `{name}` is not the caller's to set"));
        }
        // The value stays out of the message: it may be a token.
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| format!("the value of `{name}` holds control characters"))?;
        headers.append(name, value);
    }
    Ok(headers)
}

async fn read_answer(
    mut response: reqwest::Response,
    bytes_max: usize,
    target: &str,
) -> Result<Answer, OutboundError> {
    let status = response.status().as_u16();
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect();
    let mut body = Vec::new();
    loop {
        let chunk = response
            .chunk()
            .await
            .map_err(|cause| OutboundError::Interrupted {
                target: target.to_owned(),
                cause: chain(&cause.without_url()),
            })?;
        let Some(chunk) = chunk else {
            return Ok(Answer {
                status,
                headers,
                body,
            });
        };
        if body.len().saturating_add(chunk.len()) > bytes_max {
            return Err(OutboundError::AnswerTooLarge {
                target: target.to_owned(),
                status,
                bytes_max,
            });
        }
        body.extend_from_slice(&chunk);
    }
}

/// What a failure before the answer's head means. Whether a connection stood decides, not the
/// kind of error: once one stands, the other side may have read the request.
fn broken(target: &str, cause: &reqwest::Error, connected: &AtomicBool) -> OutboundError {
    let target = target.to_owned();
    let cause = chain_below(cause);
    if connected.load(Ordering::Acquire) {
        OutboundError::Interrupted { target, cause }
    } else {
        OutboundError::Connect { target, cause }
    }
}

/// The causes below reqwest's own message, which would quote the URL.
fn chain_below(error: &reqwest::Error) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        // Some layers repeat the cause that they wrap.
        if words.last().is_none_or(|last| !last.contains(&text)) {
            words.push(text);
        }
        next = cause.source();
    }
    if words.is_empty() {
        return "no cause given".to_owned();
    }
    words.join(": ")
}

fn chain(error: &reqwest::Error) -> String {
    format!("{error}: {}", chain_below(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// `pinned.invalid` has no address anywhere, so an answer proves that the pinned one was used
    /// and that nothing was looked up again.
    #[tokio::test]
    async fn the_address_that_was_checked_is_the_one_connected_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let count = stream.read(&mut request).await.unwrap();
            let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            String::from_utf8_lossy(&request[..count]).into_owned()
        });
        let outbound = Outbound::new(AllowList::default(), Limits::default());
        let target = Target::parse(&format!("http://Pinned.INVALID:{}/", address.port())).unwrap();
        let client = outbound
            .pinned_client(&target, &[address], Arc::new(AtomicBool::new(false)))
            .unwrap();
        let response = client.get(target.url.clone()).send().await.unwrap();
        assert_eq!(response.status(), 204);
        assert!(serving.await.unwrap().contains("host: pinned.invalid:"));
    }
}
