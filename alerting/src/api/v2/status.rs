//! `/api/v2/status` and `/api/v2/receivers`: what this server is and follows.

use axum::extract::State;
use inbound::Json;
use model::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{About, Named, Refusal};
use crate::config;
use crate::engine::Handle;

/// What this server is and follows.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AlertmanagerStatus)]
pub(super) struct StatusAnswer {
    cluster: Cluster,
    config: Original,
    uptime: Timestamp,
    version_info: VersionInfo,
}

/// Nodes that share alerts: this one.
#[derive(Serialize, ToSchema)]
#[schema(as = AlertmanagerCluster)]
struct Cluster {
    name: String,
    peers: Vec<Peer>,
    status: &'static str,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AlertmanagerPeer)]
struct Peer {
    address: String,
    name: String,
}

/// The routes in force in Alertmanager's own notation, without secrets.
#[derive(Serialize, ToSchema)]
#[schema(as = AlertmanagerConfig)]
struct Original {
    original: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AlertmanagerVersion)]
struct VersionInfo {
    branch: &'static str,
    build_date: &'static str,
    build_user: &'static str,
    go_version: &'static str,
    revision: &'static str,
    version: &'static str,
}

/// The receivers' names.
#[utoipa::path(get, path = "/api/v2/receivers", operation_id = "alertmanager_receivers", tag = "alertmanager", responses(
    (status = 200, description = "in order of name", body = Vec<Named>),
))]
pub(super) async fn receivers(State(handle): State<Handle>) -> Result<Json<Vec<Named>>, Refusal> {
    let policy = handle.policy().await?;
    let names = policy.config.receivers.keys().cloned();
    Ok(Json(names.map(|name| Named { name }).collect()))
}

/// What this server is and follows.
#[utoipa::path(get, path = "/api/v2/status", operation_id = "alertmanager_status", tag = "alertmanager", responses(
    (status = 200, description = "the version, the routes in force, the one node", body = StatusAnswer),
))]
pub(super) async fn show(
    State((handle, about)): State<(Handle, About)>,
) -> Result<Json<StatusAnswer>, Refusal> {
    let policy = handle.policy().await?;
    let name = "rampart".to_owned();
    Ok(Json(StatusAnswer {
        cluster: Cluster {
            peers: vec![Peer {
                address: about.address,
                name: name.clone(),
            }],
            name,
            status: "ready",
        },
        config: Original {
            original: config::as_alertmanager(&policy.config),
        },
        uptime: about.started_at,
        version_info: VersionInfo {
            branch: "",
            build_date: "",
            build_user: "",
            go_version: "",
            revision: "",
            version: about.version,
        },
    }))
}
