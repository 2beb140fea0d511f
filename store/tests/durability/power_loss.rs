//! What was acknowledged survives any loss of power at any moment, exactly once; what was not is there
//! as a whole or not at all.

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use model::ManualClock;
use store::{Dimension, Selection, Store};

use crate::lies::{Lie, LyingFs};
use crate::random::Random;
use crate::rows::{Census, batch, census, name, source};
use crate::sim::{Bug, SimFs};
use crate::store::{clock, open_on, options, run};

const LANES: u64 = 3;

/// What senders know.
#[derive(Debug, Default)]
struct Senders {
    /// Rows of each batch that was sent, and whether it was acknowledged.
    sent: BTreeMap<(u64, u64), (usize, bool)>,
    next: [u64; LANES as usize],
}

/// Sends, flushes and tidies until the power goes or enough was done.
async fn live(store: &Store, senders: &mut Senders, random: &mut Random, clock: &ManualClock) {
    for _ in 0..random.below(24) {
        match random.below(10) {
            0 | 1 => drop(store.flush().await),
            2 => drop(store.tidy().await),
            3 => clock.advance(Duration::from_secs(random.below(400))),
            _ => send(store, senders, random, clock).await,
        }
        if !store.healthy() {
            return;
        }
    }
}

/// One batch on each of some lanes, at the same time.
async fn send(store: &Store, senders: &mut Senders, random: &mut Random, clock: &ManualClock) {
    let now = model::Clock::now(clock);
    let mut sending: Vec<(u64, u64, tokio::task::JoinHandle<_>)> = Vec::new();
    for lane in 0..=random.below(LANES) {
        let lane = lane.min(LANES - 1);
        if sending.iter().any(|(other, ..)| *other == lane) {
            continue;
        }
        let number = senders.next[lane as usize];
        senders.next[lane as usize] += 1;
        let rows = 1 + random.below(30) as usize;
        senders.sent.insert((lane, number), (rows, false));
        let store = store.clone();
        let batch = batch(lane, number, rows, now);
        sending.push((
            lane,
            number,
            tokio::spawn(async move { store.commit(batch).await }),
        ));
    }
    for (lane, number, sent) in sending {
        if sent.await.unwrap().is_ok() {
            senders.sent.get_mut(&(lane, number)).unwrap().1 = true;
        }
    }
}

/// What is wrong with what a recovered store shows.
fn judge(
    fs: &SimFs,
    store: &Store,
    senders: &Senders,
    clock: &ManualClock,
    log: Log,
) -> Result<Census, String> {
    let census = census(fs, &store.snapshot());
    if let Some(id) = census.twice.first() {
        return Err(format!("row {id} is there twice"));
    }
    let Census {
        invocations,
        logs,
        samples,
        ..
    } = &census;
    let mut visible = 0;
    for ((lane, number), (rows, acknowledged)) in &senders.sent {
        let name = name(*lane, *number);
        let of = |table: &BTreeMap<String, usize>| table.get(&name).copied().unwrap_or(0);
        let found = [of(invocations), of(logs), of(samples)];
        let whole = [*rows, (*rows).min(5), (*rows).min(5)];
        if found != whole && (*acknowledged || found != [0; 3]) {
            return Err(format!(
                "{name}: {found:?} of {whole:?}, acknowledged: {acknowledged}"
            ));
        }
        visible += found[0] as u64;
    }
    let rows: usize = invocations.values().sum();
    if rows as u64 != visible || census.minutes_calls != visible {
        return Err(format!(
            "{rows} rows, {} in minutes, {visible} sent",
            census.minutes_calls
        ));
    }
    judge_positions(store, senders, invocations)?;
    judge_rollups(store, visible, clock, log)?;
    Ok(census)
}

/// A lane's position is that of its last batch that is there.
fn judge_positions(
    store: &Store,
    senders: &Senders,
    invocations: &BTreeMap<String, usize>,
) -> Result<(), String> {
    for lane in 0..LANES {
        let last = senders
            .sent
            .keys()
            .filter(|(of, number)| *of == lane && invocations.contains_key(&name(lane, *number)))
            .map(|(_, number)| number.to_string())
            .next_back();
        let position = store.position(&source(lane));
        if position != last {
            return Err(format!(
                "lane {lane}: position {position:?}, last batch {last:?}"
            ));
        }
    }
    Ok(())
}

/// All rows are younger than a quarter of an hour, so rollups count every one of them.
fn judge_rollups(store: &Store, visible: u64, clock: &ManualClock, log: Log) -> Result<(), String> {
    let now = model::Clock::now(clock).as_seconds();
    let everything = Selection::default();
    let sums = store
        .rollups()
        .sum(&everything, &[Dimension::Namespace], now - 890, now + 10);
    let calls: u64 = sums.iter().map(|(_, counts)| counts.calls()).sum();
    if calls > visible {
        return Err(format!(
            "rollups count {calls} calls, {visible} rows are there"
        ));
    }
    let young = clock_started_recently(now);
    if young && log == Log::Kept && calls != visible {
        return Err(format!("rollups count {calls} calls of {visible} rows"));
    }
    Ok(())
}

fn clock_started_recently(now_seconds: i64) -> bool {
    now_seconds - crate::rows::NOW.as_seconds() < 800
}

/// Senders repeat what they did not hear of, with the same key; afterwards all is there once.
async fn repeat(store: &Store, senders: &mut Senders, clock: &ManualClock) -> Result<(), String> {
    let now = model::Clock::now(clock);
    for lane in 0..LANES {
        // Only the last batch of a lane can be in doubt without its successor having been sent.
        let Some(((_, number), (rows, acknowledged))) =
            senders.sent.iter_mut().rfind(|((of, _), _)| *of == lane)
        else {
            continue;
        };
        let expected = format!("answer of {}", name(lane, *number));
        match store.commit(batch(lane, *number, *rows, now)).await {
            Ok(committed) => {
                let repeated = committed.repeated;
                if repeated.as_ref().is_some_and(|answer| *answer != expected) {
                    return Err(format!("the answer of another batch: {repeated:?}"));
                }
                if *acknowledged && repeated.is_none() {
                    return Err(format!("{} was committed twice", name(lane, *number)));
                }
                *acknowledged = true;
            }
            Err(error) => return Err(format!("a healthy store refused: {error}")),
        }
    }
    Ok(())
}

/// Whether the log stays for the rollups after its rows are in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Log {
    Kept,
    RemovedAtOnce,
}

/// A few lives of one directory, each ended by a power loss or a kill.
async fn lives(seed: u64, bug: Bug, lie: Lie) -> Result<(), String> {
    let mut random = Random::new(seed);
    let fs = LyingFs {
        disk: SimFs::new(bug),
        lie,
    };
    let log = match seed % 4 {
        3 => Log::RemovedAtOnce,
        _ => Log::Kept,
    };
    let clock = clock();
    let mut senders = Senders::default();
    for life in 0..3 {
        if random.chance(85) {
            fs.disk.power_off_after(random.below(120));
        }
        if let Ok(store) = open(&fs, &clock, &mut random, log).await {
            live(&store, &mut senders, &mut random, &clock).await;
            store.close().await;
        } else if !fs.disk.is_off() {
            return Err(format!("life {life}: did not open with the power on"));
        }
        if random.chance(70) {
            fs.disk.lose_power(&mut random);
        } else {
            fs.disk.kill();
        }
        let store = open(&fs, &clock, &mut random, log)
            .await
            .map_err(|error| format!("life {life}: {error}"))?;
        let seen = judge(&fs.disk, &store, &senders, &clock, log)
            .map_err(|error| format!("life {life}: {error}"))?;
        forget_lost(&seen, &mut senders);
        repeat(&store, &mut senders, &clock).await?;
        let seen = judge(&fs.disk, &store, &senders, &clock, log)
            .map_err(|error| format!("life {life}, after repeating: {error}"))?;
        // What somebody has seen may not go away any more, whether acknowledged or not.
        for ((lane, number), (_, acknowledged)) in &mut senders.sent {
            *acknowledged |= seen.invocations.contains_key(&name(*lane, *number));
        }
        store.close().await;
        fs.disk.lose_power(&mut random);
    }
    Ok(())
}

/// Batches that never became durable, except the last of each lane, which is sent again.
fn forget_lost(seen: &Census, senders: &mut Senders) {
    let last: Vec<_> = (0..LANES)
        .filter_map(|lane| senders.sent.keys().rfind(|(of, _)| *of == lane).copied())
        .collect();
    senders.sent.retain(|batch, _| {
        last.contains(batch) || seen.invocations.contains_key(&name(batch.0, batch.1))
    });
}

async fn open(
    fs: &LyingFs,
    clock: &Arc<ManualClock>,
    random: &mut Random,
    log: Log,
) -> Result<Store, store::OpenError> {
    let mut options = options("/data");
    options.segment_bytes_max = [1 << 10, 64 << 10, 64 << 20][random.below(3) as usize];
    // Senders repeat after whole lives, in which hours pass.
    options.idempotency_window = Duration::from_secs(86_400);
    if random.chance(10) {
        // A start that cannot hold the log in memory writes Parquet while it reads.
        options.flush_bytes = 1;
    }
    if log == Log::RemovedAtOnce {
        options.wal_keep_bytes_max = 0;
        options.wal_hours_bytes_max = 0;
    }
    open_on(fs.clone(), clock, options).await
}

/// The first of these seeds whose lives end badly, and how. A panic is as bad as any other end.
pub(crate) fn first_violation(seeds: Range<u64>, bug: Bug, lie: Lie) -> Option<(u64, String)> {
    seeds.into_iter().find_map(|seed| {
        let lived = catch_unwind(AssertUnwindSafe(|| run(lives(seed, bug, lie))));
        let violation = match lived {
            Ok(lived) => lived.err()?,
            Err(panic) => match panic.downcast_ref::<String>() {
                Some(message) => format!("a panic: {message}"),
                None => "a panic".to_owned(),
            },
        };
        Some((seed, violation))
    })
}

#[test]
fn acknowledged_batches_survive_every_power_loss_exactly_once() {
    // SEEDS=7 for one, SEEDS=1000..9000 for many.
    let seeds = std::env::var("SEEDS").map_or(0..200, |text| {
        let number = |text: &str| text.parse::<u64>().unwrap();
        match text.split_once("..") {
            Some((from, to)) => number(from)..number(to),
            None => number(&text)..number(&text) + 1,
        }
    });
    let lived = seeds.end - seeds.start;
    if let Some((seed, violation)) = first_violation(seeds, Bug::None, Lie::None) {
        panic!("SEEDS={seed}: {violation}");
    }
    println!("nothing acknowledged was lost or doubled in {lived} seeds");
}
