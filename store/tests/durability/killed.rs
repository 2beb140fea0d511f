//! A real process on a real disk, killed with SIGKILL wherever it happens to be: committing, writing
//! files, merging, starting. What it had said to be committed is there once.
//!
//! The process is this test binary, told by [`DIRECTORY`] to be the one that is killed.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use model::SystemClock;
use store::{Options, Store};

use crate::random::Random;
use crate::rows::{batch, census, name};
use crate::store::run;

const DIRECTORY: &str = "RAMPART_TEST_KILLED_DIRECTORY";
/// The number of its first batch.
const FROM: &str = "RAMPART_TEST_KILLED_FROM";
const SELF: &str = "killed::what_a_killed_process_acknowledged_is_there_once";
const KILLS: u32 = 12;
const KILLS_SOAK: u32 = 300;

/// Flushes and rotates so often that a kill meets every step.
fn options(directory: &Path) -> Options {
    Options {
        commit_window: Duration::ZERO,
        segment_bytes_max: 64 << 10,
        wal_keep_bytes_max: 256 << 10,
        wal_hours_bytes_max: 256 << 10,
        idempotency_window: Duration::from_secs(86_400),
        ..Options::new(directory)
    }
}

/// How many rows a batch has; its number tells, so that nobody need remember.
fn rows_of(number: u64) -> usize {
    1 + (number % 40) as usize
}

/// The process that is killed: commits, and says so, while files are written and merged beside it.
async fn live(directory: &Path, from: u64) {
    let clock = SystemClock::shared();
    let store = Store::open(options(directory), clock.clone())
        .await
        .unwrap();
    let tidying = store.clone();
    tokio::spawn(async move {
        loop {
            let _ = tidying.flush().await;
            let _ = tidying.tidy().await;
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    });
    for number in from.. {
        // Rows of two hours ago belong to a settled hour, whose files are merged at once.
        let at = clock.now() - Duration::from_secs(7200 * (number % 2));
        let sent = batch(0, number, rows_of(number), at);
        store.commit(sent).await.unwrap();
        println!("committed {number}");
    }
}

/// How long a process may take to its first commit on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lets a process live for a while, kills it, and notes what it said. Its life counts from its first
/// commit on, or from its very start.
fn kill_after(
    life: Duration,
    from_start: bool,
    directory: &Path,
    acknowledged: &mut BTreeMap<u64, bool>,
) {
    // The last batch of the life before is in doubt: it is sent again under its key.
    let from = acknowledged
        .last_key_value()
        .map_or(0, |(last, heard)| last + u64::from(*heard));
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([SELF, "--exact", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(FROM, from.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = child.stdout.take().unwrap();
    let (first, began) = std::sync::mpsc::sync_channel(1);
    let listening = std::thread::spawn(move || {
        BufReader::new(said)
            .lines()
            .map_while(Result::ok)
            .filter_map(|line| line.rsplit_once("committed ")?.1.parse::<u64>().ok())
            .inspect(|_| {
                // Only the first is waited for.
                let _ = first.try_send(());
            })
            .collect::<Vec<_>>()
    });
    if !from_start {
        began.recv_timeout(PATIENCE).unwrap();
    }
    std::thread::sleep(life);
    assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
    child.kill().unwrap();
    child.wait().unwrap();
    for number in listening.join().unwrap() {
        acknowledged.insert(number, true);
    }
    let next = acknowledged
        .last_key_value()
        .map_or(0, |(last, _)| last + 1);
    acknowledged.entry(next).or_insert(false);
}

fn judge(directory: &Path, acknowledged: &BTreeMap<u64, bool>, what: &str) -> usize {
    run(async {
        let store = Store::open(options(directory), SystemClock::shared())
            .await
            .unwrap();
        let seen = census(&store::fs::DiskFs, &store.snapshot());
        assert_eq!(seen.twice, Vec::<String>::new(), "{what}");
        let mut found = 0;
        for (number, heard) in acknowledged {
            let rows = seen.invocations.get(&name(0, *number)).copied();
            let fine = rows == Some(rows_of(*number)) || (rows.is_none() && !heard);
            assert!(
                fine,
                "{what}: batch {number}, acknowledged {heard}: {rows:?} rows"
            );
            found += usize::from(*heard);
        }
        assert!(seen.invocations.len() <= acknowledged.len(), "{what}");
        let rows: usize = seen.invocations.values().sum();
        assert_eq!(
            seen.minutes_calls, rows as u64,
            "{what}: the counts per minute"
        );
        store.close().await;
        found
    })
}

#[test]
fn what_a_killed_process_acknowledged_is_there_once() {
    if let Ok(directory) = std::env::var(DIRECTORY) {
        let from = std::env::var(FROM).unwrap().parse().unwrap();
        return run(live(Path::new(&directory), from));
    }
    let directory = tempfile::tempdir().unwrap();
    let seed = std::env::var("SEEDS").map_or(20_261_111, |seed| seed.parse().unwrap_or(1));
    let mut random = Random::new(seed);
    let mut acknowledged = BTreeMap::new();
    let kills = if crate::soaks() { KILLS_SOAK } else { KILLS };
    for kill in 1..=kills {
        let life = Duration::from_millis(1 + random.below(600));
        let from_start = kill % 4 == 0;
        kill_after(life, from_start, directory.path(), &mut acknowledged);
        if kill % 10 == 0 || kill == kills {
            let what = format!("SEEDS={seed}, after {kill} kills");
            judge(directory.path(), &acknowledged, &what);
        }
    }
    let heard = acknowledged.values().filter(|heard| **heard).count();
    let found = judge(directory.path(), &acknowledged, "started once more");
    assert_eq!(heard, found);
    assert!(
        heard >= kills as usize / 2,
        "only {heard} batches in {kills} lives"
    );
    println!("acknowledged {heard} batches = found {found} over {kills} kills");
}
