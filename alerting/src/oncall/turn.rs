//! The turns of one rotation: which shift holds at an instant, and when that next changes.

use std::time::Duration;

use chrono::NaiveDateTime;
use chrono_tz::Tz;
use model::{DatedEvent, Timestamp};

use super::{Rotation, Shift, Turn};
use crate::oncall::CronLine;

/// Clocks move by at most a day.
const CLOCK_CHANGE_MAX: Duration = Duration::from_hours(24);

impl Rotation {
    pub(super) fn is_during(&self) -> bool {
        matches!(self.turn, Turn::During { .. })
    }

    /// The shift around `now`, if there is one.
    pub(super) fn shift(&self, zone: Tz, now: Timestamp) -> Option<Shift> {
        match &self.turn {
            Turn::Every { start, every } => self.turn_of(zone, *start, *every, now),
            Turn::Cron { line, lasts, start } => self.cron_shift(zone, line, *lasts, *start, now),
            Turn::During { event, every } => {
                if !event.holds_at(now) {
                    return None;
                }
                let whole = || {
                    Some(Shift {
                        rotation: self.name.clone(),
                        person: self.people.first()?.clone(),
                        from: event.from,
                        until: Some(event.to),
                    })
                };
                let Some(every) = every else { return whole() };
                let start = local(event.from, zone);
                let mut shift = self.turn_of(zone, start, *every, now).or_else(whole)?;
                shift.from = shift.from.max(event.from);
                shift.until = shift.until.map(|until| until.min(event.to));
                Some(shift)
            }
        }
    }

    /// The first instant after `now` at which a shift of this rotation begins or ends.
    pub(super) fn next_edge(&self, zone: Tz, now: Timestamp) -> Option<Timestamp> {
        let ends = self.shift(zone, now).and_then(|shift| shift.until);
        let begins = match &self.turn {
            Turn::Every { start, .. } => Some(DatedEvent::local_instant(*start, zone)),
            Turn::During { event, .. } => Some(event.from),
            Turn::Cron { line, start, .. } => next_beginning(line, *start, zone, now),
        };
        let edges = [ends, begins].into_iter().flatten();
        edges.filter(|edge| *edge > now).min()
    }

    /// The last hand-over that is not after `now` decides; a shift that a gap in local time shrinks
    /// to nothing loses to the one after it.
    fn turn_of(
        &self,
        zone: Tz,
        start: NaiveDateTime,
        every: Duration,
        now: Timestamp,
    ) -> Option<Shift> {
        let every = chrono::Duration::from_std(every).ok()?;
        let step_micros = every.num_microseconds().filter(|micros| *micros > 0)?;
        let passed = (local(now, zone) - start).num_microseconds()?;
        let handover = |turn: i64| -> Option<Timestamp> {
            let offset = chrono::Duration::microseconds(step_micros.checked_mul(turn)?);
            let local = start.checked_add_signed(offset)?;
            Some(DatedEvent::local_instant(local, zone))
        };
        // The turn that naive arithmetic gives is at most this many turns off.
        let day_micros = 86_400_000_000_i64;
        let slack = day_micros / step_micros + 2;
        let near = passed.div_euclid(step_micros);
        let turn = (near.saturating_sub(slack).max(0)..=near.saturating_add(slack).max(0))
            .rev()
            .find(|turn| handover(*turn).is_some_and(|at| at <= now))?;
        let person = usize::try_from(turn).ok()? % self.people.len().max(1);
        Some(Shift {
            rotation: self.name.clone(),
            person: self.people.get(person)?.clone(),
            from: handover(turn)?,
            until: handover(turn + 1),
        })
    }

    /// The latest beginning that is not after `now` decides, if its shift still lasts. A shift ends
    /// by the wall clock, or when the next one begins.
    fn cron_shift(
        &self,
        zone: Tz,
        line: &CronLine,
        lasts: Duration,
        start: Option<NaiveDateTime>,
        now: Timestamp,
    ) -> Option<Shift> {
        let reach = lasts + 2 * CLOCK_CHANGE_MAX;
        let latest = local(now, zone).checked_add_signed(chrono::Duration::days(1))?;
        let began = line
            .back(latest, reach)
            .find(|at| DatedEvent::local_instant(*at, zone) <= now)
            .filter(|at| start.is_none_or(|start| *at >= start))?;
        let end = began.checked_add_signed(chrono::Duration::from_std(lasts).ok()?)?;
        let end = DatedEvent::local_instant(end, zone);
        if end <= now {
            return None;
        }
        let turn = start.map_or(0, |start| line.count(start, began));
        let next = next_beginning(line, start, zone, now);
        Some(Shift {
            rotation: self.name.clone(),
            person: self.people.get(turn % self.people.len().max(1))?.clone(),
            from: DatedEvent::local_instant(began, zone),
            until: Some(next.map_or(end, |next| end.min(next))),
        })
    }
}

/// The first instant after `now` at which a cron line begins a shift.
fn next_beginning(
    line: &CronLine,
    start: Option<NaiveDateTime>,
    zone: Tz,
    now: Timestamp,
) -> Option<Timestamp> {
    let mut at = local(now, zone).checked_sub_signed(chrono::Duration::days(1))?;
    if let Some(start) = start {
        at = at.max(start.checked_sub_signed(chrono::Duration::seconds(1))?);
    }
    // Within two days around a change of clocks lie no more beginnings than this.
    for _ in 0..=3 * CronLine::SHIFTS_PER_DAY_MAX {
        at = line.next(at)?;
        let instant = DatedEvent::local_instant(at, zone);
        if instant > now {
            return Some(instant);
        }
    }
    None
}

fn local(at: Timestamp, zone: Tz) -> NaiveDateTime {
    at.to_utc().with_timezone(&zone).naive_local()
}
