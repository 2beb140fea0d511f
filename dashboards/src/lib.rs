//! What people look at: pages with functions, incidents, rules and Rampart itself, and the API that
//! serves them.
//!
//! Owns: the pages (`dashboards/web`, built and embedded); the read API of functions, series, causes,
//! sources and SQL; the stream that keeps pages current.
//! It keeps results of load tests as rows of the store, and says which limits follow.
//! Never: changes state except through another room's API.
//! Entry point: [`routes`].

mod description;
mod function;
mod functions;
mod live;
mod loadtests;
mod locate;
mod numbers;
mod past;
mod range;
mod series;
mod sql;
mod system;
mod web;

use axum::routing::{get, post};
use inbound::{Access, Routes};
use model::{SharedClock, Timestamp};
use store::Store;
use tokio::sync::watch;

pub use description::openapi;
pub use loadtests::{LoadTests, PodCapacity};
pub use web::Pages;

/// What the API is answered from.
#[derive(Clone)]
pub struct Sources {
    store: Store,
    collector: collector::Collector,
    alerting: alerting::Handle,
    rules: ::rules::Rules,
    loadtests: LoadTests,
    clock: SharedClock,
    pages: Pages,
    trouble: watch::Receiver<Option<&'static str>>,
    stopping: watch::Receiver<bool>,
    started_at: Timestamp,
    lists: functions::Lists,
    pasts: past::Pasts,
    streams: live::Streams,
}

/// The rooms and facts that the pages show.
pub struct Rooms {
    /// Rows and rollups.
    pub store: Store,
    /// How much has arrived.
    pub collector: collector::Collector,
    /// What fires, and who owns what.
    pub alerting: alerting::Handle,
    /// What rules say.
    pub rules: ::rules::Rules,
    /// What pods carry.
    pub loadtests: LoadTests,
    /// The time.
    pub clock: SharedClock,
    /// What keeps calls from being taken in.
    pub trouble: watch::Receiver<Option<&'static str>>,
    /// Turns true when streams have to end.
    pub stopping: watch::Receiver<bool>,
}

impl Sources {
    /// Answers from these rooms, with these pages.
    pub fn new(rooms: Rooms, pages: Pages) -> Self {
        Sources {
            started_at: rooms.clock.now(),
            store: rooms.store,
            collector: rooms.collector,
            alerting: rooms.alerting,
            rules: rooms.rules,
            loadtests: rooms.loadtests,
            clock: rooms.clock,
            pages,
            trouble: rooms.trouble,
            stopping: rooms.stopping,
            lists: functions::Lists::default(),
            pasts: past::Pasts::default(),
            streams: live::Streams::default(),
        }
    }
}

/// The pages and their API. The pages themselves hold nothing secret, so that a browser can load them
/// and ask for a token; all they show comes through the API, which needs one.
pub fn routes(sources: Sources) -> Routes {
    let mut routes = Routes::new();
    for path in [
        "/",
        "/f/{namespace}/{function}",
        "/incidents",
        "/incidents/{id}",
        "/rules",
        "/system",
    ] {
        routes = routes.route(Access::Public, path, get(web::page));
    }
    let loadtests = loadtests::api::routes(sources.loadtests.clone());
    let function = "/api/v1/functions/{namespace}/{function}";
    routes
        .route(Access::Public, "/assets/{name}", get(web::asset))
        .route(Access::Read, "/api/v1/functions", get(functions::list))
        .route(Access::Read, function, get(function::show))
        .route(
            Access::Read,
            &format!("{function}/series"),
            get(series::show),
        )
        .route(
            Access::Read,
            &format!("{function}/locate"),
            get(locate::show),
        )
        .route(Access::Read, "/api/v1/system", get(system::show))
        .route(Access::Read, "/api/v1/stream", get(live::listen))
        .route(Access::Read, "/api/v1/sql", post(sql::ask))
        .with_state(sources)
        .merge(loadtests)
}
