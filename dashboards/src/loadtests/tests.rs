//! The API over a real store, with restarts.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use inbound::{Gate, Role, Token, Tokens};
use model::{Clock, ManualClock, Outcome, Secret};
use serde_json::{Value, json};
use store::{Invocation, InvocationRows, Options};
use tower::ServiceExt;

use super::*;

const NOW: &str = "2026-11-19T12:00:00Z";

struct House {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    store: Store,
    loadtests: LoadTests,
}

impl House {
    async fn new() -> House {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(NOW.parse().unwrap());
        let (store, loadtests) = open(folder.path(), &clock).await;
        House {
            folder,
            clock,
            store,
            loadtests,
        }
    }

    async fn restarted(self) -> House {
        let House {
            folder,
            clock,
            store,
            loadtests,
        } = self;
        drop(loadtests);
        store.flush().await.unwrap();
        store.close().await;
        let (store, loadtests) = open(folder.path(), &clock).await;
        House {
            folder,
            clock,
            store,
            loadtests,
        }
    }

    async fn ask(&self, role: Role, method: &str, path: &str, body: &str) -> (u16, Value) {
        let tokens = [Role::Viewer, Role::Responder, Role::Admin, Role::Ingest].map(|role| Token {
            name: role.as_str().to_owned(),
            role,
            secret: Secret::new(format!("secret-{role}")),
        });
        let gate = Gate::new(Some(Tokens::new(tokens.into())));
        let router = inbound::layer(api::routes(self.loadtests.clone()).into_router(), gate);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Host", "127.0.0.1:9650")
            .header("Authorization", format!("Bearer secret-{role}"))
            .header("Content-Type", "application/json")
            .body(Body::from(body.to_owned()))
            .unwrap();
        let answer = router.oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let bytes = axum::body::to_bytes(answer.into_body(), 32 << 20)
            .await
            .unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn post(&self, result: &Value) -> (u16, Value) {
        let text = result.to_string();
        self.ask(Role::Responder, "POST", "/api/v1/loadtests", &text)
            .await
    }

    async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.ask(Role::Viewer, "GET", path, "").await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// One live call a second ago by each of these instances, of this version and image.
    async fn calls(&self, version: &str, digest: &str, instances: &[&str]) {
        let mut rows = InvocationRows::new();
        for instance in instances {
            rows.push(&Invocation {
                ts: self.clock.now() - Duration::from_secs(1),
                namespace: "guide",
                function: "feed",
                version,
                instance,
                outcome: Outcome::Ok,
                weight: 1,
                seen_at: self.clock.now(),
                attrs: &[("image_digest", digest)],
                ..Invocation::default()
            });
        }
        let batch = Batch {
            invocations: Some(rows.finish()),
            ..Batch::default()
        };
        self.store.commit(batch).await.unwrap();
    }
}

async fn open(folder: &std::path::Path, clock: &Arc<ManualClock>) -> (Store, LoadTests) {
    let clock: SharedClock = Arc::<ManualClock>::clone(clock);
    let store = Store::open(Options::new(folder), clock.clone())
        .await
        .unwrap();
    let loadtests = LoadTests::open(store.clone(), clock).await.unwrap();
    (store, loadtests)
}

/// A capacity of `qps` calls per second and pod, found at noon less `ago` seconds.
fn capacity(id: &str, ago: u64, version: &str, qps: f64, publish: &str) -> Value {
    let began: Timestamp = NOW.parse().unwrap();
    json!({
        "kind": "capacity", "verdict": "Confirmed", "low": qps, "high": qps * 1.05,
        "subject": {
            "id": id, "function": "guide/feed", "version": version, "digest": null,
            "target": "http://127.0.0.1:8080", "protocol": "http1", "scenario_hash": "5f",
            "started_at": (began - Duration::from_secs(ago)).to_string(), "seconds": 0.0, "seed": 1,
            "machine": "two cores", "pod_cpus": 2.0, "pod_memory_bytes": 536_870_912,
        },
        "objective": "p99 ≤ 100ms", "per_pod": qps, "per_cpu": qps / 2.0, "mean_latency_ms": 40.0,
        "limits": {"qps": qps, "concurrency": (qps / 20.0).ceil() as u64}, "pods": null,
        "limits_publish": {"publish": publish, "max_change": 0.3},
        "searches": [], "hints": [],
    })
}

fn feed() -> FunctionId {
    "guide/feed".parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn results_are_kept_once_and_read_back_after_a_restart() {
    let house = House::new().await;
    let result = capacity("lt-1", 60, "12", 300.0, "never");
    let (status, answer) = house.post(&result).await;
    assert_eq!(
        (status, &answer["limits"]),
        (200, &json!("none")),
        "{answer}"
    );
    let (status, again) = house.post(&result).await;
    assert_eq!((status, &again["why"]), (200, &json!("it was kept before")));
    let other = capacity("lt-1", 60, "12", 310.0, "never");
    assert_eq!(house.post(&other).await.0, 409);
    let mut run = json!({"kind": "run", "subject": result["subject"].clone(), "load": "300/s",
        "thresholds": [{"wanted": "p99 ≤ 100ms", "got": "120ms", "held": false}],
        "total": loadtest::result::Window::default(), "seconds": [], "invalid": [], "stopped": null});
    run["subject"]["id"] = json!("lt-2");
    run["total"]["statuses"] = json!({"200": 7, "503": 1});
    assert_eq!(house.post(&run).await.0, 200);

    let house = house.restarted().await;
    assert_eq!(house.get("/api/v1/loadtests/lt-1").await, result);
    assert_eq!(house.get("/api/v1/loadtests/lt-2").await, run);
    let ids = |listed: Value| -> Vec<String> {
        let rows = listed["loadtests"].as_array().unwrap().clone();
        rows.iter()
            .map(|row| format!("{} {}", row["id"], row["verdict"]).replace('"', ""))
            .collect()
    };
    for (query, expected) in [
        ("", vec!["lt-2 Missed", "lt-1 Confirmed"]),
        ("?kind=capacity", vec!["lt-1 Confirmed"]),
        ("?function=guide/feed&limit=1", vec!["lt-2 Missed"]),
        ("?function=guide/o'ther", vec![]),
    ] {
        let listed = house.get(&format!("/api/v1/loadtests{query}")).await;
        assert_eq!(ids(listed), expected, "{query}");
    }
    let listed = house.get("/api/v1/loadtests?kind=capacity").await;
    let row = &listed["loadtests"][0];
    assert_eq!(
        (
            &row["per_pod"],
            &row["cpu_limit"],
            &row["memory_limit"],
            &row["ts"]
        ),
        (
            &json!(300.0),
            &json!(2.0),
            &json!(536_870_912),
            &json!("2026-11-19T11:59:00.000Z")
        )
    );
    let sql = "SELECT function_id, kind FROM loadtests ORDER BY id";
    let answer = house.store.query(sql, house.store.query_limits()).await;
    assert_eq!(
        json!(answer.unwrap().to_json_rows()),
        json!([["guide/feed", "capacity"], ["guide/feed", "run"]])
    );
    assert_eq!(
        house.loadtests.capacity(&feed()),
        PodCapacity::PerPod(300.0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_result_is_refused_with_its_field() {
    let house = House::new().await;
    let change = |path: &str, value: Value| {
        let mut result = capacity("lt-1", 60, "12", 300.0, "never");
        *result.pointer_mut(path).unwrap() = value;
        result
    };
    for (result, status, field) in [
        (
            json!({"function": "guide/feed", "load": {"rate": "300/s"}}),
            400,
            "",
        ),
        (json!([1, 2]), 400, ""),
        (change("/kind", json!("guess")), 400, ""),
        (change("/subject/id", json!("a/b")), 422, "subject.id"),
        (change("/subject/id", json!("")), 422, "subject.id"),
        (
            change("/subject/function", Value::Null),
            422,
            "subject.function",
        ),
        (
            change("/subject/function", json!("a/b\n")),
            422,
            "subject.function",
        ),
        (
            change("/subject/started_at", json!("noon")),
            422,
            "subject.started_at",
        ),
        (
            change("/subject/started_at", json!("2027-11-19T12:00:00Z")),
            422,
            "subject.started_at",
        ),
        (
            change("/subject/started_at", json!("2020-11-19T12:00:00Z")),
            422,
            "subject.started_at",
        ),
        (
            change("/subject/seconds", json!(-1.0)),
            422,
            "subject.seconds",
        ),
        (change("/per_pod", json!(-5.0)), 422, "per_pod"),
    ] {
        let (got, problem) = house.post(&result).await;
        assert_eq!(got, status, "{result}: {problem}");
        assert_eq!(problem["field"].as_str().unwrap_or(""), field, "{problem}");
        assert!(problem["detail"].is_string(), "{problem}");
    }
    let huge = "x".repeat(17 << 20);
    let (status, _) = house
        .ask(Role::Responder, "POST", "/api/v1/loadtests", &huge)
        .await;
    assert_eq!(status, 413);
    for (path, status) in [
        ("/api/v1/loadtests/none", 404),
        ("/api/v1/loadtests/a%27b", 404),
        ("/api/v1/loadtests?kind=limits", 400),
        ("/api/v1/loadtests?limit=0", 400),
        ("/api/v1/limits?format=xml", 400),
    ] {
        assert_eq!(
            house.ask(Role::Viewer, "GET", path, "").await.0,
            status,
            "{path}"
        );
    }
    assert_eq!(house.get("/api/v1/limits").await["limits"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_keep_look_and_approve() {
    let house = House::new().await;
    let result = capacity("lt-1", 60, "12", 300.0, "ask").to_string();
    let approve = "/api/v1/limits/guide/feed/approve";
    for (role, method, path, body, status) in [
        (
            Role::Viewer,
            "POST",
            "/api/v1/loadtests",
            result.as_str(),
            403,
        ),
        (Role::Ingest, "POST", "/api/v1/loadtests", &result, 403),
        (Role::Ingest, "GET", "/api/v1/limits", "", 403),
        (Role::Admin, "POST", approve, "", 404),
        (Role::Responder, "POST", "/api/v1/loadtests", &result, 200),
        (Role::Responder, "POST", approve, "", 403),
        (Role::Admin, "POST", approve, "{\"of\":\"lt-0\"}", 409),
        (Role::Admin, "POST", approve, "{\"of\":\"lt-1\"}", 200),
        (Role::Admin, "POST", approve, "{\"of\":\"lt-1\"}", 200),
        (Role::Admin, "POST", approve, "", 200),
    ] {
        let (got, answer) = house.ask(role, method, path, body).await;
        assert_eq!(got, status, "{role} {method} {path}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_wait_are_approved_and_follow_small_changes_by_themselves() {
    let house = House::new().await;
    let first = capacity("lt-1", 600, "12", 300.0, "auto");
    let (_, answer) = house.post(&first).await;
    assert_eq!(answer["limits"], json!("pending"), "{answer}");
    assert_eq!(house.get("/api/v1/limits?format=sentinel").await, json!([]));
    let row = house.get("/api/v1/limits").await["limits"][0].clone();
    assert_eq!(row["published"], Value::Null);
    assert_eq!(row["pending"]["loadtest"], json!("lt-1"));
    let (status, row) = house
        .ask(Role::Admin, "POST", "/api/v1/limits/guide/feed/approve", "")
        .await;
    assert_eq!(status, 200, "{row}");
    assert_eq!(
        (
            &row["pending"],
            &row["published"]["qps"],
            &row["published"]["by"]
        ),
        (&Value::Null, &json!(300.0), &json!("admin"))
    );

    // A small change is taken at once, but only from who could approve it.
    let small = capacity("lt-2", 500, "12", 320.0, "auto");
    assert_eq!(house.post(&small).await.1["limits"], json!("pending"));
    let trusted = capacity("lt-3", 400, "12", 330.456_789, "auto").to_string();
    let (_, answer) = house
        .ask(Role::Admin, "POST", "/api/v1/loadtests", &trusted)
        .await;
    assert_eq!(answer["limits"], json!("published"), "{answer}");
    let large = capacity("lt-4", 300, "12", 900.0, "auto").to_string();
    let (_, answer) = house
        .ask(Role::Admin, "POST", "/api/v1/loadtests", &large)
        .await;
    assert_eq!(answer["limits"], json!("pending"), "{answer}");

    let house = house.restarted().await;
    let row = house.get("/api/v1/limits").await["limits"][0].clone();
    assert_eq!(row["published"]["loadtest"], json!("lt-3"));
    assert_eq!(row["pending"]["loadtest"], json!("lt-4"));
    assert_eq!(
        house.get("/api/v1/limits?format=sentinel").await,
        json!([
            {"resource": "guide/feed", "limitApp": "default", "grade": 1, "count": 330.4,
             "strategy": 0, "controlBehavior": 0, "clusterMode": false},
            {"resource": "guide/feed", "limitApp": "default", "grade": 0, "count": 17.0,
             "strategy": 0, "controlBehavior": 0, "clusterMode": false},
        ])
    );
    // Decisions are no load tests.
    let listed = house.get("/api/v1/loadtests").await;
    assert_eq!(listed["loadtests"].as_array().unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capacity_of_another_build_is_shown_as_stale_and_not_used() {
    let house = House::new().await;
    let mut tested = capacity("lt-1", 60, "12", 300.0, "never");
    tested["subject"]["digest"] = json!("sha256:aa");
    house.post(&tested).await;
    house
        .calls("12", "sha256:aa", &["pod-1", "pod-2", "pod-2"])
        .await;
    house.loadtests.shared.production.refresh_now(&feed()).await;
    let row = house.get("/api/v1/limits").await["limits"][0].clone();
    assert_eq!(
        (
            &row["stale"],
            &row["live_pods"],
            &row["qps_total"],
            &row["verdict"]
        ),
        (&json!(false), &json!(2), &json!(600.0), &json!("Confirmed"))
    );
    assert_eq!(
        house.loadtests.capacity(&feed()),
        PodCapacity::PerPod(300.0)
    );

    // The same version, another image.
    house.clock.advance(Duration::from_mins(10));
    house.calls("12", "sha256:bb", &["pod-3"]).await;
    house.loadtests.shared.production.refresh_now(&feed()).await;
    let row = house.get("/api/v1/limits").await["limits"][0].clone();
    let why = "image sha256:bb is in production, sha256:aa was tested";
    assert_eq!(
        (
            &row["stale"],
            &row["why"],
            &row["qps_per_pod"],
            &row["live_pods"]
        ),
        (&json!(true), &json!(why), &json!(300.0), &json!(1))
    );
    assert_eq!(
        house.loadtests.capacity(&feed()),
        PodCapacity::Unusable(why.to_owned())
    );
    let other: FunctionId = "guide/other".parse().unwrap();
    assert_eq!(house.loadtests.capacity(&other), PodCapacity::Untested);
}
