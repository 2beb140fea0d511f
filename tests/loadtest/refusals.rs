//! Targets that must not be sent to, or that do not answer as they should: one sentence, and nothing more
//! is sent.

use std::time::Duration;

use super::bench::{Ended, Running, shared};
use super::house::{Folder, free_port};
use super::listener::Listener;

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Sends a load of some hundred calls, or would.
fn send(url: &str, target: &str, allow: &str, request: &str) -> Ended {
    let folder = Folder::new();
    let plan = folder.write(
        "plan.yaml",
        &format!(
            "target: {{url: \"{url}\"{target}}}\nallow: {allow}\nrequests: [{{{request}}}]\n\
             load: {{rate: 100/s, duration: 5s, timeout: 400ms}}\noutput: {{json: {}}}\n",
            folder.text_path("out.json")
        ),
    );
    let ended = Running::start(&["loadtest", "run", &plan]).end();
    assert_eq!(ended.code, Some(1), "{}", ended.said);
    assert_eq!(ended.printed, "", "there is no result");
    assert!(!folder.path("out.json").exists());
    assert_eq!(
        ended.said.lines().count(),
        1,
        "one sentence:\n{}",
        ended.said
    );
    ended
}

#[test]
fn a_target_off_the_list_is_named_with_the_line_that_allows_it() {
    let _turn = shared();
    let target = Listener::start(Some(ANSWER));
    let (url, address) = (format!("http://{}", target.address), target.address);
    let said = send(&url, "", "[\"10.0.0.0/8\"]", "path: /").said;
    assert!(
        said.contains(&format!(
            "sending to {address} is not allowed: write into the plan: allow: [\"10.0.0.0/8\", \"{address}\"]"
        )),
        "{said}"
    );
    // Nothing written allows nothing, and a name is held against the list by its addresses.
    let said = send(&url, "", "[]", "path: /").said;
    assert!(said.contains(&format!("allow: [\"{address}\"]")), "{said}");
    let port = address.port();
    let said = send(
        &format!("http://localhost:{port}"),
        "",
        "[\"10.0.0.0/8\"]",
        "path: /",
    )
    .said;
    assert!(said.contains("(localhost) is not allowed"), "{said}");
    assert_eq!(target.connections(), 0);
}

#[test]
fn a_host_that_nobody_knows_is_named() {
    let _turn = shared();
    let said = send(
        "http://no-such-host.invalid",
        "",
        "[\"0.0.0.0/0\"]",
        "path: /",
    )
    .said;
    assert!(
        said.contains("cannot find the addresses of no-such-host.invalid"),
        "{said}"
    );
}

#[test]
fn a_target_that_answers_nothing_gets_one_request() {
    let _turn = shared();
    let target = Listener::start(None);
    let said = send(
        &format!("http://{}", target.address),
        "",
        "[\"127.0.0.1\"]",
        "path: /feed",
    )
    .said;
    assert!(
        said.contains(&format!(
            "GET /feed at {} was not answered within 400ms; nothing more was sent",
            target.address
        )),
        "{said}"
    );
    std::thread::sleep(Duration::from_millis(300)); // whatever might still come
    assert_eq!((target.connections(), target.requests().len()), (1, 1));
    assert!(target.requests()[0].starts_with("GET /feed HTTP/1.1\r\n"));
}

#[test]
fn a_target_where_nobody_listens_is_named() {
    let _turn = shared();
    let port = free_port();
    let said = send(
        &format!("http://127.0.0.1:{port}"),
        "",
        "[\"127.0.0.1\"]",
        "path: /",
    )
    .said;
    assert!(
        said.contains(&format!("nobody listens at 127.0.0.1:{port}"))
            && said.contains("nothing more was sent"),
        "{said}"
    );
}

#[test]
fn an_answer_that_is_not_expected_ends_it_after_one_request() {
    let _turn = shared();
    for (answer, request, words) in [
        (
            "HTTP/1.1 503 Unavailable\r\ncontent-length: 0\r\n\r\n",
            "path: /",
            "answered 503",
        ),
        (
            "HTTP/1.1 429 Too Many\r\ncontent-length: 0\r\n\r\n",
            "path: /",
            "a flow limit refuses",
        ),
        (
            ANSWER,
            "path: /, expect: {json: \"/ok == true\"}",
            "the plan expects /ok == true",
        ),
        ("SSH-2.0-x\r\n\r\n", "path: /", "failed:"),
    ] {
        let target = Listener::start(Some(answer));
        let said = send(
            &format!("http://{}", target.address),
            "",
            "[\"127.0.0.1\"]",
            request,
        )
        .said;
        assert!(
            said.contains(words) && said.contains("nothing more was sent"),
            "{said}"
        );
        assert_eq!(target.requests().len(), 1, "{said}");
    }
}

#[test]
fn of_several_kinds_of_requests_each_is_tried_first() {
    let _turn = shared();
    let target = Listener::start(Some(ANSWER));
    let folder = Folder::new();
    let plan = folder.write(
        "plan.yaml",
        &format!(
            "target: \"http://{}\"\nallow: [\"127.0.0.1\"]\nrequests:\n  - {{weight: 1000, path: /common}}\n  - {{path: /rare, expect: {{status: 404}}}}\n\
             load: {{rate: 100/s, duration: 5s}}\n",
            target.address
        ),
    );
    let ended = Running::start(&["loadtest", "run", &plan]).end();
    assert_eq!(ended.code, Some(1), "{}", ended.said);
    assert!(ended.said.contains("/rare at "), "{}", ended.said);
    assert_eq!(target.requests().len(), 2);
}

#[test]
fn a_redirect_away_from_the_target_is_not_followed() {
    let _turn = shared();
    let elsewhere = Listener::start(Some(ANSWER));
    let answer = format!(
        "HTTP/1.1 302 Found\r\nlocation: http://{}/\r\ncontent-length: 0\r\n\r\n",
        elsewhere.address
    );
    let target = Listener::start(Some(answer.leak()));
    let allow = format!("[\"{}\"]", target.address);
    let url = format!("http://{}", target.address);
    let said = send(&url, ", redirects_max: 5", &allow, "path: /").said;
    assert!(said.contains("was redirected to another place"), "{said}");
    assert_eq!((target.requests().len(), elsewhere.connections()), (1, 0));
}
