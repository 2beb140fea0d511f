//! `rampart loadtest`: send load, find a pod's capacity, print results again.

mod capacity;
mod lead;
mod permit;
mod plan;
mod report;
mod serve;
mod single;
mod worker;

use crate::args::{LoadtestCommand, Remote};
use crate::exit::Exit;

/// Runs the command that was asked for.
pub async fn run(remote: &Remote, command: LoadtestCommand) -> Exit {
    match command {
        LoadtestCommand::Run(arguments) => single::run(remote, arguments).await,
        LoadtestCommand::Capacity(arguments) => capacity::run(remote, arguments).await,
        LoadtestCommand::Check { plan } => plan::check(&plan),
        LoadtestCommand::Worker(arguments) => worker::run(arguments).await,
        LoadtestCommand::Report(arguments) => report::run(remote, &arguments),
        LoadtestCommand::ServeNull(arguments) => serve::null(arguments).await,
        LoadtestCommand::ServeModel(arguments) => serve::model(arguments).await,
        LoadtestCommand::Permit(arguments) => permit::run(&arguments),
    }
}
