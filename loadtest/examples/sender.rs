//! The load tester alone, without the rest of Rampart, which takes long to build with optimisation:
//! `sender run PLAN` does what `rampart loadtest run PLAN --quiet` does, `sender serve-null ADDRESS:PORT`
//! what `rampart loadtest serve-null` does. `scripts/bench-loadtest` measures it.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;

use loadtest::engine::{RunClock, Stop};
use loadtest::result::Kept;
use loadtest::run::{Context, Unwatched};
use loadtest::serve::null;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *words {
        ["run", plan] => run(Path::new(plan)),
        ["serve-null", address] => serve(address.parse()?),
        _ => Err("sender run PLAN, or sender serve-null ADDRESS:PORT".into()),
    }
}

/// Sends the plan's load and writes the files that the plan names.
fn run(path: &Path) -> Result<(), Box<dyn Error>> {
    let text = std::fs::read_to_string(path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let name = path.display().to_string();
    let plan = loadtest::plan::read(&name, &text, folder, |_| None)
        .map_err(|problems| problems.to_string())?;
    let mut context = Context {
        clock: RunClock::start(),
        stop: Stop::new(),
        observer: &mut Unwatched,
        production: None,
        permission_key: None,
        workers: None,
    };
    let (result, total) = loadtest::run::run(&plan, &mut context)?;
    let kept = Kept::Run(Box::new(result));
    loadtest::report::write(&plan.output, &kept, Some(&total.latency))?;
    Ok(())
}

/// Serves until it is ended.
fn serve(address: SocketAddr) -> Result<(), Box<dyn Error>> {
    null::run(address, 1, Stop::new(), |address| {
        println!("Listening on http://{address} address={address}");
    })?;
    Ok(())
}
