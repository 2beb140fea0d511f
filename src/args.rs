//! The command line: names, flags and their help.

mod alerting;
mod loadtest;
mod past;
mod store;

use std::net::SocketAddr;
use std::path::PathBuf;

pub use alerting::*;
pub use loadtest::*;
pub use past::*;
pub use store::*;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Watches every function's QPS and success rate and tells a person when one drops.
#[derive(Debug, Parser)]
#[command(name = "rampart", version, max_term_width = 100)]
pub struct Arguments {
    /// Where a running server is asked.
    #[command(flatten)]
    pub remote: Remote,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// How commands that speak to a running server reach it and print.
#[derive(Debug, Clone, Args)]
pub struct Remote {
    /// The server that commands such as `query` and `incident` speak to
    #[arg(
        long,
        global = true,
        env = "RAMPART_URL",
        default_value = "http://127.0.0.1:9650",
        value_name = "URL"
    )]
    pub server: String,
    /// A file that holds the token to send
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// How to print answers
    #[arg(long, global = true, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    Table,
    /// As the API answers
    Json,
    /// For spreadsheets
    Csv,
    /// An Arrow stream for other programs, of `query` only
    Arrow,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server
    Serve(ServeArguments),
    /// Run the server beside a small function platform whose faults it discovers
    Demo(DemoArguments),
    /// Write a commented starting configuration
    Init(InitArguments),
    /// Prove a configuration without starting anything
    Check(CheckArguments),
    /// Live through scenario files, or promtool's unit tests, and see whether rules fire as they say
    Test(TestArguments),
    /// Say what rules would have done over stored calls
    Backtest(BacktestArguments),
    /// Ask the tables with one SQL SELECT
    Query(QueryArguments),
    /// Look at incidents and act on them
    #[command(subcommand)]
    Incident(IncidentCommand),
    /// Show what fires
    Alerts(AlertsArguments),
    /// Keep alerts quiet for a while
    #[command(subcommand)]
    Silence(SilenceCommand),
    /// Run alerting alone, in Alertmanager's place
    Alertmanager(AlertmanagerArguments),
    /// Show who is on call, or take over for a while
    #[command(subcommand)]
    Oncall(OncallCommand),
    /// Show who would be told when, if an alert fired at some time and nobody answered
    Replay(ReplayArguments),
    /// Send load to a pod and find out what it carries
    #[command(subcommand)]
    Loadtest(LoadtestCommand),
    /// Send test messages
    #[command(subcommand)]
    Notify(NotifyCommand),
    /// Show what pods carry by their load tests and the limits that follow, or approve limits
    Limits(LimitsArguments),
    /// Show the mode, or switch between everyday and sale thresholds
    Mode(ModeArguments),
    /// Mark what was released, which says what is gray and what is base; or list what was marked
    Release(ReleaseArguments),
    /// Show rules and what each says now
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Look at a data directory, check, repair and upgrade it, copy it away and back
    Store(StoreArguments),
    /// Print the JSON Schema of a kind of file
    Schema(SchemaArguments),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Flags of `serve`; each beats the environment, which beats the file.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeArguments {
    /// The configuration; without it ./rampart.yaml if there is one, else built-in defaults
    #[arg(long, env = "RAMPART_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, env = "RAMPART_LISTEN", value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Where tables and state are kept
    #[arg(long, env = "RAMPART_DATA_DIR", value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// The address that links in messages point to
    #[arg(long, env = "RAMPART_EXTERNAL_URL", value_name = "URL")]
    pub external_url: Option<String>,
    /// Listen beyond loopback without authentication
    #[arg(long)]
    pub insecure: bool,
    /// Begin at this instant instead of now; for rehearsals and screenshots, since real calls would lie in another time
    #[arg(long, hide = true, value_name = "INSTANT")]
    pub clock: Option<model::Timestamp>,
    /// How to write the log
    #[arg(long, env = "RAMPART_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// Flags of `demo`.
#[derive(Debug, Clone, Args)]
pub struct DemoArguments {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:9650", value_name = "ADDRESS:PORT")]
    pub listen: SocketAddr,
    /// Where tables and state are kept; a fresh temporary folder when not given
    #[arg(long, value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// Seed of traffic and service times
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Stop by itself after this long, such as 5m
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub stop_after: Option<std::time::Duration>,
}

/// Flags of `init`.
#[derive(Debug, Clone, Args)]
pub struct InitArguments {
    /// The folder to write into; existing files are never overwritten
    #[arg(default_value = ".", value_name = "FOLDER")]
    pub folder: PathBuf,
}

/// Flags of `check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArguments {
    /// The main configuration, or any number of rule files
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Also give advice; advice alone exits with 3
    #[arg(long)]
    pub lint: bool,
    /// The mode whose numbers are told; rush also tells what differs and whether it is prepared
    #[arg(long, value_parser = ["daily", "rush"])]
    pub mode: Option<String>,
    /// Judge rules by real traffic: `server` asks the server of --server for its last day, anything else is a CSV file
    #[arg(long, value_name = "FROM")]
    pub traffic: Option<String>,
    /// Read FILE as source SOURCE would and show what comes out
    #[arg(long, num_args = 2, value_names = ["FILE", "SOURCE"])]
    pub sample: Option<Vec<String>>,
}

/// Flags of `query`.
#[derive(Debug, Clone, Args)]
pub struct QueryArguments {
    /// One SELECT; from standard input when not given
    pub sql: Option<String>,
}

/// What to do with incidents.
#[derive(Debug, Clone, Subcommand)]
pub enum IncidentCommand {
    /// The newest incidents
    List {
        /// Only open, acknowledged or resolved ones
        #[arg(long, value_name = "STATUS")]
        status: Option<String>,
    },
    /// One incident with its timeline
    Show {
        /// The incident
        id: String,
    },
    /// Acknowledge: nobody else is woken
    Ack {
        /// The incident
        id: String,
    },
    /// Quiet for a while, then ring again
    Snooze {
        /// The incident
        id: String,
        /// For how long, such as 30m
        #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
        length: std::time::Duration,
    },
    /// Wake the next person now
    Escalate {
        /// The incident
        id: String,
    },
    /// Close it
    Resolve {
        /// The incident
        id: String,
        /// Why; `false_alarm` quiets the series until it recovers
        #[arg(long)]
        reason: Option<String>,
    },
    /// Add a note to the timeline
    Note {
        /// The incident
        id: String,
        /// The note
        text: String,
    },
    /// Print incidents with their timelines, one JSON object a line; a summary with --output csv
    Export {
        /// Only open, acknowledged or resolved ones
        #[arg(long, value_name = "STATUS")]
        status: Option<String>,
    },
}

/// Flags of `replay`.
#[derive(Debug, Clone, Args)]
pub struct ReplayArguments {
    /// When it fires: local time such as 2026-10-25T02:15, in the alerting file's time zone
    #[arg(long, value_name = "LOCAL TIME", value_parser = local_time)]
    pub at: chrono::NaiveDateTime,
    /// Labels of the alert, NAME=VALUE each; a critical alert named Replay when not given
    #[arg(long, value_name = "NAME=VALUE", num_args = 1.., value_parser = label)]
    pub alert: Vec<(String, String)>,
    /// How long to look ahead
    #[arg(long = "for", value_name = "DURATION", default_value = "2h", value_parser = duration)]
    pub length: std::time::Duration,
    /// The mode it fires in
    #[arg(long, default_value = "daily", value_parser = ["daily", "rush"])]
    pub mode: String,
    /// The configuration
    #[arg(
        long,
        env = "RAMPART_CONFIG",
        value_name = "FILE",
        default_value = "rampart.yaml"
    )]
    pub config: PathBuf,
}

/// What to do about who is on call.
#[derive(Debug, Clone, Subcommand)]
pub enum OncallCommand {
    /// Who is on call now, who follows, and when nobody is within 30 days
    Show {
        /// Only this schedule
        schedule: Option<String>,
    },
    /// Take a schedule over for a while, without a reload
    Take {
        /// The schedule
        schedule: String,
        /// For how long, such as 2h
        #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
        length: std::time::Duration,
        /// When it begins, RFC 3339; now when not given
        #[arg(long, value_name = "TIME")]
        from: Option<model::Timestamp>,
        /// Who takes over; whoever the token is named after when not given
        #[arg(long, value_name = "PERSON")]
        person: Option<String>,
    },
    /// Who takes over from whom, now and later
    Overrides {
        /// Only of this schedule
        schedule: Option<String>,
    },
    /// End an override now, or take it back before it begins
    End {
        /// The schedule
        schedule: String,
        /// The override's number
        id: u64,
    },
}

/// What to send.
#[derive(Debug, Clone, Subcommand)]
pub enum NotifyCommand {
    /// Send a test message to a receiver or a person and print what the provider answered
    Test {
        /// The receiver's name, or a person's key
        #[arg(value_name = "RECEIVER|PERSON")]
        receiver: String,
    },
}

/// Flags of `limits`.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct LimitsArguments {
    /// Print the limits in force in another program's form
    #[arg(long, value_enum)]
    pub format: Option<LimitsFormat>,
    /// What to do with them; shows them when not given
    #[command(subcommand)]
    pub command: Option<LimitsCommand>,
}

/// Forms of limits in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LimitsFormat {
    /// Flow rules of Sentinel, as JSON
    Sentinel,
}

/// What to do with limits.
#[derive(Debug, Clone, Subcommand)]
pub enum LimitsCommand {
    /// Put the limits of a function in force that wait for a person
    Approve {
        /// The function, namespace/name
        function: model::FunctionId,
        /// The test whose limits were seen; refused when others wait by now
        #[arg(long, value_name = "TEST")]
        of: Option<String>,
    },
}

/// Flags of `mode`.
#[derive(Debug, Clone, Args)]
pub struct ModeArguments {
    /// The mode to switch to; shows the current one when not given
    #[arg(value_parser = ["daily", "rush"])]
    pub mode: Option<String>,
    /// When to return by itself, RFC 3339
    #[arg(long, value_name = "TIME", requires = "mode")]
    pub until: Option<model::Timestamp>,
}

/// What to show of rules.
#[derive(Debug, Clone, Subcommand)]
pub enum RulesCommand {
    /// Every rule, a line each
    List {
        /// Only rules that watch this function, namespace/name
        #[arg(long)]
        function: Option<model::FunctionId>,
    },
    /// Why a rule does or does not fire for a function, with the numbers
    Explain {
        /// The alert's name
        rule: String,
        /// The function, namespace/name
        function: model::FunctionId,
        /// At this instant of the past, RFC 3339; now when not given
        #[arg(long, value_name = "TIME")]
        at: Option<model::Timestamp>,
    },
}

/// Flags of `test`.
#[derive(Debug, Clone, Args)]
pub struct TestArguments {
    /// Scenario files or promtool's unit tests; each names its rule files, relative to its own folder
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Print what was told, also where all came true
    #[arg(long)]
    pub told: bool,
}

/// Flags of `schema`.
#[derive(Debug, Clone, Args)]
pub struct SchemaArguments {
    /// Which kind of file
    #[arg(value_enum, default_value_t = SchemaKind::Main)]
    pub kind: SchemaKind,
}

/// The kinds of files with a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaKind {
    /// rampart.yaml
    Main,
    /// Rule files
    Rules,
    /// The alerting file
    Alerting,
    /// Load plans
    Loadtest,
    /// The HTTP API, as OpenAPI 3.1
    Openapi,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("a label is written NAME=VALUE, such as function=feed")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

fn local_time(text: &str) -> Result<chrono::NaiveDateTime, String> {
    let text = text.trim().replacen(' ', "T", 1);
    ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
        .into_iter()
        .find_map(|form| chrono::NaiveDateTime::parse_from_str(&text, form).ok())
        .ok_or_else(|| "write a local time such as 2026-10-25T02:15".to_owned())
}

fn duration(text: &str) -> Result<std::time::Duration, String> {
    model::parse_duration(text).map_err(|error| error.to_string())
}
