//! What fires, with what mutes it and where it goes: what the API tells of alerts.

use std::collections::{BTreeMap, BTreeSet};

use model::{Alert, Labels, Timestamp};

use super::incident::Incident;
use super::memory::Memory;
use super::mute::{MutedBy, is_inactive, muting_times};

/// An alert that fires.
#[derive(Clone, Debug, PartialEq)]
pub struct ActiveAlert {
    /// Its labels' fingerprint.
    pub fingerprint: u64,
    /// The alert.
    pub alert: Alert,
    /// When it last came.
    pub updated_at: Timestamp,
    /// Until when it holds; from outside, unless it is posted again.
    pub ends_at: Timestamp,
    /// The receivers of its routes.
    pub receivers: BTreeSet<String>,
    /// What mutes it.
    pub muted_by: MutedBy,
}

/// Alerts that one person handles together.
#[derive(Clone, Debug, PartialEq)]
pub struct ActiveGroup {
    /// The labels they are grouped by.
    pub labels: Labels,
    /// Their receiver.
    pub receiver: String,
    /// The fingerprints.
    pub alerts: Vec<u64>,
}

impl Memory {
    /// How many alerts from outside fire.
    pub fn posted_alerts(&self) -> usize {
        self.outside.len()
    }

    /// Everything that fires, in order of fingerprint, and the groups of it.
    pub fn active(&self, now: Timestamp) -> (Vec<ActiveAlert>, Vec<ActiveGroup>) {
        let mut alerts: BTreeMap<u64, ActiveAlert> = BTreeMap::new();
        let mut groups = Vec::new();
        for incident in self.incidents.values() {
            let intervals = self.quiet_intervals(incident, now);
            let mut group = ActiveGroup {
                labels: incident.group_labels.clone(),
                receiver: incident.receiver.clone(),
                alerts: Vec::new(),
            };
            for held in incident.alerts.values().filter(|held| held.is_firing()) {
                group.alerts.push(held.fingerprint);
                let active = alerts.entry(held.fingerprint).or_insert_with(|| {
                    self.active_alert(held.fingerprint, &held.alert, held.received_at, now)
                });
                active.receivers.insert(incident.receiver.clone());
                for interval in &intervals {
                    if !active.muted_by.intervals.contains(interval) {
                        active.muted_by.intervals.push(interval.clone());
                    }
                }
            }
            if !group.alerts.is_empty() {
                groups.push(group);
            }
        }
        groups.sort_by(|one, other| {
            (&one.labels, &one.receiver).cmp(&(&other.labels, &other.receiver))
        });
        (alerts.into_values().collect(), groups)
    }

    fn active_alert(
        &self,
        fingerprint: u64,
        alert: &Alert,
        received_at: Timestamp,
        now: Timestamp,
    ) -> ActiveAlert {
        let lease = self.outside.lease(fingerprint);
        let (updated_at, ends_at) =
            lease.unwrap_or((received_at, now + self.policy.config.resolve_timeout));
        ActiveAlert {
            fingerprint,
            alert: alert.clone(),
            updated_at,
            ends_at,
            receivers: BTreeSet::new(),
            muted_by: MutedBy {
                silences: self.mutes.silenced_by(fingerprint),
                inhibitors: self.mutes.inhibited_by(fingerprint),
                intervals: Vec::new(),
            },
        }
    }

    /// The time intervals that keep an incident's route quiet now.
    fn quiet_intervals(&self, incident: &Incident, now: Timestamp) -> Vec<String> {
        let config = &self.policy.config;
        let route = Some(&config.root).filter(|root| root.has_times());
        let Some(route) = route.and_then(|root| root.at_path(&incident.route)) else {
            return Vec::new();
        };
        let mut names = muting_times(route, config, now);
        if is_inactive(route, config, now) {
            names.extend(route.active_times.iter().cloned());
        }
        names
    }
}
