//! The modelled pod over real sockets, held against its own arithmetic.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

fn connect(serving: &Serving) -> TcpStream {
    let stream = TcpStream::connect(serving.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Everything that comes back for these bytes until the server closes, and how it ended.
fn talk(serving: &Serving, request: &str) -> (String, std::io::Result<usize>) {
    let mut stream = connect(serving);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let end = stream.read_to_end(&mut answer);
    (String::from_utf8_lossy(&answer).into_owned(), end)
}

fn get(serving: &Serving, path: &str) -> String {
    let (answer, end) = talk(
        serving,
        &format!("GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n"),
    );
    end.unwrap();
    answer
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

fn latency(serving: &Serving) -> serde_json::Value {
    serde_json::from_str(body(&get(serving, "/__model/latency"))).unwrap()
}

/// One figure of the pod's metrics.
fn metric<T: std::str::FromStr>(serving: &Serving, name: &str) -> T {
    let answer = get(serving, "/__model/metrics");
    body(&answer)
        .lines()
        .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
        .unwrap_or_else(|| panic!("no {name} in {answer}"))
}

/// Waits for something that happens in a moment, unless the pod hangs.
fn until(happened: impl Fn() -> bool) {
    let clock = RunClock::start();
    while !happened() {
        assert!(clock.now().duration() < PATIENCE, "it never happened");
    }
}

/// Sends `requests` over each of `connections`, one after the other.
fn load(serving: &Serving, connections: usize, requests: usize) -> Vec<u16> {
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..connections)
            .map(|_| {
                scope.spawn(move || {
                    let mut stream = connect(serving);
                    (0..requests)
                        .map(|_| {
                            stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
                            status_of_next(&mut stream)
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        callers
            .into_iter()
            .flat_map(|caller| caller.join().unwrap())
            .collect()
    })
}

fn status_of_next(stream: &mut TcpStream) -> u16 {
    let mut answer = Vec::new();
    while !answer.ends_with(crate::serve::BODY) {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    String::from_utf8(answer).unwrap()[9..12].parse().unwrap()
}

fn quick() -> ModelPlan {
    ModelPlan {
        service: ServiceTime::Constant(Duration::from_micros(100)),
        ..ModelPlan::default()
    }
}

#[test]
fn callers_get_what_the_workers_can_do_and_no_more() {
    // Two workers of 5 ms need half a second for 200 requests, however many callers push. More only when
    // the machine is busy, never less.
    let clock = RunClock::start();
    let serving = spawn(ModelPlan {
        workers: 2,
        service: ServiceTime::Constant(Duration::from_millis(5)),
        ..ModelPlan::default()
    })
    .unwrap();
    let statuses = load(&serving, 8, 25);
    assert_eq!(statuses, [200; 200]);
    assert!(clock.now().duration() >= Duration::from_millis(500));
    let seen = latency(&serving);
    assert_eq!(seen["count"], 200);
    assert!(seen["min_ms"].as_f64().unwrap() >= 4.99, "{seen}");
    let busy: f64 = metric(&serving, "process_cpu_seconds_total");
    assert!((busy - 1.0).abs() < 1e-6, "{busy}");
    serving.end().unwrap();
}

#[test]
fn figures_are_served_and_begin_anew() {
    let serving = spawn(ModelPlan {
        leak: Some(Leak::Memory {
            bytes_per_request: 1_000_000,
        }),
        ..quick()
    })
    .unwrap();
    let before: u64 = metric(&serving, "process_resident_memory_bytes");
    load(&serving, 2, 10);
    assert_eq!(metric::<u64>(&serving, "model_requests_total"), 20);
    assert_eq!(
        metric::<u64>(&serving, r#"model_ended_total{result="ok"}"#),
        20
    );
    assert_eq!(metric::<u64>(&serving, "model_in_flight"), 0);
    assert_eq!(metric::<u64>(&serving, "model_queue"), 0);
    let after: u64 = metric(&serving, "process_resident_memory_bytes");
    assert_eq!(after - before, 20_000_000);
    assert_eq!(latency(&serving)["count"], 20);
    let (answer, _) = talk(
        &serving,
        "POST /__model/reset HTTP/1.1\r\nConnection: close\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(latency(&serving)["count"], 0);
    assert_eq!(metric::<u64>(&serving, "model_requests_total"), 20);
    assert!(get(&serving, "/__model/nothing").starts_with("HTTP/1.1 404 "));
    assert!(get(&serving, "/__fault/nothing").starts_with("HTTP/1.1 404 "));
}

#[test]
fn the_log_holds_every_request_in_order_of_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pod.csv");
    let serving = spawn(ModelPlan {
        log: Some(path.clone()),
        fail_share: Ratio::new(0.5),
        seed: 5,
        ..quick()
    })
    .unwrap();
    let statuses = load(&serving, 1, 50);
    serving.end().unwrap();
    let log = std::fs::read_to_string(path).unwrap();
    let mut lines = log.lines();
    assert_eq!(lines.next(), Some("arrival_ns,due_ns,written_ns,status"));
    let mut logged = Vec::new();
    for line in lines {
        let figures: Vec<u64> = line
            .split(',')
            .map(|figure| figure.parse().unwrap())
            .collect();
        let [arrival, due, written, status] = figures[..] else {
            panic!("{line}");
        };
        assert_eq!(due - arrival, 100_000, "{line}");
        assert!(written >= due, "{line}");
        logged.push(status as u16);
    }
    assert_eq!(logged, statuses);
    assert!(logged.contains(&200) && logged.contains(&500), "{logged:?}");
    let nowhere = ModelPlan {
        log: Some(folder.path().join("no/such/folder.csv")),
        ..quick()
    };
    let error = spawn(nowhere).unwrap_err();
    assert!(error.to_string().contains("no/such/folder.csv"), "{error}");
}

#[test]
fn a_full_queue_is_told_to_callers() {
    for (shed, status) in [(Shed::Unavailable, 503), (Shed::TooManyRequests, 429)] {
        let serving = spawn(ModelPlan {
            workers: 1,
            service: ServiceTime::Constant(Duration::from_mins(10)),
            queue_max: 0,
            shed,
            ..ModelPlan::default()
        })
        .unwrap();
        let mut first = connect(&serving);
        first.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        until(|| metric::<u64>(&serving, "model_in_flight") == 1);
        assert_eq!(load(&serving, 1, 1), [status]);
        assert_eq!(
            metric::<u64>(&serving, r#"model_ended_total{result="shed"}"#),
            1
        );
    }
}

#[test]
fn pipelined_requests_are_answered_in_order_and_a_caller_who_leaves_is_forgotten() {
    let serving = spawn(quick()).unwrap();
    let many = "GET /__fault/status?201 HTTP/1.1\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc".repeat(300)
        + "HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n";
    let (answers, end) = talk(&serving, &many);
    end.unwrap();
    let statuses: Vec<&str> = answers
        .split("HTTP/1.1 ")
        .skip(1)
        .map(|answer| &answer[..3])
        .collect();
    let expected: Vec<&str> = ["201", "100", "200"].repeat(300);
    assert_eq!(statuses[..900], expected);
    assert_eq!(statuses[900..], ["200"]);
    assert!(answers.ends_with("\r\n\r\n"), "a HEAD has no body");

    let slow = spawn(ModelPlan {
        service: ServiceTime::Constant(Duration::from_mins(10)),
        ..ModelPlan::default()
    })
    .unwrap();
    let mut leaver = connect(&slow);
    leaver.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    until(|| metric::<u64>(&slow, "model_in_flight") == 1);
    drop(leaver);
    until(|| metric::<u64>(&slow, "model_in_flight") == 0);
    slow.end().unwrap();
}

#[test]
fn every_fault_shows_on_the_wire() {
    let serving = spawn(quick()).unwrap();
    let usual_end = "Content-Length: 13\r\n\r\n{\"ok\": true}\n";
    for (name, beginning, end) in [
        (
            "close",
            "HTTP/1.1 200 OK\r\nConnection: close\r\n",
            usual_end,
        ),
        (
            "close-silently",
            "HTTP/1.1 200 OK\r\nContent-Length",
            usual_end,
        ),
        ("close-unanswered", "", ""),
        (
            "cut",
            "HTTP/1.1 200 OK\r\n",
            "Content-Length: 13\r\n\r\n{\"ok\"",
        ),
        ("garbage", "\u{16}", "no HTTP at all\r\n\r\n"),
        (
            "chunked",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Checksum\r\n\r\n5;note=\"a;b\"\r\n{\"ok\"\r\n007\r\n: true}\r\n1;last\r\n\n\r\n",
            "0;end\r\nX-Checksum: 1\r\nX-Other: 2\r\n\r\n",
        ),
        (
            "continue",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n",
            usual_end,
        ),
        (
            "early-hints",
            "HTTP/1.1 103 Early Hints\r\nLink: ",
            usual_end,
        ),
        ("no-content", "HTTP/1.1 204 No Content\r\n\r\n", ""),
        (
            "not-modified",
            "HTTP/1.1 304 Not Modified\r\n",
            "Content-Length: 13\r\n\r\n",
        ),
        (
            "redirect?/there?a=b",
            "HTTP/1.1 302 Found\r\nLocation: /there?a=b\r\n",
            "\r\n\r\n",
        ),
        ("status?418", "HTTP/1.1 418 As Asked\r\n", usual_end),
        ("slow-head", "HTTP/1.1 200 OK\r\n", usual_end),
        ("large-head", "HTTP/1.1 200 OK\r\nX-Large: aaaa", usual_end),
    ] {
        // The closing request behind it, so that faults that leave the connection open end too.
        let faulty = format!("GET /__fault/{name} HTTP/1.1\r\n\r\n");
        let mut stream = connect(&serving);
        stream.write_all(faulty.as_bytes()).unwrap();
        let last = "GET /last HTTP/1.1\r\nConnection: close\r\n\r\n";
        let _ = stream.write_all(last.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let first = match answer.find("HTTP/1.1 200 OK\r\nContent-Type: application/json") {
            Some(at) => &answer[..at],
            None => answer.as_str(),
        };
        assert!(first.starts_with(beginning), "{name}: {first:.300}");
        assert!(first.ends_with(end), "{name}: {first:.300}");
        let closes = [
            "close",
            "close-silently",
            "close-unanswered",
            "cut",
            "garbage",
        ];
        assert_eq!(
            answer.len() == first.len(),
            closes.contains(&name),
            "{name}: whether the connection ends: {answer:.300}"
        );
        if name == "large-head" {
            assert!(first.len() > 1_024 * 1_024);
        }
    }
}

#[test]
fn a_reset_is_a_reset_and_a_stalled_body_stays_open() {
    let serving = spawn(quick()).unwrap();
    let (_, end) = talk(&serving, "GET /__fault/reset HTTP/1.1\r\n\r\n");
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);

    let mut stalled = connect(&serving);
    stalled
        .write_all(b"GET /__fault/stall HTTP/1.1\r\n\r\n")
        .unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"{\"ok\"") {
        let mut byte = [0];
        stalled.read_exact(&mut byte).unwrap();
        seen.push(byte[0]);
    }
    stalled
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let waited = stalled.read(&mut [0]).unwrap_err();
    assert_eq!(waited.kind(), std::io::ErrorKind::WouldBlock);
    assert_eq!(metric::<u64>(&serving, "model_in_flight"), 1);
}

#[test]
fn a_fault_may_be_the_plan() {
    let serving = spawn(ModelPlan {
        fault: Some(Fault::Redirect {
            to: "http://203.0.113.1/".to_owned(),
        }),
        ..quick()
    })
    .unwrap();
    let answer = get(&serving, "/anything");
    assert!(
        answer.contains("Location: http://203.0.113.1/\r\n"),
        "{answer}"
    );
    // The pod's own pages are not work.
    assert_eq!(latency(&serving)["count"], 1);
}

#[test]
fn plans_that_contradict_themselves_are_refused() {
    let stall = |pause| {
        Some(Stall {
            every: Duration::from_millis(10),
            pause,
        })
    };
    for (plan, word) in [
        (
            ModelPlan {
                workers: 0,
                ..ModelPlan::default()
            },
            "workers",
        ),
        (
            ModelPlan {
                stall: stall(Duration::from_millis(10)),
                ..ModelPlan::default()
            },
            "pause",
        ),
        (
            ModelPlan {
                leak: Some(Leak::Time {
                    percent_per_thousand: f64::NAN,
                }),
                ..ModelPlan::default()
            },
            "grow",
        ),
    ] {
        let error = spawn(plan).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn what_is_served_is_what_a_queue_of_so_many_workers_gives() {
    // Poisson callers at 80 % of four workers. Each request is due a service time after it arrived, or
    // after the fourth before it was due: an M/D/k queue written down in one line.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pod.csv");
    let service = Duration::from_millis(4);
    let plan = ModelPlan {
        service: ServiceTime::Constant(service),
        log: Some(path.clone()),
        ..ModelPlan::default()
    };
    let (workers, rate) = (plan.workers as usize, plan.capacity() * 0.8);
    let serving = spawn(plan).unwrap();
    let mut random = crate::Random::new(17, 0);
    let clock = RunClock::start();
    let mut at = 0.0;
    let mut open = Vec::new();
    for _ in 0..600 {
        at += random.exponential() / rate;
        let mut stream = connect(&serving);
        std::thread::sleep(Duration::from_secs_f64(at).saturating_sub(clock.now().duration()));
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        open.push(stream);
    }
    for mut stream in open {
        assert_eq!(status_of_next(&mut stream), 200);
    }
    serving.end().unwrap();
    let log = std::fs::read_to_string(path).unwrap();
    let mut requests: Vec<(u64, u64)> = log
        .lines()
        .skip(1)
        .map(|line| {
            let mut figures = line.split(',').map(|figure| figure.parse().unwrap());
            (figures.next().unwrap(), figures.next().unwrap())
        })
        .collect();
    requests.sort_unstable();
    assert_eq!(requests.len(), 600);
    let mut waited = 0;
    for (place, (arrival, due)) in requests.iter().enumerate() {
        let free = place
            .checked_sub(workers)
            .map_or(0, |before| requests[before].1);
        let expected = free.max(*arrival) + service.as_nanos() as u64;
        assert_eq!(*due, expected, "seed 17, request {place}");
        waited += u32::from(free > *arrival);
    }
    assert!(waited > 0, "seed 17: nobody had to wait");
}
