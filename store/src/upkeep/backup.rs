//! A consistent copy of a store, running or not, in a directory of its own.
//!
//! The log is copied first and the manifest after it. Every commit that the copied log lacks because its segment was
//! removed meanwhile, or because it came later, is at or below what the manifest, read later, calls flushed, or came
//! after the copy of the log: the backup is the store as of its last copied commit, or later.
//! Parquet files never change. One that is merged or dropped before it is copied is found in what a newer
//! manifest names instead.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::Timestamp;

use super::copy::{Content, Filling, content_of, expect};
use super::listing::{FILE_NAME, Listed, Listing};
use super::log::{End, segments, walk, walk_segment};
use super::verify::{Verified, examine};
use super::{UpkeepError, failed_at, load_manifest};
use crate::format::FormatVersion;
use crate::fs::Fs;
use crate::journal::HEADER_BYTES;
use crate::manifest::{self, Manifest, State};
use crate::recovery::WAL;
use crate::second_home::Place;

/// Where the store lies within a data directory, and so within a backup.
pub(super) const STORE: &str = "store";
/// How often the manifest is read again because files went away.
const ROUNDS_MAX: usize = 100;

/// A backup being made. Until [`Backup::finish`] the directory does not count as one.
pub struct Backup {
    fs: Arc<dyn Fs>,
    destination: PathBuf,
    store_format: FormatVersion,
    flushed: u64,
    sequence: u64,
    copied: BTreeMap<String, Content>,
}

impl Backup {
    /// Copies the store in `directory` to `store/` below `destination`, which is not there yet or empty.
    pub fn begin(
        fs: &Arc<dyn Fs>,
        directory: &Path,
        destination: &Path,
    ) -> Result<Backup, UpkeepError> {
        check_manifest(fs.as_ref(), directory)?;
        let mut filling = Filling::begin(fs.as_ref(), destination)?;
        let mut copied = BTreeMap::new();
        let last = copy_log(fs.as_ref(), directory, &mut filling, &mut copied)?;
        let (state, store_format) = copy_tables(fs.as_ref(), directory, &mut filling, &mut copied)?;
        filling.settle()?;
        let flushed = state.flushed;
        let store = destination.join(STORE);
        fs.create_dir(&store).map_err(failed_at(&store))?;
        Manifest::write(Arc::clone(fs), &store, state, store_format).map_err(failed_at(&store))?;
        for name in [manifest::FILE_NAME, manifest::PREVIOUS_NAME] {
            let content = content_of(fs.as_ref(), &store.join(name))?;
            copied.insert(format!("{STORE}/{name}"), content);
        }
        fs.sync_dir(destination).map_err(failed_at(destination))?;
        Ok(Backup {
            fs: Arc::clone(fs),
            destination: destination.to_path_buf(),
            store_format,
            flushed,
            sequence: last.max(flushed),
            copied,
        })
    }

    /// Takes up a file that somebody else made durable at `path` below the destination.
    pub fn add(&mut self, path: &str) -> Result<(), UpkeepError> {
        let content = content_of(self.fs.as_ref(), &self.destination.join(path))?;
        self.copied.insert(path.to_owned(), content);
        Ok(())
    }

    /// Reads everything back, writes the listing, and gives it with what a check of the copy found: a backup of a
    /// damaged store is a copy of its damage.
    pub fn finish(self, now: Timestamp) -> Result<(Listing, Verified), UpkeepError> {
        let fs = self.fs.as_ref();
        let mut listing = Listing::new(self.store_format, now);
        (listing.flushed_sequence, listing.sequence) = (self.flushed, self.sequence);
        for (path, content) in self.copied {
            expect(fs, &self.destination.join(&path), content)?;
            listing.files.push(Listed::new(path, content));
        }
        let verified = examine(fs, &self.destination.join(STORE), false)?;
        let path = self.destination.join(FILE_NAME);
        let text = serde_json::to_vec_pretty(&listing)
            .map_err(|error| failed_at(&path)(io::Error::other(error)))?;
        write_listing(fs, &self.destination, &text).map_err(failed_at(&path))?;
        Ok((listing, verified))
    }
}

fn write_listing(fs: &dyn Fs, destination: &Path, text: &[u8]) -> io::Result<()> {
    let temporary = destination.join(format!("{FILE_NAME}.tmp"));
    let mut file = fs.create(&temporary)?;
    file.write(text)?;
    file.sync()?;
    fs.rename(&temporary, &destination.join(FILE_NAME))?;
    fs.sync_dir(destination)
}

/// A manifest with edits missing names files that are gone and leaves out others: copying what it says would make a
/// worse store of a damaged one.
fn check_manifest(fs: &dyn Fs, directory: &Path) -> Result<(), UpkeepError> {
    load_manifest(fs, directory)?;
    let path = directory.join(manifest::FILE_NAME);
    let walked = walk(fs, &path, manifest::MAGIC, |_| Ok(()))?;
    let reason = match walked {
        None => "it is missing".to_owned(),
        Some(walked) if walked.records == 0 => "its checkpoint does not read".to_owned(),
        Some(walked) => match walked.end {
            End::Damaged(reason) => reason,
            End::Whole | End::Unfinished => return Ok(()),
        },
    };
    Err(UpkeepError::Damaged { path, reason })
}

/// Copies the segments, the newest up to its last whole record. Gives the last commit in them.
fn copy_log(
    fs: &dyn Fs,
    directory: &Path,
    filling: &mut Filling<'_>,
    copied: &mut BTreeMap<String, Content>,
) -> Result<u64, UpkeepError> {
    let log = directory.join(WAL);
    let mut last = 0;
    for segment in segments(fs, &log)? {
        let walked = walk_segment(fs, &log, &segment, |record| {
            last = last.max(record.sequence);
        })?;
        // Removed, since its rows are in Parquet.
        let Some(walked) = walked else { continue };
        let limit = match walked.end {
            // What is behind the damage comes along, for who repairs the copy.
            End::Damaged(_) => u64::MAX,
            End::Whole | End::Unfinished => walked.sound_bytes,
        };
        if limit <= HEADER_BYTES as u64 {
            continue;
        }
        let path = format!("{STORE}/{WAL}/{}", segment.name);
        match filling.copy(&log.join(&segment.name), &path, limit) {
            Ok(content) => {
                copied.insert(path, content);
            }
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(last)
}

/// Copies the files of the manifest as it is once all of them are there. Gives that manifest.
fn copy_tables(
    fs: &dyn Fs,
    directory: &Path,
    filling: &mut Filling<'_>,
    copied: &mut BTreeMap<String, Content>,
) -> Result<(State, FormatVersion), UpkeepError> {
    let mut tables: BTreeMap<String, Content> = BTreeMap::new();
    for _ in 0..ROUNDS_MAX {
        let loaded = load_manifest(fs, directory)?;
        let mut complete = true;
        for (path, file) in &loaded.state.files {
            if tables.contains_key(path) || !file.place.is_local() {
                continue;
            }
            let to = format!("{STORE}/{path}");
            match filling.copy(&directory.join(path), &to, u64::MAX) {
                Ok(content) => {
                    tables.insert(path.clone(), content);
                }
                Err(error) if is_gone(&error) => complete = false,
                Err(error) => return Err(error),
            }
        }
        let newer = load_manifest(fs, directory)?;
        let unchanged = newer.state.files == loaded.state.files;
        if !complete && unchanged {
            // Missing for good; the check of the copy says so.
            complete = true;
        }
        if complete {
            for path in tables
                .keys()
                .filter(|path| !loaded.state.files.contains_key(*path))
            {
                filling.remove(&format!("{STORE}/{path}"))?;
            }
            tables.retain(|path, _| loaded.state.files.contains_key(path));
            let named = tables.into_iter();
            copied.extend(named.map(|(path, content)| (format!("{STORE}/{path}"), content)));
            let version = loaded.version.unwrap_or(FormatVersion::NEWEST);
            return Ok((own(loaded.state), version));
        }
    }
    Err(UpkeepError::Restless)
}

/// What the copy says of its files: objects of the second home belong to the original, except those that the
/// copy has nothing else of.
fn own(mut state: State) -> State {
    for file in state.files.values_mut() {
        if file.place == Place::Both {
            file.place = Place::Local;
        }
    }
    state.leaving.clear();
    state
}

fn is_gone(error: &UpkeepError) -> bool {
    matches!(error, UpkeepError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
}
