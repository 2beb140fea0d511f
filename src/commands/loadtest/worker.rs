//! `rampart loadtest worker`: this machine sends what leaders elsewhere ask for.

use std::net::SocketAddr;
use std::sync::Arc;

use loadtest::engine::Stop;
use loadtest::workers::{self, Token, WorkerSettings, WorkersError};
use model::AllowList;

use super::lead::PERMISSION_KEY;
use crate::args::WorkerArguments;
use crate::commands::{complain, tell};
use crate::exit::Exit;

/// Works until it is interrupted.
pub(super) async fn run(arguments: WorkerArguments) -> Exit {
    let settings = match settings(&arguments) {
        Ok(settings) => settings,
        Err(exit) => return exit,
    };
    let stop = Stop::new();
    let told = Arc::clone(&stop);
    let signals = tokio::spawn(async move {
        if crate::commands::interrupted().await.is_ok() {
            told.raise("the worker was interrupted");
        }
    });
    let done =
        tokio::task::spawn_blocking(move || workers::serve(settings, &stop, listening, &tell))
            .await;
    signals.abort();
    match done {
        Ok(Ok(())) => Exit::Fine,
        Ok(Err(error @ WorkersError::NoToken(_))) => complain(&error.to_string(), Exit::Usage),
        Ok(Err(error)) => complain(&error.to_string(), Exit::Failed),
        Err(error) => complain(&format!("the worker broke off: {error}"), Exit::Failed),
    }
}

fn listening(address: SocketAddr) {
    tell(&format!("Listening for leaders address={address}"));
}

fn settings(arguments: &WorkerArguments) -> Result<WorkerSettings, Exit> {
    let allow = AllowList::parse(&arguments.allow).map_err(|wrong| {
        let sentences: Vec<String> = wrong
            .iter()
            .map(|error| format!("--allow {}: {}", error.text, error.reason))
            .collect();
        complain(&sentences.join("\n"), Exit::Usage)
    })?;
    let token = match &arguments.token_file {
        Some(file) => {
            Token::read(file).map_err(|error| complain(&error.to_string(), Exit::Failed))?
        }
        None => Token::default(),
    };
    Ok(WorkerSettings {
        listen: arguments.listen,
        allow,
        token,
        permission_key: std::env::var(PERMISSION_KEY)
            .ok()
            .filter(|key| !key.is_empty())
            .map(String::into_bytes),
    })
}
