//! Alertmanager's API, version 2: what Prometheus posts alerts to and amtool reads. Its JSON, its
//! words for errors and its defaults are Alertmanager's, not ours.

mod alerts;
mod filter;
mod silences;
mod status;
#[cfg(test)]
mod tests;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use inbound::{Access, Routes};
use model::Timestamp;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::engine::{AlertingError, Handle};
use crate::pipeline::SilenceError;

/// What a server says of itself.
#[derive(Clone, Debug)]
pub struct About {
    /// When it started.
    pub started_at: Timestamp,
    /// Its version.
    pub version: &'static str,
    /// The address peers would reach it at.
    pub address: String,
}

/// The routes below `/api/v2`.
pub(super) fn routes(handle: Handle, about: About) -> Routes {
    let reading = Routes::new()
        .route(Access::Read, "/api/v2/alerts", get(alerts::list))
        .route(Access::Read, "/api/v2/alerts/groups", get(alerts::groups))
        .route(Access::Read, "/api/v2/silences", get(silences::list))
        .route(Access::Read, "/api/v2/silence/{id}", get(silences::show))
        .route(Access::Read, "/api/v2/receivers", get(status::receivers));
    let changing = Routes::new()
        .route(
            Access::Ingest,
            "/api/v2/alerts",
            axum::routing::post(alerts::post),
        )
        .route(
            Access::Respond,
            "/api/v2/silences",
            axum::routing::post(silences::set),
        )
        .route(
            Access::Respond,
            "/api/v2/silence/{id}",
            axum::routing::delete(silences::expire),
        );
    let status = Routes::new()
        .route(Access::Read, "/api/v2/status", get(status::show))
        .with_state((handle.clone(), about));
    reading.merge(changing).with_state(handle).merge(status)
}

#[derive(OpenApi)]
#[openapi(
    paths(
        alerts::list,
        alerts::post,
        alerts::groups,
        silences::list,
        silences::set,
        silences::show,
        silences::expire,
        status::receivers,
        status::show,
    ),
    tags((name = "alertmanager", description = "Alertmanager's API, version 2, for Prometheus and amtool. An error is a JSON string."))
)]
struct Description;

pub(super) fn openapi() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

/// A receiver's name, as Alertmanager writes it.
#[derive(Serialize, ToSchema)]
#[schema(as = AlertmanagerReceiver)]
pub(super) struct Named {
    pub(super) name: String,
}

/// A refusal: a status and a JSON string.
#[derive(Debug)]
pub(super) struct Refusal(StatusCode, String);

impl Refusal {
    pub(super) fn bad(text: impl Into<String>) -> Self {
        Refusal(StatusCode::BAD_REQUEST, text.into())
    }

    pub(super) fn missing(text: impl Into<String>) -> Self {
        Refusal(StatusCode::NOT_FOUND, text.into())
    }
}

impl From<inbound::ProblemDocument> for Refusal {
    fn from(problem: inbound::ProblemDocument) -> Self {
        Refusal(problem.status(), problem.detail().to_owned())
    }
}

impl From<AlertingError> for Refusal {
    fn from(error: AlertingError) -> Self {
        let status = match &error {
            AlertingError::Silence(SilenceError::Unknown(_)) => StatusCode::NOT_FOUND,
            // Alertmanager takes this for a failure of its own.
            AlertingError::Silence(SilenceError::Expired(_)) => StatusCode::INTERNAL_SERVER_ERROR,
            AlertingError::Silence(_) => StatusCode::BAD_REQUEST,
            AlertingError::Stopping
            | AlertingError::Waiting { .. }
            | AlertingError::NotDurable(_)
            | AlertingError::TooManyWaiting
            | AlertingError::TooManyAlerts => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Refusal(status, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        // A text always serializes.
        let body = serde_json::to_vec(&self.1).unwrap_or_default();
        let headers = [(header::CONTENT_TYPE, "application/json")];
        (self.0, headers, body).into_response()
    }
}
