//! Full queues, full disks, failing disks, locked and unreadable directories.

use std::io::ErrorKind;
use std::time::Duration;

use store::{Batch, CommitError, Durability, FlushError, OpenError, Position, Table};

use crate::rows::{NOW, batch, census, invocations};
use crate::sim::{Bug, SimFs};
use crate::store::{clock, open_disk, open_sim, open_sim_with, options};

#[tokio::test]
async fn memory_over_budget_is_refused_until_a_flush() {
    let fs = SimFs::new(Bug::None);
    let mut options = options("/data");
    options.memory_bytes_max = 1280 << 10;
    options.flush_bytes = u64::MAX;
    let store = open_sim_with(&fs, &clock(), options).await.unwrap();
    let mut number = 0;
    let refused = loop {
        match store.commit(batch(0, number, 500, NOW)).await {
            Ok(_) => number += 1,
            Err(error) => break error,
        }
        assert!(number < 1000);
    };
    let CommitError::Full { what, retry_after } = refused else {
        panic!("{refused}")
    };
    assert_eq!(what, "memory");
    assert!(retry_after >= Duration::from_secs(1));
    assert!(number > 0 && store.stats().memory_bytes <= store.stats().memory_bytes_max);
    store.flush().await.unwrap();
    store.commit(batch(0, number, 500, NOW)).await.unwrap();
    assert_eq!(store.stats().rows(Table::Invocations), 500 * (number + 1));
    let mut huge = batch(0, number + 1, 1, NOW);
    huge.invocations = Some(invocations("huge", 20_000, NOW));
    let error = store.commit(huge).await.unwrap_err();
    assert!(matches!(error, CommitError::TooLarge { .. }), "{error}");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_is_refused_and_recovers() {
    let fs = SimFs::new(Bug::None);
    let mut options = options("/data");
    options.queue_rows_max = 100;
    options.commit_window = Duration::from_millis(200);
    let store = open_sim_with(&fs, &clock(), options).await.unwrap();
    let commits: Vec<_> = (0..30)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { store.commit(batch(0, number, 10, NOW)).await })
        })
        .collect();
    let (mut accepted, mut full) = (0, 0);
    for commit in commits {
        match commit.await.unwrap() {
            Ok(_) => accepted += 1,
            Err(CommitError::Full { what: "queue", .. }) => full += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(
        accepted >= 5 && full >= 1,
        "{accepted} accepted, {full} refused"
    );
    assert_eq!(store.stats().rows(Table::Invocations), accepted * 10);
    assert_eq!(store.stats().queue_rows, 0);
    store.commit(batch(0, 99, 10, NOW)).await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn commits_share_a_sync() {
    let fs = SimFs::new(Bug::None);
    let mut options = options("/data");
    options.commit_window = Duration::from_millis(100);
    let store = open_sim_with(&fs, &clock(), options).await.unwrap();
    let before = fs.syncs();
    let commits: Vec<_> = (0..50)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { store.commit(batch(0, number, 1, NOW)).await.unwrap() })
        })
        .collect();
    for commit in commits {
        commit.await.unwrap();
    }
    assert!(
        fs.syncs() - before <= 10,
        "{} syncs for 50 commits",
        fs.syncs() - before
    );
    store.close().await;
}

#[tokio::test]
async fn a_failed_sync_stops_the_store_for_good() {
    for (part, kind) in [
        ("/wal/", ErrorKind::Other),
        ("/wal/", ErrorKind::StorageFull),
    ] {
        let fs = SimFs::new(Bug::None);
        let clock = clock();
        let store = open_sim(&fs, &clock).await.unwrap();
        store.commit(batch(0, 0, 3, NOW)).await.unwrap();
        fs.fail_sync(Some((part, kind)));
        let error = store.commit(batch(0, 1, 3, NOW)).await.unwrap_err();
        assert!(matches!(error, CommitError::Storage(_)), "{error}");
        assert!(!store.healthy());
        let syncs = fs.syncs();
        fs.fail_sync(None);
        let error = store.commit(batch(0, 2, 3, NOW)).await.unwrap_err();
        assert!(matches!(error, CommitError::Storage(_)), "{error}");
        assert!(matches!(store.flush().await, Err(FlushError::Storage(_))));
        assert_eq!(fs.syncs(), syncs, "the sync is never tried again");
        assert!(store.stats().stopped_because.unwrap().contains("sync"));
        assert_eq!(store.stats().rows(Table::Invocations), 3, "still answers");
        store.close().await;
        let store = open_sim(&fs, &clock).await.unwrap();
        assert!(store.healthy());
        assert!(
            census(&fs, &store.snapshot())
                .invocations
                .contains_key("lane0-batch0")
        );
        store.close().await;
    }
}

#[tokio::test]
async fn a_failed_write_of_files_or_manifest_stops_the_store() {
    for part in [".parquet", "manifest"] {
        for sync in [false, true] {
            let fs = SimFs::new(Bug::None);
            let clock = clock();
            let store = open_sim(&fs, &clock).await.unwrap();
            store.commit(batch(0, 0, 3, NOW)).await.unwrap();
            let fault = Some((part, ErrorKind::Other));
            if sync {
                fs.fail_sync(fault);
            } else {
                fs.fail_write(fault);
            }
            let error = store.flush().await.unwrap_err();
            assert!(
                matches!(error, FlushError::Storage(_)),
                "{part} {sync}: {error}"
            );
            assert!(!store.healthy());
            assert_eq!(
                census(&fs, &store.snapshot()).invocations["lane0-batch0"],
                3
            );
            store.close().await;
            fs.fail_sync(None);
            fs.fail_write(None);
            let store = open_sim(&fs, &clock).await.unwrap();
            let seen = census(&fs, &store.snapshot());
            assert_eq!((seen.invocations["lane0-batch0"], seen.twice.len()), (3, 0));
            store.close().await;
        }
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_recovers_by_itself() {
    let fs = SimFs::new(Bug::None);
    let clock = clock();
    let store = open_sim(&fs, &clock).await.unwrap();
    store.commit(batch(0, 0, 3, NOW)).await.unwrap();
    let full = |result: Result<_, CommitError>| {
        assert!(
            matches!(result, Err(CommitError::Full { what: "disk", .. })),
            "{result:?}"
        );
    };
    fs.set_free_bytes(1000);
    full(store.commit(batch(0, 1, 3, NOW)).await.map(|_| ()));
    fs.set_free_bytes(1 << 40);
    store.commit(batch(0, 1, 3, NOW)).await.unwrap();
    // The reserve was taken by somebody else in between: half a group is written, and cut off again.
    fs.fail_write(Some(("/wal/", ErrorKind::StorageFull)));
    full(store.commit(batch(0, 2, 3, NOW)).await.map(|_| ()));
    fs.fail_write(None);
    store.commit(batch(0, 3, 3, NOW)).await.unwrap();
    // Files do not fit: rows stay in memory, nothing is left behind, a later flush works.
    for part in [".parquet", "manifest"] {
        fs.fail_write(Some((part, ErrorKind::StorageFull)));
        assert!(
            matches!(store.flush().await, Err(FlushError::Full)),
            "{part}"
        );
        fs.fail_write(None);
        let files = fs.files();
        assert!(
            !files.keys().any(|path| path.starts_with("/data/tables")),
            "{files:?}"
        );
    }
    assert!(store.healthy());
    store.flush().await.unwrap();
    store.close().await;
    let store = open_sim(&fs, &clock).await.unwrap();
    let seen = census(&fs, &store.snapshot());
    let names: Vec<_> = seen.invocations.keys().map(String::as_str).collect();
    assert_eq!(names, ["lane0-batch0", "lane0-batch1", "lane0-batch3"]);
    assert_eq!(seen.twice.len(), 0);
    store.close().await;
}

#[tokio::test]
async fn weaker_durability_syncs_less_and_loses_only_unsynced_ends() {
    for durability in [Durability::Interval, Durability::None] {
        let fs = SimFs::new(Bug::None);
        let clock = clock();
        let mut options = options("/data");
        options.durability = durability;
        options.sync_interval = Duration::from_secs(3600);
        let store = open_sim_with(&fs, &clock, options).await.unwrap();
        let before = fs.syncs();
        for number in 0..10 {
            store.commit(batch(0, number, 3, NOW)).await.unwrap();
        }
        assert_eq!(fs.syncs(), before, "{durability:?}");
        store.close().await;
        assert!(fs.syncs() > before, "closing makes all durable");
        fs.lose_power(&mut crate::random::Random::new(1));
        let store = open_sim(&fs, &clock).await.unwrap();
        assert_eq!(store.stats().rows(Table::Invocations), 30);
        store.close().await;
    }
}

#[tokio::test]
async fn a_directory_is_opened_once() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let store = open_disk(options(directory.path()), &clock).await;
    let other: model::SharedClock = clock.clone();
    let error = store::Store::open(options(directory.path()), other)
        .await
        .err()
        .unwrap();
    assert!(matches!(error, OpenError::Locked { .. }));
    assert!(
        error.to_string().contains("in use by another process"),
        "{error}"
    );
    let clone = store.clone();
    store.close().await;
    assert!(matches!(clone.flush().await, Err(FlushError::Closed)));
    let late = clone.commit(batch(0, 0, 1, NOW)).await.unwrap_err();
    assert!(matches!(late, CommitError::Closing), "{late}");
    open_disk(options(directory.path()), &clock)
        .await
        .close()
        .await;
}

#[tokio::test]
async fn a_directory_that_cannot_be_used_is_told_in_one_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "not a directory").unwrap();
    let shared: model::SharedClock = clock();
    let error = store::Store::open(options(file.join("data")), shared)
        .await
        .err()
        .unwrap();
    assert!(matches!(error, OpenError::Unwritable { .. }), "{error}");
    assert!(error.to_string().starts_with("cannot write to "), "{error}");
}

#[tokio::test]
async fn a_newer_format_is_refused_untouched() {
    for name in ["manifest", "wal/00000000000000000001.wal"] {
        let fs = SimFs::new(Bug::None);
        let clock = clock();
        let store = open_sim(&fs, &clock).await.unwrap();
        store.commit(batch(0, 0, 3, NOW)).await.unwrap();
        store.close().await;
        let path = std::path::Path::new("/data").join(name);
        let mut content = fs.files()[&path].clone();
        content[8..12].copy_from_slice(&3_u32.to_le_bytes());
        let checksum = crc32c::crc32c(&content[..12]);
        content[12..16].copy_from_slice(&checksum.to_le_bytes());
        fs.overwrite(&path, content.clone());
        let error = open_sim(&fs, &clock).await.err().unwrap();
        assert_eq!(
            error.to_string(),
            "/data was written by a newer rampart (store format 3, this one reads up to 1), \
             upgrade rampart or restore a backup"
        );
        assert_eq!(fs.files()[&path], content);
    }
}

#[tokio::test]
async fn batches_that_do_not_fit_are_refused_and_empty_ones_write_nothing() {
    let fs = SimFs::new(Bug::None);
    let store = open_sim(&fs, &clock()).await.unwrap();
    let changes = fs.changes();
    assert_eq!(store.commit(Batch::default()).await.unwrap().sequence, 0);
    let mut wrong = batch(0, 0, 3, NOW);
    wrong.logs.clone_from(&wrong.samples);
    let error = store.commit(wrong).await.unwrap_err();
    assert!(matches!(error, CommitError::Schema(_)), "{error}");
    let mut long = batch(0, 0, 3, NOW);
    long.idempotency.as_mut().unwrap().key = "k".repeat(513);
    assert!(matches!(
        store.commit(long).await.unwrap_err(),
        CommitError::Invalid(_)
    ));
    assert_eq!(fs.changes(), changes);
    let only_position = Batch {
        positions: vec![Position {
            source: "kafka".to_owned(),
            value: "9".to_owned(),
        }],
        ..Batch::default()
    };
    store.commit(only_position).await.unwrap();
    assert_eq!(store.position("kafka").as_deref(), Some("9"));
    store.close().await;
}
