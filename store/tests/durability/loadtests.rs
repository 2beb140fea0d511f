//! Load tests are kept like every other row: from the log, through Parquet, over restarts, into SQL.

use std::time::Duration;

use model::Timestamp;
use serde_json::json;
use store::{Batch, Loadtest, LoadtestRows, Options, Store, Table};

use crate::rows::NOW;
use crate::store::{clock, open_disk, options};

fn test(id: &str, at: Timestamp, low: f64) -> Batch {
    let mut rows = LoadtestRows::new();
    rows.push(&Loadtest {
        ts: at,
        id,
        namespace: "guide",
        function: "feed",
        version: "12",
        digest: "sha256:aa",
        kind: "capacity",
        verdict: "Confirmed",
        low: Some(low),
        per_pod: Some(low / 2.0),
        concurrency: Some(15),
        scenario_hash: "5f",
        target: "http://127.0.0.1:8080",
        result: "{\"kind\":\"capacity\"}",
        ..Loadtest::default()
    });
    Batch {
        loadtests: Some(rows.finish()),
        ..Batch::default()
    }
}

async fn rows(store: &Store) -> serde_json::Value {
    let sql = "SELECT id, function_id, version, verdict, low, high, per_pod, concurrency, result \
               FROM loadtests ORDER BY ts";
    let answer = store.query(sql, store.query_limits()).await.unwrap();
    serde_json::Value::Array(answer.to_json_rows())
}

#[tokio::test]
async fn load_tests_survive_the_log_parquet_merging_and_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let clock = clock();
    let options: Options = options(folder.path());
    let expected = json!([
        [
            "lt-1",
            "guide/feed",
            "12",
            "Confirmed",
            300.0,
            null,
            150.0,
            15,
            "{\"kind\":\"capacity\"}"
        ],
        [
            "lt-2",
            "guide/feed",
            "12",
            "Confirmed",
            320.0,
            null,
            160.0,
            15,
            "{\"kind\":\"capacity\"}"
        ],
    ]);
    let store = open_disk(options.clone(), &clock).await;
    let earlier = NOW - Duration::from_secs(60);
    store.commit(test("lt-1", earlier, 300.0)).await.unwrap();
    store.close().await;

    // Out of the log.
    let store = open_disk(options.clone(), &clock).await;
    store.flush().await.unwrap();
    store.commit(test("lt-2", NOW, 320.0)).await.unwrap();
    assert_eq!(rows(&store).await, expected);
    store.flush().await.unwrap();
    store.close().await;

    // Out of Parquet, merged into one file.
    clock.advance(Duration::from_hours(3));
    let store = open_disk(options, &clock).await;
    store.tidy().await.unwrap();
    assert_eq!(store.snapshot().files_of(Table::Loadtests).len(), 1);
    assert_eq!(rows(&store).await, expected);

    // Kept as long as counts per minute, and no longer.
    clock.advance(Duration::from_hours(24 * 399));
    store.tidy().await.unwrap();
    assert_eq!(store.stats().rows(Table::Loadtests), 2);
    store.close().await;
}
