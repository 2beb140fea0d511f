//! A disk that runs full: refused before it is, files leave a reserve, a start finds everything, and all
//! is well again once there is room.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use store::fs::{DiskFs, Fs};
use store::{CommitError, FlushError, Options, Store, Table};

use crate::rows::{NOW, batch, census, name};
use crate::sim::{Bug, SimFs};
use crate::store::{clock, open_disk, open_sim, options, run};

fn assert_full(result: Result<store::Committed, CommitError>) {
    match result {
        Err(CommitError::Full {
            what: "disk",
            retry_after,
        }) => assert!(retry_after >= Duration::from_secs(1)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_store_opens_on_a_full_disk_and_only_refuses() {
    let fs = SimFs::new(Bug::None);
    let clock = clock();
    let store = open_sim(&fs, &clock).await.unwrap();
    store.commit(batch(0, 0, 3, NOW)).await.unwrap();
    store.flush().await.unwrap();
    store.commit(batch(0, 1, 3, NOW)).await.unwrap();
    store.close().await;
    for _ in 0..2 {
        fs.fail_write(Some(("", ErrorKind::StorageFull)));
        fs.set_free_bytes(0);
        let store = open_sim(&fs, &clock).await.unwrap();
        assert!(store.healthy());
        assert_eq!(store.stats().rows(Table::Invocations), 6);
        assert_full(store.commit(batch(0, 2, 3, NOW)).await);
        assert!(matches!(store.flush().await, Err(FlushError::Full)));
        let names: Vec<_> = fs.files().into_keys().collect();
        assert!(
            names
                .iter()
                .all(|path| path.extension().is_none_or(|end| end != "tmp")),
            "{names:?}"
        );
        store.close().await;
        // The next start is on a disk as full.
        fs.kill();
    }
    let store = open_sim(&fs, &clock).await.unwrap();
    fs.fail_write(None);
    fs.set_free_bytes(1 << 40);
    store.commit(batch(0, 2, 3, NOW)).await.unwrap();
    store.flush().await.unwrap();
    store.close().await;
    fs.lose_power(&mut crate::random::Random::new(3));
    let store = open_sim(&fs, &clock).await.unwrap();
    let seen = census(&fs, &store.snapshot());
    assert_eq!((seen.invocations.len(), seen.twice.len()), (3, 0));
    store.close().await;
}

#[tokio::test]
async fn files_leave_half_of_what_ingest_leaves() {
    let fs = SimFs::new(Bug::None);
    let store = open_sim(&fs, &clock()).await.unwrap();
    store.commit(batch(0, 0, 3, NOW)).await.unwrap();
    let kept = options("/data").disk_free_bytes_min;
    fs.set_free_bytes(kept - 1);
    assert_full(store.commit(batch(0, 1, 3, NOW)).await);
    fs.set_free_bytes(kept / 2 - 1);
    assert!(matches!(store.flush().await, Err(FlushError::Full)));
    assert!(store.healthy());
    fs.set_free_bytes(kept - 1);
    store.flush().await.unwrap();
    store.close().await;
}

const SMALL: u64 = 48 << 20;
const KEPT: u64 = 8 << 20;
const INSIDE: &str = "RAMPART_SMALL_DISK";

/// Runs one test of this program again, in a mount namespace with a small disk of its own.
fn on_a_small_disk(test: &str) {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "mount -t tmpfs -o size={SMALL} tmpfs '{folder}' && exec '{program}' --exact {test} --nocapture",
        folder = folder.path().display(),
        program = std::env::current_exe().unwrap().display(),
    );
    // As root of a user namespace of its own nobody needs to be root outside.
    for namespace in [
        &["--mount"][..],
        &["--user", "--map-root-user", "--mount"][..],
    ] {
        let output = Command::new("unshare")
            .args(namespace)
            .args(["sh", "-c", &script])
            .env(INSIDE, folder.path())
            .output();
        let Ok(output) = output else {
            continue;
        };
        let counted = String::from_utf8_lossy(&output.stdout);
        if counted.contains("running 1 test") {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}\n{counted}");
            return;
        }
    }
    panic!(
        "no small disk could be mounted: `unshare --user --map-root-user --mount` and root's mount(8) \
         are both refused here; run this test as root, or allow user namespaces"
    );
}

/// Fills the disk until so many bytes are free.
fn fill(folder: &Path, leave: u64) -> PathBuf {
    let path = folder.join("filler");
    let mut file = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .unwrap();
    let block = vec![7_u8; 64 << 10];
    while DiskFs.free_bytes(folder).unwrap() > leave {
        match file.write(&block) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => break,
            Err(error) => panic!("{error}"),
        }
    }
    path
}

fn small_options(folder: &Path) -> Options {
    Options {
        disk_free_bytes_min: KEPT,
        segment_bytes_max: 1 << 20,
        ..options(folder.join("store"))
    }
}

/// Commits until the disk is said to be full, noting what was acknowledged.
async fn commit_until_refused(store: &Store, next: &mut u64, acknowledged: &mut Vec<u64>) {
    for _ in 0..4000 {
        let number = *next;
        *next += 1;
        match store.commit(batch(0, number, 200, NOW)).await {
            Ok(_) => acknowledged.push(number),
            refused => return assert_full(refused),
        }
    }
    panic!("never refused");
}

async fn fill_and_free(folder: &Path) {
    let clock = clock();
    let free = || DiskFs.free_bytes(folder).unwrap();
    let mut store = open_disk(small_options(folder), &clock).await;
    let (mut next, mut acknowledged) = (0, Vec::new());
    for round in 0..6 {
        let filler = fill(folder, KEPT + (1 << 20));
        commit_until_refused(&store, &mut next, &mut acknowledged).await;
        assert!(free() > KEPT - (1 << 20), "refused before it is full");
        let _ = store.flush().await;
        assert!(free() >= KEPT / 2, "files leave alerting's reserve");
        fill(folder, 0);
        assert_full(store.commit(batch(0, next, 1, NOW)).await);
        let _ = store.flush().await;
        assert!(store.healthy());
        if round % 2 == 1 {
            store.close().await;
            store = open_disk(small_options(folder), &clock).await;
            assert_full(store.commit(batch(0, next, 1, NOW)).await);
        }
        std::fs::remove_file(filler).unwrap();
        store.commit(batch(0, next, 200, NOW)).await.unwrap();
        acknowledged.push(next);
        next += 1;
        store.flush().await.unwrap();
        // The log of what is in files goes once it is too old for the counts per second.
        clock.advance(Duration::from_secs(1800));
        store.tidy().await.unwrap();
    }
    store.close().await;
    let store = open_disk(small_options(folder), &clock).await;
    let seen = census(&DiskFs, &store.snapshot());
    assert_eq!(seen.twice, Vec::<String>::new());
    let expected: std::collections::BTreeMap<_, _> = acknowledged
        .iter()
        .map(|number| (name(0, *number), 200))
        .collect();
    assert!(expected.len() >= 12, "{}", expected.len());
    assert_eq!(seen.invocations, expected);
    store.close().await;
}

#[test]
fn a_small_disk_is_filled_and_freed_many_times() {
    match std::env::var_os(INSIDE) {
        Some(folder) => run(fill_and_free(Path::new(&folder))),
        None => on_a_small_disk("full_disk::a_small_disk_is_filled_and_freed_many_times"),
    }
}
