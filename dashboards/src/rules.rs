//! `/rules`: every rule and what it says now; alerts link here.

use std::fmt::Write;

use axum::extract::State;
use axum::response::Response;
use serde_json::Value;

use crate::Sources;
use crate::page::{escape, page};

/// Rules in order, each under the anchor of its name.
pub(crate) async fn show(State(sources): State<Sources>) -> Response {
    let (views, _) = sources.rules.overview(None).await;
    let mut rows = String::new();
    for view in &views {
        let text = |field: &str| {
            view.declared
                .get(field)
                .and_then(Value::as_str)
                .map(escape)
                .unwrap_or_default()
        };
        let active = view.states.iter().filter(|state| state.phase != "inactive");
        let states: Vec<String> = active
            .map(|state| escape(&format!("{} {}", state.phase, state.labels)))
            .collect();
        let said = match (&view.error, states.is_empty()) {
            (Some(error), _) => format!("could not be evaluated: {}", escape(error)),
            (None, true) => format!("quiet over {} label sets", view.label_sets),
            (None, false) => states.join("<br>"),
        };
        let _ = write!(
            rows,
            "<tr id=\"{name}\"><td>{name}</td><td>{}</td><td>{}</td><td>{said}</td></tr>",
            text("severity"),
            text("summary"),
            name = text("alert"),
        );
    }
    let body = format!(
        "<table><tr><th>rule</th><th>severity</th><th>fires when</th><th>now</th></tr>{rows}</table>"
    );
    page("Rules", "", &body, sources.clock.now())
}
