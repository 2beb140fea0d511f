//! `rampart store`: looks at a data directory, checks, repairs and upgrades it, copies it away and back.

use std::fmt::Write as _;
use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::SystemClock;
use serde::Serialize;
use store::fs::{DiskFs, Fs};
use store::upkeep::{
    self, Backup, Finding, Listing, Repaired, Summary, TableSummary, UpkeepError, Verified,
};

use super::serve::DEFAULT_FILE;
use super::{complain, say, tell};
use crate::args::{Output, Remote, StoreArguments, StoreCommand};
use crate::config::{Config, ConfigFiles, DEFAULT_DATA_DIR, Overrides, Surroundings};
use crate::exit::Exit;
use crate::print::Table;
use crate::surroundings;

/// The tables within a data directory.
const STORE: &str = "store";
/// The operational state within a data directory.
const STATE: &str = "rampart.db";
/// Only the owner may look into a copy: it holds what the data directory holds.
const FOLDER_MODE: u32 = 0o700;
/// Only the owner may read the operational state.
const STATE_MODE: u32 = 0o600;

/// Why a command did not do what it should.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Upkeep(#[from] UpkeepError),
    #[error("the operational state: {0}")]
    State(#[from] state::StateError),
    #[error("{path}: {source}", path = path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("it ended early: {0}")]
    Ended(#[from] tokio::task::JoinError),
}

/// Does it and prints what came of it.
pub async fn run(remote: &Remote, arguments: StoreArguments) -> Exit {
    let output = remote.output;
    let done = match &arguments.command {
        StoreCommand::Restore {
            source,
            destination,
        } => restore(output, source.clone(), destination.clone()).await,
        command => match place(&arguments) {
            Ok(place) => work(output, command, place).await,
            Err(exit) => return exit,
        },
    };
    done.unwrap_or_else(|failure| complain(&failure.to_string(), Exit::Failed))
}

async fn work(output: Output, command: &StoreCommand, place: Place) -> Result<Exit, Failure> {
    let data_dir = place.data_dir;
    let store = data_dir.join(STORE);
    match command {
        StoreCommand::Stats => {
            let summary = blocking(move |fs| upkeep::summarize(fs.as_ref(), &store)).await?;
            Ok(print_summary(&summary, output, &data_dir))
        }
        StoreCommand::Verify => {
            let verified = blocking(move |fs| upkeep::verify(fs.as_ref(), &store)).await?;
            Ok(print_verified(&verified, output))
        }
        StoreCommand::Repair { dry_run } => {
            let dry_run = *dry_run;
            let repaired = blocking(move |fs| upkeep::repair(fs, &store, dry_run)).await?;
            Ok(print_repaired(&repaired, output))
        }
        StoreCommand::Upgrade => {
            let upgraded = blocking(move |fs| upkeep::upgrade(fs, &store)).await?;
            let (from, to) = (upgraded.from, upgraded.to);
            let sentence = if from == to {
                format!("already at version {to}, nothing to do\n")
            } else {
                format!("upgraded from version {from} to {to}\n")
            };
            Ok(print(&upgraded, output, &sentence))
        }
        StoreCommand::Backup { destination } => {
            let done = backup(output, data_dir, destination.clone()).await;
            if place.shared_state {
                tell(ELSEWHERE);
            }
            done
        }
        StoreCommand::Restore { .. } => Ok(Exit::Usage),
    }
}

/// Runs work on files where it keeps nobody waiting.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce(&Arc<dyn Fs>) -> Result<T, UpkeepError> + Send + 'static,
) -> Result<T, Failure> {
    let fs: Arc<dyn Fs> = Arc::new(DiskFs);
    Ok(tokio::task::spawn_blocking(move || work(&fs)).await??)
}

/// What a copy of a node does not hold.
const ELSEWHERE: &str = "incidents, silences, overrides and the mode are in the PostgreSQL database that `state` names, \
     and not in this copy; keep them with pg_dump\n";

/// What `serve` would use.
struct Place {
    data_dir: PathBuf,
    /// Whether the operational state that nodes share is on a server.
    shared_state: bool,
}

/// The data directory that `serve` would use, and whether all of the state is in it.
fn place(arguments: &StoreArguments) -> Result<Place, Exit> {
    let alone = |data_dir: PathBuf| Place {
        data_dir,
        shared_state: false,
    };
    match (&arguments.data_dir, &arguments.config) {
        (Some(data_dir), None) => Ok(alone(data_dir.clone())),
        // A file that cannot be read keeps nobody from the directory that is named.
        (Some(data_dir), Some(_)) => Ok(configured(arguments).map_or_else(
            |_| alone(data_dir.clone()),
            |place| Place {
                data_dir: data_dir.clone(),
                ..place
            },
        )),
        (None, _) => configured(arguments),
    }
}

fn configured(arguments: &StoreArguments) -> Result<Place, Exit> {
    let default = || {
        let path = PathBuf::from(DEFAULT_FILE);
        path.exists().then_some(path)
    };
    let Some(path) = arguments.config.clone().or_else(default) else {
        return Ok(Place {
            data_dir: PathBuf::from(DEFAULT_DATA_DIR),
            shared_state: false,
        });
    };
    let around = Surroundings {
        variable: &surroundings::variable,
        secret_file: &surroundings::secret_file,
        now: SystemClock::shared().now(),
    };
    let refuse = |problems: String| {
        tell(&problems);
        complain(
            "the configuration is invalid; name the data directory with --data-dir",
            Exit::InvalidConfiguration,
        )
    };
    let (files, unread) = ConfigFiles::load(&path).map_err(|error| refuse(error.to_string()))?;
    if unread.has_errors() {
        return Err(refuse(unread.to_string()));
    }
    Config::parse(&files, &Overrides::default(), &around)
        .map(|(config, _)| Place {
            data_dir: config.data_dir,
            shared_state: config.shared_state.is_some(),
        })
        .map_err(|problems| refuse(problems.to_string()))
}

async fn backup(output: Output, data_dir: PathBuf, destination: PathBuf) -> Result<Exit, Failure> {
    make_private(&destination)?;
    let (from, to) = (data_dir.join(STORE), destination.clone());
    let mut backup = blocking(move |fs| Backup::begin(fs, &from, &to)).await?;
    let state = data_dir.join(STATE);
    if state.exists() {
        state::back_up(&state, &destination.join(STATE)).await?;
        backup.add(STATE)?;
    }
    let now = SystemClock::shared().now();
    let (listing, verified) = blocking(move |_| backup.finish(now)).await?;
    let mut said = sentences(&verified.findings);
    let _ = writeln!(
        said,
        "backed up {} to {}",
        describe(&listing),
        destination.display()
    );
    let exit = print(&listing, output, &said);
    if verified.is_damaged() {
        return Ok(complain(
            "the store is damaged, and so is this copy of it; see rampart store verify",
            Exit::Findings,
        ));
    }
    Ok(exit)
}

async fn restore(output: Output, source: PathBuf, destination: PathBuf) -> Result<Exit, Failure> {
    make_private(&destination)?;
    let to = destination.clone();
    let listing = blocking(move |fs| upkeep::restore(fs.as_ref(), &source, &to)).await?;
    let state = destination.join(STATE);
    if state.exists() {
        let mode = Permissions::from_mode(STATE_MODE);
        std::fs::set_permissions(&state, mode).map_err(|source| Failure::Io {
            path: state,
            source,
        })?;
    }
    let said = format!(
        "restored {} to {}\n",
        describe(&listing),
        destination.display()
    );
    Ok(print(&listing, output, &said))
}

/// Makes a folder for the owner alone; one that is there is left as it is, and refused later unless it is empty.
fn make_private(folder: &Path) -> Result<(), Failure> {
    match DirBuilder::new().mode(FOLDER_MODE).create(folder) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => Err(Failure::Io {
            path: folder.to_path_buf(),
            source,
        }),
        _ => Ok(()),
    }
}

fn describe(listing: &Listing) -> String {
    format!(
        "{} files, {} bytes, up to commit {}",
        listing.files.len(),
        listing.bytes(),
        listing.sequence
    )
}

/// JSON for scripts, the text for everybody else.
fn print(answer: &impl Serialize, output: Output, text: &str) -> Exit {
    match (output, serde_json::to_string_pretty(answer)) {
        (Output::Json, Ok(json)) => say(&format!("{json}\n")),
        (Output::Json, Err(error)) => complain(&error.to_string(), Exit::Failed),
        (Output::Table | Output::Csv | Output::Arrow, _) => say(text),
    }
}

fn print_summary(summary: &Summary, output: Output, data_dir: &Path) -> Exit {
    let mut tables = Table::new([
        "table",
        "files",
        "rows",
        "bytes",
        "bytes/row",
        "oldest",
        "newest",
    ]);
    for table in &summary.tables {
        let time = |time: Option<model::Timestamp>| time.map(model::Timestamp::to_rfc3339);
        tables.row([
            table.table.to_owned(),
            table.files.to_string(),
            table.rows.to_string(),
            table.bytes.to_string(),
            table
                .bytes_per_row
                .map_or(String::new(), |bytes| format!("{bytes:.1}")),
            time(table.oldest).unwrap_or_default(),
            time(table.newest).unwrap_or_default(),
        ]);
    }
    let mut text = Vec::new();
    let written = if output == Output::Csv {
        tables.write_csv(&mut text)
    } else {
        tables
            .write_aligned(&mut text)
            .and_then(|()| parts(summary, data_dir).write_aligned(&mut text))
    };
    match written {
        Ok(()) => print(summary, output, &String::from_utf8_lossy(&text)),
        Err(error) => complain(&error.to_string(), Exit::Failed),
    }
}

/// Everything that is not a table.
fn parts(summary: &Summary, data_dir: &Path) -> Table {
    let mut parts = Table::new(["part", "files", "bytes", "note"]);
    let log = &summary.log;
    let formats: Vec<String> = log
        .formats
        .iter()
        .map(|(format, segments)| format!("{segments} of format {format}"))
        .collect();
    parts.row([
        "log".to_owned(),
        log.segments.to_string(),
        log.bytes.to_string(),
        formats.join(", "),
    ]);
    let manifest = &summary.manifest;
    let sound = if manifest.sound { "" } else { "; damaged" };
    parts.row([
        "manifest".to_owned(),
        "1".to_owned(),
        manifest.bytes.to_string(),
        format!(
            "up to commit {} in Parquet, {} sources, {} keys{sound}",
            manifest.flushed_sequence, manifest.sources, manifest.keys
        ),
    ]);
    let quarantine = &summary.quarantine;
    parts.row([
        "quarantine".to_owned(),
        quarantine.files.to_string(),
        quarantine.bytes.to_string(),
        String::new(),
    ]);
    let away = |amount: fn(&TableSummary) -> u64| summary.tables.iter().map(amount).sum::<u64>();
    if away(|table| table.away_files) > 0 {
        parts.row([
            "second home".to_owned(),
            away(|table| table.away_files).to_string(),
            away(|table| table.away_bytes).to_string(),
            "counted above, not on this disk any more".to_owned(),
        ]);
    }
    let format = summary
        .format
        .map_or("unknown".to_owned(), |format| format.to_string());
    let running = if summary.running {
        "a server is running"
    } else {
        "no server is running"
    };
    let newest = summary.newest_format;
    parts.row([
        "directory".to_owned(),
        String::new(),
        String::new(),
        format!(
            "{}: format {format}, this version knows up to {newest}; {running}",
            data_dir.display()
        ),
    ]);
    parts
}

fn sentences(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let _ = writeln!(text, "{finding}");
    }
    text
}

fn print_verified(verified: &Verified, output: Output) -> Exit {
    let mut text = sentences(&verified.findings);
    if verified.unlisted > 0 {
        let _ = writeln!(text, "and {} more findings", verified.unlisted);
    }
    let damaged = verified.findings.iter().filter(|it| !it.harmless).count() as u64;
    let _ = writeln!(
        text,
        "read {} files with {} rows and {} segments with {} records: {}",
        verified.files,
        verified.rows,
        verified.segments,
        verified.records,
        match damaged + verified.unlisted {
            0 => "nothing is damaged".to_owned(),
            1 => "1 finding".to_owned(),
            more => format!("{more} findings"),
        }
    );
    if verified.away_files > 0 {
        let _ = writeln!(
            text,
            "{} files with {} rows are in the second home only and were not read",
            verified.away_files, verified.away_rows
        );
    }
    match print(verified, output, &text) {
        Exit::Fine if verified.is_damaged() => Exit::Findings,
        exit => exit,
    }
}

fn print_repaired(repaired: &Repaired, output: Output) -> Exit {
    let mut text = String::new();
    for finding in &repaired.findings {
        let Finding {
            path, wrong, lost, ..
        } = finding;
        let remedy = finding.remedy.sentence();
        let _ = writeln!(text, "{path}: {wrong}; lost at most: {lost}; {remedy}");
    }
    text += match (repaired.findings.is_empty(), repaired.dry_run) {
        (true, _) => "nothing to repair\n",
        (false, true) => "nothing was changed\n",
        (false, false) => "",
    };
    let exit = print(repaired, output, &text);
    if !repaired.left.is_empty() {
        let left = sentences(&repaired.left);
        return complain(&format!("still damaged:\n{left}"), Exit::Failed);
    }
    if repaired.dry_run && !repaired.findings.is_empty() {
        return Exit::Findings;
    }
    exit
}
