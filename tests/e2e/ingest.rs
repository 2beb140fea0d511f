//! What comes in over HTTP: good lines kept, bad ones named, retries harmless, doors closed.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::json;

use super::house::{Folder, Server, calls, eventually};

const INGEST: &str = "/api/v1/invocations";
const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

fn plain_server(folder: &Folder) -> Server {
    Server::start(&[
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        &folder.text_path("data"),
    ])
}

fn packed(program: &str, body: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(["-c"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let body = body.to_vec();
    let feeding = std::thread::spawn(move || stdin.write_all(&body).unwrap());
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap();
    output.stdout
}

#[test]
fn a_batch_with_bad_lines_keeps_the_good_ones_and_names_the_bad() {
    let folder = Folder::new();
    let server = plain_server(&folder);
    let mut body = calls("guide/feed", "a", "ok", 0..9);
    body.insert_str(
        body.match_indices('\n').nth(2).unwrap().0 + 1,
        "{\"namespace\":\"guide\",\"function\":\"feed\",\"outcome\":\"okk\"}\n",
    );
    let answer = server.request("POST", INGEST, &[NDJSON], body.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.body);
    let said = answer.json();
    assert_eq!(
        (&said["accepted"], &said["rejected"]),
        (&json!(9), &json!(1)),
        "{said}"
    );
    assert_eq!(said["errors"][0]["line"], 4);
    let reason = said["errors"][0]["reason"].as_str().unwrap();
    assert!(
        reason.contains("outcome") && reason.contains("\"okk\""),
        "{reason}"
    );
    // Durable and visible before the answer: no waiting here.
    assert_eq!(
        server.count("select count(*) from invocations where function = 'feed'"),
        9
    );

    let nothing = server.request("POST", INGEST, &[NDJSON], b"not json\n{also not\n");
    assert_eq!(nothing.status, 400, "{}", nothing.body);
    assert_eq!(nothing.header("content-type"), "application/problem+json");
}

#[test]
fn packed_bodies_and_retries() {
    let folder = Folder::new();
    let server = plain_server(&folder);
    let body = calls("guide/feed", "a", "ok", 0..500);
    let gzip = server.request(
        "POST",
        INGEST,
        &[
            NDJSON,
            ("content-encoding", "gzip"),
            ("idempotency-key", "batch-1"),
        ],
        &packed("gzip", body.as_bytes()),
    );
    assert_eq!(
        (gzip.status, &gzip.json()["accepted"]),
        (200, &json!(500)),
        "{}",
        gzip.body
    );
    for _ in 0..3 {
        let again = server.request(
            "POST",
            INGEST,
            &[NDJSON, ("idempotency-key", "batch-1")],
            body.as_bytes(),
        );
        assert_eq!(again.body, gzip.body);
    }
    assert_eq!(server.count("select count(*) from invocations"), 500);
    server.kill();

    let server = plain_server(&folder);
    let again = server.request(
        "POST",
        INGEST,
        &[NDJSON, ("idempotency-key", "batch-1")],
        body.as_bytes(),
    );
    assert_eq!(again.body, gzip.body, "the key is remembered over a kill");
    assert_eq!(server.count("select count(*) from invocations"), 500);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn wrong_requests_get_the_right_status_and_a_problem_document() {
    let folder = Folder::new();
    let server = plain_server(&folder);
    let line = calls("guide/feed", "a", "ok", 0..1);
    for (method, path, headers, body, status) in [
        ("GET", "/api/v1/nothing", vec![], "", 404),
        ("GET", "/api/v1/incidents/none", vec![], "", 404),
        ("DELETE", INGEST, vec![], "", 405),
        (
            "POST",
            INGEST,
            vec![("content-type", "image/png")],
            line.as_str(),
            415,
        ),
        (
            "POST",
            INGEST,
            vec![NDJSON, ("content-encoding", "br")],
            line.as_str(),
            415,
        ),
        (
            "POST",
            INGEST,
            vec![NDJSON, ("content-encoding", "gzip")],
            line.as_str(),
            400,
        ),
        (
            "POST",
            "/api/v1/invocations?source=nobody",
            vec![NDJSON],
            line.as_str(),
            404,
        ),
        (
            "POST",
            "/api/v1/sql",
            vec![("content-type", "application/json")],
            "{\"query\":\"drop table invocations\"}",
            400,
        ),
        (
            "POST",
            "/api/v1/sql",
            vec![("content-type", "application/json")],
            "{\"query\":\"select nothing from invocations\"}",
            400,
        ),
        (
            "POST",
            "/api/v1/sql",
            vec![("content-type", "application/json")],
            "{",
            400,
        ),
        (
            "POST",
            INGEST,
            vec![NDJSON, ("origin", "https://elsewhere.example")],
            line.as_str(),
            403,
        ),
        (
            "GET",
            "/api/v1/incidents",
            vec![("host", "rebound.example")],
            "",
            403,
        ),
    ] {
        let answer = server.request(method, path, &headers, body.as_bytes());
        assert_eq!(
            answer.status, status,
            "{method} {path} {headers:?}: {}",
            answer.body
        );
        assert_eq!(
            answer.header("content-type"),
            "application/problem+json",
            "{method} {path}"
        );
        let problem = answer.json();
        assert_eq!(problem["status"], status, "{problem}");
        assert!(!problem["detail"].as_str().unwrap().is_empty(), "{problem}");
    }
    assert_eq!(server.count("select count(*) from invocations"), 0);
}

#[test]
fn tokens_open_only_their_own_doors() {
    let folder = Folder::new();
    folder.write("ingest.token", "in-secret\n");
    folder.write(
        "rampart.yaml",
        &format!(
            "auth:\n  tokens:\n    - {{name: gateway, role: ingest, token_file: {}}}\n    - {{name: screen, role: viewer, token: view-secret}}\n    - {{name: night, role: responder, token: respond-secret}}\n",
            folder.text_path("ingest.token")
        ),
    );
    let server = folder.serve();
    let line = calls("guide/feed", "a", "ok", 0..1);
    let ask = |token: &str, method: &str, path: &str, body: &str| {
        let header = format!("Bearer {token}");
        let kind = if path == INGEST {
            NDJSON
        } else {
            ("content-type", "application/json")
        };
        let headers = if token.is_empty() {
            vec![kind]
        } else {
            vec![kind, ("authorization", header.as_str())]
        };
        server
            .request(method, path, &headers, body.as_bytes())
            .status
    };
    for (token, ingest, read, act) in [
        ("", 401, 401, 401),
        ("wrong", 401, 401, 401),
        ("in-secret", 200, 403, 403),
        ("view-secret", 403, 200, 403),
        ("respond-secret", 403, 200, 404),
    ] {
        assert_eq!(
            ask(token, "POST", INGEST, &line),
            ingest,
            "{token:?} pushes"
        );
        assert_eq!(
            ask(token, "GET", "/api/v1/incidents", ""),
            read,
            "{token:?} reads"
        );
        assert_eq!(
            ask(token, "POST", "/api/v1/incidents/none/acknowledge", "{}"),
            act,
            "{token:?} acts"
        );
    }
    for path in [
        "//api/v1/incidents",
        "/api/v1/%69ncidents",
        "/API/v1/incidents",
        "/api/v1/incidents/",
    ] {
        let status = ask("in-secret", "GET", path, "");
        assert!(status == 403 || status == 404, "{path}: {status}");
    }
    assert_eq!(ask("", "GET", "/livez", ""), 200);
}

#[test]
fn a_heartbeat_moves_the_watermark_and_sources_tell_what_they_did() {
    let folder = Folder::new();
    folder.write("rampart.yaml", "collector:\n  sources:\n    - name: sdk\n      http: {expect_every: 10s}\n      format: rampart-json\n");
    let server = folder.serve();
    server.request(
        "POST",
        "/api/v1/invocations?source=sdk",
        &[NDJSON],
        calls("guide/feed", "a", "ok", 0..3).as_bytes(),
    );
    server.post(
        "/api/v1/sources/sdk/heartbeat",
        &json!({"complete_until": "2026-11-11T00:00:00Z"}),
    );
    let sources = server.get("/api/v1/sources");
    let source = &sources["sources"]
        .as_array()
        .unwrap()
        .iter()
        .find(|source| source["name"] == "sdk")
        .unwrap()
        .clone();
    assert_eq!(source["rows"], 3, "{source}");
    let missing = server.request(
        "POST",
        "/api/v1/sources/nobody/heartbeat",
        &[("content-type", "application/json")],
        b"{\"complete_until\":\"2026-11-11T00:00:00Z\"}",
    );
    assert_eq!(missing.status, 404, "{}", missing.body);
    let metrics = server.request("GET", "/metrics", &[], b"");
    assert!(
        metrics
            .body
            .contains("rampart_source_rows_total{source=\"sdk\"} 3"),
        "{}",
        metrics.body
    );
    eventually("the functions list", || {
        server.get("/api/v1/functions")["functions"]
            .as_array()
            .filter(|list| list.len() == 1)
            .map(|_| ())
    });
}
