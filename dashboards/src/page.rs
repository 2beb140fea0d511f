//! The frame of the plain pages: no script, nothing from elsewhere, every foreign text escaped.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use model::Timestamp;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:24px auto;max-width:860px;padding:0 16px;color:#1a1a1a;background:#fff}\
nav a{margin-right:16px}h1{font-size:20px;margin:16px 0}\
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}td,th{text-align:left;padding:4px 12px 4px 0;border-bottom:1px solid #ddd;vertical-align:top;overflow-wrap:anywhere}\
td.n,th.n{text-align:right}pre{overflow:auto}.critical,.open{color:#b00020;font-weight:600}\
@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#161616}a{color:#8ab4f8}td,th{border-color:#333}.critical,.open{color:#ff8a80}}";

/// A page with its navigation and the moment it was made.
///
/// `up` leads from the page's path to the root (empty at the root, `../` one level below), so that
/// links also work below an external address with a path.
pub(crate) fn page(title: &str, up: &str, body: &str, now: Timestamp) -> Response {
    let title = escape(title);
    let html = format!(
        "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{title} · Rampart</title><style>{STYLE}</style></head><body>\
         <nav><a href=\"{up}./\">Functions</a><a href=\"{up}incidents\">Incidents</a><a href=\"{up}rules\">Rules</a></nav>\
         <h1>{title}</h1>{body}<p>As of {now}.</p></body></html>",
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, html).into_response()
}

/// Text as it may stand in HTML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
