//! The HTTP API: rules as they stand, and the mode.

use axum::extract::State;
use axum::routing::get;
use inbound::{Access, Identity, Json, ProblemDocument, Query, Routes};
use model::{FunctionId, Mode, Timestamp};
use serde::{Deserialize, Serialize};

use crate::engine::RuleView;
use crate::mode::{ModeError, ModeStatus};
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
        .with_state(rules)
}

#[derive(Deserialize)]
struct Wanted {
    function: Option<FunctionId>,
}

#[derive(Serialize)]
struct Listed {
    mode: Mode,
    rules: Vec<RuleView>,
    ticks_missed: u64,
    as_of: Timestamp,
}

async fn list(State(rules): State<Rules>, Query(wanted): Query<Wanted>) -> Json<Listed> {
    let (views, ticks_missed) = rules.overview(wanted.function).await;
    Json(Listed {
        mode: rules.modes().status().mode,
        rules: views,
        ticks_missed,
        as_of: rules.clock().now(),
    })
}

async fn show_mode(State(rules): State<Rules>) -> Json<ModeStatus> {
    Json(rules.modes().status())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Switch {
    mode: Mode,
    until: Option<Timestamp>,
}

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
