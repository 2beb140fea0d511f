//! Who is on call, and taking over without a reload.

use axum::extract::State;
use inbound::{Identity, Json, Path, ProblemDocument};
use model::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::incidents::who;
use super::problem;
use crate::engine::{Duty, Handle};
use crate::oncall::Override;
use crate::pipeline::Policy;

/// The most gaps an answer lists of one schedule.
const GAPS_MAX: usize = 50;

/// Who is on call in every schedule.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OnCall {
    schedules: Vec<OnCallAnswer>,
    as_of: Timestamp,
}

/// Who is on call in a schedule.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OnCallShift)]
pub struct OnCallAnswer {
    schedule: String,
    person: Option<String>,
    name: Option<String>,
    /// The rotation, or `override`.
    rotation: Option<String>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    /// Who follows within 30 days.
    next: Option<NextShift>,
    /// When nobody is on call within 30 days.
    gaps: Vec<Gap>,
    /// Who takes over, now or later.
    overrides: Vec<Override>,
}

/// Who comes on call next.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NextShift {
    person: String,
    name: Option<String>,
    rotation: String,
    from: Timestamp,
}

/// A time without anybody on call.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OnCallGap)]
pub(super) struct Gap {
    from: Timestamp,
    to: Timestamp,
}

/// Who takes over, and for how long.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TakeOver)]
pub(super) struct TakeRequest {
    /// The key of the person; whoever the token is named after when left out.
    person: Option<String>,
    /// First instant; now when left out.
    from: Option<Timestamp>,
    /// First instant after it; or `for`.
    to: Option<Timestamp>,
    /// How long it lasts, such as 2h.
    #[serde(rename = "for")]
    length: Option<String>,
    /// The person the caller acts for.
    by: Option<String>,
}

impl OnCallAnswer {
    fn new(duty: Duty, policy: &Policy) -> Self {
        let name = |id: &str| {
            policy
                .config
                .people
                .get(id)
                .map(|person| person.name.clone())
        };
        let (person, rotation, from, until) = match duty.now {
            Some(shift) => (
                Some(shift.person),
                Some(shift.rotation),
                Some(shift.from),
                shift.until,
            ),
            None => (None, None, None, None),
        };
        let next = duty.next.and_then(|span| {
            let (rotation, person) = span.who?;
            Some(NextShift {
                name: name(&person),
                person,
                rotation,
                from: span.from,
            })
        });
        let gaps = duty.gaps.into_iter().take(GAPS_MAX);
        OnCallAnswer {
            schedule: duty.schedule,
            name: person.as_deref().and_then(name),
            person,
            rotation,
            from,
            until,
            next,
            gaps: gaps.map(|(from, to)| Gap { from, to }).collect(),
            overrides: duty.overrides,
        }
    }
}

/// Who is on call in every schedule, who follows, and when nobody is.
#[utoipa::path(get, path = "/api/v1/oncall", tag = "alerting", responses(
    (status = 200, description = "every schedule", body = OnCall),
))]
pub(super) async fn on_call(State(handle): State<Handle>) -> Result<Json<OnCall>, ProblemDocument> {
    let policy = handle.policy().await.map_err(problem)?;
    let duties = handle.on_call().await.map_err(problem)?;
    let schedules = duties
        .into_iter()
        .map(|duty| OnCallAnswer::new(duty, &policy));
    Ok(Json(OnCall {
        schedules: schedules.collect(),
        as_of: handle.now(),
    }))
}

/// Somebody takes a schedule over for a while, whatever its rotations say; the open incidents are
/// sent to them when it begins.
#[utoipa::path(post, path = "/api/v1/oncall/{schedule}/overrides", tag = "alerting", params(("schedule" = String, Path, description = "the schedule's name")), request_body = TakeRequest, responses(
    (status = 200, description = "the override", body = Override),
    (status = 400, description = "the person or the time is wrong", content_type = "application/problem+json"),
    (status = 404, description = "there is no such schedule", content_type = "application/problem+json"),
    (status = 503, description = "done, but not yet on disk", content_type = "application/problem+json"),
))]
pub(super) async fn take(
    State(handle): State<Handle>,
    Path(schedule): Path<String>,
    identity: Identity,
    Json(request): Json<TakeRequest>,
) -> Result<Json<Override>, ProblemDocument> {
    let person = match &request.person {
        Some(person) => person.clone(),
        None => own_person(&handle, &identity).await?,
    };
    let from = request.from.unwrap_or_else(|| handle.now());
    let to = end(&request, from)?;
    let by = who(&identity, request.by.as_deref());
    let made = handle.take_over(&schedule, &person, (from, to), &by).await;
    Ok(Json(made.map_err(problem)?))
}

/// Ends an override now, or takes it back before it begins.
#[utoipa::path(delete, path = "/api/v1/oncall/{schedule}/overrides/{id}", tag = "alerting", params(
    ("schedule" = String, Path, description = "the schedule's name"),
    ("id" = u64, Path, description = "the override's number"),
), responses(
    (status = 200, description = "the override as it ended", body = Override),
    (status = 404, description = "there is no such schedule, or no such override that is not over", content_type = "application/problem+json"),
    (status = 503, description = "done, but not yet on disk", content_type = "application/problem+json"),
))]
pub(super) async fn end_override(
    State(handle): State<Handle>,
    Path((schedule, id)): Path<(String, u64)>,
) -> Result<Json<Override>, ProblemDocument> {
    let ended = handle.end_override(&schedule, id).await;
    Ok(Json(ended.map_err(problem)?))
}

/// The person a token is named after.
async fn own_person(handle: &Handle, identity: &Identity) -> Result<String, ProblemDocument> {
    let policy = handle.policy().await.map_err(problem)?;
    if policy.config.people.contains_key(&identity.name) {
        return Ok(identity.name.clone());
    }
    Err(ProblemDocument::bad_request("nobody is named to take over")
        .field("person")
        .hint("name a person, or use a token that is named after one"))
}

fn end(request: &TakeRequest, from: Timestamp) -> Result<Timestamp, ProblemDocument> {
    match (request.to, &request.length) {
        (Some(to), None) => Ok(to),
        (None, Some(length)) => Ok(from + super::length(length)?),
        _ => Err(
            ProblemDocument::bad_request("one of `to` and `for` must say when it ends")
                .field("for")
                .hint("write how long, such as 2h"),
        ),
    }
}
