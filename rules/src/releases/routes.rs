//! The HTTP API: releases are marked and listed.

use axum::extract::State;
use axum::routing::get;
use inbound::{Access, Identity, Json, ProblemDocument, Query, Routes};
use model::{FunctionId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Release, ReleaseError, Stage};
use crate::runtime::Rules;

/// Marks in one answer.
const LISTED_MAX: usize = 1_000;

/// The routes of releases.
pub(crate) fn routes() -> Routes<Rules> {
    Routes::new()
        .route(Access::Read, "/api/v1/releases", get(list_releases))
        .route(
            Access::Administer,
            "/api/v1/releases",
            axum::routing::post(mark_release),
        )
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Only of this function, `namespace/name`.
    #[param(value_type = Option<String>)]
    function: Option<FunctionId>,
}

/// Marks, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = ReleaseList)]
pub(crate) struct Listed {
    releases: Vec<Release>,
    as_of: Timestamp,
}

/// Releases that were marked, newest first.
#[utoipa::path(get, path = "/api/v1/releases", tag = "rules", params(Wanted), responses(
    (status = 200, description = "the newest thousand", body = Listed),
    (status = 400, description = "`function` is none", content_type = "application/problem+json"),
))]
pub(crate) async fn list_releases(
    State(rules): State<Rules>,
    Query(wanted): Query<Wanted>,
) -> Json<Listed> {
    let known = rules.releases();
    let mut releases: Vec<Release> = match &wanted.function {
        Some(function) => known.of(function).to_vec(),
        None => known.iter().cloned().collect(),
    };
    releases.sort_by_key(|release| std::cmp::Reverse(release.at));
    releases.truncate(LISTED_MAX);
    Json(Listed {
        releases,
        as_of: rules.clock().now(),
    })
}

/// A release.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MarkRelease)]
pub(crate) struct Mark {
    /// The function, `namespace/name`.
    #[schema(value_type = String)]
    function: FunctionId,
    /// The version.
    version: String,
    /// What it has become.
    stage: Stage,
    /// Which share of the calls it gets, in percent.
    percent: Option<f64>,
    /// The only unit it is in.
    unit: Option<String>,
    /// When; now when nothing is said.
    at: Option<Timestamp>,
}

/// Marks a release, which says what is gray and what is base.
#[utoipa::path(post, path = "/api/v1/releases", tag = "rules", request_body = Mark, responses(
    (status = 200, description = "the mark", body = Release),
    (status = 422, description = "something in it is wrong", content_type = "application/problem+json"),
))]
pub(crate) async fn mark_release(
    State(rules): State<Rules>,
    identity: Identity,
    Json(mark): Json<Mark>,
) -> Result<Json<Release>, ProblemDocument> {
    let release = Release {
        function: mark.function,
        version: mark.version,
        stage: mark.stage,
        percent: mark.percent,
        unit: mark.unit,
        at: mark.at.unwrap_or_else(|| rules.clock().now()),
        by: identity.name.clone(),
    };
    rules
        .mark_release(release)
        .await
        .map(Json)
        .map_err(|error| match error {
            ReleaseError::Refused { field, what } => {
                ProblemDocument::unprocessable(what).field(field)
            }
            ReleaseError::State(error) => ProblemDocument::internal(error),
        })
}
