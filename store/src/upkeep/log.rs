//! Journals as they lie there, read without changing them: segments of the log, the manifest and its copy.

use std::io::{self, Read};
use std::path::Path;

use super::{UpkeepError, failed_at};
use crate::format::FormatVersion;
use crate::fs::{Entry, Fs};
use crate::journal::{HEADER_BYTES, Header, JournalReader, Magic, Step, holds_record};
use crate::manifest;
use crate::wal::{self, Record, first_of};

/// What is read of a journal's end to tell what kind of end it is, in bytes.
const END_BYTES_MAX: u64 = 512 << 20;

/// No store has had as many commits.
const SEQUENCE_MAX: u64 = 1 << 48;

/// How a journal ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// After a whole record.
    Whole,
    /// In the middle of one, as a crash leaves it, or while it is being written.
    Unfinished,
    /// With something that is no record.
    Damaged(String),
}

/// A journal, read as far as it is sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Walked {
    /// What its header says; `None` when that is damaged.
    pub(super) version: Option<FormatVersion>,
    /// Sound records.
    pub(super) records: u64,
    /// How many bytes from its beginning are sound.
    pub(super) sound_bytes: u64,
    pub(super) end: End,
}

/// Reads a journal, and gives each payload to `each` until that finds one unreadable. `None` when there is no such
/// file.
pub(super) fn walk(
    fs: &dyn Fs,
    path: &Path,
    magic: Magic,
    mut each: impl FnMut(&[u8]) -> Result<(), String>,
) -> Result<Option<Walked>, UpkeepError> {
    let (mut reader, header) = match JournalReader::open(fs, path, magic) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed_at(path))?,
    };
    let version = match header {
        Header::Sound(version) => Some(version),
        Header::Damaged => None,
        Header::Newer(found) => {
            return Err(UpkeepError::Newer {
                path: path.to_path_buf(),
                found,
            });
        }
    };
    let mut walked = Walked {
        version,
        records: 0,
        sound_bytes: HEADER_BYTES as u64,
        end: End::Whole,
    };
    loop {
        match reader.next().map_err(failed_at(path))? {
            Step::End => return Ok(Some(walked)),
            Step::Damaged => {
                let plausible = plausible_in(magic);
                walked.end =
                    end_of(fs, path, walked.sound_bytes, plausible).map_err(failed_at(path))?;
                return Ok(Some(walked));
            }
            Step::Record(payload) => {
                if let Err(reason) = each(&payload) {
                    walked.end = End::Damaged(reason);
                    return Ok(Some(walked));
                }
                walked.records += 1;
                walked.sound_bytes = reader.sound_bytes();
            }
        }
    }
}

/// What the payload of a record begins with in a journal of one kind, so that few places need a checksum: an edit is
/// JSON, a record of the log has a sequence number.
fn plausible_in(magic: Magic) -> fn(&[u8]) -> bool {
    if magic == manifest::MAGIC {
        return |payload| payload.first() == Some(&b'{');
    }
    |payload| {
        let sequence = payload.first_chunk::<8>();
        sequence.is_some_and(|bytes| u64::from_le_bytes(*bytes) < SEQUENCE_MAX)
    }
}

/// What kind of end it is that begins at byte `at`. A record cut short, or space that was never written to, has
/// nothing sound behind it.
fn end_of(fs: &dyn Fs, path: &Path, at: u64, plausible: fn(&[u8]) -> bool) -> io::Result<End> {
    let mut read = fs.read(path)?;
    io::copy(&mut read.by_ref().take(at), &mut io::sink())?;
    let mut rest = Vec::new();
    read.take(END_BYTES_MAX).read_to_end(&mut rest)?;
    let length = rest
        .first_chunk::<4>()
        .map(|bytes| u64::from(u32::from_le_bytes(*bytes)));
    let cut_short = rest.len() < 8 || length.is_some_and(|length| length + 8 > rest.len() as u64);
    let unwritten = rest.iter().all(|byte| *byte == 0);
    let behind = rest.get(1..).unwrap_or_default();
    if (cut_short || unwritten) && !holds_record(behind, plausible) {
        return Ok(End::Unfinished);
    }
    let reason = format!("the record at byte {at} has a wrong length or checksum");
    Ok(End::Damaged(reason))
}

/// A segment of the log.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// Its name within the log's directory.
    pub(super) name: String,
    pub(super) bytes: u64,
    /// The sequence number its name tells.
    pub(super) first: u64,
    /// Whether it was the newest when the log was looked at.
    pub(super) newest: bool,
}

/// The segments, oldest first.
pub(super) fn segments(fs: &dyn Fs, directory: &Path) -> Result<Vec<Segment>, UpkeepError> {
    let entries: Vec<Entry> = fs.list(directory).map_err(failed_at(directory))?;
    let mut segments: Vec<Segment> = entries
        .into_iter()
        .filter(|entry| !entry.directory)
        .filter_map(|entry| {
            Some(Segment {
                first: first_of(&entry.name)?,
                name: entry.name,
                bytes: entry.bytes,
                newest: false,
            })
        })
        .collect();
    if let Some(newest) = segments.last_mut() {
        newest.newest = true;
    }
    Ok(segments)
}

/// Reads a segment and gives each record to `each`. An older segment cannot be unfinished: the next one began only
/// after it was whole.
pub(super) fn walk_segment(
    fs: &dyn Fs,
    directory: &Path,
    segment: &Segment,
    mut each: impl FnMut(Record),
) -> Result<Option<Walked>, UpkeepError> {
    let path = directory.join(&segment.name);
    let walked = walk(fs, &path, wal::MAGIC, |payload| {
        let record = wal::decode(payload).map_err(|error| error.to_string())?;
        each(record);
        Ok(())
    })?;
    Ok(walked.map(|mut walked| {
        if walked.end == End::Unfinished && !segment.newest {
            let reason = format!(
                "it ends in the middle of the record at byte {}",
                walked.sound_bytes
            );
            walked.end = End::Damaged(reason);
        }
        walked
    }))
}
