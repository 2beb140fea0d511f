//! `/api/v2/alerts`: what fires, and the way in for Prometheus.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use inbound::{Json, Query, read_json};
use model::{Alert, AlertStatus, Labels, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::filter::Wanted;
use super::{Named, Refusal};
use crate::engine::Handle;
use crate::pipeline::ActiveAlert;

/// The largest body of one post.
const POST_BYTES_MAX: usize = 16 << 20;
/// The most alerts of one post.
const POST_ALERTS_MAX: usize = 10_000;
/// The most annotations of one alert, and the longest.
const ANNOTATIONS_MAX: usize = 64;
const ANNOTATION_BYTES_MAX: usize = 64 << 10;
/// The longest address of a generator.
const GENERATOR_BYTES_MAX: usize = 8 << 10;
/// Mistakes that one refusal lists.
const MISTAKES_LISTED_MAX: usize = 20;

type Pairs = Vec<(String, String)>;

/// An alert that fires.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AlertmanagerAlert)]
pub(super) struct GettableAlert {
    annotations: BTreeMap<String, String>,
    ends_at: Timestamp,
    /// Prometheus's, 16 hexadecimal digits.
    fingerprint: String,
    receivers: Vec<Named>,
    starts_at: Timestamp,
    status: Status,
    updated_at: Timestamp,
    #[serde(rename = "generatorURL", skip_serializing_if = "String::is_empty")]
    generator_url: String,
    labels: Labels,
}

/// Whether anybody is told of it, and what keeps people from being told.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AlertmanagerAlertStatus)]
struct Status {
    /// `active` or `suppressed`.
    state: &'static str,
    /// Silences.
    silenced_by: Vec<String>,
    /// Fingerprints of alerts.
    inhibited_by: Vec<String>,
    /// Time intervals.
    muted_by: Vec<String>,
}

/// Alerts of one group.
#[derive(Serialize, ToSchema)]
#[schema(as = AlertmanagerAlertGroup)]
pub(super) struct Group {
    labels: Labels,
    receiver: Named,
    alerts: Vec<GettableAlert>,
}

impl From<ActiveAlert> for GettableAlert {
    fn from(active: ActiveAlert) -> Self {
        let muted_by = active.muted_by;
        let suppressed = !muted_by.silences.is_empty()
            || !muted_by.inhibitors.is_empty()
            || !muted_by.intervals.is_empty();
        let inhibitors = muted_by.inhibitors.iter();
        GettableAlert {
            fingerprint: hexadecimal(active.fingerprint),
            receivers: active
                .receivers
                .into_iter()
                .map(|name| Named { name })
                .collect(),
            status: Status {
                state: if suppressed { "suppressed" } else { "active" },
                inhibited_by: inhibitors.map(|alert| hexadecimal(*alert)).collect(),
                silenced_by: muted_by.silences,
                muted_by: muted_by.intervals,
            },
            updated_at: active.updated_at,
            starts_at: active.alert.starts_at,
            ends_at: active.ends_at,
            annotations: active.alert.annotations,
            generator_url: active.alert.generator_url,
            labels: active.alert.labels,
        }
    }
}

fn hexadecimal(fingerprint: u64) -> String {
    format!("{fingerprint:016x}")
}

/// What fires.
#[utoipa::path(get, path = "/api/v2/alerts", operation_id = "alertmanager_alerts", tag = "alertmanager", params(
    ("filter" = Option<Vec<String>>, Query, description = "matchers; all must hold"),
    ("receiver" = Option<String>, Query, description = "a regular expression of receivers' names"),
    ("active" = Option<bool>, Query, description = "false leaves out what nothing mutes"),
    ("silenced" = Option<bool>, Query, description = "false leaves out what is silenced"),
    ("inhibited" = Option<bool>, Query, description = "false leaves out what is inhibited"),
    ("unprocessed" = Option<bool>, Query, description = "taken and without effect: no alert waits unprocessed"),
), responses(
    (status = 200, description = "in order of fingerprint", body = Vec<GettableAlert>),
    (status = 400, description = "the question is wrong", body = String),
))]
pub(super) async fn list(
    State(handle): State<Handle>,
    Query(pairs): Query<Pairs>,
) -> Result<Json<Vec<GettableAlert>>, Refusal> {
    let wanted = Wanted::read(&pairs)?;
    let (alerts, _) = handle.active().await?;
    let alerts = alerts.into_iter().filter(|active| wanted.has(active));
    Ok(Json(alerts.map(GettableAlert::from).collect()))
}

/// What fires, by groups.
#[utoipa::path(get, path = "/api/v2/alerts/groups", operation_id = "alertmanager_groups", tag = "alertmanager", params(
    ("filter" = Option<Vec<String>>, Query, description = "matchers; all must hold"),
    ("receiver" = Option<String>, Query, description = "a regular expression of receivers' names"),
    ("active" = Option<bool>, Query, description = "false leaves out what nothing mutes"),
    ("silenced" = Option<bool>, Query, description = "false leaves out what is silenced"),
    ("inhibited" = Option<bool>, Query, description = "false leaves out what is inhibited"),
), responses(
    (status = 200, description = "in order of their labels", body = Vec<Group>),
    (status = 400, description = "the question is wrong", body = String),
))]
pub(super) async fn groups(
    State(handle): State<Handle>,
    Query(pairs): Query<Pairs>,
) -> Result<Json<Vec<Group>>, Refusal> {
    let wanted = Wanted::read(&pairs)?;
    let (alerts, groups) = handle.active().await?;
    let alerts: BTreeMap<u64, ActiveAlert> = alerts
        .into_iter()
        .filter(|active| wanted.has(active))
        .map(|active| (active.fingerprint, active))
        .collect();
    let shown = groups
        .into_iter()
        .filter(|group| wanted.has_receiver(&group.receiver))
        .map(|group| Group {
            alerts: group
                .alerts
                .iter()
                .filter_map(|fingerprint| alerts.get(fingerprint))
                .map(|active| GettableAlert::from(active.clone()))
                .collect(),
            labels: group.labels,
            receiver: Named {
                name: group.receiver,
            },
        })
        .filter(|group| !group.alerts.is_empty());
    Ok(Json(shown.collect()))
}

/// An alert as it is posted.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PostableAlert)]
pub(super) struct PostableAlert {
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    /// When it began; now, or the end, when left out.
    starts_at: Option<String>,
    /// Until when it holds unless it is posted again; `resolve_timeout` from now when left out.
    ends_at: Option<String>,
    #[serde(default, rename = "generatorURL")]
    generator_url: String,
}

/// Takes alerts in. Answers once what is new of them is on disk; a repetition that changes nothing is
/// not written.
#[utoipa::path(post, path = "/api/v2/alerts", operation_id = "alertmanager_post_alerts", tag = "alertmanager", request_body = Vec<PostableAlert>, responses(
    (status = 200, description = "they are on disk"),
    (status = 400, description = "some are wrong; those that are not were taken", body = String),
    (status = 413, description = "the body is longer than 16 MiB", body = String),
    (status = 503, description = "not on disk: post them again", body = String),
))]
pub(super) async fn post(
    State(handle): State<Handle>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Refusal> {
    let bytes = read_json(&headers, body, POST_BYTES_MAX).await?;
    let posted: Vec<PostableAlert> = serde_json::from_slice(&bytes)
        .map_err(|cause| Refusal::bad(format!("parsing alerts body from request: {cause}")))?;
    if posted.len() > POST_ALERTS_MAX {
        return Err(Refusal::bad(format!(
            "more than {POST_ALERTS_MAX} alerts in one request"
        )));
    }
    let now = handle.now();
    let timeout = handle.policy().await?.config.resolve_timeout;
    let (mut good, mut mistakes) = (Vec::new(), Vec::new());
    for alert in posted {
        match alert.read(now, timeout) {
            Ok(alert) => good.push(alert),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    handle.post(good).await?;
    if mistakes.is_empty() {
        return Ok(StatusCode::OK);
    }
    let beyond = mistakes.len().saturating_sub(MISTAKES_LISTED_MAX);
    mistakes.truncate(MISTAKES_LISTED_MAX);
    if beyond > 0 {
        mistakes.push(format!("and {beyond} more"));
    }
    Err(Refusal::bad(mistakes.join("; ")))
}

impl PostableAlert {
    fn read(self, now: Timestamp, timeout: std::time::Duration) -> Result<Alert, String> {
        let starts_at = instant("startsAt", self.starts_at)?;
        let ends_at = instant("endsAt", self.ends_at)?;
        let starts_at = starts_at.or(ends_at).unwrap_or(now);
        let ends_at = ends_at.unwrap_or(now + timeout);
        if ends_at < starts_at {
            return Err("start time must be before end time".to_owned());
        }
        let labels = Labels::checked(self.labels).map_err(|cause| cause.to_string())?;
        if labels.is_empty() {
            return Err("at least one label pair required".to_owned());
        }
        let too_long = |text: &String| text.len() > ANNOTATION_BYTES_MAX;
        if self.annotations.len() > ANNOTATIONS_MAX {
            return Err(format!(
                "more than {ANNOTATIONS_MAX} annotations of {labels}"
            ));
        }
        if self.annotations.values().any(too_long) {
            return Err(format!(
                "an annotation of {labels} is longer than {ANNOTATION_BYTES_MAX} bytes"
            ));
        }
        if self.generator_url.len() > GENERATOR_BYTES_MAX {
            return Err(format!(
                "the generatorURL of {labels} is longer than {GENERATOR_BYTES_MAX} bytes"
            ));
        }
        let firing = ends_at > now;
        Ok(Alert {
            status: if firing {
                AlertStatus::Firing
            } else {
                AlertStatus::Resolved
            },
            labels,
            annotations: self.annotations,
            starts_at,
            ends_at: Some(ends_at),
            generator_url: self.generator_url,
        })
    }
}

/// An instant; Go's zero time means that there is none.
fn instant(field: &str, text: Option<String>) -> Result<Option<Timestamp>, String> {
    let Some(text) =
        text.filter(|text| !text.is_empty() && !text.starts_with("0001-01-01T00:00:00"))
    else {
        return Ok(None);
    };
    let wrong = || format!("{field} is not an RFC 3339 time: {text:.40}");
    text.parse().map(Some).map_err(|_| wrong())
}
