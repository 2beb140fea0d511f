//! The demo's page: what goes wrong, what Rampart makes of it, and what people's phones show.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::board::Board;

const DOCUMENT: &str = include_str!("page/page.html");
const SCRIPT: &str = include_str!("page/page.js");
const STYLE: &str = include_str!("page/page.css");
const POLICY: &str = "default-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page, its script and style, and what it shows.
pub(crate) fn routes(board: Board) -> Router {
    Router::new()
        .route("/", get(|| async { file("text/html", DOCUMENT) }))
        .route(
            "/page.js",
            get(|| async { file("text/javascript", SCRIPT) }),
        )
        .route("/page.css", get(|| async { file("text/css", STYLE) }))
        .route("/state.json", get(state))
        .with_state(board)
}

fn file(kind: &str, text: &'static str) -> impl IntoResponse + use<> {
    let headers: [(HeaderName, String); 3] = [
        (header::CONTENT_TYPE, format!("{kind}; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, POLICY.to_owned()),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
    ];
    (headers, text)
}

async fn state(State(board): State<Board>) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, board.to_json())
}
