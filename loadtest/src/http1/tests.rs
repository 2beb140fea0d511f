//! The engine against servers that follow a script, over real sockets.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::arrivals::ArrivalPlan;
use crate::engine::{Job, RunClock, Share, Stop, TALLIES_QUEUED_MAX};
use crate::outcome::Failure;
use crate::plan::{Arrivals, Protocol, Stage};
use crate::request::{Envelope, Request, RequestSet};
use crate::tally::Tally;

mod endings;

/// A server that hands each connection to `serve`, with the number of the connection.
fn server(serve: impl Fn(TcpStream, usize) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            let serve = Arc::clone(&serve);
            std::thread::spawn(move || serve(stream, number));
        }
    });
    address
}

/// Reads one request up to its empty line; `None` when the client closed.
fn request(stream: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => text.push(byte[0]),
            _ => return None,
        }
    }
    Some(String::from_utf8(text).unwrap())
}

/// Answers every request on every connection with the same bytes.
fn echo(answer: &'static [u8]) -> SocketAddr {
    server(move |mut stream, _| {
        while request(&mut stream).is_some() {
            if stream.write_all(answer).is_err() {
                return;
            }
        }
    })
}

struct Test {
    address: SocketAddr,
    requests: Vec<Request>,
    load: Share,
    millis: u64,
    timeout: Duration,
    redirects_max: u32,
    in_flight_max: u32,
    connections_max: u32,
    keep_alive: bool,
}

impl Test {
    /// So many evenly spaced requests within 100 ms.
    fn slots(address: SocketAddr, slots: u32) -> Self {
        let rate = f64::from(slots) * 10.0;
        let stages = vec![Stage {
            duration: Duration::from_millis(100),
            from: rate,
            to: rate,
        }];
        Test {
            load: Share::Open(ArrivalPlan {
                arrivals: Arrivals::Constant,
                stages,
                index: 0,
                of: 1,
            }),
            ..Test::callers(address, 1)
        }
    }

    fn callers(address: SocketAddr, connections: u32) -> Self {
        Test {
            address,
            requests: vec![Request::get("/x")],
            load: Share::Closed { connections },
            millis: 100,
            timeout: Duration::from_secs(10),
            redirects_max: 0,
            in_flight_max: 1_000,
            connections_max: connections.max(8),
            keep_alive: true,
        }
    }

    fn run(self) -> Tally {
        self.run_until(&Stop::new())
    }

    fn run_until(self, stop: &Arc<Stop>) -> Tally {
        let envelope = Envelope {
            authority: self.address.to_string(),
            scheme: "http",
            base_path: String::new(),
            run_id: "test".to_owned(),
            keep_alive: self.keep_alive,
        };
        let mut requests = RequestSet::new(self.requests).unwrap();
        requests.prepare(&envelope);
        let clock = RunClock::start();
        let start = clock.now().plus(1_000_000);
        let job = Job {
            address: self.address,
            host: "localhost".to_owned(),
            envelope,
            redirects_max: self.redirects_max,
            protocol: Protocol::Http1,
            tls: None,
            requests: Arc::new(requests),
            load: self.load,
            timeout: self.timeout,
            in_flight_max: self.in_flight_max,
            connections_max: self.connections_max,
            seed: 1,
            thread: 0,
            threads: 1,
            catch_up: PATIENCE,
            start,
            end: start.plus(self.millis * 1_000_000),
        };
        let (tallies, seen) = sync_channel(TALLIES_QUEUED_MAX);
        super::run(&job, &clock, stop, &tallies).unwrap();
        drop(tallies);
        let mut total = Tally::default();
        for second in &seen {
            total.add_after(&second.tally);
        }
        total
    }
}

fn failed(tally: &Tally, failure: Failure) -> u64 {
    tally.counts.failures[failure as usize]
}

/// A busy machine may be late; nothing is measured here, so no slot is missed for it.
const PATIENCE: Duration = Duration::from_mins(1);
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[test]
fn every_slot_is_sent_and_answered_once() {
    let tally = Test::slots(echo(OK), 40).run();
    let counts = &tally.counts;
    assert_eq!((counts.intended, counts.missed + counts.sent), (40, 40));
    assert_eq!(counts.ok, counts.sent);
    assert_eq!(tally.statuses.get(&200), Some(&counts.ok));
    assert_eq!(tally.latency.count(), counts.ok);
    assert_eq!(counts.bytes_in, counts.ok * OK.len() as u64);
    assert_eq!(tally.in_flight, 0);
}

#[test]
fn callers_go_round_until_the_end() {
    let tally = Test::callers(echo(OK), 3).run();
    let counts = &tally.counts;
    assert!(counts.ok > 10, "{counts:?}");
    assert_eq!(
        (
            counts.intended,
            counts.sent,
            counts.failed(),
            counts.connects
        ),
        (counts.ok, counts.ok, 0, 3)
    );
    assert_eq!(tally.in_flight_max, 3);
}

#[test]
fn answers_of_every_kind() {
    // What the server says → ok, unexpected, limited, the failure.
    for (answer, expected, failure) in [
        (&b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nt: u\r\n\r\n"[..], (1, 0, 0), None),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", (1, 0, 0), None),
        (b"HTTP/1.1 204 No Content\r\n\r\n", (1, 0, 0), None),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", (1, 0, 0), None),
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", (0, 1, 0), None),
        (b"HTTP/1.1 503 Unavailable\r\ncontent-length: 0\r\n\r\n", (0, 1, 0), None),
        (b"HTTP/1.1 429 Too Many\r\ncontent-length: 0\r\n\r\n", (0, 0, 1), None),
        (b"HTTP/1.1 302 Found\r\nlocation: /y\r\ncontent-length: 0\r\n\r\n", (1, 0, 0), None),
        (b"SSH-2.0-x\r\n\r\n", (0, 0, 0), Some(Failure::Protocol)),
        (b"HTTP/1.1 101 Switching\r\n\r\n", (0, 0, 0), Some(Failure::Protocol)),
    ] {
        let tally = Test::slots(echo(answer), 1).run();
        let counts = &tally.counts;
        let shown = String::from_utf8_lossy(answer);
        assert_eq!((counts.ok, counts.unexpected, counts.limited), expected, "{shown}");
        match failure {
            Some(failure) => assert_eq!(failed(&tally, failure), 1, "{shown}"),
            None => assert_eq!(counts.failed(), 0, "{shown}"),
        }
    }
}

#[test]
fn an_answer_to_head_has_no_body() {
    let mut head = Request::get("/x");
    head.method = http::Method::HEAD;
    let address = echo(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n");
    let tally = Test {
        requests: vec![head],
        ..Test::slots(address, 3)
    }
    .run();
    assert_eq!((tally.counts.ok, tally.counts.connects), (3, 1));
}

#[test]
fn a_connection_that_says_close_is_not_used_again() {
    let address = server(|mut stream, _| {
        request(&mut stream);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok")
            .unwrap();
    });
    let tally = Test::slots(address, 5).run();
    assert_eq!(
        (
            tally.counts.ok,
            tally.counts.connects,
            tally.counts.failed()
        ),
        (5, 5, 0)
    );
}

#[test]
fn a_connection_that_was_closed_without_a_word_costs_no_call() {
    let address = server(|mut stream, _| {
        request(&mut stream);
        stream.write_all(OK).unwrap();
    });
    let tally = Test::callers(address, 2).run();
    assert_eq!(tally.counts.failed(), 0);
    assert!(
        tally.counts.ok > 2 && tally.counts.connects >= tally.counts.ok,
        "{:?}",
        tally.counts
    );
}

#[test]
fn without_keep_alive_each_call_has_its_connection() {
    let seen = Arc::new(Mutex::new(String::new()));
    let address = server({
        let seen = Arc::clone(&seen);
        move |mut stream, _| {
            while let Some(text) = request(&mut stream) {
                *seen.lock().unwrap() = text;
                stream.write_all(OK).unwrap();
            }
        }
    });
    let tally = Test {
        keep_alive: false,
        ..Test::slots(address, 4)
    }
    .run();
    assert_eq!((tally.counts.ok, tally.counts.connects), (4, 4));
    let text = seen.lock().unwrap().clone();
    assert!(
        text.to_ascii_lowercase().contains("connection: close\r\n"),
        "{text}"
    );
    assert!(
        text.contains("x-rampart-test: test\r\n") && text.contains("x-rampart-traffic: stress\r\n"),
        "{text}"
    );
}

#[test]
fn an_end_that_comes_together_with_bytes_is_not_waited_for() {
    let half = server(|mut stream, _| {
        request(&mut stream);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf")
            .unwrap();
    });
    // Of so many answers some find the sender busy, so that their bytes and their end are one notice.
    let tally = Test {
        timeout: Duration::from_secs(1),
        ..Test::callers(half, 16)
    }
    .run();
    assert_eq!(failed(&tally, Failure::Timeout), 0);
    assert!(failed(&tally, Failure::Closed) > 16, "{:?}", tally.counts);
}

#[test]
fn what_breaks_in_the_middle_is_a_failure_of_its_kind() {
    let half = server(|mut stream, _| {
        request(&mut stream);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf")
            .unwrap();
    });
    for _ in 0..10 {
        assert_eq!(failed(&Test::slots(half, 1).run(), Failure::Closed), 1);
    }

    let reset = server(|mut stream, _| {
        let mut some = [0; 4];
        let _ = stream.read(&mut some);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf")
            .unwrap();
        std::thread::sleep(Duration::from_millis(20));
        // Closing with unread bytes resets.
    });
    assert_eq!(failed(&Test::slots(reset, 1).run(), Failure::Reset), 1);

    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap();
    assert_eq!(failed(&Test::slots(free, 3).run(), Failure::Refused), 3);
    let resting = Test::callers(free, 1).run();
    assert!(
        (1..10).contains(&failed(&resting, Failure::Refused)),
        "callers rest: {:?}",
        resting.counts
    );
}

#[test]
fn an_answer_that_does_not_come_is_a_timeout() {
    let address = server(|mut stream, _| while request(&mut stream).is_some() {});
    let timeout = Duration::from_millis(60);
    let tally = Test {
        timeout,
        ..Test::slots(address, 2)
    }
    .run();
    assert_eq!(failed(&tally, Failure::Timeout), 2);
    assert!(tally.latency.min() >= 60_000_000, "{}", tally.latency.min());
}

#[test]
fn a_slow_target_shows_as_back_pressure() {
    let address = server(|mut stream, _| {
        while request(&mut stream).is_some() {
            std::thread::sleep(Duration::from_millis(30));
            stream.write_all(OK).unwrap();
        }
    });
    // One connection carries one call in 30 ms; four are due at 0, 25, 50 and 75 ms.
    let tally = Test {
        connections_max: 1,
        ..Test::slots(address, 4)
    }
    .run();
    assert_eq!((tally.counts.ok, tally.counts.connects), (4, 1));
    assert!(
        tally.back_pressure.max() >= 10_000_000,
        "the last waited for three others"
    );
    assert!(tally.latency.max() >= tally.back_pressure.max() + 25_000_000);
}

#[test]
fn more_in_flight_than_allowed_is_missed_not_queued() {
    let address = server(|mut stream, _| {
        request(&mut stream);
        std::thread::sleep(Duration::from_millis(300));
        let _ = stream.write_all(OK);
    });
    let tally = Test {
        in_flight_max: 3,
        ..Test::slots(address, 10)
    }
    .run();
    let counts = &tally.counts;
    assert_eq!((counts.intended, counts.sent, counts.ok), (10, 3, 3));
    assert_eq!((counts.capped, counts.missed), (7, 7));
}

#[test]
fn redirects_stay_within_the_target() {
    let address = server(|mut stream, _| {
        while let Some(text) = request(&mut stream) {
            let answer = match text.split(' ').nth(1) {
                Some("/x") => "HTTP/1.1 302 Found\r\nlocation: /y?z\r\ncontent-length: 0\r\n\r\n",
                Some("/a/7") => {
                    "HTTP/1.1 302 Found\r\nlocation: ../list?page=1\r\ncontent-length: 0\r\n\r\n"
                }
                Some("/list?page=1") => {
                    "HTTP/1.1 302 Found\r\nlocation: ?page=2\r\ncontent-length: 0\r\n\r\n"
                }
                Some("/y?z" | "/list?page=2") => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
                Some("/away") => {
                    "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.2/\r\ncontent-length: 0\r\n\r\n"
                }
                _ => "HTTP/1.1 302 Found\r\nlocation: /loop\r\ncontent-length: 0\r\n\r\n",
            };
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let to = |path: &str| Test {
        requests: vec![Request::get(path)],
        redirects_max: 3,
        ..Test::slots(address, 1)
    };
    let followed = to("/x").run();
    assert_eq!(
        (
            followed.counts.ok,
            followed.counts.sent,
            followed.statuses.get(&200)
        ),
        (1, 2, Some(&1))
    );
    // Relative ones lead on from the path as it was sent.
    let relative = to("/a/{{ pick(\"7\", \"7\") }}").run();
    assert_eq!(
        (relative.counts.ok, relative.counts.sent),
        (1, 3),
        "{:?}",
        relative.statuses
    );
    assert_eq!(failed(&to("/away").run(), Failure::Redirect), 1);
    let endless = to("/loop").run();
    assert_eq!(
        (failed(&endless, Failure::Redirect), endless.counts.sent),
        (1, 4)
    );
}

#[test]
fn it_stops_when_told_and_says_what_it_saw() {
    let stop = Stop::new();
    let below = Stop::below(&stop);
    let stopper = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            std::thread::sleep(Duration::from_millis(150));
            stop.raise("enough");
            stop.raise("later reasons do not count");
        }
    });
    let tally = Test {
        millis: 60_000,
        ..Test::callers(echo(OK), 2)
    }
    .run_until(&below);
    stopper.join().unwrap();
    assert_eq!(below.reason().as_deref(), Some("enough"));
    assert!(tally.counts.ok > 0 && tally.span_nanos < 20_000_000_000);
}
