//! What the rollups of ten thousand active functions take in memory: functions x 4 series x 10 calls a
//! second, seconds of a quarter of an hour, tens of six hours, sketches, and what is left when most fall
//! silent. `cargo bench -p store --bench rollup_memory [functions] [hours]`
//!
//! Ten thousand functions for six hours are 8.6 billion rows, which takes a day; fewer functions tell the
//! same, since nothing is shared between series, and what is printed is scaled. Time passes as in life, a
//! batch a second, by a clock of its own. At the end all but one function fall silent until they are
//! forgotten, then as many new ones come: they take the memory that the others gave back.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use arrow::array::RecordBatch;
use model::{Clock, Outcome, SystemClock, Timestamp};
use store::{Invocation, InvocationRows, RollupStats, Rollups};

/// The same as the program's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FUNCTIONS: usize = 100;
const FUNCTIONS_BUDGETED: usize = 10_000;
const BUDGET_MB: f64 = 1_536.0;
const HOURS: i64 = 6;
const SERIES: usize = 4;
const ROWS_A_SECOND: usize = 10;
const START: i64 = 1_762_790_400;
const BATCHES: usize = 37;
const HOUR: i64 = 3_600;

/// A batch whose rows all begin in the same second; they differ in how long they took.
fn batch(names: &[String], second: i64, number: usize) -> RecordBatch {
    let mut rows = InvocationRows::new();
    for (at, name) in names.iter().enumerate() {
        for series in 0..SERIES {
            for call in 0..ROWS_A_SECOND {
                let mixed =
                    (at * 7_919 + series * 104_729 + call * 1_299_709 + number * 15_485_863)
                        % 1_000_003;
                let failed = mixed.is_multiple_of(200);
                rows.push(&Invocation {
                    ts: Timestamp::from_seconds(second),
                    namespace: "guide",
                    function: name,
                    version: "12",
                    unit: ["a", "b"][series % 2],
                    zone: ["zb-1", "zb-2"][series / 2 % 2],
                    instance: ["pod-1", "pod-2", "pod-3"][call % 3],
                    duration_us: 5_000 + (mixed % 60_000) as i64,
                    outcome: if failed {
                        Outcome::FunctionError
                    } else {
                        Outcome::Ok
                    },
                    error_type: if failed { "Unhandled" } else { "" },
                    served_by: "faas",
                    layer: "function",
                    ..Invocation::default()
                });
            }
        }
    }
    rows.finish()
}

/// Resident memory of this process in bytes, from `/proc`.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes: f64 = line
        .and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap();
    kilobytes * 1_024.0
}

fn report(what: &str, rollups: &Rollups, before: f64, functions: usize) -> RollupStats {
    let (stats, taken) = (rollups.stats(), resident() - before);
    let scale = FUNCTIONS_BUDGETED as f64 / functions as f64;
    println!(
        "{what:<36} {:7.1} MB resident, x {scale:.0} = {:6.0} MB of {BUDGET_MB:.0}; tens {:6.1} MB, {} values",
        taken / 1e6,
        taken * scale / 1e6,
        stats.tens_bytes as f64 / 1e6,
        stats.top_values,
    );
    stats
}

fn main() {
    let mut numbers = std::env::args()
        .skip(1)
        .filter_map(|word| word.parse().ok());
    let functions = numbers.next().unwrap_or(FUNCTIONS);
    let hours = numbers.next().map_or(HOURS, |hours| hours as i64);
    let clock = SystemClock::new();
    let names: Vec<String> = (0..functions).map(|n| format!("function-{n}")).collect();
    let rollups = Rollups::default();
    // Rows are made once and moved in time.
    let warm: Vec<RecordBatch> = (0..BATCHES).map(|n| batch(&names, START, n)).collect();
    let others: Vec<String> = (0..functions).map(|n| format!("other-{n}")).collect();
    let strangers: Vec<RecordBatch> = (0..BATCHES).map(|n| batch(&others, START, n)).collect();
    let before = resident();
    let began = clock.elapsed();
    let (mut second, end) = (START, START + hours * HOUR + 900);
    while second < end {
        let rows = moved(&warm[second.unsigned_abs() as usize % BATCHES], second);
        rollups.apply(&rows, Timestamp::from_seconds(second));
        second += 1;
        if (second - START) % HOUR == 0 {
            report(
                &format!("after {} h", (second - START) / HOUR),
                &rollups,
                before,
                functions,
            );
        }
    }
    let took = clock.elapsed().saturating_sub(began).as_secs_f64();
    let stats = report("six hours and a quarter", &rollups, before, functions);
    let cells = functions * SERIES * usize::try_from(stats.reach_seconds / 10).unwrap();
    println!(
        "{:<36} {:7.2} B, chunks and all, of {cells} cells",
        "a ten",
        stats.tens_bytes as f64 / cells as f64
    );
    let rows = (end - START) as f64 * (functions * SERIES * ROWS_A_SECOND) as f64;
    println!("{:<36} {:7.2} M rows/s", "counted", rows / took / 1e6);

    // Only one function goes on; the others are forgotten.
    let last = moved(&batch(&names[..1], START, 0), second);
    let silent = second + 7 * HOUR;
    while second < silent {
        rollups.apply(&moved(&last, second), Timestamp::from_seconds(second));
        second += 10;
    }
    let stats = report(
        "seven hours after all but one stop",
        &rollups,
        before,
        functions,
    );
    println!(
        "{:<36} {:7} of {}",
        "series that are left",
        stats.series,
        functions * SERIES
    );
    for second in second..second + 1_800 {
        let rows = moved(&strangers[second.unsigned_abs() as usize % BATCHES], second);
        rollups.apply(&rows, Timestamp::from_seconds(second));
    }
    report(
        "half an hour of as many others",
        &rollups,
        before,
        functions,
    );
}

/// The same rows, begun at another second.
fn moved(rows: &RecordBatch, second: i64) -> RecordBatch {
    use arrow::array::TimestampMicrosecondArray;
    let times = vec![second * 1_000_000; rows.num_rows()];
    let times = TimestampMicrosecondArray::from(times).with_timezone("UTC");
    let mut columns = rows.columns().to_vec();
    let at = rows.schema().index_of("ts").unwrap();
    columns[at] = std::sync::Arc::new(times);
    RecordBatch::try_new(rows.schema(), columns).unwrap()
}
