//! gRPC calls against a real server: grpcio of Python, from PyPI, in a virtual environment that is made
//! below the build's folder when it is not there yet.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use loadtest::engine::{CATCH_UP_MAX, Job, RunClock, Share, Stop, TALLIES_QUEUED_MAX};
use loadtest::grpc::{self, GrpcError};
use loadtest::plan::{self, Plan, Protocol};
use loadtest::request::{Envelope, RequestSet};
use loadtest::tally::Tally;

const PACKAGES: [&str; 3] = [
    "grpcio==1.85.1",
    "grpcio-tools==1.85.1",
    "grpcio-reflection==1.85.1",
];

/// A message with something of everything; the server compares it with what it decoded.
const MESSAGE: &str = r#"{"page": 7, "user": {"name": "ann"}, "friends": [{"name": "ben", "number": 1}, {"name": "cid", "number": "9007199254740993"}], "weights": {"a": -1, "b": 2}, "order": "ORDER_NEWEST"}"#;

fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("grpc-venv");
        let python = folder.join("bin/python");
        let ready = folder.join("ready");
        if !ready.exists() {
            let mut venv = Command::new("python3");
            must(venv.args(["-m", "venv", "--clear"]).arg(&folder));
            let mut pip = Command::new(&python);
            must(pip.args(["-m", "pip", "install", "--quiet"]).args(PACKAGES));
            std::fs::write(&ready, "").unwrap();
        }
        python
    })
}

fn must(command: &mut Command) {
    let why = "this test needs python3 with venv, and pip that reaches a package index";
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; {why}"));
    assert!(
        output.status.success(),
        "{command:?}: {}; {why}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The server's process; it ends with this value.
struct Server {
    process: Child,
    folder: tempfile::TempDir,
    address: SocketAddr,
}

impl Server {
    fn start(reflection: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/grpc/server.py");
        let mut process = Command::new(python())
            .arg(script)
            .arg(folder.path())
            .arg(reflection)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let port: u16 = line.trim().parse().expect("the server does not start");
        Server {
            process,
            folder,
            address: ([127, 0, 0, 1], port).into(),
        }
    }

    fn plan(&self, descriptors: &str, calls: &[&str]) -> Plan {
        let text = format!(
            "target: {{url: \"http://{}\", protocol: grpc, {descriptors}}}\n\
             allow: [\"127.0.0.0/8\"]\n\
             requests:\n{}\
             load: {{closed: {{connections: 2}}, duration: 1s}}\n",
            self.address,
            calls
                .iter()
                .fold(String::new(), |text, call| text + "  - " + call + "\n"),
        );
        plan::read("plan.yaml", &text, self.folder.path(), |_| None)
            .unwrap_or_else(|problems| panic!("{text}\n{problems}"))
    }

    fn prepare(&self, plan: &Plan) -> Result<(RequestSet, Envelope), GrpcError> {
        let envelope = Envelope {
            authority: self.address.to_string(),
            scheme: "http",
            base_path: String::new(),
            run_id: "run-1".to_owned(),
            keep_alive: true,
        };
        let mut requests = grpc::prepare(plan, self.address, None, &envelope)?;
        requests.prepare(&envelope);
        Ok((requests, envelope))
    }

    fn send(&self, descriptors: &str, calls: &[&str]) -> Tally {
        let plan = self.plan(descriptors, calls);
        let (requests, envelope) = self
            .prepare(&plan)
            .unwrap_or_else(|error| panic!("{error}"));
        let clock = RunClock::start();
        let job = Job {
            address: self.address,
            host: "127.0.0.1".to_owned(),
            envelope,
            redirects_max: 0,
            protocol: Protocol::Grpc,
            tls: None,
            requests: Arc::new(requests),
            load: Share::Closed { connections: 2 },
            timeout: Duration::from_mins(1),
            in_flight_max: 10,
            connections_max: 2,
            seed: 1,
            thread: 0,
            threads: 1,
            catch_up: CATCH_UP_MAX,
            start: clock.now(),
            end: clock.now().plus(500_000_000),
        };
        let (tallies, seen) = sync_channel(TALLIES_QUEUED_MAX);
        loadtest::h2::run(&job, &clock, &Stop::new(), &tallies).unwrap();
        drop(tallies);
        seen.iter().fold(Tally::default(), |mut sum, second| {
            sum.add_after(&second.tally);
            sum
        })
    }

    fn refusal(&self, descriptors: &str, call: &str) -> String {
        self.prepare(&self.plan(descriptors, &[call]))
            .unwrap_err()
            .to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn call(message: &str) -> String {
    format!("{{grpc: feed.v1.Feed/Get, message: {message}}}")
}

fn all_succeed(tally: &Tally) {
    let counts = &tally.counts;
    assert!(counts.ok > 0, "{counts:?} {:?}", tally.statuses);
    assert_eq!(counts.ok, counts.done(), "{counts:?} {:?}", tally.statuses);
}

#[test]
fn messages_of_every_form_arrive_as_they_were_written() {
    let server = Server::start("none");
    all_succeed(&server.send("descriptor_set: feed.pb", &[&call(MESSAGE)]));
}

#[test]
fn descriptors_come_from_either_form_of_reflection_with_their_imports() {
    for form in ["v1", "v1alpha"] {
        let server = Server::start(form);
        all_succeed(&server.send("reflection: true", &[&call(MESSAGE)]));
    }
}

#[test]
fn a_status_is_counted_as_what_it_means() {
    let server = Server::start("none");
    let status = |status: u32| call(&format!("{{status: {status}}}"));
    let outcome = |call: &str| server.send("descriptor_set: feed.pb", &[call]);

    let limited = outcome(&status(8));
    assert_eq!(limited.counts.limited, limited.counts.done());
    let late = outcome(&status(4));
    assert_eq!(late.counts.unexpected, late.counts.done());
    assert_eq!(late.statuses, [(1_004, late.counts.done())].into());
    let expected = "{grpc: feed.v1.Feed/Get, message: {status: 5}, expect: {grpc_status: 5}}";
    all_succeed(&outcome(expected));
    for tally in [limited, late] {
        assert!(tally.counts.done() > 0);
    }
}

#[test]
fn what_cannot_be_called_is_told_before_anything_is_sent() {
    let server = Server::start("v1alpha");
    let (file, reflection) = ("descriptor_set: feed.pb", "reflection: true");
    for (descriptors, wanted, parts) in [
        (
            file,
            "{grpc: feed.v1.Fed/Get, message: {}}",
            ["no service `feed.v1.Fed`", "`feed.v1.Feed`"],
        ),
        (
            reflection,
            "{grpc: feed.v1.Fed/Get, message: {}}",
            ["does not know `feed.v1.Fed`", "status 5"],
        ),
        (
            file,
            "{grpc: feed.v1.Feed/Gt, message: {}}",
            ["no method `Gt`", "`Get`, `Watch`"],
        ),
        (
            file,
            "{grpc: feed.v1.Feed/Watch, message: {}}",
            ["`feed.v1.Feed/Watch` streams", "unary"],
        ),
        (file, &call("{usr: {}}"), ["at /usr:", "feed.v1.GetRequest"]),
        (
            file,
            &call("{friends: [{name: a}, {nam: b}]}"),
            ["at /friends/1/nam:", "nam"],
        ),
    ] {
        let told = server.refusal(descriptors, wanted);
        for part in parts {
            assert!(told.contains(part), "{wanted}: {told}");
        }
    }
    let silent = Server::start("none");
    let told = silent.refusal(reflection, &call("{}"));
    assert!(told.contains("no reflection service"), "{told}");
    assert!(told.contains("descriptor_set"), "{told}");
}
