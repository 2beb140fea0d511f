//! One call of the file system fails, and it is each call's turn: no panic, nothing falsely
//! acknowledged, and once the disk works again every acknowledged row is there once.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use store::fs::{Entry, Fs, FsFile, FsRead, Lock};
use store::{CommitError, OpenError, Store};

use crate::rows::{NOW, batch, census, name};
use crate::sim::{Bug, SimFs};
use crate::store::{clock, open_on, open_sim, options, run};

/// `EIO` and `EACCES` of errno.h.
const EIO: i32 = 5;
const EACCES: i32 = 13;

/// Which call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failing {
    Never,
    /// The one with this number, from 0 on.
    Once(u64),
    /// That one and all after it.
    From(u64),
    /// Opening this file to read it, with this error number.
    Opening(&'static str, i32),
}

#[derive(Default)]
struct Heard {
    calls: u64,
    /// What failed first.
    failed: Option<String>,
    /// A file that was synced again after that had failed: it may report success for data that is gone.
    synced_again: Option<String>,
}

/// A simulated disk of which one call fails.
#[derive(Clone)]
struct FaultyFs {
    disk: SimFs,
    failing: Failing,
    heard: Arc<Mutex<Heard>>,
}

impl FaultyFs {
    fn new(disk: SimFs, failing: Failing) -> Self {
        FaultyFs {
            disk,
            failing,
            heard: Arc::default(),
        }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap()
    }

    fn call(&self, what: &str, path: &Path) -> io::Result<()> {
        let mut heard = self.heard();
        let number = heard.calls;
        heard.calls += 1;
        let errno = match self.failing {
            Failing::Once(at) if number == at => EIO,
            Failing::From(at) if number >= at => EIO,
            Failing::Opening(file, errno) if what == "open" && path == Path::new(file) => errno,
            _ => return Ok(()),
        };
        let failed = || format!("to {what} {}", path.display());
        heard.failed.get_or_insert_with(failed);
        Err(io::Error::from_raw_os_error(errno))
    }

    fn file(&self, path: &Path, file: Box<dyn FsFile>) -> Box<dyn FsFile> {
        Box::new(FaultyFile {
            fs: self.clone(),
            path: path.to_path_buf(),
            file,
            sync_failed: false,
        })
    }
}

struct FaultyFile {
    fs: FaultyFs,
    path: PathBuf,
    file: Box<dyn FsFile>,
    sync_failed: bool,
}

impl FsFile for FaultyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.fs.call("write", &self.path) {
            self.file.write(&bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        self.file.write(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.sync_failed {
            let again = self.path.display().to_string();
            self.fs.heard().synced_again.get_or_insert(again);
        }
        self.sync_failed = true;
        self.fs.call("sync", &self.path)?;
        self.sync_failed = false;
        self.file.sync()
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.fs.call("truncate", &self.path)?;
        self.file.truncate(bytes)
    }
}

/// Opens fine and fails while it is read.
struct FaultyRead {
    fs: FaultyFs,
    path: PathBuf,
    read: Box<dyn Read + Send>,
}

impl Read for FaultyRead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.fs.call("read from", &self.path)?;
        self.read.read(buffer)
    }
}

impl Fs for FaultyFs {
    fn create(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        self.call("create", path)?;
        Ok(self.file(path, self.disk.create(path)?))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        self.call("append to", path)?;
        Ok(self.file(path, self.disk.append(path)?))
    }

    fn read(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        self.call("open", path)?;
        Ok(Box::new(FaultyRead {
            fs: self.clone(),
            path: path.to_path_buf(),
            read: self.disk.read(path)?,
        }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn FsRead>> {
        self.call("open", path)?;
        self.disk.open(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>> {
        self.call("list", directory)?;
        self.disk.list(directory)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call("rename", from)?;
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call("remove", path)?;
        self.disk.remove(path)
    }

    fn create_dir(&self, directory: &Path) -> io::Result<()> {
        self.call("make", directory)?;
        self.disk.create_dir(directory)
    }

    fn remove_dir(&self, directory: &Path) -> io::Result<()> {
        self.call("remove the directory", directory)?;
        self.disk.remove_dir(directory)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        self.call("sync the directory", directory)?;
        self.disk.sync_dir(directory)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        self.call("lock", path)?;
        self.disk.lock(path)
    }

    fn free_bytes(&self, directory: &Path) -> io::Result<u64> {
        self.call("ask the free space of", directory)?;
        self.disk.free_bytes(directory)
    }
}

/// What was sent and whether it was acknowledged.
type Sent = BTreeMap<u64, bool>;

/// Commits one batch. A store that has stopped must refuse it.
async fn send(store: &Store, sent: &mut Sent, at: model::Timestamp) {
    let number = sent.len() as u64;
    let healthy = store.healthy();
    let answer = store.commit(batch(0, number, 3, at)).await;
    assert!(
        healthy || matches!(answer, Err(CommitError::Storage(_))),
        "a store that had stopped answered {answer:?}"
    );
    if let Err(CommitError::Storage(reason)) = &answer {
        assert!(!store.healthy());
        assert!(reason.contains("cannot "), "no sentence: {reason}");
    }
    sent.insert(number, answer.is_ok());
}

/// A day: commits, files, merging, retention, a restart. Ends early when the store does not open.
async fn day(fs: &FaultyFs, sent: &mut Sent) -> Result<(), OpenError> {
    let clock = clock();
    let now = || model::Clock::now(clock.as_ref());
    let mut options = options("/data");
    options.retention.logs = Duration::from_secs(3600);
    options.retention.invocations = Duration::from_secs(30 * 86_400);
    for _ in 0..2 {
        let store = open_on(fs.clone(), &clock, options.clone()).await?;
        for _ in 0..2 {
            send(&store, sent, now()).await;
            let _ = store.flush().await;
        }
        clock.advance(Duration::from_secs(2 * 3600));
        send(&store, sent, now()).await;
        let _ = store.tidy().await;
        send(&store, sent, now()).await;
        let _ = store.flush().await;
        store.close().await;
    }
    Ok(())
}

fn whole_day(failing: Failing) -> (FaultyFs, Sent, Result<(), OpenError>) {
    let fs = FaultyFs::new(SimFs::new(Bug::None), failing);
    let mut sent = Sent::new();
    let ended = run(day(&fs, &mut sent));
    (fs, sent, ended)
}

fn judge(fs: &FaultyFs, sent: &Sent, what: &str) {
    run(async {
        fs.disk.kill();
        let store = open_sim(&fs.disk, &clock()).await.unwrap();
        let seen = census(&fs.disk, &store.snapshot());
        assert_eq!(seen.twice, Vec::<String>::new(), "{what}");
        for (number, acknowledged) in sent {
            let rows = seen.invocations.get(&name(0, *number)).copied();
            let fine = rows == Some(3) || (rows.is_none() && !acknowledged);
            assert!(
                fine,
                "{what}: batch {number}, acknowledged {acknowledged}: {rows:?} rows of 3"
            );
        }
        assert!(
            seen.invocations.len() <= sent.len(),
            "{what}: rows nobody sent"
        );
        store.close().await;
    });
}

/// Every call has its turn in the soak. CI takes every twelfth, others for each kind of failure.
fn turns(calls: u64, begin: usize) -> impl Iterator<Item = u64> {
    let step = if crate::soaks() { 1 } else { 12 };
    (0..calls).skip(begin % step).step_by(step)
}

#[test]
fn each_call_of_the_file_system_may_fail_once_or_for_good() {
    let (fs, sent, ended) = whole_day(Failing::Never);
    ended.unwrap();
    assert!(sent.values().all(|acknowledged| *acknowledged));
    let calls = fs.heard().calls;
    assert!(calls > 200, "only {calls} calls make a day");
    judge(&fs, &sent, "without a failure");
    let once = turns(calls, 0).map(Failing::Once);
    let for_good = turns(calls, 6).map(Failing::From);
    for failing in once.chain(for_good) {
        let (fs, sent, ended) = whole_day(failing);
        let failed = fs.heard().failed.clone().unwrap_or_default();
        let what = format!("{failing:?} failed {failed}");
        let again = fs.heard().synced_again.clone();
        assert_eq!(again, None, "{what}: synced again after that had failed");
        if let Err(error) = ended {
            let said = error.to_string();
            assert!(
                said.starts_with("cannot ") && said.contains("/data"),
                "{what}: {said}"
            );
        }
        judge(&fs, &sent, &what);
    }
    println!("each of {calls} calls in turn");
}

#[test]
fn a_store_that_cannot_be_read_says_where_and_loses_nothing() {
    for (part, errno) in [
        ("/data/manifest", EIO),
        ("/data/manifest", EACCES),
        ("/data/wal/00000000000000000001.wal", EIO),
        ("/data/wal/00000000000000000001.wal", EACCES),
    ] {
        let disk = SimFs::new(Bug::None);
        run(async {
            let store = open_sim(&disk, &clock()).await.unwrap();
            store.commit(batch(0, 0, 3, NOW)).await.unwrap();
            store.flush().await.unwrap();
            store.commit(batch(0, 1, 3, NOW)).await.unwrap();
            store.close().await;
            let before = disk.files();
            let fs = FaultyFs::new(disk.clone(), Failing::Opening(part, errno));
            let error = open_on(fs, &clock(), options("/data")).await.err().unwrap();
            let said = error.to_string();
            assert!(said.starts_with("cannot "), "{said}");
            assert!(said.contains(part), "{part}: {said}");
            let known = disk.files();
            // The manifest is written anew at each start, before the log is read.
            for (path, content) in before {
                if path.starts_with("/data/manifest") || path.starts_with("/data/manifest.previous")
                {
                    continue;
                }
                assert_eq!(
                    known.get(&path),
                    Some(&content),
                    "{} was touched",
                    path.display()
                );
            }
            let store = open_sim(&disk, &clock()).await.unwrap();
            let seen = census(&disk, &store.snapshot());
            assert_eq!(seen.invocations.len(), 2, "once it reads again");
            store.close().await;
        });
    }
}
