//! One memory budget: each share says no instead of growing, and a log or an hour many times larger
//! than its share is read all the same.

use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use store::{Batch, CommitError, LogLine, LogRows, Options, QueryError, Stats, Store, Table};

use crate::random::Random;
use crate::rows::{NOW, batch, census, invocations, name};
use crate::sim::{Bug, SimFs};
use crate::store::{clock, open_disk, open_sim, open_sim_with, options, run};

fn within(memory_bytes_max: u64, directory: impl AsRef<Path>) -> Options {
    Options {
        memory_bytes_max,
        ..options(directory)
    }
}

fn assert_within_shares(stats: &Stats) {
    for (name, share) in &stats.memory {
        assert!(share.peak_bytes <= share.bytes_max, "{name}: {share:?}");
    }
}

#[tokio::test]
async fn ingest_is_refused_at_its_share_and_the_refusal_is_counted() {
    let fs = SimFs::new(Bug::None);
    let mut options = within(1 << 20, "/data");
    options.flush_bytes = u64::MAX;
    let store = open_sim_with(&fs, &clock(), options).await.unwrap();
    let mut number = 0;
    let refused = loop {
        match store.commit(batch(0, number, 100, NOW)).await {
            Ok(_) => number += 1,
            Err(error) => break error,
        }
        assert!(number < 1000);
    };
    assert!(
        matches!(refused, CommitError::Full { what: "memory", .. }),
        "{refused}"
    );
    let stats = store.stats();
    let ingest = stats.memory["ingest"];
    assert_eq!((ingest.refused, ingest.bytes), (1, stats.memory_bytes));
    assert!(ingest.bytes > ingest.bytes_max / 2, "{ingest:?}");
    assert!(stats.memory["keys"].bytes > 0);
    assert_within_shares(&stats);
    store.flush().await.unwrap();
    let stats = store.stats();
    assert_eq!(stats.memory["ingest"].bytes, 0);
    assert!(stats.memory["compaction"].peak_bytes > 0, "flushing counts");
    assert_eq!(stats.memory["compaction"].bytes, 0);
    store.commit(batch(0, number, 100, NOW)).await.unwrap();
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_over_its_share_ends_with_a_hint_and_gives_everything_back() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_disk(within(8 << 20, directory.path()), &clock()).await;
    for number in 0..12 {
        let plain = Batch {
            invocations: Some(invocations(&format!("q{number}"), 4000, NOW)),
            ..Batch::default()
        };
        store.commit(plain).await.unwrap();
        store.flush().await.unwrap();
    }
    let sql = "select request_id, count(*) from invocations group by request_id order by 2, 1";
    let refused = store.query(sql, store.query_limits()).await.unwrap_err();
    assert!(matches!(refused, QueryError::Memory { .. }), "{refused}");
    assert!(refused.to_string().contains("narrow it"), "{refused}");
    assert_eq!(store.stats().memory["query"].refused, 1);
    let small = "select count(*) from invocations";
    let answer = store.query(small, store.query_limits()).await.unwrap();
    assert_eq!(answer.to_json_rows()[0][0], 48_000);
    // The engine's own threads let go of the last of it.
    while store.stats().memory["query"].bytes > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    store.close().await;
}

/// A log 20 times as large as `share`, and how many batches it holds.
async fn long_log(fs: &SimFs, share: u64, rows: usize) -> u64 {
    let store = open_sim(fs, &clock()).await.unwrap();
    let mut number = 0;
    while store.stats().wal_bytes < 20 * share {
        store.commit(batch(0, number, rows, NOW)).await.unwrap();
        number += 1;
    }
    store.close().await;
    number
}

/// Every acknowledged batch is there once, as are its key and the last position.
async fn assert_complete(fs: &SimFs, store: &Store, batches: u64, rows: usize) {
    let seen = census(fs, &store.snapshot());
    assert_eq!(seen.twice, Vec::<String>::new());
    assert_eq!(seen.invocations.len() as u64, batches);
    assert!(seen.invocations.values().all(|count| *count == rows));
    assert_eq!(seen.minutes_calls, batches * rows as u64);
    let last = (batches - 1).to_string();
    assert_eq!(store.position("lane0"), Some(last));
    let again = store.commit(batch(0, 0, rows, NOW)).await.unwrap();
    assert_eq!(
        again.repeated,
        Some(format!("answer of {}", name(0, 0))),
        "its key survived"
    );
}

#[tokio::test]
async fn a_log_many_times_the_budget_is_read_back_within_it() {
    let fs = SimFs::new(Bug::None);
    let memory_bytes_max = 1 << 20;
    let share = memory_bytes_max * 15 / 32;
    let batches = long_log(&fs, share, 200).await;
    let options = within(memory_bytes_max, "/data");
    let store = open_sim_with(&fs, &clock(), options).await.unwrap();
    let stats = store.stats();
    assert_eq!(stats.memory["ingest"].bytes_max, share);
    assert_eq!(stats.found.replayed_records, batches);
    assert!(stats.tables["invocations"].files >= 20, "{stats:?}");
    assert!(stats.tables["invocations"].memory_rows > 0, "{stats:?}");
    assert_within_shares(&stats);
    assert_complete(&fs, &store, batches, 200).await;
    store.close().await;
}

/// Kills or darkens a store again and again while it reads back a log of 20 times its share; says how often it was
/// not done yet.
async fn interrupt_replay(log: &SimFs, batches: u64, seed: u64) -> usize {
    let mut random = Random::new(seed);
    let fs = log.copy();
    let memory_bytes_max = 160 << 10;
    let mut interrupted = 0;
    for _ in 0..4 {
        fs.power_off_after(random.below(600));
        match open_sim_with(&fs, &clock(), within(memory_bytes_max, "/data")).await {
            Ok(store) => store.close().await,
            Err(_) => interrupted += 1,
        }
        if random.chance(70) {
            fs.lose_power(&mut random);
        } else {
            fs.kill();
        }
    }
    let store = open_sim_with(&fs, &clock(), within(memory_bytes_max, "/data"))
        .await
        .unwrap();
    let ingest = store.stats().memory["ingest"];
    assert!(ingest.peak_bytes <= ingest.bytes_max, "{ingest:?}");
    assert_complete(&fs, &store, batches, 100).await;
    store.close().await;
    interrupted
}

#[test]
fn a_replay_that_is_killed_in_the_middle_loses_and_repeats_nothing() {
    let log = SimFs::new(Bug::None);
    let batches = run(long_log(&log, 75 << 10, 100));
    let mut interrupted = 0;
    for seed in 0..12 {
        let attempt = std::panic::catch_unwind(AssertUnwindSafe(|| {
            run(interrupt_replay(&log, batches, seed))
        }));
        interrupted += attempt.unwrap_or_else(|reason| {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(reason)
        });
    }
    // Of 48 starts; how many depends on how far files are while the log is read.
    assert!(interrupted >= 12, "only {interrupted} were interrupted");
}

/// Tells a process that it is the one that measures itself, and on which directory.
const CHILD: &str = "RAMPART_MEASURES_ITSELF";

/// Runs one test of this program again, alone in a process of its own.
fn alone(test: &str, directory: &Path) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, directory)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let counted = String::from_utf8_lossy(&output.stdout);
    assert!(counted.contains("1 passed"), "{counted}");
}

/// Resident memory of this process, now and at most since `forget_peak`, in bytes.
fn resident(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib << 10
}

fn forget_peak() {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// Log lines that do not compress, 4 KiB each, of three functions in turn.
fn long_lines(random: &mut Random, count: usize) -> Batch {
    let mut rows = LogRows::new();
    for index in 0..count {
        let mut message = String::with_capacity(4096);
        for _ in 0..256 {
            write!(message, "{:016x}", random.next()).unwrap();
        }
        rows.push(&LogLine {
            ts: NOW - Duration::from_secs(random.below(600)),
            namespace: "guide",
            function: ["feed", "search", "book"][index % 3],
            request_id: "r",
            message: &message,
            ..LogLine::default()
        });
    }
    Batch {
        logs: Some(rows.finish()),
        ..Batch::default()
    }
}

const FILES: usize = 20;
const LINES: usize = 2000;

/// An hour that takes 160 MiB in memory, in as many files.
async fn write_a_large_hour(directory: &Path) {
    let options = Options {
        segment_bytes_max: 1 << 20,
        wal_keep_bytes_max: 0,
        ..options(directory)
    };
    let store = open_disk(options, &clock()).await;
    let mut random = Random::new(7);
    for _ in 0..FILES {
        let batch = long_lines(&mut random, LINES);
        store.commit(batch).await.unwrap();
        store.flush().await.unwrap();
    }
    let stats = store.stats();
    assert_eq!(stats.tables["logs"].files, FILES as u64);
    assert!(stats.tables["logs"].file_bytes > 70 << 20, "{stats:?}");
    store.close().await;
}

/// Merges it with 16 MiB to do so, and looks at what the process really took.
async fn merge_a_large_hour(directory: &Path) {
    let clock = clock();
    clock.advance(Duration::from_secs(2 * 3600));
    let store = open_disk(within(64 << 20, directory), &clock).await;
    forget_peak();
    let before = resident("VmRSS:");
    while store.stats().tables["logs"].files > 1 {
        store.tidy().await.unwrap();
    }
    let grown = resident("VmHWM:").saturating_sub(before);
    let stats = store.stats();
    let share = stats.memory["compaction"];
    // The allocator keeps more than is asked of it; all at once would be 160 MiB.
    assert!(grown < 80 << 20, "{grown} more for {share:?}");
    assert!(share.peak_bytes <= share.bytes_max, "{share:?}");
    assert_eq!(share.bytes, 0);
    assert_eq!(stats.rows(Table::Logs), (FILES * LINES) as u64);
    let sql = "select count(*) from logs where function = 'feed'";
    let answer = store.query(sql, store.query_limits()).await.unwrap();
    assert_eq!(answer.to_json_rows()[0][0], FILES * LINES.div_ceil(3));
    store.close().await;
}

#[test]
fn an_hour_many_times_the_share_is_merged_within_it() {
    if let Some(directory) = std::env::var_os(CHILD) {
        return run(merge_a_large_hour(Path::new(&directory)));
    }
    let directory = tempfile::tempdir().unwrap();
    run(write_a_large_hour(directory.path()));
    alone(
        "budget::an_hour_many_times_the_share_is_merged_within_it",
        directory.path(),
    );
}

#[tokio::test]
async fn a_merge_without_room_waits_and_says_so() {
    let fs = SimFs::new(Bug::None);
    let clock = clock();
    let store = open_sim_with(&fs, &clock, within(1 << 20, "/data"))
        .await
        .unwrap();
    for number in 0..3 {
        store.commit(batch(0, number, 20, NOW)).await.unwrap();
        store.flush().await.unwrap();
    }
    clock.advance(Duration::from_secs(2 * 3600));
    store.tidy().await.unwrap();
    let stats = store.stats();
    assert_eq!(stats.tables["invocations"].files, 3, "as they were");
    assert!(stats.memory["compaction"].refused > 0);
    assert_eq!(stats.memory["compaction"].bytes, 0);
    store.close().await;
    let store = open_sim(&fs, &clock).await.unwrap();
    store.tidy().await.unwrap();
    assert_eq!(store.stats().tables["invocations"].files, 1);
    assert_eq!(census(&fs, &store.snapshot()).invocations.len(), 3);
    store.close().await;
}
