//! Files that a plan names: found beside it, held once, within limits.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use declare::{Node, Problems};
use model::Bytes;

use super::caps::{BODY_FILE_LINES_MAX, BODY_FILES_BYTES_MAX};
use crate::request::Lines;

/// Where the files of a plan are.
pub(super) enum Place {
    /// Beside the plan, by the names it says.
    Folder(PathBuf),
    /// Sent with the plan, by the names it says; nothing else on this machine is read for it.
    Sent {
        /// The files that were sent.
        files: BTreeMap<String, PathBuf>,
        /// A path at which there is nothing, for all other names.
        missing: PathBuf,
    },
}

/// The files of one plan.
pub(super) struct Files {
    place: Place,
    /// What the plan named, and where it was looked for.
    named: RefCell<BTreeMap<String, PathBuf>>,
    bodies: BTreeMap<PathBuf, Option<Arc<Lines>>>,
    bytes_left: u64,
}

impl Files {
    pub(super) fn new(place: Place) -> Self {
        Files {
            place,
            named: RefCell::new(BTreeMap::new()),
            bodies: BTreeMap::new(),
            bytes_left: BODY_FILES_BYTES_MAX,
        }
    }

    /// Where a file lies that is read for a run.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        let path = self.own_path(name);
        self.named
            .borrow_mut()
            .insert(name.to_owned(), path.clone());
        path
    }

    /// Where a file lies that is of use on the plan's own machine alone: it is never sent with the plan.
    pub(super) fn own_path(&self, name: &str) -> PathBuf {
        match &self.place {
            Place::Folder(folder) => folder.join(name),
            Place::Sent { files, missing } => files.get(name).unwrap_or(missing).clone(),
        }
    }

    /// Every file that was named, with the place where it lies.
    pub(super) fn named(self) -> BTreeMap<String, PathBuf> {
        self.named.into_inner()
    }

    /// The file named by a field, when it can be opened.
    pub(super) fn readable(&self, node: Option<&Node>, problems: &mut Problems) -> Option<PathBuf> {
        let node = node?;
        let path = self.path(node.text()?);
        match File::open(&path).and_then(|file| file.metadata()) {
            Ok(found) if found.is_file() => Some(path),
            Ok(_) => refuse(node, &path, "it is not a file", problems),
            Err(error) => refuse(node, &path, &cause(&error), problems),
        }
    }

    /// The lines of a body file. Files named several times are read once.
    pub(super) fn lines(&mut self, node: &Node, problems: &mut Problems) -> Option<Arc<Lines>> {
        let path = self.path(node.text()?);
        if let Some(held) = self.bodies.get(&path) {
            return held.clone();
        }
        let lines = self.read_lines(node, &path, problems);
        self.bodies.insert(path, lines.clone());
        lines
    }

    fn read_lines(
        &mut self,
        node: &Node,
        path: &Path,
        problems: &mut Problems,
    ) -> Option<Arc<Lines>> {
        let text = match read_text(path, self.bytes_left) {
            Ok(text) => text,
            Err(ReadError::TooLarge) => {
                let most = Bytes::new(BODY_FILES_BYTES_MAX);
                return refuse(
                    node,
                    path,
                    &format!("the body files of a plan have more than {most} together"),
                    problems,
                );
            }
            Err(ReadError::Other(why)) => return refuse(node, path, &why, problems),
        };
        self.bytes_left = self.bytes_left.saturating_sub(text.len() as u64);
        let lines = Lines::new(text);
        match lines.len() {
            0 => refuse(node, path, "it has no lines", problems),
            1..=BODY_FILE_LINES_MAX => Some(Arc::new(lines)),
            count => {
                let why = format!("it has {count} lines, the limit is {BODY_FILE_LINES_MAX}");
                refuse(node, path, &why, problems)
            }
        }
    }
}

/// Why a file was not read.
pub(super) enum ReadError {
    TooLarge,
    Other(String),
}

/// A text file of so many bytes at most. What is not a plain file (a device, a pipe) is refused: it
/// might never end.
pub(super) fn read_text(path: &Path, bytes_max: u64) -> Result<String, ReadError> {
    let other = |error: &std::io::Error| ReadError::Other(cause(error));
    // Asked before it is opened: opening a pipe would wait for its writer.
    let found = std::fs::metadata(path).map_err(|error| other(&error))?;
    if !found.is_file() {
        return Err(ReadError::Other("it is not a file".to_owned()));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| {
            file.take(bytes_max.saturating_add(1))
                .read_to_end(&mut bytes)
        })
        .map_err(|error| other(&error))?;
    if bytes.len() as u64 > bytes_max {
        return Err(ReadError::TooLarge);
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.as_bytes().get(..error.utf8_error().valid_up_to());
        let line = valid.map_or(0, |valid| memchr::memchr_iter(b'\n', valid).count()) + 1;
        ReadError::Other(format!("line {line} is not UTF-8"))
    })
}

/// Reports that a file cannot be used.
pub(super) fn refuse<T>(node: &Node, path: &Path, why: &str, problems: &mut Problems) -> Option<T> {
    let problem = problems.error(node, format!("cannot use {}: {why}", path.display()));
    if why == NO_SUCH_FILE {
        problem.hint("relative names are looked up beside the plan");
    }
    None
}

const NO_SUCH_FILE: &str = "there is no such file";

/// An input error in words that do not depend on the system.
pub(super) fn cause(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => NO_SUCH_FILE.to_owned(),
        std::io::ErrorKind::PermissionDenied => "it may not be read".to_owned(),
        _ => error.to_string(),
    }
}
