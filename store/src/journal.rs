//! Files that only grow by checksummed records: segments of the write-ahead log, and the manifest.
//!
//! Header: `magic (8) | format u32 | crc32c u32 of both`. Record: `length u32 | crc32c u32 of length
//! and payload | payload`. Little endian; the length counts the payload, which is never empty.

use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::format::FormatVersion;
use crate::fs::{Fs, FsFile, is_full};

/// The longest payload a record may have, in bytes.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 256 << 20;
/// Header and record prefix, in bytes.
pub(crate) const HEADER_BYTES: usize = 16;
const PREFIX_BYTES: usize = 8;
/// How much may be checksummed in search of records behind a damaged one, in bytes.
const SEARCH_BYTES_MAX: usize = 1 << 30;

/// The first bytes of a file of one kind.
pub(crate) type Magic = [u8; 8];

fn header(magic: Magic, version: FormatVersion) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&magic);
    header[8..12].copy_from_slice(&version.number().to_le_bytes());
    let checksum = crc32c::crc32c(&header[..12]);
    header[12..].copy_from_slice(&checksum.to_le_bytes());
    header
}

/// Appends a record whose payload is `parts`, one after the other, to `to`.
pub(crate) fn frame(to: &mut Vec<u8>, parts: &[&[u8]]) -> io::Result<()> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    if length == 0 || length > PAYLOAD_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("a record of {length} bytes; the longest is {PAYLOAD_BYTES_MAX}"),
        ));
    }
    let length = (length as u32).to_le_bytes();
    let checksum = parts.iter().fold(crc32c::crc32c(&length), |sum, part| {
        crc32c::crc32c_append(sum, part)
    });
    to.extend_from_slice(&length);
    to.extend_from_slice(&checksum.to_le_bytes());
    for part in parts {
        to.extend_from_slice(part);
    }
    Ok(())
}

/// Why something could not be appended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppendError {
    /// The disk is full; the file is as it was before.
    #[error("the disk is full")]
    Full,
    /// What the file holds is not known any more.
    #[error("{0}")]
    Broken(io::Error),
}

/// A journal open for appending.
pub(crate) struct Journal {
    file: Box<dyn FsFile>,
    path: PathBuf,
    bytes: u64,
}

impl Journal {
    /// Begins a new file; neither its content nor its name is durable yet.
    pub(crate) fn create(
        fs: &dyn Fs,
        path: &Path,
        magic: Magic,
        version: FormatVersion,
    ) -> io::Result<Journal> {
        let mut file = fs.create(path)?;
        if let Err(error) = file.write(&header(magic, version)) {
            drop(file);
            // Without its header the file says nothing; leaving it behind would only need cleaning.
            let _ = fs.remove(path);
            return Err(error);
        }
        Ok(Journal {
            file,
            path: path.to_path_buf(),
            bytes: HEADER_BYTES as u64,
        })
    }

    /// Goes on with a file known to be sound for its first `bytes`; what lies behind is cut off.
    pub(crate) fn reopen(fs: &dyn Fs, path: &Path, bytes: u64) -> io::Result<Journal> {
        let mut file = fs.append(path)?;
        file.truncate(bytes)?;
        Ok(Journal {
            file,
            path: path.to_path_buf(),
            bytes,
        })
    }

    /// Appends framed records with one write. When the disk is full, what was half written is cut
    /// off again, so that the file stays sound.
    pub(crate) fn append(&mut self, framed: &[u8]) -> Result<(), AppendError> {
        match self.file.write(framed) {
            Ok(()) => {
                self.bytes += framed.len() as u64;
                Ok(())
            }
            Err(error) if is_full(&error) => match self.file.truncate(self.bytes) {
                Ok(()) => Err(AppendError::Full),
                Err(error) => Err(AppendError::Broken(error)),
            },
            Err(error) => Err(AppendError::Broken(error)),
        }
    }

    /// Returns once everything appended is on stable storage.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.file.sync()
    }

    /// The length of the file, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where the file lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// What a file's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// Written in a format this version reads.
    Sound(FormatVersion),
    /// Written by a newer version, in this format.
    Newer(FormatVersion),
    /// Too short, of another kind, or with a wrong checksum.
    Damaged,
}

/// One step through a journal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A sound record.
    Record(Vec<u8>),
    /// The file ended after a sound record.
    End,
    /// What follows is not a sound record.
    Damaged,
}

/// A journal being read from its beginning, one record in memory at a time.
pub(crate) struct JournalReader {
    read: BufReader<Box<dyn Read + Send>>,
    sound_bytes: u64,
}

impl JournalReader {
    /// Opens a file and reads its header.
    pub(crate) fn open(fs: &dyn Fs, path: &Path, magic: Magic) -> io::Result<(Self, Header)> {
        let mut reader = JournalReader {
            read: BufReader::with_capacity(256 << 10, fs.read(path)?),
            sound_bytes: HEADER_BYTES as u64,
        };
        let mut found = [0; HEADER_BYTES];
        if fill(&mut reader.read, &mut found)? < HEADER_BYTES {
            return Ok((reader, Header::Damaged));
        }
        let checksum = u32::from_le_bytes([found[12], found[13], found[14], found[15]]);
        let format = u32::from_le_bytes([found[8], found[9], found[10], found[11]]);
        let known = found[..8] == magic && crc32c::crc32c(&found[..12]) == checksum;
        let header = match FormatVersion::new(format).filter(|_| known) {
            None => Header::Damaged,
            Some(version) if version.is_known() => Header::Sound(version),
            Some(version) => Header::Newer(version),
        };
        Ok((reader, header))
    }

    /// Goes on at byte `at` of the file, which is taken to be sound up to there.
    pub(crate) fn skip_to(&mut self, at: u64) -> io::Result<()> {
        let bytes = at.saturating_sub(self.sound_bytes);
        io::copy(&mut self.read.by_ref().take(bytes), &mut io::sink())?;
        self.sound_bytes += bytes;
        Ok(())
    }

    /// The next record. After [`Step::Damaged`] nothing more can be read.
    pub(crate) fn next(&mut self) -> io::Result<Step> {
        let mut prefix = [0; PREFIX_BYTES];
        match fill(&mut self.read, &mut prefix)? {
            0 => return Ok(Step::End),
            PREFIX_BYTES => {}
            _ => return Ok(Step::Damaged),
        }
        let Some((length, checksum)) = split_prefix(&prefix) else {
            return Ok(Step::Damaged);
        };
        // The length is not trusted before its checksum is: memory grows only with what is there.
        let mut payload = Vec::new();
        self.read
            .by_ref()
            .take(length as u64)
            .read_to_end(&mut payload)?;
        if payload.len() != length || checksum_of(&prefix, &payload) != checksum {
            return Ok(Step::Damaged);
        }
        self.sound_bytes += (PREFIX_BYTES + length) as u64;
        Ok(Step::Record(payload))
    }

    /// How many bytes from the beginning are sound so far.
    pub(crate) fn sound_bytes(&self) -> u64 {
        self.sound_bytes
    }
}

/// Whether a sound record begins anywhere in `rest`: then what precedes it was damaged after it had
/// been written, while a torn end has nothing sound behind it. `plausible` looks at the first bytes
/// of a payload, so that few places need a checksum. Undecided counts as damaged.
pub(crate) fn holds_record(rest: &[u8], plausible: impl Fn(&[u8]) -> bool) -> bool {
    let mut budget = SEARCH_BYTES_MAX;
    for start in 0..rest.len() {
        let Some((prefix, after)) = rest[start..].split_at_checked(PREFIX_BYTES) else {
            return false;
        };
        let Some((length, checksum)) = split_prefix(prefix) else {
            continue;
        };
        let Some(payload) = after.get(..length).filter(|payload| plausible(payload)) else {
            continue;
        };
        if checksum_of(prefix, payload) == checksum {
            return true;
        }
        match budget.checked_sub(length) {
            Some(left) => budget = left,
            None => return true,
        }
    }
    false
}

/// Length and checksum of a record; `None` when no record has such a length.
fn split_prefix(prefix: &[u8]) -> Option<(usize, u32)> {
    let length = u32::from_le_bytes(prefix.get(..4)?.try_into().ok()?) as usize;
    let checksum = u32::from_le_bytes(prefix.get(4..8)?.try_into().ok()?);
    (1..=PAYLOAD_BYTES_MAX)
        .contains(&length)
        .then_some((length, checksum))
}

fn checksum_of(prefix: &[u8], payload: &[u8]) -> u32 {
    let length = prefix.get(..4).unwrap_or_default();
    crc32c::crc32c_append(crc32c::crc32c(length), payload)
}

/// Reads until `buffer` is full or the file ends; says how much it read.
fn fill(read: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match read.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
