//! The wiring of `rampart alertmanager`: the state file, alerting, and the routes in front of it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use alerting::pipeline::Policy;
use alerting::{Alerting, Node, Teams};
use axum::extract::State as Shared;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use inbound::{Access, Gate, Routes};
use metrics_exporter_prometheus::PrometheusHandle;
use model::{Mode, SharedClock};
use outbound::{AllowList, Outbound};
use state::State;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::app::{
    StartError, bind, keep_metrics, open_state, prepare_folder, record_metrics, within,
};
use crate::server::listener;

/// How long each may take to finish once a stop was asked for.
const CONNECTION_GRACE: Duration = Duration::from_secs(2);
const DELIVERY_GRACE: Duration = Duration::from_secs(4);
const CLOSING_GRACE: Duration = Duration::from_secs(2);

/// What the flags say.
pub(super) struct Settings {
    pub(super) address: SocketAddr,
    pub(super) external_url: Option<String>,
    pub(super) prefix: Option<String>,
    pub(super) storage: PathBuf,
    pub(super) file: PathBuf,
}

/// A running server.
pub(super) struct Server {
    address: SocketAddr,
    core: Core,
    alerting: Alerting,
    stop: watch::Sender<bool>,
    tasks: [JoinHandle<()>; 2],
    /// Nothing changes the mode here; the sender is kept so that nobody waits for it in vain.
    _mode: watch::Sender<Mode>,
}

/// What requests need.
#[derive(Clone)]
struct Core {
    handle: alerting::Handle,
    state: State,
    metrics: PrometheusHandle,
    file: Arc<PathBuf>,
    external_url: Option<String>,
    clock: SharedClock,
}

impl Server {
    pub(super) async fn start(
        config: alerting::Config,
        settings: Settings,
        clock: SharedClock,
    ) -> Result<Server, StartError> {
        let listener = bind(settings.address).await?;
        let address = listener.local_addr().map_err(|error| StartError::Listen {
            address: settings.address,
            reason: error.to_string(),
        })?;
        prepare_folder(&settings.storage)?;
        let metrics = record_metrics();
        let state = open_state(&settings.storage.join("rampart.db")).await?;
        let external_url = settings.external_url.clone();
        let (mode, modes) = watch::channel(Mode::Daily);
        let alerting = Alerting::start(
            Node::default(),
            config,
            Teams::default(),
            state.clone(),
            Outbound::new(AllowList::default(), outbound::Limits::default()),
            modes,
            clock.clone(),
            Some(external_url.unwrap_or_else(|| format!("http://{address}"))),
        )
        .await?;
        let core = Core {
            handle: alerting.handle(),
            state,
            metrics: metrics.clone(),
            file: Arc::new(settings.file),
            external_url: settings.external_url,
            clock,
        };
        let (stop, stopping) = watch::channel(false);
        let mut gate = Gate::new(None).insecure().any_host();
        if let Some(url) = &core.external_url {
            gate = gate.external_url(url)?;
        }
        let routes = routes(&core, address, settings.prefix.as_deref());
        let router = inbound::layer(routes.into_router(), gate);
        let serving = tokio::spawn(listener::serve(
            listener,
            router,
            listener::Limits::default(),
            stopping.clone(),
            CONNECTION_GRACE,
        ));
        let upkeep = tokio::spawn(keep_metrics(metrics, stopping));
        Ok(Server {
            address,
            core,
            alerting,
            stop,
            tasks: [serving, upkeep],
            _mode: mode,
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) async fn reload(&self) -> Result<(), String> {
        self.core.reload().await
    }

    pub(super) async fn stop(self) {
        let _ = self.stop.send(true);
        for task in self.tasks {
            let _ = task.await;
        }
        self.alerting.stop(DELIVERY_GRACE).await;
        within("the state", CLOSING_GRACE, self.core.state.close()).await;
    }
}

impl Core {
    /// Follows the file as it is now; one with mistakes changes nothing.
    async fn reload(&self) -> Result<(), String> {
        let (config, _) = super::load(&self.file, self.external_url.as_deref(), self.clock.now())?;
        let policy = Policy::new(config, Teams::default());
        let done = self.handle.reload(Arc::new(policy)).await;
        done.map_err(|error| error.to_string())
    }
}

fn routes(core: &Core, address: SocketAddr, prefix: Option<&str>) -> Routes {
    let about = alerting::About {
        started_at: core.clock.now(),
        version: env!("CARGO_PKG_VERSION"),
        address: address.to_string(),
    };
    let own = Routes::new()
        .route(Access::Public, "/-/healthy", get(alive))
        .route(Access::Public, "/-/ready", get(ready))
        .route(Access::Public, "/metrics", get(own_metrics))
        .route(Access::Administer, "/-/reload", post(reload))
        .with_state(core.clone());
    let all = own.merge(alerting::routes(core.handle.clone(), about));
    match prefix
        .map(|prefix| prefix.trim_matches('/'))
        .filter(|prefix| !prefix.is_empty())
    {
        Some(prefix) => Routes::new().nest(&format!("/{prefix}"), all),
        None => all,
    }
}

async fn alive() -> &'static str {
    "OK"
}

async fn ready(Shared(core): Shared<Core>) -> Response {
    if core.state.healthy() {
        return "OK".into_response();
    }
    let said = "the state cannot be written; pages go out without records\n";
    (StatusCode::SERVICE_UNAVAILABLE, said).into_response()
}

async fn own_metrics(Shared(core): Shared<Core>) -> Response {
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    (
        [(header::CONTENT_TYPE, content_type)],
        core.metrics.render(),
    )
        .into_response()
}

async fn reload(Shared(core): Shared<Core>) -> Response {
    // In a task of its own: a caller who goes away must not leave it half done.
    let done = tokio::spawn(async move { core.reload().await }).await;
    match done {
        Ok(Ok(())) => StatusCode::OK.into_response(),
        Ok(Err(said)) => {
            let said = format!("failed to reload config: {said}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, said).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
