//! One tick of five rules over many functions, through the real rollups: what a tick costs, and how much of it
//! is the rollups' own. Prints a line of JSON for each number of functions given as an argument (10000 without
//! one); `make bench-rules` runs it. `TICKS=5` and `SECONDS=10` make it short.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model::{Clock, FunctionId, Outcome, Ratio, SystemClock, Timestamp};
use rules::{
    Against, Arrivals, Baselines, Completeness, Engine, EvaluationError, GroupKey, GroupSums,
    LagRate, MovingSums, Recent, Recents, RuleSet, Select, Tally, Windows, latency_of_rollups,
    sum_rollups,
};
use store::{Invocation, InvocationRows, Rollups, Sketch};

/// The same as the program's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Calls a second, over all functions, at most.
const CALLS_MAX: usize = 100_000;
const RULES: &str = r#"
version: rampart/v1
groups:
  - name: bench
    functions: ["*"]
    rules:
      - alert: Low
        success_rate: {below: 99%, over: 1m, min_calls: 5}
      - alert: Failing
        success_rate: {objective: 99.9%, detect: early}
      - alert: Drop
        qps: {drop: 50%, over: 1m, against: [1d, 7d, 14d]}
      - alert: Silent
        qps: {absent_for: 2m}
      - alert: Slow
        latency: {above: 800ms, over: 1m, min_calls: 5}
"#;

/// Real rollups for what is now, ready tables for what was.
struct View {
    rollups: Rollups,
    moving: MovingSums,
    baselines: Baselines,
    recents: Recents,
    clock: SystemClock,
    summing_us: AtomicU64,
}

impl View {
    fn timed<T>(&self, work: impl FnOnce() -> T) -> T {
        let began = self.clock.elapsed();
        let done = work();
        let took = self.clock.elapsed().saturating_sub(began).as_micros();
        self.summing_us.fetch_add(took as u64, Ordering::Relaxed);
        done
    }
}

impl Windows for View {
    fn sum(
        &self,
        select: &Select,
        only: Option<&FunctionId>,
        from: i64,
        to: i64,
    ) -> Vec<(GroupKey, Tally)> {
        self.timed(|| sum_rollups(&self.rollups, select, only, from, to))
    }

    fn sums(&self, select: &Select, from: i64, to: i64) -> GroupSums {
        self.timed(|| self.moving.calls(&self.rollups, select, from, to))
    }

    fn slower(&self, select: &Select, limit: Duration, from: i64, to: i64) -> GroupSums {
        self.timed(|| self.moving.slower(&self.rollups, select, limit, from, to))
    }

    fn latency(
        &self,
        select: &Select,
        only: Option<&FunctionId>,
        from: i64,
        to: i64,
    ) -> Vec<(GroupKey, Sketch)> {
        self.timed(|| latency_of_rollups(&self.rollups, select, only, from, to))
    }

    fn baseline(
        &self,
        _: &Select,
        _: &Against,
        _: Timestamp,
    ) -> Result<Baselines, EvaluationError> {
        Ok(Arc::clone(&self.baselines))
    }

    fn recent(&self, _: &Select, _: Timestamp) -> Result<Recents, EvaluationError> {
        Ok(Arc::clone(&self.recents))
    }

    fn completeness(&self, _: Option<&FunctionId>, _: Timestamp, _: Timestamp) -> Completeness {
        Ratio::new(1.0).map_or_else(
            || Completeness::Unknown { why: String::new() },
            Completeness::Known,
        )
    }
}

fn main() {
    let number = |name: &str, usual: i64| {
        let given = std::env::var(name).ok();
        given.and_then(|text| text.parse().ok()).unwrap_or(usual)
    };
    let (ticks, seconds) = (number("TICKS", 20), number("SECONDS", 60));
    let given = std::env::args()
        .skip(1)
        .filter_map(|text| text.parse().ok());
    let mut sizes: Vec<usize> = given.collect();
    if sizes.is_empty() {
        sizes.push(10_000);
    }
    for functions in sizes {
        measure(functions, ticks, seconds);
    }
}

fn measure(functions: usize, ticks: i64, seconds: i64) {
    let clock = SystemClock::new();
    let start = clock.now();
    // Functions take turns where all of them in each second were too many calls.
    let turns = functions.div_ceil(CALLS_MAX);
    let view = View {
        rollups: filled(functions, turns, seconds, start),
        moving: MovingSums::default(),
        baselines: Arc::new(
            keys(functions)
                .map(|key| (key, vec![LagRate::Present(1.0 / turns as f64); 3]))
                .collect(),
        ),
        recents: Arc::new(keys(functions).map(|key| (key, recent(start))).collect()),
        clock: SystemClock::new(),
        summing_us: AtomicU64::new(0),
    };
    let set = RuleSet::parse("bench.yaml", RULES).unwrap();
    let mut engine = Engine::new(&set, "");
    let (mut worst, mut total, mut changes) = (0.0_f64, 0.0_f64, 0);
    // The first ticks make what later ones find.
    let warm = turns as i64 + 1;
    for tick in 0..warm + ticks {
        let now = start + rules::TICK * u32::try_from(tick).unwrap();
        let arrived = arrive(&view, functions, turns, tick, now);
        if tick == warm {
            view.summing_us.store(0, Ordering::Relaxed);
        }
        let began = clock.elapsed();
        engine.arrive(&arrived, now);
        changes += engine.tick(&view, now).len();
        let took = clock.elapsed().saturating_sub(began).as_secs_f64() * 1_000.0;
        if tick >= warm {
            worst = worst.max(took);
            total += took;
        }
    }
    println!(
        "{{\"functions\":{functions},\"rules\":{},\"mean_ms\":{:.1},\"worst_ms\":{worst:.1},\"summing_ms\":{:.1},\"changes\":{changes}}}",
        set.rules().len(),
        total / ticks as f64,
        view.summing_us.into_inner() as f64 / 1_000.0 / ticks as f64,
    );
}

fn recent(start: Timestamp) -> Recent {
    Recent {
        last_seen: start,
        usual: 1.0,
    }
}

/// In order, as every view gives them.
fn keys(functions: usize) -> impl Iterator<Item = GroupKey> {
    let keys: BTreeSet<GroupKey> = (0..functions)
        .map(|index| GroupKey::new(vec!["bench".to_owned(), format!("f{index}")]))
        .collect();
    keys.into_iter()
}

/// The functions that are called in a second.
fn called(functions: usize, turns: usize, second: i64) -> impl Iterator<Item = usize> {
    let turn = second.rem_euclid(turns as i64) as usize;
    (turn..functions).step_by(turns)
}

/// Commits a good call of each function whose turn it is, and gives what a tick is handed.
fn arrive(view: &View, functions: usize, turns: usize, tick: i64, now: Timestamp) -> Arrivals {
    let mut rows = calls(called(functions, turns, tick), now);
    let mut arrivals = Arrivals::default();
    for delta in view.rollups.apply(&rows.finish(), now) {
        arrivals.add(&delta.series, &delta.counts);
    }
    arrivals
}

/// Calls of the last seconds.
fn filled(functions: usize, turns: usize, seconds: i64, now: Timestamp) -> Rollups {
    let rollups = Rollups::new(functions * 4);
    for second in (0..seconds).rev() {
        let at = Timestamp::from_seconds(now.as_seconds() - second);
        let mut rows = calls(called(functions, turns, second), at);
        rollups.apply(&rows.finish(), at);
    }
    rollups
}

/// A good call of each function.
fn calls(functions: impl Iterator<Item = usize>, at: Timestamp) -> InvocationRows {
    let mut rows = InvocationRows::new();
    for index in functions {
        rows.push(&Invocation {
            ts: at,
            namespace: "bench",
            function: &format!("f{index}"),
            outcome: Outcome::Ok,
            duration_us: 1_000,
            weight: 1,
            seen_at: at,
            ..Invocation::default()
        });
    }
    rows
}
