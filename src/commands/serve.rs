//! `rampart serve`: proves the configuration, starts, reloads on SIGHUP, stops on SIGTERM and SIGINT.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::{Clock, SharedClock, SystemClock};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{complain, tell};
use crate::app::App;
use crate::args::{LogFormat, ServeArguments};
use crate::config::{Config, ConfigFiles, DEFAULT_DATA_DIR, Overrides, Surroundings, last_good};
use crate::exit::Exit;
use crate::reload::Origin;
use crate::surroundings;

/// The configuration that is read when none is named.
pub const DEFAULT_FILE: &str = "rampart.yaml";

/// Runs until told to stop.
pub async fn run(arguments: ServeArguments) -> Exit {
    start_log(arguments.log_format, None);
    let mut signals = Signals::listen();
    let clock: SharedClock = match arguments.clock {
        Some(start) => Arc::new(SystemClock::starting_at(start)),
        None => SystemClock::shared(),
    };
    let origin = arguments.config.clone().or_else(|| {
        Path::new(DEFAULT_FILE)
            .exists()
            .then(|| PathBuf::from(DEFAULT_FILE))
    });
    let overrides = Overrides {
        listen: arguments.listen,
        data_dir: arguments.data_dir.clone(),
        external_url: arguments.external_url.clone(),
        insecure: arguments.insecure,
    };
    let (config, files, rejected) = match prove(origin.as_deref(), &overrides, clock.as_ref()) {
        Ok(proven) => proven,
        Err(exit) => return exit,
    };
    if config.insecure && config.tokens.is_none() && !config.listen.ip().is_loopback() {
        tell(
            "WARNING: --insecure: anyone who reaches this address may read, write and acknowledge",
        );
    }
    let data_dir = config.data_dir.clone();
    let app = match App::start(
        config,
        Origin {
            path: origin,
            files: files.clone(),
            overrides,
            rejected,
        },
        clock.clone(),
    )
    .await
    {
        Ok(app) => app,
        Err(error) => return complain(&error.to_string(), Exit::Failed),
    };
    if let Err(error) = last_good::save(&data_dir, &files) {
        tracing::warn!(%error, "the configuration in force could not be remembered for the next start");
    }
    announce(&app);
    until_stopped(&app, &mut signals).await;
    tell("stopping");
    let failure = app.storage_failure();
    app.stop().await;
    match failure {
        // Whoever supervises the process shall not take this for a stop like any other.
        Some(reason) => complain(
            &format!(
                "storage had failed: {reason}; what was acknowledged is kept, mend the disk and start again"
            ),
            Exit::Failed,
        ),
        None => Exit::Fine,
    }
}

/// The one line scripts wait for.
pub fn announce(app: &App) {
    tracing::debug!(paths = ?app.paths(), "answers under these paths");
    tell(&format!(
        "Listening on http://{address} address={address}",
        address = app.address()
    ));
}

/// A proven configuration, or the last good one when the files are bad now.
fn prove(
    origin: Option<&Path>,
    overrides: &Overrides,
    clock: &dyn Clock,
) -> Result<(Config, ConfigFiles, Option<String>), Exit> {
    let surroundings = Surroundings {
        variable: &surroundings::variable,
        secret_file: &surroundings::secret_file,
        now: clock.now(),
    };
    let (files, said) = match origin {
        None => {
            tell(
                "no configuration file: starting with the built-in defaults (rampart init writes a starting set)",
            );
            (ConfigFiles::default(), None)
        }
        Some(path) => match ConfigFiles::load(path) {
            Ok((files, unread)) if !unread.has_errors() => (files, None),
            Ok((files, unread)) => (files, Some(unread.to_string())),
            Err(error) => return Err(complain(&error.to_string(), Exit::InvalidConfiguration)),
        },
    };
    let problems = match (Config::parse(&files, overrides, &surroundings), said) {
        (Ok((config, advice)), None) => {
            for piece in advice.iter() {
                tell(&piece.to_string());
            }
            return Ok((config, files, None));
        }
        (Ok(_), Some(unread)) => unread,
        (Err(problems), said) => format!(
            "{}{problems}",
            said.map(|unread| format!("{unread}\n")).unwrap_or_default()
        ),
    };
    tell(&problems);
    let data_dir = data_dir_of(&files, overrides);
    let remembered = last_good::load(&data_dir);
    match remembered.map(|files| (Config::parse(&files, overrides, &surroundings), files)) {
        Some((Ok((config, _)), files)) => {
            tell(&format!(
                "WARNING: the configuration is invalid; starting with the last good one from {}/last-good",
                data_dir.display()
            ));
            Ok((config, files, Some(problems)))
        }
        _ => Err(complain(
            "the configuration is invalid; nothing was started",
            Exit::InvalidConfiguration,
        )),
    }
}

/// Where data goes, as far as a broken configuration still says it.
fn data_dir_of(files: &ConfigFiles, overrides: &Overrides) -> PathBuf {
    let written = || {
        let main = files.main.as_ref()?;
        declare::read(&main.name, &main.text)
            .ok()?
            .text_of("data_dir")
            .map(PathBuf::from)
    };
    overrides
        .data_dir
        .clone()
        .or_else(written)
        .unwrap_or_else(|| PathBuf::from(DEFAULT_DATA_DIR))
}

/// Signals, listened to before anything else starts, so that none is missed.
pub struct Signals {
    terminate: Option<Signal>,
    interrupt: Option<Signal>,
    hangup: Option<Signal>,
}

impl Signals {
    /// Listens from now on.
    pub fn listen() -> Self {
        let listen_to = |kind: SignalKind| signal(kind).ok();
        Signals {
            terminate: listen_to(SignalKind::terminate()),
            interrupt: listen_to(SignalKind::interrupt()),
            hangup: listen_to(SignalKind::hangup()),
        }
    }
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// To end.
    Stop,
    /// To read the configuration again.
    Reload,
}

impl Signals {
    /// What the next signal asks for.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            () = received(&mut self.terminate) => Asked::Stop,
            () = received(&mut self.interrupt) => Asked::Stop,
            () = received(&mut self.hangup) => Asked::Reload,
        }
    }
}

async fn until_stopped(app: &App, signals: &mut Signals) {
    while signals.next().await == Asked::Reload {
        match app.reload().reload().await {
            Ok(report) => tell(
                &[vec!["reloaded".to_owned()], report.kept]
                    .concat()
                    .join("; "),
            ),
            Err(rejected) => tell(&format!(
                "{}\nthe new configuration was rejected",
                rejected.problems
            )),
        }
    }
}

/// The next signal; never when the handler could not be installed.
async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Logs to standard error; `RUST_LOG` chooses what, else `filter`, else `info` and sqlx's warnings.
pub fn start_log(format: LogFormat, filter: Option<&str>) {
    let filter = filter.unwrap_or("info,sqlx=warn,datafusion=warn");
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(filter));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let _ = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}
