//! The whole demo against a stand-in for Rampart: traffic arrives as records, a text message is
//! answered through its link, and everything stops cleanly.

#![allow(clippy::unwrap_used)] // helpers of tests

use std::collections::BTreeSet;
use std::io::Write;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::response::Html;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

/// What the stand-in has seen.
#[derive(Default)]
struct Seen {
    rows: BTreeSet<(String, String, String)>,
    heartbeats: usize,
    acknowledged: bool,
}

type Shared = Arc<Mutex<Seen>>;

async fn take_rows(State(seen): State<Shared>, body: String) {
    let mut seen = seen.lock().unwrap();
    for line in body.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let text = |field: &str| row[field].as_str().unwrap().to_owned();
        assert_eq!(row["outcome"], "ok", "{row}");
        seen.rows
            .insert((text("namespace"), text("function"), text("unit")));
    }
}

async fn take_heartbeat(State(seen): State<Shared>) {
    seen.lock().unwrap().heartbeats += 1;
}

async fn incidents(State(seen): State<Shared>) -> Json<Value> {
    let status = if seen.lock().unwrap().acknowledged {
        "acknowledged"
    } else {
        "open"
    };
    Json(
        json!({"incidents": [{"id": "i1", "status": status, "title": "guide/wow-video-feed fails"}]}),
    )
}

async fn page() -> Html<&'static str> {
    Html(
        "<form method=\"post\" action=\"/a/token\"><button name=\"action\" value=\"acknowledge\">I have it</button></form>",
    )
}

async fn tap(State(seen): State<Shared>, body: String) {
    assert_eq!(body, "action=acknowledge");
    seen.lock().unwrap().acknowledged = true;
}

async fn stand_in(seen: &Shared) -> String {
    let router = Router::new()
        .route("/api/v1/invocations", post(take_rows))
        .route("/api/v1/sources/demo/heartbeat", post(take_heartbeat))
        .route("/api/v1/incidents", get(incidents))
        .route("/a/token", get(page).post(tap))
        .with_state(Arc::clone(seen));
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

#[derive(Clone, Default)]
struct Sheet(Arc<Mutex<Vec<u8>>>);

impl Sheet {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Sheet {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn sms_url(configuration: &str) -> String {
    let at = configuration.find("url: \"http").unwrap() + "url: \"".len();
    configuration[at..].split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn traffic_arrives_a_text_message_is_answered_and_all_stops() {
    let seen = Shared::default();
    let rampart_url = stand_in(&seen).await;
    let stage = demo::prepare().await.unwrap();
    let sms = sms_url(&stage.configuration().alerting);
    assert!(sms.ends_with("/sms"), "{sms}");
    let sheet = Sheet::default();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(stage.run(demo::Options {
        rampart_url: rampart_url.clone(),
        out: Box::new(sheet.clone()),
        seed: 7,
        stop: Box::pin(async move {
            let _ = stopped.await;
        }),
    }));

    let story = async {
        while seen.lock().unwrap().rows.len() < 8 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let link = format!("{rampart_url}/a/token");
        let message = json!({"text": "guide/wow-video-feed fails", "acknowledge_url": link, "recipient": {"person": "first"}});
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        assert_eq!(
            client
                .post(&sms)
                .json(&message)
                .send()
                .await
                .unwrap()
                .status(),
            200
        );
        while !sheet.text().contains("acknowledged, nobody else is woken") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let told = tokio::time::timeout(Duration::from_mins(1), story).await;
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
    let text = sheet.text();
    assert!(told.is_ok(), "the story stopped here:\n{text}");
    for expected in [
        "platform  4 functions on 16 pods in 2 units, about 120 calls per second",
        "incident  opened: guide/wow-video-feed fails",
        "sms       to first: guide/wow-video-feed fails",
        "person    opens the link of the text message and taps \"I have it\"",
        "platform  stops after",
        " 0 records lost",
    ] {
        assert!(text.contains(expected), "{expected} is missing in:\n{text}");
    }
    assert!(seen.lock().unwrap().heartbeats > 0);
}
