//! The file itself: making it, connecting to it, copying it, setting it aside.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Row as _};

use crate::{StateError, events};

/// How long a connection waits for another process before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Statements that stay prepared: seven sizes of batches for each table.
const PREPARED_MAX: usize = 256;

/// Makes the file, readable by its owner alone, when it is not there. SQLite gives its side files
/// the same permissions.
pub(crate) fn create(path: &Path) -> Result<(), StateError> {
    let unwritable = |cause: io::Error| StateError::Unwritable {
        path: path.to_owned(),
        cause: cause.to_string(),
    };
    if let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        fs::create_dir_all(parent).map_err(unwritable)?;
    }
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(unwritable)?;
    Ok(())
}

/// The one connection that writes. When this fails the file is closed again before it returns, so
/// that the caller may rename it.
pub(crate) async fn connect_writer(path: &Path) -> Result<SqliteConnection, StateError> {
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(PREPARED_MAX)
        .disable_statement_logging()
        .connect()
        .await
        .map_err(|cause| StateError::opening(path, &cause))?;
    match inspect(&mut connection).await {
        Ok(()) => Ok(connection),
        Err(cause) => {
            close(connection).await;
            Err(match cause {
                Unready::Failed(cause) => StateError::opening(path, &cause),
                Unready::Damaged(cause) => StateError::Corrupt {
                    path: path.to_owned(),
                    cause,
                },
            })
        }
    }
}

enum Unready {
    Failed(sqlx::Error),
    Damaged(String),
}

impl From<sqlx::Error> for Unready {
    fn from(cause: sqlx::Error) -> Self {
        Unready::Failed(cause)
    }
}

/// Reads the whole file once without changing it.
///
/// `synchronous` is set here because it reads the file too: were it left to the connect, that would
/// drop a connection which fails there without waiting for its end.
async fn inspect(connection: &mut SqliteConnection) -> Result<(), Unready> {
    sqlx::query("pragma synchronous = full")
        .execute(&mut *connection)
        .await?;
    // A storm writes tens of MiB within seconds: pages stay in memory until they are committed, and are
    // copied from the log to the file less often.
    for setting in [
        "pragma cache_size = -32768",
        "pragma wal_autocheckpoint = 4000",
    ] {
        sqlx::query(setting).execute(&mut *connection).await?;
    }
    let verdict: String = sqlx::query("pragma quick_check(1)")
        .fetch_one(&mut *connection)
        .await?
        .try_get(0)?;
    if verdict == "ok" {
        Ok(())
    } else {
        Err(Unready::Damaged(verdict))
    }
}

/// Lets readers go on while the writer commits. Kept in the file, so it is only asked for once the
/// file is known to be ours.
pub(crate) async fn use_write_ahead_log(
    connection: &mut SqliteConnection,
) -> Result<(), sqlx::Error> {
    sqlx::query("pragma journal_mode = wal")
        .execute(connection)
        .await
        .map(|_| ())
}

/// Closes a connection and waits until it has let go of the file.
pub(crate) async fn close(connection: SqliteConnection) {
    if let Err(cause) = connection.close().await {
        events::close_failed(&cause);
    }
}

/// How the reading connections are made.
pub(crate) fn reader_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .read_only(true)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
}

/// A whole copy of the database beside it, complete on disk before this returns.
pub(crate) async fn copy(
    connection: &mut SqliteConnection,
    path: &Path,
    suffix: &str,
) -> Result<PathBuf, StateError> {
    let copy = with_suffix(path, suffix);
    copy_to(connection, &copy).await?;
    Ok(copy)
}

/// Copies a state file that a running program may be writing to. The copy holds every write that had returned, is
/// complete on disk with its name when this returns, and replaces what had that name.
pub async fn back_up(path: &Path, copy: &Path) -> Result<(), StateError> {
    let mut connection = reader_options(path)
        .connect()
        .await
        .map_err(|cause| StateError::opening(path, &cause))?;
    let copied = copy_to(&mut connection, copy).await;
    close(connection).await;
    copied
}

async fn copy_to(connection: &mut SqliteConnection, copy: &Path) -> Result<(), StateError> {
    let partial = with_suffix(copy, ".partial");
    let unwritable = |cause: io::Error| StateError::Unwritable {
        path: copy.to_owned(),
        cause: cause.to_string(),
    };
    remove_if_there(&partial).map_err(unwritable)?;
    // `vacuum into` keeps the permissions of a file that is already there and empty.
    create(&partial)?;
    sqlx::query("vacuum into ?1")
        .bind(partial.to_string_lossy().into_owned())
        .execute(connection)
        .await
        .map_err(|cause| StateError::opening(copy, &cause))?;
    File::open(&partial)
        .and_then(|file| file.sync_all())
        .and_then(|()| fs::rename(&partial, copy))
        .and_then(|()| sync_directory(copy))
        .map_err(unwritable)
}

/// Names of the copies made before migrations, oldest name first.
pub(crate) fn copies(path: &Path) -> Vec<String> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Vec::new();
    };
    let prefix = format!("{}.before-", name.to_string_lossy());
    let parent = if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    };
    let mut found: Vec<String> = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with(&prefix) && !name.ends_with(".partial"))
        .collect();
    found.sort();
    found
}

/// Renames a damaged state file and its side files to `….damaged-N`, so that the next
/// [`crate::State::open`] starts empty. Nothing is deleted. Returns the new name.
pub fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = (1..=DAMAGED_FILES_MAX)
        .map(|number| with_suffix(path, &format!(".damaged-{number}")))
        .find(|candidate| !candidate.exists())
        .ok_or_else(|| {
            io::Error::other("too many damaged state files are set aside; remove some")
        })?;
    // Side files first: should this stop half way, the damaged file still stands under its name.
    for side in ["-wal", "-shm"] {
        let from = with_suffix(path, side);
        if from.exists() {
            fs::rename(&from, with_suffix(&aside, side))?;
        }
    }
    fs::rename(path, &aside)?;
    sync_directory(&aside)?;
    Ok(aside)
}

const DAMAGED_FILES_MAX: usize = 100;

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
        _ => Ok(()),
    }
}

fn sync_directory(of: &Path) -> io::Result<()> {
    let parent = of
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}
