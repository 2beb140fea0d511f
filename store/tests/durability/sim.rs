//! A file system that keeps what was not synced apart from what was, and forgets some of it.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use store::fs::{Entry, Fs, FsFile, FsRead, Lock};

use crate::random::Random;

const SECTOR: usize = 512;

#[derive(Clone, Debug)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Truncate(usize),
}

#[derive(Clone, Debug, Default)]
struct Inode {
    durable: Vec<u8>,
    live: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Directory,
    File(usize),
}

#[derive(Clone, Debug)]
enum NameChange {
    Link(PathBuf, Node),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf),
}

impl NameChange {
    fn touches(&self, directory: &Path) -> bool {
        let within = |path: &Path| path.parent() == Some(directory);
        match self {
            NameChange::Link(path, _) | NameChange::Unlink(path) => within(path),
            NameChange::Rename(from, to) => within(from) || within(to),
        }
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, Node>) {
        match self {
            NameChange::Link(path, node) => {
                names.insert(path.clone(), *node);
            }
            NameChange::Unlink(path) => {
                names.remove(path);
            }
            NameChange::Rename(from, to) => {
                if let Some(node) = names.remove(from) {
                    names.insert(to.clone(), node);
                }
            }
        }
    }
}

/// A mistake that the simulation must be able to notice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Bug {
    #[default]
    None,
    /// Files are acknowledged before they are synced.
    NoSync,
    /// Directories are never synced.
    NoSyncDir,
    /// A Parquet file gets its name only after the manifest has been told.
    LateRename,
}

#[derive(Default)]
struct Disk {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, Node>,
    durable_names: BTreeMap<PathBuf, Node>,
    unsynced_names: Vec<NameChange>,
    late_renames: Vec<(PathBuf, PathBuf)>,
    locked: bool,
    bug: Bug,
    /// After this many changes the power goes; `None` for never.
    changes_left: Option<u64>,
    changes: u64,
    off: bool,
    /// The error that syncing a path containing this text gives.
    sync_error: Option<(String, io::ErrorKind)>,
    /// The error that writing to a path containing this text gives, after half of the bytes.
    write_error: Option<(String, io::ErrorKind)>,
    /// After this many others, syncing this directory gives an error.
    dir_sync_error: Option<(PathBuf, u64, io::ErrorKind)>,
    free_bytes: u64,
    syncs: u64,
}

#[derive(Clone)]
pub(crate) struct SimFs(Arc<Mutex<Disk>>);

impl SimFs {
    pub(crate) fn new(bug: Bug) -> Self {
        let mut disk = Disk {
            bug,
            free_bytes: 1 << 40,
            ..Disk::default()
        };
        disk.names.insert(PathBuf::from("/"), Node::Directory);
        disk.durable_names = disk.names.clone();
        SimFs(Arc::new(Mutex::new(disk)))
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap()
    }

    /// Lets the power go in the middle of a later change.
    pub(crate) fn power_off_after(&self, changes: u64) {
        self.disk().changes_left = Some(changes);
    }

    /// How many changes were asked for so far.
    pub(crate) fn changes(&self) -> u64 {
        self.disk().changes
    }

    pub(crate) fn syncs(&self) -> u64 {
        self.disk().syncs
    }

    pub(crate) fn is_off(&self) -> bool {
        self.disk().off
    }

    pub(crate) fn fail_sync(&self, path: Option<(&str, io::ErrorKind)>) {
        self.disk().sync_error = path.map(|(path, kind)| (path.to_owned(), kind));
    }

    pub(crate) fn fail_write(&self, path: Option<(&str, io::ErrorKind)>) {
        self.disk().write_error = path.map(|(path, kind)| (path.to_owned(), kind));
    }

    pub(crate) fn fail_dir_sync(&self, path: &str, after: u64, kind: io::ErrorKind) {
        self.disk().dir_sync_error = Some((PathBuf::from(path), after, kind));
    }

    pub(crate) fn set_free_bytes(&self, bytes: u64) {
        self.disk().free_bytes = bytes;
    }

    /// The process was killed: the kernel still has everything.
    pub(crate) fn kill(&self) {
        let mut disk = self.disk();
        (disk.off, disk.locked, disk.changes_left) = (false, false, None);
        for (from, to) in std::mem::take(&mut disk.late_renames) {
            disk.change_names(NameChange::Rename(from, to));
        }
    }

    /// The power was lost: of what was not synced anything may be left.
    pub(crate) fn lose_power(&self, random: &mut Random) {
        let mut disk = self.disk();
        (disk.off, disk.locked, disk.changes_left) = (false, false, None);
        disk.late_renames.clear();
        for change in std::mem::take(&mut disk.unsynced_names) {
            if random.chance(50) {
                change.apply(&mut disk.durable_names);
            }
        }
        let mut names = std::mem::take(&mut disk.durable_names);
        let reachable = |path: &Path, names: &BTreeMap<PathBuf, Node>| {
            path.ancestors()
                .skip(1)
                .all(|above| names.get(above) == Some(&Node::Directory))
        };
        let all = names.clone();
        names.retain(|path, _| reachable(path, &all));
        disk.durable_names = names.clone();
        disk.names = names;
        for inode in &mut disk.inodes {
            inode.lose_power(random);
        }
    }

    /// All files and their content, to be damaged or compared.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let disk = self.disk();
        disk.names
            .iter()
            .filter_map(|(path, node)| match node {
                Node::File(inode) => Some((path.clone(), disk.inodes[*inode].live.clone())),
                Node::Directory => None,
            })
            .collect()
    }

    /// Replaces a file's content, as a failing disk does.
    pub(crate) fn overwrite(&self, path: &Path, content: Vec<u8>) {
        let mut disk = self.disk();
        let Some(Node::File(inode)) = disk.names.get(path).copied() else {
            panic!("no file {}", path.display())
        };
        disk.inodes[inode] = Inode {
            durable: content.clone(),
            live: content,
            unsynced: Vec::new(),
        };
    }

    /// A copy that shares nothing with this one.
    pub(crate) fn copy(&self) -> SimFs {
        let disk = self.disk();
        SimFs(Arc::new(Mutex::new(Disk {
            inodes: disk.inodes.clone(),
            names: disk.names.clone(),
            durable_names: disk.durable_names.clone(),
            unsynced_names: disk.unsynced_names.clone(),
            bug: disk.bug,
            free_bytes: disk.free_bytes,
            ..Disk::default()
        })))
    }
}

impl Inode {
    fn lose_power(&mut self, random: &mut Random) {
        for change in std::mem::take(&mut self.unsynced) {
            let kept = random.below(3);
            match change {
                Change::Truncate(length) if kept != 0 => self.durable.truncate(length),
                Change::Write { at, bytes } if kept == 2 => put(&mut self.durable, at, &bytes),
                Change::Write { at, bytes } if kept == 1 => {
                    for (index, sector) in bytes.chunks(SECTOR).enumerate() {
                        if random.chance(50) {
                            put(&mut self.durable, at + index * SECTOR, sector);
                        }
                    }
                }
                _ => {}
            }
        }
        self.live = self.durable.clone();
    }
}

fn put(content: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if content.len() < at + bytes.len() {
        content.resize(at + bytes.len(), 0);
    }
    content[at..at + bytes.len()].copy_from_slice(bytes);
}

fn dead() -> io::Error {
    io::Error::other("the power is out")
}

impl Disk {
    /// Counts a change. `Ok(true)`: go on; `Ok(false)`: it happens, but nobody hears of it any more.
    fn begin_change(&mut self) -> io::Result<bool> {
        self.alive()?;
        self.changes += 1;
        match &mut self.changes_left {
            Some(0) => {
                self.off = true;
                if self.changes.is_multiple_of(2) {
                    return Err(dead());
                }
                Ok(false)
            }
            Some(left) => {
                *left -= 1;
                Ok(true)
            }
            None => Ok(true),
        }
    }

    fn alive(&self) -> io::Result<()> {
        if self.off { Err(dead()) } else { Ok(()) }
    }

    fn change_names(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.unsynced_names.push(change);
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        match self.names.get(path) {
            Some(Node::File(inode)) => Ok(*inode),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn sync_names(&mut self, directory: &Path) {
        let changes = std::mem::take(&mut self.unsynced_names);
        for change in changes {
            if change.touches(directory) {
                change.apply(&mut self.durable_names);
            } else {
                self.unsynced_names.push(change);
            }
        }
    }
}

fn heard(heard: bool) -> io::Result<()> {
    if heard { Ok(()) } else { Err(dead()) }
}

struct SimFile {
    fs: SimFs,
    inode: usize,
    path: PathBuf,
}

impl FsFile for SimFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.fs.disk();
        let goes_on = disk.begin_change()?;
        let error = disk
            .write_error
            .as_ref()
            .filter(|(part, _)| self.path.to_string_lossy().contains(part))
            .map(|(_, kind)| *kind);
        let bytes = match error {
            Some(_) => &bytes[..bytes.len() / 2],
            None => bytes,
        };
        let inode = &mut disk.inodes[self.inode];
        let at = inode.live.len();
        inode.live.extend_from_slice(bytes);
        inode.unsynced.push(Change::Write {
            at,
            bytes: bytes.to_vec(),
        });
        match error {
            Some(kind) => Err(kind.into()),
            None => heard(goes_on),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut disk = self.fs.disk();
        let goes_on = disk.begin_change()?;
        disk.syncs += 1;
        if let Some((part, kind)) = &disk.sync_error
            && self.path.to_string_lossy().contains(part)
        {
            return Err((*kind).into());
        }
        if disk.bug != Bug::NoSync {
            let inode = &mut disk.inodes[self.inode];
            inode.durable = inode.live.clone();
            inode.unsynced.clear();
        }
        if self.path.ends_with("manifest") || self.path.ends_with("manifest.tmp") {
            for (from, to) in std::mem::take(&mut disk.late_renames) {
                let directory = to.parent().unwrap().to_path_buf();
                disk.change_names(NameChange::Rename(from, to));
                disk.sync_names(&directory);
                // The power may go between one and the other.
                if disk.begin_change().is_err() {
                    return Err(dead());
                }
            }
        }
        heard(goes_on)
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        let mut disk = self.fs.disk();
        let goes_on = disk.begin_change()?;
        let inode = &mut disk.inodes[self.inode];
        inode.live.truncate(bytes as usize);
        inode.unsynced.push(Change::Truncate(bytes as usize));
        heard(goes_on)
    }
}

struct SimRead(Vec<u8>);

impl FsRead for SimRead {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.0.get(at as usize..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }
}

struct SimLock(SimFs);

impl Lock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.0.disk().locked = false;
    }
}

impl Fs for SimFs {
    fn create(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        let mut disk = self.disk();
        let goes_on = disk.begin_change()?;
        if disk.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if disk.names.get(path.parent().unwrap()) != Some(&Node::Directory) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inode = disk.inodes.len();
        disk.inodes.push(Inode::default());
        disk.change_names(NameChange::Link(path.to_path_buf(), Node::File(inode)));
        heard(goes_on)?;
        drop(disk);
        Ok(Box::new(SimFile {
            fs: self.clone(),
            inode,
            path: path.to_path_buf(),
        }))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        let disk = self.disk();
        disk.alive()?;
        let inode = disk.file(path)?;
        Ok(Box::new(SimFile {
            fs: self.clone(),
            inode,
            path: path.to_path_buf(),
        }))
    }

    fn read(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        let disk = self.disk();
        disk.alive()?;
        let inode = disk.file(path)?;
        Ok(Box::new(Cursor::new(disk.inodes[inode].live.clone())))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn FsRead>> {
        let disk = self.disk();
        disk.alive()?;
        let inode = disk.file(path)?;
        Ok(Box::new(SimRead(disk.inodes[inode].live.clone())))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>> {
        let disk = self.disk();
        disk.alive()?;
        let below = disk
            .names
            .iter()
            .filter(|(path, _)| path.parent() == Some(directory));
        Ok(below
            .map(|(path, node)| Entry {
                name: path.file_name().unwrap().to_string_lossy().into_owned(),
                directory: *node == Node::Directory,
                bytes: match node {
                    Node::Directory => 0,
                    Node::File(inode) => disk.inodes[*inode].live.len() as u64,
                },
            })
            .collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        let goes_on = disk.begin_change()?;
        disk.file(from)?;
        if disk.bug == Bug::LateRename && to.extension().is_some_and(|end| end == "parquet") {
            disk.late_renames
                .push((from.to_path_buf(), to.to_path_buf()));
        } else {
            disk.change_names(NameChange::Rename(from.to_path_buf(), to.to_path_buf()));
        }
        heard(goes_on)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.alive()?;
        disk.file(path)?;
        let goes_on = disk.begin_change()?;
        disk.change_names(NameChange::Unlink(path.to_path_buf()));
        heard(goes_on)
    }

    fn create_dir(&self, directory: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.alive()?;
        match disk.names.get(directory) {
            Some(Node::Directory) => return Ok(()),
            Some(Node::File(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
            None => {}
        }
        let goes_on = disk.begin_change()?;
        disk.change_names(NameChange::Link(directory.to_path_buf(), Node::Directory));
        heard(goes_on)
    }

    fn remove_dir(&self, directory: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.alive()?;
        if disk
            .names
            .keys()
            .any(|path| path.parent() == Some(directory))
        {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        let goes_on = disk.begin_change()?;
        disk.change_names(NameChange::Unlink(directory.to_path_buf()));
        heard(goes_on)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        let goes_on = disk.begin_change()?;
        if let Some((path, left, kind)) = &mut disk.dir_sync_error
            && path == directory
        {
            if *left == 0 {
                let kind = *kind;
                disk.dir_sync_error = None;
                return Err(kind.into());
            }
            *left -= 1;
        }
        if disk.bug != Bug::NoSyncDir {
            disk.sync_names(directory);
        }
        heard(goes_on)
    }

    fn lock(&self, _path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        let mut disk = self.disk();
        disk.alive()?;
        if disk.locked {
            return Ok(None);
        }
        disk.locked = true;
        drop(disk);
        Ok(Some(Box::new(SimLock(self.clone()))))
    }

    fn free_bytes(&self, _directory: &Path) -> io::Result<u64> {
        let disk = self.disk();
        disk.alive()?;
        Ok(disk.free_bytes)
    }
}
