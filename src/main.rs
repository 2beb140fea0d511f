//! The program `rampart`: arguments in, exit code out. Everything else is in the rooms.

#![allow(unreachable_pub)] // nothing in a program is reachable from outside

mod adapters;
mod app;
mod args;
mod client;
mod commands;
mod config;
mod exit;
mod own_alert;
mod print;
mod reload;
mod reserve;
mod results;
mod server;
mod surroundings;
mod watch;

use std::process::ExitCode;

use clap::Parser;

/// Steps of alerting and columns of rows are many small allocations, made on one thread and freed on another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = args::Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            return commands::complain(&format!("cannot start: {error}"), exit::Exit::Failed)
                .into();
        }
    };
    runtime.block_on(commands::run(arguments)).into()
}
