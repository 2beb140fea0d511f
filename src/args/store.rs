//! Flags of `store`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Flags of `store`.
#[derive(Debug, Clone, Args)]
pub struct StoreArguments {
    /// The configuration that names the data directory; without it ./rampart.yaml if there is one
    #[arg(long, global = true, env = "RAMPART_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The data directory itself; no configuration is read then
    #[arg(long, global = true, env = "RAMPART_DATA_DIR", value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: StoreCommand,
}

/// What to do with a data directory.
#[derive(Debug, Clone, Subcommand)]
pub enum StoreCommand {
    /// Show what it holds; beside a running server or without one
    Stats,
    /// Read everything and say what is damaged; exits with 3 then
    Verify,
    /// Put right what verify finds; needs the server stopped, deletes no rows
    Repair {
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Take up the newest store format; older versions refuse the directory from then on
    Upgrade,
    /// Copy it into a new folder; beside a running server or without one
    Backup {
        /// The folder, not there yet or empty
        #[arg(value_name = "FOLDER")]
        destination: PathBuf,
    },
    /// Make a data directory of a backup
    Restore {
        /// The backup
        #[arg(value_name = "BACKUP")]
        source: PathBuf,
        /// The new data directory, not there yet or empty
        #[arg(value_name = "FOLDER")]
        destination: PathBuf,
    },
}
