//! Hand-overs: when another person comes on call, the open incidents of the schedule are sent to
//! them, quietly: whoever comes on should not have to ask what burns.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::Timestamp;

use super::escalate::{Summons, plan_of};
use super::event::{DutyChange, Policy, Write};
use super::incident::{EntryKind, Incident};
use super::memory::Memory;
use super::reach::{self, Called};
use crate::config::{Medium, Target, Whom};
use crate::delivery::{IncidentStatus, MessageKind};

/// Who was on call when that was last looked at.
#[derive(Debug, Default)]
pub(super) struct Duty {
    seen: BTreeMap<String, Option<String>>,
    /// When anything changes next; `None` before the first look.
    looked: bool,
    changes_at: Option<Timestamp>,
}

impl Duty {
    /// As it was stored before a stop.
    pub(super) fn remembered(seen: Vec<(String, Option<String>)>) -> Self {
        Duty {
            seen: seen.into_iter().collect(),
            ..Duty::default()
        }
    }

    /// When somebody else may come on call.
    pub(super) fn changes_at(&self) -> Option<Timestamp> {
        self.changes_at
    }

    /// The configuration, an override or the clock changed.
    pub(super) fn look_again(&mut self) {
        self.looked = false;
    }
}

/// Takes in that somebody takes over, or no longer does.
pub(super) fn change(memory: &mut Memory, change: &DutyChange, now: Timestamp) {
    let mut policy = Policy::clone(&memory.policy);
    let changed = match change {
        DutyChange::Take(made) => Some(policy.overrides.add(made.clone())),
        DutyChange::End(id) => policy.overrides.end(*id, now),
    };
    let Some(changed) = changed else { return };
    memory.policy = Arc::new(policy);
    memory.journal.writes.push(Write::Override(changed));
    memory.duty.look_again();
}

/// All of it as writes, for a disk that missed some.
pub(super) fn everything(memory: &Memory) -> Vec<Write> {
    let schedules = memory.policy.config.schedules.keys();
    let overrides = schedules.flat_map(|schedule| {
        let all = memory.policy.overrides.of(schedule, Timestamp::EPOCH);
        all.cloned().map(Write::Override)
    });
    let seen = memory
        .duty
        .seen
        .iter()
        .map(|(schedule, person)| Write::Duty {
            schedule: schedule.clone(),
            person: person.clone(),
        });
    overrides.chain(seen).collect()
}

/// The messages for those who have just come on call.
pub(super) fn hand_over(memory: &mut Memory, now: Timestamp) -> Vec<Summons> {
    let waits = memory.duty.changes_at.is_none_or(|at| now < at);
    if memory.duty.looked && waits {
        return Vec::new();
    }
    let policy = Arc::clone(&memory.policy);
    let mut summons = Vec::new();
    let mut changes_at: Option<Timestamp> = None;
    for schedule in policy.config.schedules.values() {
        let taken = policy.taken(&schedule.name, now);
        let edge = schedule.next_edge(now, &taken);
        changes_at = [changes_at, edge].into_iter().flatten().min();
        let person = schedule.shift(now, &taken).map(|shift| shift.person);
        let seen = memory.duty.seen.get(&schedule.name);
        if seen == Some(&person) {
            continue;
        }
        // The first look of all finds somebody on call who has been so for long.
        if let (Some(_), Some(person)) = (seen, &person) {
            summons.extend(brief(memory, &policy, &schedule.name, person, now));
        }
        memory.journal.writes.push(Write::Duty {
            schedule: schedule.name.clone(),
            person: person.clone(),
        });
        memory.duty.seen.insert(schedule.name.clone(), person);
    }
    let schedules = &policy.config.schedules;
    memory
        .duty
        .seen
        .retain(|name, _| schedules.contains_key(name));
    memory.duty.looked = true;
    memory.duty.changes_at = changes_at;
    summons
}

/// The open incidents that a schedule's people answer for, each as a message to who comes on.
fn brief(
    memory: &mut Memory,
    policy: &Policy,
    schedule: &str,
    person: &str,
    now: Timestamp,
) -> Vec<Summons> {
    let name = policy
        .config
        .people
        .get(person)
        .map_or(person, |known| known.name.as_str());
    let mut summons = Vec::new();
    for incident in memory.incidents.values_mut() {
        let told = incident.status == IncidentStatus::Open && !incident.is_muted();
        if !told || !answers_for(incident, policy, schedule) {
            continue;
        }
        let Some(to) = quietly(incident, policy, person, now) else {
            continue;
        };
        let text = format!("{name} comes on call in {schedule} and is told");
        incident.note(&mut memory.journal, now, EntryKind::Step, text);
        summons.push(Summons {
            incident: incident.id.clone(),
            kind: MessageKind::Reminder,
            to,
            step: None,
            round: incident.progress.round,
            note: Some(format!("{name} is on call now")),
        });
    }
    summons
}

/// Whether somebody of this schedule was called, or would be, and a step has come already.
fn answers_for(incident: &Incident, policy: &Policy, schedule: &str) -> bool {
    let progress = &incident.progress;
    if progress.round == 0 && progress.next == 0 {
        return false;
    }
    let owner = incident.function.as_deref();
    let owner = owner.and_then(|function| policy.teams.owner(function));
    if owner.is_some_and(|team| team.schedule.as_deref() == Some(schedule)) {
        return true;
    }
    let plan = plan_of(policy, &incident.destination);
    let called = if progress.round > 0 {
        plan.steps.len()
    } else {
        progress.next
    };
    let targets = plan.steps.iter().take(called).flat_map(|step| &step.notify);
    targets
        .filter_map(|target| match target {
            Target::By(_, Whom::OnCall(name)) => Some(name),
            _ => None,
        })
        .any(|name| name == schedule)
}

/// The quietest way to a person: called by name in a chat, else a mail, else a text message.
fn quietly(
    incident: &Incident,
    policy: &Policy,
    person: &str,
    now: Timestamp,
) -> Option<Vec<Called>> {
    [Medium::Im, Medium::Email, Medium::Sms]
        .into_iter()
        .find_map(|medium| {
            let target = Target::By(medium, Whom::Person(person.to_owned()));
            reach::find(incident, policy, &target, now).ok()
        })
}
