//! Rows are visible exactly once on their way from memory to Parquet, merged files and out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use model::Timestamp;
use store::{Batch, Idempotency, Store, Table};

use crate::rows::{NOW, batch, census, invocations};
use crate::sim::{Bug, SimFs};
use crate::store::{clock, open_disk, open_sim, options};

async fn count(store: &Store, sql: &str) -> i64 {
    let answer = store.query(sql, store.query_limits()).await.unwrap();
    let rows = answer.to_json_rows();
    rows[0][0]
        .as_i64()
        .unwrap_or_else(|| panic!("{sql}: {rows:?}"))
}

fn plain(name: &str, rows: usize, at: Timestamp) -> Batch {
    Batch {
        invocations: Some(invocations(name, rows, at)),
        ..Batch::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn committed_rows_answer_queries_from_memory_and_from_parquet() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let store = open_disk(options(directory.path()), &clock).await;
    store.commit(batch(0, 0, 7, NOW)).await.unwrap();
    let checks = [
        ("select count(*) from invocations", 7),
        ("select count(*) from logs", 5),
        ("select count(*) from samples", 5),
        (
            "select count(*) from invocations where function_id = 'guide/feed'",
            3,
        ),
    ];
    for (sql, expected) in checks {
        assert_eq!(count(&store, sql).await, expected, "{sql}, from memory");
    }
    store.flush().await.unwrap();
    let stats = store.stats();
    assert_eq!(stats.tables["invocations"].memory_rows, 0);
    assert_eq!(stats.tables["invocations"].file_rows, 7);
    for (sql, expected) in checks {
        assert_eq!(count(&store, sql).await, expected, "{sql}, from Parquet");
    }
    store.commit(batch(0, 1, 2, NOW)).await.unwrap();
    assert_eq!(count(&store, checks[0].0).await, 9, "from both");
    let minutes = store
        .minutes(
            NOW - Duration::from_secs(3600),
            NOW + Duration::from_secs(60),
        )
        .await
        .unwrap();
    let calls: u64 = minutes.iter().map(|(_, _, counts)| counts.calls()).sum();
    assert_eq!(calls, 9);
    store.close().await;
    let partition = directory
        .path()
        .join("tables/invocations/dt=2026-11-15/hour=12");
    assert!(
        partition.is_dir(),
        "{:?}",
        std::fs::read_dir(directory.path().join("tables/invocations"))
            .unwrap()
            .collect::<Vec<_>>()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn counting_while_flushing_and_merging_never_dips_or_exceeds() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let store = open_disk(options(directory.path()), &clock).await;
    let done = Arc::new(AtomicBool::new(false));
    let poller = {
        let (store, done) = (store.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            let (mut last, mut polls) = (0, 0);
            while !done.load(Ordering::SeqCst) || polls == 0 {
                let floor = store.stats().rows(Table::Invocations) as i64;
                let counted = count(&store, "select count(*) from invocations").await;
                let ceiling = store.stats().rows(Table::Invocations) as i64;
                assert!(
                    counted >= last && counted >= floor,
                    "{counted} after {last}, {floor}"
                );
                assert!(counted <= ceiling, "{counted} of {ceiling}");
                let snapshot = store.snapshot();
                let seen = census(&store::fs::DiskFs, &snapshot);
                assert_eq!(seen.twice, Vec::<String>::new());
                let rows: usize = seen.invocations.values().sum();
                assert_eq!(seen.minutes_calls, rows as u64);
                (last, polls) = (counted, polls + 1);
            }
            polls
        })
    };
    for round in 0..30 {
        for part in 0..4 {
            store
                .commit(plain(&format!("r{round}p{part}"), 50, NOW))
                .await
                .unwrap();
        }
        store.flush().await.unwrap();
        if round % 5 == 4 {
            clock.advance(Duration::from_secs(3600));
            store.tidy().await.unwrap();
        }
    }
    done.store(true, Ordering::SeqCst);
    assert!(poller.await.unwrap() > 0);
    assert_eq!(
        count(&store, "select count(*) from invocations").await,
        30 * 4 * 50
    );
    assert!(
        store.stats().tables["invocations"].files < 30,
        "{:?}",
        store.stats()
    );
    store.close().await;
    for _ in 0..2 {
        let store = open_disk(options(directory.path()), &clock).await;
        assert_eq!(
            count(&store, "select count(*) from invocations").await,
            30 * 4 * 50
        );
        store.close().await;
    }
}

#[tokio::test]
async fn merged_files_stay_readable_for_who_has_them_open() {
    let fs = SimFs::new(Bug::None);
    let clock = clock();
    let store = open_sim(&fs, &clock).await.unwrap();
    for number in 0..3 {
        store.commit(batch(0, number, 10, NOW)).await.unwrap();
        store.flush().await.unwrap();
    }
    let before = store.snapshot();
    clock.advance(Duration::from_secs(2 * 3600));
    store.tidy().await.unwrap();
    let after = store.snapshot();
    assert_eq!(before.files_of(Table::Invocations).len(), 3);
    assert_eq!(after.files_of(Table::Invocations).len(), 1);
    assert_eq!(census(&fs, &before), census(&fs, &after));
    let parquet = |fs: &SimFs| {
        let files = fs.files();
        files
            .keys()
            .filter(|path| path.extension().is_some_and(|end| end == "parquet"))
            .count()
    };
    assert_eq!(
        parquet(&fs),
        16,
        "three of each table for the old query, one for the new"
    );
    drop(before);
    store.tidy().await.unwrap();
    assert_eq!(parquet(&fs), 4);
    store.close().await;
}

#[tokio::test]
async fn retention_drops_whole_hours_of_each_table_in_its_time() {
    let fs = SimFs::new(Bug::None);
    let clock = clock();
    let mut options = options("/data");
    options.retention.invocations = Duration::from_secs(2 * 3600);
    options.retention.logs = Duration::from_secs(3600);
    let store = crate::store::open_sim_with(&fs, &clock, options)
        .await
        .unwrap();
    store.commit(batch(0, 0, 10, NOW)).await.unwrap();
    store.flush().await.unwrap();
    let rows = |store: &Store| {
        let stats = store.stats();
        [Table::Invocations, Table::Logs, Table::Samples].map(|table| stats.rows(table))
    };
    // The rows' hour ends half an hour from now.
    clock.advance(Duration::from_secs(3600 + 1800));
    store.tidy().await.unwrap();
    assert_eq!(rows(&store), [10, 5, 5]);
    clock.advance(Duration::from_secs(1));
    store.tidy().await.unwrap();
    assert_eq!(rows(&store), [10, 0, 5]);
    clock.advance(Duration::from_secs(3600));
    store.tidy().await.unwrap();
    assert_eq!(rows(&store), [0, 0, 5]);
    let left: Vec<_> = fs
        .files()
        .into_keys()
        .filter(|path| path.starts_with("/data/tables"))
        .collect();
    assert_eq!(left.len(), 2, "samples and minutes: {left:?}");
    // Rows that come too late are not written at all, but their minutes are.
    store.commit(batch(0, 1, 10, NOW)).await.unwrap();
    store.flush().await.unwrap();
    assert_eq!(rows(&store), [0, 0, 10]);
    store.close().await;
    let store = open_sim(&fs, &clock).await.unwrap();
    assert_eq!(rows(&store), [0, 0, 10]);
    assert_eq!(census(&fs, &store.snapshot()).minutes_calls, 20);
    store.close().await;
}

#[tokio::test]
async fn the_log_is_kept_for_rollups_and_then_removed() {
    let fs = SimFs::new(Bug::None);
    let clock = clock();
    let store = open_sim(&fs, &clock).await.unwrap();
    let segments = |fs: &SimFs| {
        let files = fs.files();
        files
            .keys()
            .filter(|path| path.starts_with("/data/wal"))
            .count()
    };
    for number in 0..6 {
        clock.advance(Duration::from_secs(301));
        store
            .commit(batch(0, number, 10, model::Clock::now(clock.as_ref())))
            .await
            .unwrap();
        store.flush().await.unwrap();
    }
    assert_eq!(segments(&fs), 6, "a short log is kept for six hours");
    store.close().await;
    let store = open_sim(&fs, &clock).await.unwrap();
    let now = model::Clock::now(clock.as_ref()).as_seconds();
    let sums = store
        .rollups()
        .sum(&store::Selection::default(), &[], now - 890, now + 1);
    assert_eq!(sums[0].1.calls(), 30, "three commits are that young");
    assert_eq!(
        store.stats().found.replayed_rows,
        0,
        "and none of them is not in Parquet"
    );
    assert_eq!(
        census(&fs, &store.snapshot())
            .invocations
            .values()
            .sum::<usize>(),
        60
    );
    let hours = store
        .rollups()
        .sum(&store::Selection::default(), &[], now - 3_600, now + 1);
    assert_eq!(hours[0].1.calls(), 60, "tens are told as before");
    clock.advance(Duration::from_hours(7));
    let late = batch(0, 6, 10, model::Clock::now(clock.as_ref()));
    store.commit(late).await.unwrap();
    store.flush().await.unwrap();
    assert_eq!(segments(&fs), 1, "nothing older is counted any more");
    store.close().await;
}

#[tokio::test]
async fn calls_that_were_ahead_of_their_commit_are_counted_after_a_restart() {
    let fs = SimFs::new(Bug::None);
    let clock = clock();
    let store = open_sim(&fs, &clock).await.unwrap();
    let ahead = NOW + Duration::from_secs(590);
    store.commit(plain("ahead", 1, ahead)).await.unwrap();
    for number in 0..4 {
        clock.advance(Duration::from_secs(340));
        store.commit(batch(0, number, 1, NOW)).await.unwrap();
        store.flush().await.unwrap();
    }
    let counted = |store: &Store| {
        let second = ahead.as_seconds();
        let sums = store
            .rollups()
            .sum(&store::Selection::default(), &[], second, second + 1);
        sums.first().map_or(0, |(_, counts)| counts.calls())
    };
    assert_eq!(counted(&store), 1);
    store.close().await;
    let store = open_sim(&fs, &clock).await.unwrap();
    assert_eq!(counted(&store), 1);
    store.close().await;
}

#[tokio::test]
async fn positions_and_keys_outlive_the_log() {
    let fs = SimFs::new(Bug::None);
    let clock = clock();
    let store = open_sim(&fs, &clock).await.unwrap();
    store.commit(batch(1, 7, 3, NOW)).await.unwrap();
    store.flush().await.unwrap();
    store.close().await;
    for path in fs
        .files()
        .keys()
        .filter(|path| path.starts_with("/data/wal"))
    {
        store::fs::Fs::remove(&fs, path).unwrap();
    }
    let store = open_sim(&fs, &clock).await.unwrap();
    assert_eq!(store.position("lane1").as_deref(), Some("7"));
    let again = store.commit(batch(1, 7, 3, NOW)).await.unwrap();
    assert_eq!(again.repeated.as_deref(), Some("answer of lane1-batch7"));
    assert_eq!(again.sequence, 1);
    // A key without rows is remembered as well, and forgotten when its time is over.
    let bare = Batch {
        idempotency: Some(Idempotency {
            key: "bare".to_owned(),
            answer: "fine".to_owned(),
        }),
        ..Batch::default()
    };
    assert_eq!(store.commit(bare.clone()).await.unwrap().repeated, None);
    assert_eq!(
        store
            .commit(bare.clone())
            .await
            .unwrap()
            .repeated
            .as_deref(),
        Some("fine")
    );
    clock.advance(Duration::from_secs(601));
    assert_eq!(store.commit(bare).await.unwrap().repeated, None);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_commits_with_one_key_one_is_written() {
    let fs = SimFs::new(Bug::None);
    let store = open_sim(&fs, &clock()).await.unwrap();
    let commits: Vec<_> = (0..20)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.commit(batch(0, 0, 10, NOW)).await.unwrap() })
        })
        .collect();
    let mut written = 0;
    for commit in commits {
        let committed = commit.await.unwrap();
        assert_eq!(committed.sequence, 1);
        written += usize::from(committed.repeated.is_none());
    }
    assert_eq!(written, 1);
    assert_eq!(store.stats().rows(Table::Invocations), 10);
    store.close().await;
}

#[tokio::test]
async fn who_listens_hears_the_counts_of_every_group() {
    let fs = SimFs::new(Bug::None);
    let store = open_sim(&fs, &clock()).await.unwrap();
    let mut deltas = store.deltas(8);
    for number in 0..3 {
        store.commit(batch(0, number, 10, NOW)).await.unwrap();
        let heard = deltas.recv().await.unwrap();
        assert_eq!((heard.sequence, heard.at), (number + 1, NOW));
        let calls: u64 = heard.changes.iter().map(|delta| delta.counts.calls()).sum();
        assert_eq!(calls, 10);
    }
    for number in 3..20 {
        store.commit(batch(0, number, 1, NOW)).await.unwrap();
    }
    let lagged = deltas.recv().await.unwrap_err();
    assert!(
        matches!(lagged, tokio::sync::broadcast::error::RecvError::Lagged(9)),
        "{lagged:?}"
    );
    store.close().await;
}
