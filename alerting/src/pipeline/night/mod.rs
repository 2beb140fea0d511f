//! A simulated night: alerts, providers with moods, people, crashes at every point, from a seed.
//!
//! The pipeline runs as it does in production; only the database is a set of maps and the
//! providers are a table of moods. What a provider truly took is written down apart from what the
//! pipeline believes, so that duplicates and losses show.

mod cases;
mod disk;
mod duty;
mod invariants;
mod mutes;
mod phones;
mod providers;
mod returns;
mod seeds;
mod stories;
mod watch;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use model::{Alert, Mode, Timestamp};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{Action, Address, Effect, Event, How, Links, Memory, Policy, Silence, step};
use crate::config::{Config, Teams};
use crate::delivery::{Attempt, Delivery, IncidentStatus, Limits, MessageKind, Receipt, Retry};
use crate::testing::{at, config, failing, resolved};
use disk::Disk;

const ALERTING: &str = r"
channels:
  sms: {webhook: {url: 'http://127.0.0.1:1/sms'}}
  phone: {webhook: {url: 'http://127.0.0.1:1/phone'}}
receivers:
  - {name: team-chat, webhook: {url: 'http://127.0.0.1:1/chat'}}
  - {name: war-room, webhook: {url: 'http://127.0.0.1:1/war'}}
route:
  receiver: war-room
  routes:
    - matchers: ['function=batch']
      receiver: war-room
    - matchers: ['function=pay']
      escalation: loud
    - matchers: ['severity=critical']
      escalation: night
inhibit_rules:
  - {source_matchers: ['function=login'], target_matchers: ['function=cart'], equal: [namespace]}
escalations:
  night:
    steps:
      - {after: 0s, notify: [im: owner]}
      - {after: 2m, notify: [sms: owner]}
      - {after: 5m, notify: [phone: owner]}
      - {after: 10m, notify: [phone: oncall/leads, im: war-room]}
    repeat: {every: 10m, times: 2}
    acknowledged_for: 30m
  loud:
    steps:
      - {after: 0s, notify: [sms: owner]}
      - {after: 1m, notify: [phone: owner]}
schedules:
  guide: {time_zone: Asia/Shanghai, rotations: [{name: weekly, start: 2026-11-02T10:00, every: 1w, people: [first]}]}
  leads: {time_zone: Asia/Shanghai, rotations: [{name: always, start: 2026-11-02T10:00, every: 1w, people: [second]}]}
people:
  first: {sms: '+8613800000001', phone: '+8613800000001'}
  second: {sms: '+8613800000002', phone: '+8613800000002'}
time_zone: Asia/Shanghai
";
const TEAMS: &str = "team-guide: {owns: ['guide/*'], im: team-chat, schedule: guide}";

/// When nights begin that say nothing else.
const START: &str = "2026-11-10T18:00:00Z";

/// What a provider does with the next message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    /// Takes it.
    Takes,
    /// Takes it after so many seconds.
    Slow(u64),
    /// 500.
    Fails,
    /// Never takes such a message.
    Refuses,
    /// Too many: shut for so many seconds.
    Shuts(u64),
    /// Takes it and answers nothing.
    TakesSilently,
    /// Takes nothing and answers nothing.
    Hangs,
    /// Takes it, and says after so many seconds that it did not arrive; for texts and calls only.
    Loses(u64),
}

/// Where the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    /// Before anything of the step is on disk.
    Store,
    /// With the attempt on disk and the provider not called.
    Call,
    /// After the provider took the message, before that is on disk.
    Record,
}

/// One message that a provider truly took.
#[derive(Clone, Debug)]
struct Heard {
    at: Timestamp,
    row: u64,
    incident: String,
    address: Address,
    kind: MessageKind,
    attempt: u64,
}

/// From an alert's firing to its resolution, as its source sees it.
#[derive(Clone, Debug)]
struct Episode {
    function: String,
    from: Timestamp,
    to: Option<Timestamp>,
}

/// A message on its way.
struct Flight {
    lands_at: Timestamp,
    attempt: u64,
    outcome: Attempt,
}

/// A receipt on its way.
struct Lost {
    lands_at: Timestamp,
    attempt: u64,
}

struct Night {
    seed: u64,
    rng: StdRng,
    now: Timestamp,
    start: Timestamp,
    /// Time that passed, whatever the wall clock was set to.
    slept: Duration,
    /// Events the pipeline was given.
    events: u64,
    /// Whether the wall clock was set on the way.
    clock_was_set: bool,
    memory: Memory,
    policy: Arc<Policy>,
    disk: Disk,
    moods: BTreeMap<String, VecDeque<Mood>>,
    mood: BTreeMap<String, Mood>,
    flights: Vec<Flight>,
    lost: Vec<Lost>,
    heard: Vec<Heard>,
    /// Messages, as a provider counts them: one for many incidents is one.
    messages: usize,
    /// Every message as it was handed to its channel.
    said: Vec<Delivery>,
    episodes: Vec<Episode>,
    /// From when to when there was no process.
    downs: Vec<(Timestamp, Timestamp)>,
    /// Handed over and not yet confirmed; handed over again after a crash, as rules do.
    unsent: Vec<Alert>,
    /// Silences as a person set them, and those of them that are not confirmed.
    silences: Vec<Silence>,
    unset: Vec<Silence>,
    firing: BTreeMap<String, Alert>,
    crash_at: Option<Point>,
    crashes: usize,
    /// Silent outcomes and crashes that can each explain one duplicate of a message.
    doubts: BTreeSet<u64>,
    /// Messages that left although nobody should have been paged.
    wrongly_paged: Vec<String>,
}

fn links() -> Links {
    Links {
        external_url: Some("https://rampart.example.com".into()),
        key: Arc::from(&b"a key for tests"[..]),
    }
}

impl Night {
    fn seeded(seed: u64) -> Self {
        static READ: OnceLock<(Config, Teams)> = OnceLock::new();
        let (config, teams) = READ.get_or_init(|| config(ALERTING, TEAMS)).clone();
        Night::new(seed, config, teams, at(START))
    }

    fn new(seed: u64, mut config: Config, teams: Teams, start: Timestamp) -> Self {
        let mut endpoint = config.receivers["team-chat"].endpoints[0].as_ref().clone();
        endpoint.limits = Limits {
            burst: 20,
            per: Duration::from_mins(1),
            min_gap: Duration::ZERO,
            penalty: Duration::from_mins(10),
        };
        let chat = config.receivers.get_mut("team-chat").unwrap();
        chat.endpoints = vec![Arc::new(endpoint)];
        let policy = Arc::new(Policy::new(config, teams));
        Night {
            seed,
            rng: StdRng::seed_from_u64(seed),
            now: start,
            start,
            slept: Duration::ZERO,
            events: 0,
            clock_was_set: false,
            memory: Memory::new(Arc::clone(&policy), Mode::Daily, links()),
            policy,
            disk: Disk::default(),
            moods: BTreeMap::new(),
            mood: BTreeMap::new(),
            flights: Vec::new(),
            lost: Vec::new(),
            heard: Vec::new(),
            messages: 0,
            said: Vec::new(),
            episodes: Vec::new(),
            downs: Vec::new(),
            unsent: Vec::new(),
            silences: Vec::new(),
            unset: Vec::new(),
            firing: BTreeMap::new(),
            crash_at: None,
            crashes: 0,
            doubts: BTreeSet::new(),
            wrongly_paged: Vec::new(),
        }
    }

    // What happens.

    fn fire(&mut self, function: &str) {
        let alert = failing(function, self.now);
        self.episodes.push(Episode {
            function: function.to_owned(),
            from: self.now,
            to: None,
        });
        self.firing.insert(function.to_owned(), alert.clone());
        self.hand_over(alert);
    }

    fn resolve(&mut self, function: &str) {
        if let Some(alert) = self.firing.remove(function) {
            let mut episodes = self.episodes.iter_mut().rev();
            if let Some(episode) = episodes.find(|episode| episode.function == function) {
                episode.to = Some(self.now);
            }
            self.hand_over(resolved(alert, self.now));
        }
    }

    fn act(&mut self, incident: &str, action: Action) {
        if self.memory.incident(incident).is_some() {
            self.step(Event::Act {
                incident: incident.to_owned(),
                action,
                by: "ann".into(),
                how: How::Api,
            });
        }
    }

    /// The next messages to a way meet these moods, one each.
    fn moods(&mut self, endpoint: &str, moods: impl IntoIterator<Item = Mood>) {
        self.moods
            .entry(endpoint.to_owned())
            .or_default()
            .extend(moods);
    }

    /// From now on, when nothing special is said.
    fn mood(&mut self, endpoint: &str, mood: Mood) {
        self.mood.insert(endpoint.to_owned(), mood);
    }

    /// The next step that comes to this point is the process's last.
    fn crash(&mut self, point: Point) {
        self.crash_at = Some(point);
    }

    fn hand_over(&mut self, alert: Alert) {
        self.unsent.push(alert);
        self.hand_over_again();
    }

    fn hand_over_again(&mut self) {
        if !self.unset.is_empty() && self.step(Event::Silences(self.unset.clone())) {
            self.unset.clear();
        }
        if !self.unsent.is_empty() && self.step(Event::Alerts(self.unsent.clone())) {
            self.unsent.clear();
        }
    }

    /// Lets time pass until `end`; everything due on the way happens at its moment.
    fn run_until(&mut self, end: Timestamp) {
        self.slept += end.since(self.now);
        // Far more than any plan needs; a pipeline that asks to be woken for ever fails here.
        for _ in 0..200_000 {
            self.hand_over_again();
            let landing = self.flights.iter().map(|flight| flight.lands_at).min();
            let receipt = self.lost.iter().map(|lost| lost.lands_at).min();
            let due = self.memory.next_due(self.now);
            let next = [landing, receipt, due].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            match self
                .flights
                .iter()
                .position(|flight| flight.lands_at <= self.now)
            {
                Some(index) => self.land(index),
                None if self.receipt_lands() => {}
                None => {
                    self.step(Event::Tick);
                }
            }
        }
        panic!("seed {}: the pipeline never rests", self.seed);
    }

    fn run_for(&mut self, seconds: u64) {
        self.run_until(self.now + Duration::from_secs(seconds));
    }

    // How it happens.

    fn land(&mut self, index: usize) {
        let flight = self.flights.remove(index);
        if self.crash_at == Some(Point::Record) {
            self.crash_at = None;
            self.die();
            return;
        }
        self.step(Event::Outcome {
            attempt: flight.attempt,
            outcome: flight.outcome,
        });
    }

    /// Runs one step to its end, or to the point where the process dies. Whether what was handed in
    /// is on disk.
    fn step(&mut self, event: Event) -> bool {
        self.events += 1;
        let effects = step(&mut self.memory, event, self.now);
        self.carry_out(effects)
    }

    fn carry_out(&mut self, effects: Vec<Effect>) -> bool {
        if self.crash_at == Some(Point::Store) {
            self.crash_at = None;
            self.die();
            return false;
        }
        let mut sends = Vec::new();
        for effect in effects {
            match effect {
                Effect::Store(writes) => self.disk.write(writes),
                Effect::Send(dispatch) => sends.push(dispatch),
                Effect::Count(_) => {}
            }
        }
        if !sends.is_empty() && self.crash_at == Some(Point::Call) {
            self.crash_at = None;
            self.die();
            return true;
        }
        for dispatch in sends {
            self.call(&dispatch.endpoint.name, dispatch.attempt);
            self.said.push(dispatch.delivery);
        }
        true
    }

    /// The wall clock is set; no time passes.
    fn set_clock(&mut self, by_seconds: i64) {
        let by_micros = by_seconds * 1_000_000;
        self.now = Timestamp::from_micros(self.now.as_micros() + by_micros);
        for flight in &mut self.flights {
            flight.lands_at = self.now;
        }
        for lost in &mut self.lost {
            lost.lands_at = self.now;
        }
        self.step(Event::ClockSet { by_micros });
    }

    /// The process ends and starts again with what is on disk.
    fn die(&mut self) {
        self.die_for(0);
    }

    /// The same, with some time between.
    fn die_for(&mut self, seconds: u64) {
        let died_at = self.now;
        self.now = died_at + Duration::from_secs(seconds);
        self.downs.push((died_at, self.now));
        self.crashes += 1;
        for flight in self.flights.drain(..) {
            self.doubts
                .extend(&self.disk.attempts[&flight.attempt].rows);
        }
        // Receipts are not waited for over a restart; let those messages have arrived after all.
        for lost in std::mem::take(&mut self.lost) {
            self.hear(lost.attempt);
        }
        let stored = self.disk.stored();
        for attempt in &stored.attempts {
            self.doubts.extend(&attempt.rows);
        }
        let (memory, interrupted) = Memory::rebuild(
            stored,
            Arc::clone(&self.policy),
            Mode::Daily,
            links(),
            self.now,
        );
        self.memory = memory;
        for event in interrupted {
            self.step(event);
        }
        self.step(Event::Tick);
    }

    // What was seen.

    /// A hash of everything that happened: who truly heard what when, and every line written down.
    fn trace(&self) -> [u8; 32] {
        use sha2::{Digest, Sha256};
        let mut hash = Sha256::new();
        for heard in &self.heard {
            hash.update(format!("{heard:?}"));
        }
        for (of, entry) in &self.disk.entries {
            hash.update(format!("{of:?} {entry:?}"));
        }
        hash.update(format!("{} {} {}", self.now, self.events, self.messages));
        hash.finalize().into()
    }

    /// Every message that was truly taken: `seconds since the start, kind, to whom`.
    fn pages(&self) -> Vec<String> {
        let start = self.start;
        let line = |heard: &Heard| {
            let seconds = heard.at.since(start).as_secs();
            let (minutes, seconds) = (seconds / 60, seconds % 60);
            format!(
                "{minutes}:{seconds:02} {} {}",
                heard.kind.as_str(),
                heard.address
            )
        };
        self.heard.iter().map(line).collect()
    }

    /// The one incident about a function.
    fn only_of(&self, function: &str) -> String {
        let mut found = self
            .disk
            .incidents
            .iter()
            .filter(|(_, (incident, _))| incident.labels.get("function") == Some(function));
        let (id, _) = found.next().unwrap();
        assert!(
            found.next().is_none(),
            "more than one incident of {function}"
        );
        id.clone()
    }

    fn only_incident(&self) -> String {
        let mut ids = self.disk.incidents.keys();
        let id = ids.next().cloned().unwrap();
        assert!(ids.next().is_none(), "more than one incident");
        id
    }
}
