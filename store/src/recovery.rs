//! From a directory to a store: lock, manifest, files, log. Damage is put aside and counted; what
//! precedes it is kept.

mod replay;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use model::{SharedClock, Timestamp};

use crate::budget::Budget;
use crate::catalogue::Catalogue;
use crate::commit::Health;
use crate::events;
use crate::flush::{Flusher, remove};
use crate::format::FormatVersion;
use crate::fs::{Fs, Lock, create_dirs};
use crate::idempotency::{Ledger, Limits};
use crate::manifest::{self, KeptKey, Loaded, Manifest, ManifestError};
use crate::options::Options;
use crate::partition::{PARQUET, TABLES, TEMPORARY, number_of};
use crate::retention::ClockWatch;
use crate::rollup::Rollups;
use crate::second_home::{Pace, Place};
use crate::wal::{self, Segments};

pub(crate) const WAL: &str = "wal";
pub(crate) const QUARANTINE: &str = "quarantine";
pub(crate) const LOCK: &str = "lock";

/// Why a store does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be made or written to.
    #[error("cannot write to {}: {source}; choose another data_dir or change its owner", directory.display())]
    Unwritable {
        /// The store's directory.
        directory: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has it open.
    #[error("{} is in use by another process, stop that one or choose another data_dir", directory.display())]
    Locked {
        /// The store's directory.
        directory: PathBuf,
    },
    /// A newer version wrote it.
    #[error("{} was written by a newer rampart (store format {found}, this one reads up to {newest}), upgrade rampart or restore a backup", directory.display(), newest = FormatVersion::NEWEST)]
    Newer {
        /// The store's directory.
        directory: PathBuf,
        /// The format it is in.
        found: FormatVersion,
    },
    /// The file system failed.
    #[error("cannot open the store: {}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The log holds more than memory may, and it cannot be written to Parquet.
    #[error("cannot read the write-ahead log back: {0}")]
    Replay(String),
    /// A thread that the store needs could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

/// What a start found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Found {
    /// Records of the log that were not in Parquet.
    pub replayed_records: u64,
    /// Their rows.
    pub replayed_rows: u64,
    /// Segments with an unfinished end, which is normal after a power loss.
    pub torn: u64,
    /// Damaged parts that were moved or copied to `quarantine/`.
    pub quarantined: u64,
    /// Files of the manifest that are missing.
    pub missing: u64,
}

/// A store as recovered, before it accepts anything.
pub(crate) struct Recovered {
    pub(crate) lock: Arc<dyn Lock>,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) rollups: Arc<Rollups>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) health: Arc<Health>,
    pub(crate) segments: Segments,
    pub(crate) flusher: Arc<Flusher>,
    pub(crate) wal_directory: PathBuf,
    /// The directory's version, in which everything new is written.
    pub(crate) version: FormatVersion,
    /// The sequence number of the next commit.
    pub(crate) next: u64,
    pub(crate) found: Found,
}

/// Opens a directory. Blocks while the log is read.
pub(crate) fn recover(
    fs: &Arc<dyn Fs>,
    options: &Options,
    clock: &SharedClock,
) -> Result<Recovered, OpenError> {
    let directory = &options.directory;
    let lock = claim(fs.as_ref(), directory)?;
    let mut found = Found::default();
    let mut loaded = manifest::load(fs.as_ref(), directory).map_err(|error| match error {
        ManifestError::Newer(found) => newer(directory, found),
        ManifestError::Io(source) => io_error(directory.join(manifest::FILE_NAME), source),
    })?;
    reconcile(fs.as_ref(), directory, &mut loaded, &mut found)
        .map_err(|source| io_error(directory.join(TABLES), source))?;
    if loaded.damaged && loaded.existed {
        manifest::copy_aside(fs.as_ref(), directory, &directory.join(QUARANTINE))
            .map_err(|source| io_error(directory.join(QUARANTINE), source))?;
    }
    let keys = std::mem::take(&mut loaded.state.keys);
    let mut recovered = assemble(fs, options, clock, lock, loaded, keys)?;
    recovered.found = found;
    replay::replay(fs.as_ref(), options, clock, &mut recovered)?;
    Ok(recovered)
}

/// Makes the directories and takes the lock.
fn claim(fs: &dyn Fs, directory: &Path) -> Result<Arc<dyn Lock>, OpenError> {
    let unwritable = |source| OpenError::Unwritable {
        directory: directory.to_path_buf(),
        source,
    };
    let mut ancestors: Vec<_> = directory
        .ancestors()
        .filter(|path| !path.as_os_str().is_empty())
        .collect();
    ancestors.reverse();
    for (parent, path) in ancestors.iter().zip(ancestors.iter().skip(1)) {
        fs.create_dir(path).map_err(unwritable)?;
        // A parent we may pass through but not read cannot be synced, and was not made by us.
        let _ = fs.sync_dir(parent);
    }
    if let [only] = ancestors.as_slice() {
        fs.create_dir(only).map_err(unwritable)?;
    }
    let lock = fs.lock(&directory.join(LOCK)).map_err(unwritable)?;
    let lock = lock.ok_or_else(|| OpenError::Locked {
        directory: directory.to_path_buf(),
    })?;
    for below in [WAL, TABLES] {
        fs.create_dir(&directory.join(below)).map_err(unwritable)?;
    }
    fs.sync_dir(directory).map_err(unwritable)?;
    Ok(Arc::from(lock))
}

/// Makes the files equal to the manifest: files it does not name are removed, since their rows are in
/// the log, or put aside when that is not certain.
fn reconcile(
    fs: &dyn Fs,
    directory: &Path,
    loaded: &mut Loaded,
    found: &mut Found,
) -> io::Result<()> {
    let (present, strangers) = survey(fs, directory, loaded)?;
    loaded.state.files.retain(|path, file| {
        if file.place == Place::Both && !present.contains(path) {
            events::local_copy_missing(&directory.join(path));
            file.place = Place::Away;
        }
        let kept = !file.place.is_local() || present.contains(path);
        if !kept {
            events::file_missing(&directory.join(path));
            found.missing += 1;
        }
        kept
    });
    let suspicious = loaded.damaged
        || !loaded.existed
        || found.missing > 0
        || !log_follows(fs, directory, loaded.state.flushed)?;
    for Stranger {
        path,
        unfinished,
        named,
    } in strangers
    {
        if unfinished || !(suspicious || named) {
            events::file_set_aside(&directory.join(&path), "it is not in the manifest", false);
            remove(fs, &directory.join(&path));
        } else {
            events::file_set_aside(&directory.join(&path), "the manifest says otherwise", true);
            put_aside(fs, directory, &path)?;
            found.quarantined += 1;
        }
    }
    if loaded.damaged {
        found.quarantined += 1;
    }
    Ok(())
}

/// A file that is not as the manifest says.
struct Stranger {
    path: String,
    /// It was being written, or was to be removed because the second home has it.
    unfinished: bool,
    /// The manifest names it, with another length.
    named: bool,
}

/// The files that are as the manifest says, and ours that are not.
fn survey(
    fs: &dyn Fs,
    directory: &Path,
    loaded: &Loaded,
) -> io::Result<(BTreeSet<String>, Vec<Stranger>)> {
    let (mut present, mut strangers) = (BTreeSet::new(), Vec::new());
    let mut pending = vec![TABLES.to_owned()];
    while let Some(below) = pending.pop() {
        for entry in fs.list(&directory.join(&below))? {
            let path = format!("{below}/{}", entry.name);
            let named = loaded.state.files.get(&path);
            let left = named.is_some_and(|file| !file.place.is_local());
            let unfinished = entry.name.ends_with(TEMPORARY) || left;
            if entry.directory {
                pending.push(path);
            } else if !left && named.is_some_and(|file| file.bytes == entry.bytes) {
                present.insert(path);
            } else if unfinished || entry.name.ends_with(PARQUET) {
                strangers.push(Stranger {
                    path,
                    unfinished,
                    named: named.is_some(),
                });
            }
        }
    }
    Ok((present, strangers))
}

/// Whether the log goes on where the manifest ends. Where it does not, edits of the manifest are gone
/// without a trace, and files it does not name may be all there is of their rows.
pub(crate) fn log_follows(fs: &dyn Fs, directory: &Path, flushed: u64) -> io::Result<bool> {
    let segments = fs.list(&directory.join(WAL))?;
    let first = segments.iter().find_map(|entry| wal::first_of(&entry.name));
    Ok(first.is_some_and(|first| first <= flushed + 1))
}

/// Moves one of the store's files to `quarantine/`.
pub(crate) fn put_aside(fs: &dyn Fs, directory: &Path, path: &str) -> io::Result<()> {
    let quarantine = directory.join(QUARANTINE);
    create_dirs(fs, directory, Path::new(QUARANTINE))?;
    let from = directory.join(path);
    fs.rename(&from, &quarantine.join(path.replace('/', "_")))?;
    if let Some(parent) = from.parent() {
        fs.sync_dir(parent)?;
    }
    fs.sync_dir(&quarantine)
}

/// The first number that no file of a table has had.
fn next_number<'a>(paths: impl Iterator<Item = &'a String>) -> u64 {
    let last = paths.filter_map(|path| number_of(path)).max();
    last.map_or(0, |last| last + 1)
}

fn assemble(
    fs: &Arc<dyn Fs>,
    options: &Options,
    clock: &SharedClock,
    lock: Arc<dyn Lock>,
    loaded: Loaded,
    keys: Vec<KeptKey>,
) -> Result<Recovered, OpenError> {
    let directory = &options.directory;
    let budget = Budget::new(options.memory_bytes_max);
    let version = loaded.version.unwrap_or(FormatVersion::NEWEST);
    let sound_bytes = (loaded.existed && !loaded.damaged).then_some(loaded.sound_bytes);
    let mut state = loaded.state;
    let ledger = Arc::new(ledger_of(options, &budget, clock, &keys));
    state.keys.extend(keys);
    state.forget_keys_before(clock.now() - options.idempotency_window);
    let catalogue = Arc::new(catalogue_of(directory, &state, clock));
    let next = state.flushed + 1;
    let next_file_number = next_number(state.files.keys().chain(&state.leaving));
    let leaving_objects = AtomicU64::new(state.leaving.len() as u64);
    let manifest = Manifest::open(Arc::clone(fs), directory, state, version, sound_bytes)
        .map_err(|source| io_error(directory.join(manifest::FILE_NAME), source))?;
    let health = Arc::new(Health::default());
    let segments = Segments::default();
    let rollups = Rollups::new(options.rollup_series_max);
    let rollups = Arc::new(rollups.counting(options.counted_layers.clone()));
    let flusher = Arc::new(Flusher {
        fs: Arc::clone(fs),
        clock: Arc::clone(clock),
        directory: directory.clone(),
        version,
        retention: options.retention,
        wal_keep_bytes_max: options.wal_keep_bytes_max,
        wal_hours_bytes_max: options.wal_hours_bytes_max,
        disk_free_bytes_min: options.disk_free_bytes_min,
        merged_files_kept: options.merged_files_kept,
        budget,
        catalogue: Arc::clone(&catalogue),
        rollups: Arc::clone(&rollups),
        ledger: Arc::clone(&ledger),
        health: Arc::clone(&health),
        segments: segments.clone(),
        manifest: Mutex::new(manifest),
        file_number: AtomicU64::new(next_file_number),
        last_flush: Mutex::new(None),
        closed: false.into(),
        clock_watch: Mutex::new(ClockWatch::new(clock.now(), clock.elapsed())),
        lock: Mutex::new(Some(Arc::clone(&lock))),
        merging: Mutex::default(),
        postponed: Mutex::default(),
        scrubbed: Mutex::default(),
        home: options.second_home.clone(),
        pace: Mutex::<Pace>::default(),
        leaving_objects,
    });
    Ok(Recovered {
        lock,
        catalogue,
        rollups,
        ledger,
        health,
        segments,
        flusher,
        wal_directory: directory.join(WAL),
        version,
        next,
        found: Found::default(),
    })
}

/// The senders' keys that the manifest holds.
fn ledger_of(options: &Options, budget: &Budget, clock: &SharedClock, keys: &[KeptKey]) -> Ledger {
    let ledger = Ledger::new(Limits {
        window: options.idempotency_window,
        keys_max: options.idempotency_keys_max,
        bytes_max: budget.keys.bytes_max() as usize,
    });
    for key in keys {
        ledger.restore(key.clone(), clock.now(), clock.elapsed());
    }
    ledger
}

/// What the manifest says there is.
fn catalogue_of(directory: &Path, state: &manifest::State, clock: &SharedClock) -> Catalogue {
    let catalogue = Catalogue::new(
        directory,
        state.files.values().cloned(),
        state.positions.clone(),
        state.flushed,
    );
    if let Some(newest) = state.files.values().map(|file| file.to_us).max() {
        catalogue.note_newest(Timestamp::from_micros(newest), clock.elapsed());
    }
    catalogue
}

fn newer(directory: &Path, found: FormatVersion) -> OpenError {
    OpenError::Newer {
        directory: directory.to_path_buf(),
        found,
    }
}

fn io_error(path: PathBuf, source: io::Error) -> OpenError {
    OpenError::Io { path, source }
}
