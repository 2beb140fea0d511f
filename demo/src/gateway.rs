//! The function gateway: routes calls to pods, records one invocation a call, and pushes the records
//! to Rampart.

mod push;
mod queue;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use model::{FunctionId, Outcome, SharedClock};
use serde::Serialize;

use crate::DemoError;
use crate::listening::Listening;
use crate::pod::{COLD_START_HEADER, ERROR_TYPE_HEADER};
use push::Pusher;
pub use queue::{BATCH_ROWS_MAX, Batch, QUEUE_ROWS_MAX, Queue};

/// How long a pod may take; then the gateway answers 504.
const POD_DEADLINE: Duration = Duration::from_secs(2);
/// The largest request taken.
const REQUEST_BYTES_MAX: usize = 1 << 20;
/// The largest answer passed on.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// A function and the pods that run it.
#[derive(Clone, Debug)]
pub struct Route {
    /// The function.
    pub function: FunctionId,
    /// Its pods, used in turn.
    pub backends: Vec<Backend>,
}

/// One pod, as the gateway knows it.
#[derive(Clone, Debug)]
pub struct Backend {
    /// Where it listens.
    pub address: SocketAddr,
    /// The deployed version.
    pub version: String,
    /// The cell it belongs to.
    pub unit: String,
    /// The data centre.
    pub zone: String,
    /// Its name.
    pub instance: String,
}

/// One invocation as Rampart reads it.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    ts: model::Timestamp,
    namespace: String,
    function: String,
    version: String,
    unit: String,
    zone: String,
    instance: String,
    request_id: String,
    trigger: &'static str,
    layer: &'static str,
    duration_us: u64,
    outcome: Outcome,
    http_status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_type: Option<String>,
    cold_start: bool,
    served_by: &'static str,
    traffic: &'static str,
}

/// A running gateway. Dropping it stops it; [`Gateway::stop`] also sends what is left.
#[derive(Debug)]
pub struct Gateway {
    listening: Listening,
    queue: Arc<Queue>,
    pusher: Pusher,
}

impl Gateway {
    /// Starts a gateway that reports to Rampart as the source `demo`.
    pub async fn start(
        routes: Vec<Route>,
        rampart_url: &str,
        clock: &SharedClock,
    ) -> Result<Gateway, DemoError> {
        let queue = Arc::new(Queue::new(clock.now()));
        let routes = routes
            .into_iter()
            .map(|route| (route.function.to_string(), Turns::new(route)))
            .collect();
        let inside = Arc::new(Inside {
            routes,
            client: crate::loopback_client(POD_DEADLINE)?,
            queue: Arc::clone(&queue),
            calls: AtomicU64::new(0),
            clock: Arc::clone(clock),
        });
        let router = Router::new()
            .fallback(any(forward))
            .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
            .with_state(inside);
        Ok(Gateway {
            listening: Listening::start("the gateway", router).await?,
            pusher: Pusher::start(rampart_url, Arc::clone(&queue), clock)?,
            queue,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.listening.address()
    }

    /// How many records were lost because Rampart took none for too long.
    pub fn rows_dropped(&self) -> u64 {
        self.queue.dropped()
    }

    /// Keeps its records back while it goes on serving, or sends them on.
    pub fn set_late(&self, late: bool) {
        self.pusher.set_held(late);
    }

    /// Takes no more calls and sends what is left, as far as Rampart still takes it.
    pub async fn stop(self) {
        drop(self.listening);
        self.pusher.stop().await;
    }
}

struct Inside {
    routes: HashMap<String, Turns>,
    client: reqwest::Client,
    queue: Arc<Queue>,
    calls: AtomicU64,
    clock: SharedClock,
}

/// A route and whose turn it is.
struct Turns {
    route: Route,
    next: AtomicUsize,
}

impl Turns {
    fn new(route: Route) -> Self {
        Turns {
            route,
            next: AtomicUsize::new(0),
        }
    }

    fn take(&self) -> Option<&Backend> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let index = turn.checked_rem(self.route.backends.len())?;
        self.route.backends.get(index)
    }
}

async fn forward(
    State(gateway): State<Arc<Inside>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some((turns, backend)) = gateway.find(uri.path()) else {
        return (StatusCode::NOT_FOUND, "no such function\n").into_response();
    };
    let (started_at, started) = (gateway.clock.now(), gateway.clock.elapsed());
    let answer = gateway.call(backend, method, &uri, &headers, body).await;
    let took = gateway.clock.elapsed().saturating_sub(started);
    let number = gateway.calls.fetch_add(1, Ordering::Relaxed);
    let status = answer.status().as_u16();
    gateway.queue.push(Row {
        ts: started_at,
        namespace: turns.route.function.namespace.clone(),
        function: turns.route.function.name.clone(),
        version: backend.version.clone(),
        unit: backend.unit.clone(),
        zone: backend.zone.clone(),
        instance: backend.instance.clone(),
        request_id: format!("{:x}-{number:x}", gateway.queue.run()),
        trigger: "http",
        layer: "gateway",
        duration_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        outcome: Outcome::from_http_status(status).unwrap_or(Outcome::PlatformError),
        http_status: status,
        error_type: text_header(&answer, ERROR_TYPE_HEADER),
        cold_start: answer.headers().contains_key(COLD_START_HEADER),
        served_by: "faas",
        traffic: "live",
    });
    answer
}

fn text_header(answer: &Response, name: &str) -> Option<String> {
    let value = answer.headers().get(name)?;
    value.to_str().ok().map(str::to_owned)
}

impl Inside {
    /// The route of `/namespace/function[/…]` and the pod whose turn it is.
    fn find(&self, path: &str) -> Option<(&Turns, &Backend)> {
        let mut parts = path.trim_start_matches('/').split('/');
        let id = format!("{}/{}", parts.next()?, parts.next()?);
        let turns = self.routes.get(&id)?;
        Some((turns, turns.take()?))
    }

    /// Passes a call on, once: a failed call is a failed call, so that what users see is recorded.
    async fn call(
        &self,
        backend: &Backend,
        method: Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Response {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = self
            .client
            .request(method, format!("http://{}{path}", backend.address))
            .body(body);
        for (name, value) in headers {
            if !belongs_to_one_hop(name.as_str()) {
                request = request.header(name, value);
            }
        }
        let answer = match request.send().await {
            Ok(answer) => pass_on(answer).await,
            Err(error) => Err(error),
        };
        answer.unwrap_or_else(|error| {
            if error.is_timeout() {
                (
                    StatusCode::GATEWAY_TIMEOUT,
                    "the pod did not answer in time\n",
                )
                    .into_response()
            } else {
                (StatusCode::BAD_GATEWAY, "the pod cannot be reached\n").into_response()
            }
        })
    }
}

async fn pass_on(mut answer: reqwest::Response) -> Result<Response, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Ok((StatusCode::BAD_GATEWAY, "the answer is too large\n").into_response());
        }
        body.extend_from_slice(&chunk);
    }
    let mut response = (answer.status(), body).into_response();
    let headers = response.headers_mut();
    headers.clear();
    for (name, value) in answer.headers() {
        if !belongs_to_one_hop(name.as_str()) {
            headers.append(name, value.clone());
        }
    }
    Ok(response)
}

/// Headers that a proxy must not pass on (RFC 9110, 7.6.1), and those the client sets itself.
fn belongs_to_one_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "content-length"
            | "host"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

#[cfg(test)]
mod tests;
