//! Tests of the functions that are ours, of the table `seconds`, and of answers as Arrow streams.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type};
use arrow::ipc::reader::StreamReader;
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{col, lit};
use datafusion::physical_plan::collect;
use datafusion::prelude::SessionContext;
use model::{Outcome, Timestamp, Traffic};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::rollup::Rollups;
use crate::rows::{Invocation, InvocationRows};
use crate::schema::Table;
use crate::snapshot::Snapshot;
use crate::sql::seconds::SecondsTable;
use crate::sql::tests::scans::row_groups;
use crate::sql::tests::{START, ask, engine, invocations, limits, snapshot, write};
use crate::sql::{AnswerFormat, QueryError};

/// Calls of functions `fn0…` that last as long as told, one a second.
fn lasting(durations: &[(u8, i64)]) -> RecordBatch {
    let mut rows = InvocationRows::new();
    for (at, (function, duration_us)) in durations.iter().enumerate() {
        rows.push(&Invocation {
            ts: Timestamp::from_seconds(START + at as i64),
            namespace: "guide",
            function: &format!("fn{function}"),
            duration_us: *duration_us,
            queue_us: (at % 3 > 0).then_some(*duration_us / 7),
            outcome: Outcome::ALL[at % Outcome::ALL.len()],
            traffic: Traffic::ALL[at % Traffic::ALL.len()],
            ..Invocation::default()
        });
    }
    rows.finish()
}

fn in_memory(batches: Vec<RecordBatch>) -> Snapshot {
    let mut snapshot = Snapshot::default();
    snapshot.memory.insert(Table::Invocations, batches);
    snapshot
}

#[tokio::test]
async fn times_fall_into_buckets() {
    let directory = TempDir::new().unwrap();
    let snapshot = snapshot(directory.path());
    for (sql, expected) in [
        (
            "select time_bucket('1m', ts) as at, count(*) from invocations group by at order by at",
            json!([["2025-11-10T16:00:00Z", 60], ["2025-11-10T16:01:00Z", 30]]),
        ),
        (
            "select time_bucket(interval '40 seconds', ts), count(*) from invocations group by 1 order by 1",
            json!([
                ["2025-11-10T16:00:00Z", 40],
                ["2025-11-10T16:00:40Z", 40],
                ["2025-11-10T16:01:20Z", 10]
            ]),
        ),
        (
            "select time_bucket('1 minute', ts, timestamp '2025-11-10T16:00:50Z') as at, count(*) from invocations group by 1 order by 1",
            json!([["2025-11-10T15:59:50Z", 50], ["2025-11-10T16:00:50Z", 40]]),
        ),
        (
            "select time_bucket('5 minutes', minute), sum(ok + timeout) from minutes group by 1",
            json!([["2025-11-10T16:00:00Z", 90]]),
        ),
        (
            "select time_bucket('250ms', to_timestamp_micros(-1)), time_bucket('1us', to_timestamp_micros(-1))",
            json!([["1969-12-31T23:59:59.750Z", "1969-12-31T23:59:59.999999Z"]]),
        ),
        (
            "select time_bucket('1 week', to_timestamp_micros(0)), time_bucket(interval '1 month', to_timestamp_micros(-1))",
            json!([["1969-12-29T00:00:00Z", "1969-12-01T00:00:00Z"]]),
        ),
        (
            "select time_bucket(null, ts), time_bucket('1m', null), time_bucket('1m', ts, null) from invocations limit 1",
            json!([[null, null, null]]),
        ),
        (
            "select time_bucket('1h', ts) from samples limit 1",
            json!([["2025-11-10T16:00:00Z"]]),
        ),
        (
            "select count(*) from invocations where time_bucket('1m', ts) = '2025-11-10T16:01:00Z'",
            json!([[30]]),
        ),
        (
            "select count(*) from invocations where time_bucket('1m', ts) > '2025-11-10T16:00:30Z'",
            json!([[30]]),
        ),
        (
            "select count(*) from invocations where time_bucket('1m', ts) <= '2025-11-10T16:00:00Z'",
            json!([[60]]),
        ),
    ] {
        let rows = ask(&snapshot, sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(Value::Array(rows), expected, "{sql}");
    }
    for sql in [
        "select time_bucket('soon', ts) from invocations",
        "select time_bucket('0s', ts) from invocations",
        "select time_bucket(interval '-1 minute', ts) from invocations",
        "select time_bucket(interval '1 month 1 day', ts) from invocations",
        "select time_bucket(unit, ts) from invocations",
        "select time_bucket(60, ts) from invocations",
        "select time_bucket('1m', duration_us) from invocations",
        "select time_bucket('1m') from invocations",
    ] {
        let error = ask(&snapshot, sql).await.unwrap_err();
        assert!(error.is_mistake(), "{sql}: {error}");
    }
}

#[tokio::test]
async fn a_condition_on_a_bucket_leaves_out_row_groups() {
    let directory = TempDir::new().unwrap();
    let snapshot = snapshot(directory.path());
    for (condition, groups) in [
        ("time_bucket('10s', ts) = '2025-11-10T16:00:30Z'", (1, 2)),
        ("time_bucket('20s', ts) >= '2025-11-10T16:00:20Z'", (2, 1)),
        ("ts >= '2025-11-10T16:00:40Z'", (1, 2)),
    ] {
        let sql = format!(
            "select time_bucket('10s', ts), count(*) from invocations where {condition} group by 1"
        );
        let plan = engine().executed_plan(snapshot.clone(), &sql).await;
        assert_eq!(row_groups(plan.as_ref()), groups, "{condition}");
    }
}

#[tokio::test]
async fn the_success_rate_counts_what_the_words_say() {
    let calls: Vec<(u8, i64)> = (0..210).map(|at| ((at % 2) as u8, 1)).collect();
    let snapshot = in_memory(vec![lasting(&calls)]);
    let told = ask(
        &snapshot,
        "select success_rate(outcome), success_rate(outcome, traffic), success_rate(outcome, traffic) filter (where function = 'fn0') from invocations",
    )
    .await
    .unwrap();
    let naive = |only_live: bool, only: Option<usize>| {
        let counted = (0..210).filter(|at| {
            Outcome::ALL[at % Outcome::ALL.len()].counts()
                && (!only_live || Traffic::ALL[at % Traffic::ALL.len()] == Traffic::Live)
                && only.is_none_or(|only| at % 2 == only)
        });
        let (mut ok, mut all) = (0, 0);
        for at in counted {
            all += 1;
            ok += i32::from(Outcome::ALL[at % Outcome::ALL.len()] == Outcome::Ok);
        }
        f64::from(ok) / f64::from(all)
    };
    let expected = [naive(false, None), naive(true, None), naive(true, Some(0))];
    assert_eq!(told, [json!(expected)]);
}

/// The value of rank ⌊q · (n − 1)⌋.
fn exact(durations: impl Iterator<Item = i64>, q: f64) -> f64 {
    let mut sorted: Vec<i64> = durations.collect();
    sorted.sort_unstable();
    sorted[(q * (sorted.len() - 1) as f64).floor() as usize] as f64
}

fn near(told: &Value, exact: f64) -> bool {
    (told.as_f64().unwrap() - exact).abs() <= exact * 0.010_001
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn quantiles_of_rows_and_of_minutes_are_within_one_percent(
        calls in prop::collection::vec((0..3_u8, prop_oneof![Just(0), 1..5_000_000_i64, 1..900_i64]), 3..400),
        cuts in prop::collection::vec(0..400_usize, 0..3),
        q in prop_oneof![Just(0.0), Just(0.5), Just(0.99), Just(1.0), 0.0..=1.0_f64],
    ) {
        let directory = TempDir::new().unwrap();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(calls.len())).chain([0, calls.len()]).collect();
        cuts.sort_unstable();
        let parts: Vec<RecordBatch> = cuts.windows(2).map(|cut| lasting(&calls[cut[0]..cut[1]])).collect();
        let mut snapshot = in_memory(parts.iter().skip(1).cloned().collect());
        if parts[0].num_rows() > 0 {
            let minutes = crate::minutes::minute_rows(&parts[0], &Rollups::default());
            for (name, table, rows) in [("i.parquet", Table::Invocations, &parts[0]), ("m.parquet", Table::Minutes, &minutes)] {
                snapshot.files.insert(table, vec![write(directory.path(), name, table, rows, 64)]);
            }
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let rows = format!("select function, quantile(duration_us, {q}), count(*) from invocations group by 1 order by 1");
        let minutes = format!("select function, quantile(sketch, {q}), sketch_quantile(merge_sketches(sketch), {q}) from minutes group by 1 order by 1");
        let of_rows = runtime.block_on(ask(&snapshot, &rows)).unwrap();
        let of_minutes = runtime.block_on(ask(&snapshot, &minutes)).unwrap();
        prop_assert_eq!(of_rows.len(), of_minutes.len());
        for (rows, minutes) in of_rows.iter().zip(&of_minutes) {
            let own = |function: u8| rows[0] == json!(format!("fn{function}"));
            let exact = exact(calls.iter().filter(|(function, _)| own(*function)).map(|(_, duration)| *duration), q);
            prop_assert!(near(&rows[1], exact), "{} instead of {}", rows[1], exact);
            prop_assert_eq!(&minutes[1], &rows[1]);
            prop_assert_eq!(&minutes[2], &rows[1]);
        }
        let whole = format!("select quantile(duration_us, {q}), quantile(queue_us, {q}), quantile(-duration_us, {q}) from invocations");
        let told = runtime.block_on(ask(&snapshot, &whole)).unwrap();
        prop_assert!(near(&told[0][0], exact(calls.iter().map(|(_, duration)| *duration), q)));
        prop_assert!(told[0][2].as_f64().unwrap() <= 0.0);
    }
}

#[tokio::test]
async fn quantiles_of_nothing_are_null_and_wrong_ones_are_refused() {
    let snapshot = in_memory(vec![invocations(0..60)]);
    let told = ask(
        &snapshot,
        "select quantile(duration_us, 0.5) filter (where function = 'none'), quantile(queue_us, 0.5), sketch_quantile(null, 0.5), merge_sketches(sketch) filter (where function = 'none') from invocations, (select sketch from minutes limit 1)",
    )
    .await
    .unwrap();
    assert_eq!(told, [json!([null, null, null, null])]);
    for sql in [
        "select quantile(duration_us, 1.5) from invocations",
        "select quantile(duration_us, null) from invocations",
        "select quantile(duration_us) from invocations",
        "select quantile(duration_us, duration_us) from invocations",
        "select quantile(distinct duration_us, 0.5) from invocations",
        "select quantile(function, 0.5) from invocations",
        "select merge_sketches(duration_us) from invocations",
    ] {
        let error = ask(&snapshot, sql).await.unwrap_err();
        assert!(error.is_mistake(), "{sql}: {error}");
    }
}

#[tokio::test]
async fn minutes_of_files_without_sketches_are_read() {
    let directory = TempDir::new().unwrap();
    let minutes = crate::minutes::minute_rows(&invocations(0..60), &Rollups::default());
    let old: Vec<usize> = (0..minutes.num_columns() - 1).collect();
    let old = minutes.project(&old).unwrap();
    let path = directory.path().join("old.parquet");
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, old.schema(), None).unwrap();
    writer.write(&old).unwrap();
    writer.close().unwrap();
    let mut snapshot = in_memory(vec![invocations(60..90)]);
    let file = write(
        directory.path(),
        "new.parquet",
        Table::Minutes,
        &minutes,
        64,
    );
    let bytes = path.metadata().unwrap().len();
    let old = crate::snapshot::SnapshotFile {
        away: None,
        path,
        bytes,
        ..file
    };
    snapshot.files.insert(Table::Minutes, vec![old]);
    let told = ask(
        &snapshot,
        "select sum(ok + timeout), quantile(sketch, 0), count(sketch) > 0 from minutes",
    )
    .await
    .unwrap();
    assert_eq!(told[0][0], json!(90));
    assert!(near(&told[0][1], 60_000.0), "{told:?}");
}

fn live(functions: i64, seconds: std::ops::Range<i64>) -> Snapshot {
    let rollups = Rollups::default();
    let now = Timestamp::from_seconds(START + 100);
    for second in seconds {
        let mut rows = InvocationRows::new();
        for function in 0..functions {
            rows.push(&Invocation {
                ts: Timestamp::from_seconds(START + second),
                namespace: if function % 2 == 0 { "guide" } else { "video" },
                function: &format!("fn{function}"),
                unit: if function % 3 == 0 { "a" } else { "" },
                outcome: if second % 5 == 0 {
                    Outcome::Timeout
                } else {
                    Outcome::Ok
                },
                traffic: if function == 7 {
                    Traffic::Stress
                } else {
                    Traffic::Live
                },
                weight: 2,
                duration_us: 1_000,
                ..Invocation::default()
            });
        }
        rollups.apply(&rows.finish(), now);
    }
    Snapshot {
        rollups: Some(Arc::new(rollups)),
        ..Snapshot::default()
    }
}

#[tokio::test]
async fn the_live_rollups_are_a_table() {
    let snapshot = live(10, -200..90);
    for (sql, expected) in [
        (
            "select count(*), sum(ok), sum(timeout), sum(weighted), sum(duration_us), min(second), max(second) from seconds",
            json!([[
                2900,
                2320,
                580,
                5800,
                2_900_000,
                "2025-11-10T15:56:40Z",
                "2025-11-10T16:01:29Z"
            ]]),
        ),
        (
            "select function_id, unit, traffic, count(*) from seconds where function in ('fn3', 'fn7') and second >= '2025-11-10T16:01:00Z' group by 1, 2, 3 order by 1",
            json!([
                ["video/fn3", "a", "live", 30],
                ["video/fn7", null, "stress", 30]
            ]),
        ),
        (
            "select time_bucket('1m', second) as at, sum(ok + timeout) from seconds where function_id = 'guide/fn2' and second < '2025-11-10T15:58:00Z' group by at order by at",
            json!([["2025-11-10T15:56:00Z", 20], ["2025-11-10T15:57:00Z", 60]]),
        ),
        (
            "select version, zone, count(*) from seconds where namespace = 'guide' and function like '%4' group by 1, 2",
            json!([[null, null, 290]]),
        ),
        (
            "select count(*) from seconds where function_id = 'guide/none'",
            json!([[0]]),
        ),
        (
            "select count(*) from seconds s join seconds t on s.function_id = t.function_id and s.second = t.second",
            json!([[2900]]),
        ),
    ] {
        let rows = ask(&snapshot, sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(Value::Array(rows), expected, "{sql}");
    }
    assert_eq!(
        ask(&Snapshot::default(), "select count(*) from seconds")
            .await
            .unwrap(),
        [json!([0])]
    );
}

#[tokio::test]
async fn one_functions_seconds_are_made_without_those_of_others() {
    let rollups = live(200, 0..30).rollups.unwrap();
    let table = SecondsTable::new(rollups, Timestamp::from_seconds(START + 100), 2);
    let session = SessionContext::new().state();
    let is = |column: &str, text: &str| {
        let text = ScalarValue::Utf8View(Some(text.to_owned()));
        col(column).eq(lit(text))
    };
    let at = |second: i64| {
        let micros = (START + second) * 1_000_000;
        lit(ScalarValue::TimestampMicrosecond(
            Some(micros),
            Some("UTC".into()),
        ))
    };
    for (conditions, rows) in [
        (vec![], 6_000),
        (vec![is("function_id", "guide/fn2")], 30),
        (vec![is("namespace", "guide"), is("function", "fn2")], 30),
        (vec![is("namespace", "guide")], 3_000),
        (vec![col("second").eq(at(5))], 200),
        (
            vec![
                is("function_id", "guide/fn2"),
                col("second").gt_eq(at(20)),
                is("unit", "nowhere"),
            ],
            10,
        ),
    ] {
        let scan = table.scan(&session, None, &conditions, None).await.unwrap();
        let made = collect(scan, session.task_ctx()).await.unwrap();
        let made: usize = made.iter().map(RecordBatch::num_rows).sum();
        assert_eq!(made, rows, "{conditions:?}");
    }
}

async fn pieces(snapshot: &Snapshot, sql: &str, format: AnswerFormat) -> Vec<Vec<u8>> {
    let answer = engine()
        .query(snapshot.clone(), sql, &limits())
        .await
        .unwrap();
    let pieces: Result<Vec<Vec<u8>>, QueryError> = answer.into_pieces(format).collect();
    pieces.unwrap()
}

#[tokio::test]
async fn pieces_add_up_to_the_whole_answer() {
    let snapshot = in_memory(vec![invocations(0..60), invocations(60..3_000)]);
    for sql in [
        "select * from invocations order by ts",
        "select ts, function_id, unit, attrs from invocations where duration_us < 0",
    ] {
        let answer = engine()
            .query(snapshot.clone(), sql, &limits())
            .await
            .unwrap();
        let json = pieces(&snapshot, sql, AnswerFormat::Json).await.concat();
        assert_eq!(
            serde_json::from_slice::<Value>(&json).unwrap(),
            answer.to_json()
        );
        let csv = pieces(&snapshot, sql, AnswerFormat::Csv).await.concat();
        assert_eq!(String::from_utf8(csv).unwrap(), answer.to_csv());
    }
    let all = pieces(&snapshot, "select * from invocations", AnswerFormat::Json).await;
    assert!(all.len() > 3, "{} pieces", all.len());
    assert!(all.concat().ends_with(b"],\"truncated\":true}"));
}

#[tokio::test]
async fn an_arrow_stream_reads_back() {
    let snapshot = in_memory(vec![invocations(0..60), invocations(60..90)]);
    let sql = "select ts, function_id, unit, attrs, duration_us, duration_us / 2.0 as half from invocations order by ts";
    let stream = pieces(&snapshot, sql, AnswerFormat::Arrow).await.concat();
    let reader = StreamReader::try_new(stream.as_slice(), None).unwrap();
    assert_eq!(*reader.schema().field(1).data_type(), DataType::Utf8);
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(rows, 90);
    let last = batches.last().unwrap();
    let at = last.num_rows() - 1;
    assert_eq!(last.column(1).as_string::<i32>().value(at), "guide/fn2");
    let halves = last.column(5).as_primitive::<Float64Type>();
    assert_eq!(halves.values().last(), Some(&44_500.0));
    assert!(last.column(2).is_null(at));
    let none = pieces(
        &snapshot,
        "select unit from invocations where ts < '2000-01-01'",
        AnswerFormat::Arrow,
    )
    .await
    .concat();
    assert_eq!(
        StreamReader::try_new(none.as_slice(), None)
            .unwrap()
            .count(),
        0
    );
}
