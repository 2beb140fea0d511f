//! The segments: the one being written, those that wait to be removed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::Timestamp;

use crate::format::FormatVersion;
use crate::fs::Fs;
use crate::journal::{AppendError, HEADER_BYTES, Journal, Magic, frame};

/// How a segment begins.
pub(crate) const MAGIC: Magic = *b"RAMPWAL\n";
const EXTENSION: &str = ".wal";
/// A segment with a record older than this is closed at the next commit, so that it can be removed
/// while traffic is low.
const SEGMENT_AGE_MAX: Duration = Duration::from_mins(5);

/// The sequence number a segment's name tells; `None` for other names.
pub(crate) fn first_of(name: &str) -> Option<u64> {
    name.strip_suffix(EXTENSION)?.parse().ok()
}

/// A closed segment.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    /// The last sequence number inside.
    pub(crate) last: u64,
    /// When its last record was committed.
    pub(crate) newest: Timestamp,
    pub(crate) bytes: u64,
}

/// Which segments are kept although their rows lie in Parquet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    /// Those with records from then on,
    pub(crate) from: Timestamp,
    /// while all segments together take no more than this.
    pub(crate) bytes_max: u64,
}

impl Kept {
    fn keeps(&self, oldest: &Segment, bytes: u64) -> bool {
        oldest.newest >= self.from && bytes <= self.bytes_max
    }
}

#[derive(Default)]
struct Held {
    closed: Vec<Segment>,
    /// Bytes in the segment being written; 0 when there is none.
    active_bytes: u64,
}

/// The segments, oldest first: the writer adds, the flush removes.
#[derive(Clone, Default)]
pub(crate) struct Segments(Arc<Mutex<Held>>);

impl Segments {
    /// Adds the segment that was just closed.
    pub(crate) fn push(&self, segment: Segment) {
        let mut held = self.lock();
        held.closed.push(segment);
        held.active_bytes = 0;
    }

    fn grow_active(&self, bytes: u64) {
        self.lock().active_bytes = bytes;
    }

    /// How many segments there are, and their bytes.
    pub(crate) fn size(&self) -> (u64, u64) {
        let held = self.lock();
        let closed: u64 = held.closed.iter().map(|segment| segment.bytes).sum();
        let active = u64::from(held.active_bytes > 0);
        (
            held.closed.len() as u64 + active,
            closed + held.active_bytes,
        )
    }

    /// Removes the segments whose rows all lie in Parquet (`flushed`), but not those that one of `kept`
    /// keeps, from which rollups are rebuilt at a start.
    pub(crate) fn remove_flushed(
        &self,
        fs: &dyn Fs,
        flushed: u64,
        kept: &[Kept],
    ) -> io::Result<usize> {
        let mut removed = 0;
        loop {
            let oldest = {
                let held = self.lock();
                let bytes: u64 = held.closed.iter().map(|segment| segment.bytes).sum();
                match held.closed.first() {
                    Some(oldest)
                        if oldest.last <= flushed
                            && !kept.iter().any(|kept| kept.keeps(oldest, bytes)) =>
                    {
                        oldest.clone()
                    }
                    _ => return Ok(removed),
                }
            };
            // The name is given up only after the file: a failed removal is tried again later.
            fs.remove(&oldest.path)?;
            self.lock()
                .closed
                .retain(|segment| segment.path != oldest.path);
            removed += 1;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a group of records did not become durable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WalError {
    /// The disk is full; nothing of the group is in the log.
    #[error("the disk is full")]
    Full,
    /// The log cannot be trusted any more.
    #[error("cannot {step} the write-ahead log {path}: {source}", path = path.display())]
    Broken {
        /// What was tried.
        step: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

/// Framed records of one group, in order.
#[derive(Default)]
pub(crate) struct Group {
    framed: Vec<u8>,
    first: Option<u64>,
    last: u64,
}

impl Group {
    /// Adds a record: `body` is what [`super::encode`] made.
    pub(crate) fn add(&mut self, sequence: u64, at: Timestamp, body: &[u8]) -> io::Result<()> {
        let at = at.as_micros().to_le_bytes();
        frame(&mut self.framed, &[&sequence.to_le_bytes(), &at, body])?;
        self.first.get_or_insert(sequence);
        self.last = sequence;
        Ok(())
    }
}

struct Active {
    journal: Journal,
    oldest: Timestamp,
    newest: Timestamp,
    last: u64,
}

/// The end of the log that grows. Owned by the one thread that commits.
pub(crate) struct SegmentWriter {
    fs: Arc<dyn Fs>,
    directory: PathBuf,
    version: FormatVersion,
    segment_bytes_max: u64,
    closed: Segments,
    active: Option<Active>,
}

impl SegmentWriter {
    /// A writer whose first record begins a new segment in `directory`, in the directory's version.
    pub(crate) fn new(
        fs: Arc<dyn Fs>,
        directory: &Path,
        version: FormatVersion,
        segment_bytes_max: u64,
        closed: Segments,
    ) -> Self {
        SegmentWriter {
            fs,
            directory: directory.to_path_buf(),
            version,
            segment_bytes_max,
            closed,
            active: None,
        }
    }

    /// Writes a group with one write. It is durable only after [`SegmentWriter::sync`].
    pub(crate) fn append(&mut self, group: &Group, now: Timestamp) -> Result<(), WalError> {
        let Some(first) = group.first else {
            return Ok(());
        };
        self.close_if_due(group.framed.len() as u64, now)?;
        let active = match &mut self.active {
            Some(active) => active,
            none => {
                let journal = begin(self.fs.as_ref(), &self.directory, first, self.version)?;
                none.insert(Active {
                    journal,
                    oldest: now,
                    newest: now,
                    last: first,
                })
            }
        };
        match active.journal.append(&group.framed) {
            Ok(()) => {
                active.last = group.last;
                active.newest = active.newest.max(now);
                self.closed.grow_active(active.journal.bytes());
                Ok(())
            }
            Err(AppendError::Full) => Err(WalError::Full),
            Err(AppendError::Broken(source)) => {
                Err(broken("write to", active.journal.path(), source))
            }
        }
    }

    /// Makes everything appended durable.
    pub(crate) fn sync(&mut self) -> Result<(), WalError> {
        match &mut self.active {
            None => Ok(()),
            Some(active) => active
                .journal
                .sync()
                .map_err(|source| broken("sync", active.journal.path(), source)),
        }
    }

    fn close_if_due(&mut self, more: u64, now: Timestamp) -> Result<(), WalError> {
        let due = self.active.as_ref().is_some_and(|active| {
            let bytes = active.journal.bytes();
            let used = bytes > HEADER_BYTES as u64;
            used && (bytes + more > self.segment_bytes_max
                || now.since(active.oldest) > SEGMENT_AGE_MAX)
        });
        if due {
            self.close()?;
        }
        Ok(())
    }

    /// Syncs and closes the segment being written; the next group begins a new one.
    pub(crate) fn close(&mut self) -> Result<(), WalError> {
        self.sync()?;
        if let Some(active) = self.active.take() {
            self.closed.push(Segment {
                path: active.journal.path().to_path_buf(),
                last: active.last,
                newest: active.newest,
                bytes: active.journal.bytes(),
            });
        }
        Ok(())
    }
}

fn begin(
    fs: &dyn Fs,
    directory: &Path,
    first: u64,
    version: FormatVersion,
) -> Result<Journal, WalError> {
    let path = directory.join(format!("{first:020}{EXTENSION}"));
    let journal = Journal::create(fs, &path, MAGIC, version).map_err(|error| {
        if crate::fs::is_full(&error) {
            WalError::Full
        } else {
            broken("begin", &path, error)
        }
    })?;
    fs.sync_dir(directory)
        .map_err(|source| broken("sync the directory of", &path, source))?;
    Ok(journal)
}

fn broken(step: &'static str, path: &Path, source: io::Error) -> WalError {
    WalError::Broken {
        step,
        path: path.to_path_buf(),
        source,
    }
}
