//! `backup.json`: what a backup holds. It is written last, so a directory without it is no finished backup.

use std::io::Read;
use std::path::{Component, Path};

use model::Timestamp;
use serde::{Deserialize, Serialize};

use super::copy::Content;
use super::{UpkeepError, failed_at};
use crate::format::FormatVersion;
use crate::fs::Fs;

/// Its name within the backup.
pub(super) const FILE_NAME: &str = "backup.json";
/// The version of the listing itself.
const VERSION: u32 = 1;
/// The longest listing read, in bytes; room for a million files.
const LISTING_BYTES_MAX: u64 = 256 << 20;

/// One file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its path below the backup, and below the data directory it came from.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// CRC-32C of its content.
    pub crc32c: u32,
}

impl Listed {
    pub(super) fn new(path: String, content: Content) -> Listed {
        Listed {
            path,
            bytes: content.bytes,
            crc32c: content.checksum,
        }
    }

    pub(super) fn content(&self) -> Content {
        Content {
            bytes: self.bytes,
            checksum: self.crc32c,
        }
    }
}

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// The version of this listing.
    pub version: u32,
    /// When the backup was finished.
    pub made_at: Timestamp,
    /// The format of the store in it.
    pub store_format: FormatVersion,
    /// Everything up to this commit is in Parquet.
    pub flushed_sequence: u64,
    /// The last commit in the backup.
    pub sequence: u64,
    /// Its files, in order of path; this listing is not among them.
    pub files: Vec<Listed>,
}

impl Listing {
    pub(super) fn new(store_format: FormatVersion, made_at: Timestamp) -> Listing {
        Listing {
            version: VERSION,
            made_at,
            store_format,
            flushed_sequence: 0,
            sequence: 0,
            files: Vec::new(),
        }
    }

    /// The length of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Reads the listing of a backup and proves that it can be followed.
    pub(super) fn read(fs: &dyn Fs, source: &Path) -> Result<Listing, UpkeepError> {
        let path = source.join(FILE_NAME);
        let refuse = |reason: String| UpkeepError::NotABackup {
            source_directory: source.to_path_buf(),
            reason,
        };
        let read = match fs.read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(refuse(format!(
                    "it has no {FILE_NAME}, which is written last"
                )));
            }
            opened => opened.map_err(failed_at(&path))?,
        };
        let mut text = Vec::new();
        read.take(LISTING_BYTES_MAX)
            .read_to_end(&mut text)
            .map_err(failed_at(&path))?;
        let listing: Listing = serde_json::from_slice(&text)
            .map_err(|error| refuse(format!("{FILE_NAME} does not read: {error}")))?;
        if listing.version > VERSION || !listing.store_format.is_known() {
            return Err(UpkeepError::Newer {
                path,
                found: listing.store_format,
            });
        }
        match listing.files.iter().find(|file| !stays_below(&file.path)) {
            Some(file) => Err(refuse(format!("{FILE_NAME} names {:?}", file.path))),
            None => Ok(listing),
        }
    }
}

/// Whether a path leads to somewhere below where it begins.
fn stays_below(path: &str) -> bool {
    !path.is_empty()
        && Path::new(path)
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_not_leave_the_destination() {
        assert!(stays_below("store/wal/1.wal"));
        for path in ["", "/etc/passwd", "../x", "store/../../x", "./x"] {
            assert!(!stays_below(path), "{path:?}");
        }
    }
}
