//! What a run and a search have in common: who watches, who stops, where results go.

use std::sync::Arc;
use std::time::Duration;

use loadtest::engine::{RunClock, Stop};
use loadtest::plan::Plan;
use loadtest::result::Kept;
use loadtest::run::control::Control;
use loadtest::run::{Context, ProductionWatch, RunError};
use loadtest::tally::Times;
use loadtest::view::{self, Settings};
use loadtest::workers::Workers;
use model::FunctionId;
use tokio::runtime::Handle;

use crate::args::{Output, Remote, RunArguments};
use crate::commands::{complain, say, tell};
use crate::exit::Exit;
use crate::results;

/// A server that takes longer to say how production fares has not said it.
const BURN_PATIENCE: Duration = Duration::from_secs(1);
/// The environment variable that holds the key of permissions.
pub(super) const PERMISSION_KEY: &str = "RAMPART_PERMISSION_KEY";

/// Does `work` on a thread of its own, sending from here or from `workers`, while signals, the control address and the plan's server are heard.
pub(super) async fn lead<T: Send + 'static>(
    arguments: &RunArguments,
    plan: Plan,
    workers: Option<Workers>,
    work: impl FnOnce(&Plan, &mut Context<'_>) -> Result<T, RunError> + Send + 'static,
) -> Result<(Plan, T), Exit> {
    let stop = Stop::new();
    stop_on_signals(&stop);
    let _control = match arguments.control {
        Some(address) => Some(
            Control::open(address, Arc::clone(&stop))
                .inspect(|control| {
                    tell(&format!(
                        "POST http://{}/stop ends this run",
                        control.address()
                    ));
                })
                .map_err(|error| complain(&error.to_string(), Exit::Failed))?,
        ),
        None => None,
    };
    let server = plan.server.as_ref().map(results::remote_of);
    let burn = server
        .zip(plan.function.clone())
        .map(|(server, function)| Burn {
            server,
            function,
            runtime: Handle::current(),
        });
    let settings = Settings::from_environment(arguments.quiet, plan.objective);
    let done = tokio::task::spawn_blocking(move || {
        let mut observer = view::open(&settings, &stop);
        let key = std::env::var(PERMISSION_KEY)
            .ok()
            .filter(|key| !key.is_empty());
        let mut context = Context {
            clock: RunClock::start(),
            stop,
            observer: &mut *observer,
            production: burn.as_ref().map(|burn| burn as &dyn ProductionWatch),
            permission_key: key.as_deref().map(str::as_bytes),
            workers,
        };
        let result = work(&plan, &mut context);
        (plan, result)
    });
    match done.await {
        Ok((plan, Ok(result))) => Ok((plan, result)),
        Ok((_, Err(error))) => Err(complain(&error.to_string(), exit_of(&error))),
        Err(error) => Err(complain(
            &format!("the run broke off: {error}"),
            Exit::Failed,
        )),
    }
}

fn exit_of(error: &RunError) -> Exit {
    match error {
        RunError::NoLoad | RunError::NoObjective => Exit::InvalidConfiguration,
        RunError::Stopped(_) => Exit::InvalidResult,
        _ => Exit::Failed,
    }
}

/// The first signal ends the run, results are written; a second one ends the program.
fn stop_on_signals(stop: &Arc<Stop>) {
    let stop = Arc::clone(stop);
    tokio::spawn(async move {
        if crate::commands::interrupted().await.is_ok() {
            stop.raise("interrupted");
            if crate::commands::interrupted().await.is_ok() {
                std::process::exit(130);
            }
        }
    });
}

/// Writes the plan's files, prints the result, hands it to the plan's server.
pub(super) async fn deliver(
    remote: &Remote,
    arguments: &RunArguments,
    plan: &Plan,
    kept: Kept,
    total: Option<&Times>,
) -> Exit {
    let mut exit = match remote.output {
        Output::Json => match loadtest::report::json::encode(&kept) {
            Ok(text) => say(&String::from_utf8_lossy(&text)),
            Err(error) => complain(&error.to_string(), Exit::Failed),
        },
        Output::Table | Output::Csv | Output::Arrow => say(&loadtest::report::text(&kept)),
    };
    match loadtest::report::write(&plan.output, &kept, total) {
        Ok(paths) => paths
            .iter()
            .for_each(|path| tell(&format!("wrote {}", path.display()))),
        Err(error) => exit = complain(&error.to_string(), Exit::Failed),
    }
    let Some(server) = plan.server.as_ref().filter(|_| !arguments.keep_local) else {
        return exit;
    };
    match results::keep(&results::remote_of(server), &kept).await {
        Ok(sentence) => {
            tell(&sentence);
            exit
        }
        Err(error) => complain(
            &format!("the result was not kept by the server: {error}"),
            Exit::Failed,
        ),
    }
}

/// Reads from the plan's server how many production calls of the function fail.
struct Burn {
    server: Remote,
    function: FunctionId,
    runtime: Handle,
}

impl ProductionWatch for Burn {
    fn failed_share(&self) -> Result<Option<f64>, String> {
        let asked = results::production_failure_share(&self.server, &self.function);
        let timely = async { tokio::time::timeout(BURN_PATIENCE, asked).await };
        match self.runtime.block_on(timely) {
            Ok(answered) => answered.map_err(|error| error.to_string()),
            Err(_) => Err(format!(
                "{} did not answer within {}",
                self.server.server,
                model::format_duration(BURN_PATIENCE)
            )),
        }
    }
}
