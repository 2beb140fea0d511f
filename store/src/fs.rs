//! The few things the store asks of a file system, so that tests can put a failing one underneath.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use rustix::fs::FlockOperation;

/// A file being written. Bytes are durable only after [`FsFile::sync`], and only under a name that
/// [`Fs::sync_dir`] has made durable.
pub trait FsFile: Send {
    /// Appends all of `bytes`; after an error any part of them may be in the file.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Returns once the content is on stable storage.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the file to `bytes`; later writes go to its new end.
    fn truncate(&mut self, bytes: u64) -> io::Result<()>;
}

/// A file being read at any place. It never changes while it is open.
pub trait FsRead: Send + Sync {
    /// Its length in bytes.
    fn bytes(&self) -> io::Result<u64>;
    /// Reads from byte `at` on; says how much it read, 0 at the end.
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name within its directory.
    pub name: String,
    /// Whether it is a directory itself.
    pub directory: bool,
    /// Its length in bytes; 0 for a directory.
    pub bytes: u64,
}

/// Held for as long as the directory is in use; dropping it lets others in.
pub trait Lock: Send + Sync {}

/// A file system, narrowed to what durability needs.
pub trait Fs: Send + Sync + 'static {
    /// Makes a new, empty file; fails when the name is taken.
    fn create(&self, path: &Path) -> io::Result<Box<dyn FsFile>>;
    /// Opens an existing file to write at its end.
    fn append(&self, path: &Path) -> io::Result<Box<dyn FsFile>>;
    /// Opens a file to be read from its beginning.
    fn read(&self, path: &Path) -> io::Result<Box<dyn Read + Send>>;
    /// Opens a file to be read at any place.
    fn open(&self, path: &Path) -> io::Result<Box<dyn FsRead>>;
    /// What a directory holds, sorted by name; an absent directory holds nothing.
    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>>;
    /// Renames within one file system, replacing what has the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes one directory; fine when it exists.
    fn create_dir(&self, directory: &Path) -> io::Result<()>;
    /// Removes an empty directory.
    fn remove_dir(&self, directory: &Path) -> io::Result<()>;
    /// Returns once the names in a directory are on stable storage.
    fn sync_dir(&self, directory: &Path) -> io::Result<()>;
    /// Takes an exclusive lock on a file that is made if absent; `None` when another process has it.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>>;
    /// How many bytes may still be written under a directory.
    fn free_bytes(&self, directory: &Path) -> io::Result<u64>;
}

/// The machine's file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskFs;

struct DiskFile(File);

impl FsFile for DiskFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }
}

impl FsRead for DiskFile {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(&self.0, buffer, at)
    }
}

struct DiskLock {
    _held: File,
}

impl Lock for DiskLock {}

impl Fs for DiskFs {
    fn create(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(path)?;
        Ok(Box::new(DiskFile(file)))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        let file = OpenOptions::new().append(true).open(path)?;
        Ok(Box::new(DiskFile(file)))
    }

    fn read(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn FsRead>> {
        Ok(Box::new(DiskFile(File::open(path)?)))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>> {
        let listing = match std::fs::read_dir(directory) {
            Ok(listing) => listing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut entries = Vec::new();
        for entry in listing {
            let entry = entry?;
            let metadata = entry.metadata()?;
            entries.push(Entry {
                name: entry.file_name().to_string_lossy().into_owned(),
                directory: metadata.is_dir(),
                bytes: if metadata.is_dir() { 0 } else { metadata.len() },
            });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn create_dir(&self, directory: &Path) -> io::Result<()> {
        match std::fs::create_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => {
                Ok(())
            }
            other => other,
        }
    }

    fn remove_dir(&self, directory: &Path) -> io::Result<()> {
        std::fs::remove_dir(directory)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        File::open(directory)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Box::new(DiskLock { _held: file }))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn free_bytes(&self, directory: &Path) -> io::Result<u64> {
        let status = rustix::fs::statvfs(directory)?;
        Ok(status.f_bavail.saturating_mul(status.f_frsize))
    }
}

/// Makes a directory and the missing ones above it durable, down from `root`, which must exist.
pub(crate) fn create_dirs(fs: &dyn Fs, root: &Path, below: &Path) -> io::Result<()> {
    let mut directory = root.to_path_buf();
    for part in below.components() {
        let parent = directory.clone();
        directory.push(part);
        fs.create_dir(&directory)?;
        fs.sync_dir(&parent)?;
    }
    Ok(())
}

/// Whether an error means the disk is full rather than broken.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
