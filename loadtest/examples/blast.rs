//! Sends a closed load from one thread and prints what a CPU-second carries: `blast ADDRESS PATH CONNECTIONS SECONDS [RATE]`,
//! with `CALLERS=…` callers over that many connections of HTTP/2.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use loadtest::arrivals::ArrivalPlan;
use loadtest::engine::{Job, RunClock, Share, Stop};
use loadtest::plan::{Arrivals, Protocol, Stage};
use loadtest::request::{Envelope, Request, RequestSet};
use loadtest::tally::Tally;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, path, connections, seconds, rest @ ..] = arguments.as_slice() else {
        println!("blast ADDRESS PATH CONNECTIONS SECONDS [RATE]");
        return;
    };
    let seconds: u64 = seconds.parse().unwrap();
    let envelope = Envelope {
        authority: address.clone(),
        scheme: "http",
        base_path: String::new(),
        run_id: "bench".to_owned(),
        keep_alive: true,
    };
    let mut requests = RequestSet::new(vec![Request::get(path)]).unwrap();
    requests.prepare(&envelope);
    let connections = connections.parse().unwrap();
    let callers: Option<u32> = std::env::var("CALLERS").ok().map(|n| n.parse().unwrap());
    let load = match rest.first() {
        Some(rate) => {
            let rate = rate.parse().unwrap();
            Share::Open(ArrivalPlan {
                arrivals: Arrivals::Constant,
                stages: vec![Stage {
                    duration: Duration::from_secs(seconds),
                    from: rate,
                    to: rate,
                }],
                index: 0,
                of: 1,
            })
        }
        None => Share::Closed {
            connections: callers.unwrap_or(connections),
        },
    };
    let clock = RunClock::start();
    let start = clock.now().plus(10_000_000);
    let job = Job {
        address: address.parse().unwrap(),
        host: "localhost".to_owned(),
        envelope,
        redirects_max: 0,
        protocol: match callers {
            Some(_) => Protocol::Http2,
            None => Protocol::Http1,
        },
        tls: None,
        requests: Arc::new(requests),
        load,
        timeout: Duration::from_secs(10),
        in_flight_max: 10_000,
        connections_max: connections,
        seed: 1,
        thread: 0,
        threads: 1,
        catch_up: loadtest::engine::CATCH_UP_MAX,
        start,
        end: start.plus(seconds * 1_000_000_000),
    };
    let (tallies, seen) = sync_channel(loadtest::engine::TALLIES_QUEUED_MAX);
    let stop = Stop::new();
    let sender = std::thread::spawn({
        let (job, clock, stop) = (job.clone(), clock.clone(), Arc::clone(&stop));
        move || match job.protocol {
            Protocol::Http1 => loadtest::http1::run(&job, &clock, &stop, &tallies),
            Protocol::Http2 | Protocol::Grpc => loadtest::h2::run(&job, &clock, &stop, &tallies),
        }
    });
    let mut total = Tally::default();
    for second in seen {
        total.add_after(&second.tally);
    }
    sender.join().unwrap().unwrap();
    let window = loadtest::result::Window::of(&total);
    println!("{window:#?}");
    let cpu = total.cpu_nanos as f64 / 1e9;
    println!(
        "{:.0} requests/s, {:.0} per CPU-second, CPU {cpu:.2} s",
        window.ok_per_second,
        total.counts.ok as f64 / cpu
    );
}
