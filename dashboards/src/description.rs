//! What this room adds to the API's description.

use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    paths(
        crate::functions::list,
        crate::function::show,
        crate::series::show,
        crate::locate::show,
        crate::system::show,
        crate::live::listen,
        crate::sql::ask,
        crate::loadtests::api::keep,
        crate::loadtests::api::list,
        crate::loadtests::api::show,
        crate::loadtests::api::limits,
        crate::loadtests::api::approve,
    ),
    components(schemas(crate::loadtests::limits::FlowRule)),
    tags((name = "dashboards", description = "Functions with their numbers, curves and causes; SQL; how Rampart is doing."), (name = "loadtests", description = "Results of load tests, what pods carry, and the limits that follow."))
)]
struct Description;

/// The routes below `/api/v1` that [`crate::routes`] serves, as OpenAPI describes them.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Description::openapi()
}
