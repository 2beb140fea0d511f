//! Routing, what is recorded of a call, and that no record is lost or doubled on the way.

use std::sync::Mutex;

use axum::extract::Query;
use model::SystemClock;
use serde_json::Value;

use super::queue::BATCH_ROWS_MAX;
use super::*;
use crate::pod::{Fault, Pod, PodOptions};

fn row(number: u64) -> Row {
    Row {
        ts: model::Timestamp::from_seconds(1_700_000_000),
        namespace: "guide".to_owned(),
        function: "feed".to_owned(),
        version: "1".to_owned(),
        unit: "a".to_owned(),
        zone: "z".to_owned(),
        instance: "pod-1".to_owned(),
        request_id: number.to_string(),
        trigger: "http",
        layer: "gateway",
        duration_us: 1,
        outcome: Outcome::Ok,
        http_status: 200,
        error_type: None,
        cold_start: false,
        served_by: "faas",
        traffic: "live",
    }
}

fn ids(body: &str) -> Vec<String> {
    body.lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["request_id"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect()
}

#[test]
fn batches_keep_order_and_have_keys_of_their_own() {
    let queue = Queue::new(model::Timestamp::from_seconds(1));
    assert_eq!(queue.take_batch(), None);
    let count = BATCH_ROWS_MAX as u64 + 5;
    (0..count).for_each(|number| queue.push(row(number)));
    let (first, second) = (queue.take_batch().unwrap(), queue.take_batch().unwrap());
    assert_eq!((first.rows, second.rows), (BATCH_ROWS_MAX, 5));
    assert_ne!(first.key, second.key);
    let all: Vec<_> = [ids(&first.body), ids(&second.body)].concat();
    assert_eq!(
        all,
        (0..count)
            .map(|number| number.to_string())
            .collect::<Vec<_>>()
    );
    assert!(queue.is_empty());
}

#[test]
fn a_full_queue_drops_the_newest_and_counts() {
    let queue = Queue::new(model::Timestamp::EPOCH);
    (0..QUEUE_ROWS_MAX as u64 + 3).for_each(|number| queue.push(row(number)));
    assert_eq!(queue.dropped(), 3);
    let first = queue.take_batch().unwrap();
    assert_eq!(ids(&first.body)[0], "0");
    queue.drop_batch(&first);
    assert_eq!(queue.dropped(), 3 + BATCH_ROWS_MAX as u64);
}

/// A stand-in for Rampart that fails as told and remembers what it was sent.
#[derive(Default)]
struct Taker {
    answers: Mutex<Vec<u16>>,
    batches: Mutex<Vec<(String, String, u16)>>,
    heartbeats: Mutex<Vec<model::Timestamp>>,
}

async fn take(
    State(taker): State<Arc<Taker>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: String,
) -> StatusCode {
    assert_eq!(query["source"], "demo");
    assert_eq!(headers["content-type"], "application/x-ndjson");
    let status = taker.answers.lock().unwrap().pop().unwrap_or(200);
    let key = headers["idempotency-key"].to_str().unwrap().to_owned();
    taker.batches.lock().unwrap().push((key, body, status));
    StatusCode::from_u16(status).unwrap()
}

async fn beat(State(taker): State<Arc<Taker>>, axum::Json(body): axum::Json<Value>) {
    let until = body["complete_until"].as_str().unwrap().parse().unwrap();
    taker.heartbeats.lock().unwrap().push(until);
}

async fn taker(answers: &[u16]) -> (Arc<Taker>, Listening) {
    let taker = Arc::new(Taker {
        answers: Mutex::new(answers.iter().rev().copied().collect()),
        ..Taker::default()
    });
    let router = Router::new()
        .route("/api/v1/invocations", axum::routing::post(take))
        .route("/api/v1/sources/demo/heartbeat", axum::routing::post(beat))
        .with_state(Arc::clone(&taker));
    (taker, Listening::start("a stand-in", router).await.unwrap())
}

async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), waiting).await;
    assert!(waited.is_ok(), "{what} did not happen");
}

#[tokio::test]
async fn a_batch_is_sent_again_unchanged_until_it_is_taken() {
    let (taker, listening) = taker(&[503, 429, 500, 200]).await;
    let clock = SystemClock::shared();
    let queue = Arc::new(Queue::new(clock.now()));
    queue.push(row(1));
    queue.push(row(2));
    let url = format!("http://{}", listening.address());
    let pusher = Pusher::start(&url, Arc::clone(&queue), &clock).unwrap();
    eventually("a heartbeat", || {
        !taker.heartbeats.lock().unwrap().is_empty()
    })
    .await;
    let batches = taker.batches.lock().unwrap().clone();
    assert_eq!(
        batches.iter().map(|batch| batch.2).collect::<Vec<_>>(),
        [503, 429, 500, 200]
    );
    assert!(
        batches
            .iter()
            .all(|batch| (&batch.0, &batch.1) == (&batches[0].0, &batches[0].1))
    );
    assert_eq!(ids(&batches[0].1), ["1", "2"]);
    assert!(taker.heartbeats.lock().unwrap()[0] < clock.now());
    pusher.stop().await;
    assert_eq!(queue.dropped(), 0);
}

#[tokio::test]
async fn a_refused_batch_is_counted_and_does_not_block() {
    let (taker, listening) = taker(&[400, 200]).await;
    let clock = SystemClock::shared();
    let queue = Arc::new(Queue::new(clock.now()));
    queue.push(row(1));
    let url = format!("http://{}", listening.address());
    let pusher = Pusher::start(&url, Arc::clone(&queue), &clock).unwrap();
    eventually("the refusal", || queue.dropped() == 1).await;
    queue.push(row(2));
    pusher.stop().await;
    assert_eq!(taker.batches.lock().unwrap().len(), 2);
    assert_eq!(queue.dropped(), 1);
}

async fn backend(unit: &str, fault: Fault) -> (Pod, Backend) {
    let options = PodOptions {
        unit: unit.to_owned(),
        instance: format!("pod-{unit}"),
        ..PodOptions::default()
    };
    let pod = Pod::start(options).await.unwrap();
    pod.set_fault(fault);
    let backend = Backend {
        address: pod.address(),
        version: "12".to_owned(),
        unit: unit.to_owned(),
        zone: "z".to_owned(),
        instance: format!("pod-{unit}"),
    };
    (pod, backend)
}

#[tokio::test]
async fn every_call_is_routed_in_turn_and_recorded_once() {
    let (taker, listening) = taker(&[]).await;
    let (healthy, first) = backend("a", Fault::None).await;
    let (_failing, second) = backend("b", Fault::Fail { share: 1.0 }).await;
    let (gone, third) = backend("c", Fault::None).await;
    drop(gone);
    let route = Route {
        function: "guide/feed".parse().unwrap(),
        backends: vec![first, second, third],
    };
    let clock = SystemClock::shared();
    let rampart = format!("http://{}", listening.address());
    let gateway = Gateway::start(vec![route], &rampart, &clock).await.unwrap();
    let client = crate::loopback_client(Duration::from_secs(20)).unwrap();
    let url = |path: &str| format!("http://{}{path}", gateway.address());
    let mut statuses = Vec::new();
    for _ in 0..2 {
        for _ in 0..3 {
            let answer = client
                .get(url("/guide/feed/list?page=2"))
                .send()
                .await
                .unwrap();
            statuses.push(answer.status().as_u16());
        }
    }
    assert_eq!(
        client
            .get(url("/guide/nobody"))
            .send()
            .await
            .unwrap()
            .status(),
        404
    );
    assert_eq!(client.get(url("/")).send().await.unwrap().status(), 404);
    assert_eq!(
        (&statuses[..2], &statuses[3..5]),
        ([200, 500].as_slice(), [200, 500].as_slice())
    );
    assert!(matches!(statuses[2], 502 | 504), "{statuses:?}");
    assert_eq!(healthy.calls_served(), 2);
    gateway.stop().await;

    let batches = taker.batches.lock().unwrap();
    let rows: Vec<Value> = batches
        .iter()
        .flat_map(|(_, body, _)| body.lines())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 6, "one row a routed call");
    let told: Vec<_> = rows
        .iter()
        .take(2)
        .map(|row| {
            (
                row["unit"].as_str().unwrap(),
                row["outcome"].as_str().unwrap(),
                row["http_status"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(told, [("a", "ok", 200), ("b", "function_error", 500)]);
    assert_eq!(rows[1]["error_type"], "RecommenderUnreachable");
    assert_eq!(
        (
            &rows[0]["namespace"],
            &rows[0]["function"],
            &rows[0]["version"]
        ),
        (&"guide".into(), &"feed".into(), &"12".into())
    );
    assert!(rows[0]["duration_us"].as_u64().unwrap() > 0);
    let requests: std::collections::HashSet<_> = rows
        .iter()
        .map(|row| row["request_id"].as_str().unwrap())
        .collect();
    assert_eq!(requests.len(), 6);
}
