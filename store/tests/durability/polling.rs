//! Counting from several threads while rows come in, go to files, are merged and expire.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use model::{Clock, ManualClock};
use store::{Batch, Store, Table};

use crate::rows::{NOW, census, invocations};
use crate::store::{clock, open_disk, options};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const SENDERS: i64 = 2;
const READERS: usize = 3;
const ROWS: i64 = 20;
/// Old rows: three files of one hour, all of which expire in the course of the day.
const OLD_ROWS: i64 = 3 * 40;

/// What is known of new rows from outside.
#[derive(Default)]
struct Known {
    sent: AtomicI64,
    acknowledged: AtomicI64,
    over: AtomicBool,
}

fn plain(name: &str, rows: i64, at: model::Timestamp) -> Batch {
    Batch {
        invocations: Some(invocations(name, rows as usize, at)),
        ..Batch::default()
    }
}

async fn count(store: &Store, condition: &str) -> i64 {
    let sql = format!("select count(*) from invocations where request_id {condition}");
    let answer = store.query(&sql, store.query_limits()).await.unwrap();
    answer.to_json_rows()[0][0].as_i64().unwrap()
}

async fn send(store: Store, known: Arc<Known>, clock: Arc<ManualClock>, sender: i64) {
    let mut number = 0;
    while !known.over.load(Ordering::SeqCst) {
        known.sent.fetch_add(ROWS, Ordering::SeqCst);
        let name = format!("new-{sender}-{number}");
        store.commit(plain(&name, ROWS, clock.now())).await.unwrap();
        known.acknowledged.fetch_add(ROWS, Ordering::SeqCst);
        number += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Counts until the day is over; gives how often.
async fn poll(store: Store, known: Arc<Known>) -> u32 {
    let (mut last, mut last_old, mut polls) = (0, OLD_ROWS, 0);
    while !known.over.load(Ordering::SeqCst) || polls == 0 {
        let floor = known.acknowledged.load(Ordering::SeqCst).max(last);
        let new = count(&store, "like 'new-%'").await;
        let ceiling = known.sent.load(Ordering::SeqCst);
        assert!(
            floor <= new && new <= ceiling,
            "{floor} <= {new} <= {ceiling}"
        );
        assert_eq!(new % ROWS, 0, "a batch is there whole or not at all");
        let old = count(&store, "like 'old-%'").await;
        // An hour goes whole, and does not come back.
        assert!(
            old == last_old || old == 0,
            "{old} old rows after {last_old}"
        );
        let seen = census(&store::fs::DiskFs, &store.snapshot());
        assert_eq!(seen.twice, Vec::<String>::new());
        (last, last_old, polls) = (new, old, polls + 1);
    }
    polls
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn counting_on_several_threads_never_dips_or_exceeds_through_a_day() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let mut options = options(directory.path());
    options.retention.invocations = 4 * DAY;
    let store = open_disk(options.clone(), &clock).await;
    for part in 0..3 {
        let at = NOW + 5 * HOUR - 4 * DAY;
        store
            .commit(plain(&format!("old-{part}"), OLD_ROWS / 3, at))
            .await
            .unwrap();
        store.flush().await.unwrap();
    }
    let known = Arc::new(Known::default());
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let (known, clock) = (Arc::clone(&known), Arc::clone(&clock));
            tokio::spawn(send(store.clone(), known, clock, sender))
        })
        .collect();
    let readers: Vec<_> = (0..READERS)
        .map(|_| tokio::spawn(poll(store.clone(), Arc::clone(&known))))
        .collect();
    for round in 0..if crate::soaks() { 120 } else { 18 } {
        tokio::time::sleep(Duration::from_millis(30)).await;
        store.flush().await.unwrap();
        if round % 2 == 1 {
            clock.advance(HOUR);
            store.tidy().await.unwrap();
        }
    }
    known.over.store(true, Ordering::SeqCst);
    for sender in senders {
        sender.await.unwrap();
    }
    for reader in readers {
        assert!(reader.await.unwrap() > 1, "nobody counted in between");
    }
    let all = known.acknowledged.load(Ordering::SeqCst);
    assert_eq!(count(&store, "like 'new-%'").await, all);
    assert_eq!(count(&store, "like 'old-%'").await, 0, "expired by now");
    // What the clock has made old would go to files at any moment.
    store.flush().await.unwrap();
    let sizes = store.stats();
    store.close().await;
    for start in 1..=2 {
        let store = open_disk(options.clone(), &clock).await;
        assert_eq!(count(&store, "is not null").await, all, "start {start}");
        let stats = store.stats();
        for table in Table::ALL {
            let (now, before) = (stats.rows(table), sizes.rows(table));
            assert_eq!(
                now,
                before,
                "{} after start {start}: {stats:?}, before: {sizes:?}",
                table.name()
            );
        }
        store.close().await;
    }
}
