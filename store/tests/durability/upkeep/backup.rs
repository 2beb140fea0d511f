//! `store backup` and `store restore`: what comes back is what was there.

use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex};

use model::ManualClock;
use store::Store;
use store::fs::{Entry, Fs, FsFile, FsRead, Lock};
use store::upkeep::{Backup, Listing, UpkeepError, Verified, restore};

use super::{HOUR, MANIFEST, flipped, opened, paths, shared, stopped};
use crate::random::Random;
use crate::rows::{NOW, batch, census};
use crate::sim::{Bug, SimFs};
use crate::store::{clock, open_sim, run};

const DATA: &str = "/data";
const BACKUP: &str = "/backup";
const RESTORED: &str = "/restored";

fn back_up(fs: &Arc<dyn Fs>) -> Result<(Listing, Verified), UpkeepError> {
    Backup::begin(fs, Path::new(DATA), Path::new(BACKUP))?.finish(NOW)
}

#[test]
fn a_restored_store_has_exactly_the_rows_of_the_running_one() {
    let (fs, clock) = stopped();
    let (expected, listing) = run(async {
        let store = open_sim(&fs, &clock).await.unwrap();
        let expected = census(&fs, &store.snapshot());
        let (listing, verified) = back_up(&shared(&fs)).unwrap();
        assert!(!verified.is_damaged(), "{verified:?}");
        // What comes later is not in it.
        store.commit(batch(7, 7, 3, NOW)).await.unwrap();
        store.close().await;
        (expected, listing)
    });
    assert_eq!((listing.flushed_sequence, listing.sequence), (2, 4));
    let restored = restore(&fs, Path::new(BACKUP), Path::new(RESTORED)).unwrap();
    assert_eq!(restored, listing);
    assert_eq!(opened(&fs, &clock, "/restored/store"), expected);
    run(async {
        let options = crate::store::options("/restored/store");
        let store = crate::store::open_sim_with(&fs, &clock, options)
            .await
            .unwrap();
        assert_eq!(store.position("lane0").as_deref(), Some("3"));
        let repeated = store.commit(batch(0, 1, 3, NOW)).await.unwrap();
        assert!(repeated.repeated.is_some(), "senders' keys come along");
        store.close().await;
    });
}

#[test]
fn nothing_is_overwritten() {
    let (fs, _) = stopped();
    back_up(&shared(&fs)).unwrap();
    let before = fs.files();
    let again = back_up(&shared(&fs)).map(|_| ());
    assert!(
        matches!(again, Err(UpkeepError::NotEmpty { .. })),
        "{again:?}"
    );
    let over = restore(&fs, Path::new(BACKUP), Path::new(DATA)).map(|_| ());
    assert!(
        matches!(over, Err(UpkeepError::NotEmpty { .. })),
        "{over:?}"
    );
    assert_eq!(fs.files(), before);
}

#[test]
fn a_backup_with_any_file_changed_or_missing_is_not_restored() {
    let (fs, _) = stopped();
    let (listing, _) = back_up(&shared(&fs)).unwrap();
    for listed in &listing.files {
        let path = Path::new(BACKUP).join(&listed.path);
        let changed = flipped(&fs, &path, listed.bytes as usize / 2);
        let refused = restore(&changed, Path::new(BACKUP), Path::new(RESTORED)).unwrap_err();
        assert!(
            matches!(&refused, UpkeepError::Changed { path: named, .. } if *named == path),
            "{refused}"
        );
        assert!(paths(&changed, RESTORED).is_empty(), "nothing is written");
    }
    Fs::remove(&fs, &Path::new(BACKUP).join("backup.json")).unwrap();
    let refused = restore(&fs, Path::new(BACKUP), Path::new(RESTORED)).unwrap_err();
    assert!(
        matches!(refused, UpkeepError::NotABackup { .. }),
        "{refused}"
    );
}

#[test]
fn a_damaged_store_is_copied_as_it_is_and_said_to_be_damaged() {
    let (fs, _) = stopped();
    let file = paths(&fs, "tables/logs")[0].clone();
    let damaged = flipped(&fs, &file, 50);
    let (_, verified) = back_up(&shared(&damaged)).unwrap();
    let named: Vec<_> = verified.findings.iter().map(|it| it.path.clone()).collect();
    assert_eq!(
        named,
        [file.strip_prefix(DATA).unwrap().display().to_string()]
    );

    let damaged = flipped(&fs, Path::new(MANIFEST), 40);
    let refused = back_up(&shared(&damaged)).map(|_| ());
    assert!(
        matches!(refused, Err(UpkeepError::Damaged { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_backup_that_lost_power_is_whole_or_none() {
    let (fs, clock) = stopped();
    let expected = opened(&fs.copy(), &clock, DATA);
    let (mut whole, mut none) = (0, 0);
    for changes in (0..).step_by(3) {
        let fs = fs.copy();
        fs.power_off_after(changes);
        let done = back_up(&shared(&fs));
        let over = done.is_ok() && !fs.is_off();
        fs.lose_power(&mut Random::new(changes));
        match restore(&fs, Path::new(BACKUP), Path::new(RESTORED)) {
            Ok(_) => {
                whole += 1;
                assert_eq!(
                    opened(&fs, &clock, "/restored/store"),
                    expected,
                    "off after {changes}"
                );
            }
            Err(UpkeepError::NotABackup { .. }) => none += 1,
            Err(error) => panic!("off after {changes}: {error}"),
        }
        if over {
            break;
        }
    }
    assert!(whole > 0 && none > 10, "{whole} whole, {none} none");
}

/// Lets something happen to the disk before a Parquet file is read for the first time.
struct Interrupted {
    fs: SimFs,
    act: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Fs for Interrupted {
    fn read(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        let parquet = path.extension().is_some_and(|end| end == "parquet");
        let act = parquet.then(|| self.act.lock().unwrap().take()).flatten();
        if let Some(act) = act {
            act();
        }
        self.fs.read(path)
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        self.fs.create(path)
    }
    fn append(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        self.fs.append(path)
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn FsRead>> {
        self.fs.open(path)
    }
    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>> {
        self.fs.list(directory)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.fs.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.fs.remove(path)
    }
    fn create_dir(&self, directory: &Path) -> io::Result<()> {
        self.fs.create_dir(directory)
    }
    fn remove_dir(&self, directory: &Path) -> io::Result<()> {
        self.fs.remove_dir(directory)
    }
    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        self.fs.sync_dir(directory)
    }
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        self.fs.lock(path)
    }
    fn free_bytes(&self, directory: &Path) -> io::Result<u64> {
        self.fs.free_bytes(directory)
    }
}

/// More rows come, all rows go to Parquet, all files are merged, the log lets go.
fn upheaval(store: Store, clock: Arc<ManualClock>) -> Box<dyn FnOnce() + Send> {
    let handle = tokio::runtime::Handle::current();
    Box::new(move || {
        handle.block_on(async {
            store.commit(batch(1, 0, 3, NOW)).await.unwrap();
            clock.advance(2 * HOUR);
            store.flush().await.unwrap();
            store.tidy().await.unwrap();
        });
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_may_be_merged_away_while_they_are_copied() {
    let (fs, clock) = (SimFs::new(Bug::None), clock());
    let store = open_sim(&fs, &clock).await.unwrap();
    for number in 0..4 {
        store.commit(batch(0, number, 3, NOW)).await.unwrap();
        store.flush().await.unwrap();
    }
    store.commit(batch(0, 4, 3, NOW)).await.unwrap();
    let before = paths(&fs, "/data/tables").len();
    let interrupted: Arc<dyn Fs> = Arc::new(Interrupted {
        fs: fs.clone(),
        act: Mutex::new(Some(upheaval(store.clone(), Arc::clone(&clock)))),
    });
    let backing_up = tokio::task::spawn_blocking(move || back_up(&interrupted));
    let (listing, verified) = backing_up.await.unwrap().unwrap();
    let expected = census(&fs, &store.snapshot());
    store.close().await;
    assert!(
        paths(&fs, "/data/tables").len() < before,
        "files were merged"
    );
    assert!(!verified.is_damaged(), "{verified:?}");
    let listed = |path: &str| listing.files.iter().any(|file| path.ends_with(&file.path));
    for path in paths(&fs, "/backup/store/") {
        assert!(
            listed(&path.display().to_string()),
            "{} is left over",
            path.display()
        );
    }
    restore(&fs, Path::new(BACKUP), Path::new(RESTORED)).unwrap();
    let options = crate::store::options("/restored/store");
    let restored = crate::store::open_sim_with(&fs, &clock, options)
        .await
        .unwrap();
    assert_eq!(census(&fs, &restored.snapshot()), expected);
    restored.close().await;
}
