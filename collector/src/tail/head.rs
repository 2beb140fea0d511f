//! A file told apart from others: by device and inode, and by its first bytes.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

use serde::{Deserialize, Serialize};

/// How many first bytes are looked at.
const HEAD_BYTES_MAX: usize = 1024;
/// From here on two files with the same first bytes are taken for copies of one another.
const TELLING_BYTES_MIN: usize = 16;

/// Which file on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Identity {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// The first bytes of a file, as many as it had, as a hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    bytes: usize,
    hash: u64,
}

impl Head {
    /// The head of a file as it is now.
    pub(super) fn of(file: &File) -> io::Result<Head> {
        read(file, HEAD_BYTES_MAX)
    }

    /// Whether the file still begins as it did.
    pub(super) fn still_holds(self, file: &File) -> io::Result<bool> {
        Ok(read(file, self.bytes)? == self)
    }

    /// Whether there are enough bytes to tell one file from another.
    pub(super) fn is_telling(self) -> bool {
        self.bytes >= TELLING_BYTES_MIN
    }

    /// Whether a file of this length has more first bytes to look at.
    pub(super) fn is_short_of(self, length: u64) -> bool {
        (self.bytes as u64) < length.min(HEAD_BYTES_MAX as u64)
    }
}

fn read(file: &File, bytes: usize) -> io::Result<Head> {
    let mut buffer = [0_u8; HEAD_BYTES_MAX];
    let wanted = buffer
        .get_mut(..bytes.min(HEAD_BYTES_MAX))
        .unwrap_or_default();
    let length = read_at(file, wanted, 0)?;
    let head = wanted.get(..length).unwrap_or_default();
    // FNV-1a: stable across versions and machines, as the hash is stored.
    let hash = head.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    Ok(Head {
        bytes: length,
        hash,
    })
}

/// Fills the buffer from `offset` as far as the file goes.
pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
