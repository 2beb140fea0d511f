//! Which files, row groups and times a question reads, and that each row comes once.

use std::collections::BTreeMap;

use datafusion::physical_plan::{ExecutionPlan, displayable};
use proptest::prelude::*;

use super::*;

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
pub(in crate::sql) fn row_groups(plan: &dyn ExecutionPlan) -> (usize, usize) {
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
