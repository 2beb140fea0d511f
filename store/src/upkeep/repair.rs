//! Puts right what [`super::verify`] finds. Nothing that holds rows is deleted: it goes to `quarantine/`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::finding::{Finding, Remedy};
use super::log::{segments, walk};
use super::rebuild::rebuild;
use super::verify::examine;
use super::{UpkeepError, failed_at, load_manifest, lock};
use crate::format::FormatVersion;
use crate::fs::{Fs, create_dirs};
use crate::journal::{AppendError, Journal, frame};
use crate::manifest::{self, Manifest, State};
use crate::recovery::{QUARANTINE, WAL};
use crate::second_home::Place;
use crate::wal::{self, ReplayError};

/// What was found and done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Repaired {
    /// Whether it was only said what would be done.
    pub dry_run: bool,
    /// What was found, with what was done about it.
    pub findings: Vec<Finding>,
    /// What a second look found; nothing, unless the disk goes on failing.
    pub left: Vec<Finding>,
}

/// Repairs a store's directory that no server uses. With `dry_run` it changes nothing. A second repair finds nothing.
pub fn repair(fs: &Arc<dyn Fs>, directory: &Path, dry_run: bool) -> Result<Repaired, UpkeepError> {
    load_manifest(fs.as_ref(), directory)?;
    let _lock = lock(fs.as_ref(), directory)?;
    let findings = examine(fs.as_ref(), directory, false)?.findings;
    let mut left = Vec::new();
    if !dry_run && !findings.is_empty() {
        carry_out(fs, directory, &findings)?;
        left = examine(fs.as_ref(), directory, false)?.findings;
    }
    Ok(Repaired {
        dry_run,
        findings,
        left,
    })
}

/// In an order that may be interrupted anywhere: files leave their place before the manifest forgets them, since a
/// start removes files that no manifest names; the log is touched last.
fn carry_out(fs: &Arc<dyn Fs>, directory: &Path, findings: &[Finding]) -> Result<(), UpkeepError> {
    let asks_for = |remedies: &[Remedy]| findings.iter().any(|it| remedies.contains(&it.remedy));
    for Finding { path, remedy, .. } in findings {
        match remedy {
            Remedy::Quarantine => put_aside(fs.as_ref(), directory, path)?,
            Remedy::Remove => remove(fs.as_ref(), directory, path)?,
            _ => {}
        }
    }
    let rebuilds = asks_for(&[Remedy::RebuildManifest]);
    if rebuilds || asks_for(&[Remedy::RewriteManifest, Remedy::Quarantine, Remedy::Forget]) {
        rewrite_manifest(fs, directory, findings, rebuilds)?;
    }
    if asks_for(&[Remedy::RewriteSegment]) {
        rewrite_segments(fs.as_ref(), directory, findings)?;
    }
    if asks_for(&[Remedy::CutLog]) {
        cut_log(fs.as_ref(), directory)?;
    }
    Ok(())
}

/// Moves a file to `quarantine/`, beside whatever is there already.
fn put_aside(fs: &dyn Fs, directory: &Path, path: &str) -> Result<(), UpkeepError> {
    let quarantine = directory.join(QUARANTINE);
    let from = directory.join(path);
    let moved = || -> io::Result<()> {
        create_dirs(fs, directory, Path::new(QUARANTINE))?;
        let taken = fs.list(&quarantine)?;
        let base = path.replace('/', "_");
        let numbered = (1..=taken.len() + 1).map(|number| format!("{base}.{number}"));
        // One of as many names plus one is free.
        let name = std::iter::once(base.clone())
            .chain(numbered)
            .find(|name| taken.iter().all(|entry| entry.name != *name))
            .unwrap_or(base);
        fs.rename(&from, &quarantine.join(name))?;
        fs.sync_dir(&quarantine)?;
        fs.sync_dir(from.parent().unwrap_or(directory))
    };
    moved().map_err(failed_at(&from))
}

fn remove(fs: &dyn Fs, directory: &Path, path: &str) -> Result<(), UpkeepError> {
    let path = directory.join(path);
    fs.remove(&path)
        .and_then(|()| fs.sync_dir(path.parent().unwrap_or(directory)))
        .map_err(failed_at(&path))
}

/// Writes what is known to be true as a new manifest, a damaged one copied aside first.
fn rewrite_manifest(
    fs: &Arc<dyn Fs>,
    directory: &Path,
    findings: &[Finding],
    rebuilds: bool,
) -> Result<(), UpkeepError> {
    let path = directory.join(manifest::FILE_NAME);
    let loaded = load_manifest(fs.as_ref(), directory)?;
    let mut state: State = if rebuilds {
        rebuild(fs.as_ref(), directory)?
    } else {
        loaded.state
    };
    for finding in findings {
        if matches!(finding.remedy, Remedy::Quarantine | Remedy::Forget) {
            match state.files.get_mut(&finding.path) {
                Some(file) if file.place == Place::Both => file.place = Place::Away,
                _ => drop(state.files.remove(&finding.path)),
            }
        }
    }
    if loaded.existed && (loaded.damaged || rebuilds) {
        manifest::copy_aside(fs.as_ref(), directory, &directory.join(QUARANTINE))
            .map_err(failed_at(&path))?;
    }
    let version = loaded.version.unwrap_or(FormatVersion::NEWEST);
    Manifest::write(Arc::clone(fs), directory, state, version).map_err(failed_at(&path))?;
    Ok(())
}

/// Gives segments a sound header again.
fn rewrite_segments(
    fs: &dyn Fs,
    directory: &Path,
    findings: &[Finding],
) -> Result<(), UpkeepError> {
    let version = load_manifest(fs, directory)?.version;
    let version = version.unwrap_or(FormatVersion::NEWEST);
    let log = directory.join(WAL);
    for segment in segments(fs, &log)? {
        let concerns = |finding: &Finding| {
            finding.remedy == Remedy::RewriteSegment
                && finding.path == format!("{WAL}/{}", segment.name)
        };
        if findings.iter().any(concerns) {
            let path = log.join(&segment.name);
            rewrite_segment(fs, &log, &path, version).map_err(failed_at(&path))?;
        }
    }
    Ok(())
}

/// Writes the sound records of a segment to a new file, and gives that its name.
fn rewrite_segment(fs: &dyn Fs, log: &Path, path: &Path, version: FormatVersion) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    match fs.remove(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut journal = Journal::create(fs, &temporary, wal::MAGIC, version)?;
    walk(fs, path, wal::MAGIC, |payload| {
        let mut framed = Vec::new();
        frame(&mut framed, &[payload]).map_err(|error| error.to_string())?;
        journal
            .append(&framed)
            .map_err(|error: AppendError| error.to_string())
    })
    .map_err(io::Error::other)?;
    journal.sync()?;
    fs.rename(&temporary, path)?;
    fs.sync_dir(log)
}

/// What a start does to the log: cuts torn ends off, copies damage aside, removes segments with nothing in them.
fn cut_log(fs: &dyn Fs, directory: &Path) -> Result<(), UpkeepError> {
    let log = directory.join(WAL);
    let replayed = wal::replay(fs, &log, &directory.join(QUARANTINE), |_, _| Ok(()));
    replayed.map(|_| ()).map_err(|error| match error {
        ReplayError::Newer(found) => UpkeepError::Newer { path: log, found },
        ReplayError::Io { path, source } => UpkeepError::Io { path, source },
        ReplayError::Apply(reason) => failed_at(&log)(io::Error::other(reason)),
    })
}
