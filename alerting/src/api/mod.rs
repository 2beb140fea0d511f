//! Alerting over HTTP: incidents and what people do to them, who is on call, test messages, and the
//! page that links in messages open.

mod answer;
mod incidents;
mod phone;
#[cfg(test)]
mod tests;

use std::time::Duration;

use axum::extract::State;
use axum::routing::{get, post};
use inbound::{Access, Json, ProblemDocument, Routes};
use serde::Deserialize;

use crate::engine::{AlertingError, Handle};

pub use answer::{AlertAnswer, IncidentAnswer, OnCallAnswer};

/// Alerting's routes.
pub fn routes(handle: Handle) -> Routes {
    Routes::new()
        .route(Access::Read, "/api/v1/alerts", get(incidents::alerts))
        .route(Access::Read, "/api/v1/incidents", get(incidents::list))
        .route(Access::Read, "/api/v1/incidents/{id}", get(incidents::show))
        .route(
            Access::Respond,
            "/api/v1/incidents/{id}/acknowledge",
            post(incidents::acknowledge),
        )
        .route(
            Access::Respond,
            "/api/v1/incidents/{id}/snooze",
            post(incidents::snooze),
        )
        .route(
            Access::Respond,
            "/api/v1/incidents/{id}/escalate",
            post(incidents::escalate),
        )
        .route(
            Access::Respond,
            "/api/v1/incidents/{id}/resolve",
            post(incidents::resolve),
        )
        .route(
            Access::Respond,
            "/api/v1/incidents/{id}/note",
            post(incidents::note),
        )
        .route(Access::Read, "/api/v1/oncall", get(incidents::on_call))
        .route(Access::Administer, "/api/v1/notify/test", post(test))
        .route(
            Access::Public,
            "/a/{token}",
            get(phone::show).post(phone::act),
        )
        .with_state(handle)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TestRequest {
    receiver: String,
}

async fn test(
    State(handle): State<Handle>,
    Json(request): Json<TestRequest>,
) -> Result<Json<serde_json::Value>, ProblemDocument> {
    let results = handle.test(&request.receiver).await.map_err(problem)?;
    let delivered =
        !results.is_empty() && results.iter().all(|result| result.outcome == "accepted");
    Ok(Json(serde_json::json!({
        "receiver": request.receiver,
        "delivered": delivered,
        "results": results,
    })))
}

fn problem(error: AlertingError) -> ProblemDocument {
    const SOON: Duration = Duration::from_secs(5);
    match &error {
        AlertingError::UnknownIncident(id) => {
            ProblemDocument::not_found(format!("there is no incident `{id}`"))
                .hint("GET /api/v1/incidents lists them")
        }
        AlertingError::UnknownReceiver { name, known } => {
            ProblemDocument::bad_request(format!("there is no receiver `{name}`"))
                .field("receiver")
                .hint(if known.is_empty() {
                    "no receiver is configured".to_owned()
                } else {
                    format!("configured: {known}")
                })
        }
        AlertingError::NotDurable(_) => ProblemDocument::unavailable(
            "it was done, but could not be written to disk; repeat it",
            SOON,
        ),
        AlertingError::Stopping => ProblemDocument::unavailable("Rampart is stopping", SOON),
        AlertingError::State(_) | AlertingError::Load(_) => ProblemDocument::internal(error),
    }
}
