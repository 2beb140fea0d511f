//! Pushed lines through the router, on a real store.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use axum_body::Body;
use collector::{Collector, Config, routes};
use http_body_util::BodyExt;
use inbound::{Identity, Role};
use model::{ManualClock, Ratio, Timestamp};
use outbound::{AllowList, Limits, Outbound};
use serde_json::{Value, json};
use store::{Options, QueryLimits, Store};
use tower::ServiceExt;

use axum::body as axum_body;
use axum::http::{Request, StatusCode};

const LINE: &str = r#"{"function":"feed","namespace":"guide","outcome":"ok"}"#;

struct House {
    home: tempfile::TempDir,
    store: Store,
    clock: Arc<ManualClock>,
    collector: Collector,
}

fn config_of(yaml: &str) -> Config {
    let node = declare::read("rampart.yaml", yaml).unwrap();
    let mut problems = declare::Problems::new();
    declare::check(&node, &collector::shape(), &mut problems);
    let config = Config::read(&node, &mut problems);
    config.unwrap_or_else(|| panic!("{problems}"))
}

async fn house_with(yaml: &str, change: impl FnOnce(&mut Options)) -> House {
    let home = tempfile::tempdir().unwrap();
    let clock = ManualClock::at("2026-11-11T00:00:05Z".parse().unwrap());
    let mut options = Options::new(home.path().join("store"));
    change(&mut options);
    let store = Store::open(options, clock.clone()).await.unwrap();
    let outbound = Outbound::new(AllowList::default(), Limits::default());
    let collector = Collector::start(
        config_of(yaml),
        store.clone(),
        outbound,
        clock.clone(),
        home.path(),
    )
    .unwrap();
    House {
        home,
        store,
        clock,
        collector,
    }
}

async fn house(yaml: &str) -> House {
    house_with(yaml, |_| {}).await
}

struct Reply {
    status: StatusCode,
    retry_after: Option<String>,
    json: Value,
}

impl House {
    async fn send(&self, mut request: Request<Body>) -> Reply {
        request.extensions_mut().insert(Identity {
            name: "test".to_owned(),
            role: Role::Admin,
        });
        let router = routes(self.collector.clone()).into_router();
        let response = router.oneshot(request).await.unwrap();
        let status = response.status();
        let retry_after = response
            .headers()
            .get("retry-after")
            .map(|value| value.to_str().unwrap().to_owned());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Reply {
            status,
            retry_after,
            json: serde_json::from_slice(&body).unwrap_or(Value::Null),
        }
    }

    async fn push(&self, query: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
        let mut request = Request::post(format!("/api/v1/invocations{query}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    async fn count(&self) -> i64 {
        let limits = QueryLimits {
            rows_max: 10,
            deadline: Duration::from_secs(30),
        };
        let answer = self
            .store
            .query("select count(*) from invocations", &limits)
            .await
            .unwrap();
        answer.to_json_rows()[0][0].as_i64().unwrap()
    }
}

#[tokio::test]
async fn good_lines_are_taken_and_bad_ones_named() {
    let house = house("").await;
    let body = format!("{LINE}\n{LINE}\n\n{{\"function\":\"f\",\"outcome\":\"okk\"}}\n{LINE}");
    let reply = house
        .push("", &[("content-type", "application/x-ndjson")], body)
        .await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.json,
        json!({"accepted": 3, "rejected": 1, "errors": [{"line": 4, "reason": "field outcome: unknown value \"okk\""}]})
    );
    assert_eq!(house.count().await, 3);

    let reply = house.push("", &[], "nonsense\n").await;
    assert_eq!(reply.status, 400);
    let detail = reply.json["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("none of 1 lines could be read; line 1: not valid JSON"),
        "{detail}"
    );
    let reply = house.push("", &[], "").await;
    assert_eq!(
        (reply.status, reply.json["accepted"].as_u64()),
        (StatusCode::OK, Some(0))
    );

    house.collector.stop().await;
    let letters = std::fs::read_to_string(house.home.path().join("rejected/push.ndjson")).unwrap();
    assert_eq!(letters.lines().count(), 2);
    assert!(
        letters.contains("okk") && letters.contains("nonsense"),
        "{letters}"
    );
}

#[tokio::test]
async fn compressed_bodies_and_content_types() {
    let house = house("").await;
    let lines = format!("{LINE}\n").repeat(1_000);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(lines.as_bytes()).unwrap();
    let zstd = zstd::encode_all(lines.as_bytes(), 1).unwrap();
    for (encoding, body) in [
        ("identity", lines.clone().into_bytes()),
        ("gzip", gzip.finish().unwrap()),
        ("zstd", zstd),
    ] {
        let reply = house
            .push("", &[("content-encoding", encoding)], body)
            .await;
        assert_eq!(
            (reply.status, &reply.json["accepted"]),
            (StatusCode::OK, &json!(1_000)),
            "{encoding}"
        );
    }
    assert_eq!(house.count().await, 3_000);
    for (content_type, status) in [
        ("application/json; charset=utf-8", 200),
        ("application/jsonl", 200),
        ("text/plain", 200),
        ("text/html", 415),
        ("application/x-www-form-urlencoded", 200),
        ("application/xml", 415),
    ] {
        let reply = house
            .push("", &[("content-type", content_type)], LINE)
            .await;
        assert_eq!(reply.status, status, "{content_type}");
    }
    let list = format!("[{LINE},{LINE}]");
    let reply = house
        .push("", &[("content-type", "application/json")], list)
        .await;
    assert_eq!(reply.json["accepted"], 2);
    let reply = house.push("", &[("content-encoding", "br")], LINE).await;
    assert_eq!(reply.status, 415);
}

#[tokio::test]
async fn a_repeated_key_is_harmless_and_gets_the_first_answer() {
    let house = house("").await;
    let key = [("idempotency-key", "batch-1")];
    let first = house.push("", &key, format!("{LINE}\nbad")).await;
    let again = house.push("", &key, format!("{LINE}\n{LINE}")).await;
    assert_eq!((first.status, &first.json), (again.status, &again.json));
    assert_eq!(house.count().await, 1);
    let other = house
        .push("", &[("idempotency-key", "batch-2")], LINE)
        .await;
    assert_eq!(other.json["accepted"], 1);
    assert_eq!(house.count().await, 2);
    let long = "k".repeat(129);
    for key in [long.as_str(), "", "caf\u{e9}"] {
        let reply = house.push("", &[("idempotency-key", key)], LINE).await;
        assert_eq!(
            (reply.status, &reply.json["field"]),
            (StatusCode::BAD_REQUEST, &json!("Idempotency-Key")),
            "{key}"
        );
    }
}

#[tokio::test]
async fn sources_are_chosen_by_name() {
    let one = house("sources: [{name: sdk, http: {expect_every: 10s}}]").await;
    one.push("", &[], LINE).await;
    let status = |house: &House, name: &str| {
        let sources = house.collector.sources();
        sources
            .into_iter()
            .find(|source| source.name == name)
            .unwrap()
    };
    assert_eq!(
        (status(&one, "sdk").rows, status(&one, "push").rows),
        (1, 0)
    );
    one.push("?source=push", &[], LINE).await;
    assert_eq!(status(&one, "push").rows, 1);

    let two = house("sources: [{name: a, http: {}}, {name: b, http: {}}, {name: f, file: {path: /nowhere/x}, format: rampart-json}]").await;
    two.push("", &[], LINE).await;
    two.push("?source=b", &[], LINE).await;
    assert_eq!((status(&two, "push").rows, status(&two, "b").rows), (1, 1));
    for unknown in ["f", "nobody"] {
        let reply = two.push(&format!("?source={unknown}"), &[], LINE).await;
        assert_eq!(reply.status, 404);
        assert_eq!(reply.json["hint"], "sources that do: a, b, push");
    }
}

#[tokio::test]
async fn what_does_not_fit_is_turned_away() {
    let house = house("").await;
    let reply = house.push("", &[], "\n".repeat(250_001)).await;
    assert_eq!(reply.status, 413);
    let reply = house.push("", &[], vec![b'x'; (20 << 20) + 1]).await;
    assert_eq!(reply.status, 413);

    // No free space is ever enough, so the store says that it is full.
    let full = house_with("", |options| options.disk_free_bytes_min = u64::MAX).await;
    let reply = full.push("", &[], LINE).await;
    assert_eq!(
        (reply.status, reply.retry_after.as_deref()),
        (StatusCode::SERVICE_UNAVAILABLE, Some("5"))
    );

    // Memory holds one batch and not two.
    let tight = house_with("", |options| options.memory_bytes_max = 140 << 10).await;
    let batch = format!("{LINE}\n").repeat(200);
    let mut last = tight.push("", &[], batch.clone()).await;
    for _ in 0..50 {
        if last.status != 200 {
            break;
        }
        last = tight.push("", &[], batch.clone()).await;
    }
    assert_eq!(last.status, 429);
    assert_eq!(last.retry_after.as_deref(), Some("5"));
    assert_eq!(tight.store.stats().memory["ingest"].refused, 1);

    let closed = house_with("", |_| {}).await;
    closed.store.clone().close().await;
    let reply = closed.push("", &[], LINE).await;
    assert_eq!(
        (reply.status, reply.retry_after.as_deref()),
        (StatusCode::SERVICE_UNAVAILABLE, Some("30"))
    );
}

#[tokio::test]
async fn heartbeats_and_batches_tell_how_far_a_pusher_is() {
    let house =
        house("sources: [{name: sdk, http: {expect_every: 10s}}, {name: quiet, http: {}}]").await;
    let feed = "guide/feed".parse().unwrap();
    let now: Timestamp = "2026-11-11T00:00:05Z".parse().unwrap();
    let known = |to: Timestamp| house.collector.completeness(Some(&feed), now, to);
    assert_eq!(known(now).known, None);
    house.push("?source=sdk", &[], LINE).await;
    assert_eq!(known(now).known, Ratio::new(1.0));
    assert_eq!(
        known(now + Duration::from_secs(1)).why,
        "not there yet: sdk"
    );

    house.push("?source=quiet", &[], LINE).await;
    let unknown = known(now);
    assert!(
        unknown.known.is_none() && unknown.why.contains("quiet"),
        "{unknown:?}"
    );
    let beat = |until: &str, source: &str| {
        Request::post(format!("/api/v1/sources/{source}/heartbeat"))
            .header("content-type", "application/json")
            .body(Body::from(json!({"complete_until": until}).to_string()))
            .unwrap()
    };
    let reply = house.send(beat("2026-11-11T00:01:00Z", "quiet")).await;
    assert_eq!(
        reply.json,
        json!({"source": "quiet", "watermark": "2026-11-11T00:01:00.000Z"})
    );
    assert_eq!(known(now).known, Ratio::new(1.0));
    assert_eq!(
        house
            .send(beat("2026-11-11T00:01:00Z", "nobody"))
            .await
            .status,
        404
    );
    assert_eq!(
        house.send(beat("2026-11-11T01:00:00Z", "sdk")).await.status,
        400
    );
    assert_eq!(house.send(beat("soon", "sdk")).await.status, 400);
}

#[tokio::test]
async fn sources_are_told_with_their_books() {
    let house = house("sources: [{name: sdk, http: {expect_every: 10s}}]").await;
    house
        .push("", &[], format!("{LINE}\n{{\"function\":\"f\"}}"))
        .await;
    house.clock.advance(Duration::from_secs(30));
    let reply = house
        .send(Request::get("/api/v1/sources").body(Body::empty()).unwrap())
        .await;
    let sdk = &reply.json["sources"][1];
    assert_eq!(
        *sdk,
        json!({
            "name": "sdk", "kind": "http", "format": "rampart-json", "state": "running", "rows": 1, "bytes": 71,
            "rejected": {"missing_field": 1}, "skipped": 0, "clamped": 0, "last_seen": "2026-11-11T00:00:05.000Z",
            "watermark": "2026-11-11T00:00:05.000Z", "lag_seconds": 30.0, "completeness": 0.0, "last_error": ""
        })
    );
}

#[tokio::test]
async fn feeds_are_remembered_across_a_restart() {
    let house = house("sources: [{name: sdk, http: {expect_every: 10s}}]").await;
    house.push("", &[], LINE).await;
    house.collector.stop().await;
    // Further back than where the search begins.
    house.clock.advance(Duration::from_hours(5));
    let outbound = Outbound::new(AllowList::default(), Limits::default());
    let config = config_of("sources: [{name: sdk, http: {expect_every: 10s}}]");
    let again = Collector::start(
        config,
        house.store.clone(),
        outbound,
        house.clock.clone(),
        house.home.path(),
    )
    .unwrap();
    let feed = "guide/feed".parse().unwrap();
    let now: Timestamp = "2026-11-11T00:00:05Z".parse().unwrap();
    // The function is silent since the restart: it is missed, not unknown.
    for _ in 0..500 {
        if again.completeness(Some(&feed), now, now).known.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        again.completeness(Some(&feed), now, now).known,
        Ratio::new(0.0)
    );
    again.stop().await;
}

#[tokio::test]
async fn a_batch_sent_again_is_a_sign_of_life_and_nothing_else() {
    let house = house("sources: [{name: sdk, http: {expect_every: 10s}}]").await;
    let key = [("idempotency-key", "one")];
    house.push("?source=sdk", &key, LINE).await;
    let status = || {
        let sources = house.collector.sources();
        sources.into_iter().find(|s| s.name == "sdk").unwrap()
    };
    let first = status();
    house.clock.advance(Duration::from_secs(13));
    assert_eq!(status().completeness, Some(0.0));
    house.push("?source=sdk", &key, LINE).await;
    let again = status();
    assert_eq!((again.watermark, again.rows), (first.watermark, 1));
    assert_eq!(again.completeness, Some(1.0));
}

#[tokio::test]
async fn calls_left_out_show_how_far_their_sender_is() {
    let house =
        house("sources: [{name: sdk, http: {expect_every: 10s}, function: {only: ['guide/*']}}]")
            .await;
    let line = r#"{"function":"travel/plan","outcome":"ok","ts":"2026-11-11T00:00:01Z","duration_ms":500}"#;
    let reply = house.push("", &[], line).await;
    assert_eq!(reply.json["accepted"], 0);
    let sources = house.collector.sources();
    let sdk = sources.iter().find(|source| source.name == "sdk").unwrap();
    let expected: Timestamp = "2026-11-11T00:00:01.5Z".parse().unwrap();
    assert_eq!((sdk.skipped, sdk.watermark), (1, Some(expected)));
}
