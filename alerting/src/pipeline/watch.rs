//! Ways that keep failing become alerts themselves, and these are told by another way.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Alert, AlertStatus, Labels, Timestamp};

use super::memory::Memory;
use super::record::AttemptState;
use super::route::Way;
use crate::config::{Config, Destination};

/// The name of the alert about a way that keeps failing.
const NAME: &str = "ChannelFailing";
/// The label that names the way.
const WAY_LABEL: &str = "channel";
/// Failures in a row…
const FAILURES_MIN: u32 = 5;
/// …over at least this long make a way one that keeps failing: a hiccup is neither.
const FAILING_FOR: Duration = Duration::from_mins(1);
/// A way that nothing was tried by for this long is no longer known to fail.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(30);

/// How each way does.
#[derive(Debug, Default)]
pub(super) struct Health {
    ways: BTreeMap<String, Failing>,
}

/// A way whose latest attempt failed.
#[derive(Debug)]
struct Failing {
    since: Timestamp,
    latest: Timestamp,
    times: u32,
    reason: String,
    told: bool,
}

impl Health {
    /// Takes in how an attempt by a way ended. A way that says "later" works.
    pub(super) fn note(
        &mut self,
        way: &str,
        state: AttemptState,
        is_throttled: bool,
        reason: &str,
        now: Timestamp,
    ) {
        match state {
            AttemptState::Accepted => {
                if let Some(failing) = self.ways.get_mut(way) {
                    failing.times = 0;
                }
            }
            AttemptState::Refused | AttemptState::Unknown if !is_throttled => {
                let failing = self.ways.entry(way.to_owned()).or_insert_with(|| Failing {
                    since: now,
                    latest: now,
                    times: 0,
                    reason: String::new(),
                    told: false,
                });
                if failing.times == 0 && !failing.told {
                    failing.since = now;
                }
                failing.times += 1;
                failing.latest = now;
                reason.clone_into(&mut failing.reason);
            }
            AttemptState::Refused | AttemptState::Unknown | AttemptState::InFlight => {}
        }
    }

    /// Whether a way is told to keep failing.
    fn is_told(&self, way: &str) -> bool {
        self.ways.get(way).is_some_and(|failing| failing.told)
    }

    /// After a restart: the alert about this way fires since then.
    pub(super) fn restore(&mut self, alert: &Alert, now: Timestamp) {
        if alert.name() != NAME {
            return;
        }
        if let Some(way) = alert.labels.get(WAY_LABEL) {
            let failing = Failing {
                since: alert.starts_at,
                latest: now,
                times: FAILURES_MIN,
                reason: String::new(),
                told: true,
            };
            self.ways.insert(way.to_owned(), failing);
        }
    }

    /// When a way's silence will be long enough to forget that it failed.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let told = self.ways.values().filter(|failing| failing.told);
        told.map(|failing| failing.latest + FORGOTTEN_AFTER).min()
    }

    pub(super) fn shift(&mut self, moved: impl Fn(Timestamp) -> Timestamp) {
        for failing in self.ways.values_mut() {
            failing.latest = moved(failing.latest);
            // What was told keeps its beginning: it is part of what the alert is known by.
            if !failing.told {
                failing.since = moved(failing.since);
            }
        }
    }
}

/// The alerts about ways that began to keep failing, or no longer do.
pub(super) fn alerts(memory: &mut Memory, now: Timestamp) -> Vec<Alert> {
    let mut alerts = Vec::new();
    memory.health.ways.retain(|way, failing| {
        let works = failing.times == 0 || failing.latest + FORGOTTEN_AFTER <= now;
        if failing.told && works {
            alerts.push(about(way, failing, AlertStatus::Resolved, now));
        }
        let keeps_failing =
            failing.times >= FAILURES_MIN && failing.since + FAILING_FOR <= failing.latest;
        if !works && !failing.told && keeps_failing {
            failing.told = true;
            alerts.push(about(way, failing, AlertStatus::Firing, now));
        }
        !works
    });
    alerts
}

fn about(way: &str, failing: &Failing, status: AlertStatus, now: Timestamp) -> Alert {
    let resolved = status == AlertStatus::Resolved;
    let summary = match (resolved, failing.times) {
        (true, 0) => format!("{way} takes messages again"),
        (true, _) => format!("{way} is no longer known to fail: nothing was sent by it for long"),
        (false, times) => format!("{way} failed {times} times in a row: {}", failing.reason),
    };
    Alert {
        status,
        labels: Labels::from_pairs([
            (Alert::NAME_LABEL, NAME),
            ("severity", "warning"),
            (WAY_LABEL, way),
        ]),
        annotations: BTreeMap::from([("summary".to_owned(), summary)]),
        starts_at: failing.since,
        ends_at: resolved.then_some(now),
        generator_url: String::new(),
    }
}

/// An alert about a way is an incident of its own, and one that its own way would tell goes to the
/// nearest receiver that has another, the root's first. Steps find their way around by themselves.
pub(super) fn lead_around(memory: &Memory, alert: &Alert, way: &mut Way) {
    if alert.name() != NAME {
        return;
    }
    way.group = alert.labels.clone();
    let Destination::Receiver(receiver) = &way.destination else {
        return;
    };
    let config = &memory.policy.config;
    let fails = |name: &str| ways_of(config, name).any(|way| memory.health.is_told(way));
    if !fails(receiver) {
        return;
    }
    let root = config.root.receiver.as_str();
    let mut names = std::iter::once(root).chain(config.receivers.keys().map(String::as_str));
    let other = names.find(|name| ways_of(config, name).next().is_some() && !fails(name));
    if let Some(other) = other {
        other.clone_into(&mut way.receiver);
        way.destination = Destination::Receiver(other.to_owned());
    }
}

fn ways_of<'a>(config: &'a Config, receiver: &str) -> impl Iterator<Item = &'a str> {
    let receiver = config.receivers.get(receiver).into_iter();
    let ways = receiver.flat_map(|receiver| receiver.endpoints.iter());
    ways.map(|way| way.name.as_str())
}
