//! The past and what was released: backtests, an instant explained, and suspects in an incident.

use std::time::Duration;

use demo::fault::{ROUND, Trouble};
use fakes::DingTalk;
use model::Timestamp;
use serde_json::{Value, json};

use super::house::{Folder, Server, eventually, rampart, text};

const SEED: u64 = 7;
/// Bodies of so many lines.
const LINES: usize = 20_000;

fn now() -> Timestamp {
    use model::Clock as _;
    model::SystemClock::new().now()
}

/// The demo's rules, as it runs with them.
fn demo_rules() -> String {
    demo::Configuration::telling("127.0.0.1:9".parse().unwrap()).rules
}

fn push(server: &Server, lines: &[String]) {
    for piece in lines.chunks(LINES) {
        let body = piece.concat();
        let answer = server.request("POST", "/api/v1/invocations", &[], body.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.json()["rejected"], 0, "{}", answer.body);
    }
}

fn json_of(arguments: &[&str]) -> Value {
    let done = rampart(arguments);
    assert_eq!(
        done.status.code(),
        Some(0),
        "{arguments:?}\n{}",
        text(&done.stderr)
    );
    serde_json::from_slice(&done.stdout).unwrap()
}

/// When in the story each episode began and for how long it lasted.
fn episodes(report: &Value, begin: Timestamp) -> Vec<(String, String, String, i64, u64)> {
    let fired = report["episodes"].as_array().unwrap().iter();
    let one = |fired: &Value| {
        let since: Timestamp = fired["since"].as_str().unwrap().parse().unwrap();
        let label = |name: &str| fired["labels"][name].as_str().unwrap_or("").to_owned();
        (
            fired["alert"].as_str().unwrap().to_owned(),
            label("function"),
            label("unit"),
            since.as_seconds() - begin.as_seconds(),
            fired["seconds"].as_u64().unwrap(),
        )
    };
    fired.map(one).collect()
}

#[test]
fn a_backtest_over_the_demo_finds_its_faults_and_nothing_else() {
    let folder = Folder::new();
    let rules = folder.write("rules.yaml", &demo_rules());
    folder.write("rampart.yaml", "rules: {files: [rules.yaml]}\n");
    let server = folder.serve();
    let rounds = 4;
    let begin = Timestamp::from_seconds((now() - Duration::from_hours(1)).as_seconds());
    let lines: Vec<String> = demo::history::records(SEED, begin, rounds).collect();
    push(&server, &lines);
    let (from, to) = (begin.to_rfc3339(), (begin + ROUND * rounds).to_rfc3339());
    let stretch = [
        "--from",
        from.as_str(),
        "--to",
        to.as_str(),
        "--output",
        "json",
    ];
    let backtest = |more: &[&str]| json_of(&[&["backtest"], more, &stretch].concat());

    // A running server's data, with the rules it has and with a file.
    let by_server = backtest(&["--server", &server.url]);
    let found = episodes(&by_server, begin);
    let begins = |round: u32| i64::try_from((ROUND * (round - 1)).as_secs()).unwrap() + 30;
    let expected = [
        (
            "SuccessRateLow",
            "wow-video-feed",
            "b",
            begins(1),
            Trouble::UnitFails,
        ),
        (
            "SuccessRateDegraded",
            "rail-recommend",
            "",
            begins(2),
            Trouble::FewFail,
        ),
        ("NoCalls", "coupon", "", begins(3), Trouble::FallsSilent),
    ];
    assert_eq!(found.len(), expected.len(), "seed {SEED}: {found:#?}");
    for (found, (alert, function, unit, begins, trouble)) in found.iter().zip(expected) {
        assert_eq!(
            (found.0.as_str(), found.1.as_str(), found.2.as_str()),
            (alert, function, unit)
        );
        let lasts = i64::try_from(trouble.lasts().as_secs()).unwrap();
        assert!(
            (begins..begins + lasts).contains(&found.3),
            "seed {SEED}: {found:?}"
        );
        assert!(found.4 > 0 && found.4 < 120, "seed {SEED}: {found:?}");
    }
    // The last calls end after the stretch.
    let calls = usize::try_from(by_server["calls"].as_u64().unwrap()).unwrap();
    assert!(
        (lines.len() - 100..=lines.len()).contains(&calls),
        "{calls} of {}",
        lines.len()
    );
    let by_file = backtest(&["--server", &server.url, &rules]);
    assert_eq!(by_file["episodes"], by_server["episodes"]);
    let of_store = backtest(&["--server", &server.url, &rules, "--function", "store/*"]);
    assert_eq!(episodes(&of_store, begin), [found[2].clone()]);

    // Why did it fire, and why not a minute before.
    let explain = |seconds: i64| {
        let at = Timestamp::from_seconds(begin.as_seconds() + seconds).to_rfc3339();
        let done = rampart(&[
            "--server",
            &server.url,
            "rules",
            "explain",
            "SuccessRateLow",
            "guide/wow-video-feed",
            "--at",
            &at,
        ]);
        assert!(done.status.success(), "{}", text(&done.stderr));
        text(&done.stdout)
    };
    let during = explain(begins(1) + 30);
    for part in [
        "unit=b\n  firing, since ",
        "guide/wow-video-feed in unit b: ",
        "unit=a\n  inactive\n  measured 100 %: not a breach",
        "not known:\n",
    ] {
        assert!(during.contains(part), "{part}\n{during}");
    }
    assert!(!explain(begins(1) - 5).contains("firing"));

    // The same folder without a server; rules with a mistake; a stretch that is none.
    assert_eq!(server.stop(), Some(0));
    let data = folder.text_path("data");
    let by_folder = backtest(&[&rules, "--data-dir", &data]);
    assert_eq!(by_folder["episodes"], by_server["episodes"]);
    let shown = rampart(&[
        "backtest",
        &rules,
        "--data-dir",
        &data,
        "--from",
        &from,
        "--to",
        &to,
    ]);
    let table = text(&shown.stdout);
    assert!(
        table.contains("SuccessRateLow") && table.contains("by chance in 1000 days"),
        "{table}"
    );
    let wrong = folder.write("wrong.yaml", "version: rampart/v1\nrules: [{alert: A}]\n");
    let code = |arguments: &[&str]| rampart(arguments).status.code();
    assert_eq!(
        code(&[
            "backtest",
            &wrong,
            "--data-dir",
            &data,
            "--from",
            &from,
            "--to",
            &to
        ]),
        Some(78)
    );
    assert_eq!(
        code(&[
            "backtest",
            &rules,
            "--data-dir",
            &data,
            "--from",
            &to,
            "--to",
            &from
        ]),
        Some(1)
    );
    assert_eq!(
        code(&["backtest", &rules, "--from", "yesterday", "--to", &to]),
        Some(2)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_names_what_was_released_and_where_it_fails() {
    let folder = Folder::new();
    let robot = DingTalk::start("SECpast").await.unwrap();
    folder.write(
        "rampart.yaml",
        "rules: {files: [rules.yaml]}\nalerting: {file: alerting.yaml}\n",
    );
    folder.write(
        "rules.yaml",
        "version: rampart/v1\nrules:\n  - alert: GrayWorse\n    functions: [\"guide/*\"]\n    compare: {version: gray, against: base, success_rate_worse_by: 1pp, over: 1m, min_calls: 50}\n",
    );
    folder.write(
        "alerting.yaml",
        &format!("receivers:\n  - name: chat\n    dingtalk: {{url: \"{}\", secret: SECpast}}\nroute: {{receiver: chat}}\n", robot.url()),
    );
    tokio::task::spawn_blocking(move || {
        let server = folder.serve();
        let calls = |unit: &str, version: &str, count: usize, failing: usize| -> Vec<String> {
            let line = |index: usize| {
                let outcome = if index < failing { "function_error" } else { "ok" };
                let call = json!({"ts": now(), "namespace": "guide", "function": "feed", "unit": unit, "version": version, "duration_ms": 5, "outcome": outcome});
                format!("{call}\n")
            };
            (0..count).map(line).collect()
        };
        // Version 7 gets most of the calls: without the release it would pass for what is compared with.
        let traffic = [("a", "6", 100, 0), ("a", "7", 300, 2), ("b", "6", 400, 0), ("b", "7", 100, 98)];
        let lines: Vec<String> = traffic.into_iter().flat_map(|(unit, version, count, failing)| calls(unit, version, count, failing)).collect();
        let release = |arguments: &[&str]| rampart(&[&["--server", &server.url, "release", "guide/feed"], arguments].concat());
        let marked = release(&["7", "--stage", "gray", "--percent", "20", "--unit", "b"]);
        assert!(marked.status.success(), "{}", text(&marked.stderr));
        assert!(text(&marked.stdout).starts_with("guide/feed 7 is gray since "), "{}", text(&marked.stdout));
        assert_eq!(release(&["7", "--stage", "half"]).status.code(), Some(2));
        assert_eq!(release(&["7", "--stage", "gray", "--percent", "120"]).status.code(), Some(1));
        let listed = text(&release(&[]).stdout);
        assert!(listed.lines().count() == 2 && listed.contains("gray"), "{listed}");
        push(&server, &lines);

        let said = "unit b, version 7: 98 % of the failures, 11 % of the calls";
        let message = eventually("the message", || robot.messages().first().cloned());
        assert!(message.text().contains(said), "{}", message.text());
        let incidents = server.get("/api/v1/incidents");
        let id = incidents["incidents"][0]["id"].as_str().unwrap();
        let incident = server.get(&format!("/api/v1/incidents/{id}"));
        assert_eq!(incident["alerts"][0]["annotations"]["suspects"], said, "{incident:#}");
        let timeline = incident["timeline"].as_array().unwrap();
        let told = timeline.iter().find(|entry| entry["kind"] == "condition").unwrap();
        assert!(told["text"].as_str().unwrap().ends_with(&format!("fires; {said}")), "{told:#}");
        let located = server.get("/api/v1/functions/guide/feed/locate");
        let pair = &located["pairs"][0];
        assert_eq!((&pair["value"], &pair["also"]["value"]), (&json!("b"), &json!("7")), "{located:#}");
        let detail = server.get("/api/v1/functions/guide/feed");
        assert_eq!(detail["releases"][0]["version"], "7", "{detail:#}");
        assert_eq!(server.stop(), Some(0));
    })
    .await
    .unwrap();
}
