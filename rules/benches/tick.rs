//! One tick over 10 k functions x 3 rules through the real rollups. Prints milliseconds, and how
//! many of them are the rollups' own.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::{Clock, FunctionId, Outcome, Ratio, SystemClock, Timestamp};
use rules::{
    Against, Baselines, Completeness, Engine, EvaluationError, GroupKey, LagRate, Recent, Recents,
    RuleSet, Select, Tally, Windows, sum_rollups,
};
use store::{Invocation, InvocationRows, Rollups};

const FUNCTIONS: usize = 10_000;
const TICKS: u32 = 20;
const RULES: &str = r#"
version: rampart/v1
groups:
  - name: bench
    functions: ["*"]
    rules:
      - alert: Low
        success_rate: {below: 99%, over: 1m, min_calls: 20}
      - alert: Drop
        qps: {drop: 50%, over: 1m, against: [1d, 7d, 14d]}
      - alert: Silent
        qps: {absent_for: 2m}
"#;

/// Real rollups for what is now, ready tables for what was.
struct View {
    rollups: Rollups,
    baselines: Baselines,
    recents: Recents,
    clock: SystemClock,
    summing_us: AtomicU64,
}

impl Windows for View {
    fn sum(
        &self,
        select: &Select,
        only: Option<&FunctionId>,
        from: i64,
        to: i64,
    ) -> Vec<(GroupKey, Tally)> {
        let began = self.clock.elapsed();
        let sums = sum_rollups(&self.rollups, select, only, from, to);
        let took = self.clock.elapsed().saturating_sub(began).as_micros();
        self.summing_us.fetch_add(took as u64, Ordering::Relaxed);
        sums
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
    let clock = SystemClock::new();
    let start = clock.now();
    let view = View {
        rollups: filled(start),
        baselines: Arc::new(
            keys()
                .map(|key| (key, vec![LagRate::Present(1.0); 3]))
                .collect(),
        ),
        recents: Arc::new(
            keys()
                .map(|key| {
                    let recent = Recent {
                        last_seen: start,
                        usual: 1.0,
                    };
                    (key, recent)
                })
                .collect(),
        ),
        clock: SystemClock::new(),
        summing_us: AtomicU64::new(0),
    };
    let set = RuleSet::parse("bench.yaml", RULES).unwrap();
    let mut engine = Engine::new(&set, "");
    let mut worst = 0.0_f64;
    let mut total = 0.0_f64;
    let mut changes = 0;
    for tick in 0..TICKS {
        let now = start + rules::TICK * tick;
        let began = clock.elapsed();
        changes += engine.tick(&view, now).len();
        let took = clock.elapsed().saturating_sub(began).as_secs_f64() * 1_000.0;
        worst = worst.max(took);
        total += took;
    }
    println!(
        "{FUNCTIONS} functions x {} rules: mean {:.1} ms ({:.1} ms of it summing rollups), worst {worst:.1} ms a tick ({changes} changes)",
        set.rules().len(),
        total / f64::from(TICKS),
        view.summing_us.into_inner() as f64 / 1_000.0 / f64::from(TICKS)
    );
}

/// In order, as every view gives them.
fn keys() -> impl Iterator<Item = GroupKey> {
    let keys: BTreeSet<GroupKey> = (0..FUNCTIONS)
        .map(|index| GroupKey::new(vec!["bench".to_owned(), format!("f{index}")]))
        .collect();
    keys.into_iter()
}

/// A call of each function in each of the last 60 seconds.
fn filled(now: Timestamp) -> Rollups {
    let rollups = Rollups::new(FUNCTIONS * 4);
    for second in (0..60).rev() {
        let at = Timestamp::from_seconds(now.as_seconds() - second);
        let mut rows = InvocationRows::new();
        for index in 0..FUNCTIONS {
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
        rollups.apply(&rows.finish(), at);
    }
    rollups
}
