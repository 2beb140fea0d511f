//! A configuration changes under a running server: good files take effect, a bad one keeps its old
//! self, and a restart over a bad edit starts with what was last good.

use super::house::{Folder, Server, eventually};

const RULES: &str = "version: rampart/v1\nrules:\n  - alert: Low\n    functions: [\"*\"]\n    success_rate: {below: 99%, over: 1m, min_calls: 100}\n";

/// The names of the rules that came from files; the built-in one has none.
pub fn names(server: &Server) -> Vec<String> {
    let rules = server.get("/api/v1/rules");
    let name = |rule: &serde_json::Value| rule["alert"].as_str().unwrap().to_owned();
    rules["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(name)
        .filter(|name| name != "TelemetryLate")
        .collect()
}

fn reload(server: &Server) -> (u16, String) {
    let answer = server.request("POST", "/-/reload", &[], b"");
    (answer.status, answer.body)
}

#[test]
fn good_edits_take_effect_and_bad_ones_do_not() {
    let folder = Folder::new();
    folder.write("rampart.yaml", "rules: {files: [\"rules/*.yaml\"]}\n");
    folder.write("rules/a.yaml", RULES);
    let server = folder.serve();
    assert_eq!(names(&server), ["Low"]);

    folder.write("rules/b.yaml", &RULES.replace("Low", "Lower"));
    assert_eq!(reload(&server).0, 200);
    assert_eq!(names(&server), ["Low", "Lower"]);

    // One bad file and one good edit in the same reload.
    folder.write("rules/a.yaml", &RULES.replace("below: 99%", "below: 99"));
    folder.write("rules/b.yaml", &RULES.replace("Low", "Lowest"));
    let (status, said) = reload(&server);
    assert_eq!(status, 422, "{said}");
    assert!(said.contains("a.yaml:5:"), "{said}");
    assert_eq!(names(&server), ["Low", "Lowest"]);
    eventually("the alert about the rejected edit", || {
        let alerts = server.get("/api/v1/alerts");
        alerts["alerts"]
            .as_array()
            .unwrap()
            .iter()
            .any(|alert| alert["labels"]["alertname"] == "ConfigRejected")
            .then_some(())
    });

    server.kill();
    let server = folder.serve();
    assert_eq!(
        names(&server),
        ["Low", "Lowest"],
        "a restart over a bad edit uses the last good configuration"
    );
    assert!(server.said().is_empty() || !server.said().contains("panic"));

    folder.write("rules/a.yaml", &RULES.replace("Low", "Mended"));
    server.signal("HUP");
    eventually("the mended rule", || {
        names(&server).contains(&"Mended".to_owned()).then_some(())
    });
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_broken_main_file_or_a_missing_one_silences_nobody() {
    let folder = Folder::new();
    let main = "rules: {files: [rules.yaml]}\nalerting: {file: alerting.yaml}\n";
    folder.write("rampart.yaml", main);
    folder.write("rules.yaml", RULES);
    folder.write("alerting.yaml", "receivers:\n  - name: room\n    webhook: {url: \"http://127.0.0.1:9/\"}\nroute: {receiver: room}\n");
    let server = folder.serve();
    let still_tells = |server: &Server| {
        server
            .request(
                "POST",
                "/api/v1/notify/test",
                &[("content-type", "application/json")],
                b"{\"receiver\":\"room\"}",
            )
            .status
            == 200
    };
    assert!(still_tells(&server));

    folder.write("rampart.yaml", &format!("{main}teams: [unclosed\n"));
    let (status, said) = reload(&server);
    assert_eq!(status, 422, "{said}");
    assert_eq!(
        names(&server),
        ["Low"],
        "a slip in the main file must not take the rules away"
    );
    assert!(still_tells(&server), "nor the receivers");

    folder.write("rampart.yaml", main);
    std::fs::remove_file(folder.path("alerting.yaml")).unwrap();
    let (status, said) = reload(&server);
    assert_eq!(status, 422, "{said}");
    assert!(said.contains("there is no such file"), "{said}");
    assert!(
        still_tells(&server),
        "a file that is missing for a moment silences nobody"
    );
    server.kill();
    let server = folder.serve();
    assert!(
        still_tells(&server),
        "what is remembered as last good still tells people"
    );
}

#[test]
fn a_token_taken_out_lets_nobody_in() {
    let folder = Folder::new();
    let with = |tokens: &str| {
        format!("auth:\n  tokens:\n    - {{name: boss, role: admin, token: boss-secret}}\n{tokens}")
    };
    folder.write(
        "rampart.yaml",
        &with("    - {name: guest, role: viewer, token: guest-secret}\n"),
    );
    let server = folder.serve();
    let ask = |token: &str, method: &str, path: &str| {
        server
            .request(
                method,
                path,
                &[("authorization", &format!("Bearer {token}"))],
                b"",
            )
            .status
    };
    assert_eq!(ask("guest-secret", "GET", "/api/v1/incidents"), 200);
    folder.write("rampart.yaml", &with(""));
    assert_eq!(ask("boss-secret", "POST", "/-/reload"), 200);
    assert_eq!(ask("guest-secret", "GET", "/api/v1/incidents"), 401);
    assert_eq!(ask("boss-secret", "GET", "/api/v1/incidents"), 200);
}

#[test]
fn without_a_last_good_configuration_a_bad_one_does_not_start() {
    let folder = Folder::new();
    folder.write("rampart.yaml", "lisen: 127.0.0.1:0\n");
    let said = Server::try_start(&[
        "--config",
        &folder.text_path("rampart.yaml"),
        "--data-dir",
        &folder.text_path("data"),
    ])
    .err()
    .unwrap();
    assert!(
        said.contains("did you mean `listen`?") && said.contains("exit status: 78"),
        "{said}"
    );
}
