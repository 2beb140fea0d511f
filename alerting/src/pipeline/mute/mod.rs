//! Nobody is woken while every firing alert of an incident is muted: silenced, inhibited by another
//! alert, or outside the times of its route. The plan stands still meanwhile and goes on where it was.
//!
//! Two places in the pipeline: [`watch`] learns which alerts fire before incidents follow them, so that
//! what joins muted is not announced; [`settle`] stops and resumes the plans of incidents afterwards,
//! before any step of theirs is due. What has to do with the end of an incident is never muted: whoever
//! heard that it fires hears that it is over.

mod index;
mod reason;
mod silence;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use model::{Severity, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::Write;
use super::group::Grouped;
use super::incident::{self, EntryKind, Incident};
use super::memory::Memory;
use super::{escalate, outbox};
use crate::delivery::IncidentStatus;
use crate::intervals::TimeInterval;

pub(super) use index::Mutes;
pub use reason::MutedBy;
pub(super) use reason::{is_inactive, muting_times};
pub use silence::{Draft, Silence, SilenceError, SilenceState, WrittenMatcher};

/// How long after the last inhibitor ended a plan waits before it goes on: what an inhibitor held back
/// mostly ends a moment after it.
pub(super) const INHIBITION_GRACE: Duration = Duration::from_secs(30);

/// Why and since when an incident tells nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Muting {
    /// Since when.
    pub since: Timestamp,
    /// In a sentence.
    pub why: String,
    /// Whether another alert holds it back.
    pub inhibited: bool,
    /// Since when its plan stands still; later than `since` when it started over meanwhile.
    pub paused_at: Timestamp,
    /// Whether all that anybody was told of is over, and was told to be.
    #[serde(default)]
    pub over: bool,
}

/// Learns what fires now, and lets silences begin and end.
pub(super) fn watch(memory: &mut Memory, grouped: &Grouped, now: Timestamp) {
    for id in memory.mutes.pass(now) {
        memory.journal.writes.push(Write::ForgetSilence { id });
    }
    for alert in grouped.joining.iter().flat_map(|joining| &joining.alerts) {
        memory.mutes.fires(alert.fingerprint(), &alert.labels);
    }
}

/// Stops the plans of incidents that are muted now, and resumes those that no longer are.
pub(super) fn settle(memory: &mut Memory, now: Timestamp) {
    let mut concerned: BTreeSet<String> = memory.journal.dirty.clone();
    let news = mark_alerts(memory, &mut concerned, now);
    if memory.intervals_are_due(now) {
        concerned.extend(memory.incidents.keys().cloned());
    }
    for id in concerned {
        decide(memory, &id, now);
        tell_over(memory, &id, now);
        if let Some(alerts) = news.get(&id) {
            tell_unmuted(memory, &id, alerts, now);
        }
    }
}

/// Marks alerts whose state changed. Gives those that nobody heard of and that are muted no longer, by
/// incident.
fn mark_alerts(
    memory: &mut Memory,
    concerned: &mut BTreeSet<String>,
    now: Timestamp,
) -> BTreeMap<String, Vec<u64>> {
    let mut news: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut marked: BTreeMap<String, (Vec<u64>, Vec<u64>)> = BTreeMap::new();
    for fingerprint in memory.mutes.take_changed() {
        let muted = memory.mutes.mutes(fingerprint);
        for id in memory.firing.get(&fingerprint).into_iter().flatten() {
            let Some(incident) = memory.incidents.get_mut(id) else {
                continue;
            };
            if muted && incident.muted_alerts.insert(fingerprint) {
                marked.entry(id.clone()).or_default().0.push(fingerprint);
            } else if !muted && incident.muted_alerts.remove(&fingerprint) {
                marked.entry(id.clone()).or_default().1.push(fingerprint);
            }
            if !muted && incident.unannounced.remove(&fingerprint) {
                news.entry(id.clone()).or_default().push(fingerprint);
            }
            concerned.insert(id.clone());
        }
    }
    for (id, (muted, unmuted)) in marked {
        note_alerts(memory, &id, &muted, &unmuted, now);
    }
    news
}

/// A line about single alerts, where the whole incident is neither muted nor comes back with them.
fn note_alerts(memory: &mut Memory, id: &str, muted: &[u64], unmuted: &[u64], now: Timestamp) {
    let zone = memory.policy.config.time_zone;
    let Some(incident) = memory.incidents.get_mut(id) else {
        return;
    };
    let whole = incident.muted_alerts.len() >= incident.alerts_firing;
    if whole || incident.muted.is_some() || incident.status == IncidentStatus::Resolved {
        return;
    }
    for (alerts, what) in [(muted, "muted"), (unmuted, "no longer muted")] {
        let first = alerts.first().and_then(|first| incident.alerts.get(first));
        let Some(first) = first.map(|held| incident::describe(&held.alert)) else {
            continue;
        };
        let why = match alerts.first() {
            Some(alert) if what == "muted" => {
                let why = reason::of_alert(&memory.mutes, *alert, zone);
                why.map(|why| format!(": {why}")).unwrap_or_default()
            }
            _ => String::new(),
        };
        let text = match alerts.len() {
            1 => format!("{first} is {what}{why}"),
            more => format!("{more} alerts are {what}, first {first}{why}"),
        };
        incident.note(&mut memory.journal, now, EntryKind::Muted, text);
    }
}

/// Whether an incident is muted now, and what follows if that changed.
fn decide(memory: &mut Memory, id: &str, now: Timestamp) {
    let Some(incident) = memory.incidents.get_mut(id) else {
        return;
    };
    if let Some(end) = incident.resolved.as_ref().map(|end| end.at) {
        if let Some(muting) = incident.muted.take() {
            incident
                .progress
                .resume_after(end.since(muting.paused_at), end);
            memory.journal.touch(id);
        }
        return;
    }
    let config = &memory.policy.config;
    let why = reason::of_incident(incident, &memory.mutes, config, now);
    match (incident.muted.clone(), why) {
        (None, None) => {}
        (None, Some(why)) => {
            let text = format!("muted: {}; nobody is told until that ends", why.text);
            incident.muted = Some(Muting {
                since: now,
                inhibited: why.inhibited,
                why: why.text,
                paused_at: now,
                over: false,
            });
            incident.note(&mut memory.journal, now, EntryKind::Muted, text);
            outbox::cancel(memory, id, "it is muted", now);
        }
        (Some(known), Some(why)) => {
            if known.why != why.text {
                let text = format!("still muted: {}", why.text);
                incident.muted = Some(Muting {
                    inhibited: why.inhibited,
                    why: why.text,
                    ..known
                });
                incident.note(&mut memory.journal, now, EntryKind::Muted, text);
            }
        }
        (Some(muting), None) => resume(memory, id, &muting, now),
    }
}

/// When all that fires of a muted incident joined unheard, what people were told of is over, and they
/// hear so.
fn tell_over(memory: &mut Memory, id: &str, now: Timestamp) {
    let Some(incident) = memory.incidents.get_mut(id) else {
        return;
    };
    let unheard = incident.unannounced.len() >= incident.alerts_firing;
    let owed = incident.told.iter().any(|told| told.owed_resolved);
    if incident.status == IncidentStatus::Resolved || !unheard || !owed {
        return;
    }
    let since = incident.muted.as_ref().map(|muting| muting.since);
    // Whoever was told of what came back meanwhile has heard its end already.
    if since.is_none_or(|since| incident.came_back_since(since)) {
        return;
    }
    if let Some(muting) = &mut incident.muted {
        muting.over = true;
    }
    let farewell = escalate::farewell(incident);
    let text = "what was told of it is over; what still fires is muted";
    incident.note(&mut memory.journal, now, EntryKind::Muted, text);
    outbox::enqueue(memory, farewell.into_iter().collect(), now);
}

/// The plan goes on where it stood still.
fn resume(memory: &mut Memory, id: &str, muting: &Muting, now: Timestamp) {
    let policy = Arc::clone(&memory.policy);
    let Some(incident) = memory.incidents.get_mut(id) else {
        return;
    };
    incident.muted = None;
    let grace = if muting.inhibited {
        INHIBITION_GRACE
    } else {
        Duration::ZERO
    };
    let begin = now + grace;
    incident
        .progress
        .resume_after(now.since(muting.paused_at), begin);
    let plan = escalate::plan_of(&policy, &incident.destination);
    if muting.over {
        // Everybody heard that it was over: what fires now is trouble of its own.
        incident.status = IncidentStatus::Open;
        incident.acknowledged = None;
    }
    let cut_off = incident.progress.cut_off.take();
    // What was told and is in doubt now, or was about to be, begins again: nothing else would tell.
    let untold = !incident.told.iter().any(|told| told.certain) && incident.rows.is_empty();
    let text = if incident.status != IncidentStatus::Open {
        incident.progress.cut_off = cut_off;
        "no longer muted".to_owned()
    } else if muting.over {
        incident.progress.restart(&plan, begin);
        "no longer muted; starts at step 1 again".to_owned()
    } else if let Some(step) = cut_off {
        incident.progress.return_to(&plan, step, begin);
        format!("no longer muted; goes on with step {}", step + 1)
    } else if untold && incident.progress.due.is_none() {
        incident.progress.restart(&plan, begin);
        "no longer muted; starts at step 1 again".to_owned()
    } else {
        "no longer muted; goes on where it was".to_owned()
    };
    incident.note(&mut memory.journal, now, EntryKind::Muted, text);
    // Who heard that it was over, before it fired again unheard, hears of it now.
    let heard_over = muting.over || incident.came_back_since(muting.since);
    let is_open = incident.status == IncidentStatus::Open;
    if heard_over && is_open && !incident.told.is_empty() {
        let called = escalate::called_now(incident, &policy, now);
        outbox::tell_again(memory, id, &called, now);
    }
}

/// Alerts that joined unheard are news once they are muted no longer.
fn tell_unmuted(memory: &mut Memory, id: &str, alerts: &[u64], now: Timestamp) {
    let Some(incident) = memory.incidents.get(id) else {
        return;
    };
    let critical = alerts
        .iter()
        .filter_map(|alert| incident.alerts.get(alert))
        .any(|held| held.alert.severity() == Severity::Critical);
    let nobody_yet = incident.told.is_empty() && incident.rows.is_empty();
    if nobody_yet || incident.status == IncidentStatus::Resolved {
        return;
    }
    if critical {
        incident::ring_for_severity(memory, id, now);
    }
    incident::announce(memory, id, alerts.len(), now);
}

impl Memory {
    /// Every silence kept, those that are over included.
    pub fn silences(&self) -> impl Iterator<Item = &Silence> {
        self.mutes.silences()
    }

    /// What making or changing a silence comes to: silences to be taken with
    /// [`super::Event::Silences`], the last of which is the one asked for.
    pub fn set_silence(
        &self,
        draft: Draft,
        new_id: String,
        now: Timestamp,
    ) -> Result<Vec<Silence>, SilenceError> {
        self.mutes.set(draft, new_id, now)
    }

    /// What ending a silence now comes to.
    pub fn expire_silence(&self, id: &str, now: Timestamp) -> Result<Silence, SilenceError> {
        self.mutes.expire(id, now)
    }

    /// Follows silences as they now stand.
    pub(super) fn take_silences(&mut self, silences: &[Silence], now: Timestamp) {
        for silence in silences {
            self.mutes.put(silence.clone(), now);
            let write = Write::Silence(Box::new(silence.clone()));
            self.journal.writes.push(write);
        }
    }

    /// Silences as they were stored, and what fires, for those and for the ends of what came from
    /// outside.
    pub(super) fn restore_mutes(&mut self, silences: Vec<Silence>, now: Timestamp) {
        for silence in silences {
            self.mutes.put(silence, now);
        }
        let patience_until = now + self.policy.config.resolve_timeout;
        let incidents = self.incidents.values();
        for held in incidents.flat_map(|incident| incident.alerts.values()) {
            if held.is_firing() {
                self.mutes.fires(held.fingerprint, &held.alert.labels);
                self.outside.restore(&held.alert, patience_until, now);
            }
        }
    }

    /// Whether the times of routes are to be looked at: a minute began, or the configuration changed.
    fn intervals_are_due(&mut self, now: Timestamp) -> bool {
        let minute = now.floor_to(TimeInterval::GRAIN);
        let known = self.looked_at_intervals.replace(minute);
        known != Some(minute) && self.policy.config.root.has_times()
    }

    /// When the mutes may next change without anything happening.
    pub(super) fn next_mute_change(&self, now: Timestamp) -> Option<Timestamp> {
        let timed = self.policy.config.root.has_times() && !self.incidents.is_empty();
        let minute = timed.then(|| now.floor_to(TimeInterval::GRAIN) + TimeInterval::GRAIN);
        [self.mutes.next_change(), minute]
            .into_iter()
            .flatten()
            .min()
    }
}

impl Incident {
    /// Whether it tells nobody now.
    pub fn is_muted(&self) -> bool {
        self.muted.is_some()
    }

    /// Whether it fired again, after its end was told, at this time or later.
    fn came_back_since(&self, since: Timestamp) -> bool {
        self.progress.reopened_at.is_some_and(|at| at >= since)
    }

    /// The plan was set anew while it stands still: what it gives back counts from now.
    pub(super) fn pause_from(&mut self, now: Timestamp) {
        if let Some(muting) = &mut self.muted {
            muting.paused_at = now;
        }
    }
}
