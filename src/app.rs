//! The wiring: builds the rooms from a proven configuration, starts them, stops them in order.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use alerting::Alerting;
use axum::Router;
use collector::Collector;
use dashboards::LoadTests;
use inbound::{Gate, Routes};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use model::SharedClock;
use outbound::Outbound;
use rules::{Modes, Rules};
use state::State;
use store::Store;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::adapters::{CollectorSight, PerMinute, Tested, ToAlerting};
use crate::config::Config;
use crate::reload::{Origin, Reload, Running};
use crate::reserve;
use crate::server::{health, listener, openapi};
use crate::watch as own_watch;

/// How long each may take to finish once a stop was asked for; under ten seconds together.
const CONNECTION_GRACE: Duration = Duration::from_secs(2);
const SOURCES_GRACE: Duration = Duration::from_secs(2);
const RULES_GRACE: Duration = Duration::from_secs(1);
const DELIVERY_GRACE: Duration = Duration::from_secs(2);
const CLOSING_GRACE: Duration = Duration::from_millis(1_200);

/// Why the server did not start; each is one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is taken or may not be used.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// Why, and what to do.
        reason: String,
    },
    /// The data folder cannot be used.
    #[error("cannot use the data folder {path}: {reason}")]
    DataFolder {
        /// The folder.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// The tables cannot be opened.
    #[error("cannot open the tables: {0}")]
    Store(#[from] store::OpenError),
    /// The operational state cannot be opened.
    #[error("cannot open the operational state: {0}")]
    State(#[from] state::StateError),
    /// Rules could not take up their state.
    #[error("cannot start the rules: {0}")]
    Rules(#[from] rules::LedgerError),
    /// Alerting could not take up its state.
    #[error("cannot start alerting: {0}")]
    Alerting(#[from] alerting::AlertingError),
    /// The sources could not be started.
    #[error("cannot start the sources: {0}")]
    Collector(#[from] collector::StartError),
    /// What is kept of load tests cannot be read.
    #[error("cannot read the load tests: {0}")]
    LoadTests(#[from] store::QueryError),
    /// Links cannot be made from the external address.
    #[error("cannot answer under the external address: {0}")]
    Gate(#[from] inbound::GateError),
}

/// A running server.
pub struct App {
    address: SocketAddr,
    paths: Vec<String>,
    reload: Arc<Reload>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    upkeep: JoinHandle<()>,
    watching: JoinHandle<()>,
    rooms: Rooms,
}

struct Rooms {
    /// What belongs to this node's own tables: the rules' phases.
    own_state: State,
    /// What nodes may share: incidents, silences, the mode.
    state: State,
    store: Store,
    collector: Collector,
    rules: Rules,
    alerting: Alerting,
    loadtests: LoadTests,
}

impl App {
    /// Binds, opens, replays and starts everything; answers requests when it returns.
    pub async fn start(
        config: Config,
        origin: Origin,
        clock: SharedClock,
    ) -> Result<App, StartError> {
        let listener = bind(config.listen).await?;
        let address = listener.local_addr().map_err(|error| StartError::Listen {
            address: config.listen,
            reason: error.to_string(),
        })?;
        use_reserve(&config.data_dir);
        prepare_folder(&config.data_dir)?;
        let metrics = record_metrics();
        let (rooms, modes) = start_rooms(&config, address, &clock).await?;
        let reload = Arc::new(
            Reload::open(
                origin,
                &config,
                running(&rooms, modes, &config),
                clock.clone(),
            )
            .await,
        );
        let (stop, stopping) = watch::channel(false);
        let (trouble, told) = watch::channel(None);
        let watching = tokio::spawn(own_watch::run(
            watched(&rooms, &config, &clock),
            trouble,
            stopping.clone(),
        ));
        let health = health::Health {
            store: rooms.store.clone(),
            states: [rooms.state.clone(), rooms.own_state.clone()],
            trouble: told,
            metrics: metrics.clone(),
            reload: reload.clone(),
        };
        let (router, paths) = router(&rooms, health, &config, &clock, address, stopping.clone())?;
        let limits = listener::Limits::default();
        let serving = tokio::spawn(listener::serve(
            listener,
            router,
            limits,
            stopping.clone(),
            CONNECTION_GRACE,
        ));
        if config.shared_state.is_some() {
            tokio::spawn(follow_others(rooms.rules.clone(), stopping.clone()));
        }
        let upkeep = tokio::spawn(keep_metrics(metrics, stopping));
        Ok(App {
            address,
            paths,
            reload,
            stop,
            serving,
            upkeep,
            watching,
            rooms,
        })
    }

    /// Where it listens; the real port when 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every path it answers, as declared.
    pub fn paths(&self) -> &[String] {
        &self.paths
    }

    /// The way to a new configuration.
    pub fn reload(&self) -> Arc<Reload> {
        self.reload.clone()
    }

    /// Why the tables have stopped taking calls in for good, if they have.
    pub fn storage_failure(&self) -> Option<String> {
        self.rooms.store.stats().stopped_because
    }

    /// Stops taking requests, lets what is under way finish, closes the files. Takes at most 10 s.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.serving.await;
        self.upkeep.abort();
        self.watching.abort();
        let Rooms {
            own_state,
            state,
            store,
            collector,
            rules,
            alerting,
            loadtests,
        } = self.rooms;
        drop(loadtests);
        within("the sources", SOURCES_GRACE, collector.stop()).await;
        within("the rules", RULES_GRACE, rules.stop()).await;
        alerting.stop(DELIVERY_GRACE).await;
        within("the tables", CLOSING_GRACE, store.close()).await;
        let states = async { tokio::join!(state.close(), own_state.close()) };
        within("the operational state", CLOSING_GRACE, async {
            states.await;
        })
        .await;
    }
}

/// Waits for a room to end, but not for ever: what is acknowledged is on disk already.
pub async fn within(what: &str, grace: Duration, ending: impl Future<Output = ()>) {
    if tokio::time::timeout(grace, ending).await.is_err() {
        tracing::warn!("{what} did not end within {grace:?} and are left behind");
    }
}

const ROOMS_WITH_STATE: [state::Migrations; 2] = [rules::MIGRATIONS, alerting::MIGRATIONS];
/// How often a node looks what was set or marked at another one.
const OTHERS_EVERY: Duration = Duration::from_secs(1);

/// The state that is this node's own, and the one that nodes share: the same without a server.
async fn open_states(config: &Config) -> Result<(State, State), StartError> {
    let own = open_state(&config.data_dir.join("rampart.db")).await?;
    let Some(shared) = &config.shared_state else {
        return Ok((own.clone(), own));
    };
    let place = state::Place::Server(shared.url.clone());
    let limits = state::Limits::default();
    let shared = State::open_at(&place, &ROOMS_WITH_STATE, &limits).await?;
    Ok((own, shared))
}

/// Takes up the mode that was set and the releases that were marked at another node.
async fn follow_others(rules: Rules, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stop.changed() => return,
            () = tokio::time::sleep(OTHERS_EVERY) => {}
        }
        if let Err(error) = rules.modes().read_again().await {
            tracing::warn!(%error, "the mode was not read; it stays as it was");
        }
        if let Err(error) = rules.read_releases_again().await {
            tracing::warn!(%error, "releases marked at other nodes were not read");
        }
    }
}

/// Opens the operational state. A damaged file is set aside rather than keeping the guard from
/// starting: what it held is lost, what comes from now on is not.
pub async fn open_state(path: &Path) -> Result<State, StartError> {
    let rooms = ROOMS_WITH_STATE;
    match State::open(path, &rooms).await {
        Err(damage @ state::StateError::Corrupt { .. }) => {
            let kept = state::set_aside(path).map_err(|error| StartError::DataFolder {
                path: path.to_owned(),
                reason: format!("{damage}; it could not be set aside: {error}"),
            })?;
            tracing::error!(%damage, kept = %kept.display(), "the operational state is damaged; it was set aside and begins anew");
            metrics::counter!("rampart_state_set_aside_total").increment(1);
            Ok(State::open(path, &rooms).await?)
        }
        opened => Ok(opened?),
    }
}

/// Listens on an address, or says why not.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| {
        let reason = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                "another program listens there; stop it, or choose another port with --listen"
                    .to_owned()
            }
            std::io::ErrorKind::PermissionDenied => {
                "this user may not use that port; choose one above 1023".to_owned()
            }
            std::io::ErrorKind::AddrNotAvailable => {
                "this machine does not have that address".to_owned()
            }
            _ => error.to_string(),
        };
        StartError::Listen { address, reason }
    })
}

/// Alerting's records must open even on a full disk.
fn use_reserve(data_dir: &Path) {
    if reserve::give_up_if_full(data_dir, own_watch::free_bytes(data_dir)) {
        tracing::warn!("the disk is full; what was set aside for alerting's records is used now");
    }
}

/// Makes a folder for data, or says why not.
pub fn prepare_folder(path: &Path) -> Result<(), StartError> {
    let refuse = |error: std::io::Error| StartError::DataFolder {
        path: path.to_owned(),
        reason: match error.kind() {
            std::io::ErrorKind::PermissionDenied => {
                "this user may not write there; change its owner or choose another with --data-dir"
                    .to_owned()
            }
            std::io::ErrorKind::NotADirectory | std::io::ErrorKind::AlreadyExists => {
                "a part of it is a file, not a folder".to_owned()
            }
            _ => error.to_string(),
        },
    };
    std::fs::create_dir_all(path).map_err(refuse)?;
    let probe = path.join(".writable");
    std::fs::write(&probe, b"").map_err(refuse)?;
    std::fs::remove_file(&probe).map_err(refuse)
}

async fn start_rooms(
    config: &Config,
    address: SocketAddr,
    clock: &SharedClock,
) -> Result<(Rooms, Modes), StartError> {
    let store = Store::open(config.store.clone(), clock.clone()).await?;
    let (own_state, state) = open_states(config).await?;
    let outbound = Outbound::new(config.outbound_allow.clone(), outbound::Limits::default());
    let modes = Modes::open(state.clone(), config.rush.clone(), clock.clone()).await?;
    let external_url = config
        .external_url
        .clone()
        .unwrap_or_else(|| format!("http://{address}"));
    let node = config
        .shared_state
        .as_ref()
        .map(|shared| shared.node.clone());
    let alerting = Alerting::start(
        node.unwrap_or_default(),
        config.alerting.clone(),
        config.teams.clone(),
        state.clone(),
        outbound.clone(),
        modes.watch(),
        clock.clone(),
        Some(external_url.clone()),
    )
    .await?;
    alerting
        .handle()
        .set_charts(Arc::new(PerMinute(store.clone())));
    let collector = Collector::start(
        config.collector.clone(),
        store.clone(),
        outbound,
        clock.clone(),
        &config.data_dir,
    )?;
    let loadtests = LoadTests::open(store.clone(), clock.clone()).await?;
    let rules = Rules::start(
        config.rules.clone(),
        store.clone(),
        own_state.clone(),
        Arc::new(CollectorSight(collector.clone())),
        Arc::new(Tested(loadtests.clone())),
        Arc::new(ToAlerting(alerting.handle())),
        modes.clone(),
        clock.clone(),
        rules::Options {
            external_url,
            shared: config.shared_state.as_ref().map(|_| state.clone()),
        },
    )
    .await?;
    Ok((
        Rooms {
            own_state,
            state,
            store,
            collector,
            rules,
            alerting,
            loadtests,
        },
        modes,
    ))
}

/// The rooms that take up a new configuration while they run.
fn running(rooms: &Rooms, modes: Modes, config: &Config) -> Running {
    Running {
        rules: rooms.rules.clone(),
        alerting: rooms.alerting.handle(),
        collector: rooms.collector.clone(),
        modes,
        tokens: config.tokens.clone(),
    }
}

/// What Rampart watches of itself.
fn watched(rooms: &Rooms, config: &Config, clock: &SharedClock) -> own_watch::Watched {
    own_watch::Watched {
        store: rooms.store.clone(),
        data_dir: config.data_dir.clone(),
        disk_free_bytes_min: config.store.disk_free_bytes_min,
        alerting: rooms.alerting.handle(),
        clock: clock.clone(),
    }
}

/// Every route of every room behind one gate, and the paths they were declared with.
fn router(
    rooms: &Rooms,
    health: health::Health,
    config: &Config,
    clock: &SharedClock,
    address: SocketAddr,
    stopping: watch::Receiver<bool>,
) -> Result<(Router, Vec<String>), StartError> {
    let shown = dashboards::Rooms {
        store: rooms.store.clone(),
        collector: rooms.collector.clone(),
        alerting: rooms.alerting.handle(),
        rules: rooms.rules.clone(),
        loadtests: rooms.loadtests.clone(),
        clock: clock.clone(),
        trouble: health.trouble.clone(),
        stopping,
    };
    let pages = dashboards::Pages::below(&base_path(config.external_url.as_deref()));
    let missing = pages.clone();
    let shown = dashboards::Sources::new(shown, pages);
    let routes = Routes::new()
        .merge(health::routes(health))
        .merge(openapi::routes(config.external_url.as_deref()))
        .merge(collector::routes(rooms.collector.clone()))
        .merge(rules::routes(rooms.rules.clone()))
        .merge(alerting::routes(
            rooms.alerting.handle(),
            about(address, clock),
        ))
        .merge(dashboards::routes(shown));
    let mut gate = Gate::new(config.tokens.clone());
    if let Some(url) = &config.external_url {
        gate = gate.external_url(url)?;
    }
    if config.insecure {
        gate = gate.insecure();
    }
    let missing = inbound::MissingPage::new(move |headers| missing.missing(headers));
    let paths = routes.declared().iter().map(|(path, _)| path.clone());
    let paths = paths.collect();
    let router = inbound::layer_with_page(routes.into_router(), gate, missing);
    Ok((router, paths))
}

/// What this server says of itself to those who speak Alertmanager's language.
fn about(address: SocketAddr, clock: &SharedClock) -> alerting::About {
    alerting::About {
        started_at: clock.now(),
        version: env!("CARGO_PKG_VERSION"),
        address: address.to_string(),
    }
}

/// The path that pages live below: that of the external address, `/` without one.
fn base_path(external_url: Option<&str>) -> String {
    let path = external_url
        .and_then(|url| url.split_once("://"))
        .and_then(|(_, rest)| rest.split_once('/'))
        .map_or("", |(_, path)| path.trim_end_matches('/'));
    if path.is_empty() {
        "/".to_owned()
    } else {
        format!("/{path}/")
    }
}

/// Records the program's own metrics from now on.
pub fn record_metrics() -> PrometheusHandle {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    // A second server in the same process keeps the first one's recorder.
    let _ = metrics::set_global_recorder(recorder);
    handle
}

/// Keeps the recorded metrics small until it is stopped.
pub async fn keep_metrics(handle: PrometheusHandle, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(5)) => handle.run_upkeep(),
            _ = stop.wait_for(|stopping| *stopping) => return,
        }
    }
}
