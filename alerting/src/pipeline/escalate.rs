//! Which steps are due, and whom they reach. A step that reaches nobody is passed over, not waited
//! for.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use model::{Timestamp, format_duration};

use super::event::Policy;
use super::incident::{EntryKind, Incident, Reach};
use super::memory::{Journal, Memory};
use super::outbox::{Address, FIRES_AGAIN};
use super::progress::Plan;
use super::reach::{self, Called};
use crate::config::{Destination, Step, Target};
use crate::delivery::{IncidentStatus, MessageKind};

/// Steps brought forward can be due at once; no plan brings more rounds of them than this.
pub(super) const ROUNDS_MAX: usize = 64;

/// Messages that are due.
#[derive(Debug)]
pub(super) struct Summons {
    pub(super) incident: String,
    pub(super) kind: MessageKind,
    pub(super) to: Vec<Called>,
    /// Which step of how many, both from 0 and from the plan as it is now.
    pub(super) step: Option<(usize, usize)>,
    pub(super) round: u32,
    pub(super) note: Option<String>,
}

/// A first message that does not get through now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PassedOver {
    pub(super) incident: String,
    pub(super) round: u32,
    pub(super) step: usize,
    pub(super) why: String,
}

/// The plan a destination stands for.
pub(super) fn plan_of(policy: &Policy, destination: &Destination) -> Plan {
    let found = match destination {
        Destination::Escalation(name) => policy.config.escalations.get(name),
        Destination::Receiver(_) => None,
    };
    match (found, destination) {
        (Some(escalation), _) => Plan {
            steps: escalation.steps.clone(),
            repeat: escalation.repeat,
            acknowledged_for: escalation.acknowledged_for,
        },
        (None, Destination::Receiver(name) | Destination::Escalation(name)) => Plan {
            steps: vec![Step {
                after: Duration::ZERO,
                notify: vec![Target::Receiver(name.clone())],
            }],
            repeat: None,
            acknowledged_for: None,
        },
    }
}

impl Incident {
    /// Who is told next if nobody acknowledges, as the plan says it.
    pub fn next_step(&self, policy: &Policy) -> Option<String> {
        self.progress.due?;
        let plan = plan_of(policy, &self.destination);
        let step = plan.steps.get(self.progress.next)?;
        let targets: Vec<String> = step.notify.iter().map(ToString::to_string).collect();
        Some(targets.join(", "))
    }
}

/// The messages of all incidents whose time has come.
pub(super) fn due(memory: &mut Memory, now: Timestamp) -> Vec<Summons> {
    let policy = Arc::clone(&memory.policy);
    let mut summons = Vec::new();
    for id in memory.take_due(now) {
        if let Some(incident) = memory.incidents.get_mut(&id) {
            advance(incident, &policy, &mut memory.journal, now, &mut summons);
        }
        let closed = memory
            .incidents
            .get(&id)
            .filter(|incident| incident.closed)
            .map(|incident| incident.group.clone());
        if let Some(group) = closed
            && memory.groups.get(&group) == Some(&id)
        {
            memory.groups.remove(&group);
        }
        memory.journal.touch(&id);
    }
    summons
}

fn advance(
    incident: &mut Incident,
    policy: &Policy,
    journal: &mut Journal,
    now: Timestamp,
    summons: &mut Vec<Summons>,
) {
    match incident.status {
        IncidentStatus::Resolved => {
            if incident.progress.farewell_at.is_some_and(|at| at <= now) {
                incident.progress.farewell_at = None;
                summons.extend(farewell(incident));
            }
            let end = incident.resolved.as_ref().map(|end| end.at);
            let lasts = incident.timing.group_interval;
            if end.is_none_or(|end| end + lasts <= now) {
                incident.closed = true;
            }
        }
        IncidentStatus::Open if incident.is_muted() => {}
        IncidentStatus::Acknowledged => {
            let until = incident.acknowledged.as_ref().and_then(|ack| ack.until);
            if until.is_some_and(|until| until <= now) {
                let text = "the acknowledgement ran out and it is not resolved; rings again";
                ring_again(incident, policy, journal, text, now);
                if !incident.is_muted() {
                    run_plan(incident, policy, journal, now, summons);
                }
            } else if incident.is_muted() {
            } else if let Some(update) = update(incident, now) {
                incident.progress.last_message_at = Some(now);
                summons.push(update);
            }
        }
        IncidentStatus::Open => run_plan(incident, policy, journal, now, summons),
    }
}

/// What was acknowledged is open again and its plan starts over.
pub(super) fn ring_again(
    incident: &mut Incident,
    policy: &Policy,
    journal: &mut Journal,
    why: &str,
    now: Timestamp,
) {
    incident.status = IncidentStatus::Open;
    incident.acknowledged = None;
    let plan = plan_of(policy, &incident.destination);
    incident.progress.restart(&plan, now);
    incident.pause_from(now);
    incident.note(journal, now, EntryKind::Acknowledged, why);
}

/// What those told hear about alerts that joined, when it is time.
fn update(incident: &mut Incident, now: Timestamp) -> Option<Summons> {
    incident.progress.update_at.take_if(|at| *at <= now)?;
    let note = match std::mem::take(&mut incident.progress.joined) {
        0 => return None,
        1 => "one more alert joined".to_owned(),
        more => format!("{more} more alerts joined"),
    };
    to_all_told(incident, MessageKind::Reminder, Some(note))
}

/// Whom the step that is due now reaches.
pub(super) fn called_now(
    incident: &Incident,
    policy: &Policy,
    now: Timestamp,
) -> BTreeSet<Address> {
    if incident.progress.due.is_none_or(|due| due > now) {
        return BTreeSet::new();
    }
    let plan = plan_of(policy, &incident.destination);
    let last = plan.steps.len().saturating_sub(1);
    let step = plan.steps.get(incident.progress.next.min(last));
    let targets = step.map_or([].as_slice(), |step| step.notify.as_slice());
    targets
        .iter()
        .filter_map(|target| reach::find(incident, policy, target, now).ok())
        .flatten()
        .map(|called| called.address)
        .collect()
}

fn run_plan(
    incident: &mut Incident,
    policy: &Policy,
    journal: &mut Journal,
    now: Timestamp,
    summons: &mut Vec<Summons>,
) {
    keep_to_existing(incident, policy, journal, now);
    let plan = plan_of(policy, &incident.destination);
    let before = summons.len();
    // A step is due once at a time; only those that reach nobody let the next one follow at once.
    for _ in 0..=plan.steps.len() {
        let round = incident.progress.round;
        let Some((index, step)) = incident.progress.take_due(&plan, now) else {
            break;
        };
        match call(
            incident,
            policy,
            journal,
            (index, plan.steps.len(), step),
            now,
        ) {
            Some(to) => summons.push(Summons {
                incident: incident.id.clone(),
                kind: MessageKind::Firing,
                to,
                step: Some((index, plan.steps.len())),
                round,
                note: (incident.progress.reopened_at == Some(now)).then(|| FIRES_AGAIN.to_owned()),
            }),
            // The last step of a round does not pull the next round forward.
            None if index + 1 < plan.steps.len() => {
                incident.progress.bring_forward(&plan, now);
            }
            None => {}
        }
    }
    let told_now = summons.len() > before;
    if incident.progress.due.is_none() && incident.progress.remind_at.is_none() {
        finish(incident, policy, journal, now, told_now, summons);
    }
    if incident.progress.remind_at.is_some_and(|at| at <= now) {
        remind(incident, policy, journal, now, summons);
    }
    if summons.len() == before {
        summons.extend(update(incident, now));
    }
    if summons.len() > before {
        incident.progress.last_message_at = Some(now);
        incident.progress.joined = 0;
        incident.progress.update_at = None;
    }
}

/// A policy or receiver that a reload took away: the incident goes on by the nearest that is left.
fn keep_to_existing(
    incident: &mut Incident,
    policy: &Policy,
    journal: &mut Journal,
    now: Timestamp,
) {
    let exists = |destination: &Destination| match destination {
        Destination::Escalation(name) => policy.config.escalations.contains_key(name),
        Destination::Receiver(name) => policy.config.receivers.contains_key(name),
    };
    if exists(&incident.destination) {
        return;
    }
    let gone = match &incident.destination {
        Destination::Escalation(name) => format!("escalation {name}"),
        Destination::Receiver(name) => format!("receiver {name}"),
    };
    let receiver = if policy.config.receivers.contains_key(&incident.receiver) {
        incident.receiver.clone()
    } else {
        policy.config.root.receiver.clone()
    };
    incident.note(
        journal,
        now,
        EntryKind::Routed,
        format!("{gone} is no longer configured; goes on with receiver {receiver}"),
    );
    incident.receiver.clone_from(&receiver);
    incident.destination = Destination::Receiver(receiver);
    let plan = plan_of(policy, &incident.destination);
    let base = incident.progress.due.unwrap_or(now).min(now);
    incident.progress.restart(&plan, base);
}

/// Whom a step reaches; `None`, with a line on the timeline, when nobody.
fn call(
    incident: &mut Incident,
    policy: &Policy,
    journal: &mut Journal,
    (index, total, step): (usize, usize, &Step),
    now: Timestamp,
) -> Option<Vec<Called>> {
    let mut to: Vec<Called> = Vec::new();
    let mut reasons = Vec::new();
    for target in &step.notify {
        match reach::find(incident, policy, target, now) {
            Ok(found) => {
                for called in found {
                    if !to.iter().any(|known| known.address == called.address) {
                        to.push(called);
                    }
                }
            }
            Err(reason) => reasons.push(format!("{target}: {reason}")),
        }
    }
    let number = index + 1;
    let missing = reasons.join("; ");
    if to.is_empty() {
        let text = format!("step {number} of {total} passed over: {missing}");
        incident.note(journal, now, EntryKind::Step, text);
        return None;
    }
    let names: Vec<String> = to.iter().map(|called| called.address.to_string()).collect();
    let missing = if missing.is_empty() {
        missing
    } else {
        format!(" (not reached: {missing})")
    };
    let text = format!("step {number} of {total}: {}{missing}", names.join(", "));
    incident.note(journal, now, EntryKind::Step, text);
    Some(to)
}

/// The plan has ended. If it reached nobody at all, the route's receiver is told.
fn finish(
    incident: &mut Incident,
    policy: &Policy,
    journal: &mut Journal,
    now: Timestamp,
    told_now: bool,
    summons: &mut Vec<Summons>,
) {
    let progress = &mut incident.progress;
    progress.remind_at = Some(now + incident.timing.repeat_interval);
    let on_its_way = !incident.rows.is_empty() || told_now;
    if on_its_way || !incident.told.is_empty() {
        return;
    }
    summons.extend(fall_back(incident, policy, journal, now));
}

/// What no step could deliver goes to the route's receiver, unless that was the plan already: then
/// nobody was reached, and that is said.
pub(super) fn fall_back(
    incident: &mut Incident,
    policy: &Policy,
    journal: &mut Journal,
    now: Timestamp,
) -> Option<Summons> {
    let receiver = incident.receiver.clone();
    let is_same = incident.destination == Destination::Receiver(receiver.clone());
    let Ok(to) = reach::room(&policy.config, &receiver, Vec::new()) else {
        unreached(incident, journal, now);
        return None;
    };
    if is_same {
        unreached(incident, journal, now);
        return None;
    }
    let text = format!("no step reached anybody; receiver {receiver} is told");
    incident.note(journal, now, EntryKind::Step, text);
    Some(Summons {
        incident: incident.id.clone(),
        kind: MessageKind::Firing,
        to,
        step: None,
        round: incident.progress.round,
        note: None,
    })
}

/// Everything was tried and nobody was reached: visible, and tried again soon.
pub(super) fn unreached(incident: &mut Incident, journal: &mut Journal, now: Timestamp) {
    let pause = incident
        .timing
        .repeat_interval
        .min(Incident::UNREACHED_RETRY);
    let soon = now + pause;
    let progress = &mut incident.progress;
    progress.remind_at = Some(progress.remind_at.map_or(soon, |at| at.min(soon)));
    if incident.reach != Reach::Reached {
        incident.reach = Reach::Unreached;
        let text = format!(
            "undeliverable: nobody was reached; everything is tried again in {}",
            format_duration(pause)
        );
        incident.note(journal, now, EntryKind::Delivery, text);
    }
    journal.touch(&incident.id);
}

fn remind(
    incident: &mut Incident,
    policy: &Policy,
    journal: &mut Journal,
    now: Timestamp,
    summons: &mut Vec<Summons>,
) {
    incident.progress.remind_at = Some(now + incident.timing.repeat_interval);
    if incident.told.iter().any(|told| told.certain) {
        summons.extend(to_all_told(incident, MessageKind::Reminder, None));
        return;
    }
    if incident.rows.is_empty() {
        let plan = plan_of(policy, &incident.destination);
        incident.progress.restart(&plan, now);
        let text = "nobody was reached so far; starts at step 1 again";
        incident.note(journal, now, EntryKind::Step, text);
    } else {
        let pause = incident
            .timing
            .repeat_interval
            .min(Incident::UNREACHED_RETRY);
        incident.progress.remind_at = Some(now + pause);
    }
}

/// A message to everybody who was told, except those whom it would wake for nothing new.
fn to_all_told(incident: &Incident, kind: MessageKind, note: Option<String>) -> Option<Summons> {
    let to: Vec<Called> = incident
        .told
        .iter()
        .filter(|told| !told.address.costs())
        .map(|told| Called {
            address: told.address.clone(),
            mentions: Vec::new(),
        })
        .collect();
    (!to.is_empty()).then(|| Summons {
        incident: incident.id.clone(),
        kind,
        to,
        step: None,
        round: incident.progress.round,
        note,
    })
}

/// The end is told to whoever was told of the beginning, by call only where nothing else got through.
pub(super) fn farewell(incident: &mut Incident) -> Option<Summons> {
    let quieter = incident
        .told
        .iter()
        .any(|told| told.owed_resolved && told.certain && !told.address.is_call());
    let mut to = Vec::new();
    for told in &mut incident.told {
        if !std::mem::take(&mut told.owed_resolved) {
            continue;
        }
        if !(quieter && told.address.is_call()) {
            to.push(Called {
                address: told.address.clone(),
                mentions: Vec::new(),
            });
        }
    }
    (!to.is_empty()).then(|| Summons {
        incident: incident.id.clone(),
        kind: MessageKind::Resolved,
        to,
        step: None,
        round: incident.progress.round,
        note: None,
    })
}

/// Makes the next steps of incidents due whose latest step does not get through. Returns whether
/// any is.
pub(super) fn bring_forward(
    memory: &mut Memory,
    passed_over: Vec<PassedOver>,
    now: Timestamp,
) -> bool {
    let policy = Arc::clone(&memory.policy);
    let mut any = false;
    for passed in passed_over {
        let Some(incident) = memory.incidents.get_mut(&passed.incident) else {
            continue;
        };
        let progress = &mut incident.progress;
        let concerns = incident.status == IncidentStatus::Open
            && incident.muted.is_none()
            && progress.is_latest(passed.round, passed.step)
            && !progress.step_accepted;
        // A next step that is due at once comes by itself; one of a next round keeps its pause.
        if !concerns || progress.next == 0 || progress.due.is_none_or(|due| due <= now) {
            continue;
        }
        let plan = plan_of(&policy, &incident.destination);
        if progress.bring_forward(&plan, now) {
            let text = format!("{}; the next step comes at once", passed.why);
            incident.note(&mut memory.journal, now, EntryKind::Step, text);
            any = true;
        }
    }
    any
}
