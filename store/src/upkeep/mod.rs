//! What a person does to a data directory from outside a server: look at it, check it, repair it, take up a
//! newer format, copy it away and back.
//!
//! Looking, checking and copying change nothing and go beside a running server. They rely on the order in which
//! a server works: a file the manifest names is complete and never changes; the log holds everything from
//! `flushed` on; `flushed` only grows.
//!
//! Entry points: [`summarize`], [`verify`], [`repair`], [`upgrade`], [`Backup`] and [`restore`].

mod backup;
mod copy;
mod finding;
mod listing;
mod log;
mod parquet;
mod rebuild;
mod repair;
mod restore;
mod summary;
mod upgrade;
mod verify;

use std::io;
use std::path::{Path, PathBuf};

pub use backup::Backup;
pub use finding::{Finding, Remedy};
pub use listing::{Listed, Listing};
pub use repair::{Repaired, repair};
pub use restore::restore;
pub use summary::{
    LogSummary, ManifestSummary, QuarantineSummary, Summary, TableSummary, summarize,
};
pub use upgrade::{Upgraded, upgrade};
pub use verify::{Verified, verify};

use crate::format::FormatVersion;
use crate::fs::{Fs, Lock};
use crate::manifest::{self, Loaded, ManifestError};
use crate::partition::TABLES;
use crate::recovery::{LOCK, WAL};

/// Why something could not be done to a directory.
#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    /// There is nothing to work on.
    #[error("{} holds no store, name the data directory of a server with --data-dir", directory.display())]
    NoStore {
        /// The store's directory.
        directory: PathBuf,
    },
    /// It needs the directory for itself.
    #[error("a server is running on {}, stop it first", directory.display())]
    Running {
        /// The store's directory.
        directory: PathBuf,
    },
    /// A newer version wrote it.
    #[error("{} was written by a newer rampart (store format {found}, this one reads up to {newest}), use that one", path.display(), newest = FormatVersion::NEWEST)]
    Newer {
        /// The file or directory.
        path: PathBuf,
        /// The format it is in.
        found: FormatVersion,
    },
    /// It is damaged in a way that stands in the way.
    #[error("{}: {reason}, run `rampart store repair` first", path.display())]
    Damaged {
        /// The damaged file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing is ever overwritten.
    #[error("{} is there already and not an empty directory, choose another", destination.display())]
    NotEmpty {
        /// Where something was to be written.
        destination: PathBuf,
    },
    /// There is no list of what was backed up.
    #[error("{} is not a finished backup: {reason}", source_directory.display())]
    NotABackup {
        /// Where a backup was expected.
        source_directory: PathBuf,
        /// What is missing or wrong.
        reason: String,
    },
    /// A file is not as it was when it was backed up.
    #[error("{} is not what was backed up: {reason}, restore from another backup", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// What differs.
        reason: String,
    },
    /// Files went away faster than they could be copied.
    #[error("the server removes files faster than they can be copied, try again later")]
    Restless,
    /// The file system failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Says where the file system failed.
fn failed_at(path: &Path) -> impl FnOnce(io::Error) -> UpkeepError {
    move |source| UpkeepError::Io {
        path: path.to_path_buf(),
        source,
    }
}

/// The manifest of a directory that holds a store, which a running server may be writing to.
fn load_manifest(fs: &dyn Fs, directory: &Path) -> Result<Loaded, UpkeepError> {
    let loaded = manifest::load(fs, directory).map_err(|error| match error {
        ManifestError::Newer(found) => UpkeepError::Newer {
            path: directory.to_path_buf(),
            found,
        },
        ManifestError::Io(source) => failed_at(&directory.join(manifest::FILE_NAME))(source),
    })?;
    if loaded.existed || loaded.version.is_some() {
        return Ok(loaded);
    }
    for below in [TABLES, WAL] {
        let path = directory.join(below);
        if !fs.list(&path).map_err(failed_at(&path))?.is_empty() {
            return Ok(loaded);
        }
    }
    Err(UpkeepError::NoStore {
        directory: directory.to_path_buf(),
    })
}

/// Keeps servers out of a directory, or says that one is in.
fn lock(fs: &dyn Fs, directory: &Path) -> Result<Box<dyn Lock>, UpkeepError> {
    let path = directory.join(LOCK);
    fs.lock(&path)
        .map_err(failed_at(&path))?
        .ok_or_else(|| UpkeepError::Running {
            directory: directory.to_path_buf(),
        })
}

/// Whether a server has the directory.
fn is_running(fs: &dyn Fs, directory: &Path) -> Result<bool, UpkeepError> {
    let path = directory.join(LOCK);
    fs.is_locked(&path).map_err(failed_at(&path))
}

/// Every file below a directory, with its path below `root` and its length, in order of path. What goes away in
/// the meantime is left out.
fn files_below(fs: &dyn Fs, root: &Path, below: &str) -> Result<Vec<(String, u64)>, UpkeepError> {
    let mut files = Vec::new();
    let mut pending = vec![below.to_owned()];
    while let Some(below) = pending.pop() {
        let path = root.join(&below);
        for entry in fs.list(&path).map_err(failed_at(&path))? {
            let path = format!("{below}/{}", entry.name);
            if entry.directory {
                pending.push(path);
            } else {
                files.push((path, entry.bytes));
            }
        }
    }
    files.sort();
    Ok(files)
}
