//! Leaders and workers over real sockets, against a modelled pod.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use model::AllowList;

use super::messages::{Order, Preparation, Prepared, Report, Share};
use super::{Team, Token, Worker, WorkerSettings, Workers, greeting, spawn, wire};
use crate::engine::{RunClock, SecondTally, Stop};
use crate::plan::{self, Parcel, Plan};
use crate::result::{RunResult, Second, Subject, Verdict};
use crate::run::senders::{Purpose, Sending};
use crate::run::{Context, Observer, RunError, Unwatched, find_capacity, run};
use crate::serve::model::{ModelPlan, ServiceTime};
use crate::tally::Tally;

/// Against hangs only.
const DEADLINE: Duration = Duration::from_mins(1);

fn token(text: &str) -> Token {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, text).unwrap();
    Token::read(&path).unwrap()
}

fn ours() -> Token {
    token("the token of these tests")
}

fn settings() -> WorkerSettings {
    WorkerSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        allow: AllowList::parse(&["127.0.0.0/8"]).unwrap(),
        token: ours(),
        permission_key: None,
    }
}

fn worker() -> Worker {
    spawn(settings()).unwrap()
}

fn pod() -> crate::serve::Serving {
    crate::serve::model::spawn(ModelPlan {
        workers: 8,
        service: ServiceTime::Constant(Duration::from_millis(5)),
        ..ModelPlan::default()
    })
    .unwrap()
}

/// How many requests a modelled pod has seen that were work.
fn requests_of(pod: SocketAddr) -> u64 {
    let mut caller = TcpStream::connect(pod).unwrap();
    caller
        .write_all(b"GET /__model/metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    caller.read_to_string(&mut answer).unwrap();
    let line = answer
        .lines()
        .find_map(|line| line.strip_prefix("model_requests_total "));
    line.unwrap_or_else(|| panic!("{answer}"))
        .trim()
        .parse()
        .unwrap()
}

fn pack(pod: SocketAddr, rest: &str) -> (Plan, Parcel) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("likes.ndjson"),
        "{\"n\": 1}\n{\"n\": 2}\n",
    )
    .unwrap();
    let text = format!(
        "target: {{url: \"http://{pod}\"}}\nallow: [\"127.0.0.0/8\"]\nrequests: [{{method: POST, path: /like, body_file: likes.ndjson}}]\n{rest}"
    );
    plan::pack("plan.yaml", &text, folder.path(), |_| None).unwrap()
}

fn team(workers: &[&Worker], parcel: &Parcel) -> Workers {
    Workers {
        addresses: workers
            .iter()
            .map(|worker| worker.address().to_string())
            .collect(),
        token: ours(),
        parcel: parcel.clone(),
    }
}

fn run_with(
    plan: &Plan,
    workers: Workers,
    stop: &Arc<Stop>,
    observer: &mut dyn Observer,
) -> Result<RunResult, RunError> {
    let mut context = Context {
        clock: RunClock::start(),
        stop: Arc::clone(stop),
        observer,
        production: None,
        permission_key: None,
        workers: Some(workers),
    };
    run(plan, &mut context).map(|(result, _)| result)
}

/// Waits for something that happens on another thread.
fn wait_until(what: &str, mut happened: impl FnMut() -> bool) {
    let clock = RunClock::start();
    while !happened() {
        assert!(clock.now().duration() < DEADLINE, "waited for: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn two_workers_send_one_load_together() {
    let (pod, one, other) = (pod(), worker(), worker());
    let (plan, parcel) = pack(
        pod.address(),
        "load: {rate: 200/s, arrivals: constant, duration: 2s, threads: 2}",
    );
    let (clock, stop) = (RunClock::start(), Stop::new());
    let mut together = Team::open(&team(&[&one, &other], &parcel), &clock, &stop).unwrap();
    together
        .prepare(&plan, "lt-test", Purpose::Run, &stop)
        .unwrap();
    let before = requests_of(pod.address());
    assert!(before >= 2, "each worker tried the one kind of request");
    let (mut total, mut seconds) = (Tally::default(), Vec::new());
    let load = Sending::Whole.load(&plan);
    together
        .send(Sending::Whole, &load, &stop, |at, tally| {
            seconds.push(at);
            total.add_after(&tally);
        })
        .unwrap();
    assert_eq!(together.faults(), [] as [String; 0]);
    // Every slot of the load came due exactly once, on one of the four threads.
    let counts = &total.counts;
    assert_eq!((counts.intended, total.threads), (400, 4));
    assert_eq!(counts.sent + counts.missed, 400);
    assert_eq!(counts.ok, counts.done());
    assert_eq!(requests_of(pod.address()) - before, counts.sent);
    // The histograms hold every call, and nothing that the pod did not take.
    for times in [&total.latency, &total.ok_latency, &total.service] {
        assert_eq!(times.count(), counts.done());
    }
    // The middle one: a busy machine may stamp a single call late, which makes its service look short.
    let middle = total.service.quantile(0.5);
    assert!(middle >= 4_900_000, "{middle}");
    assert_eq!(total.lag.count(), counts.done() + counts.missed);
    assert!(seconds.is_sorted() && total.cpu_nanos > 0);
    let mut about = Subject::default();
    together.sign(&mut about);
    assert_eq!(about.workers.len(), 2);
    assert!(
        about
            .workers
            .iter()
            .all(|worker| worker.clock_error_ms > 0.0)
    );
    assert!(
        about.machine.starts_with("2 workers: "),
        "{}",
        about.machine
    );
}

#[test]
fn a_run_is_a_run_whoever_sends() {
    let (pod, one, other) = (pod(), worker(), worker());
    let (plan, parcel) = pack(
        pod.address(),
        "load: {rate: 200/s, warm_up: 1s, duration: 2s}\nobjective: {p95: 5s}",
    );
    let stop = Stop::new();
    let result = run_with(&plan, team(&[&one, &other], &parcel), &stop, &mut Unwatched).unwrap();
    assert_eq!(result.stopped, None);
    assert!(result.seconds.first().unwrap().warm_up);
    let ok: f64 = result.seconds.iter().map(|second| second.ok).sum();
    assert!(ok > 0.0 && result.total.failures.is_empty());
    assert_eq!(result.subject.workers.len(), 2);
    let blamed = result.invalid.iter().any(|fault| fault.contains("worker "));
    assert!(!blamed, "{:?}", result.invalid);
}

#[test]
fn callers_of_the_closed_model_are_shared() {
    let (pod, one, other) = (pod(), worker(), worker());
    let (plan, parcel) = pack(
        pod.address(),
        "load: {closed: {connections: 6}, duration: 1s}",
    );
    let stop = Stop::new();
    let workers = team(&[&one, &other], &parcel);
    let result = run_with(&plan, workers.clone(), &stop, &mut Unwatched).unwrap();
    let in_flight = result.seconds.iter().map(|second| second.in_flight).max();
    assert!(in_flight <= Some(6), "{in_flight:?}");
    assert!(result.seconds.iter().any(|second| second.ok > 0.0));

    let (plan, parcel) = pack(
        pod.address(),
        "load: {closed: {connections: 1}, duration: 1s}",
    );
    let workers = Workers { parcel, ..workers };
    wait_until("the workers are free", || {
        match run_with(&plan, workers.clone(), &stop, &mut Unwatched) {
            Ok(_) => panic!("one caller cannot be in two places"),
            Err(error) => error.to_string().contains("cannot be shared by 2 workers"),
        }
    });
}

#[test]
fn a_leader_without_the_token_is_not_taken() {
    let (pod, one) = (pod(), worker());
    let (plan, parcel) = pack(pod.address(), "load: {rate: 10/s, duration: 1s}");
    let stop = Stop::new();
    for token in [token("another token, as long"), Token::default()] {
        let workers = Workers {
            token,
            ..team(&[&one], &parcel)
        };
        let error = run_with(&plan, workers, &stop, &mut Unwatched).unwrap_err();
        assert!(
            error.to_string().contains("the token is not the worker's"),
            "{error}"
        );
    }
    assert_eq!(requests_of(pod.address()), 0);
    run_with(&plan, team(&[&one], &parcel), &stop, &mut Unwatched).unwrap();
}

#[test]
fn a_worker_that_strangers_reach_needs_a_token() {
    let open = WorkerSettings {
        listen: "0.0.0.0:0".parse().unwrap(),
        token: Token::default(),
        ..settings()
    };
    let refused = spawn(open.clone()).unwrap_err().to_string();
    assert!(refused.contains("needs a token"), "{refused}");
    let loopback = WorkerSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        ..open
    };
    assert!(spawn(loopback).is_ok());
}

#[test]
fn a_second_leader_is_told_that_the_worker_is_busy() {
    let one = worker();
    let workers = team(&[&one], &Parcel::default());
    let (clock, stop) = (RunClock::start(), Stop::new());
    let first = Team::open(&workers, &clock, &stop).unwrap();
    for _ in 0..3 {
        let refused = Team::open(&workers, &clock, &stop).unwrap_err().to_string();
        assert!(refused.contains("busy"), "{refused}");
    }
    drop(first);
    wait_until("the worker is free", || {
        Team::open(&workers, &clock, &stop).is_ok()
    });
}

#[test]
fn nobody_there_is_said_with_the_way_out() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let workers = Workers {
        addresses: vec![gone.unwrap().to_string()],
        ..Workers::default()
    };
    let (clock, stop) = (RunClock::start(), Stop::new());
    let error = Team::open(&workers, &clock, &stop).unwrap_err().to_string();
    assert!(error.contains("rampart loadtest worker"), "{error}");
    assert!(Team::open(&Workers::default(), &clock, &stop).is_err());
}

#[test]
fn a_worker_sends_nothing_where_its_own_list_does_not_lead() {
    let pod = pod();
    let one = spawn(WorkerSettings {
        allow: AllowList::parse(&["10.0.0.0/8", "127.0.0.1:1"]).unwrap(),
        ..settings()
    })
    .unwrap();
    let (plan, parcel) = pack(pod.address(), "load: {rate: 10/s, duration: 1s}");
    let error = run_with(&plan, team(&[&one], &parcel), &Stop::new(), &mut Unwatched)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&format!("--allow {}", pod.address())),
        "{error}"
    );
    assert_eq!(requests_of(pod.address()), 0);
}

#[test]
fn a_worker_asks_for_the_permission_itself() {
    const KEY: &[u8] = b"a key that is long enough";
    let (pod, one) = (pod(), worker());
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "target: {{url: \"http://{}\", production: true, permission_file: ok.json}}\nallow: [\"127.0.0.0/8\"]\nrequests: [{{method: GET, path: /}}]\nload: {{rate: 10/s, duration: 1s}}",
        pod.address()
    );
    let clock = RunClock::start();
    let target = plan::read("plan.yaml", &text, folder.path(), |_| None)
        .unwrap()
        .target;
    let expires = clock.wall() + Duration::from_mins(10);
    let signed = plan::Permission::sign(&target, 10.0, expires, clock.wall(), KEY).unwrap();
    std::fs::write(folder.path().join("ok.json"), signed.to_string()).unwrap();
    let (plan, parcel) = plan::pack("plan.yaml", &text, folder.path(), |_| None).unwrap();
    let ask = |worker: &Worker| {
        let mut observer = Unwatched;
        let mut context = Context {
            clock: clock.clone(),
            stop: Stop::new(),
            observer: &mut observer,
            production: None,
            permission_key: Some(KEY),
            workers: Some(team(&[worker], &parcel)),
        };
        run(&plan, &mut context)
    };
    let error = ask(&one).unwrap_err().to_string();
    assert!(
        error.contains("could not go on") && error.contains("RAMPART_PERMISSION_KEY"),
        "{error}"
    );
    assert_eq!(requests_of(pod.address()), 0);
    let with_key = spawn(WorkerSettings {
        permission_key: Some(KEY.to_vec()),
        ..settings()
    })
    .unwrap();
    ask(&with_key).unwrap();
}

/// Does something once the first second is over.
struct AfterTheFirst<F: FnMut()>(Option<F>);

impl<F: FnMut()> Observer for AfterTheFirst<F> {
    fn begun(&mut self, _: &Subject, _: &str, _: Duration) {}
    fn second(&mut self, _: &Second, _: &Tally) {
        if let Some(mut act) = self.0.take() {
            act();
        }
    }
    fn note(&mut self, _: &str) {}
    fn ended(&mut self) {}
}

#[test]
fn a_lost_worker_makes_the_run_invalid_and_ends_it() {
    let (pod, one, other) = (pod(), worker(), worker());
    let (plan, parcel) = pack(pod.address(), "load: {rate: 50/s, duration: 10m}");
    let workers = team(&[&one, &other], &parcel);
    let lost = other.address();
    let mut other = Some(other);
    let mut observer = AfterTheFirst(Some(|| drop(other.take())));
    let result = run_with(&plan, workers, &Stop::new(), &mut observer).unwrap();
    let expected = format!("the worker {lost} was lost: ");
    assert!(
        result.invalid[0].starts_with(&expected),
        "{:?}",
        result.invalid
    );
    assert!(result.stopped.unwrap().starts_with(&expected));
    assert!(!result.seconds.is_empty() && result.seconds.iter().any(|second| second.ok > 0.0));
}

#[test]
fn stopping_ends_all_workers_and_keeps_what_they_saw() {
    let (pod, one, other) = (pod(), worker(), worker());
    let (plan, parcel) = pack(pod.address(), "load: {rate: 100/s, duration: 10m}");
    let stop = Stop::new();
    let mut observer = AfterTheFirst(Some(|| stop.raise("somebody wanted it")));
    let result = run_with(&plan, team(&[&one, &other], &parcel), &stop, &mut observer).unwrap();
    assert_eq!(result.stopped.as_deref(), Some("somebody wanted it"));
    let blamed = result
        .invalid
        .iter()
        .any(|fault| fault.contains("the worker "));
    assert!(!blamed, "{:?}", result.invalid);
    assert!(result.seconds.iter().any(|second| second.ok > 0.0));
    let after = requests_of(pod.address());
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(
        requests_of(pod.address()),
        after,
        "nothing is sent any more"
    );
}

/// A leader that says exactly what it is told to.
struct Puppet {
    stream: TcpStream,
    reader: wire::Reader<TcpStream>,
    writer: wire::Writer<TcpStream>,
}

impl Puppet {
    fn lead(worker: &Worker) -> Option<Self> {
        let stream = TcpStream::connect(worker.address()).unwrap();
        let (mut reader, mut writer) = wire::split(stream.try_clone().unwrap()).unwrap();
        greeting::introduce(&mut reader, &mut writer, &ours(), &RunClock::start()).ok()?;
        Some(Puppet {
            stream,
            reader,
            writer,
        })
    }

    fn say(&mut self, order: Order) {
        self.writer.write(&order).unwrap();
    }

    /// The next report that is more than a sign of life; `None` when the connection was closed.
    fn hear(&mut self) -> Option<Report> {
        let clock = RunClock::start();
        loop {
            assert!(clock.now().duration() < DEADLINE, "nothing was heard");
            match self.reader.next() {
                Ok(Some(Report::Alive)) => self.say(Order::Alive),
                Ok(None) => {}
                Ok(Some(report)) => return Some(report),
                Err(_) => return None,
            }
        }
    }

    /// Sends the plan and has a worker begin a load that would take ten minutes.
    fn begin(&mut self, pod: SocketAddr) {
        let (_, parcel) = pack(pod, "load: {rate: 100/s, duration: 10m}");
        for (file, content) in parcel.files {
            self.say(Order::Piece { file, content });
        }
        self.say(Order::Prepare(Box::new(Preparation {
            run_id: "lt-test".to_owned(),
            purpose: Purpose::Run,
            file_name: parcel.file_name,
            text: parcel.text,
            variables: parcel.variables,
        })));
        let prepared = self.hear();
        assert!(
            matches!(prepared, Some(Report::Prepared(_))),
            "{prepared:?}"
        );
        self.say(Order::Send(share()));
        assert!(matches!(self.hear(), Some(Report::Second(_))));
    }
}

fn share() -> Share {
    Share {
        sending: Sending::Whole,
        first: 0,
        threads: 1,
        of: 1,
        start_nanos: 0,
    }
}

/// Nothing is sent any more, and the next leader is taken.
fn is_idle(worker: &Worker, pod: SocketAddr) {
    wait_until("the worker is free", || Puppet::lead(worker).is_some());
    let after = requests_of(pod);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(requests_of(pod), after, "it still sends");
}

#[test]
fn a_worker_stops_by_itself_when_its_leader_is_gone() {
    let (pod, one) = (pod(), worker());
    let mut leader = Puppet::lead(&one).unwrap();
    leader.begin(pod.address());
    drop(leader);
    is_idle(&one, pod.address());
}

#[test]
fn a_worker_stops_by_itself_when_its_leader_falls_silent() {
    let (pod, one) = (pod(), worker());
    let mut leader = Puppet::lead(&one).unwrap();
    leader.begin(pod.address());
    // The connection stays; only nothing is said on it.
    is_idle(&one, pod.address());
    drop(leader);
}

#[test]
fn a_leader_that_talks_nonsense_loses_its_worker() {
    let (pod, one) = (pod(), worker());
    let nonsense: [fn(&mut Puppet); 6] = [
        |leader| leader.say(Order::Calibrate),
        |leader| leader.say(Order::Send(share())),
        |leader| leader.writer.write(&"hello").unwrap(),
        |leader| {
            leader.say(Order::Piece {
                file: "x".to_owned(),
                content: vec![0; super::messages::PIECE_BYTES_MAX + 1],
            });
        },
        |leader| {
            for file in 0..=plan::PARCEL_FILES_MAX {
                let piece = Order::Piece {
                    file: file.to_string(),
                    content: Vec::new(),
                };
                // The worker may have closed the connection before the last of them.
                let _ = leader.writer.write(&piece);
            }
        },
        |leader| {
            // A frame that nobody signed.
            leader.writer = wire::Writer::new(leader.stream.try_clone().unwrap());
            leader.say(Order::Ask);
        },
    ];
    for (index, say) in nonsense.into_iter().enumerate() {
        let mut leader = None;
        wait_until("the worker is free", || {
            leader = Puppet::lead(&one);
            leader.is_some()
        });
        let mut leader = leader.unwrap();
        say(&mut leader);
        assert!(leader.hear().is_none(), "{index}");
    }
    is_idle(&one, pod.address());
    // A plan that is none is a mistake of a person, and said.
    let mut leader = Puppet::lead(&one).unwrap();
    leader.say(Order::Prepare(Box::new(Preparation {
        run_id: "lt-test".to_owned(),
        purpose: Purpose::Run,
        file_name: "plan.yaml".to_owned(),
        text: "target: {url: 7}".to_owned(),
        variables: std::collections::BTreeMap::new(),
    })));
    assert!(matches!(leader.hear(), Some(Report::Failed { .. })));
    leader.say(Order::Ask);
    assert!(matches!(leader.hear(), Some(Report::Clock { .. })));
}

#[test]
fn strangers_are_closed_and_do_not_keep_leaders_out() {
    let one = worker();
    for bytes in [
        &b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"[..],
        &[0xff; 64],
        b"\0\0\0\x02{}",
    ] {
        let mut stranger = TcpStream::connect(one.address()).unwrap();
        stranger.set_read_timeout(Some(DEADLINE)).unwrap();
        stranger.write_all(bytes).unwrap();
        let mut said = Vec::new();
        // The hello, and then an end; a reset is one too.
        let _ = stranger.read_to_end(&mut said);
        assert!(said.len() < 1_000, "{}", said.len());
    }
    assert!(Puppet::lead(&one).is_some());
}

/// A worker that says it is prepared and then sends what `say` makes of its first share.
fn false_worker(say: impl Fn(&Share) -> Report + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let (mut reader, mut writer) = wire::split(stream).unwrap();
        let clock = RunClock::start();
        greeting::receive(&mut reader, &mut writer, &ours(), &clock, || Some(())).unwrap();
        let mut hash = String::new();
        while let Ok(order) = reader.next::<Order>() {
            let report = match order {
                None
                | Some(Order::Stop | Order::Alive | Order::Piece { .. } | Order::Calibrate) => {
                    continue;
                }
                Some(Order::Prepare(preparation)) => {
                    let folder = tempfile::tempdir().unwrap();
                    let path = folder.path().join("likes.ndjson");
                    std::fs::write(path, "{\"n\": 1}\n{\"n\": 2}\n").unwrap();
                    let name = &preparation.file_name;
                    let plan = plan::read(name, &preparation.text, folder.path(), |_| None);
                    hash.clone_from(&plan.unwrap().scenario_hash);
                    Report::Prepared(Prepared {
                        machine: "\u{1b}[31mfalse".to_owned(),
                        cpus: 1,
                        scenario_hash: hash.clone(),
                    })
                }
                Some(Order::Ask) => Report::Clock {
                    nanos: clock.now().0,
                },
                Some(Order::Send(share)) => say(&share),
            };
            writer.write(&report).unwrap();
        }
    });
    address
}

fn second(thread: u64, ok: u64) -> Report {
    let mut tally = Box::<Tally>::default();
    tally.counts.ok = ok;
    Report::Second(SecondTally {
        second: 0,
        thread,
        tally,
    })
}

#[test]
fn what_a_worker_cannot_have_seen_is_not_added() {
    let pod = pod();
    let (plan, parcel) = pack(pod.address(), "load: {rate: 10/s, duration: 10m}");
    type Lie = fn(&Share) -> Report;
    let lies: [(Lie, &str); 3] = [
        (|share| second(share.first + 1, 1), "not its own"),
        (|share| second(share.first, u64::MAX), "cannot be"),
        (
            |_| Report::Failed {
                why: "out\u{7} of ports".to_owned(),
            },
            "could not go on: out of ports",
        ),
    ];
    for (lie, expected) in lies {
        let address = false_worker(lie);
        let workers = Workers {
            addresses: vec![address.to_string()],
            ..team(&[], &parcel)
        };
        let result = run_with(&plan, workers, &Stop::new(), &mut Unwatched).unwrap();
        assert!(
            result.invalid[0].contains(&address.to_string())
                && result.invalid[0].contains(expected),
            "{:?}",
            result.invalid
        );
        assert_eq!(result.total.ok, 0);
        assert_eq!(result.subject.machine, "1 worker: [31mfalse");
    }
}

#[test]
fn a_capacity_is_searched_with_all_workers() {
    let (pod, one, other) = (pod(), worker(), worker());
    let (plan, parcel) = pack(
        pod.address(),
        "objective: {p99: 100ms, success_rate: 99%}\ncapacity: {start: 20/s, max: 1000/s, soak: 20s, searches: 1}",
    );
    /// Stops once some trials' seconds were seen, and keeps what is said.
    struct Stops(Arc<Stop>, u32, Vec<String>);
    impl Observer for Stops {
        fn begun(&mut self, _: &Subject, _: &str, _: Duration) {}
        fn second(&mut self, _: &Second, so_far: &Tally) {
            self.1 += u32::from(so_far.counts.done() > 0);
            if self.1 == 3 {
                self.0.raise("interrupted");
            }
        }
        fn note(&mut self, line: &str) {
            self.2.push(line.to_owned());
        }
        fn ended(&mut self) {}
    }
    let stop = Stop::new();
    let mut observer = Stops(Arc::clone(&stop), 0, Vec::new());
    let mut context = Context {
        clock: RunClock::start(),
        stop: Arc::clone(&stop),
        observer: &mut observer,
        production: None,
        permission_key: None,
        workers: Some(team(&[&one, &other], &parcel)),
    };
    let result = find_capacity(&plan, &mut context).unwrap();
    let (Verdict::AtLeast { why, .. } | Verdict::Invalid { why } | Verdict::Noisy { why, .. }) =
        &result.verdict
    else {
        panic!("{:?}", result.verdict);
    };
    assert!(why.contains("interrupted"), "{why}");
    assert_eq!(result.subject.workers.len(), 2);
    assert!(
        observer
            .2
            .iter()
            .any(|line| line.starts_with("2 workers, loaded evenly, reach ")),
        "{:?}",
        observer.2
    );
    assert!(requests_of(pod.address()) > 20);
}

#[test]
fn a_release_or_a_plan_that_differs_is_noticed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let hello = super::messages::Hello {
            rampart_worker: super::messages::PROTOCOL,
            release: "0.0.0".to_owned(),
            nonce: [0; 32],
        };
        wire::Writer::new(stream).write(&hello).unwrap();
    });
    let workers = Workers {
        addresses: vec![address.to_string()],
        ..Workers::default()
    };
    let error = Team::open(&workers, &RunClock::start(), &Stop::new())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("release 0.0.0") && error.contains("same release"),
        "{error}"
    );

    let (pod, one) = (pod(), worker());
    let (plan, _) = pack(pod.address(), "load: {rate: 10/s, duration: 1s}");
    let other = pack(
        pod.address(),
        "load: {rate: 10/s, duration: 1s}\nobjective: {p50: 1s}",
    )
    .1;
    let error = run_with(&plan, team(&[&one], &other), &Stop::new(), &mut Unwatched).unwrap_err();
    assert!(error.to_string().contains("differently"), "{error}");
}

#[test]
fn a_search_that_loses_a_worker_says_what_it_knows() {
    let (pod, one, other) = (pod(), worker(), worker());
    let (plan, parcel) = pack(
        pod.address(),
        "objective: {p99: 100ms, success_rate: 99%}\ncapacity: {start: 20/s, max: 1000/s, soak: 20s, searches: 1}",
    );
    let (workers, lost) = (team(&[&one, &other], &parcel), other.address());
    let mut other = Some(other);
    let mut observer = AfterTheFirst(Some(|| drop(other.take())));
    let mut context = Context {
        clock: RunClock::start(),
        stop: Stop::new(),
        observer: &mut observer,
        production: None,
        permission_key: None,
        workers: Some(workers),
    };
    let result = find_capacity(&plan, &mut context).unwrap();
    let (Verdict::AtLeast { why, .. } | Verdict::Invalid { why } | Verdict::Noisy { why, .. }) =
        &result.verdict
    else {
        panic!("{:?}", result.verdict);
    };
    assert!(
        why.contains(&format!("the worker {lost} was lost")),
        "{why}"
    );
}
