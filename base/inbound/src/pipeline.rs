//! What happens to a request, in order.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tower::ServiceExt;
use tracing::Instrument;

use crate::request_id::X_REQUEST_ID;
use crate::{Gate, ProblemDocument, RequestId, events};

/// Where the API starts, for the hint of a 404.
const API_HINT: &str = "the API lives below /api/v1; /api/v1/openapi.json describes it";

struct Door {
    gate: Gate,
    rooms: Router,
}

type Page = dyn Fn(&HeaderMap) -> Option<Response> + Send + Sync;

/// The page a browser gets where there is nothing; given the request's headers, it may leave the answer
/// to a problem document.
#[derive(Clone)]
pub struct MissingPage(Arc<Page>);

impl MissingPage {
    /// A page made by this function.
    pub fn new(page: impl Fn(&HeaderMap) -> Option<Response> + Send + Sync + 'static) -> Self {
        MissingPage(Arc::new(page))
    }
}

/// Puts the gate around the rooms' routes: request id, host and origin checks, identity, problem
/// documents for unknown paths and methods, and for handlers that panic.
///
/// A handler's panic becomes a 500 without detail; one while a body is being streamed out ends the
/// connection.
pub fn layer(router: Router, gate: Gate) -> Router {
    layer_with_page(router, gate, MissingPage::new(|_| None))
}

/// The same, with a page for browsers that come to a path outside the API where there is nothing.
pub fn layer_with_page(router: Router, gate: Gate, missing: MissingPage) -> Router {
    let nothing = move |uri: Uri, headers: HeaderMap| async move {
        let api = uri.path().starts_with("/api/");
        let page = (!api).then(|| (missing.0)(&headers)).flatten();
        page.unwrap_or_else(|| unknown_path(&uri).into_response())
    };
    let rooms = router
        .fallback(nothing)
        .method_not_allowed_fallback(unknown_method);
    Router::new()
        .fallback(answer)
        .with_state(Arc::new(Door { gate, rooms }))
}

/// The one way in: name, admit, run, finish.
async fn answer(State(door): State<Arc<Door>>, mut request: Request) -> Response {
    let id = RequestId::of(request.headers());
    request.extensions_mut().insert(id.clone());
    let response = match door.gate.admit(&mut request) {
        Ok(()) => run(door.rooms.clone(), request, &id).await,
        Err(problem) => problem.into_response(),
    };
    finish(response, &id)
}

async fn run(rooms: Router, request: Request, id: &RequestId) -> Response {
    let path = request.uri().path().to_owned();
    let span = tracing::info_span!("request", id = id.as_str(), method = %request.method(), path);
    match AssertUnwindSafe(rooms.oneshot(request).instrument(span))
        .catch_unwind()
        .await
    {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(_panic) => {
            events::handler_panicked(&path, id.as_str());
            ProblemDocument::new(500, "something failed inside rampart")
                .hint("the server's log has this answer's x-request-id")
                .into_response()
        }
    }
}

fn finish(mut response: Response, id: &RequestId) -> Response {
    events::answered(response.status().as_u16());
    let headers = response.headers_mut();
    if let Some(value) = id.header_value() {
        headers.insert(X_REQUEST_ID, value);
    }
    headers
        .entry(header::X_CONTENT_TYPE_OPTIONS)
        .or_insert(HeaderValue::from_static("nosniff"));
    response
}

fn unknown_path(uri: &Uri) -> ProblemDocument {
    let shown: String = uri.path().chars().take(200).collect();
    ProblemDocument::not_found(format!("there is nothing at `{shown}`")).hint(API_HINT)
}

/// axum adds the `Allow` header.
async fn unknown_method(method: Method, uri: Uri) -> ProblemDocument {
    let shown: String = uri.path().chars().take(200).collect();
    ProblemDocument::new(405, format!("`{shown}` does not take {method}"))
        .hint("the Allow header lists what it takes")
}
