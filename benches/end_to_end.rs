//! The figures of the whole, measured on the real binary over loopback: durable rows per second over
//! HTTP, the way from an acknowledged row to a webhook, memory at rest.
//!
//! `make bench` runs it; it prints what it measured and on which machine, and asserts no times.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a measurement stops at the first surprise
#![allow(clippy::disallowed_methods, clippy::print_stdout)] // and reads real clocks and prints

use std::collections::HashMap;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::post;
use tokio::sync::mpsc;

const LOAD_FOR: Duration = Duration::from_secs(10);
const SENDERS: usize = 2;
const LINES_PER_BATCH: usize = 4_000;
const TRIALS: usize = 60;

struct Server {
    child: Child,
    url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(folder: &std::path::Path) -> Server {
    let config = folder.join("rampart.yaml").display().to_string();
    let data = folder.join("data").display().to_string();
    let mut child = Command::new(env!("CARGO_BIN_EXE_rampart"))
        .args([
            "serve",
            "--config",
            &config,
            "--listen",
            "127.0.0.1:0",
            "--data-dir",
            &data,
        ])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    let address = lines
        .find_map(|line| Some(line.ok()?.split("address=").nth(1)?.trim().to_owned()))
        .expect("the server tells its address");
    std::thread::spawn(move || lines.for_each(drop));
    Server {
        child,
        url: format!("http://{address}"),
    }
}

fn resident_mib(server: &Server) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<f64>()
        .unwrap()
        / 1024.0
}

/// One call of about 292 bytes.
fn line(id: usize, namespace: &str, function: &str, outcome: &str) -> String {
    let now = chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now())
        .to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    format!(
        "{{\"ts\":\"{now}\",\"namespace\":\"{namespace}\",\"function\":\"{function}\",\"version\":\"12\",\"unit\":\"a\",\"zone\":\"zb-1\",\"instance\":\"pod-{}\",\"request_id\":\"1c7a9e52-4f0b-4a57-9c1e-{id:012}\",\"duration_ms\":41.7,\"outcome\":\"{outcome}\",\"http_status\":200,\"cold_start\":false,\"served_by\":\"faas\",\"traffic\":\"live\"}}\n",
        id % 40
    )
}

async fn rows_per_second(server: &Server) {
    let bodies: Vec<String> = (0..8)
        .map(|batch| {
            (0..LINES_PER_BATCH)
                .map(|row| {
                    line(
                        batch * LINES_PER_BATCH + row,
                        "bench",
                        &format!("load-{}", row % 200),
                        "ok",
                    )
                })
                .collect()
        })
        .collect();
    let bytes = bodies[0].len() / LINES_PER_BATCH;
    let bodies = Arc::new(bodies);
    let began = Instant::now();
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..SENDERS {
        let (bodies, url) = (bodies.clone(), format!("{}/api/v1/invocations", server.url));
        senders.spawn(async move {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let (mut accepted, mut refused, mut turn) = (0_usize, 0_usize, sender);
            while began.elapsed() < LOAD_FOR {
                let body = bodies[turn % bodies.len()].clone();
                let answer = client
                    .post(&url)
                    .header("content-type", "application/x-ndjson")
                    .body(body)
                    .send()
                    .await
                    .unwrap();
                match answer.status().as_u16() {
                    200 => accepted += LINES_PER_BATCH,
                    429 => {
                        refused += 1;
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                    status => panic!("status {status}: {}", answer.text().await.unwrap()),
                }
                turn += 1;
            }
            (accepted, refused)
        });
    }
    let (accepted, refused) = senders
        .join_all()
        .await
        .into_iter()
        .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let rate = accepted as f64 / began.elapsed().as_secs_f64();
    println!(
        "ingest over HTTP, durable before the answer: {rate:.0} rows/s ({accepted} rows of {bytes} bytes, {SENDERS} senders on the same cores, {refused} answers 429)"
    );
}

/// The way of an alert of a window.
async fn row_to_webhook(server: &Server, messages: &mut mpsc::Receiver<(Instant, String)>) {
    let namespace = "bench";
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut took = Vec::new();
    for trial in 0..TRIALS {
        // Another moment relative to the engine's tick in every trial.
        tokio::time::sleep(Duration::from_millis(300 + (trial as u64 * 137) % 1_000)).await;
        let function = format!("{namespace}-fails-{trial:03}");
        let body: String = (0..60)
            .map(|row| line(row, namespace, &function, "function_error"))
            .collect();
        let acknowledged = send(&client, &server.url, body).await;
        let arrived = tokio::time::timeout(Duration::from_secs(20), async {
            while let Some((at, text)) = messages.recv().await {
                if text.contains(&function) {
                    return at;
                }
            }
            panic!("the receiver is gone");
        });
        let arrived = arrived
            .await
            .unwrap_or_else(|_| panic!("no message for {function} within 20 s"));
        took.push(arrived.saturating_duration_since(acknowledged));
    }
    tell("below 99% in 1m", took);
}

fn tell(rule: &str, mut took: Vec<Duration>) {
    took.sort();
    let at =
        |share: f64| took[((took.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1e3;
    println!(
        "last needed call acknowledged -> webhook received, {rule}: p50 {:.0} ms, p95 {:.0} ms, max {:.0} ms ({TRIALS} trials)",
        at(0.5),
        at(0.95),
        at(1.0)
    );
}

async fn send(client: &reqwest::Client, server: &str, body: String) -> Instant {
    let to = format!("{server}/api/v1/invocations");
    let answer = client.post(to).body(body).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    Instant::now()
}

/// The way of a page of `detect: early`. How many calls it needs is the rule's to decide: functions that have been
/// well for a while fail from some moment on, 60 calls a second, and what counts is the answer before the message.
async fn early_to_webhook(server: &Server, messages: &mut mpsc::Receiver<(Instant, String)>) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let names: Vec<String> = (0..TRIALS)
        .map(|trial| format!("early-fails-{trial:03}"))
        .collect();
    let body = |name: &str, calls: usize, outcome: &str| -> String {
        (0..calls)
            .map(|row| line(row, "early", name, outcome))
            .collect()
    };
    for _ in 0..140 {
        let well = names.iter().map(|name| body(name, 20, "ok")).collect();
        send(&client, &server.url, well).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let answered: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
    let mut failing = tokio::task::JoinSet::new();
    for (trial, name) in names.iter().cloned().enumerate() {
        let (client, url, answered) = (client.clone(), server.url.clone(), Arc::clone(&answered));
        failing.spawn(async move {
            // Another moment relative to the engine's tick in every trial.
            tokio::time::sleep(Duration::from_millis(137 * trial as u64)).await;
            loop {
                let calls = (0..60).map(|row| line(row, "early", &name, "function_error"));
                let at = send(&client, &url, calls.collect()).await;
                answered.lock().unwrap().insert(name.clone(), at);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
    }
    let mut took: HashMap<String, Duration> = HashMap::new();
    let all = async {
        while took.len() < TRIALS {
            let (at, text) = messages.recv().await.expect("the receiver is gone");
            let told = names.iter().filter(|name| text.contains(name.as_str()));
            for name in told {
                let last = answered.lock().unwrap()[name];
                let way = at.saturating_duration_since(last);
                took.entry(name.clone()).or_insert(way);
            }
        }
    };
    let all = tokio::time::timeout(Duration::from_mins(2), all).await;
    assert!(
        all.is_ok(),
        "{} of {TRIALS} functions were told of",
        took.len()
    );
    failing.abort_all();
    tell("detect: early", took.into_values().collect());
}

async fn receiver() -> (String, mpsc::Receiver<(Instant, String)>) {
    let (sender, receiver) = mpsc::channel(1_000);
    let router = Router::new().route(
        "/",
        post(move |body: String| {
            let sender = sender.clone();
            async move {
                let _ = sender.send((Instant::now(), body)).await;
            }
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, receiver)
}

fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name\t: "))
        .unwrap_or("unknown processor")
        .to_owned();
    format!(
        "{model}, {} cores",
        std::thread::available_parallelism().map_or(0, usize::from)
    )
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let (url, mut messages) = receiver().await;
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "rampart.yaml",
        "rules: {files: [rules.yaml]}\nalerting: {file: alerting.yaml}\n",
    );
    write(
        "rules.yaml",
        "version: rampart/v1\nrules:\n  - alert: SuccessRateLow\n    functions: [\"bench/*\"]\n    by: [function]\n    success_rate: {below: 99%, over: 1m, min_calls: 50}\n  - alert: Failing\n    functions: [\"early/*\"]\n    by: [function]\n    success_rate: {objective: 99.9%, detect: early}\n",
    );
    write(
        "alerting.yaml",
        &format!(
            "receivers:\n  - name: hook\n    webhook: {{url: \"{url}\"}}\nroute: {{receiver: hook}}\n"
        ),
    );
    println!(
        "machine: {}; profile of the binary: {}",
        machine(),
        env!("CARGO_BIN_EXE_rampart")
            .rsplit('/')
            .nth(1)
            .unwrap_or("?")
    );
    let server = serve(folder.path());
    tokio::time::sleep(Duration::from_secs(5)).await;
    println!("memory at rest: {:.0} MiB", resident_mib(&server));
    row_to_webhook(&server, &mut messages).await;
    early_to_webhook(&server, &mut messages).await;
    rows_per_second(&server).await;
    println!("memory after the load: {:.0} MiB", resident_mib(&server));
}
