//! In Alertmanager's place: amtool and Prometheus themselves, and a process that is killed.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use fakes::{DingTalk, Webhook};
use serde_json::{Value, json};

use super::house::{Folder, Server, eventually, free_port, rampart, text};

/// One command of amtool against a server.
fn amtool(server: &Server, arguments: &[&str]) -> Output {
    Command::new("amtool")
        .args(arguments)
        .arg(format!("--alertmanager.url={}", server.url))
        .arg("--no-version-check")
        .output()
        .unwrap_or_else(|error| {
            panic!("amtool cannot be started ({error}); `make setup-test` installs it")
        })
}

/// The same; what it printed.
fn said_by(server: &Server, arguments: &[&str]) -> String {
    let output = amtool(server, arguments);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}

fn configuration(folder: &Folder, hook: &str) -> String {
    folder.write(
        "alertmanager.yml",
        &format!(
            r#"
global: {{resolve_timeout: 5m}}
route:
  receiver: everybody
  group_by: [alertname]
  group_wait: 0s
  routes:
    - matchers: [severity="critical"]
      receiver: pager
      group_by: [alertname, host]
    - match_re: {{team: ^(db|cache)$}}
      receiver: "null"
      active_time_intervals: [office]
inhibit_rules:
  - {{source_matchers: [alertname="Fire"], target_matchers: [alertname="Smoke"], equal: [host]}}
time_intervals:
  - name: office
    time_intervals: [{{times: [{{start_time: "09:00", end_time: "17:00"}}], weekdays: ["monday:friday"], days_of_month: ["1:10", "-3:-1"], months: ["january:march"], location: Asia/Shanghai}}]
receivers:
  - name: everybody
    webhook_configs: [{{url: "{hook}"}}]
  - name: pager
    webhook_configs: [{{url: "{hook}"}}]
  - name: "null"
"#
        ),
    )
}

fn start(folder: &Folder, file: &str, listen: &str, more: &[&str]) -> Server {
    let storage = folder.text_path("data");
    let listen = format!("--web.listen-address={listen}");
    let mut arguments = vec!["--config.file", file, &listen, "--storage.path", &storage];
    arguments.extend([
        "--cluster.listen-address=",
        "--cluster.settle-timeout=0s",
        "--log.level=debug",
    ]);
    arguments.extend(more);
    Server::start_as("alertmanager", &arguments)
}

#[tokio::test(flavor = "multi_thread")]
async fn amtool_finds_an_alertmanager() {
    let folder = Folder::new();
    let hook = Webhook::start(None).await.unwrap();
    let server = start(
        &folder,
        &configuration(&folder, &hook.url()),
        "127.0.0.1:0",
        &[],
    );
    let add = [
        "alert",
        "add",
        "alertname=Down",
        "severity=critical",
        "host=a",
    ];
    said_by(
        &server,
        &[&add[..], &["--annotation=summary=it is down"]].concat(),
    );
    let hooks = hook.wait_for(1).await;
    let body = &hooks[0].body;
    assert_eq!(body["version"], "4");
    assert_eq!(body["receiver"], "pager");
    assert_eq!(
        body["groupKey"],
        r#"{}/{severity="critical"}:{alertname="Down", host="a"}"#
    );
    assert_eq!(
        body["groupLabels"],
        json!({"alertname": "Down", "host": "a"})
    );
    assert_eq!(
        body["commonLabels"],
        json!({"alertname": "Down", "host": "a", "severity": "critical"})
    );
    assert_eq!(body["commonAnnotations"], json!({"summary": "it is down"}));
    assert_eq!(body["externalURL"], server.url.as_str());
    assert_eq!(body["truncatedAlerts"], 0);
    let listed = said_by(&server, &["alert", "query", "host=~a|b"]);
    assert!(
        listed.contains("Down") && listed.contains("it is down"),
        "{listed}"
    );

    let silence = [
        "silence",
        "add",
        "alertname=Quiet",
        "host!=b",
        "--comment=deploy",
        "--author=ann",
        "--duration=2h",
    ];
    let id = said_by(&server, &silence).trim().to_owned();
    said_by(&server, &["alert", "add", "alertname=Quiet", "host=a"]);
    assert!(!said_by(&server, &["alert", "query"]).contains("Quiet"));
    assert!(said_by(&server, &["alert", "query", "--silenced"]).contains("Quiet"));
    let silences = said_by(&server, &["silence", "query", "--output=extended"]);
    for part in [
        id.as_str(),
        "alertname=\"Quiet\"",
        "host!=\"b\"",
        "ann",
        "deploy",
    ] {
        assert!(silences.contains(part), "{part}: {silences}");
    }
    let same = said_by(
        &server,
        &[
            "silence",
            "update",
            &id,
            "--duration=3h",
            "--comment=longer",
        ],
    );
    assert!(same.contains(&id) && same.contains("longer"), "{same}");
    assert_eq!(hook.count(), 1);
    said_by(&server, &["silence", "expire", &id]);
    assert!(said_by(&server, &["silence", "query"]).lines().count() <= 1);
    assert!(said_by(&server, &["silence", "query", "--expired"]).contains(&id));
    // What it kept quiet is told now.
    let hooks = hook.wait_for(2).await;
    assert_eq!(hooks[1].body["groupKey"], r#"{}:{alertname="Quiet"}"#);

    said_by(&server, &["alert", "add", "alertname=Fire", "host=a"]);
    said_by(&server, &["alert", "add", "alertname=Smoke", "host=a"]);
    assert!(said_by(&server, &["alert", "query", "--inhibited"]).contains("Smoke"));
    assert!(!said_by(&server, &["alert", "query"]).contains("Smoke"));
    let incidents = server.get("/api/v1/incidents");
    let smoke = incidents["incidents"].as_array().unwrap().iter();
    let smoke = smoke
        .clone()
        .find(|incident| incident["labels"]["alertname"] == "Smoke");
    let why = smoke.unwrap()["muted"]["why"].as_str().unwrap();
    assert!(why.contains("inhibited by Fire"), "{why}");
    assert!(said_by(&server, &["cluster", "show"]).contains("ready"));
    assert_eq!(server.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn amtool_accepts_what_the_status_shows() {
    let folder = Folder::new();
    let hook = Webhook::start(None).await.unwrap();
    let file = configuration(&folder, &hook.url());
    let server = start(&folder, &file, "127.0.0.1:0", &[]);
    let original = server.get("/api/v2/status")["config"]["original"].clone();
    let original = folder.write("original.yml", original.as_str().unwrap());
    let checked = amtool(&server, &["check-config", &original]);
    assert!(
        checked.status.success(),
        "{}{}",
        text(&checked.stdout),
        text(&checked.stderr)
    );
    assert!(said_by(&server, &["config", "show"]).contains("everybody"));
    let shown = said_by(&server, &["config", "routes", "show"]);
    assert!(
        shown.contains("severity=\"critical\"") && shown.contains("receiver: pager"),
        "{shown}"
    );
    for (labels, receiver) in [
        ("severity=critical", "pager"),
        ("team=db", "null"),
        ("team=web", "everybody"),
    ] {
        let ours = said_by(&server, &["config", "routes", "test", labels]);
        assert_eq!(ours.trim(), receiver, "{labels}");
        // The same question to the file itself.
        let theirs = format!("--config.file={file}");
        assert_eq!(
            said_by(&server, &["config", "routes", "test", &theirs, labels]).trim(),
            receiver
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_reloads_and_answers_below_a_prefix() {
    let folder = Folder::new();
    let hook = Webhook::start(None).await.unwrap();
    let file = configuration(&folder, &hook.url());
    let server = start(
        &folder,
        &file,
        "127.0.0.1:0",
        &["--web.route-prefix=/alerts/", "--cluster.peer=other:9094"],
    );
    let status = |method: &str, path: &str| server.request(method, path, &[], b"").status;
    assert_eq!(status("GET", "/alerts/-/healthy"), 200);
    assert_eq!(status("GET", "/alerts/-/ready"), 200);
    assert_eq!(status("GET", "/-/ready"), 404);
    let metrics = server.request("GET", "/alerts/metrics", &[], b"").body;
    assert!(metrics.contains("rampart_"), "{metrics}");
    // Prometheus reaches it by whatever name the network has for it.
    let by_name = [("host", "alertmanager:9093")];
    assert_eq!(
        server
            .request("GET", "/alerts/api/v2/status", &by_name, b"")
            .status,
        200
    );
    let receivers = || {
        server
            .get("/alerts/api/v2/receivers")
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(receivers(), 3);
    let text = folder.read("alertmanager.yml");
    folder.write("alertmanager.yml", &format!("{text}  - name: more\n"));
    assert_eq!(status("POST", "/alerts/-/reload"), 200);
    assert_eq!(receivers(), 4);
    folder.write(
        "alertmanager.yml",
        &format!("{text}  - name: more\n  - name: more\n"),
    );
    let refused = server.request("POST", "/alerts/-/reload", &[], b"");
    assert_eq!(refused.status, 500);
    assert!(
        refused.body.contains("`more` is declared twice"),
        "{}",
        refused.body
    );
    assert_eq!(receivers(), 4);
    folder.write("alertmanager.yml", &text);
    server.signal("HUP");
    eventually("the file of before", || (receivers() == 3).then_some(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_a_person() {
    let folder = Folder::new();
    let hook = Webhook::start(None).await.unwrap();
    let file = configuration(&folder, &hook.url());
    let checked = rampart(&["check", &file]);
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    assert!(
        text(&checked.stdout).contains("3 routes and 3 receivers"),
        "{}",
        text(&checked.stdout)
    );
    let wrong = folder.write(
        "wrong.yml",
        "route: {receiver: a, group_bye: [x]}\nreceivers: [{name: a, pushover_configs: [{token: x}]}]\n",
    );
    let checked = rampart(&["check", &wrong]);
    assert_eq!(checked.status.code(), Some(78), "{}", text(&checked.stderr));
    let said = text(&checked.stderr);
    assert!(
        said.contains("did you mean `group_by`?") && said.contains("no channel for pushover"),
        "{said}"
    );

    let server = start(&folder, &file, "127.0.0.1:0", &[]);
    let run = |arguments: &[&str]| {
        let output = rampart(&[arguments, &["--server", &server.url]].concat());
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            text(&output.stderr)
        );
        text(&output.stdout)
    };
    assert_eq!(run(&["alerts"]), "nothing fires\n");
    let alerts = json!([{"labels": {"alertname": "Down", "host": "a"}}, {"labels": {"alertname": "Up", "host": "b"}}]);
    let headers = [("content-type", "application/json")];
    let posted = server.request(
        "POST",
        "/api/v2/alerts",
        &headers,
        alerts.to_string().as_bytes(),
    );
    assert_eq!((posted.status, posted.body.as_str()), (200, ""));
    let made = [
        "silence",
        "add",
        "alertname=Down",
        "--for",
        "2h",
        "--comment",
        "deploy",
        "--by",
        "ann",
    ];
    let id = run(&made).trim().to_owned();
    let listed = run(&["alerts"]);
    assert!(
        listed.contains("Up") && !listed.contains("Down"),
        "{listed}"
    );
    let listed = run(&["alerts", "--muted", "host=~a|c"]);
    assert!(
        listed.contains(&format!("silence {id}")) && !listed.contains("Up"),
        "{listed}"
    );
    let listed: Value = serde_json::from_str(&run(&["alerts", "--output", "json"])).unwrap();
    assert_eq!(listed[0]["labels"]["alertname"], "Up");
    let silences = run(&["silence", "list", "--output", "csv"]);
    assert!(
        silences.contains(&id) && silences.contains("deploy") && silences.contains("ann"),
        "{silences}"
    );
    run(&["silence", "expire", &id]);
    assert_eq!(run(&["silence", "list"]), "no silences\n");
    assert!(run(&["silence", "list", "--all"]).contains("expired"));
    let again = rampart(&["silence", "expire", &id, "--server", &server.url]);
    assert!(!again.status.success());
    assert!(
        text(&again.stderr).contains("already expired"),
        "{}",
        text(&again.stderr)
    );
}

/// A Prometheus that evaluates one rule each second and posts to a port.
struct Prometheus {
    child: std::process::Child,
}

impl Prometheus {
    fn start(folder: &Folder, alerts_to: u16) -> Prometheus {
        let rules = folder.text_path("rules.yml");
        let file = folder.write(
            "prometheus.yml",
            &format!(
                "global: {{evaluation_interval: 1s}}\nrule_files: ['{rules}']\nalerting:\n  alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{alerts_to}']}}]}}]\n"
            ),
        );
        let port = free_port();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={file}"))
            .arg(format!("--storage.tsdb.path={}", folder.text_path("tsdb")))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            // An alert ends four times this after it was posted, however long a start takes.
            .arg("--rules.alert.resend-delay=5s")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("prometheus cannot be started ({error}); `make setup-test` installs it")
            });
        Prometheus { child }
    }

    /// Writes its rule, firing or not.
    fn rule(folder: &Folder, fires: bool) {
        let expression = if fires { "vector(1)" } else { "vector(1) > 2" };
        folder.write(
            "rules.yml",
            &format!(
                "groups:\n  - name: g\n    rules:\n      - {{alert: Down, expr: '{expression}', labels: {{severity: critical, host: a}}, annotations: {{summary: 'is {{{{ $value }}}}'}}}}\n"
            ),
        );
    }

    fn reload(&self) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-HUP", &id])
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How many messages of each kind a webhook was posted.
fn kinds(hook: &Webhook) -> (usize, usize) {
    let hooks = hook.requests();
    let of = |kind: &str| {
        hooks
            .iter()
            .filter(|hook| hook.body["kind"] == kind)
            .count()
    };
    (of("firing"), of("resolved"))
}

/// How many messages of this kind were taken, as far as the server has it on record: what it has not is sent
/// again by the next process.
fn taken(server: &Server, kind: &str) -> usize {
    let incidents = server.get("/api/v1/incidents")["incidents"].clone();
    let ids = incidents.as_array().unwrap().iter();
    let timelines = ids.map(|incident| {
        let id = incident["id"].as_str().unwrap();
        server.get(&format!("/api/v1/incidents/{id}"))["timeline"].clone()
    });
    let entries = timelines.flat_map(|timeline| timeline.as_array().unwrap().clone());
    let beginning = format!("{kind} message to ");
    let texts = entries.map(|entry| entry["text"].as_str().unwrap().to_owned());
    texts
        .filter(|text| text.starts_with(&beginning) && text.contains(" taken"))
        .count()
}

/// Whether Prometheus has posted again since the process at this port started.
fn hears_prometheus(server: &Server) {
    let first = eventually("the alert", || {
        let alerts = server.get("/api/v2/alerts");
        alerts[0]["updatedAt"].as_str().map(str::to_owned)
    });
    eventually("the alert once more", || {
        let alerts = server.get("/api/v2/alerts");
        let updated = alerts[0]["updatedAt"].as_str()?.to_owned();
        (updated != first).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_is_heard_through_two_kills_exactly_once() {
    let folder = Folder::new();
    let hook = Webhook::start(None).await.unwrap();
    let robot = DingTalk::start("SECprom").await.unwrap();
    let file = folder.write(
        "alerting.yaml",
        &format!(
            "receivers:\n  - {{name: hook, webhook: {{url: '{}'}}}}\n  - {{name: chat, dingtalk: {{url: '{}', secret: SECprom}}}}\nroute:\n  receiver: hook\n  routes: [{{matchers: [severity=critical], receiver: chat, continue: true}}, {{matchers: [host=a]}}]\n",
            hook.url(),
            robot.url()
        ),
    );
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let server = start(&folder, &file, &listen, &[]);
    Prometheus::rule(&folder, true);
    let prometheus = Prometheus::start(&folder, port);
    hook.wait_for(1).await;
    robot.wait_for(1).await;
    assert!(robot.messages()[0].text().contains("Down"));
    hears_prometheus(&server);
    eventually("both on record", || {
        (taken(&server, "firing") == 2).then_some(())
    });
    server.kill();
    let server = start(&folder, &file, &listen, &[]);
    hears_prometheus(&server);
    assert_eq!((kinds(&hook), robot.count()), ((1, 0), 1));
    server.kill();
    Prometheus::rule(&folder, false);
    prometheus.reload();
    let server = start(&folder, &file, &listen, &[]);
    hook.wait_for(2).await;
    robot.wait_for(2).await;
    eventually("the end", || {
        (server.get("/api/v2/alerts") == json!([])).then_some(())
    });
    eventually("both ends on record", || {
        (taken(&server, "resolved") == 2).then_some(())
    });
    // Prometheus repeats what resolved as well; a new process hears it and says nothing.
    server.kill();
    let server = start(&folder, &file, &listen, &[]);
    let posted = || {
        let metrics = server.request("GET", "/metrics", &[], b"").body;
        metrics
            .lines()
            .any(|line| line.starts_with("rampart_alerts_posted_total"))
            .then_some(())
    };
    eventually("another post", posted);
    assert_eq!((kinds(&hook), robot.count()), ((1, 1), 2));
    let incidents = server.get("/api/v1/incidents");
    for incident in incidents["incidents"].as_array().unwrap() {
        assert_eq!(incident["status"], "resolved", "{incidents}");
    }
    assert!(Path::new(&folder.text_path("data/rampart.db")).exists());
}
