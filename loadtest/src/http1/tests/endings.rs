//! One connection misbehaves, and what that costs: one call at most, of the right kind of failure, and
//! never an answer that belongs to another call.

use super::*;
use crate::http1::framing::HEAD_BYTES_MAX;

/// The first connection does `first`; every other one is well-behaved.
fn first_then_good(first: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    server(move |mut stream, number| {
        if number == 0 {
            return first(stream);
        }
        while request(&mut stream).is_some() {
            if stream.write_all(OK).is_err() {
                return;
            }
        }
    })
}

/// Says something to the first request, then does as it is told.
fn saying(text: &str, then: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let text = text.to_owned();
    first_then_good(move |mut stream| {
        request(&mut stream);
        // A client that has read enough may be gone.
        if stream.write_all(text.as_bytes()).is_ok() {
            then(stream);
        }
    })
}

/// Says something before it has read the whole request, so that closing resets.
fn resetting_after(text: &'static str) -> SocketAddr {
    first_then_good(move |mut stream| {
        let mut some = [0; 4];
        let _ = stream.read(&mut some);
        stream.write_all(text.as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(20)); // what was said arrives first
    })
}

/// Waits until the client has closed.
fn rest(mut stream: TcpStream) {
    while stream.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {}
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel";

#[test]
fn what_breaks_costs_the_call_it_breaks_and_no_other() {
    let large = format!(
        "HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 0\r\n\r\n",
        "y".repeat(HEAD_BYTES_MAX)
    );
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf";
    for (name, address, failure) in [
        (
            "an oversized head",
            saying(&large, rest),
            Failure::HeadTooLarge,
        ),
        (
            "chunks that are cut",
            saying(CHUNKED, drop),
            Failure::Closed,
        ),
        (
            "chunks without their end",
            saying(&format!("{CHUNKED}lo\r\n"), drop),
            Failure::Closed,
        ),
        (
            "chunks and a reset",
            resetting_after(CHUNKED),
            Failure::Reset,
        ),
        (
            "a body until the end, and a reset",
            resetting_after("HTTP/1.1 200 OK\r\n\r\nuntil"),
            Failure::Reset,
        ),
        (
            "a stall within the body",
            saying(half, rest),
            Failure::Timeout,
        ),
        (
            "a stall within the head",
            saying("HTTP/1.1 2", rest),
            Failure::Timeout,
        ),
        (
            "a cut within the head",
            saying("HTTP/1.1 200 OK\r\nx", drop),
            Failure::Closed,
        ),
        ("silence and an end", saying("", drop), Failure::Closed),
    ] {
        let tally = Test {
            timeout: Duration::from_millis(300),
            // One at a time: the others wait for the one that breaks.
            connections_max: 1,
            ..Test::slots(address, 4)
        }
        .run();
        let counts = &tally.counts;
        assert_eq!(failed(&tally, failure), 1, "{name}: {counts:?}");
        assert_eq!(
            (counts.failed(), counts.ok + counts.missed, counts.connects),
            (1, 3, 2),
            "{name}: {counts:?}"
        );
    }
}

#[test]
fn an_answer_that_nobody_asked_for_is_nobodys() {
    let two = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n";
    let late = |mut stream: TcpStream| {
        std::thread::sleep(Duration::from_millis(10)); // the first answer was taken
        let _ = stream.write_all(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n");
        rest(stream);
    };
    let ok = std::str::from_utf8(OK).unwrap();
    // A quarter of a second apart: what comes late comes well before the next call.
    let quarters = ArrivalPlan {
        arrivals: Arrivals::Constant,
        stages: vec![Stage {
            duration: Duration::from_secs(1),
            from: 4.0,
            to: 4.0,
        }],
        index: 0,
        of: 1,
    };
    for (name, address) in [
        ("with the answer", saying(two, rest)),
        ("while nobody waits", saying(ok, late)),
    ] {
        let tally = Test {
            load: Share::Open(quarters.clone()),
            millis: 1_000,
            ..Test::slots(address, 4)
        }
        .run();
        let counts = &tally.counts;
        assert_eq!(
            (
                counts.ok + counts.missed,
                counts.unexpected,
                counts.failed()
            ),
            (4, 0, 0),
            "{name}: {counts:?}"
        );
        assert_eq!(counts.connects, 2, "{name}: {counts:?}");
    }
}

#[test]
fn a_head_that_comes_byte_by_byte_is_read() {
    let address = first_then_good(|mut stream| {
        while request(&mut stream).is_some() {
            for byte in OK {
                if stream.write_all(&[*byte]).is_err() {
                    return;
                }
                std::thread::sleep(Duration::from_micros(300));
            }
        }
    });
    let tally = Test {
        connections_max: 1,
        ..Test::slots(address, 3)
    }
    .run();
    let counts = &tally.counts;
    assert_eq!(
        (counts.ok + counts.missed, counts.failed(), counts.connects),
        (3, 0, 1),
        "{counts:?}"
    );
}
