//! kill -9 in the middle of ingest, again and again: every acknowledged row is there exactly once,
//! nobody is paged twice and no page is lost. `KILLS=100` kills more often.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::{Duration, Instant};

use fakes::DingTalk;

use super::house::{Folder, Server, calls, eventually, send};

const KILLS: usize = 10;
/// New functions begin to fail in every other of the first rounds.
const FAILING: usize = 5;
const SENDERS: usize = 2;
/// What a sender sends between two kills.
const BATCHES: usize = 6;
const ROWS_PER_BATCH: usize = 200;
/// Seed of the moments at which the server is killed; printed with every failure below.
const SEED: u64 = 20_261_111;

struct Chance(u64);

impl Chance {
    /// xorshift64*: enough for choosing moments.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % bound
    }
}

fn configuration(folder: &Folder, robot: &DingTalk) {
    folder.write("rampart.yaml", "teams:\n  team-guide: {owns: [\"*\"], im: chat}\nrules: {files: [rules.yaml]}\nalerting: {file: alerting.yaml}\n");
    folder.write(
        "rules.yaml",
        "version: rampart/v1\nrules:\n  - alert: SuccessRateLow\n    functions: [\"*\"]\n    by: [function]\n    success_rate: {below: 99%, over: 10m, min_calls: 100}\n    severity: critical\n",
    );
    folder.write(
        "alerting.yaml",
        &format!("receivers:\n  - name: chat\n    dingtalk: {{url: \"{}\", secret: SECkill}}\nroute: {{receiver: chat, repeat_interval: 12h}}\n", robot.url()),
    );
}

/// Pushes one batch; `true` when the server said that it has it.
fn push(url: &str, batch: usize, function: &str, outcome: &str) -> bool {
    let ids = batch * ROWS_PER_BATCH..(batch + 1) * ROWS_PER_BATCH;
    let key = format!("batch-{batch}");
    let headers = [
        ("content-type", "application/x-ndjson"),
        ("idempotency-key", key.as_str()),
    ];
    send(
        "POST",
        &format!("{url}/api/v1/invocations"),
        &headers,
        calls(function, "a", outcome, ids).as_bytes(),
    )
    .is_ok_and(|answer| answer.status == 200)
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_rows_survive_exactly_once_and_pages_too() {
    let folder = Folder::new();
    let robot = DingTalk::start("SECkill").await.unwrap();
    configuration(&folder, &robot);
    tokio::task::spawn_blocking(move || storm(&folder, &robot))
        .await
        .unwrap();
}

/// A batch that was sent: its number, whose calls it holds, how they ended.
type Batch = (usize, String, &'static str);

/// Sends a range of batches; gives those that were answered and those in doubt.
fn send_all(url: &str, batches: Range<usize>, failing: Option<&str>) -> (Vec<usize>, Vec<Batch>) {
    let (mut answered, mut unanswered) = (Vec::new(), Vec::new());
    for batch in batches {
        let (function, outcome) = match failing {
            Some(failing) if batch % 3 == 0 => (failing, "function_error"),
            _ => ("guide/healthy", "ok"),
        };
        if push(url, batch, function, outcome) {
            answered.push(batch);
        } else {
            unanswered.push((batch, function.to_owned(), outcome));
        }
    }
    (answered, unanswered)
}

#[allow(clippy::print_stdout)] // figures, for whoever asks with --nocapture
fn storm(folder: &Folder, robot: &DingTalk) {
    let mut chance = Chance(SEED);
    let kills = std::env::var("KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let mut server = folder.serve();
    let mut acknowledged = BTreeSet::new();
    let mut next = 0;
    for round in 0..kills {
        // Pages are under way while it dies.
        let failing = (round / 2 < FAILING).then(|| format!("guide/failing-{}", round / 2));
        let dies_after = Duration::from_millis(20 + chance.below(400));
        let senders: Vec<_> = (0..SENDERS)
            .map(|_| {
                let (url, failing) = (server.url.clone(), failing.clone());
                let batches = next..next + BATCHES;
                next = batches.end;
                std::thread::spawn(move || send_all(&url, batches, failing.as_deref()))
            })
            .collect();
        std::thread::sleep(dies_after);
        server.kill();
        let mut in_doubt = Vec::new();
        for sender in senders {
            let (answered, unanswered) = sender.join().unwrap();
            acknowledged.extend(answered);
            in_doubt.extend(unanswered);
        }
        let began = Instant::now();
        server = folder.serve();
        let started = began.elapsed();
        let found = server.count("select count(distinct request_id) from invocations");
        let (least, most) = (acknowledged.len() * ROWS_PER_BATCH, next * ROWS_PER_BATCH);
        assert!(
            (least..=most).contains(&usize::try_from(found).unwrap()),
            "seed {SEED}, round {round}: {found} rows, {least} acknowledged, {most} sent"
        );
        // A sender that got no answer sends the same batch with the same key.
        for (batch, function, outcome) in in_doubt {
            assert!(
                push(&server.url, batch, &function, outcome),
                "seed {SEED}, round {round}: batch {batch} was refused after the restart"
            );
            acknowledged.insert(batch);
        }
        if (round + 1) % 10 == 0 {
            println!(
                "{} kills: {least} rows acknowledged, {found} found, ready {} ms after the start",
                round + 1,
                started.as_millis()
            );
        }
    }
    let expected = i64::try_from(acknowledged.len() * ROWS_PER_BATCH).unwrap();
    let count = |server: &Server, what: &str| {
        server.count(&format!("select count({what}) from invocations"))
    };
    assert_eq!(
        (count(&server, "*"), count(&server, "distinct request_id")),
        (expected, expected),
        "seed {SEED}"
    );
    assert_eq!(
        server.count("select sum(ok) + sum(function_error) from minutes"),
        expected,
        "seed {SEED}: the counts per minute agree with the rows"
    );

    println!(
        "acknowledged {expected} rows = found {} over {kills} kills",
        count(&server, "distinct request_id")
    );

    let firing = kills.div_ceil(2).min(FAILING);
    let delivered = |function: usize| {
        robot
            .messages()
            .iter()
            .filter(|message| message.text().contains(&format!("failing-{function}")))
            .count()
    };
    eventually("a page for every failing function", || {
        (0..firing)
            .all(|function| delivered(function) >= 1)
            .then_some(())
    });
    // A crash between the provider's yes and our record may repeat that one message, and only that one.
    let total: usize = (0..firing).map(delivered).sum();
    let unknown = server.get("/api/v1/incidents")["incidents"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|incident| {
            let whole = server.get(&format!(
                "/api/v1/incidents/{}",
                incident["id"].as_str().unwrap()
            ));
            whole["timeline"].to_string().contains("unknown")
        })
        .count();
    assert!(
        total <= firing + unknown,
        "seed {SEED}: {total} messages for {firing} failing functions, {unknown} of unknown outcome"
    );
    let incidents = server.get("/api/v1/incidents")["incidents"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(
        incidents, firing,
        "seed {SEED}: one incident for each failing function"
    );

    // And once more after a clean stop: nothing moves.
    assert_eq!(server.stop(), Some(0));
    let server = folder.serve();
    assert_eq!(
        count(&server, "*"),
        expected,
        "seed {SEED}: after a clean restart"
    );
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(
        (0..firing).map(delivered).sum::<usize>(),
        total,
        "seed {SEED}: a restart pages nobody again"
    );
}
