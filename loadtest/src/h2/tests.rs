//! The engine against servers that follow a script, over real sockets.

mod peer;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::{Method, Response};

use super::{STREAM_WINDOW_BYTES, run};
use crate::arrivals::ArrivalPlan;
use crate::engine::{CATCH_UP_MAX, Job, RunClock, Share, Stop, TALLIES_QUEUED_MAX};
use crate::outcome::Failure;
use crate::plan::{Arrivals, Protocol, Stage};
use crate::request::{Envelope, JsonCheck, Request, RequestSet};
use crate::tally::Tally;
use crate::timing::Nanos;
use crate::tls;
use crate::tls::tests::Certificate;
use peer::{Leave, Peer, reply, reply_after};
use tokio_rustls::TlsAcceptor;

/// Hangs end after this; nothing is measured by it.
const PATIENCE: Duration = Duration::from_mins(1);

/// One run of the engine.
struct Test {
    address: SocketAddr,
    requests: Vec<Request>,
    load: Share,
    protocol: Protocol,
    tls: Option<Arc<rustls::ClientConfig>>,
    length: Duration,
    /// How long before now the run began.
    began: Duration,
    timeout: Duration,
    redirects_max: u32,
    in_flight_max: u32,
    connections_max: u32,
    keep_alive: bool,
}

impl Test {
    /// So many evenly spaced requests within 200 ms.
    fn slots(address: SocketAddr, slots: u32) -> Self {
        let rate = f64::from(slots) * 5.0;
        let stage = Stage {
            duration: Duration::from_millis(200),
            from: rate,
            to: rate,
        };
        Test {
            load: Share::Open(ArrivalPlan {
                arrivals: Arrivals::Constant,
                stages: vec![stage],
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
            protocol: Protocol::Http2,
            tls: None,
            length: Duration::from_millis(200),
            began: Duration::ZERO,
            timeout: Duration::from_secs(20),
            redirects_max: 0,
            in_flight_max: 1_000,
            connections_max: 8,
            keep_alive: true,
        }
    }

    fn run(self) -> Tally {
        self.run_until(&Stop::new())
    }

    fn run_until(self, stop: &Arc<Stop>) -> Tally {
        let envelope = Envelope {
            authority: "feed.test".to_owned(),
            scheme: if self.tls.is_some() { "https" } else { "http" },
            base_path: "/base".to_owned(),
            run_id: "run-1".to_owned(),
            keep_alive: self.keep_alive,
        };
        let mut requests = RequestSet::new(self.requests).unwrap();
        requests.prepare(&envelope);
        let clock = RunClock::start();
        std::thread::sleep(self.began);
        let start = if self.began.is_zero() {
            clock.now().plus(20_000_000)
        } else {
            Nanos(0)
        };
        let job = Job {
            address: self.address,
            host: "localhost".to_owned(),
            envelope,
            redirects_max: self.redirects_max,
            protocol: self.protocol,
            tls: self.tls,
            requests: Arc::new(requests),
            load: self.load,
            timeout: self.timeout,
            in_flight_max: self.in_flight_max,
            connections_max: self.connections_max,
            seed: 1,
            thread: 0,
            threads: 1,
            catch_up: if self.began.is_zero() {
                PATIENCE
            } else {
                CATCH_UP_MAX
            },
            start,
            end: start.plus(self.length.as_nanos() as u64),
        };
        let (tallies, seen) = sync_channel(TALLIES_QUEUED_MAX);
        let (done, ended) = sync_channel(1);
        let stop = Arc::clone(stop);
        let sender = std::thread::spawn(move || {
            let result = run(&job, &clock, &stop, &tallies);
            let _ = done.send(());
            result
        });
        ended
            .recv_timeout(PATIENCE)
            .expect("the engine does not end");
        sender.join().unwrap().unwrap();
        let mut sum = Tally::default();
        for second in seen {
            sum.add_after(&second.tally);
        }
        sum
    }
}

/// How many were sent. A busy machine may miss some of the slots; it must say so.
fn sent(tally: &Tally, slots: u64) -> u64 {
    let counts = &tally.counts;
    assert_eq!(
        (counts.intended, counts.sent + counts.missed),
        (slots, slots),
        "{counts:?}"
    );
    assert!(counts.sent > slots / 4, "{counts:?}");
    assert_eq!(counts.done(), counts.sent, "{counts:?}");
    counts.sent
}

fn failures(tally: &Tally, failure: Failure) -> u64 {
    tally.counts.failures[failure as usize]
}

#[test]
fn slots_are_sent_answered_and_counted_once() {
    let peer = Peer::plain().start(|asked| async { reply(asked, 200, b"0123456789") });
    let mut post = Request::new(Method::POST, "/like");
    post.body = Bytes::from_static(b"{\"a\":1}");
    post.headers = vec![
        ("x-own".to_owned(), "1".to_owned()),
        ("connection".to_owned(), "keep-alive".to_owned()),
    ];
    let tally = Test {
        requests: vec![Request::get("/feed?page={{ number }}"), post],
        ..Test::slots(peer.address, 40)
    }
    .run();
    let sent = sent(&tally, 40);
    let counts = &tally.counts;
    assert_eq!((counts.ok, counts.connects), (sent, 1), "{counts:?}");
    assert!(
        counts.bytes_in > 10 * sent && counts.bytes_out > 100,
        "{counts:?}"
    );
    assert_eq!(tally.statuses, [(200, sent)].into());
    assert_eq!(tally.latency.count(), sent);
    assert_eq!(tally.threads, 1);
    assert!(tally.cpu_nanos > 0 && tally.in_flight_max > 0);

    let heads = peer.seen.heads.lock().unwrap();
    let (paths, own): (Vec<_>, Vec<_>) = heads
        .iter()
        .map(|(path, headers)| (path.as_str(), headers.contains_key("x-own")))
        .unzip();
    let posts = own.iter().filter(|own| **own).count();
    assert!((1..sent as usize).contains(&posts), "{posts} of {sent}");
    let mut pages: Vec<&str> = paths
        .into_iter()
        .filter(|path| path.contains('?'))
        .collect();
    assert!(
        pages
            .iter()
            .all(|page| page.starts_with("http://feed.test/base/feed?page="))
    );
    pages.sort_unstable();
    pages.dedup();
    assert_eq!(
        pages.len(),
        sent as usize - posts,
        "each sending has its own number"
    );
    for (_, headers) in heads.iter() {
        assert_eq!(headers["x-rampart-test"], "run-1");
        assert_eq!(headers["x-rampart-traffic"], "stress");
        assert!(!headers.contains_key("connection"));
    }
    let bodies = peer.seen.bodies.lock().unwrap();
    assert_eq!(
        bodies
            .iter()
            .filter(|body| &body[..] == b"{\"a\":1}")
            .count(),
        posts
    );
}

#[test]
fn encrypted_connections_agree_on_the_protocol_or_fail() {
    let certificate = Certificate::make();
    let script = |alpn: &[&[u8]]| {
        Peer {
            tls: Some(TlsAcceptor::from(certificate.server(alpn))),
            ..Peer::plain()
        }
        .start(|asked| async { reply(asked, 200, b"ok") })
    };
    let send = |address, ca_file| {
        let target = tls::tests::target(ca_file, false);
        Test {
            tls: Some(tls::client_config(&target, &[b"h2"]).unwrap()),
            ..Test::callers(address, 2)
        }
        .run()
    };
    let speaking = script(&[b"h2"]);
    let good = send(speaking.address, Some(certificate.file()));
    assert!(good.counts.ok > 0, "{:?}", good.counts);
    assert_eq!(good.counts.ok, good.counts.done());
    let heads = speaking.seen.heads.lock().unwrap();
    assert!(
        heads[0].0.starts_with("https://feed.test/base/x"),
        "{}",
        heads[0].0
    );

    let unknown = send(speaking.address, None);
    assert!(failures(&unknown, Failure::Tls) > 0);
    assert_eq!(failures(&unknown, Failure::Tls), unknown.counts.done());
    // A server that offers nothing by ALPN speaks HTTP/1.
    let old = send(script(&[]).address, Some(certificate.file()));
    assert!(failures(&old, Failure::Protocol) > 0);
    assert_eq!(failures(&old, Failure::Protocol), old.counts.done());
}

#[test]
fn one_stream_at_a_time_makes_callers_wait_and_that_is_the_targets_doing() {
    let peer = Peer {
        streams_max: Some(1),
        ..Peer::plain()
    }
    .start(|asked| reply_after(asked, Duration::from_millis(30)));
    let tally = Test {
        connections_max: 1,
        ..Test::slots(peer.address, 20)
    }
    .run();
    let sent = sent(&tally, 20);
    assert_eq!((tally.counts.ok, tally.counts.connects), (sent, 1));
    assert_eq!(peer.seen.at_once_max.load(Ordering::SeqCst), 1);
    // 30 ms each and one after the other, while they come every 10 ms.
    let waited = tally.back_pressure.max();
    assert!(waited > 30_000_000, "{waited}");
    assert!(tally.latency.max() > waited);
}

#[test]
fn connections_grow_when_streams_run_out_and_not_before() {
    let script = |streams_max| {
        Peer {
            streams_max: Some(streams_max),
            ..Peer::plain()
        }
        .start(|asked| reply_after(asked, Duration::from_millis(300)))
    };
    let narrow = script(2);
    let tally = Test::slots(narrow.address, 40).run();
    assert_eq!(tally.counts.ok, sent(&tally, 40));
    assert_eq!(tally.counts.connects, 8, "as many as the plan allows");
    let at_once = narrow.seen.at_once_max.load(Ordering::SeqCst);
    assert!((3..=16).contains(&at_once), "{at_once}");

    let wide = script(100);
    let tally = Test::slots(wide.address, 40).run();
    assert_eq!(tally.counts.ok, sent(&tally, 40));
    assert_eq!(tally.counts.connects, 1);
}

#[test]
fn what_a_goaway_lets_live_is_answered_and_the_rest_goes_over_a_new_connection() {
    let peer = Peer {
        leave: Leave::Gracefully(5),
        ..Peer::plain()
    }
    .start(|asked| reply_after(asked, Duration::from_millis(20)));
    let tally = Test::slots(peer.address, 40).run();
    let counts = &tally.counts;
    assert_eq!(
        counts.ok + failures(&tally, Failure::StreamReset),
        sent(&tally, 40),
        "{counts:?}"
    );
    assert!(counts.ok > counts.sent / 2, "{counts:?}");
    assert!(counts.connects >= 2, "{counts:?}");
}

#[test]
fn streams_that_the_target_cuts_or_refuses_are_failures_and_not_sent_again() {
    let cut = Peer {
        leave: Leave::Abruptly(5),
        ..Peer::plain()
    }
    .start(|asked| reply_after(asked, Duration::from_secs(5)));
    let tally = Test::slots(cut.address, 20).run();
    // What the GOAWAY let live ended with the connection.
    let cut = failures(&tally, Failure::StreamReset) + failures(&tally, Failure::Closed);
    assert_eq!(cut, sent(&tally, 20), "{:?}", tally.counts);

    let refusing = Peer::plain().start(|mut asked| async move {
        if asked.number % 2 == 0 {
            asked.respond.send_reset(Reason::REFUSED_STREAM);
        } else {
            reply(asked, 200, b"");
        }
    });
    let tally = Test::slots(refusing.address, 20).run();
    let sent = sent(&tally, 20);
    let refused = failures(&tally, Failure::StreamReset);
    assert_eq!((refused, tally.counts.ok), (sent.div_ceil(2), sent / 2));
    assert_eq!(tally.counts.connects, 1);
    assert_eq!(refusing.seen.requests.load(Ordering::SeqCst) as u64, sent);
}

#[test]
fn an_answer_that_never_comes_is_cancelled_on_the_wire() {
    let peer = Peer::plain().start(peer::Asked::stay_silent);
    let tally = Test {
        timeout: Duration::from_millis(150),
        length: Duration::from_secs(1),
        ..Test::slots(peer.address, 10)
    }
    .run();
    assert_eq!(failures(&tally, Failure::Timeout), sent(&tally, 10));
    let resets = peer.seen.resets.lock().unwrap();
    // The last ones may be under way when the engine closes.
    assert!(!resets.is_empty());
    assert!(
        resets.iter().all(|reason| *reason == Reason::CANCEL),
        "{resets:?}"
    );
}

#[test]
fn bodies_larger_than_the_window_are_read_to_the_end_and_judged() {
    const PIECE: usize = 64 * 1024;
    let pieces = 3 * STREAM_WINDOW_BYTES as usize / PIECE;
    let peer = Peer::plain().start(move |mut asked| async move {
        let status = if asked.number == 0 { 200 } else { 429 };
        let head = Response::builder().status(status).body(()).unwrap();
        let mut stream = asked.respond.send_response(head, false).unwrap();
        for _ in 0..pieces {
            stream.reserve_capacity(PIECE);
            while stream.capacity() < PIECE {
                if !matches!(
                    std::future::poll_fn(|cx| stream.poll_capacity(cx)).await,
                    Some(Ok(_))
                ) {
                    return;
                }
            }
            stream
                .send_data(Bytes::from(vec![b'x'; PIECE]), false)
                .unwrap();
        }
        stream.send_data(Bytes::new(), true).unwrap();
    });
    let tally = Test::slots(peer.address, 4).run();
    let all = sent(&tally, 4);
    assert_eq!((tally.counts.ok, tally.counts.limited), (1, all - 1));
    assert!(tally.counts.bytes_in > 3 * all * u64::from(STREAM_WINDOW_BYTES));

    let json = Peer::plain().start(|asked| async move {
        let good = asked.number % 2 == 0;
        reply(
            asked,
            200,
            if good {
                b"{\"ok\":true}"
            } else {
                b"{\"ok\":0}"
            },
        );
    });
    let mut request = Request::get("/x");
    request.expect.json = vec![JsonCheck::parse("/ok == true").unwrap()];
    let tally = Test {
        requests: vec![request],
        ..Test::slots(json.address, 10)
    }
    .run();
    let all = sent(&tally, 10);
    let right = (tally.counts.ok, tally.counts.unexpected);
    assert_eq!(right, (all.div_ceil(2), all / 2));
}

#[test]
fn nobody_there_fails_every_caller_and_the_target_is_not_flooded() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let open = Test::slots(address, 40).run();
    let refused = failures(&open, Failure::Refused);
    assert_eq!((open.counts.intended, open.counts.sent), (40, 0));
    assert_eq!(refused + open.counts.missed, 40, "{:?}", open.counts);
    assert!(refused > 0);
    let closed = Test::callers(address, 4).run();
    assert_eq!(failures(&closed, Failure::Refused), closed.counts.intended);
    assert!(
        (4..=24).contains(&closed.counts.intended),
        "{:?}",
        closed.counts
    );
}

#[test]
fn a_server_of_another_protocol_is_told_apart() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        }
    });
    let tally = Test::slots(address, 5).run();
    let told = failures(&tally, Failure::Protocol);
    assert_eq!(told + tally.counts.missed, 5, "{:?}", tally.counts);
    assert!(told > 0);
}

#[test]
fn more_than_the_cap_is_missed_and_never_queued() {
    let peer = Peer::plain().start(peer::Asked::stay_silent);
    let tally = Test {
        in_flight_max: 5,
        timeout: Duration::from_secs(2),
        ..Test::slots(peer.address, 30)
    }
    .run();
    let counts = &tally.counts;
    assert_eq!((counts.intended, counts.sent, counts.missed), (30, 5, 25));
    assert!(counts.capped > 0, "{counts:?}");
    assert_eq!(tally.in_flight_max, 5);
    assert_eq!(failures(&tally, Failure::Timeout), 5);
}

#[test]
fn slots_of_a_stall_are_missed_and_not_sent_in_a_burst() {
    let peer = Peer::plain().start(|asked| async { reply(asked, 200, b"") });
    let tally = Test {
        began: Duration::from_millis(100),
        ..Test::slots(peer.address, 100)
    }
    .run();
    let counts = &tally.counts;
    assert_eq!(
        (counts.intended, counts.ok + counts.missed),
        (100, 100),
        "{counts:?}"
    );
    assert!(counts.missed >= 45, "{counts:?}");
    assert_eq!(counts.capped, 0);
    assert!(tally.lag.max() >= 90_000_000);
}

#[test]
fn callers_share_connections_evenly_and_ask_again_once_answered() {
    let peer = Peer::plain().start(|asked| reply_after(asked, Duration::from_millis(10)));
    let tally = Test {
        connections_max: 2,
        ..Test::callers(peer.address, 6)
    }
    .run();
    let counts = &tally.counts;
    assert_eq!(counts.connects, 2);
    assert_eq!(
        (counts.ok, counts.intended),
        (counts.sent, counts.sent),
        "{counts:?}"
    );
    assert!(counts.ok > 6, "{counts:?}");
    let at_once = peer.seen.at_once_max.load(Ordering::SeqCst);
    assert!((2..=6).contains(&at_once), "{at_once}");
    assert_eq!(
        tally.back_pressure.max(),
        0,
        "a closed model has no instant to be late for"
    );
}

#[test]
fn without_keep_alive_every_request_has_a_connection_of_its_own() {
    let peer = Peer::plain().start(|asked| async { reply(asked, 204, b"") });
    let tally = Test {
        keep_alive: false,
        ..Test::slots(peer.address, 10)
    }
    .run();
    let sent = sent(&tally, 10);
    assert_eq!(tally.counts.ok, sent);
    assert!(tally.counts.connects >= sent, "{:?}", tally.counts);
}

#[test]
fn redirects_within_the_target_are_followed_and_others_refused() {
    let peer = Peer::plain().start(|mut asked| async move {
        let location = match asked.request.uri().path() {
            "/base/x" => "/y",
            "/base/a/7" => "../list?page=1",
            "/base/list" if asked.request.uri().query() == Some("page=1") => "?page=2",
            "/base/away" => "http://elsewhere.test/",
            _ => return reply(asked, 200, b""),
        };
        let head = Response::builder().status(302).header("location", location);
        let _ = asked.respond.send_response(head.body(()).unwrap(), true);
    });
    let of = |path| Test {
        requests: vec![Request::get(path)],
        redirects_max: 2,
        ..Test::slots(peer.address, 5)
    };
    let followed = of("/x").run();
    let ok = followed.counts.ok;
    assert!(ok > 0 && ok + followed.counts.missed == 5);
    assert_eq!(followed.counts.sent, 2 * ok);
    assert_eq!(followed.statuses, [(200, ok)].into());
    // Relative ones lead on from the path as it was sent.
    let relative = of("/a/{{ pick(\"7\", \"7\") }}").run();
    let ok = relative.counts.ok;
    assert!(ok > 0 && relative.statuses == [(200, ok)].into());
    assert_eq!(relative.counts.sent, 3 * ok);
    let heads = peer.seen.heads.lock().unwrap().clone();
    assert!(
        heads
            .iter()
            .any(|(uri, _)| uri.ends_with("/base/list?page=2")),
        "{heads:?}"
    );
    let refused = of("/away").run();
    assert_eq!(failures(&refused, Failure::Redirect), sent(&refused, 5));
    let answer = Test {
        redirects_max: 0,
        ..of("/x")
    }
    .run();
    assert_eq!(answer.statuses, [(302, sent(&answer, 5))].into());
}

#[test]
fn a_stop_ends_the_run_whatever_is_in_flight() {
    let peer = Peer::plain().start(peer::Asked::stay_silent);
    let stop = Stop::new();
    let raising = Arc::clone(&stop);
    let asked = Arc::clone(&peer.seen);
    std::thread::spawn(move || {
        while asked.requests.load(Ordering::SeqCst) == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        raising.raise("enough");
    });
    let tally = Test {
        length: Duration::from_hours(1),
        timeout: Duration::from_hours(1),
        ..Test::callers(peer.address, 3)
    }
    .run_until(&stop);
    assert_eq!(tally.counts.done(), 0);
    assert_eq!(tally.in_flight, 3);
}
