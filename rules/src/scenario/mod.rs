//! Scenario files: synthetic traffic, time that steps, and what must fire. `rampart test` runs them
//! through the real engine on a simulated clock.
//!
//! ```text
//! rules ../rules/video.yaml
//! load function guide/feed unit=a
//!   0s..10m   qps 200 success 99.9%
//!   10m..12m  qps 200 success 90%
//! at 10m40s expect SuccessRateLow{unit="a"} firing
//! at 15m    expect nothing
//! ```

mod file;
mod unit;
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;

use declare::{Level, Problem, Problems};
use model::{Alert, AlertStatus, Labels, Mode, Timestamp};

use crate::detection::StoredMemory;
use crate::engine::{Change, Engine, StoredPhase};
use crate::phase::Phase;
use crate::releases::Releases;
use crate::set::RuleSet;

pub use file::{Expectation, RulesPath, Scenario};
pub use unit::UnitTests;

use world::World;

/// When a scenario's time 0s is: a Friday noon, far from any change of clocks.
const ORIGIN_SECONDS: i64 = 1_795_176_000;
/// Memories of sequential tests are stored this often, for restarts.
const STORE_EVERY_SECONDS: i64 = 10;

/// What came of a scenario.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How many expectations were looked at.
    pub expectations: usize,
    /// Those that did not hold, each at its place with what there was instead.
    pub failed: Problems,
    /// What was told, in order: `10m12s firing SuccessRateLow{unit="a"}`.
    pub told: Vec<String>,
}

/// Lives through a scenario under these rules.
pub fn run(scenario: &Scenario, rules: &RuleSet) -> Outcome {
    let mut life = Life::new(scenario, rules);
    life.live(scenario);
    life.outcome
}

struct Life<'a> {
    rules: &'a RuleSet,
    engine: Engine,
    world: World<'a>,
    stored: BTreeMap<(String, Labels), StoredPhase>,
    memories: BTreeMap<(String, Labels), StoredMemory>,
    /// What was told and is not over, by rule and label set.
    firing: BTreeMap<(String, Labels), Alert>,
    releases: Arc<Releases>,
    outcome: Outcome,
}

impl<'a> Life<'a> {
    fn new(scenario: &'a Scenario, rules: &'a RuleSet) -> Life<'a> {
        let mut engine = Engine::new(rules, "");
        engine.set_mode(scenario.mode);
        Life {
            rules,
            engine,
            world: World::new(scenario),
            stored: BTreeMap::new(),
            memories: BTreeMap::new(),
            firing: BTreeMap::new(),
            releases: Arc::new(scenario.releases.iter().cloned().collect()),
            outcome: Outcome::default(),
        }
    }

    fn live(&mut self, scenario: &Scenario) {
        let Some(end) = scenario.expectations.iter().map(|e| e.at).max() else {
            return;
        };
        for second in 0..=end {
            if scenario.is_down(second) {
                continue;
            }
            if scenario.restarts.iter().any(|(_, to)| *to == second) {
                self.restart(second, scenario.mode);
            }
            self.tick(second);
            for expectation in scenario.expectations.iter().filter(|e| e.at == second) {
                self.outcome.expectations += 1;
                if let Some(problem) = self.check(expectation, scenario) {
                    self.outcome.failed.push(problem);
                }
            }
        }
    }

    fn tick(&mut self, second: i64) {
        let now = instant(second);
        self.world.now = second;
        self.engine.set_releases(Arc::clone(&self.releases));
        self.engine.arrive(&self.world.arrivals(second), now);
        let changes = self.engine.tick(&self.world, now);
        self.take(second, changes);
        if second % STORE_EVERY_SECONDS == 0 {
            for memory in self.engine.memories_due(now, false) {
                let key = (memory.rule.clone(), memory.labels.clone());
                self.memories.insert(key, memory);
            }
        }
    }

    fn restart(&mut self, second: i64, mode: Mode) {
        let now = instant(second);
        self.world.now = second;
        self.engine = Engine::new(self.rules, "");
        self.engine.set_mode(mode);
        let changes = self
            .engine
            .restore(self.stored.values().cloned().collect(), now);
        self.engine
            .recall(self.memories.values().cloned().collect(), now);
        self.engine.replay(&self.world, now);
        self.take(second, changes);
    }

    fn take(&mut self, second: i64, changes: Vec<Change>) {
        for change in changes {
            if let Some(alert) = &change.tell {
                let status = match alert.status {
                    AlertStatus::Firing => "firing",
                    AlertStatus::Resolved => "resolved",
                };
                let when = file::time(second);
                let who = named(&change.rule, &change.labels);
                self.outcome.told.push(format!("{when} {status} {who}"));
            }
            let key = (change.rule.clone(), change.labels.clone());
            if let Some(alert) = change.tell {
                match alert.status {
                    AlertStatus::Firing => self.firing.insert(key.clone(), alert),
                    AlertStatus::Resolved => self.firing.remove(&key),
                };
            }
            if change.phase == Phase::Inactive {
                self.stored.remove(&key);
            } else {
                let phase = StoredPhase {
                    rule: change.rule,
                    labels: change.labels,
                    phase: change.phase,
                    episode: change.episode,
                };
                self.stored.insert(key, phase);
            }
        }
    }

    /// What an expectation finds otherwise, if it does.
    fn check(&self, expectation: &Expectation, scenario: &Scenario) -> Option<Problem> {
        let holds = match &expectation.alert {
            None => self.stored.is_empty(),
            Some(alert) => {
                let mut found = self.stored.values().filter(|row| {
                    row.rule == alert.rule
                        && alert
                            .labels
                            .iter()
                            .all(|(name, value)| row.labels.get(name) == Some(value))
                });
                match alert.phase {
                    "inactive" => found.next().is_none(),
                    phase => found.any(|row| row.phase.as_str() == phase),
                }
            }
        };
        if holds {
            return None;
        }
        let there = self.stored.values().map(|row| {
            let who = named(&row.rule, &row.labels);
            format!("{who} {}", row.phase.as_str())
        });
        let there: Vec<String> = there.collect();
        let there = if there.is_empty() {
            "nothing".to_owned()
        } else {
            there.join(", ")
        };
        let mut problem = Problem::new(
            &scenario.file,
            expectation.place,
            Level::Error,
            format!(
                "at {} expected {}, there is {there}",
                file::time(expectation.at),
                expectation.text
            ),
        );
        let told = self.outcome.told.iter().rev().take(TOLD_SHOWN_MAX).rev();
        let told: Vec<&str> = told.map(String::as_str).collect();
        if told.is_empty() {
            problem.hint("nothing was told so far");
        } else {
            problem.hint(format!("told so far: {}", told.join(", ")));
        }
        Some(problem)
    }
}

/// Alerts shown beside an expectation that failed.
const TOLD_SHOWN_MAX: usize = 6;

fn instant(second: i64) -> Timestamp {
    Timestamp::from_seconds(ORIGIN_SECONDS + second)
}

/// `SuccessRateLow{function="feed", namespace="guide"}`.
fn named(rule: &str, labels: &Labels) -> String {
    format!("{rule}{labels}")
}
