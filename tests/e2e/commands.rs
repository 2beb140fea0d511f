//! The commands as a new user types them.

use super::house::{Folder, Server, calls, eventually, rampart, text};

#[test]
fn init_writes_a_set_that_check_and_serve_take() {
    let folder = Folder::new();
    let root = folder.root().display().to_string();
    let written = rampart(&["init", &root]);
    assert!(written.status.success());
    let said = text(&written.stdout);
    assert!(
        said.contains("log_format") && said.contains("$http_x_rampart_test"),
        "{said}"
    );
    let before = folder.read("rampart.yaml");
    folder.write(
        "alerting.yaml",
        &folder
            .read("alerting.yaml")
            .replace("name: team-chat", "name: team-chat # mine"),
    );
    let again = rampart(&["init", &root]);
    assert!(
        again.status.success() && text(&again.stdout).contains("kept"),
        "{}",
        text(&again.stdout)
    );
    assert_eq!(folder.read("rampart.yaml"), before);
    assert!(
        folder.read("alerting.yaml").contains("# mine"),
        "init must never overwrite"
    );

    let checked = rampart(&["check", &folder.text_path("rampart.yaml")]);
    assert!(
        checked.status.success(),
        "{}{}",
        text(&checked.stdout),
        text(&checked.stderr)
    );
    assert!(
        text(&checked.stdout).contains("fine"),
        "{}",
        text(&checked.stdout)
    );
    let server = folder.serve();
    assert_eq!(
        super::reload::names(&server),
        ["SuccessRateLow", "QpsDrop", "Silent"]
    );
}

#[test]
fn query_prints_tables_csv_json_and_arrow() {
    let folder = Folder::new();
    let server = Server::start(&[
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        &folder.text_path("data"),
    ]);
    server.request(
        "POST",
        "/api/v1/invocations",
        &[],
        calls("guide/feed", "a", "ok", 0..7).as_bytes(),
    );
    let sql = "select function_id, count(*) as calls from invocations group by 1";
    let ask = |output: &str, sql: &str| {
        rampart(&["--server", &server.url, "--output", output, "query", sql])
    };
    let table = ask("table", sql);
    assert_eq!(
        text(&table.stdout),
        "function_id  calls\nguide/feed   7\n",
        "{}",
        text(&table.stderr)
    );
    assert_eq!(
        text(&ask("csv", sql).stdout),
        "function_id,calls\r\nguide/feed,7\r\n"
    );
    let json: serde_json::Value = serde_json::from_slice(&ask("json", sql).stdout).unwrap();
    assert_eq!(json["rows"], serde_json::json!([["guide/feed", 7]]));
    let arrow = ask("arrow", sql);
    let read = "import sys, pyarrow; print(pyarrow.ipc.open_stream(sys.stdin.buffer).read_all().to_pylist())";
    assert_eq!(
        super::peers::pyarrow(read, &arrow.stdout),
        "[{'function_id': 'guide/feed', 'calls': 7}]\n",
        "{}",
        text(&arrow.stderr)
    );
    let elsewhere = rampart(&["--server", &server.url, "--output", "arrow", "mode"]);
    assert_eq!(elsewhere.status.code(), Some(2));
    let seconds = ask(
        "csv",
        "select sum(ok) as ok from seconds where function = 'feed'",
    );
    assert_eq!(text(&seconds.stdout), "ok\r\n7\r\n");
    let wrong = ask("table", "select functoin from invocations");
    assert_eq!(wrong.status.code(), Some(1));
    assert!(
        text(&wrong.stderr).contains("functoin"),
        "{}",
        text(&wrong.stderr)
    );
}

#[test]
fn mode_switches_and_tells_since_when() {
    let folder = Folder::new();
    let arguments = [
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        &folder.text_path("data"),
    ];
    let server = Server::start(&arguments);
    let mode = |server: &Server, more: &[&str]| {
        text(&rampart(&[&["--server", &server.url, "mode"], more].concat()).stdout)
    };
    assert!(
        mode(&server, &[]).starts_with("daily"),
        "{}",
        mode(&server, &[])
    );
    let switched = mode(&server, &["rush", "--until", "2099-01-01T00:00:00Z"]);
    assert!(
        switched.starts_with("rush since ") && switched.contains("until 2099-01-01"),
        "{switched}"
    );
    server.kill();
    let server = Server::start(&arguments);
    assert!(
        mode(&server, &[]).starts_with("rush"),
        "the switch survives a kill"
    );
    assert!(mode(&server, &["daily"]).starts_with("daily"));
}

#[test]
fn schemas_completions_and_help() {
    for kind in ["main", "rules", "alerting"] {
        let schema: serde_json::Value =
            serde_json::from_slice(&rampart(&["schema", kind]).stdout).unwrap();
        assert_eq!(schema["additionalProperties"], false, "{kind}");
    }
    let script = text(&rampart(&["completions", "bash"]).stdout);
    assert!(
        script.contains("_rampart") && script.contains("incident"),
        "{script}"
    );
    let help = text(&rampart(&["--help"]).stdout);
    for command in [
        "serve",
        "demo",
        "init",
        "check",
        "query",
        "incident",
        "notify",
        "limits",
        "mode",
        "rules",
        "schema",
        "completions",
    ] {
        assert!(help.contains(command), "{command} is missing from:\n{help}");
    }
}

#[test]
fn rules_are_listed_and_explained_with_their_numbers() {
    let folder = Folder::new();
    folder.write(
        "rampart.yaml",
        "listen: 127.0.0.1:0\ndata_dir: data\nrules: {files: [rules.yaml]}\n",
    );
    folder.write(
        "rules.yaml",
        "version: rampart/v1\nrules:\n  - alert: Failing\n    functions: [\"guide/*\"]\n    by: [function, unit]\n    \
         success_rate: {below: 99%, min_calls: 20}\n    for: 1h\n  - alert: Slow\n    functions: [\"travel/*\"]\n    latency: {above: 800ms}\n",
    );
    let server = folder.serve();
    let rows = [
        calls("guide/feed", "a", "timeout", 0..30),
        calls("guide/feed", "b", "ok", 30..60),
        calls("guide/feed", "c", "ok", 60..65),
    ]
    .concat();
    let sent = server.request("POST", "/api/v1/invocations", &[], rows.as_bytes());
    assert_eq!(sent.status, 200);
    let ask = |arguments: &[&str]| rampart(&[arguments, &["--server", &server.url]].concat());
    let explained = eventually("the rule is pending in unit a", || {
        let said = text(&ask(&["rules", "explain", "Failing", "guide/feed"]).stdout);
        said.contains("pending").then_some(said)
    });
    for part in [
        "Failing: success rate below 99 % in 1m, for 1h, warning\n  declared in ",
        "function=feed namespace=guide unit=a\n  pending, held for ",
        "guide/feed in unit a: 0 % of 30 calls succeeded in 1m; the objective is 99 %\n",
        "unit=b\n  inactive\n  measured 100 %: not a breach\n",
        "unit=c\n  inactive\n  not judged: 5 calls in the window, min_calls is 20\n",
    ] {
        assert!(explained.contains(part), "{part}\n\n{explained}");
    }
    // Counts are those of the newest whole evaluation, which comes once a second.
    eventually("all label sets are counted", || {
        let listed = text(&ask(&["rules", "list", "--output", "csv"]).stdout);
        let counted = listed.contains("Failing,success rate below 99 % in 1m,warning,3,0,1,1,")
            && listed.contains("Slow,p99 above 800ms in 1m,warning,0,0,0,0,");
        counted.then_some(())
    });
    let elsewhere = ask(&["rules", "explain", "Failing", "travel/rail"]);
    assert_eq!(elsewhere.status.code(), Some(1));
    assert!(
        text(&elsewhere.stderr).contains("no rule `Failing` watches travel/rail; these do: Slow"),
        "{}",
        text(&elsewhere.stderr)
    );
}

#[test]
fn scenarios_come_true_or_say_what_there_was_instead() {
    let folder = Folder::new();
    folder.write(
        "rules.yaml",
        "version: rampart/v1\nrules:\n  - alert: Low\n    functions: [\"*\"]\n    success_rate: {below: 99%}\n",
    );
    let story = "rules rules.yaml\nload function guide/feed\n  0s..1m qps 100\n  1m..2m qps 100 success 50%\n";
    let fine = folder.write(
        "fine.scn",
        &format!("{story}at 59s expect nothing\nat 90s expect Low firing\n"),
    );
    let tested = rampart(&["test", &fine, "--told"]);
    let said = text(&tested.stdout);
    assert_eq!(tested.status.code(), Some(0), "{}", text(&tested.stderr));
    assert!(
        said.contains("firing Low{function=\"feed\", namespace=\"guide\"}\n")
            && said.ends_with("fine.scn: 2 expectations came true\n"),
        "{said}"
    );

    let wrong = folder.write("wrong.scn", &format!("{story}at 90s expect nothing\n"));
    let tested = rampart(&["test", &fine, &wrong]);
    let complaint = text(&tested.stderr);
    assert_eq!(tested.status.code(), Some(3), "{complaint}");
    assert!(
        complaint.contains("wrong.scn:5:15: at 1m30s expected nothing, there is Low")
            && complaint.contains("1 expectation failed"),
        "{complaint}"
    );

    let mistaken = folder.write("mistaken.scn", "rules absent.yaml\nat 1m expect nothing\n");
    let tested = rampart(&["test", &mistaken]);
    assert_eq!(tested.status.code(), Some(78));
    assert!(
        text(&tested.stderr).contains("mistaken.scn:1:7: "),
        "{}",
        text(&tested.stderr)
    );
}

#[test]
fn health_says_alive_ready_and_counts_itself() {
    let folder = Folder::new();
    let server = Server::start(&[
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        &folder.text_path("data"),
    ]);
    for path in ["/livez", "/readyz", "/-/healthy", "/-/ready"] {
        assert_eq!(server.request("GET", path, &[], b"").status, 200, "{path}");
    }
    let metrics = server.request("GET", "/metrics", &[], b"");
    assert_eq!(
        metrics.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    assert_eq!(server.request("GET", "/", &[], b"").status, 200);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_sample_shows_what_a_source_would_make_of_a_file() {
    let folder = Folder::new();
    let main = folder.write("rampart.yaml", "collector:\n  sources:\n    - name: sdk\n      http: {expect_every: 10s}\n      format: rampart-json\n");
    let lines =
        calls("guide/feed", "a", "ok", 0..2) + "{\"function\":\"feed\",\"outcome\":\"okk\"}\n";
    let file = folder.write("lines.ndjson", &lines);
    let sample = rampart(&["check", &main, "--sample", &file, "sdk"]);
    let said = text(&sample.stdout);
    assert_eq!(
        sample.status.code(),
        Some(3),
        "{said}{}",
        text(&sample.stderr)
    );
    assert!(
        said.contains("guide/feed") && said.contains("okk"),
        "{said}"
    );
}
