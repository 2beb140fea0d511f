//! Tests of SQL over snapshots of memory and files.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::physical_plan::{ExecutionPlan, displayable};
use model::{Labels, ManualClock, Outcome, Timestamp};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

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
async fn whatever_is_not_one_select_over_the_tables_is_refused() {
    let directory = TempDir::new().unwrap();
    let snapshot = snapshot(directory.path());
    let file = directory.path().join("a.parquet").display().to_string();
    let from_file = format!("select * from '{file}'");
    let external = format!("create external table x stored as parquet location '{file}'");
    let copied = format!("copy (select * from invocations) to '{file}.copy'");
    for sql in [
        "",
        ";",
        "select 1; select 2",
        "select 1; drop table invocations",
        "drop table invocations",
        "create table x as select * from invocations",
        "create view x as select * from invocations",
        "create or replace function f() returns int return 1",
        "insert into logs select * from logs",
        "insert into invocations values (1)",
        "update invocations set function = 'x'",
        "delete from invocations",
        "truncate table invocations",
        "merge into logs using logs as l on true when matched then delete",
        "with x as (delete from logs returning *) select * from x",
        "with x as (insert into logs select * from logs) select 1",
        "select * into x from invocations",
        "explain select * from invocations",
        "explain analyze select * from invocations",
        "describe invocations",
        "show tables",
        "show all",
        "set datafusion.execution.batch_size = 1",
        "reset datafusion.execution.batch_size",
        "begin",
        "prepare x as select 1",
        "execute x",
        "grant all on invocations to public",
        "use other",
        "analyze table invocations",
        "select * from information_schema.tables",
        "select * from datafusion.public.invocations",
        "select * from public.invocations",
        "select * from generate_series(1, 1000000000)",
        "select * from range(1, 10)",
        "select range(1, 1000000000000)",
        "select repeat('x', 2000000000)",
        "select lpad('x', 2000000000)",
        "select array_repeat(1, 2000000000)",
        "select * from read_csv('/etc/passwd')",
        "select * from '/etc/passwd'",
        "select * from 'http://127.0.0.1/x.parquet'",
        "with recursive x as (select 1 as n union all select n + 1 from x) select * from x",
        "select * from invocations for update",
        "select pg_read_file('/etc/passwd')",
        "select nonsense(1)",
        "select $1",
        "select @@version",
        "select * from lateral flatten(input => attrs)",
        from_file.as_str(),
        external.as_str(),
        copied.as_str(),
    ] {
        match ask(&snapshot, sql).await {
            Ok(rows) => panic!("{sql} was answered with {rows:?}"),
            Err(error) => {
                assert!(error.is_mistake(), "{sql}: {error}");
                assert!(
                    !matches!(error, QueryError::Deadline(_) | QueryError::Memory { .. }),
                    "{sql}: {error}"
                );
            }
        }
    }
    assert!(!directory.path().join("a.parquet.copy").exists());
}

#[tokio::test]
async fn long_and_deep_texts_are_refused_and_break_nothing() {
    let snapshot = Snapshot::default();
    let chain = |operator: &str| format!("select {}", vec!["1"; 9_000].join(operator));
    let nested = format!("select {}1{}", "(".repeat(5_000), ")".repeat(5_000));
    let negated = format!("select {}1", "- ".repeat(9_000));
    let not = format!("select {}true", "not ".repeat(9_000));
    let within = (0..200).fold("select 1".to_owned(), |inner, at| {
        format!("select * from ({inner}) as t{at}")
    });
    let joined = format!(
        "select 1 from logs {}",
        "cross join logs as l ".repeat(2_500)
    );
    let unions = vec!["select 1"; 5_000].join(" union all ");
    let cases = "case when true then ".repeat(3_000);
    for sql in [
        chain("+"),
        chain(" or "),
        chain("||"),
        nested,
        negated,
        not,
        within,
        joined,
        unions,
        cases,
    ] {
        let error = ask(&snapshot, &sql).await.unwrap_err();
        assert!(error.is_mistake(), "{} …: {error}", &sql[..40]);
    }
    let long = format!("select '{}'", "x".repeat(TEXT_BYTES_MAX));
    assert!(matches!(
        ask(&snapshot, &long).await,
        Err(QueryError::TooLong { .. })
    ));
    let fine = format!(
        "select count(*) from logs where level in ({})",
        vec!["'x'"; 5_000].join(",")
    );
    assert_eq!(ask(&snapshot, &fine).await.unwrap(), [json!([0])]);
}

#[tokio::test]
async fn mistakes_are_told_with_the_way_out() {
    let directory = TempDir::new().unwrap();
    let snapshot = snapshot(directory.path());
    for (sql, expected) in [
        (
            "select functoin from invocations",
            "there is no column \"functoin\", did you mean \"function\"?; the columns are ts, namespace",
        ),
        (
            "select * from invocation",
            "there is no table \"invocation\", did you mean \"invocations\"?; the tables are",
        ),
        (
            "select * from users",
            "there is no table \"users\"; the tables are invocations, logs, samples, minutes, loadtests and seconds",
        ),
        ("drop table logs", "DROP is not allowed; write one SELECT"),
        ("selec 1", "not valid SQL"),
        (
            "select sum(function) from invocations",
            "cannot be answered",
        ),
        (
            "select 1 from invocations a, invocations b, invocations c, invocations d, invocations e, invocations f",
            "joins every row with every row",
        ),
    ] {
        let error = ask(&snapshot, sql).await.unwrap_err().to_string();
        let plain = error.replace("\"?", "\"");
        assert!(
            plain.contains(&expected.replace("\"?", "\"")),
            "{sql}: {error}"
        );
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
async fn only_the_row_groups_in_question_are_read() {
    let directory = TempDir::new().unwrap();
    let mut snapshot = Snapshot::default();
    let mut rows = InvocationRows::new();
    for at in 0..400_i64 {
        let function = format!("fn{:03}", at / 4);
        let ts = Timestamp::from_seconds(START + at % 4);
        rows.push(&Invocation {
            ts,
            namespace: "guide",
            function: &function,
            ..Invocation::default()
        });
    }
    let early = write(
        directory.path(),
        "early.parquet",
        Table::Invocations,
        &rows.finish(),
        40,
    );
    let late = write(
        directory.path(),
        "late.parquet",
        Table::Invocations,
        &invocations(3_600..3_700),
        40,
    );
    snapshot.files.insert(Table::Invocations, vec![early, late]);
    for (condition, groups_read, pruned) in [
        (
            "function_id = 'guide/fn013' and ts < '2025-11-10T17:00:00Z'",
            1,
            9,
        ),
        (
            "namespace = 'guide' and function = 'fn013' and ts < '2025-11-10T17:00:00Z'",
            1,
            9,
        ),
        ("ts >= '2025-11-10T17:00:00Z'", 3, 0),
    ] {
        let sql = format!("select max(duration_us) from invocations where {condition}");
        let plan = engine().executed_plan(snapshot.clone(), &sql).await;
        let (read, left_out) = row_groups(plan.as_ref());
        assert_eq!((read, left_out), (groups_read, pruned), "{condition}");
    }
}

/// Where all rows of a file meet a condition on time, nothing looks at their times again.
#[tokio::test]
async fn times_are_read_only_where_a_condition_cuts_a_file() {
    let directory = TempDir::new().unwrap();
    let mut snapshot = Snapshot::default();
    let rows = invocations(0..60);
    let file = write(directory.path(), "a.parquet", Table::Invocations, &rows, 20);
    snapshot.files.insert(Table::Invocations, vec![file]);
    snapshot.memory.insert(Table::Invocations, vec![rows]);
    let at = |second| format!("'{}'", Timestamp::from_seconds(START + second));
    for (condition, cuts, rows) in [
        (format!("ts >= {}", at(0)), false, 120),
        (format!("ts > {}", at(-1)), false, 120),
        ("ts >= now() - interval '1 hour'".to_owned(), false, 120),
        (format!("ts between {} and {}", at(0), at(59)), false, 120),
        (format!("{} > ts and ts > {}", at(60), at(-1)), false, 120),
        (
            format!("ts >= {} and function_id = 'guide/fn1'", at(0)),
            false,
            40,
        ),
        (format!("ts > {}", at(0)), true, 118),
        (format!("ts < {}", at(59)), true, 118),
        (format!("ts between {} and {}", at(0), at(58)), true, 118),
        (format!("ts = {}", at(7)), true, 2),
        (
            format!("ts > {} and function_id = 'guide/fn1'", at(1)),
            true,
            38,
        ),
        (format!("ts > {} limit 5", at(1)), true, 5),
        (format!("ts >= {} limit 5", at(0)), false, 5),
        (format!("ts != {}", at(7)), true, 118),
        (format!("ts <= {} or ts >= {}", at(20), at(40)), true, 82),
    ] {
        let sql = format!("select request_id from invocations where {condition}");
        let plan = engine().executed_plan(snapshot.clone(), &sql).await;
        let text = displayable(plan.as_ref()).indent(true).to_string();
        assert_eq!(text.contains("ts@"), cuts, "{condition}: {text}");
        let told = ask(&snapshot, &sql).await.unwrap();
        assert_eq!(told.len(), rows, "{condition}: {text}");
    }
}

/// Times of `samples` are milliseconds, and of `minutes` no more than that.
#[tokio::test]
async fn coarser_times_are_cut_where_a_condition_says() {
    let directory = TempDir::new().unwrap();
    let mut snapshot = snapshot(directory.path());
    let mut samples = SampleRows::new();
    for at in 0..10 {
        samples.push(&Sample {
            ts_ms: START * 1_000 + at,
            name: "up",
            labels: &Labels::default(),
            value: 1.0,
        });
    }
    let samples = samples.finish();
    let file = write(directory.path(), "s.parquet", Table::Samples, &samples, 4);
    snapshot.files.insert(Table::Samples, vec![file]);
    snapshot.memory.insert(Table::Samples, vec![samples]);
    let start = Timestamp::from_seconds(START).to_string();
    let at = |fraction| format!("'{}{fraction}Z'", start.trim_end_matches(".000Z"));
    for (question, rows) in [
        (format!("samples where ts >= {}", at("")), 20),
        (format!("samples where ts > {}", at("")), 18),
        (format!("samples where ts >= {}", at(".003")), 14),
        (
            format!("samples where ts > {} and name = 'up'", at(".003")),
            12,
        ),
        (format!("samples where ts < {}", at(".004")), 8),
        (format!("minutes where minute > {}", at("")), 12),
        (format!("minutes where minute >= {}", at("")), 18),
        (
            format!("minutes where minute <= {} and unit = 'a'", at("")),
            3,
        ),
    ] {
        let told = ask(&snapshot, &format!("select count(*) from {question}")).await;
        assert_eq!(told.unwrap(), [json!([rows])], "{question}");
    }
}

/// Row groups that statistics let through, and those they left out.
pub(super) fn row_groups(plan: &dyn ExecutionPlan) -> (usize, usize) {
    use datafusion::physical_plan::metrics::MetricValue;
    let mut sums = (0, 0);
    for metric in plan
        .metrics()
        .iter()
        .flat_map(datafusion::physical_plan::metrics::MetricsSet::iter)
    {
        if let MetricValue::PruningMetrics {
            name,
            pruning_metrics,
        } = metric.value()
            && name == "row_groups_pruned_statistics"
        {
            sums.0 += pruning_metrics.matched();
            sums.1 += pruning_metrics.pruned();
        }
    }
    for child in plan.children() {
        let below = row_groups(child.as_ref());
        sums = (sums.0 + below.0, sums.1 + below.1);
    }
    sums
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn every_row_is_seen_once_wherever_it_lies(
        parts in prop::collection::vec((0..3_usize, 0..60_i64, 1..80_i64), 1..6),
        from in -10..120_i64,
        length in 0..140_i64,
    ) {
        let directory = TempDir::new().unwrap();
        let mut snapshot = Snapshot::default();
        let mut expected: BTreeMap<String, (i64, i64)> = BTreeMap::new();
        for (at, (place, start, rows)) in parts.iter().enumerate() {
            let batch = invocations(*start..start + rows);
            if *place == 0 {
                snapshot.memory.entry(Table::Invocations).or_default().push(batch);
            } else {
                let file = write(directory.path(), &format!("{at}.parquet"), Table::Invocations, &batch, 16);
                snapshot.files.entry(Table::Invocations).or_default().push(file);
            }
            for second in (*start..start + rows).filter(|second| (from..=from + length).contains(second)) {
                let sum = expected.entry(format!("guide/fn{}", second % 3)).or_default();
                *sum = (sum.0 + 1, sum.1 + second * 1_000);
            }
        }
        let (first, last) = (Timestamp::from_seconds(START + from), Timestamp::from_seconds(START + from + length));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let expected: Vec<Value> = expected.into_iter().map(|(id, (rows, sum))| json!([id, rows, sum])).collect();
        // All that is asked is the time; that and more; what is not understood beforehand.
        for condition in [
            format!("ts >= '{first}' and ts <= '{last}'"),
            format!("ts between '{first}' and '{last}' and namespace = 'guide'"),
            format!("ts >= '{first}' and not ts > '{last}'"),
            format!("ts + interval '1 second' > '{first}' and '{last}' >= ts"),
        ] {
            let sql = format!("select function_id, count(*), sum(duration_us) from invocations where {condition} group by 1 order by 1");
            let told = runtime.block_on(ask(&snapshot, &sql)).unwrap();
            prop_assert_eq!(&told, &expected, "{}", condition);
            let sql = format!("select count(*) from invocations where {condition}");
            let told = runtime.block_on(ask(&snapshot, &sql)).unwrap();
            let rows: i64 = expected.iter().filter_map(|row| row[1].as_i64()).sum();
            prop_assert_eq!(told, [json!([rows])], "{}", condition);
        }
        let all: i64 = parts.iter().map(|(_, _, rows)| rows).sum();
        let told = runtime.block_on(ask(&snapshot, "select count(*) from invocations")).unwrap();
        prop_assert_eq!(told, [json!([all])]);
    }
}

proptest! {
    #[test]
    fn any_text_is_admitted_or_refused(words in prop::collection::vec(prop::sample::select(vec![
        "select", "*", "from", "invocations", "logs", "where", "(", ")", ",", "with", "as", "x", "union", "all", "'a'", "\"", "'",
        "1", "=", "in", "and", "not", "case", "when", "end", "over", "[", "]", "insert", "into", ";", "--", "/*", "*/", "$1", "\u{0}",
        "é", "ts", "::", "interval", "join", "on", "lateral", "values", "group by", "pivot", "for", "explain", "copy", "{", "}",
    ]), 0..40)) {
        let text = words.join(" ");
        if let Ok((_, tables)) = guard::admit(&text) {
            prop_assert!(tables.len() <= 2, "{}", text);
        }
        let _ = guard::admit(&words.concat());
    }
}

#[test]
fn shared_between_threads() {
    fn is_shared<T: Send + Sync + 'static>() {}
    is_shared::<Arc<QueryEngine>>();
}
