//! The server with a real object store that speaks S3 beside it.

use std::time::{Duration, Instant};

use super::house::{Folder, Server, rampart, send, text};
use super::peers;

const ROWS: usize = 40_000;

/// Calls of an hour that is long closed.
fn old_calls(from: usize) -> String {
    let at = chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now())
        - chrono::TimeDelta::hours(4);
    let at = at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    (from..from + ROWS)
        .map(|id| {
            format!(
                "{{\"ts\":\"{at}\",\"namespace\":\"guide\",\"function\":\"feed\",\"request_id\":\"r-{id}\",\"duration_ms\":12.5,\"outcome\":\"ok\"}}\n"
            )
        })
        .collect()
}

fn second_home(server: &Server) -> serde_json::Value {
    let system = server.get("/api/v1/system");
    system["store"]["second_home"].clone()
}

/// Rounds come once a minute.
fn within_minutes<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(240) {
        if let Some(seen) = look() {
            return seen;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    panic!("gave up waiting for: {what}");
}

#[test]
fn closed_hours_move_to_an_object_store_and_queries_follow() {
    let object_store = peers::object_store("rows");
    let endpoint = format!("http://127.0.0.1:{}", object_store.port);
    let folder = Folder::new();
    folder.write("key", "a-secret\n");
    folder.write(
        "rampart.yaml",
        &format!(
            "store:\n  memory_bytes_max: 64MiB\n  object_store: {{url: s3://rows/guard, endpoint: \"{endpoint}\", access_key: rampart, secret_key_file: key, keep_local: 1h}}\n"
        ),
    );
    let server = folder.serve();
    let mut rows = 0;
    // Until memory is half full they are in the log only.
    within_minutes("rows in Parquet", || {
        let url = format!("{}/api/v1/invocations", server.url);
        let sent = send("POST", &url, &[], old_calls(rows).as_bytes());
        if sent.is_ok_and(|answer| answer.status == 200) {
            rows += ROWS;
        }
        let system = server.get("/api/v1/system");
        (system["store"]["tables"]["invocations"]["files"].as_u64()? > 0).then_some(())
    });
    let sql = "select count(distinct request_id) from invocations";
    within_minutes("files in the second home only", || {
        let home = second_home(&server);
        assert!(home["failure"].is_null(), "{home}");
        (home["away_files"].as_u64()? > 0).then_some(())
    });
    assert_eq!(server.count(sql), rows as i64);
    let listed = send("GET", &format!("{endpoint}/rows?list-type=2"), &[], b"").unwrap();
    assert!(
        listed.body.contains("guard/tables/invocations/dt="),
        "{}",
        listed.body
    );
    let name = second_home(&server)["name"].clone();
    assert_eq!(name, "s3://rows/guard");

    drop(object_store);
    let query = serde_json::json!({ "query": sql });
    let json = [("content-type", "application/json")];
    let refused = server.request("POST", "/api/v1/sql", &json, query.to_string().as_bytes());
    assert!(
        refused.status >= 500,
        "the rows are nowhere else: {}",
        refused.body
    );
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn mistakes_about_it_are_told_together() {
    let folder = Folder::new();
    let path = folder.write(
        "rampart.yaml",
        "store:\n  object_store:\n    url: s4://rows\n    access_key: rampart\n    keep_local: 10m\n",
    );
    let checked = rampart(&["check", &path]);
    let said = text(&checked.stderr);
    assert_eq!(checked.status.code(), Some(78), "{said}");
    for expected in [
        "rampart.yaml:3:10: `s4://rows` does not begin with s3://",
        "its secret is missing",
    ] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
    let path = folder.write(
        "rampart.yaml",
        "store: {object_store: {url: \"s3://rows\", keep_local: 10m}}\n",
    );
    let said = text(&rampart(&["check", &path]).stderr);
    assert!(said.contains("for at least 1h after its end"), "{said}");
}

#[test]
fn of_calls_that_several_layers_log_the_configured_layer_counts() {
    let folder = Folder::new();
    folder.write(
        "rampart.yaml",
        "functions: {counted_layer: {\"guide/*\": sidecar}}\n",
    );
    let server = folder.serve();
    let call = |function: &str, layer: &str, id: usize| {
        let now = chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now()).to_rfc3339();
        format!(
            "{{\"ts\":\"{now}\",\"namespace\":\"{function}\",\"function\":\"feed\",\"layer\":\"{layer}\",\"request_id\":\"r-{id}\",\"duration_ms\":1,\"outcome\":\"ok\"}}\n"
        )
    };
    let mut rows = String::new();
    for namespace in ["guide", "travel"] {
        for id in 0..3 {
            rows += &call(namespace, "gateway", id);
        }
        for id in 0..2 {
            rows += &call(namespace, "sidecar", id);
        }
    }
    let answer = server.request("POST", "/api/v1/invocations", &[], rows.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.body);
    let counted = |namespace: &str| {
        server.count(&format!(
            "select sum(ok) from minutes where namespace = '{namespace}'"
        ))
    };
    assert_eq!((counted("guide"), counted("travel")), (2, 3));
    assert_eq!(server.count("select count(*) from invocations"), 10);
    assert_eq!(server.stop(), Some(0));
}
