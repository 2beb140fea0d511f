//! What a Rampart server does with results: it keeps them, shows what pods carry, and gives out limits.

use serde_json::{Value, json};

use super::bench::{Pod, Running, alone, result, run, until_believed};
use super::house::{Folder, PATIENCE, Server};

/// One call of production that ends now, answered by this image.
fn call(server: &Server, digest: &str) {
    let now = chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now())
        .to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let line = json!({
        "ts": now, "namespace": "guide", "function": "feed", "version": "12", "instance": "pod-1",
        "outcome": "ok", "duration_ms": 1.0, "attrs": {"image_digest": digest},
    });
    let answer = server.request(
        "POST",
        "/api/v1/invocations",
        &[],
        format!("{line}\n").as_bytes(),
    );
    assert_eq!(answer.status, 200, "{}", answer.body);
}

fn limits(server: &Server) -> Value {
    let limits = server.get("/api/v1/limits")["limits"].clone();
    assert_eq!(limits.as_array().unwrap().len(), 1, "{limits}");
    limits[0].clone()
}

#[test]
fn a_run_is_kept_by_the_server_that_its_plan_names() {
    let _turn = alone();
    let pod = Pod::start(&["--service", "5ms"]);
    let folder = Folder::new();
    folder.write("rampart.yaml", "{}\n");
    let server = folder.serve();
    let plan = folder.write(
        "plan.yaml",
        &format!(
            "function: guide/feed\nversion: \"12\"\ndigest: \"sha256:aa\"\nserver: {}\ntarget: \"http://{}\"\nallow: [\"127.0.0.1\"]\n\
             requests: [{{path: /feed}}]\nload: {{rate: 50/s, duration: 2s}}\noutput: {{json: {}}}\n",
            server.url,
            pod.address,
            folder.text_path("out.json")
        ),
    );
    let ended = Running::start(&["loadtest", "run", &plan, "--keep-local"]).end();
    assert!(matches!(ended.code, Some(0 | 98)), "{}", ended.said);
    assert_eq!(server.get("/api/v1/loadtests")["loadtests"], json!([]));

    let ended = run(&folder, "plan.yaml");
    assert!(matches!(ended.code, Some(0 | 98)), "{}", ended.said);
    let found = result(&folder, "out.json");
    let id = found["subject"]["id"].as_str().unwrap();
    assert!(
        ended.said.contains(&format!("kept as {id}; limits: none")),
        "{}",
        ended.said
    );
    let listed = server.get("/api/v1/loadtests?function=guide/feed")["loadtests"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(
        (&listed[0]["id"], &listed[0]["kind"], &listed[0]["digest"]),
        (&json!(id), &json!("run"), &json!("sha256:aa")),
        "{listed}"
    );
    // All of it is kept, but for the mark of the file's own format.
    let kept = server.get(&format!("/api/v1/loadtests/{id}"));
    for (field, value) in found.as_object().unwrap() {
        if field != "schema" {
            assert_eq!(&kept[field], value, "{field}");
        }
    }
    assert_eq!(server.get("/api/v1/limits")["limits"], json!([]));

    // A server that is gone costs the delivery, not the result.
    server.kill();
    let ended = run(&folder, "plan.yaml");
    assert_eq!(ended.code, Some(1), "{}", ended.said);
    assert!(
        ended.said.contains("the result was not kept by the server"),
        "{}",
        ended.said
    );
    assert_ne!(
        result(&folder, "out.json")["subject"]["id"],
        found["subject"]["id"]
    );
    assert!(
        ended.printed.contains("guide/feed, version 12"),
        "{}",
        ended.printed
    );
}

#[test]
fn limits_follow_from_a_capacity_and_are_stale_when_another_image_runs() {
    let _turn = alone();
    let pod = Pod::start(&["--service", "5ms", "--pool", "8"]);
    let folder = Folder::new();
    folder.write("rampart.yaml", "{}\n");
    let server = folder.serve();
    let plan = folder.write(
        "plan.yaml",
        &format!(
            "function: guide/feed\nversion: \"12\"\ndigest: \"sha256:aa\"\nserver: {}\ntarget: \"http://{}\"\nallow: [\"127.0.0.1\"]\n\
             requests: [{{path: /feed}}]\nload: {{arrivals: poisson}}\nobjective: {{p90: 500ms, success_rate: 90%}}\n\
             capacity: {{start: 40/s, max: 80/s, soak: 5s, searches: 1}}\nplan: {{peak: 1000/s, growth: 30%, zones: 3, lose: 1, spare: 2}}\n\
             limits: {{publish: ask}}\noutput: {{json: {}}}\n",
            server.url,
            pod.address,
            folder.text_path("out.json")
        ),
    );
    let found = until_believed(|| {
        let ended = Running::start(&["loadtest", "capacity", &plan]).end_within(4 * PATIENCE);
        assert!(matches!(ended.code, Some(0 | 98)), "{}", ended.said);
        let found = result(&folder, "out.json");
        if ended.code == Some(0) && found["per_pod"] == json!(80.0) {
            Ok(found)
        } else {
            Err(format!("{}: {}", found["verdict"], found["why"]))
        }
    });
    // The plan allows no more than 80/s, so that much is known and no more.
    assert_eq!(
        (&found["verdict"], &found["low"]),
        (&json!("AtLeast"), &json!(80.0))
    );
    assert!(
        found["why"]
            .as_str()
            .unwrap()
            .contains("the plan allows no more than 80/s"),
        "{found}"
    );
    // 1 000/s and 30 % more, 70 % of 80/s each: 24 pods; two zones must do alone: 12 in each of three.
    assert!(found["pods"].is_object(), "{found}");

    let id = found["subject"]["id"].as_str().unwrap();
    let row = limits(&server);
    let concurrency = found["limits"]["concurrency"].clone();
    assert_eq!(
        (
            &row["qps_per_pod"],
            &row["concurrency_per_pod"],
            &row["loadtest"],
            &row["stale"]
        ),
        (&json!(80.0), &concurrency, &json!(id), &json!(false)),
        "{row}"
    );
    assert_eq!(
        (&row["pending"]["qps"], &row["published"]),
        (&json!(80.0), &Value::Null)
    );
    assert_eq!(server.get("/api/v1/limits?format=sentinel"), json!([]));
    server.post("/api/v1/limits/guide/feed/approve", &json!({ "of": id }));
    let rule = |grade: u8, count: &Value| {
        json!({
            "resource": "guide/feed", "limitApp": "default", "grade": grade, "count": count.as_f64(),
            "strategy": 0, "controlBehavior": 0, "clusterMode": false,
        })
    };
    assert_eq!(
        server.get("/api/v1/limits?format=sentinel"),
        json!([rule(1, &json!(80.0)), rule(0, &concurrency)])
    );

    // The tested image runs: not stale. Another takes over: stale, and limits stay until somebody decides.
    // A server reads images every minute and when it starts.
    call(&server, "sha256:aa");
    server.kill();
    let server = folder.serve();
    assert_eq!(limits(&server)["stale"], false);
    for _ in 0..3 {
        call(&server, "sha256:bb");
    }
    server.kill();
    let server = folder.serve();
    let row = super::house::eventually("the capacity is stale", || {
        let row = limits(&server);
        (row["stale"] == true).then_some(row)
    });
    assert_eq!(
        (&row["why"], &row["qps_per_pod"], &row["published"]["qps"]),
        (
            &json!("image sha256:bb is in production, sha256:aa was tested"),
            &json!(80.0),
            &json!(80.0)
        )
    );
}
