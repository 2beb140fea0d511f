//! Reading the log back at a start: every sound record once, in order, damage put aside.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use model::Timestamp;

use super::record::{Record, decode};
use super::segment::{MAGIC, Segment, first_of};
use crate::events;
use crate::format::FormatVersion;
use crate::fs::{Entry, Fs, FsFile};
use crate::journal::{Header, Journal, JournalReader, Step, holds_record};

/// A gap in sequence numbers wider than this is not taken for a record.
const SEQUENCE_GAP_MAX: u64 = 1 << 32;
/// What is copied at once, in bytes.
const COPY_BYTES: usize = 1 << 20;

/// What reading the log found.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    /// The segments, oldest first, all closed now.
    pub(crate) segments: Vec<Segment>,
    /// The highest sequence number seen.
    pub(crate) last: u64,
    /// Segments with a torn end that was cut off.
    pub(crate) torn: u64,
    /// Segments with damage that was copied aside.
    pub(crate) quarantined: u64,
}

/// Why the log cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    /// A segment was written by a newer version.
    #[error("written in format {0}")]
    Newer(FormatVersion),
    /// The file system failed.
    #[error("{path}: {source}", path = path.display())]
    Io { path: PathBuf, source: io::Error },
    /// What was done with a record failed.
    #[error("{0}")]
    Apply(String),
}

/// Reads all segments under `directory` and gives each record to `apply` as it is read.
/// The rest of a segment behind a damaged record is copied to `quarantine` and cut off.
pub(crate) fn replay(
    fs: &dyn Fs,
    directory: &Path,
    quarantine: &Path,
    mut apply: impl FnMut(Record, u64) -> Result<(), String>,
) -> Result<Replayed, ReplayError> {
    let mut replayed = Replayed::default();
    let (segments, strangers): (Vec<Entry>, Vec<Entry>) = fs
        .list(directory)
        .map_err(|source| io_error(directory, source))?
        .into_iter()
        .filter(|entry| first_of(&entry.name).is_some())
        .partition(|entry| !entry.directory);
    for stranger in strangers {
        let path = directory.join(&stranger.name);
        move_aside(fs, &path, quarantine).map_err(|source| io_error(&path, source))?;
        replayed.quarantined += 1;
        events::wal_damaged(&path, 0, "it is a directory");
    }
    for (index, entry) in segments.iter().enumerate() {
        let path = directory.join(&entry.name);
        let newest_segment = index + 1 == segments.len();
        let outcome = read_segment(fs, &path, replayed.last, &mut apply)?;
        replayed.last = replayed.last.max(outcome.last);
        if let Some(sound) = outcome.damaged_from {
            let torn = newest_segment
                && !holds_sound_record(fs, &path, sound, replayed.last)
                    .map_err(|source| io_error(&path, source))?;
            if torn {
                replayed.torn += 1;
                events::wal_torn(&path, sound);
            } else {
                copy_aside(fs, &path, sound, quarantine)
                    .map_err(|source| io_error(&path, source))?;
                replayed.quarantined += 1;
                events::wal_damaged(&path, sound, &outcome.reason);
            }
            cut_off(fs, &path, sound, outcome.records).map_err(|source| io_error(&path, source))?;
        }
        if outcome.records == 0 {
            // Begun, but nothing became durable in it; its name is needed again.
            fs.remove(&path).map_err(|source| io_error(&path, source))?;
            continue;
        }
        replayed.segments.push(Segment {
            path,
            last: outcome.last,
            newest: outcome.newest,
            bytes: outcome.damaged_from.unwrap_or(entry.bytes),
        });
    }
    settle(fs, directory, &replayed).map_err(|source| io_error(directory, source))?;
    Ok(replayed)
}

/// A killed process leaves records that only the page cache holds. They are about to be visible, so
/// they are made durable first; a power loss must not take back what somebody has seen.
fn settle(fs: &dyn Fs, directory: &Path, replayed: &Replayed) -> io::Result<()> {
    if let Some(newest) = replayed.segments.last() {
        Journal::reopen(fs, &newest.path, newest.bytes)?.sync()?;
    }
    fs.sync_dir(directory)
}

struct SegmentOutcome {
    records: u64,
    last: u64,
    newest: Timestamp,
    damaged_from: Option<u64>,
    reason: String,
}

fn read_segment(
    fs: &dyn Fs,
    path: &Path,
    last: u64,
    apply: &mut impl FnMut(Record, u64) -> Result<(), String>,
) -> Result<SegmentOutcome, ReplayError> {
    let (mut reader, header) =
        JournalReader::open(fs, path, MAGIC).map_err(|source| io_error(path, source))?;
    let mut outcome = SegmentOutcome {
        records: 0,
        last,
        newest: Timestamp::EPOCH,
        damaged_from: None,
        reason: String::new(),
    };
    match header {
        Header::Newer(format) => return Err(ReplayError::Newer(format)),
        Header::Damaged => {
            // Records carry their own checksums, so a flipped bit in the header costs nothing but
            // itself; a file shorter than a header ends here anyway.
            events::header_damaged(path);
        }
        Header::Sound(_) => {}
    }
    loop {
        let sound = reader.sound_bytes();
        let payload = match reader.next().map_err(|source| io_error(path, source))? {
            Step::Record(payload) => payload,
            Step::End if header == Header::Damaged && outcome.records == 0 => {
                outcome.damaged_from = Some(0);
                "the header is damaged".clone_into(&mut outcome.reason);
                return Ok(outcome);
            }
            Step::End => return Ok(outcome),
            Step::Damaged => {
                outcome.damaged_from = Some(sound);
                "a record's length or checksum is wrong".clone_into(&mut outcome.reason);
                return Ok(outcome);
            }
        };
        match decode(&payload) {
            Ok(record) if record.sequence > outcome.last => {
                outcome.records += 1;
                outcome.last = record.sequence;
                outcome.newest = outcome.newest.max(record.committed_at);
                apply(record, payload.len() as u64).map_err(ReplayError::Apply)?;
            }
            // A sequence number that was used before is a record that was read before.
            Ok(_) => outcome.records += 1,
            Err(error) => {
                outcome.damaged_from = Some(sound);
                outcome.reason = error.to_string();
                return Ok(outcome);
            }
        }
    }
}

fn holds_sound_record(fs: &dyn Fs, path: &Path, from: u64, last: u64) -> io::Result<bool> {
    // A torn end is as long as one group of commits, anything else at most as long as a segment.
    let mut rest = Vec::new();
    read_from(fs, path, from)?.read_to_end(&mut rest)?;
    // The damaged record itself begins at 0; only what lies behind it tells.
    let behind = rest.get(1..).unwrap_or_default();
    Ok(holds_record(behind, |payload| {
        payload
            .first_chunk::<8>()
            .map(|bytes| u64::from_le_bytes(*bytes))
            .is_some_and(|sequence| sequence > last && sequence - last < SEQUENCE_GAP_MAX)
    }))
}

/// A file from byte `from` on.
fn read_from(fs: &dyn Fs, path: &Path, from: u64) -> io::Result<Box<dyn Read + Send>> {
    let mut read = fs.read(path)?;
    io::copy(&mut read.by_ref().take(from), &mut io::sink())?;
    Ok(read)
}

/// Copies all that is left of `read`, a little at a time.
fn copy(mut read: impl Read, file: &mut dyn FsFile) -> io::Result<()> {
    let mut buffer = vec![0; COPY_BYTES];
    loop {
        match read.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => file.write(buffer.get(..length).unwrap_or_default())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Keeps a copy of what is about to be cut off, for a person to look at.
fn copy_aside(fs: &dyn Fs, path: &Path, from: u64, quarantine: &Path) -> io::Result<()> {
    fs.create_dir(quarantine)?;
    // Otherwise a power loss takes the copy and its directory, once the original is cut off.
    if let Some(directory) = quarantine.parent() {
        fs.sync_dir(directory)?;
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    for attempt in 0..100_u32 {
        let aside = quarantine.join(format!("{name}.from-{from}.{attempt}"));
        match fs.create(&aside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(mut file) => {
                copy(read_from(fs, path, from)?, file.as_mut())?;
                file.sync()?;
                return fs.sync_dir(quarantine);
            }
        }
    }
    Ok(())
}

/// Frees the name of a segment that a directory has, which the log may need next.
fn move_aside(fs: &dyn Fs, path: &Path, quarantine: &Path) -> io::Result<()> {
    fs.create_dir(quarantine)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    fs.rename(path, &quarantine.join(format!("{name}.directory")))?;
    fs.sync_dir(quarantine)
}

/// Cuts a segment to its sound part, unless that is nothing.
fn cut_off(fs: &dyn Fs, path: &Path, sound: u64, records: u64) -> io::Result<()> {
    match records {
        0 => Ok(()),
        _ => Journal::reopen(fs, path, sound)?.sync(),
    }
}

fn io_error(path: &Path, source: io::Error) -> ReplayError {
    ReplayError::Io {
        path: path.to_path_buf(),
        source,
    }
}
