//! Alerting over HTTP: incidents and what people do to them, who is on call, test messages, and the
//! page that links in messages open.

mod answer;
mod callback;
mod code;
mod duty;
mod form;
mod incidents;
mod phone;
mod picture;
#[cfg(test)]
mod tests;
pub mod v2;

use std::time::Duration;

use axum::extract::State;
use axum::routing::{delete, get, post};
use inbound::{Access, Json, ProblemDocument, Routes};
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use crate::engine::{AlertingError, Handle, TestResult};

pub use answer::{AlertAnswer, IncidentAnswer, IncidentList};
pub use duty::OnCallAnswer;

/// What the field `for` of a request says.
fn length(text: &str) -> Result<Duration, ProblemDocument> {
    model::parse_duration(text)
        .map_err(|cause| ProblemDocument::bad_request(cause.to_string()).field("for"))
}

/// Alertmanager's API alone.
pub fn alertmanager_routes(handle: Handle, about: v2::About) -> Routes {
    v2::routes(handle, about)
}

/// Alerting's routes, Alertmanager's API among them.
pub fn routes(handle: Handle, about: v2::About) -> Routes {
    own_routes(handle.clone()).merge(v2::routes(handle, about))
}

fn own_routes(handle: Handle) -> Routes {
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
        .route(Access::Read, "/api/v1/oncall", get(duty::on_call))
        .route(
            Access::Respond,
            "/api/v1/oncall/{schedule}/overrides",
            post(duty::take),
        )
        .route(
            Access::Respond,
            "/api/v1/oncall/{schedule}/overrides/{id}",
            delete(duty::end_override),
        )
        .route(Access::Administer, "/api/v1/notify/test", post(test))
        .route(Access::Public, "/a", get(code::show).post(code::open))
        .route(
            Access::Public,
            "/a/{token}",
            get(phone::show).post(phone::act),
        )
        .route(Access::Public, "/chart/{name}", get(picture::show))
        .route(Access::Public, "/a/{token}/keys", post(phone::keys))
        .route(Access::Public, "/a/{token}/status", post(phone::status))
        .with_state(handle)
}

#[derive(OpenApi)]
#[openapi(
    paths(
        incidents::alerts,
        incidents::list,
        incidents::show,
        incidents::acknowledge,
        incidents::snooze,
        incidents::escalate,
        incidents::resolve,
        incidents::note,
        duty::on_call,
        duty::take,
        duty::end_override,
        test,
    ),
    tags((name = "alerting", description = "What fires, incidents and what people do to them, who is on call."))
)]
struct Description;

/// These routes as OpenAPI describes them.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = Description::openapi();
    document.merge(v2::openapi());
    document
}

/// Which receiver gets a test message.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TestMessage)]
struct TestRequest {
    /// Its name; or the key of a person, who is then reached by every account that has their address.
    receiver: String,
}

/// What became of the test.
#[derive(Serialize, ToSchema)]
#[schema(as = TestedReceiver)]
struct TestAnswer {
    receiver: String,
    /// Whether every way took it.
    delivered: bool,
    results: Vec<TestResult>,
}

/// Sends a test message and waits for the providers.
#[utoipa::path(post, path = "/api/v1/notify/test", tag = "alerting", request_body = TestRequest, responses(
    (status = 200, description = "what the providers said", body = TestAnswer),
    (status = 400, description = "there is no such receiver", content_type = "application/problem+json"),
))]
async fn test(
    State(handle): State<Handle>,
    Json(request): Json<TestRequest>,
) -> Result<Json<TestAnswer>, ProblemDocument> {
    let results = handle.test(&request.receiver).await.map_err(problem)?;
    let delivered =
        !results.is_empty() && results.iter().all(|result| result.outcome == "accepted");
    Ok(Json(TestAnswer {
        receiver: request.receiver,
        delivered,
        results,
    }))
}

fn problem(error: AlertingError) -> ProblemDocument {
    const SOON: Duration = Duration::from_secs(5);
    match &error {
        AlertingError::UnknownIncident(id) => {
            ProblemDocument::not_found(format!("there is no incident `{id}`"))
                .hint("GET /api/v1/incidents lists them")
        }
        AlertingError::UnknownReceiver { name, known } => {
            ProblemDocument::bad_request(format!("there is no receiver and no person `{name}`"))
                .field("receiver")
                .hint(configured(known))
        }
        AlertingError::UnknownSchedule { name, known } => {
            ProblemDocument::not_found(format!("there is no schedule `{name}`"))
                .hint(configured(known))
        }
        AlertingError::UnknownPerson { name, known } => {
            ProblemDocument::bad_request(format!("there is no person `{name}`"))
                .field("person")
                .hint(configured(known))
        }
        AlertingError::UnknownOverride(id) => {
            ProblemDocument::not_found(format!("no override {id} is in force or to come"))
                .hint("GET /api/v1/oncall lists them")
        }
        AlertingError::Senseless { field, message } => {
            ProblemDocument::bad_request(message.clone()).field(*field)
        }
        AlertingError::Silence(refusal) => ProblemDocument::bad_request(refusal.to_string()),
        AlertingError::TooManyAlerts | AlertingError::TooManyWaiting => {
            ProblemDocument::unavailable(error.to_string(), SOON)
        }
        AlertingError::NotDurable(_) => ProblemDocument::unavailable(
            "it was done, but could not be written to disk; repeat it",
            SOON,
        ),
        AlertingError::Waiting { leader } => ProblemDocument::unavailable(
            format!(
                "it is written down for the node that leads, {leader}, which has not done it yet"
            ),
            SOON,
        ),
        AlertingError::Stopping => ProblemDocument::unavailable("Rampart is stopping", SOON),
        AlertingError::State(_) | AlertingError::Load(_) => ProblemDocument::internal(error),
    }
}

fn configured(known: &str) -> String {
    if known.is_empty() {
        "none is configured".to_owned()
    } else {
        format!("configured: {known}")
    }
}
