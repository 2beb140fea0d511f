//! Looking at incidents and acting on them.

use std::cmp::Reverse;
use std::time::Duration;

use axum::extract::State;
use inbound::{Identity, Json, Path, ProblemDocument, Query};
use serde::Deserialize;

use super::answer::{AlertAnswer, AlertList, IncidentAnswer, IncidentList};
use super::problem;
use crate::delivery::IncidentStatus;
use crate::engine::Handle;
use crate::pipeline::{Action, How};

/// Rows of a list when nothing is said.
const ROWS_DEFAULT: usize = 100;
/// The most rows of a list.
const ROWS_MAX: usize = 1_000;
const NAME_CHARS_MAX: usize = 80;
const TEXT_CHARS_MAX: usize = 1_000;
const SNOOZE_MIN: Duration = Duration::from_mins(1);
const SNOOZE_MAX: Duration = Duration::from_hours(7 * 24);

type Answer = Result<Json<IncidentAnswer>, ProblemDocument>;

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// `open`, `acknowledged` or `resolved`.
    status: Option<String>,
    /// The most that are listed: 1 to 1000, 100 when nothing is said.
    limit: Option<usize>,
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LimitQuery {
    /// The most that are listed: 1 to 1000, 100 when nothing is said.
    limit: Option<usize>,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ActedFor)]
pub(super) struct Bare {
    /// The person the caller acts for.
    by: Option<String>,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Snooze)]
pub(super) struct SnoozeRequest {
    /// For how long nobody is told, 1m to 7d.
    #[serde(rename = "for")]
    length: String,
    /// The person the caller acts for.
    by: Option<String>,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Resolve)]
pub(super) struct ResolveRequest {
    /// Why; `false_alarm` quiets the series until it recovers, and is counted.
    reason: Option<String>,
    /// The person the caller acts for.
    by: Option<String>,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Note)]
pub(super) struct NoteRequest {
    /// 1 to 1000 characters.
    text: String,
    /// The person the caller acts for.
    by: Option<String>,
}

/// What fires and was not closed by a person, newest first.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "alerting", params(LimitQuery), responses(
    (status = 200, description = "what fires", body = AlertList),
    (status = 400, description = "the question is wrong", content_type = "application/problem+json"),
))]
pub(super) async fn alerts(
    State(handle): State<Handle>,
    Query(query): Query<LimitQuery>,
) -> Result<Json<AlertList>, ProblemDocument> {
    let limit = rows(query.limit)?;
    let mut firing = handle.firing().await.map_err(problem)?;
    let total = firing.len();
    firing.sort_by_key(|(_, alert)| Reverse(alert.starts_at));
    let alerts: Vec<AlertAnswer> = firing
        .into_iter()
        .take(limit)
        .map(|(incident, alert)| AlertAnswer::new(alert, Some(incident)))
        .collect();
    Ok(Json(AlertList { alerts, total }))
}

/// Incidents, newest first.
#[utoipa::path(get, path = "/api/v1/incidents", tag = "alerting", params(ListQuery), responses(
    (status = 200, description = "the newest", body = IncidentList),
    (status = 400, description = "the question is wrong", content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(handle): State<Handle>,
    Query(query): Query<ListQuery>,
) -> Result<Json<IncidentList>, ProblemDocument> {
    let limit = rows(query.limit)?;
    let status = match query.status.as_deref() {
        None => None,
        Some(word) => Some(IncidentStatus::from_word(word).ok_or_else(|| {
            ProblemDocument::bad_request("the status is none that incidents have")
                .field("status")
                .hint("use open, acknowledged or resolved")
        })?),
    };
    let found = handle.incidents(status, limit).await.map_err(problem)?;
    Ok(Json(IncidentList::new(found)))
}

/// One incident with its alerts and timeline.
#[utoipa::path(get, path = "/api/v1/incidents/{id}", tag = "alerting", params(("id" = String, Path, description = "the incident's id")), responses(
    (status = 200, description = "the incident", body = IncidentAnswer),
    (status = 404, description = "there is no such incident", content_type = "application/problem+json"),
))]
pub(super) async fn show(State(handle): State<Handle>, Path(id): Path<String>) -> Answer {
    let incident = handle.incident(&id).await.map_err(problem)?;
    Ok(Json(IncidentAnswer::whole(incident)))
}

/// Somebody has it: nobody else is woken. Repeating is harmless.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/acknowledge", tag = "alerting", params(("id" = String, Path, description = "the incident's id")), request_body = Bare, responses(
    (status = 200, description = "the incident as it is then", body = IncidentAnswer),
    (status = 404, description = "there is no such incident", content_type = "application/problem+json"),
    (status = 503, description = "done, but not yet on disk: repeat it", content_type = "application/problem+json"),
))]
pub(super) async fn acknowledge(
    State(handle): State<Handle>,
    Path(id): Path<String>,
    identity: Identity,
    Json(request): Json<Bare>,
) -> Answer {
    act(&handle, &id, Action::Acknowledge, identity, request.by).await
}

/// Quiet for a while.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/snooze", tag = "alerting", params(("id" = String, Path, description = "the incident's id")), request_body = SnoozeRequest, responses(
    (status = 200, description = "the incident as it is then", body = IncidentAnswer),
    (status = 400, description = "`for` is no duration, or not 1m to 7d", content_type = "application/problem+json"),
    (status = 404, description = "there is no such incident", content_type = "application/problem+json"),
    (status = 503, description = "done, but not yet on disk: repeat it", content_type = "application/problem+json"),
))]
pub(super) async fn snooze(
    State(handle): State<Handle>,
    Path(id): Path<String>,
    identity: Identity,
    Json(request): Json<SnoozeRequest>,
) -> Answer {
    let length = super::length(&request.length)?;
    if !(SNOOZE_MIN..=SNOOZE_MAX).contains(&length) {
        return Err(
            ProblemDocument::bad_request("an incident can be quiet for 1m to 7d")
                .field("for")
                .hint("write a duration such as 30m; resolve it when it needs nobody"),
        );
    }
    act(&handle, &id, Action::Snooze(length), identity, request.by).await
}

/// The next step now.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/escalate", tag = "alerting", params(("id" = String, Path, description = "the incident's id")), request_body = Bare, responses(
    (status = 200, description = "the incident as it is then", body = IncidentAnswer),
    (status = 404, description = "there is no such incident", content_type = "application/problem+json"),
    (status = 503, description = "done, but not yet on disk: repeat it", content_type = "application/problem+json"),
))]
pub(super) async fn escalate(
    State(handle): State<Handle>,
    Path(id): Path<String>,
    identity: Identity,
    Json(request): Json<Bare>,
) -> Answer {
    act(&handle, &id, Action::Escalate, identity, request.by).await
}

/// It is over.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/resolve", tag = "alerting", params(("id" = String, Path, description = "the incident's id")), request_body = ResolveRequest, responses(
    (status = 200, description = "the incident as it is then", body = IncidentAnswer),
    (status = 400, description = "the reason is empty or too long", content_type = "application/problem+json"),
    (status = 404, description = "there is no such incident", content_type = "application/problem+json"),
    (status = 503, description = "done, but not yet on disk: repeat it", content_type = "application/problem+json"),
))]
pub(super) async fn resolve(
    State(handle): State<Handle>,
    Path(id): Path<String>,
    identity: Identity,
    Json(request): Json<ResolveRequest>,
) -> Answer {
    let reason = request
        .reason
        .unwrap_or_else(|| "resolved by hand".to_owned());
    let reason = text("reason", &reason)?;
    act(
        &handle,
        &id,
        Action::Resolve { reason },
        identity,
        request.by,
    )
    .await
}

/// A remark in its timeline.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/note", tag = "alerting", params(("id" = String, Path, description = "the incident's id")), request_body = NoteRequest, responses(
    (status = 200, description = "the incident as it is then", body = IncidentAnswer),
    (status = 400, description = "the text is empty or too long", content_type = "application/problem+json"),
    (status = 404, description = "there is no such incident", content_type = "application/problem+json"),
    (status = 503, description = "done, but not yet on disk: repeat it", content_type = "application/problem+json"),
))]
pub(super) async fn note(
    State(handle): State<Handle>,
    Path(id): Path<String>,
    identity: Identity,
    Json(request): Json<NoteRequest>,
) -> Answer {
    let text = text("text", &request.text)?;
    act(&handle, &id, Action::Note { text }, identity, request.by).await
}

async fn act(
    handle: &Handle,
    id: &str,
    action: Action,
    identity: Identity,
    by: Option<String>,
) -> Answer {
    let who = who(&identity, by.as_deref());
    let incident = handle.act(id, action, &who, How::Api).await;
    Ok(Json(IncidentAnswer::whole(incident.map_err(problem)?)))
}

/// The caller, and in front of it the person they say they act for.
pub(super) fn who(identity: &Identity, by: Option<&str>) -> String {
    let said: String = by
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control())
        .take(NAME_CHARS_MAX)
        .collect();
    match said.trim() {
        "" => identity.name.clone(),
        said if said == identity.name => said.to_owned(),
        said => format!("{said} ({})", identity.name),
    }
}

fn text(field: &str, text: &str) -> Result<String, ProblemDocument> {
    let count = text.chars().count();
    if text.trim().is_empty() || count > TEXT_CHARS_MAX {
        return Err(ProblemDocument::bad_request(format!(
            "`{field}` must have 1 to {TEXT_CHARS_MAX} characters"
        ))
        .field(field));
    }
    Ok(text.trim().to_owned())
}

fn rows(limit: Option<usize>) -> Result<usize, ProblemDocument> {
    match limit {
        None => Ok(ROWS_DEFAULT),
        Some(limit) if (1..=ROWS_MAX).contains(&limit) => Ok(limit),
        Some(_) => Err(
            ProblemDocument::bad_request(format!("the limit must be 1 to {ROWS_MAX}"))
                .field("limit"),
        ),
    }
}
