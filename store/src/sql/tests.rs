//! Tests of SQL over snapshots of memory and files.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use model::{Labels, ManualClock, Outcome, Timestamp};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use serde_json::{Value, json};
use tempfile::TempDir;

mod admission;
pub(super) mod scans;

use super::*;
use crate::rows::{Invocation, InvocationRows, LogLine, LogRows, Sample, SampleRows};
use crate::schema::Table;
use crate::snapshot::{Snapshot, SnapshotFile};

pub(super) const START: i64 = 1_762_790_400;
const MEMORY: usize = 256 << 20;

pub(super) fn engine() -> QueryEngine {
    QueryEngine::new(
        MEMORY,
        ManualClock::at(Timestamp::from_seconds(START + 100)),
    )
}

pub(super) fn limits() -> QueryLimits {
    QueryLimits {
        rows_max: 1_000,
        deadline: Duration::from_mins(2),
    }
}

pub(super) async fn ask(snapshot: &Snapshot, sql: &str) -> Result<Vec<Value>, QueryError> {
    let answer = engine().query(snapshot.clone(), sql, &limits()).await?;
    Ok(answer.to_json_rows())
}

/// One call a second, over three functions; every fifth fails.
pub(super) fn invocations(seconds: std::ops::Range<i64>) -> RecordBatch {
    let mut rows = InvocationRows::new();
    for second in seconds {
        let function = format!("fn{}", second % 3);
        rows.push(&Invocation {
            ts: Timestamp::from_seconds(START + second),
            namespace: "guide",
            function: &function,
            unit: if second % 2 == 0 { "a" } else { "" },
            request_id: &format!("r-{second}"),
            duration_us: second * 1_000,
            outcome: if second % 5 == 0 {
                Outcome::Timeout
            } else {
                Outcome::Ok
            },
            attrs: &[
                ("path", "/x"),
                ("odd", if second % 2 == 0 { "no" } else { "yes" }),
            ],
            ..Invocation::default()
        });
    }
    rows.finish()
}

pub(super) fn write(
    directory: &Path,
    name: &str,
    table: Table,
    batch: &RecordBatch,
    group_rows: usize,
) -> SnapshotFile {
    let path = directory.join(name);
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(group_rows))
        .build();
    let file = File::create(&path).unwrap();
    let mut writer = ArrowWriter::try_new(file, table.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    let (from, to) = table.time_range(batch).unwrap();
    SnapshotFile {
        away: None,
        bytes: path.metadata().unwrap().len(),
        path,
        rows: batch.num_rows() as u64,
        from,
        to,
    }
}

pub(super) fn snapshot(directory: &Path) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let old = write(
        directory,
        "a.parquet",
        Table::Invocations,
        &invocations(0..60),
        20,
    );
    snapshot.files.insert(Table::Invocations, vec![old]);
    snapshot.memory.insert(
        Table::Invocations,
        vec![invocations(60..80), invocations(80..90)],
    );
    let minutes = crate::minutes::minute_rows(&invocations(0..60), &crate::Rollups::default());
    let minutes = write(directory, "m.parquet", Table::Minutes, &minutes, 100);
    snapshot.files.insert(Table::Minutes, vec![minutes]);
    let mut logs = LogRows::new();
    logs.push(&LogLine {
        ts: Timestamp::from_seconds(START),
        namespace: "guide",
        function: "fn1",
        level: "error",
        message: "a \"quoted\", line\nand another",
        ..LogLine::default()
    });
    snapshot.memory.insert(Table::Logs, vec![logs.finish()]);
    let mut samples = SampleRows::new();
    for (at, value) in [1.5, f64::NAN].into_iter().enumerate() {
        let labels = Labels::from_pairs([("pod", format!("p-{at}"))]);
        samples.push(&Sample {
            ts_ms: START * 1_000,
            name: "up",
            labels: &labels,
            value,
        });
    }
    snapshot
        .memory
        .insert(Table::Samples, vec![samples.finish()]);
    snapshot
}

#[tokio::test]
async fn questions_are_answered() {
    let directory = TempDir::new().unwrap();
    let snapshot = snapshot(directory.path());
    for (sql, expected) in [
        ("select count(*) from invocations", json!([[90]])),
        (
            "select count(*) from invocations where ts >= '2025-11-10T16:01:10Z'",
            json!([[20]]),
        ),
        (
            "select count(*) from invocations where ts > now() - interval '20 seconds'",
            json!([[9]]),
        ),
        (
            "select function_id, count(*) as n from invocations where outcome = 'timeout' group by 1 order by 1",
            json!([["guide/fn0", 6], ["guide/fn1", 6], ["guide/fn2", 6]]),
        ),
        (
            "select count(*), count(distinct request_id) from invocations where function_id = 'guide/fn1'",
            json!([[30, 30]]),
        ),
        (
            "select count(*) from invocations where function_id in ('guide/fn1', 'guide/fn2', 'nonsense')",
            json!([[60]]),
        ),
        (
            "select function_id from invocations where unit is null and duration_us = 61000",
            json!([["guide/fn1"]]),
        ),
        (
            "select attrs['odd'], count(*) from invocations group by 1 order by 1",
            json!([["no", 45], ["yes", 45]]),
        ),
        (
            "select unit, count(*) from invocations group by unit order by unit nulls first",
            json!([[null, 45], ["a", 45]]),
        ),
        (
            "select success_rate(outcome) from invocations",
            json!([[0.8]]),
        ),
        (
            "select success_rate(outcome) filter (where function = 'fn0') as rate from invocations",
            json!([[0.8]]),
        ),
        (
            "select success_rate(outcome) from invocations where outcome = 'limited'",
            json!([[null]]),
        ),
        (
            "select sum(ok), sum(timeout), sum(weighted), sum(duration_us) from minutes",
            json!([[72, 18, 90, 4_005_000]]),
        ),
        (
            "select function_id, minute, sum(ok + timeout) from minutes group by 1, 2 order by 2, 1 limit 1",
            json!([["guide/fn0", "2025-11-10T16:00:00Z", 20]]),
        ),
        (
            "select level, message, trace_id from logs",
            json!([["error", "a \"quoted\", line\nand another", null]]),
        ),
        (
            "select labels['pod'], value, ts from samples order by 1",
            json!([
                ["p-0", 1.5, "2025-11-10T16:00:00Z"],
                ["p-1", null, "2025-11-10T16:00:00Z"]
            ]),
        ),
        (
            "select date_bin(interval '1 minute', ts) as at, count(*) from invocations group by 1 order by 1",
            json!([["2025-11-10T16:00:00Z", 60], ["2025-11-10T16:01:00Z", 30]]),
        ),
        (
            "with slow as (select * from invocations where duration_us > 80000) select max(function_id), count(*) from slow",
            json!([["guide/fn2", 9]]),
        ),
        (
            "select 9007199254740993, -9007199254740993, 9007199254740992, 'x', 1.25, true",
            json!([[
                "9007199254740993",
                "-9007199254740993",
                9_007_199_254_740_992_i64,
                "x",
                1.25,
                true
            ]]),
        ),
        (
            "select i.request_id from invocations i join logs l on i.function_id = l.function_id and i.ts > l.ts order by i.ts limit 1",
            json!([["r-1"]]),
        ),
    ] {
        let rows = ask(&snapshot, sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(Value::Array(rows), expected, "{sql}");
    }
}

#[tokio::test]
async fn answers_are_cut_at_the_limit_and_say_so() {
    let directory = TempDir::new().unwrap();
    let snapshot = snapshot(directory.path());
    for (rows_max, rows, truncated) in [
        (10, 10, true),
        (89, 89, true),
        (90, 90, false),
        (0, 0, true),
    ] {
        let limits = QueryLimits {
            rows_max,
            ..limits()
        };
        let answer = engine()
            .query(snapshot.clone(), "select * from invocations", &limits)
            .await
            .unwrap();
        assert_eq!(
            (answer.rows(), answer.truncated),
            (rows, truncated),
            "rows_max {rows_max}"
        );
    }
}

#[tokio::test]
async fn a_query_without_end_is_stopped_at_its_deadline() {
    let mut snapshot = Snapshot::default();
    snapshot
        .memory
        .insert(Table::Invocations, vec![invocations(0..20_000)]);
    let limits = QueryLimits {
        deadline: Duration::from_millis(300),
        ..limits()
    };
    let sql = "select count(*) from invocations a join invocations b using (namespace) join invocations c using (namespace)";
    let engine = engine();
    for _ in 0..2 * CONCURRENT_MAX {
        let error = engine
            .query(snapshot.clone(), sql, &limits)
            .await
            .unwrap_err();
        assert!(
            matches!(error, QueryError::Deadline(_) | QueryError::Busy),
            "{error}"
        );
    }
    let limits = QueryLimits {
        deadline: Duration::from_mins(1),
        ..limits
    };
    let answer = engine
        .query(snapshot, "select count(*) from invocations", &limits)
        .await
        .unwrap();
    assert_eq!(
        answer.to_json_rows(),
        [json!([20_000])],
        "the engine is usable afterwards"
    );
}

#[tokio::test]
async fn memory_is_bounded() {
    let mut snapshot = Snapshot::default();
    snapshot
        .memory
        .insert(Table::Invocations, vec![invocations(0..50_000)]);
    let clock = ManualClock::at(Timestamp::from_seconds(START));
    let small = QueryEngine::new(1 << 20, clock);
    let sql = "select request_id, count(*) from invocations group by 1 order by 2";
    let error = small
        .query(snapshot.clone(), sql, &limits())
        .await
        .unwrap_err();
    assert!(matches!(error, QueryError::Memory { .. }), "{error}");
    assert!(
        small
            .query(snapshot, "select count(*) from invocations", &limits())
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn answers_print_as_json_and_csv() {
    let directory = TempDir::new().unwrap();
    let snapshot = snapshot(directory.path());
    let sql = "select message as \"the, message\", ts, trace_id, '' as empty, attrs from logs";
    let answer = engine()
        .query(snapshot.clone(), sql, &limits())
        .await
        .unwrap();
    assert_eq!(
        answer.to_csv(),
        "\"the, message\",ts,trace_id,empty,attrs\r\n\"a \"\"quoted\"\", line\nand another\",2025-11-10T16:00:00Z,,\"\",\r\n"
    );
    let sql = "select attrs, ts, duration_us, success_rate(outcome) as rate from invocations where duration_us = 61000 group by 1, 2, 3";
    let answer = engine()
        .query(snapshot.clone(), sql, &limits())
        .await
        .unwrap();
    assert_eq!(
        answer.to_json(),
        json!({
            "columns": [
                {"name": "attrs", "type": "map"},
                {"name": "ts", "type": "timestamp"},
                {"name": "duration_us", "type": "integer"},
                {"name": "rate", "type": "number"},
            ],
            "rows": [[{"path": "/x", "odd": "yes"}, "2025-11-10T16:01:01Z", 61_000, 1.0]],
            "truncated": false,
        })
    );
    let answer = engine()
        .query(
            snapshot,
            "select value from samples order by labels['pod']",
            &limits(),
        )
        .await
        .unwrap();
    assert_eq!(answer.to_csv(), "value\r\n1.5\r\nNaN\r\n");
}

#[tokio::test]
async fn minutes_of_files_and_memory_are_one_sum() {
    let directory = TempDir::new().unwrap();
    let snapshot = snapshot(directory.path());
    let all = [invocations(0..60), invocations(60..90)]
        .map(|batch| crate::minutes::minute_rows(&batch, &crate::Rollups::default()));
    let minute = START / 60;
    let (from, to) = (
        Timestamp::from_seconds(START),
        Timestamp::from_seconds(START + 120),
    );
    let told = engine().minutes(snapshot.clone(), from, to).await.unwrap();
    assert_eq!(told, crate::minutes::sum_minutes(&all, minute..minute + 2));
    assert_eq!(told.len(), 3 * 2 * 2);
    let second = Timestamp::from_seconds(START + 60);
    let told = engine()
        .minutes(snapshot.clone(), second, to)
        .await
        .unwrap();
    assert_eq!(
        told,
        crate::minutes::sum_minutes(&all, minute + 1..minute + 2)
    );
    let id = "guide/fn1".parse().unwrap();
    let told = engine()
        .minutes_of(snapshot.clone(), &id, from, to)
        .await
        .unwrap();
    assert!(
        told.len() == 4 && told.iter().all(|(key, ..)| key.function == "fn1"),
        "{told:?}"
    );
    let hostile = model::FunctionId::new("guide", "x' or '1'='1").unwrap();
    assert_eq!(
        engine()
            .minutes_of(snapshot, &hostile, from, to)
            .await
            .unwrap(),
        []
    );
}

#[test]
fn shared_between_threads() {
    fn is_shared<T: Send + Sync + 'static>() {}
    is_shared::<Arc<QueryEngine>>();
}
