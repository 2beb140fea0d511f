//! What people do to incidents. Doing it twice is harmless.

use std::sync::Arc;
use std::time::Duration;

use model::{Timestamp, format_duration};

use super::{Acknowledgement, EntryKind, Incident, Resolution, follow};
use crate::delivery::IncidentStatus;
use crate::pipeline::event::{Action, Count, Write};
use crate::pipeline::memory::Memory;
use crate::pipeline::receive::Act;
use crate::pipeline::{escalate, outbox};

/// Doing the same twice within this long is doing it once: a finger slipped.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

pub(in crate::pipeline) fn act(memory: &mut Memory, act: Option<Act>, now: Timestamp) {
    let Some(act) = act else { return };
    match &act.action {
        Action::Acknowledge => acknowledge(memory, &act, None, now),
        Action::Snooze(length) => acknowledge(memory, &act, Some(*length), now),
        Action::Escalate => raise(memory, &act, now),
        Action::Resolve { reason } => resolve(memory, &act, reason, now),
        Action::Note { text } => remark(memory, &act, text, now),
    }
}

/// Whether the same was said a moment ago: a page that was posted twice.
fn said_just_now(
    incident: &Incident,
    kind: EntryKind,
    by: &str,
    text: &str,
    now: Timestamp,
) -> bool {
    let latest = incident
        .timeline
        .iter()
        .rev()
        .find(|entry| entry.kind == kind);
    latest.is_some_and(|entry| {
        entry.by.as_deref() == Some(by) && entry.text == text && now < entry.at + AGAIN_AFTER
    })
}

fn remark(memory: &mut Memory, act: &Act, text: &str, now: Timestamp) {
    let Some(incident) = memory.incidents.get_mut(&act.incident) else {
        return;
    };
    if !said_just_now(incident, EntryKind::Note, &act.by, text, now) {
        let by = Some(act.by.as_str());
        incident.note_by(&mut memory.journal, now, EntryKind::Note, text, by);
    }
}

fn acknowledge(memory: &mut Memory, act: &Act, length: Option<Duration>, now: Timestamp) {
    let policy = Arc::clone(&memory.policy);
    let Some(incident) = memory.incidents.get_mut(&act.incident) else {
        return;
    };
    let repeated = incident.status == IncidentStatus::Acknowledged && length.is_none();
    if incident.status == IncidentStatus::Resolved || repeated {
        return;
    }
    let plan = escalate::plan_of(&policy, &incident.destination);
    let quiet_for = length.or(plan.acknowledged_for);
    let until = match quiet_for {
        Some(length) => format!("; quiet for {}", format_duration(length)),
        None => String::new(),
    };
    let text = format!("acknowledged by {} ({}){until}", act.by, act.how.as_str());
    if incident.status == IncidentStatus::Acknowledged
        && said_just_now(incident, EntryKind::Acknowledged, &act.by, &text, now)
    {
        return;
    }
    incident.status = IncidentStatus::Acknowledged;
    incident.acknowledged = Some(Acknowledgement {
        by: act.by.clone(),
        how: act.how.as_str().to_owned(),
        at: now,
        until: quiet_for.map(|length| now + length),
    });
    let by = Some(act.by.as_str());
    incident.note_by(&mut memory.journal, now, EntryKind::Acknowledged, text, by);
    outbox::cancel(memory, &act.incident, "it was acknowledged", now);
}

fn raise(memory: &mut Memory, act: &Act, now: Timestamp) {
    let policy = Arc::clone(&memory.policy);
    let Some(incident) = memory.incidents.get_mut(&act.incident) else {
        return;
    };
    let asked = incident.progress.escalated_at;
    let again = asked.is_some_and(|at| now < at + AGAIN_AFTER);
    if incident.status == IncidentStatus::Resolved || again {
        return;
    }
    let plan = escalate::plan_of(&policy, &incident.destination);
    incident.progress.escalated_at = Some(now);
    incident.status = IncidentStatus::Open;
    incident.acknowledged = None;
    let goes_on = incident.progress.bring_forward(&plan, now);
    incident.pause_from(now);
    let text = if goes_on {
        "asked for the next step"
    } else {
        incident.progress.return_to(&plan, usize::MAX, now);
        "asked for the next step; there is none, so the last one is repeated"
    };
    incident.note_by(
        &mut memory.journal,
        now,
        EntryKind::Step,
        text,
        Some(&act.by),
    );
}

fn resolve(memory: &mut Memory, act: &Act, reason: &str, now: Timestamp) {
    let Some(incident) = memory.incidents.get_mut(&act.incident) else {
        return;
    };
    if incident.status == IncidentStatus::Resolved {
        return;
    }
    // Its alerts may fire on; they stay quiet until they recover, and a new alert of the group is
    // news: it opens another incident.
    let mut quieted = Vec::new();
    for held in incident.alerts.values_mut().filter(|held| held.is_firing()) {
        held.quieted = true;
        quieted.push(held.clone());
    }
    incident.closed = true;
    if reason == Action::FALSE_ALARM {
        incident.false_alarm = true;
        memory.journal.counts.push(Count::FalseAlarm);
    }
    memory.groups.remove(&incident.group);
    for held in quieted {
        if let Some(holders) = memory.firing.get_mut(&held.fingerprint) {
            holders.remove(&act.incident);
            if holders.is_empty() {
                memory.firing.remove(&held.fingerprint);
            }
        }
        memory.quiet.insert(held.fingerprint, act.incident.clone());
        memory.journal.writes.push(Write::Alert {
            incident: act.incident.clone(),
            held,
        });
    }
    let resolution = Resolution {
        at: now,
        by: Some(act.by.clone()),
        reason: reason.to_owned(),
    };
    follow::end(memory, &act.incident, resolution);
}
