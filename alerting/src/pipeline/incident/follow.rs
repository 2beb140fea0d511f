//! Incidents follow their alerts: they open, grow, resolve and come back.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use model::{Alert, Labels, Severity, Timestamp, format_duration};
use sha2::Sha256;

use super::{EntryKind, HeldAlert, Incident, Reach, Resolution, title};
use crate::config::Destination;
use crate::delivery::IncidentStatus;
use crate::message::SUSPECTS;
use crate::pipeline::event::Write;
use crate::pipeline::group::{Grouped, Joining};
use crate::pipeline::memory::{Journal, Memory};
use crate::pipeline::progress::Progress;
use crate::pipeline::{escalate, outbox};

pub(in crate::pipeline) fn open_or_update(memory: &mut Memory, grouped: Grouped, now: Timestamp) {
    for mut joining in grouped.joining {
        joining
            .alerts
            .retain(|alert| !kept_quiet(memory, alert, now));
        if joining.alerts.is_empty() {
            continue;
        }
        let id = match present(memory, &joining.key, now) {
            Some(id) => id,
            None => open(memory, &joining, now),
        };
        join(memory, &id, joining.alerts, now);
    }
    for alert in grouped.resolved {
        resolve_alert(memory, &alert, now);
    }
}

/// An alert that was called a false alarm stays quiet until it recovers.
fn kept_quiet(memory: &mut Memory, alert: &Alert, now: Timestamp) -> bool {
    let Some(id) = memory.quiet.get(&alert.fingerprint()) else {
        return false;
    };
    if let Some(incident) = memory.incidents.get_mut(id) {
        incident.note(
            &mut memory.journal,
            now,
            EntryKind::Condition,
            format!(
                "{} fires again and is kept quiet until it recovers",
                alert.labels
            ),
        );
    }
    true
}

/// The incident a group has, unless it ended too long ago to come back.
fn present(memory: &mut Memory, key: &str, now: Timestamp) -> Option<String> {
    let id = memory.groups.get(key)?.clone();
    let incident = memory.incidents.get_mut(&id)?;
    if let Some(end) = &incident.resolved
        && (incident.closed || now >= end.at + incident.timing.group_interval)
    {
        incident.closed = true;
        memory.journal.touch(&id);
        memory.groups.remove(key);
        return None;
    }
    Some(id)
}

fn open(memory: &mut Memory, joining: &Joining, now: Timestamp) -> String {
    memory.numbers.incident += 1;
    let number = memory.numbers.incident;
    let id = incident_id(&memory.links.key, number);
    let way = &joining.way;
    let labels = joining
        .alerts
        .first()
        .map_or_else(Labels::new, |alert| alert.labels.clone());
    let plan = escalate::plan_of(&memory.policy, &way.destination);
    let mut incident = Incident {
        id: id.clone(),
        number,
        group: joining.key.clone(),
        route: way.route.clone(),
        title: title(&labels, 1),
        labels,
        severity: Severity::Info,
        status: IncidentStatus::Open,
        function: None,
        opened_at: now,
        changed_at: now,
        acknowledged: None,
        resolved: None,
        destination: way.destination.clone(),
        receiver: way.receiver.clone(),
        timing: way.timing,
        progress: Progress::start(&plan, now + way.timing.group_wait),
        told: Vec::new(),
        reach: Reach::Waiting,
        alerts_total: 0,
        alerts_firing: 0,
        alerts_left_out: 0,
        timeline_left_out: 0,
        next_entry: 1,
        false_alarm: false,
        closed: false,
        group_labels: way.group.clone(),
        muted: None,
        unannounced: std::collections::BTreeSet::new(),
        muted_alerts: std::collections::BTreeSet::new(),
        alerts: BTreeMap::new(),
        timeline: VecDeque::new(),
        rows: std::collections::BTreeSet::new(),
        wake: None,
    };
    let to = match &way.destination {
        Destination::Receiver(name) => format!("receiver {name}"),
        Destination::Escalation(name) => format!("escalation {name}"),
    };
    let wait = way.timing.group_wait;
    let waits = if wait.is_zero() {
        String::new()
    } else {
        format!(", after waiting {} for more alerts", format_duration(wait))
    };
    let mode = memory.mode;
    incident.note(
        &mut memory.journal,
        now,
        EntryKind::Routed,
        format!(
            "opened by route {}; goes to {to}{waits} ({mode} mode)",
            way.route
        ),
    );
    memory.groups.insert(joining.key.clone(), id.clone());
    memory.incidents.insert(id.clone(), incident);
    id
}

fn join(memory: &mut Memory, id: &str, alerts: Vec<Alert>, now: Timestamp) {
    let Some(incident) = memory.incidents.get_mut(id) else {
        return;
    };
    let (opens, severity, status) = (
        incident.alerts.is_empty(),
        incident.severity,
        incident.status,
    );
    let mut fires = Vec::new();
    let mut news = 0_usize;
    let mut audible = 0_usize;
    let mut loudest = Severity::Info;
    for alert in alerts {
        let fingerprint = alert.fingerprint();
        let own_severity = alert.severity();
        let held = hold(incident, &mut memory.journal, alert, now);
        let muted = memory.mutes.mutes(fingerprint);
        news += usize::from(held == Held::New && !muted);
        if matches!(held, Held::New | Held::Again) {
            let holders = memory.firing.entry(fingerprint).or_default();
            holders.insert(id.to_owned());
            fires.push(fingerprint);
            if muted {
                incident.unannounced.insert(fingerprint);
            } else {
                audible += 1;
                loudest = loudest.max(own_severity);
            }
        }
    }
    incident.refresh();
    memory.journal.touch(id);
    if fires.is_empty() {
        return;
    }
    let rises = loudest > severity && loudest == Severity::Critical;
    let first = fires
        .first()
        .and_then(|fingerprint| incident.alerts.get(fingerprint))
        .map(|held| &held.alert);
    let told = first.map(describe).unwrap_or_default();
    let mut text = match fires.len() {
        1 => format!("{told} fires"),
        more => format!("{more} alerts fire, first {told}"),
    };
    if let Some(suspects) = first.and_then(|alert| alert.annotations.get(SUSPECTS)) {
        text = format!("{text}; {suspects}");
    }
    incident.note(&mut memory.journal, now, EntryKind::Condition, text);
    if opens {
        return;
    }
    // Whoever heard of it hears of every alert that fires; while somebody has it, or while nobody
    // knows that it was over, only of alerts that are new.
    let to_tell = match status {
        IncidentStatus::Open => audible,
        IncidentStatus::Resolved if reopen(memory, id, now) => 0,
        IncidentStatus::Acknowledged | IncidentStatus::Resolved => news,
    };
    if rises {
        ring_for_severity(memory, id, now);
    }
    announce(memory, id, to_tell, now);
}

/// Those told of an incident hear of alerts that joined it, now or when their last message is long
/// enough ago.
pub(in crate::pipeline) fn announce(memory: &mut Memory, id: &str, joined: usize, now: Timestamp) {
    let Some(incident) = memory.incidents.get_mut(id) else {
        return;
    };
    if joined == 0 {
        return;
    }
    incident.progress.joined += joined;
    let earliest = incident.progress.last_message_at;
    let at = earliest.map_or(now, |last| last + incident.timing.group_interval);
    incident.progress.update_at.get_or_insert(at.max(now));
}

/// What somebody has became worse than what they took on.
pub(in crate::pipeline) fn ring_for_severity(memory: &mut Memory, id: &str, now: Timestamp) {
    let policy = Arc::clone(&memory.policy);
    let Some(incident) = memory.incidents.get_mut(id) else {
        return;
    };
    if incident.status == IncidentStatus::Acknowledged {
        let text = "it became critical after it was acknowledged; rings again";
        escalate::ring_again(incident, &policy, &mut memory.journal, text, now);
    }
}

/// What became of an alert that fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    /// There is no room for it, or it is older than what fires.
    No,
    /// It fired already.
    Already,
    /// It had resolved.
    Again,
    /// It was not part of the incident.
    New,
}

/// Takes an alert into an incident.
fn hold(incident: &mut Incident, journal: &mut Journal, alert: Alert, now: Timestamp) -> Held {
    let fingerprint = alert.fingerprint();
    let known = incident.alerts.get(&fingerprint);
    // Once the held one has resolved, an earlier beginning only means that a clock was set back.
    if known.is_some_and(|held| held.is_firing() && held.alert.starts_at > alert.starts_at) {
        return Held::No;
    }
    let became = match known {
        None => Held::New,
        Some(held) if held.is_firing() => Held::Already,
        Some(_) => Held::Again,
    };
    if known.is_none() && incident.alerts.len() >= Incident::ALERTS_MAX {
        incident.alerts_left_out += 1;
        return Held::No;
    }
    let shared = incident
        .labels
        .iter()
        .filter(|(name, value)| alert.labels.get(name) == Some(*value));
    incident.labels = Labels::from_pairs(shared);
    incident.severity = incident.severity.max(alert.severity());
    let held = HeldAlert {
        fingerprint,
        alert,
        received_at: now,
        quieted: false,
    };
    journal.writes.push(Write::Alert {
        incident: incident.id.clone(),
        held: held.clone(),
    });
    incident.alerts.insert(fingerprint, held);
    became
}

fn resolve_alert(memory: &mut Memory, alert: &Alert, now: Timestamp) {
    let fingerprint = alert.fingerprint();
    let quieting = memory.quiet.get(&fingerprint).cloned();
    let holders = memory.firing.get(&fingerprint).cloned().unwrap_or_default();
    if holders.is_empty() && quieting.is_none() {
        memory.mutes.ends(fingerprint);
    }
    for id in holders.into_iter().chain(quieting) {
        let Some(incident) = memory.incidents.get_mut(&id) else {
            continue;
        };
        let Some(held) = incident.alerts.get_mut(&fingerprint) else {
            continue;
        };
        // The end of an earlier episode says nothing about this one.
        if held.alert.starts_at > alert.starts_at {
            continue;
        }
        let fired = held.is_firing();
        held.alert = alert.clone();
        held.quieted = false;
        incident.muted_alerts.remove(&fingerprint);
        incident.unannounced.remove(&fingerprint);
        memory.mutes.ends(fingerprint);
        memory.quiet.remove(&fingerprint);
        if let Some(holders) = memory.firing.get_mut(&fingerprint) {
            holders.remove(&id);
            if holders.is_empty() {
                memory.firing.remove(&fingerprint);
            }
        }
        memory.journal.writes.push(Write::Alert {
            incident: id.clone(),
            held: held.clone(),
        });
        // Counting anew would take as long as the square of what resolves together.
        incident.alerts_firing = incident.alerts_firing.saturating_sub(usize::from(fired));
        let left = incident.alerts_firing;
        let rest = if left == 0 {
            String::new()
        } else {
            format!("; {left} still fire")
        };
        let text = format!("{} resolved{rest}", describe(alert));
        incident.note(&mut memory.journal, now, EntryKind::Condition, text);
        if left == 0 && incident.status != IncidentStatus::Resolved {
            let reason = "all its alerts resolved".to_owned();
            let resolution = Resolution {
                at: now,
                by: None,
                reason,
            };
            end(memory, &id, resolution);
        }
    }
}

/// Ends an incident: what is not sent yet is not sent any more, and whoever was told hears of it.
pub(super) fn end(memory: &mut Memory, id: &str, resolution: Resolution) {
    let now = resolution.at;
    outbox::cancel(memory, id, "it resolved", now);
    let Some(incident) = memory.incidents.get_mut(id) else {
        return;
    };
    let unheard = match (&resolution.by, incident.told.is_empty()) {
        (None, true) => " before anybody was told",
        (None, false) if !incident.told.iter().any(|told| told.certain) => {
            " before anybody was surely told"
        }
        _ => "",
    };
    let text = format!("resolved{unheard}: {}", resolution.reason);
    let by = resolution.by.clone();
    incident.status = IncidentStatus::Resolved;
    incident.progress.update_at = None;
    // Flapping: the end is told once it has lasted, so that people get at most one pair of
    // messages in a group_interval.
    let held_back = incident
        .progress
        .reopened_at
        .map(|at| at + incident.timing.group_interval)
        .filter(|_| by.is_none());
    incident.progress.farewell_at = Some(held_back.map_or(now, |at| at.max(now)));
    incident.resolved = Some(resolution);
    incident.note_by(
        &mut memory.journal,
        now,
        EntryKind::Resolved,
        text,
        by.as_deref(),
    );
}

/// An alert of a group that resolved a moment ago fires: the same incident goes on where it was, or
/// from its first step where going on would tell nobody. Whether people are told of it now.
fn reopen(memory: &mut Memory, id: &str, now: Timestamp) -> bool {
    let policy = Arc::clone(&memory.policy);
    let Some(incident) = memory.incidents.get_mut(id) else {
        return false;
    };
    let Some(end) = incident.resolved.take() else {
        return false;
    };
    let said = incident.progress.farewell_at.take().is_none();
    let was_acknowledged = incident
        .acknowledged
        .as_ref()
        .is_some_and(|ack| ack.until.is_none_or(|until| until > now));
    if !said && was_acknowledged {
        // Nobody has heard that it was over, so whoever has it still has it.
        incident.status = IncidentStatus::Acknowledged;
        let text = "fires again; it is still acknowledged";
        incident.note(&mut memory.journal, now, EntryKind::Reopened, text);
        return false;
    }
    incident.status = IncidentStatus::Open;
    incident.acknowledged = None;
    incident.progress.resume_after(now.since(end.at), now);
    if said {
        incident.progress.reopened_at = Some(now);
    }
    let plan = escalate::plan_of(&policy, &incident.destination);
    if let Some(step) = incident.progress.cut_off.take() {
        incident.progress.return_to(&plan, step, now);
    }
    // Those who heard that it is over must hear that it is not. What costs is left to the steps, so
    // there must be one to come, and a message now.
    let hears_now = incident.told.iter().any(|told| !told.address.costs());
    let starts_over = said && (incident.progress.round_has_ended() || !hears_now);
    let text = if starts_over {
        "fires again; starts at step 1 again"
    } else {
        "fires again; goes on where it was"
    };
    incident.note(&mut memory.journal, now, EntryKind::Reopened, text);
    if incident.told.is_empty() {
        let start = now + incident.timing.group_wait;
        incident.progress.restart(&plan, start);
    } else if said {
        if starts_over {
            incident.progress.restart(&plan, now);
        }
        let called = escalate::called_now(incident, &policy, now);
        outbox::tell_again(memory, id, &called, now);
    }
    said
}

pub(in crate::pipeline) fn describe(alert: &Alert) -> String {
    let name = alert.name();
    match alert.function_id() {
        Some(function) => format!("{name} for {function}"),
        None => format!("{name} {}", alert.labels),
    }
}

/// Eight letters that tell nothing about how many incidents there were.
fn incident_id(key: &[u8], number: u64) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return format!("i{number}");
    };
    mac.update(b"rampart incident\0");
    mac.update(&number.to_be_bytes());
    let digest = mac.finalize().into_bytes();
    digest
        .iter()
        .take(8)
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
        .collect()
}
