//! The command line of `rampart loadtest`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use model::{Rate, Ratio};

/// What to do with load.
#[derive(Debug, Subcommand)]
pub enum LoadtestCommand {
    /// Send a plan's load and say whether its objective held
    Run(RunArguments),
    /// Find the highest rate that one pod carries under the plan's objective
    Capacity(RunArguments),
    /// Check a plan without sending anything
    Check {
        /// The plan
        #[arg(value_name = "PLAN")]
        plan: PathBuf,
    },
    /// Send shares of loads that leaders on other machines ask for
    Worker(WorkerArguments),
    /// Print a result again, compare two, or write one as HTML or JUnit
    Report(ReportArguments),
    /// Serve the shortest answer as fast as possible, to measure a generator against
    ServeNull(ServeNullArguments),
    /// Serve as a modelled pod of known capacity, to try a plan or a tool on
    ServeModel(ServeModelArguments),
    /// Sign a permission to test a production target; the key is read from RAMPART_PERMISSION_KEY
    Permit(PermitArguments),
}

/// Flags of `loadtest run` and `loadtest capacity`.
#[derive(Debug, Clone, Args)]
pub struct RunArguments {
    /// The plan
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// Show nothing while it runs; the report at the end is printed all the same
    #[arg(long, short)]
    pub quiet: bool,
    /// Let `POST /stop` on this loopback address end the run
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub control: Option<SocketAddr>,
    /// Do not send the result to the plan's server
    #[arg(long)]
    pub keep_local: bool,
    /// Let these workers send instead of this machine, each an even share
    #[arg(long, value_name = "HOST:PORT,…", value_delimiter = ',')]
    pub workers: Vec<String>,
    /// A file with the token that the workers were started with
    #[arg(long, value_name = "FILE", requires = "workers")]
    pub workers_token_file: Option<PathBuf>,
}

/// Flags of `loadtest worker`.
#[derive(Debug, Clone, Args)]
pub struct WorkerArguments {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:9660", value_name = "ADDRESS:PORT")]
    pub listen: SocketAddr,
    /// Networks, addresses and hosts that it sends to at all, whatever plans allow
    #[arg(long, value_name = "NETWORK,…", value_delimiter = ',', required = true)]
    pub allow: Vec<String>,
    /// A file with the token that its leaders share; it listens on the loopback only without one
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

/// Flags of `loadtest report`.
#[derive(Debug, Clone, Args)]
pub struct ReportArguments {
    /// A result, as `output.json` or `--output json` wrote it
    #[arg(value_name = "RESULT")]
    pub result: PathBuf,
    /// Another result of the same kind to compare with
    #[arg(value_name = "OTHER")]
    pub other: Option<PathBuf>,
    /// Write the report with charts into this file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write JUnit XML into this file
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
}

/// Flags of `loadtest serve-null`.
#[derive(Debug, Clone, Args)]
pub struct ServeNullArguments {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:9701", value_name = "ADDRESS:PORT")]
    pub listen: SocketAddr,
    /// Serving threads
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
}

/// Flags of `loadtest serve-model`.
#[derive(Debug, Clone, Args)]
pub struct ServeModelArguments {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:9700", value_name = "ADDRESS:PORT")]
    pub listen: SocketAddr,
    /// Calls per second that the pod carries within --p99 when callers come independently (poisson)
    #[arg(long, value_name = "RATE", value_parser = rate, conflicts_with_all = ["pool", "service"])]
    pub capacity: Option<Rate>,
    /// The latency that belongs to --capacity
    #[arg(long, default_value = "100ms", value_name = "DURATION", value_parser = super::duration)]
    pub p99: Duration,
    /// Requests that are worked on at once
    #[arg(long, default_value_t = 4, value_name = "WORKERS")]
    pub pool: u32,
    /// How long a request takes: `10ms`, `exponential:10ms` or `bimodal:5ms,80ms,10%`
    #[arg(long, default_value = "10ms", value_name = "TIME")]
    pub service: String,
    /// Requests that may wait before --shed applies
    #[arg(long, default_value_t = 1_000, value_name = "REQUESTS")]
    pub queue: usize,
    /// What a request gets that finds the queue full
    #[arg(long, value_enum, default_value_t = ShedKind::Never)]
    pub shed: ShedKind,
    /// Growth of the service time in percent for each 1,000 requests
    #[arg(long, value_name = "PERCENT")]
    pub leak: Option<f64>,
    /// Pauses of the whole pod: `30s,500ms` is half a second every thirty
    #[arg(long, value_name = "EVERY,PAUSE")]
    pub stall: Option<String>,
    /// Share of requests that are answered with 500
    #[arg(long, value_name = "SHARE", value_parser = ratio)]
    pub fail: Option<Ratio>,
    /// Makes the same random choices again
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Write a line for each request into this file
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
}

/// What a request gets that finds the queue full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShedKind {
    /// It waits all the same
    Never,
    /// 503 at once
    #[value(name = "503")]
    Unavailable,
    /// 429 at once
    #[value(name = "429")]
    TooManyRequests,
}

/// Flags of `loadtest permit`.
#[derive(Debug, Clone, Args)]
pub struct PermitArguments {
    /// The plan whose target is to be tested
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// The highest rate that is permitted
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub rate_max: Rate,
    /// How long the permission lasts from now on
    #[arg(long, value_name = "DURATION", value_parser = super::duration)]
    pub lasts: Duration,
}

fn rate(text: &str) -> Result<Rate, String> {
    Rate::parse(text).map_err(|error| error.to_string())
}

fn ratio(text: &str) -> Result<Ratio, String> {
    Ratio::parse(text).map_err(|error| error.to_string())
}
