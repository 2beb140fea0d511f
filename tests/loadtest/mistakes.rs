//! What a person sees after a mistake in a plan: all of them at once, each with its place.

use super::bench::shared;
use super::house::{Folder, rampart, text};
use super::listener::Listener;

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Each place and words that its line must hold.
#[track_caller]
fn assert_places(said: &str, expected: &[(&str, &str)]) {
    for (place, words) in expected {
        let line = said
            .lines()
            .find(|line| line.contains(&format!("plan.yaml:{place}: ")))
            .unwrap_or_else(|| panic!("nothing at {place}:\n{said}"));
        assert!(line.contains(words), "{place} lacks `{words}`:\n{said}");
    }
    let places = said.lines().filter(|line| line.contains("plan.yaml:"));
    assert_eq!(places.count(), expected.len(), "{said}");
}

#[test]
fn every_mistake_is_told_at_once_with_its_place_and_nothing_is_sent() {
    let _turn = shared();
    let target = Listener::start(Some(ANSWER));
    let folder = Folder::new();
    let path = folder.write(
        "plan.yaml",
        &format!(
            "target: {{url: \"http://{}\", protocol: http4}}\n\
             allow: [\"127.0.0.0/33\"]\n\
             requests:\n  - {{path: /feed, wieght: 9}}\n  - {{path: /like, body_file: likes.ndjson}}\n  - {{path: \"/x?n={{{{ rnd(1, 5) }}}}\"}}\n\
             load: {{rate: 20/s, duration: 60}}\n\
             objective: {{p99: 100ms, success_rate: 101%}}\n\
             abort: {{production_burn: 2%, kill_file: stop, kill_flie: stop}}\n",
            target.address
        ),
    );
    let of_protocol = format!("target: {{url: \"http://{}\", protocol: ", target.address);
    let protocol = format!("1:{}", of_protocol.len() + 1);
    for command in ["check", "run", "capacity"] {
        let ended = rampart(&["loadtest", command, &path]);
        let said = text(&ended.stderr);
        assert_eq!(ended.status.code(), Some(78), "{said}");
        assert_places(
            &said,
            &[
                (protocol.as_str(), "http4"),
                ("2:9", "127.0.0.0/33"),
                ("4:19", "wieght"),
                ("5:30", "likes.ndjson"),
                ("6:21", "rnd"),
                ("7:30", "60"),
                ("8:39", "101%"),
                ("9:47", "kill_flie"),
            ],
        );
        for hint in [
            "did you mean `weight`?",
            "did you mean `kill_file`?",
            "there is no such file",
            "^^^",
        ] {
            assert!(said.contains(hint), "{hint} is missing from:\n{said}");
        }
        assert_eq!(text(&ended.stdout), "");
    }
    assert_eq!(target.connections(), 0);
}

#[test]
fn an_objective_that_the_load_cannot_show_is_refused_with_what_could() {
    let _turn = shared();
    let folder = Folder::new();
    let plan = |objective: &str| {
        let path = folder.write(
            "plan.yaml",
            &format!(
                "target: \"http://127.0.0.1:1\"\nallow: [\"127.0.0.1\"]\nrequests: [{{path: /}}]\n\
                 load: {{rate: 20/s, duration: 10s}}\nobjective: {{{objective}: 100ms}}\n"
            ),
        );
        rampart(&["loadtest", "check", &path])
    };
    let ended = plan("p99");
    let said = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(78), "{said}");
    assert_places(
        &said,
        &[(
            "5:13",
            "`p99` needs at least 299 calls, 20/s x 10s gives 200",
        )],
    );
    assert!(said.contains("send for 15s or longer"), "{said}");
    assert!(said.contains("or ask for `p95`"), "{said}");
    // What is proposed is taken.
    let ended = plan("p95");
    assert_eq!(ended.status.code(), Some(0), "{}", text(&ended.stderr));
    assert!(
        text(&ended.stdout).contains("run: open, even, 20/s for 10s"),
        "{}",
        text(&ended.stdout)
    );
}

#[test]
fn a_capacity_needs_an_objective() {
    let _turn = shared();
    let folder = Folder::new();
    let path = folder.write(
        "plan.yaml",
        "target: \"http://127.0.0.1:1\"\nallow: [\"127.0.0.1\"]\nrequests: [{path: /}]\nload: {rate: 20/s, duration: 10s}\n",
    );
    let ended = rampart(&["loadtest", "capacity", &path]);
    let said = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(78), "{said}");
    assert!(
        said.contains("add objective: {p99: 100ms, success_rate: 99.9%}"),
        "{said}"
    );
}
