//! Files that were merged into another stay for a while; whatever happens, none is left for good.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::ManualClock;
use store::{Options, Store, Table};

use crate::rows::{NOW, batch, census};
use crate::sim::{Bug, SimFs};
use crate::store::{clock, open_sim_with, options};

const KEPT: Duration = Duration::from_secs(600);

fn keeping() -> Options {
    Options {
        merged_files_kept: KEPT,
        ..options("/data")
    }
}

fn parquet(fs: &SimFs) -> Vec<PathBuf> {
    let files = fs.files().into_keys();
    files
        .filter(|path| path.to_string_lossy().contains("/tables/invocations/"))
        .collect()
}

/// A store with three files of one hour, merged into a fourth.
async fn merged(fs: &SimFs, clock: &Arc<ManualClock>) -> Store {
    let store = open_sim_with(fs, clock, keeping()).await.unwrap();
    for number in 0..3 {
        store.commit(batch(0, number, 10, NOW)).await.unwrap();
        store.flush().await.unwrap();
    }
    clock.advance(Duration::from_secs(2 * 3600));
    store.tidy().await.unwrap();
    assert_eq!(store.snapshot().files_of(Table::Invocations).len(), 1);
    store
}

#[tokio::test]
async fn merged_files_stay_for_their_time_and_for_their_readers() {
    let fs = SimFs::new(Bug::None);
    let clock = clock();
    let store = merged(&fs, &clock).await;
    assert_eq!(parquet(&fs).len(), 4);
    clock.advance(KEPT / 2);
    store.tidy().await.unwrap();
    assert_eq!(parquet(&fs).len(), 4, "their time is not over");
    clock.advance(KEPT);
    store.tidy().await.unwrap();
    assert_eq!(parquet(&fs).len(), 1);
    store.close().await;
}

#[tokio::test]
async fn a_filling_disk_ends_their_time() {
    let fs = SimFs::new(Bug::None);
    let clock = clock();
    let store = merged(&fs, &clock).await;
    fs.set_free_bytes(keeping().disk_free_bytes_min * 3 / 2);
    store.tidy().await.unwrap();
    assert_eq!(parquet(&fs).len(), 1);
    store.close().await;
}

#[tokio::test]
async fn a_start_removes_what_was_left_of_a_merge() {
    let fs = SimFs::new(Bug::None);
    let clock = clock();
    let store = merged(&fs, &clock).await;
    let before = census(&fs, &store.snapshot());
    store.close().await;
    let store = open_sim_with(&fs, &clock, keeping()).await.unwrap();
    assert_eq!(parquet(&fs).len(), 1);
    assert_eq!(store.stats().found.quarantined, 0);
    assert_eq!(census(&fs, &store.snapshot()), before);
    store.close().await;
}

#[tokio::test]
async fn merging_needs_as_much_space_as_it_reads() {
    let fs = SimFs::new(Bug::None);
    let clock = clock();
    let store = open_sim_with(&fs, &clock, keeping()).await.unwrap();
    for number in 0..3 {
        store.commit(batch(0, number, 10, NOW)).await.unwrap();
        store.flush().await.unwrap();
    }
    clock.advance(Duration::from_secs(2 * 3600));
    fs.set_free_bytes(keeping().disk_free_bytes_min + 1000);
    assert!(store.tidy().await.is_err());
    assert_eq!(parquet(&fs).len(), 3);
    fs.set_free_bytes(1 << 40);
    clock.advance(Duration::from_secs(3600));
    store.tidy().await.unwrap();
    assert_eq!(store.snapshot().files_of(Table::Invocations).len(), 1);
    store.close().await;
}
