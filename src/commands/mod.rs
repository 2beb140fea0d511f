//! One file a command. Data goes to standard output, messages to standard error.

mod alertmanager;
mod alerts;
mod backtest;
mod check;
mod demo;
mod incident;
mod init;
mod limits;
mod loadtest;
mod mode;
mod notify;
mod oncall;
mod query;
mod release;
mod replay;
mod rules;
mod schema;
mod serve;
mod silence;
mod store;
mod test;

use std::io::Write;

use clap::CommandFactory;

use crate::args::{Arguments, Command, Output};
use crate::exit::Exit;
use crate::print::Table;

/// Runs the command that was asked for.
pub async fn run(arguments: Arguments) -> Exit {
    let remote = &arguments.remote;
    if remote.output == Output::Arrow && !matches!(arguments.command, Command::Query(_)) {
        return complain("only `query` answers as an Arrow stream", Exit::Usage);
    }
    match arguments.command {
        Command::Serve(serve) => serve::run(serve).await,
        Command::Demo(demo) => demo::run(demo).await,
        Command::Init(init) => init::run(&init),
        Command::Check(check) => check::run(remote, &check).await,
        Command::Test(test) => test::run(&test),
        Command::Backtest(backtest) => backtest::run(remote, backtest).await,
        Command::Query(query) => query::run(remote, query).await,
        Command::Incident(incident) => incident::run(remote, incident).await,
        Command::Alerts(alerts) => alerts::run(remote, alerts).await,
        Command::Silence(silence) => silence::run(remote, silence).await,
        Command::Alertmanager(alertmanager) => alertmanager::run(alertmanager).await,
        Command::Loadtest(loadtest) => loadtest::run(remote, loadtest).await,
        Command::Notify(notify) => notify::run(remote, notify).await,
        Command::Oncall(oncall) => oncall::run(remote, oncall).await,
        Command::Replay(replay) => replay::run(remote, &replay),
        Command::Limits(limits) => limits::run(remote, limits).await,
        Command::Mode(mode) => mode::run(remote, mode).await,
        Command::Release(release) => release::run(remote, release).await,
        Command::Rules(command) => rules::run(remote, command).await,
        Command::Store(store) => store::run(remote, store).await,
        Command::Schema(schema) => schema::run(&schema),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "rampart", &mut script);
            say(&String::from_utf8_lossy(&script))
        }
    }
}

/// Waits for the first signal that asks the program to end.
pub async fn interrupted() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        asked = tokio::signal::ctrl_c() => asked,
        _ = terminate.recv() => Ok(()),
    }
}

/// Prints data; a closed pipe is the reader's choice, not a failure.
pub fn say(text: &str) -> Exit {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Exit::Fine,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Exit::Fine,
        Err(_) => Exit::Failed,
    }
}

/// Prints a table, aligned for people or as CSV.
pub fn say_table(table: &Table, output: Output) -> Exit {
    let mut text = Vec::new();
    let written = if output == Output::Csv {
        table.write_csv(&mut text)
    } else {
        table.write_aligned(&mut text)
    };
    match written {
        Ok(()) => say(&String::from_utf8_lossy(&text)),
        Err(error) => complain(&error.to_string(), Exit::Failed),
    }
}

/// Prints a message to standard error and gives the exit code back.
pub fn complain(message: &str, exit: Exit) -> Exit {
    let mut err = std::io::stderr().lock();
    let _ = writeln!(err, "rampart: {}", message.trim_end());
    exit
}

/// Prints a line to standard error that is news, not a complaint.
pub fn tell(message: &str) {
    let mut err = std::io::stderr().lock();
    let _ = writeln!(err, "{}", message.trim_end());
}
