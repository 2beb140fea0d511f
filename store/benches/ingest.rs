//! How many rows a second one core takes from borrowed fields to a record of the log, and how many a
//! store makes durable. `cargo bench -p store --bench ingest [directory]`
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Duration;

use arrow::array::RecordBatch;
use model::{Clock, Outcome, SystemClock, Timestamp};
use store::{Batch, Invocation, InvocationRows, Options, Rollups, Store, encode_for_measurement};

/// The same as the program's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH_ROWS: usize = 10_000;
const BATCHES: usize = 200;
const FUNCTIONS: usize = 200;
const SENDERS: usize = 8;

/// The texts of rows, made before anything is measured.
struct Texts {
    functions: Vec<String>,
    requests: Vec<String>,
    traces: Vec<String>,
    instances: Vec<String>,
}

impl Texts {
    fn new() -> Self {
        let scrambled = |n: usize| (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Texts {
            functions: (0..FUNCTIONS).map(|n| format!("function-{n}")).collect(),
            requests: (0..BATCH_ROWS)
                .map(|n| format!("{:016x}", scrambled(n)))
                .collect(),
            traces: (0..BATCH_ROWS)
                .map(|n| format!("{:016x}{:016x}", scrambled(n + 7), scrambled(n + 11)))
                .collect(),
            instances: (0..50).map(|n| format!("pod-{n}")).collect(),
        }
    }

    fn batch(&self, number: usize, now: Timestamp) -> RecordBatch {
        let mut rows = InvocationRows::new();
        for index in 0..BATCH_ROWS {
            let mixed = (index * 7919 + number * 104_729) % 1_000_003;
            rows.push(&Invocation {
                ts: now - Duration::from_micros((mixed % 900_000) as u64),
                namespace: "guide",
                function: &self.functions[mixed % FUNCTIONS],
                version: "12",
                unit: ["a", "b"][mixed % 2],
                zone: ["zb-1", "zb-2"][mixed / 2 % 2],
                instance: &self.instances[mixed % 50],
                request_id: &self.requests[index],
                trace_id: &self.traces[index],
                duration_us: (mixed % 50_000) as i64,
                outcome: if mixed.is_multiple_of(100) {
                    Outcome::FunctionError
                } else {
                    Outcome::Ok
                },
                http_status: Some(200),
                served_by: "faas",
                source: "bench",
                seen_at: now,
                ..Invocation::default()
            });
        }
        rows.finish()
    }
}

fn measure(clock: &SystemClock, what: &str, mut work: impl FnMut(usize)) {
    let began = clock.elapsed();
    for number in 0..BATCHES {
        work(number);
    }
    report(
        what,
        BATCHES * BATCH_ROWS,
        clock.elapsed().saturating_sub(began),
    );
}

fn report(what: &str, rows: usize, took: Duration) {
    let per_second = rows as f64 / took.as_secs_f64() / 1e6;
    println!("{what:<46} {per_second:7.2} M rows/s");
}

fn one_core(texts: &Texts, clock: &SystemClock) {
    let batch = |number| texts.batch(number, clock.now());
    let record = |rows: &RecordBatch| {
        let batch = Batch {
            invocations: Some(rows.clone()),
            ..Batch::default()
        };
        encode_for_measurement(&batch).unwrap()
    };
    let rollups = Rollups::default();
    measure(clock, "rows to Arrow", |number| {
        drop(black_box(batch(number)));
    });
    let ready: Vec<_> = (0..BATCHES).map(batch).collect();
    measure(clock, "Arrow to rollups", |number| {
        black_box(rollups.apply(&ready[number], clock.now()));
    });
    measure(clock, "Arrow to a record of the log", |number| {
        black_box(record(&ready[number]));
    });
    let bytes = record(&ready[0]).len();
    println!(
        "{:<46} {:7.1} B/row",
        "size of the record",
        bytes as f64 / BATCH_ROWS as f64
    );
    measure(clock, "all three, one core, no disk", |number| {
        let rows = batch(number);
        black_box(rollups.apply(&rows, clock.now()));
        black_box(record(&rows));
    });
}

async fn durable(texts: &'static Texts, directory: PathBuf) {
    let clock = SystemClock::shared();
    let mut options = Options::new(directory);
    options.memory_bytes_max = 4 << 30;
    let store = Store::open(options, clock.clone()).await.unwrap();
    let began = clock.elapsed();
    let senders = (0..SENDERS).map(|sender| {
        let (store, clock) = (store.clone(), clock.clone());
        tokio::spawn(async move {
            for number in 0..BATCHES / SENDERS {
                let batch = Batch {
                    invocations: Some(texts.batch(sender * BATCHES + number, clock.now())),
                    ..Batch::default()
                };
                store.commit(batch).await.unwrap();
            }
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await.unwrap();
    }
    report(
        "8 senders, durable before the answer",
        BATCHES * BATCH_ROWS,
        clock.elapsed().saturating_sub(began),
    );
    let began = clock.elapsed();
    store.flush().await.unwrap();
    report(
        "flush to Parquet",
        BATCHES * BATCH_ROWS,
        clock.elapsed().saturating_sub(began),
    );
    let stats = store.stats();
    let invocations = stats.tables["invocations"];
    if invocations.file_rows > 0 {
        let size = invocations.file_bytes as f64 / invocations.file_rows as f64;
        println!("{:<46} {size:7.1} B/row", "size in Parquet");
    }
    store.close().await;
}

fn main() {
    let texts: &'static Texts = Box::leak(Box::new(Texts::new()));
    one_core(texts, &SystemClock::new());
    let given = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with("--"));
    let temporary = tempfile::tempdir().unwrap();
    let directory = given.map_or_else(|| temporary.path().join("store"), PathBuf::from);
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(durable(texts, directory));
}
