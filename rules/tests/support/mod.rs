//! A naive model of the world and a small language for stories, so that engine tests read like the
//! night they tell:
//!
//! ```text
//! load function guide/feed unit=a
//!   0s..10m   qps 200 success 99.9%
//!   10m..12m  qps 200 success 90%
//!   12m..14m  qps 200 slow 5%
//! capacity 0s..10m 100 pods 3
//! late 3m..5m 80%
//! blind 6m..7m
//! broken 7m..8m
//! unread 0s..10s
//! restart 8m..9m
//! at 10m40s expect SuccessRateLow{unit="a"} firing
//! at 15m    expect nothing
//! ```
#![allow(dead_code)] // each test file uses its part

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use model::{Alert, AlertStatus, FunctionId, Labels, Mode, Ratio, Timestamp, parse_duration};
use rules::{
    Against, Arrivals, Baselines, By, Capacity, Change, Completeness, Engine, EvaluationError,
    GroupKey, LagRate, Phase, PodsGauge, Recent, Recents, RuleSet, Select, StoredMemory,
    StoredPhase, Tally, Windows,
};
use store::{Counts, SeriesKey, Sketch};

/// Story time 0s: a Friday noon.
pub(crate) fn origin() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

/// One stretch of steady traffic of one series.
#[derive(Clone, Debug)]
struct Load {
    function: FunctionId,
    unit: String,
    from: i64,
    to: i64,
    qps: f64,
    success: f64,
    slow: f64,
}

/// What calls take, and what slow ones do.
const QUICK_US: i64 = 20_000;
const SLOW_US: i64 = 900_000;

impl Load {
    /// Calls and failures from the beginning until a second, spread evenly: nothing is random.
    fn until(&self, second: i64) -> (u64, u64) {
        let calls = (self.qps * (second - self.from) as f64 + 1e-9).floor();
        let failed = (calls * (1.0 - self.success) + 1e-9).floor();
        (calls as u64, failed as u64)
    }

    fn sum(&self, from: i64, to: i64) -> Tally {
        let (from, to) = (from.max(self.from), to.min(self.to));
        if from >= to {
            return Tally::default();
        }
        let (before, after) = (self.until(from), self.until(to));
        Tally {
            counted: after.0 - before.0,
            failed: after.1 - before.1,
            weighted: after.0 - before.0,
        }
    }
}

/// Everything that happened, as a list that is searched from end to end each time.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    loads: Vec<Load>,
    /// Story seconds and the share of data that arrives; `None` when nobody knows.
    dim: Vec<(i64, i64, Option<f64>)>,
    /// What one pod carries, and how many there are, of the function named before.
    capacities: Vec<(i64, i64, FunctionId, f64, f64)>,
    /// Story seconds in which history cannot be read.
    broken: Vec<(i64, i64)>,
    /// Story seconds in which history has not been read yet.
    unread: Vec<(i64, i64)>,
    now: i64,
}

impl World {
    fn check_history(&self) -> Result<(), EvaluationError> {
        let is_now = |(from, to): &(i64, i64)| (*from..*to).contains(&self.now);
        if self.unread.iter().any(is_now) {
            return Err(EvaluationError::HistoryUnread);
        }
        if self.broken.iter().any(is_now) {
            return Err(EvaluationError::History("the story says so".to_owned()));
        }
        Ok(())
    }

    fn pods_of(&self, id: &FunctionId) -> Option<(f64, f64)> {
        let known = self.capacities.iter();
        let mut known =
            known.filter(|(from, to, own, _, _)| own == id && (*from..*to).contains(&self.now));
        known
            .next()
            .map(|(_, _, _, per_pod, pods)| (*per_pod, *pods))
    }

    /// What is committed in a second: what it counts, unless its data is late.
    fn arrivals(&self, second: i64) -> Arrivals {
        let late = |(from, to, share): &(i64, i64, Option<f64>)| {
            (*from..*to).contains(&second) && *share == Some(0.0)
        };
        let mut arrivals = Arrivals::default();
        if self.dim.iter().any(late) {
            return arrivals;
        }
        for load in &self.loads {
            let tally = load.sum(second, second + 1);
            let series = SeriesKey {
                namespace: load.function.namespace.clone(),
                function: load.function.name.clone(),
                version: String::new(),
                unit: load.unit.clone(),
                zone: String::new(),
                traffic: model::Traffic::Live,
            };
            let mut counts = Counts::default();
            for call in 0..tally.counted {
                let outcome = if call < tally.failed {
                    model::Outcome::FunctionError
                } else {
                    model::Outcome::Ok
                };
                counts.add(outcome, 1, false, 1_000);
            }
            if tally.counted > 0 {
                arrivals.add(&Arc::new(series), &counts);
            }
        }
        arrivals
    }

    fn story(timestamp: i64) -> i64 {
        timestamp - origin().as_seconds()
    }

    fn key(load: &Load, by: &[By]) -> GroupKey {
        GroupKey::new(
            by.iter()
                .map(|by| match by {
                    By::Namespace => load.function.namespace.clone(),
                    By::Function => load.function.name.clone(),
                    By::Unit => load.unit.clone(),
                    By::Version | By::Zone => String::new(),
                })
                .collect(),
        )
    }

    /// Sums in story seconds; nothing is visible before it happened.
    fn tallies(&self, select: &Select, from: i64, to: i64) -> BTreeMap<GroupKey, Tally> {
        let mut sums: BTreeMap<GroupKey, Tally> = BTreeMap::new();
        for load in &self.loads {
            if select.takes(&load.function.to_string()) {
                let tally = load.sum(from, to.min(self.now + 1));
                if tally.weighted > 0 {
                    sums.entry(Self::key(load, &select.by))
                        .or_default()
                        .merge(&tally);
                }
            }
        }
        sums
    }
}

impl Windows for World {
    fn sum(
        &self,
        select: &Select,
        only: Option<&FunctionId>,
        from: i64,
        to: i64,
    ) -> Vec<(GroupKey, Tally)> {
        self.tallies(select, Self::story(from), Self::story(to))
            .into_iter()
            .filter(|(key, _)| only.is_none() || key.function_id(&select.by).as_ref() == only)
            .collect()
    }

    fn latency(
        &self,
        select: &Select,
        only: Option<&FunctionId>,
        from: i64,
        to: i64,
    ) -> Vec<(GroupKey, Sketch)> {
        let from = from.div_euclid(10) * 10;
        let (from, to) = (Self::story(from), Self::story(to).min(self.now + 1));
        let mut durations: BTreeMap<GroupKey, Sketch> = BTreeMap::new();
        for load in &self.loads {
            let calls = load.sum(from, to).weighted;
            if select.takes(&load.function.to_string()) && calls > 0 {
                let slow = (calls as f64 * load.slow + 1e-9).floor() as u64;
                let sketch = durations.entry(Self::key(load, &select.by)).or_default();
                (0..slow).for_each(|_| sketch.add(SLOW_US));
                (slow..calls).for_each(|_| sketch.add(QUICK_US));
            }
        }
        durations
            .into_iter()
            .filter(|(key, _)| only.is_none() || key.function_id(&select.by).as_ref() == only)
            .collect()
    }

    fn baseline(
        &self,
        select: &Select,
        against: &Against,
        now: Timestamp,
    ) -> Result<Baselines, EvaluationError> {
        self.check_history()?;
        let now = Self::story(now.as_seconds()).div_euclid(60) * 60;
        let over = i64::try_from(against.over.as_secs()).unwrap();
        let mut lags: BTreeMap<GroupKey, Vec<LagRate>> = BTreeMap::new();
        for (index, days) in against.days.iter().enumerate() {
            let end = now - i64::from(*days) * 86_400;
            for (key, tally) in self.tallies(select, end - over, end) {
                lags.entry(key)
                    .or_insert_with(|| vec![LagRate::Missing; against.days.len()])[index] =
                    LagRate::Present(tally.weighted as f64 / over as f64);
            }
        }
        Ok(Arc::new(lags.into_iter().collect()))
    }

    fn recent(&self, select: &Select, now: Timestamp) -> Result<Recents, EvaluationError> {
        self.check_history()?;
        let now = Self::story(now.as_seconds());
        let memory = i64::try_from(Recent::MEMORY.as_secs()).unwrap();
        let mut last: BTreeMap<GroupKey, i64> = BTreeMap::new();
        for load in &self.loads {
            let end = load.to.min(now + 1);
            if select.takes(&load.function.to_string()) && load.from < end && end >= now - memory {
                let seen = last.entry(Self::key(load, &select.by)).or_insert(i64::MIN);
                *seen = (*seen).max(end);
            }
        }
        Ok(Arc::new(
            last.into_iter()
                .map(|(key, end)| {
                    let calls = self
                        .tallies(select, end - 600, end)
                        .get(&key)
                        .map_or(0, |tally| tally.weighted);
                    let recent = Recent {
                        last_seen: origin() + span(end) - span(-end),
                        usual: calls as f64 / 600.0,
                    };
                    (key, recent)
                })
                .collect(),
        ))
    }

    fn capacity(&self, function: &FunctionId) -> Capacity {
        let per_pod = self.pods_of(function).map(|(per_pod, _)| per_pod);
        per_pod.map_or(Capacity::Untested, Capacity::PerPod)
    }

    fn pods(&self, function: &FunctionId, _: Option<&PodsGauge>, _: Timestamp) -> Option<f64> {
        self.pods_of(function).map(|(_, pods)| pods)
    }

    fn completeness(&self, _: Option<&FunctionId>, from: Timestamp, to: Timestamp) -> Completeness {
        let (from, to) = (Self::story(from.as_seconds()), Self::story(to.as_seconds()));
        let mut missing = 0.0;
        for (start, end, share) in &self.dim {
            let overlap = (to.min(*end) - from.max(*start)).max(0);
            match share {
                None if overlap > 0 => {
                    return Completeness::Unknown {
                        why: "the story says so".to_owned(),
                    };
                }
                None => {}
                Some(share) => missing += overlap as f64 * (1.0 - share),
            }
        }
        let share = 1.0 - missing / (to - from).max(1) as f64;
        Completeness::Known(Ratio::new(share.clamp(0.0, 1.0)).unwrap())
    }
}

/// The share that stands after a word.
fn share_after(word: &str, words: &[&str]) -> Option<f64> {
    let at = words.iter().position(|own| *own == word)?;
    Some(Ratio::parse(words[at + 1]).unwrap().get())
}

fn span(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// `10m40s`, or `-7d` before the story.
fn seconds(text: &str) -> i64 {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    sign * i64::try_from(parse_duration(text).unwrap().as_secs()).unwrap()
}

fn range(text: &str) -> (i64, i64) {
    let (from, to) = text.split_once("..").unwrap();
    (seconds(from), seconds(to))
}

/// A story that is being told.
pub(crate) struct Night {
    pub(crate) engine: Engine,
    set: RuleSet,
    world: World,
    stored: BTreeMap<(String, Labels), StoredPhase>,
    memories: BTreeMap<(String, Labels), StoredMemory>,
    /// Whether a restart loses what sequential tests remember.
    pub(crate) forgetful: bool,
    restarts: Vec<(i64, i64)>,
    next: i64,
    /// Everything that was told, in order.
    pub(crate) told: Vec<(i64, Alert)>,
}

impl Night {
    pub(crate) fn under(rules: &str) -> Self {
        let set = RuleSet::parse("story.yaml", rules).unwrap_or_else(|p| panic!("{p}"));
        Night {
            engine: Engine::new(&set, "http://rampart.example"),
            set,
            world: World::default(),
            stored: BTreeMap::new(),
            memories: BTreeMap::new(),
            forgetful: false,
            restarts: Vec::new(),
            next: 0,
            told: Vec::new(),
        }
    }

    /// Adds the built-in rule about Rampart's own sight.
    pub(crate) fn with_telemetry_late(mut self) -> Self {
        self.set = self.set.with_built_in();
        self.engine = Engine::new(&self.set, "");
        self
    }

    /// What people see now.
    pub(crate) fn overview(&self) -> Vec<rules::RuleView> {
        self.engine
            .overview(&self.world, None, 100, Self::at(self.world.now))
    }

    /// A tick of a wall clock that shows something else than the story does.
    pub(crate) fn jumped_tick(&mut self, shown: i64) {
        let changes = self.engine.tick(&self.world, Self::at(shown));
        self.take(shown, changes);
    }

    /// The same without looking at what stands at the end.
    pub(crate) fn tell_without_expecting(mut self, story: &str) -> Self {
        let expectations = self.read(story);
        self.live(expectations, false);
        self
    }

    /// Tells a story; panics with the line that does not come true.
    pub(crate) fn tell(mut self, story: &str) -> Self {
        let expectations = self.read(story);
        self.live(expectations, true);
        self
    }

    fn read(&mut self, story: &str) -> Vec<(i64, String)> {
        let mut expectations = Vec::new();
        let mut who: Option<(FunctionId, String)> = None;
        for line in story.lines().map(str::trim).filter(|l| !l.is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["load", "function", id, rest @ ..] => {
                    let unit = rest
                        .iter()
                        .find_map(|word| word.strip_prefix("unit="))
                        .unwrap_or("");
                    who = Some((id.parse().unwrap(), unit.to_owned()));
                }
                ["late", when, share] => {
                    let (from, to) = range(when);
                    let share = Ratio::parse(share).unwrap().get();
                    self.world.dim.push((from, to, Some(share)));
                }
                ["blind", when] => {
                    let (from, to) = range(when);
                    self.world.dim.push((from, to, None));
                }
                ["capacity", when, per_pod, "pods", pods] => {
                    let (function, _) = who.clone().expect("load function first");
                    let (from, to) = range(when);
                    let (per_pod, pods) = (per_pod.parse().unwrap(), pods.parse().unwrap());
                    let known = (from, to, function, per_pod, pods);
                    self.world.capacities.push(known);
                }
                ["broken", when] => self.world.broken.push(range(when)),
                ["unread", when] => self.world.unread.push(range(when)),
                ["restart", when] => self.restarts.push(range(when)),
                ["at", when, "expect", ..] => {
                    let what = line.split_once("expect").unwrap().1.trim().to_owned();
                    expectations.push((seconds(when), what));
                }
                [when, "qps", qps, rest @ ..] => {
                    let (function, unit) = who.clone().expect("load function first");
                    let (from, to) = range(when);
                    self.world.loads.push(Load {
                        function,
                        unit,
                        from,
                        to,
                        qps: qps.parse().unwrap(),
                        success: share_after("success", rest).unwrap_or(1.0),
                        slow: share_after("slow", rest).unwrap_or(0.0),
                    });
                }
                _ => panic!("the story does not say: {line}"),
            }
        }
        expectations
    }

    fn live(&mut self, mut expectations: Vec<(i64, String)>, check: bool) {
        expectations.sort_by_key(|(when, _)| *when);
        let Some(end) = expectations.last().map(|(when, _)| *when) else {
            return;
        };
        for second in self.next..=end {
            if self
                .restarts
                .iter()
                .any(|(from, to)| (*from..*to).contains(&second))
            {
                continue;
            }
            if self.restarts.iter().any(|(_, to)| *to == second) {
                self.restart(second);
            }
            self.tick(second);
            for (_, what) in expectations.iter().filter(|(when, _)| *when == second) {
                if check {
                    self.check(second, what);
                }
            }
        }
        self.next = end + 1;
    }

    pub(crate) fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(origin().as_seconds() + second)
    }

    fn tick(&mut self, second: i64) {
        self.world.now = second;
        let arrivals = self.world.arrivals(second);
        self.engine.arrive(&arrivals, Self::at(second));
        let changes = self.engine.tick(&self.world, Self::at(second));
        self.take(second, changes);
        if second % 10 == 0 {
            for memory in self.engine.memories_due(Self::at(second), false) {
                let key = (memory.rule.clone(), memory.labels.clone());
                self.memories.insert(key, memory);
            }
        }
    }

    /// Gives sequential tests what a second brings, and looks at the function, before the tick.
    pub(crate) fn commit(&mut self, second: i64, id: &str) {
        self.world.now = second;
        let arrivals = self.world.arrivals(second);
        self.engine.arrive(&arrivals, Self::at(second));
        self.look(second, id);
    }

    /// Looks at one function between ticks.
    pub(crate) fn look(&mut self, second: i64, id: &str) {
        self.world.now = second;
        let changes = self
            .engine
            .look(&self.world, &[id.parse().unwrap()], Self::at(second));
        self.take(second, changes);
    }

    pub(crate) fn mode(mut self, mode: Mode) -> Self {
        self.engine.set_mode(mode);
        self
    }

    pub(crate) fn reload(mut self, rules: &str) -> Self {
        self.set = RuleSet::parse("story.yaml", rules).unwrap_or_else(|p| panic!("{p}"));
        let second = self.world.now;
        let changes = self.engine.reload(&self.set, Self::at(second));
        self.take(second, changes);
        self
    }

    fn restart(&mut self, second: i64) {
        self.engine = Engine::new(&self.set, "http://rampart.example");
        let stored = self.stored.values().cloned().collect();
        let changes = self.engine.restore(stored, Self::at(second));
        let memories = if self.forgetful {
            Vec::new()
        } else {
            self.memories.values().cloned().collect()
        };
        self.engine.recall(memories, Self::at(second));
        self.world.now = second;
        self.engine.replay(&self.world, Self::at(second));
        self.take(second, changes);
    }

    fn take(&mut self, second: i64, changes: Vec<Change>) {
        for change in changes {
            self.told
                .extend(change.tell.clone().map(|alert| (second, alert)));
            let key = (change.rule.clone(), change.labels.clone());
            if change.phase == Phase::Inactive {
                self.stored.remove(&key);
            } else {
                self.stored.insert(
                    key,
                    StoredPhase {
                        rule: change.rule,
                        labels: change.labels,
                        phase: change.phase,
                        episode: change.episode,
                    },
                );
            }
        }
    }

    /// `nothing`, `Rule phase`, `Rule{unit="a"} phase`.
    fn check(&self, second: i64, what: &str) {
        let standing: Vec<String> = self
            .stored
            .values()
            .map(|row| {
                let unit = row.labels.get("unit");
                let unit = unit.map_or_else(String::new, |unit| format!("{{unit=\"{unit}\"}}"));
                format!("{}{unit} {}", row.rule, row.phase.as_str())
            })
            .collect();
        let holds = if what == "nothing" {
            standing.is_empty()
        } else {
            standing.iter().any(|row| row == what)
        };
        assert!(
            holds,
            "at {second} s expected `{what}`, there is {standing:?}; told so far: {:#?}",
            self.lines()
        );
    }

    /// What was told, one line each: `640 s firing SuccessRateLow`.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.told
            .iter()
            .map(|(second, alert)| {
                let status = match alert.status {
                    AlertStatus::Firing => "firing",
                    AlertStatus::Resolved => "resolved",
                };
                let unit = alert.labels.get("unit");
                let unit = unit.map_or_else(String::new, |unit| format!(" {unit}"));
                format!("{second} s {status} {}{unit}", alert.name())
            })
            .collect()
    }
}

/// Counters and gauges as they stand, for what happens on this thread while it is in force.
#[derive(Clone, Default)]
pub(crate) struct Meter(Arc<Mutex<HashMap<String, Arc<AtomicU64>>>>);

impl Meter {
    pub(crate) fn counter(&self, name: &str) -> u64 {
        let metrics = self.0.lock().unwrap();
        metrics.get(name).map_or(0, |m| m.load(Ordering::Relaxed))
    }

    fn metric(&self, key: &Key) -> Arc<AtomicU64> {
        let mut metrics = self.0.lock().unwrap();
        Arc::clone(metrics.entry(key.name().to_owned()).or_default())
    }
}

impl Recorder for Meter {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.metric(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.metric(key))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
