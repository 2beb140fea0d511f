//! Files and targets from end to end: started, rotated, restarted, reloaded.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use collector::{Collector, Config, SourceState};
use model::{SharedClock, SystemClock};
use outbound::{AllowList, Limits, Outbound};
use serde_json::{Value, json};
use store::{Options, QueryLimits, Store};

fn config_of(yaml: &str) -> Config {
    let node = declare::read("rampart.yaml", yaml).unwrap();
    let mut problems = declare::Problems::new();
    declare::check(&node, &collector::shape(), &mut problems);
    let config = Config::read(&node, &mut problems);
    config.unwrap_or_else(|| panic!("{problems}"))
}

fn start(config: Config, store: &Store, clock: &SharedClock, home: &Path) -> Collector {
    let outbound = Outbound::new(AllowList::default(), Limits::default());
    Collector::start(config, store.clone(), outbound, clock.clone(), home).unwrap()
}

async fn open(home: &Path, clock: &SharedClock) -> Store {
    open_with(home, clock, |_| {}).await
}

async fn open_with(home: &Path, clock: &SharedClock, change: fn(&mut Options)) -> Store {
    let mut options = Options::new(home.join("store"));
    change(&mut options);
    Store::open(options, clock.clone()).await.unwrap()
}

async fn query(store: &Store, sql: &str) -> Vec<Value> {
    let limits = QueryLimits {
        rows_max: 1_000,
        deadline: Duration::from_secs(30),
    };
    store.query(sql, &limits).await.unwrap().to_json_rows()
}

/// Asks until the answer is as expected; a wrong one is shown when patience ends.
async fn eventually(store: &Store, sql: &str, expected: Value) {
    let mut got = Value::Null;
    for _ in 0..300 {
        got = Value::Array(query(store, sql).await);
        if got == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(got, expected, "{sql}");
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn call(request: u32) -> String {
    json!({"function": "feed", "outcome": "ok", "request_id": format!("r-{request}")}).to_string()
        + "\n"
}

const IDS: &str = "select count(*), count(distinct request_id) from invocations";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_read_once_across_restarts_and_rotation() {
    let home = tempfile::tempdir().unwrap();
    let clock = SystemClock::shared();
    let log = home.path().join("calls.log");
    let yaml = format!(
        "sources: [{{name: calls, file: {{path: '{}'}}, format: rampart-json}}]",
        log.display()
    );
    let mut written = 0;
    for round in 0..4 {
        let store = open(home.path(), &clock).await;
        let collector = start(config_of(&yaml), &store, &clock, home.path());
        for _ in 0..50 {
            append(&log, &call(written));
            written += 1;
        }
        if round == 2 {
            std::fs::rename(&log, home.path().join("calls.log.1")).unwrap();
            append(&log, &call(written));
            written += 1;
        }
        if round % 2 == 0 {
            eventually(&store, IDS, json!([[written, written]])).await;
        }
        collector.stop().await;
        store.close().await;
    }
    let store = open(home.path(), &clock).await;
    let collector = start(config_of(&yaml), &store, &clock, home.path());
    eventually(&store, IDS, json!([[written, written]])).await;
    let feed = "default/feed".parse().unwrap();
    for _ in 0..100 {
        if collector.watermark(&feed).is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let until = collector.watermark(&feed).unwrap();
    assert!(
        clock.now().since(until) >= Duration::from_millis(900),
        "{until}"
    );
    collector.stop().await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_source_says_so_and_hinders_no_other() {
    let home = tempfile::tempdir().unwrap();
    let clock = SystemClock::shared();
    let store = open(home.path(), &clock).await;
    let (good, late) = (home.path().join("good.log"), home.path().join("late.log"));
    append(&good, &call(1));
    let yaml = format!(
        "sources:\n- {{name: good, file: {{path: '{}'}}, format: rampart-json}}\n- {{name: late, file: {{path: '{}'}}, format: rampart-json}}\n",
        good.display(),
        late.display()
    );
    let collector = start(config_of(&yaml), &store, &clock, home.path());
    eventually(&store, IDS, json!([[1, 1]])).await;
    let status = |name: &str| {
        collector
            .sources()
            .into_iter()
            .find(|s| s.name == name)
            .unwrap()
    };
    for _ in 0..100 {
        if status("late").state == SourceState::Failing {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(status("good").state, SourceState::Running);
    assert_eq!(status("late").state, SourceState::Failing);
    assert!(status("late").last_error.contains("late.log"));
    append(&late, &call(2));
    eventually(&store, IDS, json!([[2, 2]])).await;

    // A reload that leaves out one source keeps the books of the other.
    let kept = format!(
        "sources: [{{name: good, file: {{path: '{}'}}, format: rampart-json}}]",
        good.display()
    );
    collector.reload(config_of(&kept)).await;
    assert!(
        collector
            .sources()
            .iter()
            .all(|source| source.name != "late")
    );
    assert_eq!(status("good").rows, 1);
    append(&good, &call(3));
    append(&late, &call(4));
    eventually(&store, IDS, json!([[3, 3]])).await;
    collector.stop().await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_is_scraped_until_it_goes_away() {
    let home = tempfile::tempdir().unwrap();
    let clock = SystemClock::shared();
    let store = open(home.path(), &clock).await;
    let healthy = Arc::new(AtomicBool::new(true));
    let shown = Arc::clone(&healthy);
    let metrics = move || {
        let healthy = shown.load(Ordering::SeqCst);
        async move {
            if healthy {
                let body = "# TYPE q gauge\nq{queue=\"a\"} 3\n# EOF\n";
                (
                    StatusCode::OK,
                    [(
                        "content-type",
                        "application/openmetrics-text; version=1.0.0",
                    )],
                    body,
                )
            } else {
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    [("content-type", "text/plain")],
                    "no",
                )
            }
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        axum::serve(listener, Router::new().route("/metrics", get(metrics))).await
    });
    let yaml = format!(
        "sources: [{{name: pods, scrape: {{targets: ['{address}'], every: 200ms}}, labels: {{unit: a}}}}]"
    );
    let collector = start(config_of(&yaml), &store, &clock, home.path());
    eventually(
        &store,
        "select distinct name, value, labels from samples where name in ('q', 'up') order by name",
        json!([
            ["q", 3.0, {"instance": address.to_string(), "job": "pods", "queue": "a", "unit": "a"}],
            ["up", 1.0, {"instance": address.to_string(), "job": "pods", "unit": "a"}]
        ]),
    )
    .await;
    let status = || {
        collector
            .sources()
            .into_iter()
            .find(|s| s.name == "pods")
            .unwrap()
    };
    assert_eq!(status().state, SourceState::Running);
    assert!(status().watermark.is_some());

    healthy.store(false, Ordering::SeqCst);
    // The series ends once; a stale marker is a NaN, which JSON shows as null.
    eventually(
        &store,
        "select count(*) from samples where name = 'q' and isnan(value)",
        json!([[1]]),
    )
    .await;
    eventually(
        &store,
        "select value from samples where name = 'up' order by ts desc limit 1",
        json!([[0.0]]),
    )
    .await;
    assert!(
        status().last_error.contains("answered status 500"),
        "{}",
        status().last_error
    );
    collector.stop().await;
    store.close().await;
    serving.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_whose_writer_never_pauses_is_complete_nonetheless() {
    let home = tempfile::tempdir().unwrap();
    let clock = SystemClock::shared();
    let store = open(home.path(), &clock).await;
    let log = home.path().join("calls.log");
    append(&log, &call(0));
    let yaml = format!(
        "sources: [{{name: calls, file: {{path: '{}'}}, format: rampart-json}}]",
        log.display()
    );
    let collector = start(config_of(&yaml), &store, &clock, home.path());
    let done = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (done, log) = (Arc::clone(&done), log.clone());
        move || {
            let mut file = OpenOptions::new().append(true).open(log).unwrap();
            let mut written = 1;
            while !done.load(Ordering::SeqCst) {
                file.write_all(call(written).as_bytes()).unwrap();
                written += 1;
                std::thread::sleep(Duration::from_micros(500));
            }
        }
    });
    let feed = "default/feed".parse().unwrap();
    let began = clock.now();
    let mut until = None;
    for _ in 0..300 {
        until = collector.watermark(&feed);
        if until > Some(began) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    done.store(true, Ordering::SeqCst);
    writer.join().unwrap();
    assert!(until > Some(began), "{until:?}");
    collector.stop().await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_at_the_end_is_remembered_before_the_first_line() {
    let home = tempfile::tempdir().unwrap();
    let clock = SystemClock::shared();
    let store = open(home.path(), &clock).await;
    let log = home.path().join("calls.log");
    append(&log, &call(0));
    let yaml = format!(
        "sources: [{{name: calls, file: {{path: '{}', start: end}}, format: rampart-json}}]",
        log.display()
    );
    let collector = start(config_of(&yaml), &store, &clock, home.path());
    for _ in 0..300 {
        if store.position("file:calls").is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    collector.stop().await;
    append(&log, &call(1));
    let collector = start(config_of(&yaml), &store, &clock, home.path());
    eventually(&store, IDS, json!([[1, 1]])).await;
    let ids = "select request_id from invocations";
    eventually(&store, ids, json!([["r-1"]])).await;
    collector.stop().await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_store_never_takes_is_put_aside_and_the_rest_is_read() {
    let home = tempfile::tempdir().unwrap();
    let clock = SystemClock::shared();
    let store = open_with(home.path(), &clock, |options| {
        options.queue_rows_max = 3;
        options.queue_bytes_max = 32 << 10;
    })
    .await;
    let log = home.path().join("calls.log");
    for request in 0..20 {
        append(&log, &call(request));
        if request == 7 {
            let attrs: serde_json::Map<String, Value> = (0..32)
                .map(|index| (format!("a{index}"), json!("x".repeat(1024))))
                .collect();
            let line = json!({"function": "huge", "outcome": "ok", "attrs": attrs});
            append(&log, &format!("{line}\n"));
        }
    }
    let yaml = format!(
        "sources: [{{name: calls, file: {{path: '{}'}}, format: rampart-json}}]",
        log.display()
    );
    let collector = start(config_of(&yaml), &store, &clock, home.path());
    eventually(&store, IDS, json!([[20, 20]])).await;
    let sources = collector.sources();
    let calls = sources
        .iter()
        .find(|source| source.name == "calls")
        .unwrap();
    assert_eq!(calls.rejected.get("unstorable"), Some(&1), "{calls:?}");
    assert_eq!(calls.rows, 20);
    collector.stop().await;
    let letters = std::fs::read_to_string(home.path().join("rejected/calls.ndjson")).unwrap();
    assert!(
        letters.contains("is too large") && letters.contains("a0"),
        "{letters}"
    );
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_does_not_wait_for_targets_that_hang() {
    let home = tempfile::tempdir().unwrap();
    let clock = SystemClock::shared();
    let store = open(home.path(), &clock).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let yaml = format!(
        "sources: [{{name: pods, scrape: {{targets: ['{address}'], every: 60s, timeout: 60s}}}}]"
    );
    let collector = start(config_of(&yaml), &store, &clock, home.path());
    // It connects, and is never answered.
    let hanging = listener.accept().await.unwrap();
    // Less than it takes until sources are cut off.
    let patience = Duration::from_millis(1_200);
    let stopped = tokio::time::timeout(patience, collector.stop()).await;
    assert!(stopped.is_ok());
    drop(hanging);
    store.close().await;
}
