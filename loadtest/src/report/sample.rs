//! Results such as real ones, the same every time: for golden files and for looking at reports.

use std::collections::BTreeMap;

use crate::plan::Protocol;
use crate::result::{
    CapacityResult, RunResult, SearchResult, Second, Subject, Threshold, TrialResult, Verdict,
    Window,
};
use crate::sizing;
use crate::tally::Tally;
use crate::timing::{Nanos, Timing};
use crate::{Failure, Outcome, Random};

pub(crate) fn subject() -> Subject {
    Subject {
        id: "lt-7f3a91c2".to_owned(),
        function: Some("guide/wow-video-feed".to_owned()),
        version: Some("12".to_owned()),
        digest: Some("sha256:0f5d2a9e7c41b8d3".to_owned()),
        target: "http://127.0.0.1:8080".to_owned(),
        protocol: Some(Protocol::Http1),
        scenario_hash: "5e1f0c77".to_owned(),
        started_at: "2026-11-01T20:00:00Z".to_owned(),
        seconds: 60.0,
        seed: 7,
        workers: Vec::new(),
        machine: "8 CPUs, Linux 6.8".to_owned(),
        pod_cpus: Some(2.0),
        pod_memory_bytes: Some(512 << 20),
    }
}

/// One second of some 300 calls: a body of around 20 ms, a tail, now and then a failure.
pub(crate) fn second(at: u32, random: &mut Random) -> Tally {
    let calls = random.between(276, 324) as u64;
    let mut tally = Tally {
        threads: 2,
        span_nanos: 1_000_000_000,
        cpu_nanos: 180_000_000 + random.bits() % 40_000_000,
        loop_gap_nanos_max: 400_000 + random.bits() % 900_000,
        in_flight: 4 + random.bits() % 6,
        in_flight_max: 14 + u64::from(at % 5),
        ..Tally::default()
    };
    tally.counts.intended = calls;
    tally.counts.sent = calls;
    tally.counts.bytes_in = calls * 1_900;
    tally.counts.bytes_out = calls * 210;
    tally.counts.connects = if at == 0 { 24 } else { 0 };
    let slow = if (30..36).contains(&at) { 2.2 } else { 1.0 };
    for call in 0..calls {
        let body = 9.0 + 5.0 * random.exponential();
        let tail = if random.unit() < 0.03 {
            18.0 * random.exponential()
        } else {
            0.0
        };
        let lag = (30_000.0 * random.exponential()) as u64;
        let timing = Timing {
            written: Nanos(lag),
            done: Nanos(lag + ((body + tail) * slow * 1e6) as u64),
            ..Timing::default()
        };
        let outcome = match call {
            0 if at % 13 == 5 => Outcome::Failed(Failure::Timeout),
            1 if at % 17 == 3 => Outcome::Unexpected { status: 502 },
            2 if (32..35).contains(&at) => Outcome::Limited,
            _ => Outcome::Ok { status: 200 },
        };
        tally.record(&timing, outcome);
    }
    tally
}

/// A run of a minute after five seconds of warm-up that held its objective, and its whole tally.
pub(crate) fn run() -> (RunResult, Tally) {
    let mut random = Random::new(7, 0);
    let mut total = Tally::default();
    let mut seconds = Vec::new();
    for at in 0..65 {
        let tally = second(at, &mut random);
        seconds.push(Second::of(f64::from(at), at < 5, &tally));
        if at >= 5 {
            total.add_after(&tally);
        }
    }
    let total_window = Window::of(&total);
    let result = RunResult {
        subject: subject(),
        load: "open, poisson, 300/s for 1m after 5s of warm-up".to_owned(),
        thresholds: vec![
            Threshold {
                wanted: "p99 ≤ 100ms".to_owned(),
                got: super::words::ms(total_window.latency.p99_ms),
                held: true,
            },
            Threshold {
                wanted: "success rate ≥ 99.9%".to_owned(),
                got: super::words::share(total_window.success_rate.unwrap()),
                held: true,
            },
        ],
        total: total_window,
        seconds,
        left_out: 0,
        left_out_why: None,
        invalid: vec![],
        stopped: None,
    };
    (result, total)
}

/// The same, missing its success rate.
pub(crate) fn missed_run() -> RunResult {
    let (mut result, _) = run();
    result.thresholds[1] = Threshold {
        wanted: "success rate ≥ 99.99%".to_owned(),
        got: super::words::share(result.total.success_rate.unwrap()),
        held: false,
    };
    result.stopped = Some("a person pressed q".to_owned());
    result
}

/// A run that nothing may be concluded from.
pub(crate) fn invalid_run() -> RunResult {
    let (mut result, _) = run();
    result.total.lag.p99_ms = 7.9;
    result.total.loop_gap_max_ms = 12.4;
    result.total.cpu = 0.91;
    result.invalid = vec![
        "the generator sent late: lag p99 7.9ms is over 5ms".to_owned(),
        "the generator's CPU was 91% busy".to_owned(),
    ];
    result
}

fn trial(purpose: &str, rate: f64, class: &str, latency_ms: f64, why: &str) -> TrialResult {
    TrialResult {
        purpose: purpose.to_owned(),
        rate,
        seconds: if purpose == "soak" { 300.0 } else { 15.0 },
        class: class.to_owned(),
        why: why.to_owned(),
        latency_ms,
        success_rate: Some(if class == "overloaded" { 0.974 } else { 1.0 }),
        pod_cpus: Some((rate * 0.0061).min(2.0)),
    }
}

fn search(low: f64, high: f64, shift: f64) -> SearchResult {
    let under = "p99 within 100ms in every block";
    let over = "p99 over 100ms in 5 of 5 blocks";
    SearchResult {
        low: Some(low),
        high: Some(high),
        trials: vec![
            trial(
                "warm-up",
                20.0,
                "carried",
                19.0 + shift,
                "CPU for each call has settled",
            ),
            trial("climb", 40.0, "carried", 20.4 + shift, under),
            trial("climb", 80.0, "carried", 23.1 + shift, under),
            trial("climb", 160.0, "carried", 31.0 + shift, under),
            trial("climb", 320.0, "overloaded", 2_140.0, over),
            trial("bisect", 226.0, "carried", 44.0 + shift, under),
            trial("bisect", 269.0, "carried", 61.5 + shift, under),
            trial(
                "bisect",
                293.0,
                "invalid",
                83.0,
                "the generator's loop was away for 9.2ms; once more",
            ),
            trial("repeat", 293.0, "unclear", 97.0, "2 of 5 blocks over 100ms"),
            trial("repeat", low, "carried", 86.2 + shift, under),
            trial(
                "bisect",
                high,
                "overloaded",
                310.0,
                "requests in flight grow: 4.1 a second",
            ),
            trial(
                "soak",
                low * 0.9,
                "carried",
                58.0 + shift,
                "10 of 10 blocks within 100ms",
            ),
        ],
    }
}

/// A capacity that three searches agree on.
pub(crate) fn capacity() -> CapacityResult {
    let limits = sizing::Limits {
        qps: 297.0,
        concurrency: 15,
    };
    CapacityResult {
        verdict: Verdict::Confirmed {
            low: 297.0,
            high: 312.0,
        },
        subject: Subject {
            seconds: 1_684.0,
            ..subject()
        },
        objective: "p99 ≤ 100ms, success rate ≥ 99.9%".to_owned(),
        per_pod: Some(297.0),
        per_cpu: Some(148.5),
        mean_latency_ms: Some(41.7),
        limits_publish: None,
        limits: Some(limits),
        pods: Some(sizing::Pods {
            per_zone: 39,
            total: 117,
        }),
        searches: vec![
            search(297.0, 312.0, 0.0),
            search(301.0, 315.0, 1.5),
            search(299.0, 314.0, -1.2),
        ],
        hints: vec![
            "each call takes 6.1 ms of CPU; at the quota of 2 CPUs that is 328 calls/s".to_owned(),
            "the universal scalability law puts the peak at 341 calls/s".to_owned(),
        ],
    }
}

/// Every text of it tries to break out of a page, a document or a terminal.
pub(crate) fn hostile() -> RunResult {
    let text = |place: &str| {
        format!(
            "{place}</title></style><script>alert('1')</script>\"><img src=x onerror=alert(1)>&\u{1b}[2J\u{202e}]]>"
        )
    };
    let (mut result, _) = run();
    result.subject = Subject {
        id: text("id"),
        function: Some(text("function")),
        version: Some(text("version")),
        digest: Some(text("digest")),
        target: text("target"),
        scenario_hash: text("hash"),
        started_at: text("started"),
        machine: text("machine"),
        ..subject()
    };
    result.load = text("load");
    result.thresholds = vec![Threshold {
        wanted: text("wanted"),
        got: text("got"),
        held: false,
    }];
    result.invalid = vec![text("invalid"), text("more")];
    result.stopped = Some(text("stopped"));
    result.total.failures = BTreeMap::from([(text("failure"), 3)]);
    result
}

/// The same of a capacity.
pub(crate) fn hostile_capacity() -> CapacityResult {
    let run = hostile();
    let why = run.load.clone();
    let mut result = capacity();
    result.subject = run.subject;
    result.verdict = Verdict::AtLeast {
        low: 297.0,
        why: why.clone(),
    };
    result.objective = why.clone();
    result.hints = vec![why.clone()];
    for trial in result
        .searches
        .iter_mut()
        .flat_map(|search| &mut search.trials)
    {
        trial.purpose.clone_from(&why);
        trial.class.clone_from(&why);
        trial.why.clone_from(&why);
    }
    result
}
