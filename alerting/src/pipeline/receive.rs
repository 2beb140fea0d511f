//! Taking alerts in: each episode's firing and each resolution counts once, whoever sends it again.

use std::collections::{HashMap, VecDeque};

use model::{Alert, AlertStatus, Timestamp};

use super::event::{Action, Event, How, Write};
use super::memory::Memory;
use super::outside;

/// What an event leaves for the stages after this one.
#[derive(Debug, Default)]
pub(super) struct Admitted {
    /// Alerts not seen before, in order.
    pub(super) alerts: Vec<Alert>,
    /// What a person did.
    pub(super) act: Option<Act>,
}

/// What a person did.
#[derive(Debug)]
pub(super) struct Act {
    pub(super) incident: String,
    pub(super) action: Action,
    pub(super) by: String,
    pub(super) how: How,
}

pub(super) fn admit(memory: &mut Memory, event: Event, now: Timestamp) -> Admitted {
    let mut admitted = Admitted::default();
    match event {
        Event::Alerts(alerts) => {
            for alert in alerts {
                if is_new(memory, &alert, now) {
                    admitted.alerts.push(alert);
                }
            }
        }
        Event::Posted(alerts) => {
            for alert in alerts {
                admitted.alerts.extend(outside::post(memory, alert, now));
            }
        }
        Event::Act {
            incident,
            action,
            by,
            how,
        } => {
            admitted.act = Some(Act {
                incident,
                action,
                by,
                how,
            });
        }
        Event::Silences(_)
        | Event::Outcome { .. }
        | Event::Receipt { .. }
        | Event::Duty(_)
        | Event::Tick
        | Event::Mode(_)
        | Event::Reload(_)
        | Event::ClockSet { .. } => {}
    }
    admitted.alerts.extend(outside::lapsed(memory, now));
    admitted
}

fn is_new(memory: &mut Memory, alert: &Alert, now: Timestamp) -> bool {
    let fingerprint = alert.fingerprint();
    let firing = alert.status == AlertStatus::Firing;
    // A firing that was overtaken by its own resolution is over.
    let overtaken = firing && memory.seen.knows(fingerprint, alert.starts_at, false);
    if overtaken || memory.seen.knows(fingerprint, alert.starts_at, firing) {
        return false;
    }
    memory
        .seen
        .remember(fingerprint, alert.starts_at, firing, now);
    memory.journal.writes.push(Write::Seen {
        fingerprint,
        starts_at: alert.starts_at,
        status: alert.status,
        received_at: now,
    });
    if let Some(before) = memory.seen.make_room() {
        memory.journal.writes.push(Write::ForgetSeen { before });
    }
    true
}

/// The arrivals of the recent past.
#[derive(Debug, Default)]
pub(super) struct Seen {
    keys: HashMap<(u64, Timestamp, bool), Timestamp>,
    order: VecDeque<(Timestamp, (u64, Timestamp, bool))>,
}

impl Seen {
    /// The most arrivals remembered; the oldest make room.
    const ROWS_MAX: usize = 200_000;
    /// How many make room at once, so that forgetting is one statement for many.
    const ROOM_ROWS: usize = 20_000;

    fn knows(&self, fingerprint: u64, starts_at: Timestamp, firing: bool) -> bool {
        self.keys.contains_key(&(fingerprint, starts_at, firing))
    }

    pub(super) fn remember(
        &mut self,
        fingerprint: u64,
        starts_at: Timestamp,
        firing: bool,
        received_at: Timestamp,
    ) {
        let key = (fingerprint, starts_at, firing);
        if self.keys.insert(key, received_at).is_none() {
            self.order.push_back((received_at, key));
        }
    }

    /// All of them as writes.
    pub(super) fn writes(&self) -> Vec<Write> {
        let write =
            |(received_at, (fingerprint, starts_at, firing)): &(_, (u64, _, bool))| Write::Seen {
                fingerprint: *fingerprint,
                starts_at: *starts_at,
                status: if *firing {
                    AlertStatus::Firing
                } else {
                    AlertStatus::Resolved
                },
                received_at: *received_at,
            };
        self.order.iter().map(write).collect()
    }

    /// Forgets the oldest when there are too many; gives the arrival time of the oldest kept.
    fn make_room(&mut self) -> Option<Timestamp> {
        if self.order.len() <= Self::ROWS_MAX {
            return None;
        }
        for _ in 0..Self::ROOM_ROWS {
            let (_, key) = self.order.pop_front()?;
            self.keys.remove(&key);
        }
        self.order.front().map(|(received_at, _)| *received_at)
    }
}
