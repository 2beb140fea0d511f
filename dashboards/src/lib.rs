//! What people look at: functions with their numbers, curves, and SQL. This version serves the API and
//! plain pages without script, where the links in messages lead.
//!
//! Owns: the read API of functions, series and SQL; plain pages of functions, incidents and rules.
//! Never: changes state except through another room's API.
//! Entry point: [`routes`].

mod functions;
mod incidents;
mod index;
mod page;
mod range;
mod rules;
mod series;
mod sql;

use axum::routing::{get, post};
use inbound::{Access, Routes};
use model::SharedClock;
use store::Store;

/// What the API is answered from.
#[derive(Clone)]
pub struct Sources {
    /// Rows and rollups.
    pub store: Store,
    /// How much has arrived.
    pub collector: collector::Collector,
    /// What fires, and who owns what.
    pub alerting: alerting::Handle,
    /// What rules say.
    pub rules: ::rules::Rules,
    /// The time.
    pub clock: SharedClock,
}

/// `/`, `/incidents`, `/incidents/{id}`, `/rules`, `/api/v1/functions`, `/api/v1/functions/{namespace}/{function}/series`, `/api/v1/sql`.
pub fn routes(sources: Sources) -> Routes {
    Routes::new()
        .route(Access::Read, "/", get(index::show))
        .route(Access::Read, "/incidents", get(incidents::list))
        .route(Access::Read, "/incidents/{id}", get(incidents::show))
        .route(Access::Read, "/rules", get(rules::show))
        .route(Access::Read, "/api/v1/functions", get(functions::list))
        .route(
            Access::Read,
            "/api/v1/functions/{namespace}/{function}/series",
            get(series::show),
        )
        .route(Access::Read, "/api/v1/sql", post(sql::ask))
        .with_state(sources)
}
