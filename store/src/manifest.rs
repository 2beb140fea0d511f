//! Which Parquet files there are, and up to which commit they hold everything: the truth about files.
//!
//! A journal of edits. Each is atomic: files added and removed, the flushed sequence number, source
//! positions and idempotency keys as of that number. A checkpoint replaces everything before it.
//!
//! Every checkpoint is written twice, to `manifest.previous` first: with the one damaged, the other and
//! the edits behind the damaged one still tell everything.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::events;
use crate::format::FormatVersion;
use crate::fs::Fs;
use crate::journal::{
    AppendError, HEADER_BYTES, Header, Journal, JournalReader, Magic, Step, frame,
};
use crate::schema::Table;
use crate::second_home::Place;

/// How a manifest begins.
pub(crate) const MAGIC: Magic = *b"RAMPMAN\n";
/// The name within the store's directory.
pub(crate) const FILE_NAME: &str = "manifest";
const TEMPORARY_NAME: &str = "manifest.tmp";
/// The checkpoint that `manifest` begins with, once more.
pub(crate) const PREVIOUS_NAME: &str = "manifest.previous";
const PREVIOUS_TEMPORARY_NAME: &str = "manifest.previous.tmp";
/// A manifest longer than this, and than four checkpoints, is written anew.
const REWRITE_BYTES_MIN: u64 = 4 << 20;

/// A Parquet file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableFile {
    pub(crate) table: Table,
    /// Path below the store's directory, with `/` between the parts.
    pub(crate) path: String,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// When its partition's hour begins, in seconds since the epoch.
    pub(crate) hour: i64,
    /// The earliest and the latest time of its rows, in microseconds since the epoch.
    pub(crate) from_us: i64,
    pub(crate) to_us: i64,
    /// CRC-32C of its content; files written by the first builds have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) checksum: Option<u32>,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Place::is_default")]
    pub(crate) place: Place,
}

/// A sender's key as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptKey {
    pub(crate) key: String,
    pub(crate) answer: String,
    pub(crate) sequence: u64,
    pub(crate) at: Timestamp,
}

/// One record of the manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Edit {
    /// Whether everything before this record is void.
    #[serde(default)]
    pub(crate) checkpoint: bool,
    #[serde(default)]
    pub(crate) added: Vec<TableFile>,
    #[serde(default)]
    pub(crate) removed: Vec<String>,
    /// Everything up to this sequence number lies in the files.
    #[serde(default)]
    pub(crate) flushed: Option<u64>,
    /// Positions as of `flushed`; sources not named keep theirs.
    #[serde(default)]
    pub(crate) positions: BTreeMap<String, String>,
    /// Keys since the edit before.
    #[serde(default)]
    pub(crate) keys: Vec<KeptKey>,
    /// Objects of the second home that are to go: no file needs them, or not yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) leaving: Vec<String>,
    /// Objects that are gone, or that a file needs now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) left: Vec<String>,
}

/// What all edits amount to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) files: BTreeMap<String, TableFile>,
    pub(crate) flushed: u64,
    pub(crate) positions: BTreeMap<String, String>,
    pub(crate) keys: Vec<KeptKey>,
    /// Objects of the second home that no file needs.
    pub(crate) leaving: BTreeSet<String>,
}

impl State {
    fn apply(&mut self, edit: Edit) {
        if edit.checkpoint {
            *self = State::default();
        }
        for path in edit.removed {
            self.files.remove(&path);
        }
        for file in edit.added {
            self.files.insert(file.path.clone(), file);
        }
        self.flushed = edit.flushed.unwrap_or(self.flushed).max(self.flushed);
        self.positions.extend(edit.positions);
        self.keys.extend(edit.keys);
        for path in edit.left {
            self.leaving.remove(&path);
        }
        self.leaving.extend(edit.leaving);
    }

    fn checkpoint(&self) -> Edit {
        Edit {
            checkpoint: true,
            added: self.files.values().cloned().collect(),
            removed: Vec::new(),
            flushed: Some(self.flushed),
            positions: self.positions.clone(),
            keys: self.keys.clone(),
            leaving: self.leaving.iter().cloned().collect(),
            left: Vec::new(),
        }
    }

    /// Forgets keys older than `keep_from`, which nobody asks for any more.
    pub(crate) fn forget_keys_before(&mut self, keep_from: Timestamp) {
        self.keys.retain(|key| key.at >= keep_from);
    }
}

/// Why the manifest does not open.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManifestError {
    /// It was written by a newer version.
    #[error("written in format {0}")]
    Newer(FormatVersion),
    /// The file system failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// What reading the manifest found.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) state: State,
    /// The directory's version, as its manifest tells; `None` when no header reads.
    pub(crate) version: Option<FormatVersion>,
    /// Whether there was a manifest at all.
    pub(crate) existed: bool,
    /// Whether a part of it did not read.
    pub(crate) damaged: bool,
    /// How much of it did, in bytes; all of it when it is not damaged.
    pub(crate) sound_bytes: u64,
}

/// How far one file was read.
struct Reading {
    version: Option<FormatVersion>,
    edits: u64,
    sound_bytes: u64,
    damaged: bool,
}

/// Reads the manifest of a store as far as it is sound. Where its checkpoint is not, the other copy
/// stands in for it.
pub(crate) fn load(fs: &dyn Fs, directory: &Path) -> Result<Loaded, ManifestError> {
    let path = directory.join(FILE_NAME);
    let mut loaded = Loaded::default();
    let current = read(fs, &path, HEADER_BYTES as u64, &mut loaded.state)?;
    loaded.existed = current.is_some();
    loaded.version = current.as_ref().and_then(|current| current.version);
    loaded.sound_bytes = current.as_ref().map_or(0, |current| current.sound_bytes);
    loaded.damaged = current.as_ref().is_some_and(|current| current.damaged);
    let other = directory.join(PREVIOUS_NAME);
    if current.is_some_and(|current| current.edits > 0) {
        if loaded.version.is_none() {
            loaded.version = version_of(fs, &other)?;
        }
        return Ok(loaded);
    }
    let previous = read(fs, &other, HEADER_BYTES as u64, &mut loaded.state)?;
    let known = previous.as_ref().and_then(|previous| previous.version);
    loaded.version = loaded.version.or(known);
    if let Some(previous) = previous.filter(|previous| previous.edits > 0) {
        // Both copies of a checkpoint are equally long.
        read(fs, &path, previous.sound_bytes, &mut loaded.state)?;
        loaded.damaged |= loaded.state != State::default();
        events::checkpoint_restored(&other);
    }
    Ok(loaded)
}

/// The version that a file's header tells; `None` when there is no such file or no sound header.
fn version_of(fs: &dyn Fs, path: &Path) -> Result<Option<FormatVersion>, ManifestError> {
    match JournalReader::open(fs, path, MAGIC) {
        Ok((_, Header::Sound(version))) => Ok(Some(version)),
        Ok((_, Header::Newer(version))) => Err(ManifestError::Newer(version)),
        Ok((_, Header::Damaged)) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Applies the edits of a file from byte `from` on; `None` when there is no such file.
fn read(
    fs: &dyn Fs,
    path: &Path,
    from: u64,
    state: &mut State,
) -> Result<Option<Reading>, ManifestError> {
    let (mut reader, header) = match JournalReader::open(fs, path, MAGIC) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // Records carry their own checksums: behind a damaged header they are read all the same.
    let version = match header {
        Header::Newer(version) => return Err(ManifestError::Newer(version)),
        Header::Damaged => None,
        Header::Sound(version) => Some(version),
    };
    let mut damaged = version.is_none();
    reader.skip_to(from)?;
    let mut edits = 0_u64;
    loop {
        let edit = match reader.next()? {
            // Even a new manifest holds a checkpoint.
            Step::End if edits == 0 => None,
            Step::End => break,
            Step::Damaged => None,
            Step::Record(payload) => serde_json::from_slice(&payload).ok(),
        };
        let Some(edit) = edit else {
            damaged = true;
            break;
        };
        edits += 1;
        state.apply(edit);
    }
    let sound_bytes = reader.sound_bytes();
    if damaged && from == HEADER_BYTES as u64 {
        events::manifest_damaged(path, sound_bytes);
    }
    Ok(Some(Reading {
        version,
        edits,
        sound_bytes,
        damaged,
    }))
}

/// Copies a damaged manifest aside for a person to look at. The original stays under its name until
/// a new one takes it.
pub(crate) fn copy_aside(fs: &dyn Fs, directory: &Path, quarantine: &Path) -> io::Result<()> {
    fs.create_dir(quarantine)?;
    let taken = fs.list(quarantine)?;
    // One of as many names plus one is free.
    let name = (0..=taken.len())
        .map(|number| format!("{FILE_NAME}.{number}"))
        .find(|name| taken.iter().all(|entry| entry.name != *name))
        .unwrap_or_else(|| FILE_NAME.to_owned());
    let temporary = quarantine.join(TEMPORARY_NAME);
    remove_if_there(fs, &temporary)?;
    let mut content = Vec::new();
    io::Read::read_to_end(&mut fs.read(&directory.join(FILE_NAME))?, &mut content)?;
    let mut copy = fs.create(&temporary)?;
    copy.write(&content)?;
    copy.sync()?;
    fs.sync_dir(quarantine)?;
    fs.rename(&temporary, &quarantine.join(name))?;
    fs.sync_dir(quarantine)?;
    fs.sync_dir(directory)
}

fn remove_if_there(fs: &dyn Fs, path: &Path) -> io::Result<()> {
    match fs.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The manifest, open for edits.
pub(crate) struct Manifest {
    fs: std::sync::Arc<dyn Fs>,
    directory: PathBuf,
    version: FormatVersion,
    journal: Journal,
    checkpoint_bytes: u64,
    state: State,
}

impl Manifest {
    /// Writes `state` as a new manifest in place of whatever was there, which makes `version` the
    /// directory's. The old one stays the truth until the new one is durable.
    pub(crate) fn write(
        fs: std::sync::Arc<dyn Fs>,
        directory: &Path,
        state: State,
        version: FormatVersion,
    ) -> io::Result<Manifest> {
        let prepared = prepare_checkpoint(fs.as_ref(), directory, &state, version)?;
        let journal = replace(fs.as_ref(), directory, prepared)?;
        Ok(Manifest {
            fs,
            directory: directory.to_path_buf(),
            version,
            checkpoint_bytes: journal.bytes(),
            journal,
            state,
        })
    }

    /// The same at a start. On a full disk it goes on with the manifest that is there, when that is
    /// `sound_bytes` long and sound: it says the same, at greater length.
    pub(crate) fn open(
        fs: std::sync::Arc<dyn Fs>,
        directory: &Path,
        state: State,
        version: FormatVersion,
        sound_bytes: Option<u64>,
    ) -> io::Result<Manifest> {
        let prepared = prepare_checkpoint(fs.as_ref(), directory, &state, version);
        let (journal, checkpoint_bytes) = match (prepared, sound_bytes) {
            (Ok(prepared), _) => {
                let journal = replace(fs.as_ref(), directory, prepared)?;
                let bytes = journal.bytes();
                (journal, bytes)
            }
            (Err(error), Some(sound_bytes)) if crate::fs::is_full(&error) => {
                for unfinished in [PREVIOUS_TEMPORARY_NAME, TEMPORARY_NAME] {
                    remove_if_there(fs.as_ref(), &directory.join(unfinished))?;
                }
                events::manifest_not_rewritten();
                let path = directory.join(FILE_NAME);
                let mut journal = Journal::reopen(fs.as_ref(), &path, sound_bytes)?;
                // A killed process may have left edits that only the page cache holds.
                journal.sync()?;
                (journal, sound_bytes)
            }
            (Err(error), _) => return Err(error),
        };
        Ok(Manifest {
            fs,
            directory: directory.to_path_buf(),
            version,
            checkpoint_bytes,
            journal,
            state,
        })
    }

    /// What all edits amount to.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Appends one edit; when this returns `Ok` it is durable. After [`AppendError::Full`] the
    /// manifest is as before; after [`AppendError::Broken`] nobody knows.
    pub(crate) fn commit(&mut self, edit: Edit) -> Result<(), AppendError> {
        let mut framed = Vec::new();
        let payload = to_json(&edit).map_err(AppendError::Broken)?;
        frame(&mut framed, &[&payload]).map_err(AppendError::Broken)?;
        self.journal.append(&framed)?;
        self.journal.sync().map_err(AppendError::Broken)?;
        self.state.apply(edit);
        Ok(())
    }

    /// Writes the manifest anew when edits have made it long. A full disk only postpones that.
    pub(crate) fn shorten(&mut self, keys_from: Timestamp) -> io::Result<()> {
        self.state.forget_keys_before(keys_from);
        let long = self.journal.bytes() > REWRITE_BYTES_MIN.max(4 * self.checkpoint_bytes);
        if !long {
            return Ok(());
        }
        let (fs, directory) = (self.fs.as_ref(), self.directory.as_path());
        match prepare_checkpoint(fs, directory, &self.state, self.version) {
            // From the first rename on, any error leaves open which file is the manifest.
            Ok(prepared) => {
                let journal = replace(fs, directory, prepared)?;
                self.checkpoint_bytes = journal.bytes();
                self.journal = journal;
                Ok(())
            }
            Err(error) if crate::fs::is_full(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Writes both copies of a checkpoint, durable under temporary names.
fn prepare_checkpoint(
    fs: &dyn Fs,
    directory: &Path,
    state: &State,
    version: FormatVersion,
) -> io::Result<Journal> {
    let mut framed = Vec::new();
    frame(&mut framed, &[&to_json(&state.checkpoint())?])?;
    let write = |name| {
        let temporary = directory.join(name);
        remove_if_there(fs, &temporary)?;
        let mut journal = Journal::create(fs, &temporary, MAGIC, version)?;
        journal.append(&framed).map_err(|error| match error {
            AppendError::Full => io::ErrorKind::StorageFull.into(),
            AppendError::Broken(error) => error,
        })?;
        journal.sync()?;
        io::Result::Ok(journal)
    };
    write(PREVIOUS_TEMPORARY_NAME)?;
    let journal = write(TEMPORARY_NAME)?;
    fs.sync_dir(directory)?;
    Ok(journal)
}

/// Gives both copies their names. The first may hold more than a manifest still in place, never less.
fn replace(fs: &dyn Fs, directory: &Path, prepared: Journal) -> io::Result<Journal> {
    for (from, to) in [
        (PREVIOUS_TEMPORARY_NAME, PREVIOUS_NAME),
        (TEMPORARY_NAME, FILE_NAME),
    ] {
        fs.rename(&directory.join(from), &directory.join(to))?;
        fs.sync_dir(directory)?;
    }
    Ok(prepared)
}

fn to_json(edit: &Edit) -> io::Result<Vec<u8>> {
    serde_json::to_vec(edit).map_err(io::Error::other)
}
