//! Retention and merging when the disk is full, a file does not read, or the clock is wrong.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use model::{Clock, ManualClock};
use store::{Store, Table};

use crate::rows::{NOW, batch};
use crate::sim::{Bug, SimFs};
use crate::store::{clock, open_sim, open_sim_with, options};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

fn parquet(fs: &SimFs, table: &str) -> Vec<PathBuf> {
    let below = Path::new("/data/tables").join(table);
    fs.files()
        .into_keys()
        .filter(|path| path.starts_with(&below))
        .collect()
}

/// Flushes as many files of one hour, and lets the hour settle.
async fn fill_hour(store: &Store, clock: &ManualClock, lane: u64, files: u64) {
    for number in 0..files {
        store
            .commit(batch(lane, number, 4, clock.now()))
            .await
            .unwrap();
        store.flush().await.unwrap();
    }
    clock.advance(2 * HOUR);
}

#[tokio::test]
async fn what_expired_goes_although_the_disk_is_too_full_to_merge() {
    let fs = SimFs::new(Bug::None);
    let clock = clock();
    let mut options = options("/data");
    options.retention.logs = HOUR;
    let store = open_sim_with(&fs, &clock, options).await.unwrap();
    fill_hour(&store, &clock, 0, 3).await;
    assert_eq!(parquet(&fs, "logs").len(), 3);
    fs.fail_write(Some((".parquet", ErrorKind::StorageFull)));
    assert!(store.tidy().await.is_err());
    assert_eq!(parquet(&fs, "logs"), Vec::<PathBuf>::new());
    assert_eq!(parquet(&fs, "invocations").len(), 3, "not merged");
    fs.fail_write(None);
    clock.advance(HOUR);
    store.tidy().await.unwrap();
    assert_eq!(parquet(&fs, "invocations").len(), 1);
    store.close().await;
}

#[tokio::test]
async fn a_damaged_file_is_put_aside_and_the_others_are_merged() {
    let fs = SimFs::new(Bug::None);
    let clock = clock();
    let store = open_sim(&fs, &clock).await.unwrap();
    fill_hour(&store, &clock, 0, 2).await;
    let broken = parquet(&fs, "invocations")[0].clone();
    fs.overwrite(&broken, vec![7; fs.files()[&broken].len()]);
    fill_hour(&store, &clock, 1, 2).await;
    store.tidy().await.unwrap();
    assert_eq!(parquet(&fs, "invocations").len(), 2);
    assert_eq!(parquet(&fs, "samples").len(), 2);
    assert_eq!(store.stats().rows(Table::Invocations), 12);
    let seen = crate::rows::census(&fs, &store.snapshot());
    assert_eq!(seen.invocations.len(), 3, "what the others hold");
    let files = fs.files();
    let aside = files
        .keys()
        .filter(|path| path.starts_with("/data/quarantine"));
    assert_eq!(aside.count(), 1);
    assert!(store.healthy());
    store.close().await;
}

async fn store_with_rows(fs: &SimFs, clock: &Arc<ManualClock>) -> Store {
    let store = open_sim(fs, clock).await.unwrap();
    store.commit(batch(0, 0, 10, NOW)).await.unwrap();
    store.flush().await.unwrap();
    store.tidy().await.unwrap();
    store
}

#[tokio::test]
async fn a_clock_that_jumps_ahead_deletes_nothing_and_time_that_passes_does() {
    let fs = SimFs::new(Bug::None);
    let clock = clock();
    let store = store_with_rows(&fs, &clock).await;
    let rows = |store: &Store| store.stats().rows(Table::Invocations);
    clock.jump_to(clock.now() + 8 * DAY);
    // What comes in from now on bears the wrong time as well.
    store.commit(batch(0, 1, 10, clock.now())).await.unwrap();
    for _ in 0..48 {
        clock.advance(HOUR);
        store.tidy().await.unwrap();
        store.flush().await.unwrap();
    }
    assert_eq!(rows(&store), 20);
    clock.advance(6 * DAY);
    store.tidy().await.unwrap();
    assert_eq!(rows(&store), 10, "the old rows are eight days old by now");
    store.close().await;

    let fs = SimFs::new(Bug::None);
    let clock = crate::store::clock();
    let store = store_with_rows(&fs, &clock).await;
    clock.advance(8 * DAY);
    store.tidy().await.unwrap();
    assert_eq!(rows(&store), 0);
    store.close().await;
}

#[tokio::test]
async fn a_clock_that_went_ahead_and_came_back_is_believed_again() {
    let fs = SimFs::new(Bug::None);
    let clock = clock();
    let store = store_with_rows(&fs, &clock).await;
    clock.jump_to(NOW + 8 * DAY);
    store.tidy().await.unwrap();
    clock.jump_to(NOW);
    store.tidy().await.unwrap();
    clock.advance(7 * DAY);
    store.tidy().await.unwrap();
    assert_eq!(store.stats().rows(Table::Invocations), 10);
    clock.advance(HOUR);
    store.tidy().await.unwrap();
    assert_eq!(store.stats().rows(Table::Invocations), 0);
    store.close().await;
}

#[tokio::test]
async fn a_start_with_a_wrong_clock_deletes_nothing_while_rows_tell_another_time() {
    let fs = SimFs::new(Bug::None);
    let clock = clock();
    store_with_rows(&fs, &clock).await.close().await;
    clock.jump_to(NOW + 8 * DAY);
    let store = open_sim(&fs, &clock).await.unwrap();
    for number in 1..5 {
        clock.advance(Duration::from_secs(1800));
        let real = NOW + clock.elapsed();
        store.commit(batch(0, number, 10, real)).await.unwrap();
        store.flush().await.unwrap();
        store.tidy().await.unwrap();
    }
    assert_eq!(store.stats().rows(Table::Invocations), 50);
    // Nobody says otherwise any more.
    clock.advance(2 * HOUR);
    store.tidy().await.unwrap();
    assert_eq!(store.stats().rows(Table::Invocations), 0);
    store.close().await;
}
