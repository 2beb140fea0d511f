//! A file system that makes the store behave as if it had one mistake in it, from outside: nothing in
//! the store knows of it. Each mistake is one that a sleepy change could bring.

use std::io::{self, Cursor, Read};
use std::path::Path;

use store::fs::{Entry, Fs, FsFile, FsRead, Lock};

use crate::sim::SimFs;

const HEADER: usize = 16;
const PREFIX: usize = 8;

/// What the store would be doing wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// Nothing.
    None,
    /// The log is never synced.
    LogNotSynced,
    /// A commit is acknowledged first and synced afterwards, before the next one is written.
    AcknowledgedEarly,
    /// The directory of the log is not synced after a segment is begun.
    LogDirectoryNotSynced,
    /// Segments of the log are removed first, the edit that makes them superfluous is synced later.
    LogRemovedFirst,
    /// Checksums of the log are not looked at.
    ChecksumsIgnored,
    /// The last record of each segment is applied twice.
    LastRecordTwice,
    /// What the manifest says lies in files already is applied from the log once more.
    FlushedForgotten,
}

impl Lie {
    /// All of them.
    pub(crate) const ALL: [Lie; 7] = [
        Lie::LogNotSynced,
        Lie::AcknowledgedEarly,
        Lie::LogDirectoryNotSynced,
        Lie::LogRemovedFirst,
        Lie::ChecksumsIgnored,
        Lie::LastRecordTwice,
        Lie::FlushedForgotten,
    ];
}

fn in_log(path: &Path) -> bool {
    path.parent().is_some_and(|parent| parent.ends_with("wal"))
}

fn is_manifest(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with("manifest"))
}

/// The lie over a simulated disk.
#[derive(Clone)]
pub(crate) struct LyingFs {
    pub(crate) disk: SimFs,
    pub(crate) lie: Lie,
}

impl LyingFs {
    fn file(&self, path: &Path, file: Box<dyn FsFile>) -> Box<dyn FsFile> {
        let sync = match self.lie {
            Lie::LogNotSynced if in_log(path) => Sync::Never,
            Lie::AcknowledgedEarly if in_log(path) => Sync::Late,
            // Its first sync is that of a checkpoint, which replaces another and is none of our business.
            Lie::LogRemovedFirst if is_manifest(path) => Sync::LateAfterTheFirst,
            _ => Sync::AsTold,
        };
        Box::new(LyingFile {
            file,
            sync,
            owed: false,
        })
    }
}

/// When a file is really synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sync {
    AsTold,
    Never,
    /// Before the next write, or when the file is closed.
    Late,
    LateAfterTheFirst,
}

struct LyingFile {
    file: Box<dyn FsFile>,
    sync: Sync,
    owed: bool,
}

impl LyingFile {
    fn pay(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.owed) {
            return self.file.sync();
        }
        Ok(())
    }
}

impl FsFile for LyingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.pay()?;
        self.file.write(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        match self.sync {
            Sync::AsTold => self.file.sync(),
            Sync::Never => Ok(()),
            Sync::Late => {
                self.owed = true;
                Ok(())
            }
            Sync::LateAfterTheFirst => {
                self.sync = Sync::Late;
                self.file.sync()
            }
        }
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.file.truncate(bytes)
    }
}

impl Drop for LyingFile {
    fn drop(&mut self) {
        let _ = self.pay();
    }
}

impl Fs for LyingFs {
    fn create(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        Ok(self.file(path, self.disk.create(path)?))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        Ok(self.file(path, self.disk.append(path)?))
    }

    fn read(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        let mut read = self.disk.read(path)?;
        let rewrite: fn(&[u8]) -> Vec<u8> = match self.lie {
            Lie::ChecksumsIgnored if in_log(path) => believe_checksums,
            Lie::LastRecordTwice if in_log(path) => repeat_last,
            Lie::FlushedForgotten if is_manifest(path) => forget_flushed,
            _ => return Ok(read),
        };
        let mut content = Vec::new();
        read.read_to_end(&mut content)?;
        Ok(Box::new(Cursor::new(rewrite(&content))))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn FsRead>> {
        self.disk.open(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>> {
        self.disk.list(directory)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn create_dir(&self, directory: &Path) -> io::Result<()> {
        self.disk.create_dir(directory)
    }

    fn remove_dir(&self, directory: &Path) -> io::Result<()> {
        self.disk.remove_dir(directory)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        match self.lie {
            Lie::LogDirectoryNotSynced if directory.ends_with("wal") => Ok(()),
            _ => self.disk.sync_dir(directory),
        }
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        self.disk.lock(path)
    }

    fn free_bytes(&self, directory: &Path) -> io::Result<u64> {
        self.disk.free_bytes(directory)
    }
}

/// The payloads of a journal, as far as their lengths lead.
fn payloads(content: &[u8]) -> Vec<&[u8]> {
    let mut payloads = Vec::new();
    let mut rest = content.get(HEADER..).unwrap_or_default();
    while let Some((prefix, behind)) = rest.split_at_checked(PREFIX) {
        let length = u32::from_le_bytes(prefix[..4].try_into().unwrap()) as usize;
        match behind.split_at_checked(length) {
            Some((payload, behind)) if length > 0 => {
                payloads.push(payload);
                rest = behind;
            }
            _ => break,
        }
    }
    payloads
}

/// A record with a sound checksum.
pub(crate) fn framed(payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_le_bytes();
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&length), payload);
    [&length[..], &checksum.to_le_bytes(), payload].concat()
}

fn believe_checksums(content: &[u8]) -> Vec<u8> {
    let records = payloads(content);
    let length: usize = records.iter().map(|payload| PREFIX + payload.len()).sum();
    let mut believed = content.to_vec();
    let sound: Vec<u8> = records.into_iter().flat_map(framed).collect();
    if let Some(place) = believed.get_mut(HEADER..HEADER + length) {
        place.copy_from_slice(&sound);
    }
    believed
}

fn repeat_last(content: &[u8]) -> Vec<u8> {
    let mut twice = content.to_vec();
    if let Some((sequence, rest)) = payloads(content)
        .last()
        .and_then(|last| last.split_first_chunk::<8>())
    {
        let next = u64::from_le_bytes(*sequence) + 1;
        twice.extend(framed(&[&next.to_le_bytes()[..], rest].concat()));
    }
    twice
}

fn forget_flushed(content: &[u8]) -> Vec<u8> {
    let mut forgotten = content.get(..HEADER).unwrap_or(content).to_vec();
    for payload in payloads(content) {
        let edit = serde_json::from_slice(payload).map(|mut edit: serde_json::Value| {
            edit["flushed"] = 0.into();
            edit.to_string().into_bytes()
        });
        forgotten.extend(framed(&edit.unwrap_or_else(|_| payload.to_vec())));
    }
    forgotten
}
