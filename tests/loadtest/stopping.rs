//! What ends a run early: a signal, a file, a call, production that suffers. Results are written all the
//! same.

use serde_json::{Value, json};

use super::bench::{Ended, Pod, Running, alone, result};
use super::house::{Folder, Server, calls, eventually, send};

/// A load of ten minutes, that somebody ends.
fn write_plan(folder: &Folder, pod: &Pod, rest: &str) -> String {
    folder.write(
        "plan.yaml",
        &format!(
            "function: guide/feed\ntarget: \"http://{}\"\nallow: [\"127.0.0.1\"]\nrequests: [{{path: /feed}}]\n\
             load: {{rate: 50/s, duration: 10m}}\nobjective: {{p99: 1s, success_rate: 99%}}\n{rest}\n\
             output: {{json: {}, html: {}, junit: {}, hgrm: {}}}\n",
            pod.address,
            folder.text_path("out.json"),
            folder.text_path("out.html"),
            folder.text_path("out.xml"),
            folder.text_path("out.hgrm")
        ),
    )
}

/// It ended early, says why, wrote what it had, and sends no more.
#[track_caller]
fn assert_stopped(folder: &Folder, pod: &Pod, ended: &Ended, why: &str) -> Value {
    let found = result(folder, "out.json");
    // What was stopped shows that an objective was missed, never that it holds.
    assert_eq!(ended.code, Some(98), "{}", ended.said);
    let stopped = found["stopped"].as_str().unwrap();
    assert!(stopped.contains(why), "{stopped}");
    assert!(ended.printed.contains(stopped), "{}", ended.printed);
    for name in ["out.html", "out.xml", "out.hgrm"] {
        assert!(!folder.read(name).is_empty(), "{name}");
    }
    assert!(folder.read("out.html").contains(stopped));
    let seconds = found["seconds"].as_array().unwrap().len();
    assert!(
        (1..300).contains(&seconds),
        "{seconds} seconds of ten minutes"
    );
    // What was in flight is waited for, and then it is over.
    let sent: f64 = found["seconds"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|second| second["sent"].as_f64())
        .sum();
    assert!(sent > 0.0, "{found}");
    let requests = pod.requests();
    std::thread::sleep(std::time::Duration::from_millis(400)); // twenty calls would come
    assert_eq!(pod.requests(), requests);
    found
}

#[test]
fn a_signal_ends_it_and_results_are_written() {
    let _turn = alone();
    for signal in ["INT", "TERM"] {
        let pod = Pod::start(&["--service", "5ms"]);
        let folder = Folder::new();
        let plan = write_plan(&folder, &pod, "");
        let mut running = Running::start(&["loadtest", "run", &plan]);
        running.hear_seconds(2);
        running.signal(signal);
        let ended = running.end();
        let found = assert_stopped(&folder, &pod, &ended, "interrupted");
        // Only what was tried first is not in the result.
        if found["left_out"] == 0 {
            let sent = found["total"]["sent"].as_u64().unwrap();
            assert!(
                (sent + 1..=sent + 3).contains(&pod.requests()),
                "{sent} of {}",
                pod.requests()
            );
        }
    }
}

#[test]
fn a_file_ends_it_and_while_it_lies_there_nothing_begins() {
    let _turn = alone();
    let pod = Pod::start(&["--service", "5ms"]);
    let folder = Folder::new();
    let file = folder.text_path("rampart.stop");
    let plan = write_plan(&folder, &pod, &format!("abort: {{kill_file: {file}}}"));
    let mut running = Running::start(&["loadtest", "run", &plan]);
    running.hear_seconds(2);
    folder.write("rampart.stop", "");
    let ended = running.end();
    assert_stopped(
        &folder,
        &pod,
        &ended,
        &format!("the kill file {file} is there"),
    );

    // Somebody who forgot to take it away again sends nothing.
    let before = pod.requests();
    for command in ["run", "capacity"] {
        let ended = Running::start(&["loadtest", command, &plan]).end();
        assert_eq!(ended.code, Some(98), "{}", ended.said);
        let sentence =
            format!("stopped before anything was measured: the kill file {file} is there");
        assert!(ended.said.contains(&sentence), "{}", ended.said);
    }
    assert_eq!(pod.requests(), before);
}

#[test]
fn a_call_on_the_control_address_ends_it() {
    let _turn = alone();
    let pod = Pod::start(&["--service", "5ms"]);
    let folder = Folder::new();
    let plan = write_plan(&folder, &pod, "");
    let mut running = Running::start(&["loadtest", "run", &plan, "--control", "127.0.0.1:0"]);
    let line = running.hear("/stop ends this run");
    let url = line
        .strip_prefix("POST ")
        .and_then(|line| line.split(' ').next())
        .unwrap()
        .to_owned();
    running.hear_seconds(1);
    // Reading ends nothing, neither does another path.
    let looked = send("GET", &url, &[], b"").unwrap();
    assert!(looked.status != 500, "{}", looked.body);
    let other = send("POST", &url.replace("/stop", "/other"), &[], b"{}");
    assert!(other.is_ok());
    running.hear_seconds(1);
    let stopped = send("POST", &url, &[], b"{}").unwrap();
    assert_eq!(stopped.status, 200, "{}", stopped.body);
    let ended = running.end();
    assert_stopped(
        &folder,
        &pod,
        &ended,
        "asked to stop at the control address",
    );

    // Nobody else on the network may end a run.
    let ended = Running::start(&["loadtest", "run", &plan, "--control", "0.0.0.0:0"]).end();
    assert_eq!(ended.code, Some(1), "{}", ended.said);
    assert!(
        ended.said.contains("is not a loopback address"),
        "{}",
        ended.said
    );
}

#[test]
fn production_that_suffers_ends_it() {
    let _turn = alone();
    let pod = Pod::start(&["--service", "5ms"]);
    let folder = Folder::new();
    folder.write("rampart.yaml", "{}\n");
    let server = folder.serve();
    let feed = |function: &str, outcome: &str, ids: std::ops::Range<usize>| {
        let lines = calls(function, "u1", outcome, ids);
        let answer = server.request("POST", "/api/v1/invocations", &[], lines.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    feed("guide/feed", "ok", 0..200);
    feed("guide/other", "timeout", 200..400);
    eventually("the server counts what it was told", || {
        failed_share(&server)
    });
    let plan = write_plan(
        &folder,
        &pod,
        &format!("server: {}\nabort: {{production_burn: 20%}}", server.url),
    );
    let mut running = Running::start(&["loadtest", "run", &plan]);
    // While its own production is well it goes on, whatever another function does.
    running.hear_seconds(4);
    feed("guide/feed", "timeout", 400..600);
    let ended = running.end();
    let found = assert_stopped(&folder, &pod, &ended, "of production calls fail");
    let stopped = found["stopped"].as_str().unwrap();
    assert!(
        stopped.contains("more than abort.production_burn 20% allows"),
        "{stopped}"
    );
    // What it found until then is kept by the server.
    let id = found["subject"]["id"].as_str().unwrap();
    assert!(
        ended.said.contains(&format!("kept as {id}")),
        "{}",
        ended.said
    );
    let kept = server.get(&format!("/api/v1/loadtests/{id}"));
    assert_eq!(kept["stopped"], json!(stopped));
}

/// The share of failures of the tested function, as its server sees it.
fn failed_share(server: &Server) -> Option<f64> {
    let answer = server.request("GET", "/api/v1/functions/guide/feed?range=1m", &[], b"");
    (answer.status == 200).then_some(())?;
    answer.json()["function"]["success_rate"].as_f64()
}
