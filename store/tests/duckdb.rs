//! The Parquet tree as it lies, read by DuckDB: its counts and sums are those of our SQL. And an answer
//! as an Arrow stream, read by pyarrow. Both come from PyPI; `make setup-test` installs them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use model::{ManualClock, Outcome, Timestamp, Traffic};
use serde_json::Value;
use store::{AnswerFormat, Batch, Invocation, InvocationRows, Options, QueryLimits, Store};

/// 2026-11-10T23:00:00Z: hours on both sides of midnight get rows.
const START: i64 = 1_794_351_600;

const LIMITS: QueryLimits = QueryLimits {
    rows_max: 100_000,
    deadline: Duration::from_mins(2),
};

/// Asked of both as it stands, `{table}` apart.
const QUESTIONS: [(&str, &str); 6] = [
    (
        "invocations",
        "select namespace, function, outcome, traffic, count(*), sum(duration_us), min(queue_us) from {table} group by 1, 2, 3, 4 order by 1, 2, 3, 4",
    ),
    (
        "invocations",
        "select count(*), count(version), count(distinct request_id), sum(weight) from {table}",
    ),
    (
        "invocations",
        "select function, count(*) from {table} where ts >= '2026-11-11T00:10:00Z' and unit is null group by 1 order by 1",
    ),
    (
        "invocations",
        "select attrs['path'], count(*) from {table} group by 1 order by 1",
    ),
    (
        "minutes",
        "select function, sum(ok), sum(timeout), sum(weighted), sum(duration_us), count(distinct minute) from {table} group by 1 order by 1",
    ),
    (
        "invocations",
        "select cast(date_part('epoch', time_bucket(interval '7 minutes', ts)) as bigint), count(*) from {table} group by 1 order by 1",
    ),
];

const READ_PARQUET: &str = "
import duckdb, json, sys
root, questions = sys.argv[1], json.load(sys.stdin)
connection = duckdb.connect()
connection.execute(\"set timezone = 'UTC'\")
answers = []
for table, sql in questions:
    tree = f\"read_parquet('{root}/tables/{table}/*/*/*.parquet', hive_partitioning = true)\"
    rows = connection.execute(sql.replace('{table}', tree)).fetchall()
    answers.append([[int(cell) if hasattr(cell, '__int__') and not isinstance(cell, str) else cell for cell in row] for row in rows])
print(json.dumps(answers))
";

const READ_ARROW: &str = "
import json, sys
import pyarrow
table = pyarrow.ipc.open_stream(sys.stdin.buffer).read_all()
table.validate(full = True)
print(json.dumps([[str(field.type) for field in table.schema], table.num_rows, table.slice(0, 3).to_pylist()], default = str))
";

fn python(script: &str, arguments: &[&str], input: &[u8]) -> Value {
    let cache = std::env::var("RAMPART_CACHE").map_or_else(
        |_| {
            let base = std::env::var("XDG_CACHE_HOME").map_or_else(
                |_| PathBuf::from(std::env::var("HOME").unwrap()).join(".cache"),
                PathBuf::from,
            );
            base.join("rampart")
        },
        PathBuf::from,
    );
    let program = cache.join("tables/bin/python");
    assert!(
        program.exists(),
        "DuckDB and pyarrow are not installed; `make setup-test` installs them"
    );
    let mut child = Command::new(program)
        .args(["-c", script])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success());
    serde_json::from_slice(&done.stdout).unwrap()
}

/// Calls of two hours in some disorder, with and without what is optional.
fn calls(from: usize, to: usize) -> Batch {
    let mut rows = InvocationRows::new();
    for number in from..to {
        let mixed = number.wrapping_mul(7_919) % 10_007;
        let version = ["", "11", "12"][mixed % 3];
        rows.push(&Invocation {
            ts: Timestamp::from_micros(START * 1_000_000 + mixed as i64 * 719_333),
            namespace: ["guide", "video"][mixed % 2],
            function: ["feed", "play, \"it\"", "搜索"][mixed % 3],
            version,
            unit: ["", "a"][mixed / 3 % 2],
            request_id: &format!("r-{mixed}"),
            duration_us: (mixed * 37 % 90_000) as i64,
            queue_us: mixed.is_multiple_of(5).then_some((mixed % 1_000) as i64),
            outcome: Outcome::ALL[mixed % Outcome::ALL.len()],
            traffic: Traffic::ALL[mixed / 7 % Traffic::ALL.len()],
            weight: 1 + (mixed % 3) as u32,
            attrs: &[("path", ["/a", "/b"][mixed % 2])],
            ..Invocation::default()
        });
    }
    Batch {
        invocations: Some(rows.finish()),
        ..Batch::default()
    }
}

async fn store(directory: &Path) -> Store {
    let clock = ManualClock::at(Timestamp::from_seconds(START + 10_000));
    let store = Store::open(Options::new(directory), clock).await.unwrap();
    for (number, rows) in [(0, 4_000), (4_000, 4_100), (4_100, 9_000)]
        .into_iter()
        .enumerate()
    {
        store.commit(calls(rows.0, rows.1)).await.unwrap();
        store.flush().await.unwrap();
        if number == 1 {
            store.tidy().await.unwrap();
        }
    }
    store
}

#[tokio::test]
async fn duckdb_reads_the_files_as_we_do() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path()).await;
    let root = directory.path().display().to_string();
    let asked = serde_json::to_vec(&QUESTIONS).unwrap();
    let answers = python(READ_PARQUET, &[&root], &asked);
    for (at, (table, sql)) in QUESTIONS.iter().enumerate() {
        let sql = sql.replace("{table}", table);
        let told = store.query(&sql, &LIMITS).await.unwrap().to_json_rows();
        assert!(!told.is_empty(), "{sql}");
        assert_eq!(answers[at], Value::Array(told), "{sql}");
    }
    store.close().await;
}

#[tokio::test]
async fn pyarrow_reads_an_answer() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path()).await;
    let sql = "select ts, function_id, version, attrs, duration_us, sum(weight) over () as weights from invocations order by ts, request_id";
    let answer = store.query(sql, &LIMITS).await.unwrap();
    let first = answer.to_json_rows()[0].clone();
    let pieces: Result<Vec<_>, _> = answer.into_pieces(AnswerFormat::Arrow).collect();
    let told = python(READ_ARROW, &[], &pieces.unwrap().concat());
    assert_eq!(
        told[0],
        serde_json::json!([
            "timestamp[us, tz=UTC]",
            "string",
            "string",
            "map<string, string>",
            "int64",
            "uint64"
        ])
    );
    assert_eq!(told[1], 9_000);
    assert_eq!(told[2][0]["function_id"], first[1]);
    assert_eq!(
        told[2][0]["attrs"],
        serde_json::json!([["path", first[3]["path"]]])
    );
    assert_eq!(told[2][0]["weights"], first[5]);
    store.close().await;
}
