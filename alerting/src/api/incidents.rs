//! Looking at incidents and acting on them.

use std::cmp::Reverse;
use std::time::Duration;

use axum::extract::State;
use inbound::{Identity, Json, Path, ProblemDocument, Query};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{AlertAnswer, IncidentAnswer, OnCallAnswer};
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    status: Option<String>,
    limit: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitQuery {
    limit: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bare {
    by: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SnoozeRequest {
    #[serde(rename = "for")]
    length: String,
    by: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResolveRequest {
    reason: Option<String>,
    by: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoteRequest {
    text: String,
    by: Option<String>,
}

pub(super) async fn alerts(
    State(handle): State<Handle>,
    Query(query): Query<LimitQuery>,
) -> Result<Json<Value>, ProblemDocument> {
    let limit = rows(query.limit)?;
    let mut firing = handle.firing().await.map_err(problem)?;
    let total = firing.len();
    firing.sort_by_key(|(_, alert)| Reverse(alert.starts_at));
    let alerts: Vec<AlertAnswer> = firing
        .into_iter()
        .take(limit)
        .map(|(incident, alert)| AlertAnswer::new(alert, Some(incident)))
        .collect();
    Ok(Json(json!({ "alerts": alerts, "total": total })))
}

pub(super) async fn list(
    State(handle): State<Handle>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Value>, ProblemDocument> {
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
    let incidents: Vec<_> = found.into_iter().map(IncidentAnswer::short).collect();
    Ok(Json(json!({ "incidents": incidents })))
}

pub(super) async fn show(State(handle): State<Handle>, Path(id): Path<String>) -> Answer {
    let incident = handle.incident(&id).await.map_err(problem)?;
    Ok(Json(IncidentAnswer::whole(incident)))
}

pub(super) async fn acknowledge(
    State(handle): State<Handle>,
    Path(id): Path<String>,
    identity: Identity,
    Json(request): Json<Bare>,
) -> Answer {
    act(&handle, &id, Action::Acknowledge, identity, request.by).await
}

pub(super) async fn snooze(
    State(handle): State<Handle>,
    Path(id): Path<String>,
    identity: Identity,
    Json(request): Json<SnoozeRequest>,
) -> Answer {
    let length = model::parse_duration(&request.length)
        .map_err(|cause| ProblemDocument::bad_request(cause.to_string()).field("for"))?;
    if !(SNOOZE_MIN..=SNOOZE_MAX).contains(&length) {
        return Err(
            ProblemDocument::bad_request("an incident can be quiet for 1m to 7d")
                .field("for")
                .hint("write a duration such as 30m; resolve it when it needs nobody"),
        );
    }
    act(&handle, &id, Action::Snooze(length), identity, request.by).await
}

pub(super) async fn escalate(
    State(handle): State<Handle>,
    Path(id): Path<String>,
    identity: Identity,
    Json(request): Json<Bare>,
) -> Answer {
    act(&handle, &id, Action::Escalate, identity, request.by).await
}

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

pub(super) async fn note(
    State(handle): State<Handle>,
    Path(id): Path<String>,
    identity: Identity,
    Json(request): Json<NoteRequest>,
) -> Answer {
    let text = text("text", &request.text)?;
    act(&handle, &id, Action::Note { text }, identity, request.by).await
}

pub(super) async fn on_call(State(handle): State<Handle>) -> Result<Json<Value>, ProblemDocument> {
    let policy = handle.policy().await.map_err(problem)?;
    let shifts = handle.on_call().await.map_err(problem)?;
    let name = |id: &String| {
        let person = policy.config.people.get(id)?;
        Some(person.name.clone())
    };
    let schedules: Vec<OnCallAnswer> = shifts
        .into_iter()
        .map(|(schedule, shift)| {
            let name = shift.as_ref().and_then(|shift| name(&shift.person));
            OnCallAnswer::new(schedule, shift, name)
        })
        .collect();
    Ok(Json(
        json!({ "schedules": schedules, "as_of": handle.now() }),
    ))
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
fn who(identity: &Identity, by: Option<&str>) -> String {
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
