//! Requests against servers on loopback that misbehave in every way a server can.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use outbound::{AllowList, Answer, Limits, Outbound, OutboundError, Request, Trust};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A server that treats every connection the same way, and counts them.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Server {
    async fn that<F, Fut>(treat: F) -> Self
    where
        F: Fn(TcpStream) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(treat(stream));
            }
        });
        Server {
            address,
            connections,
        }
    }

    /// Reads the request, then writes these bytes and closes.
    async fn answering(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::that(move |mut stream| {
            let bytes = bytes.clone();
            async move {
                read_request(&mut stream).await;
                let _ = stream.write_all(&bytes).await; // a client may stop reading early
                let _ = stream.shutdown().await;
            }
        })
        .await
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Everything up to the end of head and body, as text.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .filter_map(|line| line.split_once(": "))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .map_or(0, |(_, value)| value.parse().unwrap());
            if body.len() >= length {
                return text;
            }
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return text,
            Ok(count) => read.extend_from_slice(&chunk[..count]),
        }
    }
}

fn client() -> Outbound {
    Outbound::new(AllowList::default(), Limits::default())
}

fn to(url: impl Into<String>) -> Request {
    Request {
        trust: Trust::Configured,
        deadline: Duration::from_secs(30),
        ..Request::new("GET", url)
    }
}

/// For servers that never finish: long enough to connect on a busy machine.
fn briefly(request: Request) -> Request {
    Request {
        deadline: Duration::from_secs(2),
        ..request
    }
}

async fn fail(request: Request) -> OutboundError {
    client().send(request).await.unwrap_err()
}

fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn an_answer_is_taken_whole_and_the_request_sent_as_given() {
    let (seen, mut requests) = tokio::sync::mpsc::channel(1);
    let server = Server::that(move |mut stream| {
        let seen = seen.clone();
        async move {
            seen.send(read_request(&mut stream).await).await.unwrap();
            let answer =
                "HTTP/1.1 503 Busy\r\nX-One: a\r\nx-one: b\r\nContent-Length: 3\r\n\r\nno.";
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    let answer = client()
        .send(Request {
            method: "POST".into(),
            headers: vec![
                ("X-Key".into(), "canary".into()),
                ("X-Key".into(), "2".into()),
            ],
            body: b"{\"a\":1}".to_vec(),
            ..to(server.url("/hook?access_token=t%20x#part"))
        })
        .await
        .unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (503, &b"no."[..]));
    assert!(!answer.is_success());
    assert_eq!(answer.header("x-one"), Some("a"));
    let named: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| name == "x-one")
        .collect();
    assert_eq!(named.len(), 2);

    let request = requests.recv().await.unwrap().to_ascii_lowercase();
    assert!(
        request.starts_with("post /hook?access_token=t%20x http/1.1\r\n"),
        "{request}"
    );
    assert!(request.contains("x-key: canary\r\n") && request.contains("x-key: 2\r\n"));
    assert!(request.contains(&format!("host: {}\r\n", server.address)));
    assert!(request.contains("content-length: 7\r\n"));
    assert!(!request.contains("accept-encoding"), "{request}");
    assert!(request.ends_with("{\"a\":1}"));
}

#[tokio::test]
async fn a_refused_connection_was_surely_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = fail(to(format!("http://{address}/"))).await;
    assert!(matches!(error, OutboundError::Connect { .. }), "{error:?}");
    assert!(!error.outcome_unknown());
}

#[tokio::test]
async fn tls_that_fails_was_surely_not_sent() {
    let server = Server::that(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    })
    .await;
    let error = fail(to(server.url("/").replace("http:", "https:"))).await;
    assert!(matches!(error, OutboundError::Connect { .. }), "{error:?}");

    let silent = Server::that(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let error = fail(briefly(to(silent.url("/").replace("http:", "https:")))).await;
    assert!(
        matches!(error, OutboundError::Timeout { sent: false, .. }),
        "{error:?}"
    );
    assert!(!error.outcome_unknown());
}

#[tokio::test]
async fn a_server_that_hangs_may_have_acted() {
    let before_reading = Server::that(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let after_reading = Server::that(|mut stream| async move {
        read_request(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let in_the_answer = Server::that(|mut stream| async move {
        read_request(&mut stream).await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
            .await
            .unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    for server in [before_reading, after_reading, in_the_answer] {
        let error = fail(briefly(to(server.url("/")))).await;
        assert!(
            matches!(error, OutboundError::Timeout { sent: true, .. }),
            "{error:?}"
        );
        assert!(error.outcome_unknown());
    }
}

#[tokio::test]
async fn dripping_bytes_do_not_stretch_the_deadline() {
    let server = Server::that(|mut stream| async move {
        read_request(&mut stream).await;
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            .await;
        while stream.write_all(b".").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let error = fail(briefly(to(server.url("/")))).await;
    assert!(
        matches!(error, OutboundError::Timeout { sent: true, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_request_leaves_the_outcome_open() {
    let closing = Server::answering("").await;
    // Dropping a socket with unread bytes in it sends a reset.
    let resetting = Server::that(|stream| async move {
        stream.readable().await.unwrap();
    })
    .await;
    let half_a_head = Server::answering("HTTP/1.1 200 OK\r\nContent-Le").await;
    let half_a_body = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await;
    let half_a_chunk =
        Server::answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf").await;
    let no_http = Server::answering("220 mail.example ESMTP\r\n").await;
    for server in [
        closing,
        resetting,
        half_a_head,
        half_a_body,
        half_a_chunk,
        no_http,
    ] {
        let error = fail(to(server.url("/"))).await;
        assert!(
            matches!(error, OutboundError::Interrupted { .. }),
            "{error:?}"
        );
        assert!(error.outcome_unknown());
        assert_eq!(server.connections(), 1, "never sent twice");
    }
}

#[tokio::test]
async fn redirects_are_answers() {
    let elsewhere = Server::answering(ok("secret")).await;
    for status in [
        "301 Moved",
        "302 Found",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let redirecting = Server::answering(format!(
            "HTTP/1.1 {status}\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
            elsewhere.url("/")
        ))
        .await;
        let answer = client().send(to(redirecting.url("/"))).await.unwrap();
        assert_eq!(answer.status.to_string(), status[..3]);
        assert_eq!(answer.header("location"), Some(elsewhere.url("/").as_str()));
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn an_answer_is_read_up_to_its_cap() {
    let exact = "x".repeat(1000);
    let chunked = |size: usize| {
        format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{size:x}\r\n{}\r\n0\r\n\r\n",
            "x".repeat(size)
        )
    };
    let until_close = |size: usize| format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(size));
    for (answer, fits) in [
        (ok(&exact), true),
        (chunked(1000), true),
        (until_close(1000), true),
        (ok(&format!("{exact}x")), false),
        (chunked(1001), false),
        (until_close(1001), false),
        (until_close(3_000_000), false),
    ] {
        let server = Server::answering(answer).await;
        let request = Request {
            answer_bytes_max: 1000,
            ..to(server.url("/"))
        };
        match client().send(request).await {
            Ok(Answer { body, .. }) => assert!(fits && body.len() == 1000),
            Err(error) => {
                assert!(!fits, "{error}");
                assert!(
                    matches!(
                        error,
                        OutboundError::AnswerTooLarge {
                            status: 200,
                            bytes_max: 1000,
                            ..
                        }
                    ),
                    "{error:?}"
                );
                assert!(error.outcome_unknown());
            }
        }
    }
}

#[tokio::test]
async fn compressed_answers_are_left_as_they_are() {
    let server = Server::answering(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nbomb",
    )
    .await;
    let answer = client().send(to(server.url("/"))).await.unwrap();
    assert_eq!(answer.body, b"bomb");
}

#[tokio::test]
async fn hosts_from_data_do_not_reach_this_machine_unless_allowed() {
    let server = Server::answering(ok("in")).await;
    let port = server.address.port();
    let derived = |url: String| Request {
        trust: Trust::Derived,
        ..to(url)
    };
    let urls = [
        format!("http://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://0x7f.1:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
    ];
    for url in &urls {
        let error = fail(derived(url.clone())).await;
        assert!(
            matches!(error, OutboundError::Refused { .. }),
            "{url}: {error:?}"
        );
        assert!(error.to_string().contains("outbound.allow"), "{error}");
        assert!(!error.outcome_unknown());
    }
    assert_eq!(server.connections(), 0);

    for (list, url) in [
        ("127.0.0.0/8".to_owned(), &urls[0]),
        (format!("127.0.0.1:{port}"), &urls[2]),
        (format!("localhost:{port}"), &urls[1]),
        ("localhost".to_owned(), &urls[1]),
    ] {
        let allow = AllowList::parse(&[&list]).unwrap();
        let outbound = Outbound::new(allow, Limits::default());
        let answer = outbound.send(derived(url.clone())).await;
        assert_eq!(
            answer.map(|answer| answer.body),
            Ok(b"in".to_vec()),
            "{list} {url}"
        );
    }
}

#[tokio::test]
async fn each_request_has_its_own_connection() {
    let server = Server::that(|mut stream| async move {
        // Keeps the connection open for another request, which must not come.
        loop {
            if read_request(&mut stream).await.is_empty() {
                return;
            }
            let _ = stream.write_all(ok("").as_bytes()).await;
        }
    })
    .await;
    let client = client();
    for _ in 0..3 {
        client.send(to(server.url("/"))).await.unwrap();
    }
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn waiting_for_a_turn_counts_against_the_deadline() {
    let server = Server::that(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let limits = Limits {
        requests_in_flight_max: 1,
        ..Limits::default()
    };
    let client = Outbound::new(AllowList::default(), limits);
    let (first, url) = (client.clone(), server.url("/"));
    let holding = tokio::spawn(async move { first.send(to(url)).await });
    while server.connections() == 0 {
        tokio::task::yield_now().await;
    }
    let error = client.send(briefly(to(server.url("/")))).await.unwrap_err();
    assert!(
        matches!(error, OutboundError::Timeout { sent: false, .. }),
        "{error:?}"
    );
    assert_eq!(server.connections(), 1);
    holding.abort();
}

#[tokio::test]
async fn requests_that_cannot_be_sent_say_why() {
    let with_header = |name: &str, value: &str| Request {
        headers: vec![(name.to_owned(), value.to_owned())],
        ..to("http://127.0.0.1:9/")
    };
    let with_method = |method: &str| Request {
        method: method.to_owned(),
        ..to("http://127.0.0.1:9/")
    };
    for (request, expected) in [
        (
            with_header("X-Key", "canary\r\nX-Evil: 1"),
            "control characters",
        ),
        (with_header("X Key", "canary"), "not a header name"),
        (with_header("Host", "canary"), "not the caller's"),
        (
            with_header("Transfer-Encoding", "canary"),
            "not the caller's",
        ),
        (with_method("CONNECT"), "tunnel"),
        (with_method("GE T"), "not a method"),
        (with_method(""), "not a method"),
        (to("http://u:canary@127.0.0.1:9/"), "credentials"),
        (to("mailto:canary@example.com"), "http and https"),
    ] {
        let error = fail(request).await;
        let shown = error.to_string();
        assert!(shown.contains(expected), "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
        assert!(!error.outcome_unknown());
    }
}

#[tokio::test]
async fn tokens_in_urls_headers_and_bodies_are_never_shown() {
    let server = Server::answering("").await;
    let request = Request {
        headers: vec![("Authorization".into(), "canary".into())],
        body: b"canary".to_vec(),
        ..to(server.url("/canary?access_token=canary#canary"))
    };
    let mut shown = vec![format!("{request:?}")];
    for url in [
        request.url.clone(),
        "http://127.0.0.1:1/canary?canary".to_owned(),
        "https://canary.invalid/?token=canary".replace("canary.", "name."),
    ] {
        let error = fail(Request {
            url,
            ..request.clone()
        })
        .await;
        shown.push(format!("{error} {error:?}"));
    }
    let shown = shown.join("\n");
    assert!(!shown.contains("canary"), "{shown}");
}

#[tokio::test]
async fn names_without_addresses_were_surely_not_sent() {
    let error = fail(to("http://no-such-host.invalid/")).await;
    assert!(matches!(error, OutboundError::Resolve { .. }), "{error:?}");
    assert!(!error.outcome_unknown());
}

/// Runs the first test again in a process whose environment names a proxy that refuses.
#[test]
fn proxies_from_the_environment_are_ignored() {
    let proxy = "http://127.0.0.1:1";
    let run = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "an_answer_is_taken_whole_and_the_request_sent_as_given",
        ])
        .envs(["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"].map(|name| (name, proxy)))
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && text.contains("1 passed"), "{text}");
}
