//! Alerts from outside: whoever posts them repeats them while they fire, and each holds until the end
//! it names unless it is posted again. A repetition that changes nothing costs a look-up: it reaches
//! neither the later stages nor the disk.

use std::collections::{BTreeSet, HashMap};

use model::{Alert, AlertStatus, Timestamp};

use super::memory::Memory;

/// Until when alerts from outside hold.
#[derive(Debug, Default)]
pub(super) struct Outside {
    leases: HashMap<u64, Lease>,
    ends: BTreeSet<(Timestamp, u64)>,
}

/// One alert's.
#[derive(Clone, Copy, Debug)]
struct Lease {
    /// When its episode began.
    begin: Timestamp,
    /// Until when it holds.
    until: Timestamp,
    /// When it was last posted.
    posted: Timestamp,
}

impl Outside {
    /// How many hold.
    pub(super) fn len(&self) -> usize {
        self.leases.len()
    }

    /// When one was last posted and until when it holds.
    pub(super) fn lease(&self, fingerprint: u64) -> Option<(Timestamp, Timestamp)> {
        let lease = self.leases.get(&fingerprint)?;
        Some((lease.posted, lease.until))
    }

    /// When the next one ends unless it is posted again.
    pub(super) fn next_end(&self) -> Option<Timestamp> {
        self.ends.first().map(|(at, _)| *at)
    }

    /// An alert that the database says fires, from outside. It was repeated since and that was not
    /// written down, so it is given the time in which it would be again.
    pub(super) fn restore(&mut self, alert: &Alert, patience_until: Timestamp, now: Timestamp) {
        let Some(ends_at) = alert.ends_at else {
            return;
        };
        let lease = Lease {
            begin: alert.starts_at,
            until: ends_at.max(patience_until),
            posted: now,
        };
        self.put(alert.fingerprint(), lease);
    }

    pub(super) fn shift(&mut self, moved: impl Fn(Timestamp) -> Timestamp) {
        self.ends.clear();
        for (fingerprint, lease) in &mut self.leases {
            lease.until = moved(lease.until);
            lease.posted = moved(lease.posted);
            self.ends.insert((lease.until, *fingerprint));
        }
    }

    fn put(&mut self, fingerprint: u64, lease: Lease) {
        if let Some(old) = self.leases.insert(fingerprint, lease) {
            self.ends.remove(&(old.until, fingerprint));
        }
        self.ends.insert((lease.until, fingerprint));
    }

    fn remove(&mut self, fingerprint: u64) -> Option<Lease> {
        let lease = self.leases.remove(&fingerprint)?;
        self.ends.remove(&(lease.until, fingerprint));
        Some(lease)
    }

    /// Those whose time is over.
    fn take_ended(&mut self, now: Timestamp) -> Vec<(u64, Lease)> {
        let mut ended = Vec::new();
        while let Some((at, fingerprint)) = self.ends.first().copied()
            && at <= now
        {
            match self.remove(fingerprint) {
                Some(lease) => ended.push((fingerprint, lease)),
                None => {
                    self.ends.pop_first();
                }
            }
        }
        ended
    }
}

/// Takes in one posted alert; gives it back when it is news.
pub(super) fn post(memory: &mut Memory, mut alert: Alert, now: Timestamp) -> Option<Alert> {
    let fingerprint = alert.fingerprint();
    let known = memory.outside.leases.get(&fingerprint).copied();
    let ends_at = alert.ends_at.unwrap_or(now);
    if alert.status == AlertStatus::Resolved || ends_at <= now {
        // The end of an earlier episode says nothing about this one.
        let lease = known.filter(|lease| ends_at >= lease.begin)?;
        memory.outside.remove(fingerprint);
        alert.status = AlertStatus::Resolved;
        alert.starts_at = lease.begin;
        return Some(alert);
    }
    let lease = Lease {
        begin: known.map_or(alert.starts_at, |lease| lease.begin),
        until: ends_at,
        posted: now,
    };
    memory.outside.put(fingerprint, lease);
    if known.is_none() {
        return Some(alert);
    }
    retell(memory, fingerprint, &alert);
    None
}

/// The texts of an alert follow its latest repetition. They are written with the alert's next change,
/// not for themselves: a value in them differs every minute.
fn retell(memory: &mut Memory, fingerprint: u64, alert: &Alert) {
    for id in memory.firing.get(&fingerprint).into_iter().flatten() {
        let incident = memory.incidents.get_mut(id);
        let held = incident.and_then(|incident| incident.alerts.get_mut(&fingerprint));
        let Some(held) = held.map(|held| &mut held.alert) else {
            continue;
        };
        if held.annotations != alert.annotations {
            held.annotations.clone_from(&alert.annotations);
        }
        if held.generator_url != alert.generator_url {
            held.generator_url.clone_from(&alert.generator_url);
        }
    }
}

/// Alerts that were not posted again in time, as resolved.
pub(super) fn lapsed(memory: &mut Memory, now: Timestamp) -> Vec<Alert> {
    let mut lapsed = Vec::new();
    for (fingerprint, lease) in memory.outside.take_ended(now) {
        let holder = memory.firing.get(&fingerprint).and_then(|ids| ids.first());
        let holder = holder.or_else(|| memory.quiet.get(&fingerprint));
        let incident = holder.and_then(|id| memory.incidents.get(id));
        let Some(held) = incident.and_then(|incident| incident.alerts.get(&fingerprint)) else {
            memory.mutes.ends(fingerprint);
            continue;
        };
        lapsed.push(Alert {
            status: AlertStatus::Resolved,
            ends_at: Some(lease.until),
            ..held.alert.clone()
        });
    }
    lapsed
}
