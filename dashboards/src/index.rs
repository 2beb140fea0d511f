//! `/`: the functions of the last five minutes.

use std::fmt::Write;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use inbound::ProblemDocument;

use crate::Sources;
use crate::functions::collect;
use crate::page::{escape, page};

/// The most functions listed.
const ROWS_MAX: usize = 200;

/// Functions of the last five minutes and where to go from here.
pub(crate) async fn show(State(sources): State<Sources>) -> Result<Response, ProblemDocument> {
    let now = sources.clock.now();
    let list = collect(&sources, Duration::from_mins(5), None, now)
        .await
        .map_err(ProblemDocument::internal)?;
    let mut rows = String::new();
    for function in list.functions.iter().take(ROWS_MAX) {
        let success = function
            .success_rate
            .map_or("–".to_owned(), |share| format!("{:.2} %", share * 100.0));
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
        "<p>No call has come in yet. Send the first one:</p><pre>curl http://127.0.0.1:9650/api/v1/invocations --data-binary \
'{\"namespace\":\"guide\",\"function\":\"feed\",\"outcome\":\"ok\",\"duration_ms\":12}'</pre>"
            .to_owned()
    } else {
        format!(
            "<table><tr><th>function</th><th>status</th><th class=n>QPS</th><th class=n>success, 5 min</th></tr>{rows}</table>"
        )
    };
    Ok(page("Functions", "", &body, now))
}
