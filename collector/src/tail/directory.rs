//! Which files there are.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use model::Glob;

use super::head::{Head, Identity};

/// Files one source follows.
pub(super) const FILES_MAX: usize = 256;
/// Entries of a directory that are looked at.
const ENTRIES_MAX: usize = 10_000;
/// Endings of rotated files that were compressed: their lines were read before.
const COMPRESSED: [&str; 6] = [".gz", ".zst", ".bz2", ".xz", ".lz4", ".zip"];

/// A file that was found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
    pub(super) length: u64,
}

/// The files that a path or pattern means, in order of name. A plain path that does not exist is an
/// error; a pattern that matches nothing is not.
pub(super) fn matching(pattern: &str) -> io::Result<Vec<Found>> {
    let (directory, name) = split(pattern);
    if !name.contains(['*', '?']) {
        return look(Path::new(pattern)).map(|found| found.into_iter().collect());
    }
    let glob = Glob::new(name).map_err(io::Error::other)?;
    let mut found = Vec::new();
    for path in entries(directory, |name| glob.matches(name))? {
        found.extend(look(&path)?);
    }
    if found.len() > FILES_MAX {
        return Err(io::Error::other(format!(
            "{pattern} matches more than {FILES_MAX} files"
        )));
    }
    Ok(found)
}

/// The file beside `path` that is `identity`, under whatever name it was rotated to.
pub(super) fn renamed(path: &Path, identity: Identity) -> Option<(PathBuf, File)> {
    siblings(path).into_iter().find_map(|candidate| {
        let found = look(&candidate).ok()??;
        let file = (found.identity == identity).then(|| File::open(&candidate).ok())??;
        Some((candidate, file))
    })
}

/// The file beside `path` that is a copy of what `path` was: it has the same first bytes and at
/// least `length` bytes, and is not `identity` itself.
pub(super) fn copied(
    path: &Path,
    identity: Identity,
    head: Head,
    length: u64,
) -> Option<(Found, File)> {
    if !head.is_telling() {
        return None;
    }
    siblings(path).into_iter().find_map(|candidate| {
        let found = look(&candidate).ok()??;
        if found.identity == identity || found.length < length {
            return None;
        }
        let file = File::open(&candidate).ok()?;
        let same = head.still_holds(&file).ok()?;
        same.then_some((found, file))
    })
}

/// Whether a name is that of `path` with something appended, as rotated files are named.
pub(super) fn is_name_of_copy(path: &Path, candidate: &Path) -> bool {
    let (Some(name), Some(candidate)) = (file_name(path), file_name(candidate)) else {
        return false;
    };
    candidate.len() > name.len() && candidate.starts_with(name)
}

/// Rotated files of `path`: beside it, with its name and something appended, not compressed.
fn siblings(path: &Path) -> Vec<PathBuf> {
    let Some(name) = file_name(path) else {
        return Vec::new();
    };
    let directory = path.parent().unwrap_or(Path::new(""));
    entries(directory, |candidate| candidate.starts_with(name)).unwrap_or_default()
}

fn file_name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

fn split(pattern: &str) -> (&Path, &str) {
    match pattern.rsplit_once('/') {
        Some(("", name)) => (Path::new("/"), name),
        Some((directory, name)) => (Path::new(directory), name),
        None => (Path::new("."), pattern),
    }
}

fn entries(directory: &Path, wanted: impl Fn(&str) -> bool) -> io::Result<Vec<PathBuf>> {
    let directory = if directory.as_os_str().is_empty() {
        Path::new(".")
    } else {
        directory
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory)?.take(ENTRIES_MAX) {
        let entry = entry?;
        let name = entry.file_name();
        let taken = name.to_str().is_some_and(|name| {
            wanted(name) && !COMPRESSED.iter().any(|ending| name.ends_with(ending))
        });
        if taken {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// What stands at a path; `None` when it is no regular file or went away meanwhile.
fn look(path: &Path) -> io::Result<Option<Found>> {
    let metadata = fs::metadata(path).map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("cannot read {}: {error}", path.display()),
        )
    })?;
    Ok(metadata.is_file().then(|| Found {
        path: path.to_owned(),
        identity: Identity::of(&metadata),
        length: metadata.len(),
    }))
}
