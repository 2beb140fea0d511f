//! Who would be told when: one alert through the same pipeline that runs at night, with a clock that
//! jumps to whatever is due next, providers that take everything, and nobody who answers. Nothing is
//! stored and nothing is sent.

use std::sync::Arc;
use std::time::Duration;

use model::{Alert, Mode, Timestamp};
use serde::Serialize;

use crate::delivery::{Attempt, MessageKind};
use crate::pipeline::{Dispatch, Effect, EntryKind, Event, Links, Memory, Policy, Write, step};

/// One thing that would happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// When.
    pub at: Timestamp,
    /// How long after the alert, in seconds.
    pub after_seconds: u64,
    /// Which step of how many, from 1; none for reminders.
    pub step: Option<(usize, usize)>,
    /// By which way; empty when nobody is told.
    pub way: String,
    /// The key of the person, when it is for one.
    pub person: Option<String>,
    /// Who is called by name in a room.
    pub called: Vec<String>,
    /// What happens, in a sentence.
    pub what: String,
}

/// Events of one replay; a plan that asks to be woken for ever ends here.
const EVENTS_MAX: usize = 20_000;

/// What would happen from `at` on, for as long as `length`, if this alert fired then and nobody
/// acknowledged it.
pub fn replay(
    policy: Policy,
    mode: Mode,
    alert: Alert,
    at: Timestamp,
    length: Duration,
) -> Vec<Line> {
    let links = Links {
        external_url: None,
        key: Arc::from(&b"replay"[..]),
    };
    let mut stage = Stage {
        memory: Memory::new(Arc::new(policy), mode, links),
        began: at,
        lines: Vec::new(),
    };
    stage.play(Event::Tick, at);
    stage.play(Event::Alerts(vec![alert]), at);
    let mut now = at;
    for _ in 0..EVENTS_MAX {
        match stage.memory.next_due(now) {
            Some(due) if due <= at + length => now = now.max(due),
            _ => break,
        }
        stage.play(Event::Tick, now);
    }
    stage.lines
}

struct Stage {
    memory: Memory,
    began: Timestamp,
    lines: Vec<Line>,
}

impl Stage {
    /// One event, and the answers to all that it sends.
    fn play(&mut self, event: Event, now: Timestamp) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for effect in step(&mut self.memory, event, now) {
                match effect {
                    Effect::Send(dispatch) => {
                        self.told(&dispatch, now);
                        events.push(Event::Outcome {
                            attempt: dispatch.attempt,
                            outcome: Attempt::Accepted {
                                detail: "replayed".to_owned(),
                                provider_id: None,
                            },
                        });
                    }
                    Effect::Store(writes) => self.passed_over(&writes, now),
                    Effect::Count(_) => {}
                }
            }
        }
    }

    fn told(&mut self, dispatch: &Dispatch, now: Timestamp) {
        let delivery = &dispatch.delivery;
        let recipient = &delivery.recipient;
        let way = dispatch.endpoint.name.as_str();
        let what = match (delivery.kind, &delivery.incident.note) {
            (_, Some(note)) => note.clone(),
            (MessageKind::Reminder, None) => "it is still open".to_owned(),
            (kind, None) => kind.as_str().to_owned(),
        };
        self.lines.push(Line {
            at: now,
            after_seconds: now.since(self.began).as_secs(),
            step: delivery.incident.step,
            way: way.strip_prefix("channels.").unwrap_or(way).to_owned(),
            person: recipient.person.as_ref().map(|person| person.id.clone()),
            called: recipient
                .mentions
                .iter()
                .map(|person| person.id.clone())
                .collect(),
            what,
        });
    }

    /// What the timeline says of steps that reach nobody, or not everybody.
    fn passed_over(&mut self, writes: &[Write], now: Timestamp) {
        let entries = writes.iter().filter_map(|write| match write {
            Write::Entry { entry, .. } => Some(entry),
            _ => None,
        });
        for entry in entries {
            let speaks = entry.text.contains("passed over")
                || entry.text.contains("not reached")
                || entry.text.starts_with("undeliverable")
                || entry.text.starts_with("no step reached");
            if speaks && matches!(entry.kind, EntryKind::Step | EntryKind::Delivery) {
                self.lines.push(Line {
                    at: now,
                    after_seconds: now.since(self.began).as_secs(),
                    step: None,
                    way: String::new(),
                    person: None,
                    called: Vec::new(),
                    what: entry.text.clone(),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, config, failing};

    const YAML: &str = "
channels:
  sms: {webhook: {url: 'http://127.0.0.1:1/sms'}}
  phone: {webhook: {url: 'http://127.0.0.1:1/phone'}}
receivers: [{name: chat, webhook: {url: 'http://127.0.0.1:1/chat'}}]
route: {receiver: chat, escalation: night}
escalations:
  night:
    steps:
      - {after: 0s, notify: [im: owner]}
      - {after: 15m, notify: [sms: owner]}
      - {after: 45m, notify: [phone: owner]}
      - {after: 50m, notify: [phone: leader]}
schedules:
  guide:
    time_zone: Europe/Berlin
    rotations: [{name: nightly, cron: '30 2 * * *', lasts: 24h, start: 2026-10-01T02:30, people: [ann, ben]}]
people:
  ann: {sms: '+4915100000001', phone: '+4915100000001'}
  ben: {sms: '+4915100000002', phone: '+4915100000002'}
  leader: {}
";

    fn shown(from: &str) -> Vec<String> {
        let (config, teams) = config(YAML, "team: {owns: ['guide/*'], im: chat, schedule: guide}");
        let start = at(from);
        let policy = Policy::new(config, teams);
        let lines = replay(
            policy,
            Mode::Daily,
            failing("feed", start),
            start,
            Duration::from_hours(1),
        );
        let line = |line: &Line| {
            let whom = line.person.clone().unwrap_or(line.called.join(","));
            format!(
                "{}m {} {whom}: {}",
                line.after_seconds / 60,
                line.way,
                line.what
            )
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn the_night_the_clocks_go_back_has_one_hand_over() {
        // 02:00 CEST; the hand-over at 02:30 comes once, at the first pass.
        assert_eq!(
            shown("2026-10-25T00:00:00Z"),
            [
                "0m chat ben: firing",
                "15m sms ben: firing",
                "30m chat ann: ann is on call now",
                "45m phone ann: firing",
                "50m  : step 4 of 4 passed over: phone: leader: leader has no phone",
            ]
        );
        // An hour later it is 02:00 again, and nobody hands over.
        assert_eq!(
            shown("2026-10-25T01:00:00Z")[..3],
            [
                "0m chat ann: firing",
                "15m sms ann: firing",
                "45m phone ann: firing"
            ]
        );
    }

    #[test]
    fn it_is_the_same_pipeline_each_time() {
        assert_eq!(shown("2026-03-29T00:30:00Z"), shown("2026-03-29T00:30:00Z"));
    }
}
