//! Copies of files that never change, each durable and read back before it counts.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{UpkeepError, failed_at};
use crate::fs::Fs;

/// Bytes copied at once.
const CHUNK_BYTES: usize = 256 << 10;

/// A file's length and CRC-32C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) bytes: u64,
    pub(super) checksum: u32,
}

/// A directory that is being filled. It was not there, or empty.
pub(super) struct Filling<'a> {
    fs: &'a dyn Fs,
    root: PathBuf,
    /// Directories made, whose names and entries are made durable at the end.
    made: BTreeSet<PathBuf>,
}

impl<'a> Filling<'a> {
    /// Makes the directory; its parent must be there.
    pub(super) fn begin(fs: &'a dyn Fs, root: &Path) -> Result<Self, UpkeepError> {
        let taken = || UpkeepError::NotEmpty {
            destination: root.to_path_buf(),
        };
        match fs.create_dir(root) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(taken()),
            made => made.map_err(failed_at(root))?,
        }
        if !fs.list(root).map_err(failed_at(root))?.is_empty() {
            return Err(taken());
        }
        if let Some(parent) = parent_of(root) {
            fs.sync_dir(parent).map_err(failed_at(parent))?;
        }
        Ok(Filling {
            fs,
            root: root.to_path_buf(),
            made: BTreeSet::from([root.to_path_buf()]),
        })
    }

    /// Copies the first `limit` bytes of a file to `path` below the directory.
    pub(super) fn copy(
        &mut self,
        from: &Path,
        path: &str,
        limit: u64,
    ) -> Result<Content, UpkeepError> {
        let to = self.root.join(path);
        self.make_directories(path)?;
        let mut read = self.fs.read(from).map_err(failed_at(from))?.take(limit);
        let mut file = self.fs.create(&to).map_err(failed_at(&to))?;
        let mut content = Content {
            bytes: 0,
            checksum: 0,
        };
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            let count = read.read(&mut buffer).map_err(failed_at(from))?;
            let part = buffer.get(..count).unwrap_or_default();
            if part.is_empty() {
                break;
            }
            file.write(part).map_err(failed_at(&to))?;
            content.bytes += part.len() as u64;
            content.checksum = crc32c::crc32c_append(content.checksum, part);
        }
        file.sync().map_err(failed_at(&to))?;
        drop(file);
        expect(self.fs, &to, content)?;
        Ok(content)
    }

    /// Takes a file back that turned out to be superfluous.
    pub(super) fn remove(&self, path: &str) -> Result<(), UpkeepError> {
        let path = self.root.join(path);
        self.fs.remove(&path).map_err(failed_at(&path))
    }

    /// Returns once every name is on stable storage.
    pub(super) fn settle(&self) -> Result<(), UpkeepError> {
        for directory in &self.made {
            self.fs.sync_dir(directory).map_err(failed_at(directory))?;
        }
        Ok(())
    }

    fn make_directories(&mut self, path: &str) -> Result<(), UpkeepError> {
        let mut directory = self.root.clone();
        for part in Path::new(path).parent().into_iter().flat_map(Path::iter) {
            directory.push(part);
            if self.made.insert(directory.clone()) {
                self.fs
                    .create_dir(&directory)
                    .map_err(failed_at(&directory))?;
            }
        }
        Ok(())
    }
}

/// Reads a file for its length and checksum.
pub(super) fn content_of(fs: &dyn Fs, path: &Path) -> Result<Content, UpkeepError> {
    let mut read = fs.read(path).map_err(failed_at(path))?;
    let mut content = Content {
        bytes: 0,
        checksum: 0,
    };
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let count = read.read(&mut buffer).map_err(failed_at(path))?;
        let part = buffer.get(..count).unwrap_or_default();
        if part.is_empty() {
            return Ok(content);
        }
        content.bytes += part.len() as u64;
        content.checksum = crc32c::crc32c_append(content.checksum, part);
    }
}

/// Reads a file back and compares.
pub(super) fn expect(fs: &dyn Fs, path: &Path, expected: Content) -> Result<(), UpkeepError> {
    let found = content_of(fs, path)?;
    let changed = |reason: String| UpkeepError::Changed {
        path: path.to_path_buf(),
        reason,
    };
    if found.bytes != expected.bytes {
        let (expected, found) = (expected.bytes, found.bytes);
        return Err(changed(format!(
            "it has {found} bytes instead of {expected}"
        )));
    }
    if found.checksum != expected.checksum {
        return Err(changed("its checksum differs".to_owned()));
    }
    Ok(())
}

fn parent_of(path: &Path) -> Option<&Path> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Some(Path::new(".")),
        parent => parent,
    }
}
