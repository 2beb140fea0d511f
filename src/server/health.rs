//! Health, metrics and reload: what machines ask a server.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use inbound::{Access, ProblemDocument, Routes};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use tokio::sync::watch;
use utoipa::{OpenApi, ToSchema};

use crate::reload::Reload;
use crate::watch::Trouble;

/// What the health endpoints look at.
#[derive(Clone)]
pub struct Health {
    /// The tables.
    pub store: store::Store,
    /// Phases, incidents, outbox: what is shared, and what is this node's own.
    pub states: [state::State; 2],
    /// What keeps calls from being taken in.
    pub trouble: watch::Receiver<Trouble>,
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

#[derive(OpenApi)]
#[openapi(
    paths(alive, ready, own_metrics, reload),
    tags((name = "health", description = "What machines ask a server."))
)]
struct Description;

/// The same under the names that Prometheus and Alertmanager use.
const ALSO: [(&str, &str); 2] = [("/livez", "/-/healthy"), ("/readyz", "/-/ready")];

/// These routes as OpenAPI describes them.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut described = Description::openapi();
    let paths = &mut described.paths.paths;
    for (path, also) in ALSO {
        if let Some(item) = paths.get(path).cloned() {
            paths.insert(also.to_owned(), item);
        }
    }
    described
}

/// Whether the program runs. `/-/healthy` is the same.
#[utoipa::path(get, path = "/livez", tag = "health", responses((status = 200, description = "it does", body = String, content_type = "text/plain")))]
async fn alive() -> &'static str {
    "rampart is alive\n"
}

/// Whether calls are taken in. `/-/ready` is the same.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "they are", body = String, content_type = "text/plain"),
    (status = 503, description = "they are not, and why", body = String, content_type = "text/plain"),
))]
async fn ready(State(health): State<Health>) -> Response {
    let trouble = match *health.trouble.borrow() {
        Some(trouble) => Some(trouble),
        None if !health.store.healthy() => {
            Some("storage failed and ingest is stopped; alerting goes on")
        }
        None if !health.states.iter().all(state::State::healthy) => {
            Some("the operational state cannot be written; pages go out without records")
        }
        None => None,
    };
    match trouble {
        Some(trouble) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("rampart is not ready: {trouble}\n"),
        )
            .into_response(),
        None => "rampart is ready\n".into_response(),
    }
}

/// The program's own metrics, in Prometheus's text format.
#[utoipa::path(get, path = "/metrics", tag = "health", responses((status = 200, description = "the metrics", body = String, content_type = "text/plain")))]
async fn own_metrics(State(health): State<Health>) -> Response {
    let content_type = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (content_type, health.metrics.render()).into_response()
}

/// What a reload did.
#[derive(Serialize, ToSchema)]
#[schema(as = Reloaded)]
struct ReloadAnswer {
    /// Always true; a reload that fails is a problem document.
    reloaded: bool,
    /// What kept its old self, and why.
    kept: Vec<String>,
    /// What will hurt later.
    advice: Vec<String>,
}

/// Takes up the configuration files again; a bad file keeps its old self.
#[utoipa::path(post, path = "/-/reload", tag = "health", responses(
    (status = 200, description = "taken up", body = ReloadAnswer),
    (status = 422, description = "the files are wrong; what was in force stays", content_type = "application/problem+json"),
))]
async fn reload(State(health): State<Health>) -> Response {
    // In a task of its own: a caller who goes away must not leave it half done.
    let reload = health.reload.clone();
    let done = tokio::spawn(async move { reload.reload().await }).await;
    let Ok(done) = done else {
        return ProblemDocument::internal("the reload did not end").into_response();
    };
    match done {
        Ok(report) => {
            let (kept, advice) = (report.kept, report.advice);
            axum::Json(ReloadAnswer {
                reloaded: true,
                kept,
                advice,
            })
            .into_response()
        }
        Err(report) => ProblemDocument::new(422, report.problems)
            .hint("what was in force stays in force; mend the files and reload again")
            .into_response(),
    }
}
