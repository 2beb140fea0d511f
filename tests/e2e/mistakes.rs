//! What a person sees after a mistake: every problem at once, one clear sentence, the right exit code.

use std::net::TcpListener;

use super::house::{Folder, Server, rampart, text};

#[test]
fn five_mistakes_in_one_rule_file_are_all_shown() {
    let folder = Folder::new();
    let path = folder.write(
        "rules.yaml",
        "version: rampart/v1\ngroups:\n  - name: video\n    functions: [\"guide/*\"]\n    by: [function, unitt]\n    rules:\n      - alert: Low\n        sucess_rate: {below: 99%, over: 1m}\n      - alert: Drop\n        qps: {drop: 150%, against: [1d], over: 5m}\n      - alert: Slow\n        success_rate: {below: 99%, over: 10}\n      - alert: Said\n        success_rate: {below: 99%, over: 1m}\n        annotations: {summary: \"{{ valu }}\"}\n",
    );
    let checked = rampart(&["check", &path]);
    let said = text(&checked.stderr);
    assert_eq!(checked.status.code(), Some(78), "{said}");
    for expected in [
        "unitt",
        "did you mean `success_rate`?",
        "150%",
        "rules.yaml:12:",
        "valu",
        "^^^",
    ] {
        assert!(
            said.contains(expected),
            "{expected} is missing from:\n{said}"
        );
    }
    let places = said
        .lines()
        .filter(|line| line.contains("rules.yaml:"))
        .count();
    assert!(places >= 5, "only {places} places:\n{said}");

    folder.write("rampart.yaml", "rules: {files: [rules.yaml]}\n");
    let started = Server::try_start(&[
        "--config",
        &folder.text_path("rampart.yaml"),
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        &folder.text_path("data"),
    ]);
    let said = started
        .err()
        .expect("a server over a bad configuration must not start");
    assert!(
        said.contains("exit status: 78") && said.contains("unitt"),
        "{said}"
    );
    assert!(
        !folder.path("data").exists(),
        "nothing may be written before the configuration is proven"
    );
}

#[test]
fn a_busy_port_and_a_folder_that_cannot_be_used() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = Server::try_start(&[
        "--listen",
        &address,
        "--data-dir",
        &folder.text_path("data"),
    ])
    .err()
    .unwrap();
    assert!(
        said.contains("exit status: 1") && said.contains("another program listens there"),
        "{said}"
    );
    assert!(!folder.path("data").exists());

    let file = folder.write("file", "");
    let said = Server::try_start(&[
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        &format!("{file}/data"),
    ])
    .err()
    .unwrap();
    assert!(
        said.contains("cannot use the data folder") && said.contains("exit status: 1"),
        "{said}"
    );
    let said = Server::try_start(&["--listen", "127.0.0.1:0", "--data-dir", "/proc/rampart"])
        .err()
        .unwrap();
    assert!(said.contains("cannot use the data folder"), "{said}");
}

#[test]
fn a_second_server_over_the_same_folder_is_refused() {
    let folder = Folder::new();
    let arguments = [
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        &folder.text_path("data"),
    ];
    let first = Server::start(&arguments);
    let said = Server::try_start(&arguments).err().unwrap();
    assert!(
        said.contains("another") && said.contains("exit status: 1"),
        "{said}"
    );
    assert_eq!(
        first.get("/api/v1/functions")["functions"],
        serde_json::json!([])
    );
}

#[test]
fn data_of_a_newer_format_is_refused_in_one_sentence() {
    let folder = Folder::new();
    let arguments = [
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        &folder.text_path("data"),
    ];
    assert_eq!(Server::start(&arguments).stop(), Some(0));
    let database = folder.text_path("data/rampart.db");
    let script = format!(
        "import sqlite3; c = sqlite3.connect('{database}'); c.execute(\"update state_versions set version = 99 where room = 'rules'\"); c.commit()"
    );
    assert!(
        std::process::Command::new("python3")
            .args(["-c", &script])
            .status()
            .unwrap()
            .success()
    );
    let said = Server::try_start(&arguments).err().unwrap();
    assert!(
        said.contains("newer") && said.contains("99") && said.contains("exit status: 1"),
        "{said}"
    );
}

#[test]
fn an_open_door_needs_a_word() {
    let folder = Folder::new();
    let said = Server::try_start(&[
        "--listen",
        "0.0.0.0:0",
        "--data-dir",
        &folder.text_path("data"),
    ])
    .err()
    .unwrap();
    assert!(
        said.contains("--insecure") && said.contains("exit status: 78"),
        "{said}"
    );
}

#[test]
fn usage_mistakes_exit_with_two() {
    assert_eq!(rampart(&["sevre"]).status.code(), Some(2));
    assert_eq!(
        rampart(&["demo", "--stop-after", "soon"]).status.code(),
        Some(2)
    );
    let nobody = rampart(&["--server", "http://127.0.0.1:1", "incident", "list"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(
        text(&nobody.stderr).contains("no server answers at"),
        "{}",
        text(&nobody.stderr)
    );
    let missing = rampart(&["check", "/nowhere/rampart.yaml"]);
    assert_eq!(missing.status.code(), Some(78));
    assert!(
        text(&missing.stderr).contains("there is no such file"),
        "{}",
        text(&missing.stderr)
    );
}
