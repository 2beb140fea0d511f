//! `/`: a plain index without script, so that a browser shows something true.

use std::fmt::Write;
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use inbound::ProblemDocument;

use crate::Sources;
use crate::functions::collect;

/// The most functions listed.
const ROWS_MAX: usize = 200;
const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:24px auto;max-width:760px;padding:0 16px;color:#1a1a1a;background:#fff}\
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}td,th{text-align:left;padding:4px 12px 4px 0;border-bottom:1px solid #ddd}\
td.n,th.n{text-align:right}.critical{color:#b00020;font-weight:600}@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#161616}td,th{border-color:#333}}";

/// Functions of the last five minutes and where to go from here.
pub(crate) async fn show(State(sources): State<Sources>) -> Result<Response, ProblemDocument> {
    let list = collect(&sources, Duration::from_secs(300), None, sources.clock.now()).await.map_err(ProblemDocument::internal)?;
    let mut rows = String::new();
    for function in list.functions.iter().take(ROWS_MAX) {
        let success = function.success_rate.map_or("–".to_owned(), |share| format!("{:.2} %", share * 100.0));
        let _ = write!(
            rows,
            "<tr><td>{}/{}</td><td class=\"{status}\">{status}</td><td class=n>{:.1}</td><td class=n>{success}</td></tr>",
            escape(&function.namespace),
            escape(&function.function),
            function.qps,
            status = function.status,
        );
    }
    let body = if rows.is_empty() {
        "<p>No call has come in yet. Send the first one:</p><pre>curl -X POST http://127.0.0.1:9650/api/v1/invocations -d '{\"namespace\":\"guide\",\"function\":\"feed\",\"outcome\":\"ok\",\"duration_ms\":12}'</pre>".to_owned()
    } else {
        format!("<table><tr><th>function</th><th>status</th><th class=n>QPS</th><th class=n>success, 5 min</th></tr>{rows}</table>")
    };
    let page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>Rampart</title><style>{STYLE}</style>\
         <h1>Rampart</h1>{body}<p>As of {}. API: <a href=api/v1/functions>functions</a>, <a href=api/v1/incidents>incidents</a>, \
         <a href=api/v1/rules>rules</a>, <a href=api/v1/sources>sources</a>, <a href=metrics>metrics</a>.</p></html>",
        list.as_of
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, page).into_response())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
