//! What people look at: functions with their numbers, curves, and SQL. This version serves the API and
//! a plain index; the pages drawn from it are not there yet.
//!
//! Owns: the read API of functions, series and SQL, and the index at `/`.
//! Never: changes state except through another room's API.
//! Entry point: [`routes`].

mod functions;
mod index;
mod range;
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
    /// The time.
    pub clock: SharedClock,
}

/// `/`, `/api/v1/functions`, `/api/v1/functions/{namespace}/{function}/series`, `/api/v1/sql`.
pub fn routes(sources: Sources) -> Routes {
    Routes::new()
        .route(Access::Read, "/", get(index::show))
        .route(Access::Read, "/api/v1/functions", get(functions::list))
        .route(Access::Read, "/api/v1/functions/{namespace}/{function}/series", get(series::show))
        .route(Access::Read, "/api/v1/sql", post(sql::ask))
        .with_state(sources)
}
