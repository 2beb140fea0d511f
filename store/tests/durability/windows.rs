//! Windows over committed calls against a list of calls that is searched anew for every question,
//! through files, merges and restarts.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use model::{Clock, ManualClock, Outcome, Timestamp};
use store::{Batch, Counts, Dimension, Invocation, InvocationRows, Selection, Store};

use crate::random::Random;
use crate::rows::NOW;
use crate::store::{clock, open_disk, options, run};

const FUNCTIONS: [&str; 3] = ["feed", "search", "book"];
/// Calls that completed longer before their commit are in minutes only.
const LATE_SECONDS: i64 = 900;

#[derive(Clone, Copy, Debug)]
struct Call {
    function: &'static str,
    completed: Timestamp,
    duration_us: i64,
    outcome: Outcome,
    late: bool,
}

/// All calls committed so far.
#[derive(Default)]
struct List(Vec<Call>);

impl List {
    /// Counts by function and whatever `key` tells of a call that is meant.
    fn count<K: Ord>(
        &self,
        key: impl Fn(&Call) -> Option<K>,
    ) -> BTreeMap<(String, K), ([u64; 7], u64)> {
        let mut counts: BTreeMap<_, ([u64; 7], u64)> = BTreeMap::new();
        for call in &self.0 {
            if let Some(key) = key(call) {
                let sum = counts.entry((call.function.to_owned(), key)).or_default();
                sum.0[call.outcome as usize] += 1;
                sum.1 += call.duration_us.unsigned_abs();
            }
        }
        counts
    }

    /// The same of the seconds that rollups hold, by step of a timeline.
    fn steps(&self, seconds: &Range<i64>, step: i64) -> BTreeMap<(String, i64), ([u64; 7], u64)> {
        self.count(|call| {
            let second = call.completed.as_seconds();
            (!call.late && seconds.contains(&second)).then(|| (second - seconds.start) / step)
        })
    }
}

fn told(counts: &Counts) -> ([u64; 7], u64) {
    (counts.outcomes, counts.duration_us)
}

async fn commit(store: &Store, list: &mut List, random: &mut Random, clock: &ManualClock) {
    let now = clock.now();
    let mut rows = InvocationRows::new();
    for _ in 0..=random.below(30) {
        let offset = match random.below(10) {
            0 => -(random.below(1100) as i64),
            1 => random.below(590) as i64,
            _ => -(random.below(60) as i64),
        };
        let micros = offset * 1_000_000 + random.below(1_000_000) as i64;
        let completed = Timestamp::from_micros(now.as_micros() + micros);
        let call = Call {
            function: FUNCTIONS[random.below(3) as usize],
            completed,
            duration_us: random.below(2_000_000) as i64,
            outcome: Outcome::ALL[random.below(7) as usize],
            late: completed.as_seconds() < now.as_seconds() - LATE_SECONDS,
        };
        rows.push(&Invocation {
            ts: Timestamp::from_micros(completed.as_micros() - call.duration_us),
            namespace: "guide",
            function: call.function,
            duration_us: call.duration_us,
            outcome: call.outcome,
            seen_at: now,
            ..Invocation::default()
        });
        list.0.push(call);
    }
    let batch = Batch {
        invocations: Some(rows.finish()),
        ..Batch::default()
    };
    store.commit(batch).await.unwrap();
}

/// One random window of the last quarter of an hour.
fn check_window(store: &Store, list: &List, random: &mut Random, now: i64, what: &str) {
    let from = now - 880 + random.below(1400) as i64;
    let seconds = from..from + 1 + random.below(600) as i64;
    let step = 1 + random.below(90) as i64;
    let (everything, by) = (Selection::default(), [Dimension::Function]);
    let what = format!("{what}, seconds {seconds:?}, step {step}");

    let sums = store
        .rollups()
        .sum(&everything, &by, seconds.start, seconds.end);
    let sums: BTreeMap<_, _> = sums
        .iter()
        .filter(|(_, counts)| !counts.is_zero())
        .map(|(group, counts)| {
            let function = group.get(Dimension::Function).unwrap().to_owned();
            ((function, 0), told(counts))
        })
        .collect();
    assert_eq!(sums, list.steps(&seconds, i64::MAX), "{what}");

    let lines = store
        .rollups()
        .timeline(&everything, &by, seconds.start, seconds.end, step);
    let mut points = BTreeMap::new();
    for (group, line) in &lines {
        let function = group.get(Dimension::Function).unwrap();
        for (at, counts) in line
            .iter()
            .enumerate()
            .filter(|(_, counts)| !counts.is_zero())
        {
            points.insert((function.to_owned(), at as i64), told(counts));
        }
    }
    assert_eq!(points, list.steps(&seconds, step), "{what}");

    let tens = seconds.start.div_euclid(10) * 10..seconds.end.div_euclid(10) * 10 + 10;
    // The first ten seconds may have left the window in part.
    if tens.start >= now - 880 {
        let latencies = store
            .rollups()
            .latency(&everything, &[], tens.start, tens.end);
        let counted: u64 = latencies.iter().map(|(_, sketch)| sketch.count()).sum();
        let steps = list.steps(&tens, i64::MAX);
        let expected: u64 = steps.values().flat_map(|(outcomes, _)| outcomes).sum();
        assert_eq!(counted, expected, "{what}, latencies");
    }
}

/// Minutes reach back as far as rows do, late ones included.
async fn check_minutes(store: &Store, list: &List, what: &str) {
    let hours = Duration::from_secs(6 * 3600);
    let minutes = store.minutes(NOW - hours, NOW + hours).await.unwrap();
    let mut seen = BTreeMap::new();
    for (series, minute, counts) in &minutes {
        seen.insert((series.function.clone(), *minute), told(counts));
    }
    let expected = list.count(|call| Some(call.completed.as_seconds().div_euclid(60)));
    assert_eq!(seen, expected, "{what}");
}

async fn day(seed: u64) {
    let directory = tempfile::tempdir().unwrap();
    let mut random = Random::new(seed);
    let (clock, mut list) = (clock(), List::default());
    let mut store = open_disk(options(directory.path()), &clock).await;
    for step in 0..20 {
        match random.below(8) {
            0 => store.flush().await.unwrap(),
            1 => {
                clock.advance(Duration::from_secs(random.below(200)));
                store.tidy().await.unwrap();
            }
            2 => clock.advance(Duration::from_secs(random.below(400))),
            3 => {
                store.close().await;
                store = open_disk(options(directory.path()), &clock).await;
            }
            _ => commit(&store, &mut list, &mut random, &clock).await,
        }
        let what = format!("seed {seed}, step {step}");
        for _ in 0..4 {
            let now = clock.now().as_seconds();
            check_window(&store, &list, &mut random, now, &what);
        }
        if step % 10 == 9 {
            check_minutes(&store, &list, &what).await;
        }
    }
    store.close().await;
}

#[test]
fn windows_and_minutes_say_what_the_list_of_calls_says() {
    for seed in 0..if crate::soaks() { 400 } else { 8 } {
        run(day(seed));
    }
}
