//! `GET /api/v1/system`: how Rampart itself is doing.

use axum::extract::State;
use collector::SourceStatus;
use inbound::Json;
use model::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Sources;

/// How Rampart is doing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct System {
    /// Its version.
    pub(crate) version: &'static str,
    /// When it started.
    pub(crate) started_at: Timestamp,
    /// The moment of the answer.
    pub(crate) as_of: Timestamp,
    /// What keeps calls from being taken in, if anything does.
    pub(crate) trouble: Option<&'static str>,
    /// Which thresholds hold.
    pub(crate) mode: ::rules::ModeStatus,
    /// Who pages people, where several nodes share a database.
    pub(crate) node: Option<::alerting::NodeStatus>,
    /// Functions that are remembered.
    pub(crate) functions: u64,
    /// The rules.
    pub(crate) rules: RulesStatus,
    /// Where rows come from.
    pub(crate) sources: Vec<SourceStatus>,
    /// The tables.
    pub(crate) store: store::Stats,
}

/// How the rules are doing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RulesStatus {
    /// How many are watched.
    pub(crate) count: usize,
    /// How many of them could not be evaluated last.
    pub(crate) failing: usize,
    /// Seconds at which they should have been looked at and were not.
    pub(crate) ticks_missed: u64,
}

/// How Rampart itself is doing.
#[utoipa::path(get, path = "/api/v1/system", tag = "dashboards",
    responses((status = 200, description = "how it is doing", body = System)))]
pub(crate) async fn show(State(sources): State<Sources>) -> Json<System> {
    let (rules, ticks_missed) = sources.rules.overview(None).await;
    Json(System {
        version: env!("CARGO_PKG_VERSION"),
        started_at: sources.started_at,
        as_of: sources.clock.now(),
        trouble: *sources.trouble.borrow(),
        mode: sources.rules.modes().status(),
        node: sources.alerting.node(),
        functions: sources.store.rollups().stats().functions,
        rules: RulesStatus {
            count: rules.len(),
            failing: rules.iter().filter(|rule| rule.error.is_some()).count(),
            ticks_missed,
        },
        sources: sources.collector.sources(),
        store: sources.store.stats(),
    })
}
