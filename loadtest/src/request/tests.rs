//! What goes out, byte by byte, and which answers count.

use std::sync::Arc;

use http::Method;
use proptest::prelude::*;

use super::*;

fn envelope() -> Envelope {
    Envelope {
        authority: "feed.internal:8080".to_owned(),
        scheme: "http",
        base_path: "/v1".to_owned(),
        run_id: "run-7".to_owned(),
        keep_alive: true,
    }
}

fn prepared(request: Request) -> Request {
    prepared_in(request, &envelope())
}

fn prepared_in(request: Request, envelope: &Envelope) -> Request {
    let mut set = RequestSet::new(vec![request]).unwrap();
    set.prepare(envelope);
    set.requests()[0].clone()
}

fn filling(seed: u64) -> Filling {
    Filling::new(Random::new(seed, 0), 0, 1)
}

fn sent(request: &Request, filling: &mut Filling) -> String {
    let mut out = Vec::new();
    request.write_http1(filling, &mut out);
    String::from_utf8(out).unwrap()
}

fn with_header(mut request: Request, name: &str, value: &str) -> Request {
    request.headers.push((name.to_owned(), value.to_owned()));
    request
}

#[test]
fn a_fixed_request_is_ready_before() {
    let request = prepared(Request::get("/feed?page=1"));
    assert!(!request.varies());
    assert_eq!(
        sent(&request, &mut filling(1)),
        "GET /v1/feed?page=1 HTTP/1.1\r\nhost: feed.internal:8080\r\nuser-agent: rampart\r\n\
         x-rampart-test: run-7\r\nx-rampart-traffic: stress\r\n\r\n"
    );
}

#[test]
fn bodies_have_their_length_and_json_its_type() {
    let mut request = Request::new(Method::POST, "/like");
    request.body = Bytes::from_static(b"{\"id\": 1}");
    assert_eq!(
        sent(&prepared(request.clone()), &mut filling(1)),
        "POST /v1/like HTTP/1.1\r\nhost: feed.internal:8080\r\nuser-agent: rampart\r\n\
         x-rampart-test: run-7\r\nx-rampart-traffic: stress\r\ncontent-type: application/json\r\n\
         content-length: 9\r\n\r\n{\"id\": 1}"
    );
    request.body = Bytes::from_static(b"id=1");
    assert!(!sent(&prepared(request.clone()), &mut filling(1)).contains("content-type"));
    request.body = Bytes::new();
    assert!(sent(&prepared(request), &mut filling(1)).ends_with("\r\ncontent-length: 0\r\n\r\n"));
}

#[test]
fn given_headers_replace_those_sent_by_themselves() {
    let mut request = with_header(Request::new(Method::POST, "/"), "host", "other.example");
    request = with_header(request, "User-Agent", "checker/1");
    request = with_header(request, "content-type", "text/plain");
    request.body = Bytes::from_static(b"{}");
    let request = prepared_in(
        request,
        &Envelope {
            keep_alive: false,
            ..envelope()
        },
    );
    assert_eq!(
        sent(&request, &mut filling(1)),
        "POST /v1/ HTTP/1.1\r\nhost: other.example\r\nx-rampart-test: run-7\r\n\
         x-rampart-traffic: stress\r\nuser-agent: checker/1\r\ncontent-type: text/plain\r\n\
         connection: close\r\ncontent-length: 2\r\n\r\n{}"
    );
    assert_eq!(request.parts(&mut filling(1)).authority, "other.example");
}

#[test]
fn templates_make_up_each_sending_and_both_transports_agree() {
    let mut request = with_header(
        Request::new(Method::PUT, "/feed?page={{ rand(-2, 3) }}&n={{number}}"),
        "x-user",
        "{{ pick(\"a\", 'b', 7) }}-{{ line }}",
    );
    request.lines = Some(Arc::new(Lines::new("ada\n\nbob\r\n".to_owned())));
    request.body_template =
        Some(Template::parse("{\"id\": \"{{ uuid }}\", \"braces\": \"{{ '{{' }}\"}").unwrap());
    let request = prepared(request);
    assert!(request.varies());
    let (mut one, mut other) = (filling(42), filling(42));
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..40_u64 {
        let text = sent(&request, &mut one);
        let parts = request.parts(&mut other);
        assert_eq!(one.number, number + 1);
        let user = if number % 2 == 0 { "ada" } else { "bob" };
        let path = parts.path.strip_prefix("/v1/feed?page=").unwrap();
        let (page, rest) = path.split_once('&').unwrap();
        assert!((-2..=3).contains(&page.parse::<i64>().unwrap()), "{path}");
        assert_eq!(rest, format!("n={number}"));
        seen.insert(page.to_owned());
        let given = parts
            .headers
            .iter()
            .find(|(name, _)| name == "x-user")
            .map(|(_, value)| value.to_str().unwrap().to_owned())
            .unwrap();
        let (picked, line) = given.split_once('-').unwrap();
        assert!(["a", "b", "7"].contains(&picked) && line == user, "{given}");
        let body = std::str::from_utf8(&parts.body).unwrap();
        assert_eq!(
            text,
            format!(
                "PUT {} HTTP/1.1\r\nhost: feed.internal:8080\r\nuser-agent: rampart\r\n\
                 x-rampart-test: run-7\r\nx-rampart-traffic: stress\r\nx-user: {given}\r\n\
                 content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                parts.path,
                body.len()
            )
        );
        let document: serde_json::Value = serde_json::from_str(body).unwrap();
        let uuid = document["id"].as_str().unwrap();
        assert_eq!((uuid.len(), &uuid[14..15]), (36, "4"), "{uuid}");
        assert!("89ab".contains(&uuid[19..20]), "{uuid}");
        assert_eq!(document["braces"], "{{");
    }
    assert_eq!(seen.len(), 6, "all pages come: {seen:?}");
}

#[test]
fn threads_take_lines_in_turn_without_sharing_one() {
    let mut request = Request::new(Method::POST, "/like");
    request.lines = Some(Arc::new(Lines::new("[0]\n[1]\n[2]\n[3]".to_owned())));
    request.body_template = Some(Template::parse("{{ line }}").unwrap());
    let request = prepared(request);
    let bodies = |thread| {
        let mut filling = Filling::new(Random::new(1, thread), thread, 2);
        (0..4)
            .map(|_| {
                let text = sent(&request, &mut filling);
                assert!(text.contains("content-type: application/json\r\ncontent-length: 3\r\n"));
                text[text.len() - 3..].to_owned()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(bodies(0), ["[0]", "[2]", "[0]", "[2]"]);
    assert_eq!(bodies(1), ["[1]", "[3]", "[1]", "[3]"]);
    let parts = request.parts(&mut filling(1));
    assert_eq!(parts.body, "[0]");
}

#[test]
fn grpc_bodies_are_never_taken_for_templates_or_json() {
    let mut request = Request::new(Method::POST, "/feed.Feed/Get");
    request.grpc = Some(GrpcCall {
        service_method: "feed.Feed/Get".to_owned(),
        message: serde_json::json!({}),
    });
    request.body = Bytes::from_static(b"{{ rand(1,2) }}");
    let request = prepared(request);
    let parts = request.parts(&mut filling(1));
    assert_eq!(parts.body, &b"{{ rand(1,2) }}"[..]);
    assert_eq!(parts.path, "/v1/feed.Feed/Get");
    assert!(parts.headers.iter().all(|(name, _)| name != "content-type"));
}

#[test]
fn weights_share_the_draws() {
    let with_weight = |path, weight| Request {
        weight,
        ..Request::get(path)
    };
    let set = RequestSet::new(vec![with_weight("/a", 9), with_weight("/b", 1)]).unwrap();
    let mut random = Random::new(5, 0);
    let chosen = (0..10_000)
        .filter(|_| set.choose(random.bits()).0 == 1)
        .count();
    assert!((900..1_100).contains(&chosen), "{chosen}");
    assert!(RequestSet::new(vec![with_weight("/a", 0)]).is_none());
}

#[test]
fn slips_of_templates_are_pointed_at() {
    for (text, column, message, hint) in [
        (
            "/a{{ rnd(1, 2) }}",
            6,
            "unknown template function `rnd`",
            "did you mean `rand`?",
        ),
        (
            "/a{{ seed }}",
            6,
            "unknown template function `seed`",
            "rand(1, 50), number",
        ),
        ("{{ rand(1) }}", 4, "takes two whole numbers", "both ends"),
        ("{{ rand(5, 1) }}", 4, "not from 5 to 1", "rand(1, 5)"),
        (
            "{{ rand(1, x) }}",
            12,
            "a whole number or a quoted text",
            "",
        ),
        ("{{ rand(1, 2 }}", 14, "`,` or `)` is expected", ""),
        (
            "{{ number(3) }}",
            4,
            "takes nothing in brackets",
            "{{ number }}",
        ),
        ("{{ pick() }}", 4, "something to pick from", ""),
        ("{{ pick(\"a) }}", 9, "quotes are not closed", ""),
        ("é{{ uuid ", 2, "`{{` is not closed", "write }}"),
        ("{{ }}", 4, "a template function is expected", ""),
        ("{{ uuid x }}", 9, "`}}` is expected", ""),
    ] {
        let error = Template::parse(text).unwrap_err();
        assert_eq!((error.line, error.column), (1, column), "{text}: {error:?}");
        assert!(
            error.message.contains(message) && error.hint.contains(hint),
            "{text}: {error:?}"
        );
    }
    let error = Template::parse("{\n  \"a\": \"{{ x }}\"}").unwrap_err();
    assert_eq!((error.line, error.column), (2, 12));
}

#[test]
fn hostile_texts_do_not_get_into_a_head() {
    let template = |text| Template::parse(text).unwrap();
    for (name, value) in [
        ("x-a", "b\r\nx-evil: 1"),
        ("x-a", "b\n"),
        ("x-a", "{{ pick('ok', 'b\r\n\r\nGET /') }}"),
        ("x-a", "\0"),
        ("x a", "b"),
        ("x-a:", "b"),
        ("", "b"),
        ("x-a\r\n", "b"),
        ("Content-Length", "0"),
        ("transfer-encoding", "chunked"),
        ("connection", "close"),
        ("x-rampart-test", "forged"),
        ("X-Rampart-Traffic", "users"),
        ("host", "{{ pick('a', 'b') }}"),
    ] {
        assert!(
            check_header(name, &template(value)).is_err(),
            "{name:?}: {value:?}"
        );
    }
    assert!(check_header("x-user", &template("{{ rand(1, 2) }} 用户")).is_ok());
    for path in [
        "feed",
        "http://other/feed",
        "/a b",
        "/a\r\nx: 1",
        "/视频",
        "/a#b",
        "",
        "{{ pick('/a') }}/{{ pick(' ') }}",
    ] {
        assert!(check_path(&template(path)).is_err(), "{path:?}");
    }
    assert!(check_path(&template("/a?b={{ rand(1, 2) }}&c=%20")).is_ok());
}

fn judged(expect: &Expect, status: u16, header: &'static str, body: &str) -> bool {
    expect.judge(
        status,
        &|name| (name == "content-type").then_some(header.as_bytes()),
        body.as_bytes(),
    )
}

#[test]
fn statuses_are_told_apart() {
    let mut expect = Expect::default();
    for (status, expected) in [
        (200, true),
        (302, true),
        (399, true),
        (400, false),
        (503, false),
    ] {
        assert_eq!(judged(&expect, status, "", ""), expected, "{status}");
    }
    expect.statuses = StatusSet::parse("2xx").unwrap();
    expect.statuses.extend(StatusSet::parse("404").unwrap());
    for (status, expected) in [
        (199, false),
        (200, true),
        (299, true),
        (300, false),
        (404, true),
        (65_535, false),
    ] {
        assert_eq!(judged(&expect, status, "", ""), expected, "{status}");
    }
    assert_eq!(expect.statuses.iter().count(), 101);
    for text in ["99", "600", "6xx", "xx", "2xxx", "ok", "-1", ""] {
        assert!(StatusSet::parse(text).is_err(), "{text}");
    }
    assert!(!expect.needs_body() && !expect.needs_headers());
}

#[test]
fn headers_are_checked_whole() {
    for (check, value, expected) in [
        ("Content-Type: application/json", "application/json", true),
        (
            "content-type: application/json",
            "application/json; charset=utf-8",
            false,
        ),
        (
            "content-type ~ application/.*",
            "application/json; charset=utf-8",
            true,
        ),
        ("content-type ~ json", "application/json", false),
        ("etag: \"x\"", "application/json", false),
    ] {
        let expect = Expect {
            headers: vec![HeaderCheck::parse(check).unwrap()],
            ..Expect::default()
        };
        assert!(expect.needs_headers());
        assert_eq!(judged(&expect, 200, value, ""), expected, "{check}");
    }
    for text in ["content-type", "a b: c", ": x", "a ~ (", "~ x"] {
        assert!(HeaderCheck::parse(text).is_err(), "{text}");
    }
}

#[test]
fn json_is_checked_by_pointer() {
    let body = r#"{"ok": true, "n": 3, "price": 2.50, "name": "a b", "list": [{"id": 7}], "none": null, "a/b": 1}"#;
    for (check, expected) in [
        ("/ok == true", true),
        ("/ok != true", false),
        ("/n == 3.0", true),
        ("/n < 3", false),
        ("/n <= 3", true),
        ("/n > 2.9", true),
        ("/n >= 4", false),
        ("/price == 2.5", true),
        ("/name == \"a b\"", true),
        ("/name > 1", false),
        ("/list/0/id == 7", true),
        ("/list == [{\"id\": 7}]", true),
        ("/list/1/id == 7", false),
        ("/missing != 1", false),
        ("/missing exists", false),
        ("/missing absent", true),
        ("/none exists", true),
        ("/none == null", true),
        ("/a~1b == 1", true),
    ] {
        let expect = Expect {
            json: vec![JsonCheck::parse(check).unwrap()],
            ..Expect::default()
        };
        assert!(expect.needs_body());
        assert_eq!(judged(&expect, 200, "", body), expected, "{check}");
        assert!(!judged(&expect, 500, "", body), "{check}");
        assert!(!judged(&expect, 200, "", "<html>"), "{check}");
    }
    for (check, hint) in [
        ("/ok", "/ok == true"),
        ("ok == true", "write /ok"),
        ("$.a.b == 1", "write /a/b"),
        ("/ok = true", "write =="),
        ("/name == ab", "\"ab\""),
        ("/name == 'ab'", "\"ab\""),
        ("/n < \"3\"", "== or !="),
        ("/n ==", "true, false"),
        ("/n exists 3", "exists"),
        ("/n ~ 3", "=="),
    ] {
        let error = JsonCheck::parse(check).unwrap_err();
        assert!(error.hint.contains(hint), "{check}: {error:?}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in "(\\PC|[{}()\"', \n]|rand|pick|line){0,40}") {
        if let Ok(template) = Template::parse(&text) {
            let mut out = Vec::new();
            template.write(&mut filling(1), b"line", &mut out);
        }
        let _ = JsonCheck::parse(&text);
        let _ = HeaderCheck::parse(&text);
        let _ = StatusSet::parse(&text);
    }

    #[test]
    fn a_text_without_braces_stands_for_itself(text in "[^{]{0,60}") {
        prop_assert_eq!(Template::parse(&text).unwrap().fixed().unwrap(), text.as_bytes());
    }

    #[test]
    fn what_passed_the_checks_is_one_request(
        path in "(/[a-z]|\\PC|\r|\n| ){1,12}", name in "[a-zA-Z: -]{1,8}", value in "(\\PC|\r|\n){0,12}",
    ) {
        let (Ok(path_template), Ok(value_template)) = (Template::parse(&path), Template::parse(&value)) else {
            return Ok(());
        };
        if check_path(&path_template).is_err() || check_header(&name, &value_template).is_err() {
            return Ok(());
        }
        let request = prepared(with_header(Request::get(&path), &name, &value));
        let mut out = Vec::new();
        request.write_http1(&mut filling(1), &mut out);
        let mut headers = [httparse::EMPTY_HEADER; 16];
        let mut parsed = httparse::Request::new(&mut headers);
        prop_assert_eq!(parsed.parse(&out).unwrap(), httparse::Status::Complete(out.len()));
        let full_path = format!("/v1{path}");
        prop_assert_eq!(parsed.path, Some(full_path.as_str()));
        prop_assert_eq!(parsed.headers.len(), if ["host", "user-agent"].contains(&name.to_lowercase().as_str()) { 4 } else { 5 });
    }
}
