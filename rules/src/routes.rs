//! The HTTP API: rules as they stand, and the mode.

use axum::extract::State;
use axum::routing::get;
use inbound::{Access, Identity, Json, ProblemDocument, Query, Routes};
use model::{FunctionId, Mode, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use crate::engine::RuleView;
use crate::mode::{ModeError, ModeStatus};
use crate::past::at_work;
use crate::releases::routes as releases;
use crate::runtime::Rules;

/// The routes of this room.
pub fn routes(rules: Rules) -> Routes {
    Routes::new()
        .route(Access::Read, "/api/v1/rules", get(list))
        .route(Access::Read, "/api/v1/mode", get(show_mode))
        .route(
            Access::Administer,
            "/api/v1/mode",
            axum::routing::put(set_mode),
        )
        .merge(at_work::routes())
        .merge(releases::routes())
        .with_state(rules)
}

#[derive(OpenApi)]
#[openapi(
    paths(
        list,
        at_work::explain_rule,
        at_work::run_backtest,
        releases::list_releases,
        releases::mark_release,
        show_mode,
        set_mode
    ),
    tags((name = "rules", description = "Rules as they stand, and the mode."))
)]
struct Description;

/// These routes as OpenAPI describes them.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Only what concerns this function, `namespace/name`.
    #[param(value_type = Option<String>)]
    function: Option<FunctionId>,
}

/// Every rule and where it stands.
#[derive(Serialize, ToSchema)]
#[schema(as = RuleList)]
struct Listed {
    mode: Mode,
    rules: Vec<RuleView>,
    ticks_missed: u64,
    as_of: Timestamp,
}

/// Every rule with what it says now.
#[utoipa::path(get, path = "/api/v1/rules", tag = "rules", params(Wanted), responses(
    (status = 200, description = "every rule", body = Listed),
    (status = 400, description = "`function` is none", content_type = "application/problem+json"),
))]
async fn list(State(rules): State<Rules>, Query(wanted): Query<Wanted>) -> Json<Listed> {
    let (views, ticks_missed) = rules.overview(wanted.function).await;
    Json(Listed {
        mode: rules.modes().status().mode,
        rules: views,
        ticks_missed,
        as_of: rules.clock().now(),
    })
}

/// The mode.
#[utoipa::path(get, path = "/api/v1/mode", tag = "rules",
    responses((status = 200, description = "the mode", body = ModeStatus)))]
async fn show_mode(State(rules): State<Rules>) -> Json<ModeStatus> {
    Json(rules.modes().status())
}

/// Another mode.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SwitchMode)]
struct Switch {
    mode: Mode,
    /// Until when; until the schedule next changes when nothing is said.
    until: Option<Timestamp>,
}

/// Switches between everyday and sale thresholds.
#[utoipa::path(put, path = "/api/v1/mode", tag = "rules", request_body = Switch, responses(
    (status = 200, description = "the mode as it is then", body = ModeStatus),
    (status = 422, description = "`until` lies in the past", content_type = "application/problem+json"),
))]
async fn set_mode(
    State(rules): State<Rules>,
    identity: Identity,
    Json(switch): Json<Switch>,
) -> Result<Json<ModeStatus>, ProblemDocument> {
    rules
        .modes()
        .set(switch.mode, switch.until, &identity.name)
        .await
        .map(Json)
        .map_err(|error| match error {
            ModeError::Past => ProblemDocument::unprocessable("`until` must lie in the future")
                .field("until")
                .hint("leave it out to switch until the schedule next changes"),
            ModeError::State(error) => ProblemDocument::internal(error),
        })
}
