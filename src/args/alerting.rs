//! Arguments of the commands about alerts and silences, and of the one in Alertmanager's place.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use model::Matcher;

use super::LogFormat;

/// Flags of `alertmanager`, with the names Alertmanager has for them.
#[derive(Debug, Clone, Args)]
pub struct AlertmanagerArguments {
    /// Alertmanager's configuration, or an alerting file of Rampart's
    #[arg(
        long = "config.file",
        default_value = "alertmanager.yml",
        value_name = "FILE"
    )]
    pub config_file: PathBuf,
    /// Address and port to listen on; :9093 is every address of this machine
    #[arg(
        long = "web.listen-address",
        default_value = ":9093",
        value_name = "ADDRESS:PORT"
    )]
    pub listen_address: String,
    /// The address that links in messages point to
    #[arg(long = "web.external-url", value_name = "URL")]
    pub external_url: Option<String>,
    /// The path that everything answers below
    #[arg(long = "web.route-prefix", value_name = "PATH")]
    pub route_prefix: Option<String>,
    /// Where alerts, silences and what was sent are kept
    #[arg(long = "storage.path", default_value = "data/", value_name = "FOLDER")]
    pub storage_path: PathBuf,
    /// How much to log
    #[arg(long = "log.level", value_enum, default_value_t = LogLevel::Info)]
    pub log_level: LogLevel,
    /// How to write the log
    #[arg(long = "log.format", value_enum, default_value_t = LogFormat::Text, alias = "log-format")]
    pub log_format: LogFormat,
    /// Accepted and without effect: there is no cluster
    #[arg(
        long = "cluster.listen-address",
        value_name = "ADDRESS:PORT",
        hide_short_help = true
    )]
    pub cluster_listen_address: Option<String>,
    /// Accepted and without effect: there is no cluster to wait for
    #[arg(
        long = "cluster.settle-timeout",
        value_name = "DURATION",
        hide_short_help = true
    )]
    pub cluster_settle_timeout: Option<String>,
    /// Accepted with a warning and without effect
    #[arg(
        long = "cluster.peer",
        value_name = "ADDRESS:PORT",
        hide_short_help = true
    )]
    pub cluster_peer: Vec<String>,
    /// Accepted with a warning and without effect
    #[arg(
        long = "enable-feature",
        value_name = "FEATURE",
        hide_short_help = true
    )]
    pub enable_feature: Vec<String>,
    /// Accepted with a warning and without effect
    #[arg(
        long = "dispatch.start-delay",
        value_name = "DURATION",
        hide_short_help = true
    )]
    pub dispatch_start_delay: Option<String>,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Everything
    Debug,
    /// What happens
    Info,
    /// What may hurt
    Warn,
    /// What hurts
    Error,
}

/// Flags of `alerts`.
#[derive(Debug, Clone, Args)]
pub struct AlertsArguments {
    /// Only alerts that match, such as severity="critical"
    #[arg(value_name = "MATCHER")]
    pub matchers: Vec<Matcher>,
    /// Also those that a silence or another alert mutes
    #[arg(long)]
    pub muted: bool,
}

/// What to do with silences.
#[derive(Debug, Clone, Subcommand)]
pub enum SilenceCommand {
    /// Mute alerts that match for a while; prints the silence's id
    Add {
        /// Conditions such as alertname="Down"; all must hold
        #[arg(required = true, value_name = "MATCHER")]
        matchers: Vec<Matcher>,
        /// For how long, such as 2h
        #[arg(long = "for", value_name = "DURATION", value_parser = super::duration, default_value = "1h")]
        length: std::time::Duration,
        /// When it begins, RFC 3339; now when not given
        #[arg(long, value_name = "TIME")]
        start: Option<model::Timestamp>,
        /// Why
        #[arg(long)]
        comment: String,
        /// Who asks; the user's name when not given
        #[arg(long)]
        by: Option<String>,
    },
    /// Silences that mute or will
    List {
        /// Also those that are over
        #[arg(long)]
        all: bool,
    },
    /// End silences now
    Expire {
        /// Their ids
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
}
