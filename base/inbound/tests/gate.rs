//! The gate: who comes in from where, under which name, and what the refusals look like.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use axum::routing::{get, post};
use http_body_util::BodyExt;
use inbound::{
    Access, Gate, Identity, Json, Path, ProblemDocument, Query, RequestId, Routes, Token, Tokens,
    layer,
};
use model::Secret;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tower::ServiceExt;

const LOCAL: &str = "127.0.0.1:40000";
const REMOTE: &str = "192.0.2.7:40000";

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Snooze {
    #[serde(default)]
    r#for: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Page {
    limit: u8,
}

async fn who(identity: Identity) -> String {
    format!("{} {}", identity.name, identity.role)
}

async fn maybe_who(identity: Option<Identity>) -> String {
    identity.map_or("nobody".to_owned(), |identity| identity.name)
}

async fn panics() -> String {
    panic!("canary")
}

fn rooms() -> Router {
    Routes::<()>::new()
        .route(Access::Read, "/who", get(who))
        .route(Access::Administer, "/act", post(who))
        .route(Access::Public, "/open", get(maybe_who))
        .route(Access::Public, "/panic", get(panics))
        .route(
            Access::Public,
            "/id",
            get(async |id: RequestId| id.as_str().to_owned()),
        )
        .route(
            Access::Public,
            "/page",
            get(async |Query(page): Query<Page>| page.limit.to_string()),
        )
        .route(
            Access::Public,
            "/item/{n}",
            get(async |Path(n): Path<u8>| n.to_string()),
        )
        .route(
            Access::Public,
            "/snooze",
            post(async |Json(snooze): Json<Snooze>| Json(snooze)),
        )
        .into_router()
}

fn tokens() -> Tokens {
    Tokens::new(vec![Token {
        name: "ann".to_owned(),
        role: inbound::Role::Viewer,
        secret: Secret::new("s".to_owned()),
    }])
}

/// Method, target, headers, from where.
async fn ask(gate: Gate, peer: &str, request: &[(&str, &str)], body: &str) -> Response<Body> {
    let mut built = Request::builder();
    for (name, value) in request {
        built = match *name {
            "method" => built.method(*value),
            "uri" => built.uri(*value),
            name => built.header(name, *value),
        };
    }
    let mut built = built.body(Body::from(body.to_owned())).unwrap();
    let peer: SocketAddr = peer.parse().unwrap();
    built.extensions_mut().insert(ConnectInfo(peer));
    layer(rooms(), gate).oneshot(built).await.unwrap()
}

async fn status(gate: Gate, peer: &str, request: &[(&str, &str)]) -> u16 {
    ask(gate, peer, request, "").await.status().as_u16()
}

async fn text(response: Response<Body>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn problem(response: Response<Body>) -> Value {
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    serde_json::from_str(&text(response).await).unwrap()
}

#[tokio::test]
async fn without_tokens_only_this_machine_is_admin() {
    let host = ("host", "localhost:9650");
    for (peer, expected) in [
        (LOCAL, 200),
        ("[::1]:1", 200),
        ("[::ffff:127.0.0.1]:1", 200),
        ("127.8.8.8:1", 200),
        (REMOTE, 401),
        ("10.0.0.1:1", 401),
        ("[fe80::1]:1", 401),
    ] {
        let answer = status(Gate::new(None), peer, &[("uri", "/who"), host]).await;
        assert_eq!(answer, expected, "{peer}");
    }
    let answer = ask(Gate::new(None), LOCAL, &[("uri", "/who"), host], "").await;
    assert_eq!(text(answer).await, "local admin");
    // A request whose peer is not known is not local.
    let unknown = Request::get("/who")
        .header("host", "localhost")
        .body(Body::empty())
        .unwrap();
    let answer = layer(rooms(), Gate::new(None))
        .oneshot(unknown)
        .await
        .unwrap();
    assert_eq!(answer.status(), 401);
}

#[tokio::test]
async fn a_set_of_tokens_without_any_lets_nobody_in() {
    let empty = Gate::new(Some(Tokens::new(Vec::new())));
    let request = [
        ("uri", "/who"),
        ("host", "localhost"),
        ("authorization", "Bearer "),
    ];
    assert_eq!(status(empty, LOCAL, &request).await, 401);
}

#[tokio::test]
async fn without_tokens_foreign_names_are_refused() {
    let plain = || Gate::new(None);
    let named = || {
        Gate::new(None)
            .external_url("https://Rampart.example:8443/guard/")
            .unwrap()
    };
    let insecure = || Gate::new(None).insecure();
    let with_tokens = || Gate::new(Some(tokens()));
    for (gate, host, expected) in [
        (plain(), "localhost", 200),
        (plain(), "LOCALHOST.:9650", 200),
        (plain(), "127.0.0.1:9650", 200),
        (plain(), "[::1]:9650", 200),
        (plain(), "evil.example", 403),
        (plain(), "evil.example:9650", 403),
        (plain(), "localhost.evil.example", 403),
        (plain(), "127.0.0.1.nip.io", 403),
        (plain(), "192.168.1.1", 403),
        (plain(), "localhost@evil.example", 403),
        (plain(), "", 403),
        (plain(), "rampart.example", 403),
        (named(), "rampart.example:8443", 200),
        (named(), "rampart.example", 200),
        (named(), "evil.example", 403),
        (insecure(), "192.168.1.1:9650", 200),
        (insecure(), "evil.example", 403),
        (with_tokens(), "any.example", 200),
    ] {
        let request = [("uri", "/open"), ("host", host)];
        assert_eq!(status(gate, LOCAL, &request).await, expected, "{host:?}");
    }
    assert_eq!(
        status(plain(), LOCAL, &[("uri", "/open")]).await,
        403,
        "no host"
    );
    let two = [
        ("uri", "/open"),
        ("host", "localhost"),
        ("host", "evil.example"),
    ];
    assert_eq!(status(plain(), LOCAL, &two).await, 403, "two hosts");
    let absolute = [("uri", "http://evil.example/open"), ("host", "localhost")];
    assert_eq!(status(plain(), LOCAL, &absolute).await, 403, "two hosts");
    assert_eq!(
        status(insecure(), REMOTE, &[("uri", "/who"), ("host", "10.0.0.1")]).await,
        200
    );
}

#[tokio::test]
async fn pages_of_other_sites_change_nothing() {
    let external = "https://rampart.example/guard";
    for (method, origin, host, expected) in [
        ("POST", None, "localhost:9650", 200),
        ("POST", Some("http://localhost:9650"), "localhost:9650", 200),
        ("POST", Some("http://LOCALHOST:9650"), "localhost:9650", 200),
        ("POST", Some("http://localhost"), "localhost:80", 200),
        (
            "POST",
            Some("https://rampart.example"),
            "localhost:9650",
            200,
        ),
        (
            "POST",
            Some("https://rampart.example:443"),
            "rampart.example",
            200,
        ),
        ("POST", Some("http://localhost:3000"), "localhost:9650", 403),
        ("POST", Some("http://127.0.0.1:9650"), "localhost:9650", 403),
        ("POST", Some("https://evil.example"), "localhost:9650", 403),
        (
            "POST",
            Some("http://rampart.example"),
            "localhost:9650",
            403,
        ),
        (
            "POST",
            Some("https://rampart.example.evil.example"),
            "localhost:9650",
            403,
        ),
        (
            "POST",
            Some("https://rampart.example@evil.example"),
            "localhost:9650",
            403,
        ),
        ("POST", Some("null"), "localhost:9650", 403),
        ("POST", Some(""), "localhost:9650", 403),
        ("PUT", Some("https://evil.example"), "localhost:9650", 403),
        (
            "DELETE",
            Some("https://evil.example"),
            "localhost:9650",
            403,
        ),
        ("BREW", Some("https://evil.example"), "localhost:9650", 403),
        ("GET", Some("https://evil.example"), "localhost:9650", 405),
    ] {
        let gate = Gate::new(None).external_url(external).unwrap();
        let mut request = vec![("method", method), ("uri", "/act"), ("host", host)];
        request.extend(origin.map(|origin| ("origin", origin)));
        let answer = status(gate, LOCAL, &request).await;
        assert_eq!(answer, expected, "{method} from {origin:?} at {host}");
    }
    // A token does not help a page of another site either.
    let request = [
        ("method", "POST"),
        ("uri", "/act"),
        ("host", "r.example"),
        ("origin", "https://evil.example"),
        ("authorization", "Bearer s"),
    ];
    let answer = ask(Gate::new(Some(tokens())), REMOTE, &request, "").await;
    assert_eq!(problem(answer).await["field"], "Origin");
}

#[tokio::test]
async fn everything_also_answers_below_the_external_path() {
    for (uri, expected) in [
        ("/who", 200),
        ("/guard/who", 200),
        ("/guard/who?x=1", 200),
        ("/guard/page?limit=3", 200),
        ("/guard", 404),
        ("/guardwho", 404),
        ("/guard/guard/who", 404),
        ("/Guard/who", 404),
    ] {
        let gate = Gate::new(None)
            .external_url("https://r.example/guard")
            .unwrap();
        assert_eq!(
            status(gate, LOCAL, &[("uri", uri), ("host", "localhost")]).await,
            expected,
            "{uri}"
        );
    }
}

#[test]
fn external_urls_are_checked() {
    for good in [
        "https://r.example",
        "http://10.0.0.1:9650/",
        "https://r.example/a/b",
    ] {
        assert!(Gate::new(None).external_url(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "r.example",
        "ftp://r.example",
        "https://u:p@r.example",
        "https://r.example/?x",
        "/guard",
    ] {
        let error = Gate::new(None).external_url(bad).unwrap_err();
        assert!(error.to_string().contains("external_url"), "{error}");
    }
}

#[tokio::test]
async fn refusals_name_the_way_out() {
    let gate = || Gate::new(Some(tokens()));
    let answer = ask(gate(), REMOTE, &[("uri", "/who")], "").await;
    assert!(
        answer.headers()["www-authenticate"]
            .to_str()
            .unwrap()
            .starts_with("Bearer")
    );
    assert!(
        problem(answer).await["hint"]
            .as_str()
            .unwrap()
            .contains("Authorization: Bearer")
    );

    let request = [
        ("method", "POST"),
        ("uri", "/act"),
        ("authorization", "Bearer s"),
    ];
    let refused = problem(ask(gate(), REMOTE, &request, "").await).await;
    assert_eq!(refused["status"], 403);
    assert_eq!(
        refused["detail"],
        "this needs the role admin; token `ann` has the role viewer"
    );

    let answer = ask(
        gate(),
        REMOTE,
        &[("uri", "/api/v2/nothing?token=canary")],
        "",
    )
    .await;
    let unknown = problem(answer).await;
    assert_eq!(unknown["status"], 404);
    assert!(unknown["hint"].as_str().unwrap().contains("/api/v1"));
    assert!(!unknown.to_string().contains("canary"));

    let answer = ask(gate(), REMOTE, &[("method", "DELETE"), ("uri", "/who")], "").await;
    assert_eq!(answer.headers()["allow"], "GET,HEAD");
    assert_eq!(problem(answer).await["status"], 405);
}

#[tokio::test]
async fn a_panic_is_an_answer_without_detail() {
    let answer = ask(Gate::new(Some(tokens())), REMOTE, &[("uri", "/panic")], "").await;
    assert!(answer.headers().contains_key("x-request-id"));
    let shown = problem(answer).await;
    assert_eq!(shown["status"], 500);
    assert!(!shown.to_string().contains("canary"), "{shown}");
}

#[tokio::test]
async fn request_ids_are_taken_or_made_and_always_answered() {
    let gate = || Gate::new(Some(tokens()));
    for uri in ["/id", "/nothing", "/who"] {
        let answer = ask(gate(), REMOTE, &[("uri", uri), ("x-request-id", "r-1")], "").await;
        assert_eq!(answer.headers()["x-request-id"], "r-1");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    }
    let answer = ask(
        gate(),
        REMOTE,
        &[("uri", "/id"), ("x-request-id", "two words")],
        "",
    )
    .await;
    let answered = answer.headers()["x-request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    assert_eq!(answered.len(), 16);
    assert_eq!(text(answer).await, answered, "handlers see the same id");
}

#[tokio::test]
async fn public_routes_know_their_caller_when_there_is_one() {
    let gate = || Gate::new(Some(tokens()));
    let known = [("uri", "/open"), ("authorization", "Bearer s")];
    assert_eq!(text(ask(gate(), REMOTE, &known, "").await).await, "ann");
    let unknown = [("uri", "/open"), ("authorization", "Bearer x")];
    assert_eq!(
        text(ask(gate(), REMOTE, &unknown, "").await).await,
        "nobody"
    );
}

#[tokio::test]
async fn extractors_refuse_with_problem_documents() {
    let gate = || Gate::new(Some(tokens()));
    let json = ("content-type", "application/json; charset=utf-8");
    let snooze = [("method", "POST"), ("uri", "/snooze"), json];
    for (body, expected) in [
        (r#"{"for":"5m"}"#, r#"{"for":"5m"}"#),
        ("{}", r#"{"for":null}"#),
        ("", r#"{"for":null}"#),
    ] {
        assert_eq!(
            text(ask(gate(), REMOTE, &snooze, body).await).await,
            expected
        );
    }
    let bare = [("method", "POST"), ("uri", "/snooze")];
    assert_eq!(
        ask(gate(), REMOTE, &bare, "").await.status(),
        200,
        "nothing to be typed"
    );

    let refused = problem(ask(gate(), REMOTE, &snooze, r#"{"until":1}"#).await).await;
    assert_eq!(
        (&refused["status"], &refused["field"]),
        (&400.into(), &"until".into())
    );
    let refused = problem(ask(gate(), REMOTE, &snooze, r#"{"for":"#).await).await;
    assert!(
        refused["detail"]
            .as_str()
            .unwrap()
            .contains("line 1 column"),
        "{refused}"
    );
    let refused = problem(ask(gate(), REMOTE, &bare, "{}").await).await;
    assert_eq!(
        (&refused["status"], &refused["field"]),
        (&415.into(), &"Content-Type".into())
    );
    let form = [
        bare[0],
        bare[1],
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    assert_eq!(ask(gate(), REMOTE, &form, "{}").await.status(), 415);
    let large = format!(
        r#"{{"for":"{}"}}"#,
        "x".repeat(inbound::JSON_BODY_BYTES_MAX)
    );
    assert_eq!(ask(gate(), REMOTE, &snooze, &large).await.status(), 413);
    let deep = "[".repeat(100_000);
    assert_eq!(ask(gate(), REMOTE, &snooze, &deep).await.status(), 400);

    let refused = problem(ask(gate(), REMOTE, &[("uri", "/page")], "").await).await;
    assert_eq!(refused["field"], "limit");
    for uri in ["/page?limit=many", "/item/x", "/item/%ff"] {
        let refused = problem(ask(gate(), REMOTE, &[("uri", uri)], "").await).await;
        assert_eq!(refused["status"], 400, "{uri}");
    }
}

#[test]
fn results_with_problem_documents_stay_small() {
    assert!(size_of::<Result<(), ProblemDocument>>() <= size_of::<usize>());
}
