//! Who is on call, and taking over without a reload.

use std::time::Duration;

use model::Timestamp;

use super::AlertingError;
use super::actor::Command;
use super::handle::Handle;
use crate::oncall::{Override, Overrides, Schedule, Shift, Span};
use crate::pipeline::{DutyChange, Policy};

/// The longest somebody takes a schedule over.
const OVERRIDE_MAX: Duration = Duration::from_hours(90 * 24);

/// A schedule now and in the coming days.
#[derive(Clone, Debug)]
pub struct Duty {
    /// The schedule.
    pub schedule: String,
    /// Who is on call.
    pub now: Option<Shift>,
    /// Who follows.
    pub next: Option<Span>,
    /// Where nobody is on call within 30 days.
    pub gaps: Vec<(Timestamp, Timestamp)>,
    /// Who takes over, or will.
    pub overrides: Vec<Override>,
}

impl Handle {
    /// Who is on call in every schedule, who follows, and where nobody is.
    pub async fn on_call(&self) -> Result<Vec<Duty>, AlertingError> {
        let policy = self.policy().await?;
        let now = self.now();
        let schedules = policy.config.schedules.values();
        Ok(schedules
            .map(|schedule| duty(&policy, schedule, now))
            .collect())
    }

    /// Puts a person on call in a schedule from `from` to `to`, whatever its rotations say. Returns
    /// once it is on disk.
    pub async fn take_over(
        &self,
        schedule: &str,
        person: &str,
        (from, to): (Timestamp, Timestamp),
        by: &str,
    ) -> Result<Override, AlertingError> {
        let policy = self.policy().await?;
        let now = self.now();
        allow(&policy, schedule, person, (from, to), now)?;
        let made = Override {
            id: 0,
            schedule: schedule.to_owned(),
            person: person.to_owned(),
            from,
            to,
            by: by.to_owned(),
            made_at: now,
        };
        let made = self.change_duty(DutyChange::Take(made)).await?;
        made.ok_or(AlertingError::Stopping)
    }

    /// Ends an override now, or takes it back before it begins.
    pub async fn end_override(&self, schedule: &str, id: u64) -> Result<Override, AlertingError> {
        let policy = self.policy().await?;
        known_schedule(&policy, schedule)?;
        let mut present = policy.overrides.of(schedule, self.now());
        if !present.any(|one| one.id == id) {
            return Err(AlertingError::UnknownOverride(id));
        }
        let ended = self.change_duty(DutyChange::End(id)).await?;
        ended.ok_or(AlertingError::UnknownOverride(id))
    }

    async fn change_duty(&self, change: DutyChange) -> Result<Option<Override>, AlertingError> {
        self.ask(|reply| Command::Duty { change, reply }).await?
    }
}

fn duty(policy: &Policy, schedule: &Schedule, now: Timestamp) -> Duty {
    let taken = policy.taken(&schedule.name, now);
    Duty {
        schedule: schedule.name.clone(),
        now: schedule.on_call(now, &taken),
        next: schedule.next_after(now, &taken),
        gaps: schedule.gaps(now, &taken),
        overrides: taken.into_iter().cloned().collect(),
    }
}

fn known_schedule(policy: &Policy, name: &str) -> Result<(), AlertingError> {
    let schedules = &policy.config.schedules;
    if schedules.contains_key(name) {
        return Ok(());
    }
    let known: Vec<&str> = schedules.keys().map(String::as_str).collect();
    Err(AlertingError::UnknownSchedule {
        name: name.chars().take(80).collect(),
        known: known.join(", "),
    })
}

fn allow(
    policy: &Policy,
    schedule: &str,
    person: &str,
    (from, to): (Timestamp, Timestamp),
    now: Timestamp,
) -> Result<(), AlertingError> {
    known_schedule(policy, schedule)?;
    if !policy.config.people.contains_key(person) {
        let known: Vec<&str> = policy.config.people.keys().map(String::as_str).collect();
        return Err(AlertingError::UnknownPerson {
            name: person.chars().take(80).collect(),
            known: known.join(", "),
        });
    }
    let senseless = |field, message: String| Err(AlertingError::Senseless { field, message });
    if to <= from {
        return senseless("to", "it must end after it begins".to_owned());
    }
    if to <= now {
        return senseless("to", "it would be over already".to_owned());
    }
    if to.since(from) > OVERRIDE_MAX {
        return senseless("to", "somebody takes over for at most 90 days".to_owned());
    }
    if policy.overrides.of(schedule, now).count() >= Overrides::PER_SCHEDULE_MAX {
        let most = Overrides::PER_SCHEDULE_MAX;
        return senseless(
            "schedule",
            format!("{most} of this schedule are not over; end some"),
        );
    }
    Ok(())
}
