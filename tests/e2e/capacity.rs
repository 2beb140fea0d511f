//! From the result of a load test to limits and to a page before pods are full.

use serde_json::{Value, json};

use super::house::{Folder, Server, eventually, rampart, text};

/// A capacity of 2 calls per second and pod, found just now.
fn capacity(id: &str, version: &str) -> Value {
    let now = chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now());
    json!({
        "kind": "capacity", "verdict": "Confirmed", "low": 2.0, "high": 2.1,
        "subject": {
            "id": id, "function": "guide/feed", "version": version, "digest": null,
            "target": "http://127.0.0.1:8080", "protocol": "http1", "scenario_hash": "5f",
            "started_at": now.to_rfc3339(), "seconds": 0.0, "seed": 1, "machine": "two cores",
            "pod_cpus": null, "pod_memory_bytes": null,
        },
        "objective": "p99 ≤ 100ms", "per_pod": 2.0, "per_cpu": null, "mean_latency_ms": 40.0,
        "limits": {"qps": 2.0, "concurrency": 1}, "pods": null,
        "limits_publish": {"publish": "ask", "max_change": 0.3},
        "searches": [], "hints": [],
    })
}

/// Sends `count` calls that end now, of two pods.
fn call(server: &Server, version: &str, count: usize) {
    let now = chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now())
        .to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let lines: String = (0..count)
        .map(|id| {
            let line = json!({
                "ts": now, "namespace": "guide", "function": "feed", "version": version,
                "instance": format!("pod-{}", id % 2), "outcome": "ok", "duration_ms": 1.0,
            });
            format!("{line}\n")
        })
        .collect();
    let answer = server.request("POST", "/api/v1/invocations", &[], lines.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// The rule as `/api/v1/rules` shows it.
fn rule(server: &Server) -> Value {
    server.get("/api/v1/rules")["rules"]
        .as_array()
        .unwrap()
        .iter()
        .find(|rule| rule["alert"] == "NearCapacity")
        .unwrap()
        .clone()
}

#[test]
fn a_capacity_becomes_limits_and_a_rule_that_fires_before_pods_are_full() {
    let folder = Folder::new();
    folder.write("rampart.yaml", "rules: {files: [rules.yaml]}\n");
    folder.write(
        "rules.yaml",
        "version: rampart/v1\nrules:\n  - alert: NearCapacity\n    functions: ['guide/*']\n    \
         qps: {above_capacity: 80%, over: 15s}\n",
    );
    let server = folder.serve();
    call(&server, "12", 150);
    eventually("the rule says why it cannot tell", || {
        let said = rule(&server)["last_unknown"].to_string();
        said.contains("no load test has measured").then_some(())
    });

    let kept = server.post("/api/v1/loadtests", &capacity("lt-1", "12"));
    assert_eq!(kept["limits"], "pending", "{kept}");
    // 150 calls in 15 s are 10 per second, two pods carry 4.
    let summary = eventually("it fires", || {
        call(&server, "12", 10);
        let alerts = server.get("/api/v1/functions/guide/feed")["alerts"].clone();
        alerts[0]["summary"].as_str().map(str::to_owned)
    });
    assert!(
        summary.contains(" of 4 QPS over 15s") && summary.contains("2 pods carry"),
        "{summary}"
    );

    // The result is a row, and survives a kill.
    server.kill();
    let server = folder.serve();
    assert_eq!(server.get("/api/v1/loadtests/lt-1")["low"], 2.0);
    assert_eq!(
        server.count("SELECT count(*) FROM loadtests WHERE kind = 'capacity' AND per_pod = 2"),
        1
    );
    call(&server, "12", 2);
    let limits = |more: &[&str]| {
        let printed = rampart(&[&["--server", &server.url, "limits"], more].concat());
        assert!(printed.status.success(), "{}", text(&printed.stderr));
        text(&printed.stdout)
    };
    let shown = limits(&[]);
    assert!(
        shown.contains("guide/feed")
            && shown.contains("Confirmed")
            && shown.contains("2/s, 1 at once"),
        "{shown}"
    );
    assert_eq!(limits(&["--format", "sentinel"]).trim(), "[]");
    limits(&["approve", "guide/feed", "--of", "lt-1"]);
    let rules: Value = serde_json::from_str(&limits(&["--format", "sentinel"])).unwrap();
    assert_eq!(
        (
            &rules[0]["resource"],
            &rules[0]["grade"],
            &rules[0]["count"]
        ),
        (&json!("guide/feed"), &json!(1), &json!(2.0))
    );

    // Another version takes over: the capacity is shown, marked, and not used.
    call(&server, "13", 20_000);
    let row = server.get("/api/v1/limits")["limits"][0].clone();
    assert_eq!(
        (&row["stale"], &row["qps_per_pod"], &row["published"]["qps"]),
        (&json!(true), &json!(2.0), &json!(2.0)),
        "{row}"
    );
    eventually("the rule says that the capacity is stale", || {
        let said = rule(&server)["states"].to_string();
        said.contains("version 13 is in production, 12 was tested")
            .then_some(())
    });
}
