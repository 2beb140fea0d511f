//! What alerting takes: a storm, a stream of deliveries, and the way of one alert. Everything is real but
//! the receiver, which listens on this machine; figures stand beside their budgets, and nothing fails.

#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::format_collect,
    reason = "a benchmark prints, and ends when its house cannot be built"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use alerting::config::Surroundings;
use alerting::{Alerting, Config, MIGRATIONS, Node, Teams};
use declare::{Problems, read};
use model::{Alert, AlertStatus, Clock, Labels, Mode, SharedClock, SystemClock};
use outbound::{AllowList, Outbound};
use state::State;
use tokio::sync::watch;

/// The same as the program's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Alerts of the storm.
const STORM: usize = 10_000;
/// Ways that take deliveries side by side.
const WAYS: usize = 16;
/// Deliveries of the stream.
const STREAM: usize = 8_000;
/// Alerts from outside that fire at once, and in how many groups.
const ACTIVE: usize = 100_000;
const GROUPS: usize = 100;
/// Alerts of one post, as Prometheus sends them.
const POST: usize = 256;
/// Alerts whose way is timed.
const TIMED: usize = 400;

fn main() {
    // `cargo test --benches` only wants to know that it builds.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(measure()),
        Err(error) => println!("no runtime: {error}"),
    }
}

async fn measure() {
    println!("{:<58} {:>15} {:>8}", "what", "figure", "budget");
    storm().await;
    stream().await;
    way().await;
    resends().await;
}

fn figure(what: &str, figure: &str, budget: &str) {
    println!("{what:<58} {figure:>15} {budget:>8}");
}

/// Alerting with a database of its own and receivers that lead to one webhook.
struct House {
    alerting: Alerting,
    state: State,
    hook: fakes::Webhook,
    clock: SharedClock,
    _directory: tempfile::TempDir,
}

impl House {
    /// `unlimited` lifts the pace of the ways, to measure everything but the waiting.
    async fn open(ways: usize, unlimited: bool) -> House {
        let hook = fakes::Webhook::start(None).await.expect("a port");
        let receivers: String = (0..ways)
            .map(|n| {
                format!(
                    "  - {{name: way-{n}, webhook: {{url: '{}'}}}}\n",
                    hook.url()
                )
            })
            .collect();
        let routes: String = (0..ways)
            .map(|n| format!("    - {{matchers: ['shard=\"{n}\"'], receiver: way-{n}}}\n"))
            .collect();
        let yaml = format!("receivers:\n{receivers}route:\n  receiver: way-0\n  routes:\n{routes}");
        let mut config = parsed(&yaml);
        if unlimited {
            for receiver in config.receivers.values_mut() {
                for endpoint in &mut receiver.endpoints {
                    Arc::make_mut(endpoint).limits.burst = 10_000_000;
                }
            }
        }
        let clock = SystemClock::shared();
        let directory = tempfile::tempdir().expect("a folder");
        let path = directory.path().join("rampart.db");
        let state = State::open(&path, &[MIGRATIONS]).await.expect("a database");
        let alerting = Alerting::start(
            Node::default(),
            config,
            Teams::default(),
            state.clone(),
            Outbound::new(AllowList::default(), outbound::Limits::default()),
            watch::channel(Mode::Daily).1,
            clock.clone(),
            Some("https://rampart.example.com".to_owned()),
        );
        House {
            alerting: alerting.await.expect("alerting"),
            state,
            hook,
            clock,
            _directory: directory,
        }
    }

    async fn close(self) {
        self.alerting.stop(Duration::from_secs(10)).await;
        self.state.close().await;
    }

    fn alert(&self, n: usize, ways: usize) -> Alert {
        let (function, shard) = (format!("f{n}"), (n % ways).to_string());
        Alert {
            status: AlertStatus::Firing,
            labels: Labels::from_pairs([
                ("alertname", "SuccessRateLow"),
                ("severity", "critical"),
                ("namespace", "guide"),
                ("function", function.as_str()),
                ("shard", shard.as_str()),
            ]),
            annotations: BTreeMap::from([("summary".to_owned(), "it fails".to_owned())]),
            starts_at: self.clock.now(),
            ends_at: None,
            generator_url: String::new(),
        }
    }
}

fn parsed(yaml: &str) -> Config {
    let mut problems = Problems::new();
    let node = read("alerting.yaml", yaml).expect("YAML");
    declare::check(&node, &Config::shape(), &mut problems);
    let surroundings = Surroundings {
        teams: &Teams::default(),
        events: &[],
        external_url: None,
        now: SystemClock::new().now(),
        secrets: &|path| Err(format!("no file {path}")),
        templates: &|_| Ok(Vec::new()),
        time_zone: chrono_tz::Tz::UTC,
    };
    Config::read(&node, &surroundings, &mut problems).expect("a configuration")
}

/// Ten thousand incidents at once by one way with its usual pace: they become few messages.
async fn storm() {
    let house = House::open(1, false).await;
    let handle = house.alerting.handle();
    let before = resident_mib();
    let alerts: Vec<Alert> = (0..STORM).map(|n| house.alert(n, 1)).collect();
    let began = house.clock.elapsed();
    let since = || house.clock.elapsed().saturating_sub(began);
    let (stored, first) = tokio::join!(
        async {
            handle.receive(alerts).await.expect("taken");
            since()
        },
        async {
            house.hook.wait_for(1).await;
            since()
        }
    );
    figure(
        "10,000 alerts at once: grouped and stored",
        &seconds(stored),
        "2 s",
    );
    figure(
        "10,000 alerts at once: first message out",
        &seconds(first),
        "2 s",
    );
    loop {
        let open = handle.incidents(None, STORM).await.unwrap_or_default();
        if open.len() == STORM && open.iter().all(|incident| !incident.told.is_empty()) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let all = house.clock.elapsed().saturating_sub(began);
    figure(
        "10,000 alerts at once: every incident told",
        &seconds(all),
        "",
    );
    figure("messages it took", &house.hook.count().to_string(), "");
    let grown = resident_mib().saturating_sub(before);
    figure(
        "memory it took, with the receiver's records",
        &format!("{grown} MiB"),
        "",
    );
    house.close().await;
}

/// As many deliveries as go, by ways that are never paced.
async fn stream() {
    let house = House::open(WAYS, true).await;
    let handle = house.alerting.handle();
    let alerts: Vec<Alert> = (0..STREAM).map(|n| house.alert(n, WAYS)).collect();
    let began = house.clock.elapsed();
    let (taken, _) = tokio::join!(handle.receive(alerts), house.hook.wait_for(STREAM as u64));
    taken.expect("taken");
    let took = house.clock.elapsed().saturating_sub(began);
    let rate = STREAM as f64 / took.as_secs_f64();
    figure(
        "deliveries to a local webhook, alerts coming in as well",
        &format!("{rate:.0}/s"),
        "2000/s",
    );
    house.close().await;
}

/// One alert after another: taken, stored, grouped, stored, sent, received.
async fn way() {
    let house = House::open(WAYS, true).await;
    let handle = house.alerting.handle();
    let mut times = Vec::with_capacity(TIMED);
    for n in 0..TIMED {
        let alert = house.alert(n, WAYS);
        let began = house.clock.elapsed();
        handle.receive(vec![alert]).await.expect("taken");
        house.hook.wait_for(n as u64 + 1).await;
        times.push(house.clock.elapsed().saturating_sub(began));
    }
    times.sort_unstable();
    let at = |share: f64| times[((TIMED - 1) as f64 * share) as usize];
    figure(
        "alert handed in → webhook received, median",
        &millis(at(0.5)),
        "",
    );
    figure(
        "alert handed in → webhook received, p95",
        &millis(at(0.95)),
        "100 ms",
    );
    figure(
        "alert handed in → webhook received, p99",
        &millis(at(0.99)),
        "",
    );
    house.close().await;
}

/// A hundred thousand alerts from outside fire on, each posted again once a minute.
async fn resends() {
    let house = House::open(1, false).await;
    let handle = house.alerting.handle();
    let alerts = |value: usize| -> Vec<Alert> {
        let now = house.clock.now();
        let alert = |n: usize| {
            let (name, instance) = (format!("Alert{}", n % GROUPS), format!("10.0.0.{n}:9100"));
            Alert {
                status: AlertStatus::Firing,
                labels: Labels::from_pairs([
                    ("alertname", name.as_str()),
                    ("instance", instance.as_str()),
                    ("job", "node"),
                    ("severity", "warning"),
                ]),
                annotations: BTreeMap::from([("summary".to_owned(), format!("at {value}"))]),
                starts_at: now,
                ends_at: Some(now + Duration::from_mins(4)),
                generator_url: "http://prometheus.example.com/graph?g0.expr=up".to_owned(),
            }
        };
        (0..ACTIVE).map(alert).collect()
    };
    let post = async |alerts: Vec<Alert>| {
        for post in alerts.chunks(POST) {
            handle.post(post.to_vec()).await.expect("taken");
        }
    };
    let before = resident_mib();
    let first = alerts(0);
    let began = house.clock.elapsed();
    post(first).await;
    let stored = house.clock.elapsed().saturating_sub(began);
    figure(
        "100,000 alerts from outside: grouped and stored",
        &seconds(stored),
        "",
    );
    tokio::time::sleep(Duration::from_secs(3)).await;
    let grown = resident_mib().saturating_sub(before);
    figure("memory they took", &format!("{grown} MiB"), "");
    let mut rounds = Vec::new();
    for value in 1..=3 {
        let again = alerts(value);
        let before = processor_time();
        post(again).await;
        rounds.push(processor_time().saturating_sub(before));
    }
    rounds.sort_unstable();
    let share = rounds[1].as_secs_f64() / 60.0 * 100.0;
    figure(
        "100,000 active alerts posted again each minute",
        &format!("{share:.1} % of a core"),
        "20 %",
    );
    let after = resident_mib().saturating_sub(before);
    figure(
        "memory after three more rounds",
        &format!("{after} MiB"),
        "",
    );
    house.close().await;
}

/// The processor time this process took so far.
fn processor_time() -> Duration {
    const TICKS_PER_SECOND: u64 = 100;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND)
}

fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1_000.0)
}

/// The memory of this process, in MiB.
fn resident_mib() -> u64 {
    const PAGE_BYTES: u64 = 4_096;
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split_whitespace().nth(1);
    let pages: u64 = pages.and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * PAGE_BYTES / (1 << 20)
}
