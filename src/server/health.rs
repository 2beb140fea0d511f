//! Health, metrics and reload: what machines ask a server.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use inbound::{Access, ProblemDocument, Routes};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;

use crate::reload::Reload;

/// What the health endpoints look at.
#[derive(Clone)]
pub struct Health {
    /// The tables.
    pub store: store::Store,
    /// The program's own metrics.
    pub metrics: PrometheusHandle,
    /// The way to a new configuration.
    pub reload: Arc<Reload>,
}

/// `/livez`, `/readyz`, `/-/healthy`, `/-/ready`, `/metrics`, `/-/reload`.
pub fn routes(health: Health) -> Routes {
    Routes::new()
        .route(Access::Public, "/livez", get(alive))
        .route(Access::Public, "/-/healthy", get(alive))
        .route(Access::Public, "/readyz", get(ready))
        .route(Access::Public, "/-/ready", get(ready))
        .route(Access::Read, "/metrics", get(own_metrics))
        .route(Access::Administer, "/-/reload", post(reload))
        .with_state(health)
}

async fn alive() -> &'static str {
    "rampart is alive\n"
}

async fn ready(State(health): State<Health>) -> Response {
    if health.store.healthy() {
        "rampart is ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "rampart is not ready: storage failed and ingest is stopped; alerting goes on\n").into_response()
    }
}

async fn own_metrics(State(health): State<Health>) -> Response {
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (content_type, health.metrics.render()).into_response()
}

async fn reload(State(health): State<Health>) -> Response {
    match health.reload.reload().await {
        Ok(report) => axum::Json(json!({"reloaded": true, "kept": report.kept, "advice": report.advice})).into_response(),
        Err(report) => ProblemDocument::new(422, report.problems).hint("what was in force stays in force; mend the files and reload again").into_response(),
    }
}
