//! `rampart alertmanager`: alerting alone, in Alertmanager's place, with its flags and its file.

mod server;

use std::net::SocketAddr;
use std::path::Path;

use declare::Problems;
use model::{SharedClock, SystemClock, Timestamp};

use super::serve::{Asked, Signals, start_log};
use super::{complain, tell};
use crate::args::{AlertmanagerArguments, LogLevel};
use crate::config::read_text;
use crate::exit::Exit;
use crate::surroundings;
use server::{Server, Settings};

/// Runs until told to stop; reloads on SIGHUP.
pub async fn run(arguments: AlertmanagerArguments) -> Exit {
    start_log(arguments.log_format, Some(arguments.log_level.filter()));
    let mut signals = Signals::listen();
    let clock: SharedClock = SystemClock::shared();
    let Some(address) = listen_address(&arguments.listen_address) else {
        let said = format!(
            "--web.listen-address {}: write an address and port such as 127.0.0.1:9093 or :9093",
            arguments.listen_address
        );
        return complain(&said, Exit::InvalidConfiguration);
    };
    say_what_is_not_done(&arguments);
    let config = match load(
        &arguments.config_file,
        arguments.external_url.as_deref(),
        clock.now(),
    ) {
        Ok((config, advice)) => {
            for piece in advice.iter() {
                tell(&piece.to_string());
            }
            config
        }
        Err(said) => {
            tell(&said);
            return complain(
                "the configuration is invalid; nothing was started",
                Exit::InvalidConfiguration,
            );
        }
    };
    if !address.ip().is_loopback() {
        tell(
            "WARNING: anyone who reaches this address may read, post and silence, as with Alertmanager",
        );
    }
    let settings = Settings {
        address,
        external_url: arguments.external_url,
        prefix: arguments.route_prefix,
        storage: arguments.storage_path,
        file: arguments.config_file,
    };
    let server = match Server::start(config, settings, clock).await {
        Ok(server) => server,
        Err(error) => return complain(&error.to_string(), Exit::Failed),
    };
    tell(&format!(
        "Listening on http://{address} address={address}",
        address = server.address()
    ));
    until_stopped(&server, &mut signals).await;
    tell("stopping");
    server.stop().await;
    Exit::Fine
}

async fn until_stopped(server: &Server, signals: &mut Signals) {
    while signals.next().await == Asked::Reload {
        match server.reload().await {
            Ok(()) => tell("reloaded"),
            Err(said) => tell(&format!("{said}\nthe new configuration was rejected")),
        }
    }
}

/// `:9093` listens on every address, as Alertmanager has it.
fn listen_address(text: &str) -> Option<SocketAddr> {
    let port = text
        .strip_prefix(':')
        .and_then(|port| port.parse::<u16>().ok());
    match port {
        Some(port) => Some(SocketAddr::from(([0, 0, 0, 0], port))),
        None => text.replace("localhost", "127.0.0.1").parse().ok(),
    }
}

/// Flags that Alertmanager has and that change nothing here.
fn say_what_is_not_done(arguments: &AlertmanagerArguments) {
    if !arguments.cluster_peer.is_empty() {
        tell(
            "WARNING: --cluster.peer does nothing: this is one node, whose state is on disk; post alerts to one of them only",
        );
    }
    if arguments.dispatch_start_delay.is_some() {
        tell(
            "WARNING: --dispatch.start-delay does nothing: what was told before the start is on disk and is not told again",
        );
    }
    for feature in &arguments.enable_feature {
        tell(&format!(
            "WARNING: --enable-feature={feature} does nothing here"
        ));
    }
}

/// The configuration in a file, Alertmanager's or Rampart's own, and advice about it; else every
/// mistake in it.
fn load(
    path: &Path,
    external_url: Option<&str>,
    now: Timestamp,
) -> Result<(alerting::Config, Problems), String> {
    let file = read_text(path).map_err(|error| error.to_string())?;
    let mut problems = Problems::new();
    let config = read(&file.name, &file.text, external_url, now, &mut problems);
    match config {
        Some(config) if !problems.has_errors() => Ok((config, problems)),
        _ => Err(problems.to_string()),
    }
}

/// The same from a text.
pub fn read(
    name: &str,
    text: &str,
    external_url: Option<&str>,
    now: Timestamp,
    problems: &mut Problems,
) -> Option<alerting::Config> {
    let node = match declare::read(name, text) {
        Ok(node) => node,
        Err(broken) => {
            problems.extend(broken);
            return None;
        }
    };
    let surroundings = alerting::config::Surroundings {
        teams: &alerting::Teams::default(),
        events: &[],
        external_url,
        now,
        secrets: &surroundings::secret_file,
        templates: &|pattern| surroundings::template_files(Path::new(name), pattern),
        time_zone: chrono_tz::Tz::UTC,
    };
    if alerting::Config::is_alertmanager(&node) {
        return alerting::Config::read_alertmanager(&node, &surroundings, problems);
    }
    let node = declare::expand_variables(&node, surroundings::variable, problems);
    declare::check(&node, &alerting::Config::shape(), problems);
    alerting::Config::read(&node, &surroundings, problems)
}

impl LogLevel {
    fn filter(self) -> &'static str {
        match self {
            LogLevel::Debug => "debug,hyper=info,sqlx=warn",
            LogLevel::Info => "info,sqlx=warn",
            LogLevel::Warn => "warn",
            LogLevel::Error => "error",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_alertmanager_writes_them() {
        for (text, expected) in [
            (":9093", Some("0.0.0.0:9093")),
            ("localhost:0", Some("127.0.0.1:0")),
            ("127.0.0.1:9093", Some("127.0.0.1:9093")),
            ("[::1]:9093", Some("[::1]:9093")),
            ("9093", None),
            (":many", None),
        ] {
            let address = listen_address(text).map(|address| address.to_string());
            assert_eq!(address.as_deref(), expected, "{text}");
        }
    }
}
