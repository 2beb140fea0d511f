//! `/api/v2/silences` and `/api/v2/silence/{id}`.

use std::cmp::Reverse;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use inbound::{Json, Path, Query, read_json};
use model::{Matcher, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Refusal, filter};
use crate::engine::Handle;
use crate::pipeline::{Draft, Silence, SilenceState, WrittenMatcher};

/// The largest silence.
const SILENCE_BYTES_MAX: usize = 256 << 10;

/// A silence.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Silence)]
pub(super) struct GettableSilence {
    id: String,
    status: Standing,
    updated_at: Timestamp,
    comment: String,
    created_by: String,
    ends_at: Timestamp,
    matchers: Vec<WrittenMatcher>,
    starts_at: Timestamp,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SilenceStatus)]
struct Standing {
    /// `active`, `pending` or `expired`.
    #[schema(value_type = String)]
    state: SilenceState,
}

impl GettableSilence {
    fn new(silence: &Silence, now: Timestamp) -> Self {
        GettableSilence {
            id: silence.id.clone(),
            status: Standing {
                state: silence.state(now),
            },
            updated_at: silence.updated_at,
            comment: silence.comment.clone(),
            created_by: silence.created_by.clone(),
            ends_at: silence.ends_at,
            matchers: silence.matchers.iter().map(WrittenMatcher::from).collect(),
            starts_at: silence.starts_at,
        }
    }
}

/// A silence as somebody asks for it.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PostableSilence)]
pub(super) struct PostableSilence {
    /// The silence to change; a new one is made when it is left out or empty.
    #[serde(default)]
    id: Option<String>,
    matchers: Vec<WrittenMatcher>,
    #[schema(value_type = String, format = DateTime)]
    starts_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    ends_at: Timestamp,
    created_by: String,
    comment: String,
}

/// The id of the silence that was made or changed.
#[derive(Serialize, ToSchema)]
#[schema(as = SilenceId)]
pub(super) struct Made {
    #[serde(rename = "silenceID")]
    silence_id: String,
}

/// Every silence: active ones by their end, then those that have not begun, then those that are over.
#[utoipa::path(get, path = "/api/v2/silences", operation_id = "alertmanager_silences", tag = "alertmanager", params(
    ("filter" = Option<Vec<String>>, Query, description = "matchers that hold for the silence's own, taken as labels"),
), responses(
    (status = 200, description = "all that are kept; an expired one for five days", body = Vec<GettableSilence>),
    (status = 400, description = "the question is wrong", body = String),
))]
pub(super) async fn list(
    State(handle): State<Handle>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<Vec<GettableSilence>>, Refusal> {
    let filters = filter::matchers(&pairs)?;
    let now = handle.now();
    let mut silences = handle.silences().await?;
    silences.retain(|silence| filter::means_silence(&filters, &silence.matchers));
    silences.sort_by_key(|silence| {
        let state = silence.state(now);
        let (soonest, latest) = match state {
            SilenceState::Active => (silence.ends_at, Timestamp::EPOCH),
            SilenceState::Pending => (silence.starts_at, Timestamp::EPOCH),
            SilenceState::Expired => (Timestamp::EPOCH, silence.ends_at),
        };
        (state, soonest, Reverse(latest), silence.id.clone())
    });
    let shown = silences
        .iter()
        .map(|silence| GettableSilence::new(silence, now));
    Ok(Json(shown.collect()))
}

/// Makes a silence, or changes the one named.
#[utoipa::path(post, path = "/api/v2/silences", operation_id = "alertmanager_post_silence", tag = "alertmanager", request_body = PostableSilence, responses(
    (status = 200, description = "its id: another one when it could not be changed in place", body = Made),
    (status = 400, description = "it cannot be made", body = String),
    (status = 404, description = "there is no such silence to change", body = String),
    (status = 503, description = "not on disk: repeat it", body = String),
))]
pub(super) async fn set(
    State(handle): State<Handle>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Made>, Refusal> {
    let bytes = read_json(&headers, body, SILENCE_BYTES_MAX).await?;
    let posted: PostableSilence = serde_json::from_slice(&bytes)
        .map_err(|cause| Refusal::bad(format!("parsing silence body from request: {cause}")))?;
    let matchers: Result<Vec<Matcher>, _> = posted.matchers.iter().map(Matcher::try_from).collect();
    let draft = Draft {
        id: posted.id.filter(|id| !id.is_empty()),
        matchers: matchers.map_err(|cause| Refusal::bad(format!("invalid silence: {cause}")))?,
        starts_at: posted.starts_at,
        ends_at: posted.ends_at,
        created_by: posted.created_by,
        comment: posted.comment,
    };
    let silence_id = handle.set_silence(draft).await?;
    Ok(Json(Made { silence_id }))
}

/// One silence.
#[utoipa::path(get, path = "/api/v2/silence/{id}", operation_id = "alertmanager_silence", tag = "alertmanager", params(("id" = String, Path, description = "the silence's id")), responses(
    (status = 200, description = "the silence", body = GettableSilence),
    (status = 404, description = "there is no such silence", body = String),
))]
pub(super) async fn show(
    State(handle): State<Handle>,
    Path(id): Path<String>,
) -> Result<Json<GettableSilence>, Refusal> {
    let silences = handle.silences().await?;
    let silence = silences.iter().find(|silence| silence.id == id);
    let silence = silence.ok_or_else(|| Refusal::missing(format!("silence {id:.80} not found")))?;
    Ok(Json(GettableSilence::new(silence, handle.now())))
}

/// Ends a silence now.
#[utoipa::path(delete, path = "/api/v2/silence/{id}", operation_id = "alertmanager_delete_silence", tag = "alertmanager", params(("id" = String, Path, description = "the silence's id")), responses(
    (status = 200, description = "it is over"),
    (status = 404, description = "there is no such silence", body = String),
    (status = 500, description = "it is over already", body = String),
))]
pub(super) async fn expire(
    State(handle): State<Handle>,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    handle.expire_silence(&id).await?;
    Ok(StatusCode::OK)
}
