//! Flags of `backtest` and `release`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::duration;

/// Flags of `backtest`.
#[derive(Debug, Clone, Args)]
pub struct BacktestArguments {
    /// Rule files; those in force on the server when none are given
    #[arg(value_name = "RULES")]
    pub files: Vec<PathBuf>,
    /// Where the stretch begins, RFC 3339
    #[arg(long, value_name = "TIME")]
    pub from: model::Timestamp,
    /// Where it ends
    #[arg(long, value_name = "TIME")]
    pub to: model::Timestamp,
    /// Only functions that match this pattern
    #[arg(long, value_name = "GLOB", default_value = "*", value_parser = glob)]
    pub function: model::Glob,
    /// How long before the stretch rules watch already, so that windows are full and tests have learned
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = duration)]
    pub warm_up: Duration,
    /// Read this data directory, which no server uses at the moment, instead of asking a server
    #[arg(long, value_name = "FOLDER", requires = "files")]
    pub data_dir: Option<PathBuf>,
}

fn glob(text: &str) -> Result<model::Glob, String> {
    model::Glob::new(text).map_err(|error| error.to_string())
}

/// Flags of `release`.
#[derive(Debug, Clone, Args)]
pub struct ReleaseArguments {
    /// The function, namespace/name; with nothing after it its releases are listed, without it all of them
    pub function: Option<model::FunctionId>,
    /// The version that was released
    #[arg(requires = "stage")]
    pub version: Option<String>,
    /// What it has become: it gets a part of the calls, all of them, or is what others are compared with
    #[arg(long, value_parser = ["gray", "full", "base"], requires = "version")]
    pub stage: Option<String>,
    /// Which share of the calls it gets, 0 to 100
    #[arg(long, requires = "version")]
    pub percent: Option<f64>,
    /// The only unit it is in
    #[arg(long, requires = "version")]
    pub unit: Option<String>,
    /// When it was released, RFC 3339; now when not given
    #[arg(long, value_name = "TIME", requires = "version")]
    pub at: Option<model::Timestamp>,
}
