//! The main job on real input: nginx in front of three pods, real traffic, one pod fails; the right
//! people are told in the right order, an acknowledgement stops it, the resolution reaches them.

use std::time::Duration;

use demo::pod::{Fault, Pod, PodOptions};
use fakes::DingTalk;
use serde_json::Value;

use super::house::{Folder, Server, eventually, rampart, text};
use super::peers;

const FUNCTION: &str = "guide/wow-video-feed";

/// The log format as a user gets it: printed by `rampart init`.
fn log_format(folder: &Folder) -> String {
    let said = text(&rampart(&["init", &folder.text_path("init")]).stdout);
    let at = said.find("log_format").expect("init prints the log format");
    said[at..].to_owned()
}

async fn pod(unit: &str, instance: &str) -> Pod {
    let options = PodOptions {
        function: FUNCTION.parse().unwrap(),
        unit: unit.into(),
        instance: instance.into(),
        ..PodOptions::default()
    };
    Pod::start(options).await.unwrap()
}

fn configuration(
    folder: &Folder,
    logs: [&std::path::Path; 2],
    robot: &DingTalk,
    mail_port: u16,
    exporter_port: u16,
) {
    let sources: String = ["a", "b"]
        .iter()
        .zip(logs)
        .map(|(unit, log)| {
            format!(
                "    - name: gateway-{unit}\n      file: {{path: {}}}\n      format: nginx-json\n      function: {{from: path, pattern: '^/(?<namespace>[^/]+)/(?<function>[^/?]+)', only: [\"guide/*\"]}}\n      labels: {{unit: {unit}}}\n",
                log.display()
            )
        })
        .collect();
    folder.write(
        "rampart.yaml",
        &format!(
            "collector:\n  sources:\n{sources}    - name: node\n      scrape: {{every: 1s, targets: [\"127.0.0.1:{exporter_port}\"]}}\n      labels: {{job: node}}\nteams:\n  team-guide: {{owns: [\"guide/*\"], im: team-chat}}\nrules: {{files: [rules.yaml]}}\nalerting: {{file: alerting.yaml}}\n"
        ),
    );
    folder.write(
        "rules.yaml",
        "version: rampart/v1\ngroups:\n  - name: guide\n    owner: team-guide\n    functions: [\"guide/*\"]\n    by: [function, unit]\n    rules:\n      - alert: SuccessRateLow\n        success_rate: {below: 99%, over: 10s, min_calls: 30, confidence: 99.9%}\n        severity: critical\n        annotations: {summary: \"{{ id }} at {{ value | percent }} in unit {{ unit }}\"}\n",
    );
    folder.write("ding.secret", "SECstory");
    folder.write(
        "alerting.yaml",
        &format!(
            "receivers:\n  - name: team-chat\n    dingtalk: {{url: \"{}\", secret_file: {}}}\n  - name: mail\n    email: {{host: 127.0.0.1, port: {mail_port}, tls: none, from: rampart@example.com, to: [oncall@example.com]}}\nroute:\n  receiver: team-chat\n  routes:\n    - matchers: ['severity=\"critical\"']\n      escalation: night\nescalations:\n  night:\n    steps:\n      - {{after: 0s, notify: [im: owner]}}\n      - {{after: 4s, notify: [mail]}}\n      - {{after: 1h, notify: [mail]}}\n",
            robot.url(),
            folder.text_path("ding.secret")
        ),
    );
}

fn only_incident(server: &Server) -> Option<Value> {
    let list = server.get("/api/v1/incidents");
    let list = list["incidents"].as_array().unwrap();
    assert!(list.len() <= 1, "one fault, one incident: {list:#?}");
    list.first().map(|incident| {
        server.get(&format!(
            "/api/v1/incidents/{}",
            incident["id"].as_str().unwrap()
        ))
    })
}

fn timeline(incident: &Value) -> String {
    let entries = incident["timeline"].as_array().unwrap();
    entries
        .iter()
        .map(|entry| {
            format!(
                "{} {}\n",
                entry["kind"].as_str().unwrap_or(""),
                entry["text"].as_str().unwrap()
            )
        })
        .collect()
}

/// The signed link in a message.
fn link(message: &str) -> String {
    let at = message
        .find("/a/")
        .unwrap_or_else(|| panic!("no link in:\n{message}"));
    let start = message[..at].rfind("http").unwrap();
    let end = message[at..]
        .find(|c: char| !(c.is_ascii_alphanumeric() || "/-_.~".contains(c)))
        .map_or(message.len(), |length| at + length);
    message[start..end].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_pod_reaches_the_right_people_in_the_right_order() {
    let folder = Folder::new();
    let format = log_format(&folder);
    let (first, second, failing) = (
        pod("a", "pod-1").await,
        pod("a", "pod-2").await,
        pod("b", "pod-3").await,
    );
    let (gateway_a, log_a) = peers::nginx(
        &folder.path("unit-a"),
        &format,
        &[first.address(), second.address()],
    );
    let (gateway_b, log_b) = peers::nginx(&folder.path("unit-b"), &format, &[failing.address()]);
    let exporter = peers::node_exporter();
    let (sink, maildir) = peers::mail_sink(folder.root());
    let robot = DingTalk::start("SECstory").await.unwrap();
    configuration(&folder, [&log_a, &log_b], &robot, sink.port, exporter.port);
    tokio::task::spawn_blocking(move || {
        let server = folder.serve();
        let _load = [peers::wrk(gateway_a.port, "/guide/wow-video-feed"), peers::wrk(gateway_b.port, "/guide/wow-video-feed?page=2")];

        eventually("healthy traffic of both units", || {
            let rows = server.query("select unit, count(*) from invocations where outcome = 'ok' group by unit order by unit");
            (rows.len() == 2 && rows.iter().all(|row| row[1].as_i64() > Some(100))).then_some(())
        });
        eventually("scraped samples", || (server.count("select count(*) from samples where name = 'node_cpu_seconds_total'") > 0).then_some(()));
        assert_eq!(only_incident(&server), None, "healthy traffic must not page");
        assert_eq!(robot.count(), 0);

        failing.set_fault(Fault::Fail { share: 1.0 });
        let message = eventually("the first message", || robot.messages().first().cloned());
        assert!(message.text().contains(FUNCTION) && message.text().contains("unit"), "{}", message.text());
        assert!(peers::mails(&maildir).is_empty(), "e-mail is step two");
        let incident = only_incident(&server).unwrap();
        assert_eq!(incident["labels"]["function"], "wow-video-feed", "{incident:#}");
        assert_eq!(incident["labels"]["namespace"], "guide");
        assert!(incident["alerts"].as_array().unwrap().iter().all(|alert| alert["labels"]["unit"] == "b"), "{incident:#}");

        eventually("the mail of step two", || (!peers::mails(&maildir).is_empty()).then_some(()));

        // The link from the message: looking changes nothing, the button acts.
        let link = link(&message.body.to_string());
        let page = super::house::send("GET", &link, &[], b"").unwrap();
        assert_eq!(page.status, 200, "{}", page.body);
        assert!(page.body.contains("<form") && !page.body.contains("<script"), "{}", page.body);
        assert_eq!(only_incident(&server).unwrap()["status"], "open", "GET never acts");
        let forged = format!("{}x", &link[..link.len() - 1]);
        assert_ne!(super::house::send("POST", &forged, &[], b"do=acknowledge").unwrap().status, 200);
        assert_eq!(only_incident(&server).unwrap()["status"], "open", "a forged link never acts");
        let done = super::house::send("POST", &link, &[("content-type", "application/x-www-form-urlencoded")], b"do=acknowledge").unwrap();
        assert!(done.status == 200 || done.status == 303, "{} {}", done.status, done.body);
        let incident = only_incident(&server).unwrap();
        assert_eq!(incident["status"], "acknowledged", "{incident:#}");
        let again = rampart(&["--server", &server.url, "incident", "ack", incident["id"].as_str().unwrap()]);
        assert!(again.status.success(), "acknowledging twice is harmless: {}", text(&again.stderr));

        let told = (robot.count(), peers::mails(&maildir).len());
        std::thread::sleep(Duration::from_secs(6));
        assert_eq!((robot.count(), peers::mails(&maildir).len()), told, "nobody is told more after the acknowledgement");

        failing.set_fault(Fault::None);
        eventually("the resolution", || (only_incident(&server)?["status"] == "resolved").then_some(()));
        eventually("resolved messages on both ways", || (robot.count() == told.0 + 1 && peers::mails(&maildir).len() == told.1 + 1).then_some(()));
        assert_eq!(robot.refusals(), Vec::<String>::new(), "every message was signed and fresh");
        let incident = only_incident(&server).unwrap();
        let story = timeline(&incident);
        for expected in ["SuccessRateLow", "team-chat", "mail", "acknowledged", "resolved"] {
            assert!(story.contains(expected), "{expected} is missing from the timeline:\n{story}");
        }
        let shown = text(&rampart(&["--server", &server.url, "incident", "show", incident["id"].as_str().unwrap()]).stdout);
        assert!(shown.contains("resolved") && shown.contains(FUNCTION), "{shown}");
        assert_eq!(server.stop(), Some(0));
        drop((first, second));
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_can_be_tried_and_a_bad_secret_is_explained() {
    let folder = Folder::new();
    let robot = DingTalk::start("SECright").await.unwrap();
    folder.write("rampart.yaml", "alerting: {file: alerting.yaml}\n");
    let url = robot.url();
    let alerting = move |secret: &str| {
        format!(
            "receivers:\n  - name: team-chat\n    dingtalk: {{url: \"{}\", secret: {secret}}}\nroute: {{receiver: team-chat}}\n",
            url
        )
    };
    folder.write("alerting.yaml", &alerting("SECright"));
    tokio::task::spawn_blocking(move || {
        let server = folder.serve();
        let test = |server: &Server, receiver: &str| {
            rampart(&["--server", &server.url, "notify", "test", receiver])
        };
        let fine = test(&server, "team-chat");
        assert!(
            fine.status.success(),
            "{}{}",
            text(&fine.stdout),
            text(&fine.stderr)
        );
        assert_eq!(robot.count(), 1);
        let unknown = test(&server, "nobody");
        assert_eq!(unknown.status.code(), Some(1));
        assert!(
            text(&unknown.stderr).contains("nobody"),
            "{}",
            text(&unknown.stderr)
        );

        folder.write("alerting.yaml", &alerting("SECwrong"));
        assert_eq!(server.request("POST", "/-/reload", &[], b"").status, 200);
        let refused = test(&server, "team-chat");
        assert_eq!(refused.status.code(), Some(1));
        assert!(
            text(&refused.stdout).contains("secret") || text(&refused.stdout).contains("sign"),
            "{}",
            text(&refused.stdout)
        );
        assert_eq!(robot.count(), 1);
    })
    .await
    .unwrap();
}
