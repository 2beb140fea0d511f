//! A day of calls as Parquet, questions about it, and how large and how soon back it is.
//! `scripts/bench-store` asks; each mode prints JSON lines.
//!
//! - `fill DIRECTORY ROWS FUNCTIONS`: a day of calls, flushed every ten minutes and merged.
//! - `ask DIRECTORY`: answers the statements on standard input, one a line, with their seconds.
//! - `size ROWS`: bytes of a row in merged files, with and without random trace ids.
//! - `replay ROWS`: how fast a log of which nothing is in files is read back.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods)]

use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{Clock, ManualClock, Outcome, Timestamp};
use serde_json::{Value, json};
use store::{Batch, Durability, Invocation, InvocationRows, Options, QueryLimits, Store};

/// The same as the program's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// 2026-11-10T00:00:00Z.
const MIDNIGHT: i64 = 1_794_268_800;
const DAY_SECONDS: i64 = 86_400;
const BATCH_ROWS: usize = 10_000;
const FLUSH_SECONDS: i64 = 600;
/// How many rows are told back; the script compares them.
const ROWS_TOLD: usize = 20_000;

/// Small, quick and always the same: Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// 0..1
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Calls in the order they were made: random functions, log-normal durations, some failures.
struct Calls {
    random: Random,
    functions: Vec<String>,
    instances: Vec<String>,
    with_trace: bool,
}

impl Calls {
    fn new(functions: usize, with_trace: bool) -> Self {
        Calls {
            random: Random(0x9e37_79b9_7f4a_7c15),
            functions: (0..functions).map(|n| format!("function-{n:05}")).collect(),
            instances: (0..50).map(|n| format!("pod-{n}")).collect(),
            with_trace,
        }
    }

    /// A batch of calls that begin evenly in `from..from + span`.
    fn batch(&mut self, rows: usize, from: Timestamp, span: Duration) -> Batch {
        let mut columns = InvocationRows::new();
        for row in 0..rows {
            let random = &mut self.random;
            let at = from + span.mul_f64(row as f64 / rows as f64);
            let chance = random.share();
            let normal = (0..4).map(|_| random.share()).sum::<f64>() - 2.0;
            let request_id = format!("{:016x}", random.next());
            let trace_id = if self.with_trace {
                format!("{:016x}{:016x}", random.next(), random.next())
            } else {
                String::new()
            };
            let pick = random.next() as usize;
            columns.push(&Invocation {
                ts: at,
                namespace: "bench",
                function: &self.functions[pick % self.functions.len()],
                version: "12",
                unit: ["a", "b"][pick / 7 % 2],
                zone: ["zb-1", "zb-2"][pick / 7 % 2],
                instance: &self.instances[pick % self.instances.len()],
                request_id: &request_id,
                trace_id: &trace_id,
                duration_us: (30_000.0 * (normal * 1.2).exp()) as i64,
                outcome: match chance {
                    ..0.005 => Outcome::FunctionError,
                    ..0.006 => Outcome::Timeout,
                    ..0.010 => Outcome::ClientError,
                    _ => Outcome::Ok,
                },
                http_status: Some(200),
                served_by: "faas",
                source: "bench",
                seen_at: at,
                ..Invocation::default()
            });
        }
        Batch {
            invocations: Some(columns.finish()),
            ..Batch::default()
        }
    }
}

fn options(directory: &Path) -> Options {
    let mut options = Options::new(directory);
    options.durability = Durability::None;
    options.memory_bytes_max = 8 << 30;
    options.commit_window = Duration::ZERO;
    options
}

/// Commits calls spread evenly over `seconds` from midnight on; `each` runs every ten minutes of them.
async fn fill(
    store: &Store,
    clock: &ManualClock,
    calls: &mut Calls,
    rows: usize,
    seconds: i64,
    flush: bool,
) {
    let batches = rows.div_ceil(BATCH_ROWS);
    let span = Duration::from_secs_f64(seconds as f64 / batches as f64);
    let mut flush_at = FLUSH_SECONDS;
    for number in 0..batches {
        let size = BATCH_ROWS.min(rows - number * BATCH_ROWS);
        let batch = calls.batch(size, clock.now(), span);
        clock.advance(span);
        store.commit(batch).await.unwrap();
        let passed = clock.now().as_seconds() - MIDNIGHT;
        if flush && passed >= flush_at {
            flush_at += FLUSH_SECONDS;
            store.flush().await.unwrap();
        }
        if flush && passed % 3_600 < span.as_secs() as i64 + 1 {
            store.tidy().await.unwrap();
        }
    }
    if flush {
        store.flush().await.unwrap();
        clock.advance(Duration::from_hours(2));
        for _ in 0..8 {
            store.tidy().await.unwrap();
        }
    }
}

async fn open(directory: &Path, at: i64) -> (Store, Arc<ManualClock>) {
    let clock = ManualClock::at(Timestamp::from_seconds(at));
    let store = Store::open(options(directory), clock.clone())
        .await
        .unwrap();
    (store, clock)
}

fn told(store: &Store) -> Value {
    serde_json::to_value(store.stats().tables).unwrap()
}

async fn day(directory: &Path, rows: usize, functions: usize) {
    let (store, clock) = open(directory, MIDNIGHT).await;
    let mut calls = Calls::new(functions, true);
    fill(&store, &clock, &mut calls, rows, DAY_SECONDS, true).await;
    println!("{}", told(&store));
    store.close().await;
}

async fn ask(directory: &Path) {
    let began = Instant::now();
    let (store, _clock) = open(directory, MIDNIGHT + DAY_SECONDS).await;
    println!(
        "{}",
        json!({"opened_seconds": began.elapsed().as_secs_f64()})
    );
    let limits = QueryLimits {
        rows_max: 1_000_000,
        deadline: Duration::from_mins(10),
    };
    for sql in std::io::stdin().lock().lines().map_while(Result::ok) {
        let began = Instant::now();
        let answer = store.query(&sql, &limits).await;
        let seconds = began.elapsed().as_secs_f64();
        let line = match answer {
            Ok(answer) => {
                let count = answer.rows();
                let mut rows = answer.to_json_rows();
                rows.truncate(ROWS_TOLD);
                json!({"seconds": seconds, "count": count, "rows": rows})
            }
            Err(error) => json!({"error": error.to_string()}),
        };
        println!("{line}");
    }
    store.close().await;
}

async fn size(rows: usize) {
    for with_trace in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let (store, clock) = open(directory.path(), MIDNIGHT).await;
        let mut calls = Calls::new(1_000, with_trace);
        fill(&store, &clock, &mut calls, rows, 3 * 3_600, true).await;
        println!(
            "{}",
            json!({"with_trace": with_trace, "tables": told(&store)})
        );
        store.close().await;
    }
}

async fn replay(rows: usize) {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(Timestamp::from_seconds(MIDNIGHT));
    let unflushed = Options {
        flush_bytes: u64::MAX,
        ..options(directory.path())
    };
    let store = Store::open(unflushed, clock.clone()).await.unwrap();
    // Within two minutes, so that no flush is due by age either.
    let mut calls = Calls::new(1_000, true);
    fill(&store, &clock, &mut calls, rows, 120, false).await;
    let before = told(&store);
    store.close().await;
    // A log is on disk long before it is read back; what this one still has to write is not part of reading.
    rustix::fs::sync();
    let began = Instant::now();
    let store = Store::open(Options::new(directory.path()), clock)
        .await
        .unwrap();
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{}",
        json!({"seconds": seconds, "rows": rows, "before": before, "tables": told(&store)})
    );
    store.close().await;
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *words {
        ["fill", directory, rows, functions] => {
            let (rows, functions) = (rows.parse().unwrap(), functions.parse().unwrap());
            day(Path::new(directory), rows, functions).await;
        }
        ["ask", directory] => ask(Path::new(directory)).await,
        ["size", rows] => size(rows.parse().unwrap()).await,
        ["replay", rows] => replay(rows.parse().unwrap()).await,
        _ => println!("scripts/bench-store runs this"),
    }
}
