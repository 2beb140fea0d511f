//! Every route against every identity, spelled in every way: nothing is reached that was not
//! declared for the caller.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::{Method, Request, Response};
use axum::routing::{any, get, post};
use inbound::{Access, Gate, Identity, Role, Routes, Token, Tokens, layer};
use model::Secret;
use tower::ServiceExt;

/// Counts how often any handler ran.
type Ran = Arc<AtomicUsize>;

async fn handler(State(ran): State<Ran>) -> &'static str {
    ran.fetch_add(1, Ordering::SeqCst);
    "handled"
}

fn routes() -> Routes<Ran> {
    let api = Routes::new()
        .route(Access::Read, "/incidents", get(handler))
        .route(
            Access::Respond,
            "/incidents/{id}/acknowledge",
            post(handler),
        )
        .route(Access::Ingest, "/invocations", post(handler))
        .route(Access::Read, "/mode", get(handler))
        .route(Access::Administer, "/mode", axum::routing::put(handler))
        .route(Access::Administer, "/anything/{*rest}", any(handler));
    Routes::new()
        .route(Access::Public, "/livez", get(handler))
        .nest("/api/v1", api)
        .merge(Routes::new().route(Access::Administer, "/-/reload", post(handler)))
}

/// What `routes` declares, with the methods, which axum does not list.
const DECLARED: [(&str, &[&str], Access); 8] = [
    ("/livez", &["GET", "HEAD"], Access::Public),
    ("/api/v1/incidents", &["GET", "HEAD"], Access::Read),
    (
        "/api/v1/incidents/7/acknowledge",
        &["POST"],
        Access::Respond,
    ),
    ("/api/v1/invocations", &["POST"], Access::Ingest),
    ("/api/v1/mode", &["GET", "HEAD"], Access::Read),
    ("/api/v1/mode", &["PUT"], Access::Administer),
    ("/api/v1/anything/a/b", &METHODS, Access::Administer),
    ("/-/reload", &["POST"], Access::Administer),
];

const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW",
];

fn tokens() -> Tokens {
    let held = Role::ALL.map(|(role, word)| Token {
        name: word.to_owned(),
        role,
        secret: Secret::new(format!("secret-{word}")),
    });
    let empty = Token {
        name: "empty".to_owned(),
        role: Role::Admin,
        secret: Secret::new(String::new()),
    };
    Tokens::new(held.into_iter().chain([empty]).collect())
}

fn server() -> (Router, Ran) {
    let ran = Ran::default();
    let routes: Routes = routes().with_state(Arc::clone(&ran));
    (layer(routes.into_router(), Gate::new(Some(tokens()))), ran)
}

/// Authorization headers with the role that they stand for.
fn callers() -> Vec<(Option<String>, Option<Role>)> {
    let known = Role::ALL
        .into_iter()
        .map(|(role, word)| (Some(format!("Bearer secret-{word}")), Some(role)));
    let nobody = [
        "Bearer ",
        "Bearer",
        "Bearer wrong",
        "Basic secret-admin",
        "secret-admin",
    ]
    .map(|header| (Some(header.to_owned()), None));
    known.chain(nobody).chain([(None, None)]).collect()
}

async fn ask(
    server: &Router,
    method: &str,
    path: &str,
    authorization: Option<&str>,
) -> Response<Body> {
    let mut request = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap())
        .uri(path)
        .header("host", "rampart.example");
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    let mut request = request.body(Body::empty()).unwrap();
    // With tokens configured, being on the same machine opens nothing.
    let local: SocketAddr = ([127, 0, 0, 1], 1).into();
    request.extensions_mut().insert(ConnectInfo(local));
    // Nor does an identity that somehow got into the request before the gate.
    request.extensions_mut().insert(Identity::local_admin());
    server.clone().oneshot(request).await.unwrap()
}

#[test]
fn the_declarations_are_listed() {
    let listed: Vec<_> = routes()
        .declared()
        .iter()
        .map(|(path, access)| {
            let concrete = path.replace("{id}", "7").replace("{*rest}", "a/b");
            (concrete, *access)
        })
        .collect();
    let expected: Vec<_> = DECLARED
        .iter()
        .map(|(path, _, access)| ((*path).to_owned(), *access))
        .collect();
    for declaration in &expected {
        assert!(
            listed.contains(declaration),
            "{declaration:?} in {listed:?}"
        );
    }
    assert_eq!(listed.len(), expected.len());
}

#[tokio::test]
async fn routes_times_methods_times_identities() {
    let (server, ran) = server();
    for (path, _, _) in DECLARED {
        for method in METHODS {
            let declared = DECLARED
                .iter()
                .find(|(known, methods, _)| *known == path && methods.contains(&method))
                .map(|(_, _, access)| *access);
            for (header, role) in callers() {
                ran.store(0, Ordering::SeqCst);
                let answer = ask(&server, method, path, header.as_deref()).await;
                let expected = match (declared, role) {
                    (None, _) => 405,
                    (Some(Access::Public), _) => 200,
                    (Some(_), None) => 401,
                    (Some(access), Some(role)) if role.may(access) => 200,
                    (Some(_), Some(_)) => 403,
                };
                let case = format!("{method} {path} as {header:?}");
                assert_eq!(answer.status(), expected, "{case}");
                assert_eq!(ran.load(Ordering::SeqCst) > 0, expected == 200, "{case}");
            }
        }
    }
}

#[tokio::test]
async fn other_spellings_reach_nothing() {
    let (server, ran) = server();
    for (path, methods, access) in DECLARED {
        if access == Access::Public || path.contains("anything") {
            continue;
        }
        let spellings = [
            format!("/{path}"),
            path.replace('/', "//"),
            format!("{path}/"),
            format!("{path}//"),
            format!("{path}/."),
            format!("{path}%2f"),
            format!("{path}%00"),
            format!("{path};x=1"),
            format!("/.{path}"),
            format!("/x/..{path}"),
            format!("/livez/..{path}"),
            format!("/livez/%2e%2e{path}"),
            format!("/%2e{path}"),
            path.replacen('/', "/%2F", 2),
            path.replace("api", "API"),
            path.replace('i', "%69").replace('e', "%65"),
            path.to_ascii_uppercase(),
        ];
        for spelling in spellings.iter().filter(|spelling| *spelling != path) {
            for (header, _) in callers() {
                let answer = ask(&server, methods[0], spelling, header.as_deref()).await;
                let status = answer.status().as_u16();
                assert!([400, 404].contains(&status), "{spelling}: {status}");
            }
        }
    }
    assert_eq!(ran.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_parameter_does_not_open_another_route() {
    let (server, ran) = server();
    for path in [
        "/api/v1/incidents/../mode/acknowledge",
        "/api/v1/incidents/7/../../mode",
        "/api/v1/incidents/%2e%2e%2fmode",
    ] {
        let answer = ask(&server, "PUT", path, Some("Bearer secret-responder")).await;
        assert!([404, 405].contains(&answer.status().as_u16()), "{path}");
    }
    assert_eq!(ran.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn two_authorization_headers_are_nobodys() {
    let (server, ran) = server();
    let request = Request::get("/api/v1/incidents")
        .header("authorization", "Bearer secret-admin")
        .header("authorization", "Bearer secret-viewer")
        .body(Body::empty())
        .unwrap();
    assert_eq!(server.oneshot(request).await.unwrap().status(), 401);
    assert_eq!(ran.load(Ordering::SeqCst), 0);
}
