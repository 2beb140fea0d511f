//! Reading a plan, and saying what is wrong with it or what it is good for.

use std::path::Path;

use loadtest::plan::{PackError, Plan};
use loadtest::workers::{Token, Workers};

use crate::args::RunArguments;
use crate::commands::{complain, say};
use crate::exit::Exit;

/// Reads and proves a plan; its mistakes are printed.
pub(super) fn read(path: &Path) -> Result<Plan, Exit> {
    let (name, text) = text(path)?;
    loadtest::plan::read(&name, &text, folder(path), variable)
        .map_err(|problems| complain(&problems.to_string(), Exit::InvalidConfiguration))
}

/// Reads and proves a plan that is to be sent, and finds who sends it when that is not this machine.
pub(super) fn read_to_send(arguments: &RunArguments) -> Result<(Plan, Option<Workers>), Exit> {
    let path = &arguments.plan;
    if arguments.workers.is_empty() {
        return Ok((read(path)?, None));
    }
    let token = match &arguments.workers_token_file {
        Some(file) => {
            Token::read(file).map_err(|error| complain(&error.to_string(), Exit::Failed))?
        }
        None => Token::default(),
    };
    let (name, text) = text(path)?;
    let (plan, parcel) =
        loadtest::plan::pack(&name, &text, folder(path), variable).map_err(|error| {
            let exit = match &error {
                PackError::Plan(_) => Exit::InvalidConfiguration,
                _ => Exit::Failed,
            };
            complain(&error.to_string(), exit)
        })?;
    let workers = Workers {
        addresses: arguments.workers.clone(),
        token,
        parcel,
    };
    Ok((plan, Some(workers)))
}

/// The plan's name in messages, and its text.
fn text(path: &Path) -> Result<(String, String), Exit> {
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok((name, text)),
        Err(error) => Err(complain(
            &format!("cannot read the plan {name}: {error}"),
            Exit::Failed,
        )),
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// `rampart loadtest check`.
pub(super) fn check(path: &Path) -> Exit {
    match read(path) {
        Err(exit) => exit,
        Ok(plan) => {
            say(&format!(
                "{} is fine, for {}\n",
                path.display(),
                plan.target.url
            ));
            for line in loadtest::run::intentions(&plan) {
                say(&format!("  {line}\n"));
            }
            Exit::Fine
        }
    }
}
