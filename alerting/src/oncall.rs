//! Who is on call at a moment: a pure function of the schedule and the instant.
//!
//! Hand-overs are steps in local wall time, so "Monday 10:00" stays Monday 10:00 over a change of
//! the clocks. A hand-over in a gap happens at its end, one in an overlap at its first pass; every
//! instant therefore has exactly one person once the first rotation has begun.

use std::time::Duration;

use chrono::NaiveDateTime;
use chrono_tz::Tz;
use model::{DatedEvent, Timestamp};
use serde::Serialize;

/// Who takes turns when.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The key in `schedules:`.
    pub name: String,
    /// Where its wall clock hangs.
    pub zone: Tz,
    /// Rotations; one during an event beats a regular one, among equals the later listed wins.
    pub rotations: Vec<Rotation>,
}

/// People who take turns.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// Its name.
    pub name: String,
    /// Keys in `people:`, in order of their turns; never empty.
    pub people: Vec<String>,
    /// When the turns change.
    pub turn: Turn,
}

/// When the turns of a rotation change.
#[derive(Clone, Debug)]
pub enum Turn {
    /// From a local time on, without end.
    Every {
        /// The first person's first shift begins here.
        start: NaiveDateTime,
        /// How long a shift lasts on the wall clock.
        every: Duration,
    },
    /// Only while an event holds.
    During {
        /// The event.
        event: DatedEvent,
        /// How long a shift lasts; without it the first person takes the whole event.
        every: Option<Duration>,
    },
}

/// One person's duty around an instant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shift {
    /// The rotation it belongs to.
    pub rotation: String,
    /// Who.
    pub person: String,
    /// Since when.
    pub from: Timestamp,
    /// Until when, if nothing is changed.
    pub until: Option<Timestamp>,
}

impl Schedule {
    /// How far ahead gaps are looked for.
    pub const GAP_HORIZON: Duration = Duration::from_hours(30 * 24);

    /// Who is on call at `now`; `None` before the first rotation begins.
    pub fn on_call(&self, now: Timestamp) -> Option<Shift> {
        let covering = |during: bool| {
            self.rotations
                .iter()
                .rev()
                .filter(move |rotation| rotation.is_during() == during)
                .find_map(|rotation| rotation.shift(self.zone, now))
        };
        if let Some(shift) = covering(true) {
            return Some(shift);
        }
        let mut shift = covering(false)?;
        let interruption = self.next_event_after(now);
        shift.until = match (shift.until, interruption) {
            (Some(end), Some(event)) => Some(end.min(event)),
            (end, event) => end.or(event),
        };
        Some(shift)
    }

    /// The first instant within the coming [`Schedule::GAP_HORIZON`] at which nobody is on call.
    pub fn first_gap(&self, now: Timestamp) -> Option<Timestamp> {
        let mut edges = vec![now];
        for rotation in &self.rotations {
            if let Turn::During { event, .. } = &rotation.turn {
                edges.push(event.to);
            }
        }
        edges.sort_unstable();
        edges
            .into_iter()
            .filter(|edge| *edge >= now && *edge <= now + Self::GAP_HORIZON)
            .find(|edge| self.on_call(*edge).is_none())
    }

    /// Everybody who ever takes a turn.
    pub fn people(&self) -> impl Iterator<Item = &str> {
        self.rotations
            .iter()
            .flat_map(|rotation| rotation.people.iter().map(String::as_str))
    }

    fn next_event_after(&self, now: Timestamp) -> Option<Timestamp> {
        self.rotations
            .iter()
            .filter_map(|rotation| match &rotation.turn {
                Turn::During { event, .. } if event.from > now => Some(event.from),
                _ => None,
            })
            .min()
    }
}

impl Rotation {
    fn is_during(&self) -> bool {
        matches!(self.turn, Turn::During { .. })
    }

    fn shift(&self, zone: Tz, now: Timestamp) -> Option<Shift> {
        match &self.turn {
            Turn::Every { start, every } => self.turn_of(zone, *start, *every, now),
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
                let start = event.from.to_utc().with_timezone(&zone).naive_local();
                let mut shift = self.turn_of(zone, start, *every, now).or_else(whole)?;
                shift.from = shift.from.max(event.from);
                shift.until = shift.until.map(|until| until.min(event.to));
                Some(shift)
            }
        }
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
        let local_now = now.to_utc().with_timezone(&zone).naive_local();
        let passed = (local_now - start).num_microseconds()?;
        let handover = |turn: i64| -> Option<Timestamp> {
            let offset = chrono::Duration::microseconds(step_micros.checked_mul(turn)?);
            let local = start.checked_add_signed(offset)?;
            Some(DatedEvent::local_instant(local, zone))
        };
        // Clocks move by at most a day, so the turn that naive arithmetic gives is at most this
        // many turns off.
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn regular(start: &str, every_hours: u64, people: &[&str]) -> Rotation {
        Rotation {
            name: "regular".into(),
            people: people.iter().map(|p| (*p).to_owned()).collect(),
            turn: Turn::Every {
                start: NaiveDateTime::parse_from_str(start, "%Y-%m-%dT%H:%M").unwrap(),
                every: Duration::from_secs(every_hours * 3_600),
            },
        }
    }

    fn schedule(zone: Tz, rotations: Vec<Rotation>) -> Schedule {
        Schedule {
            name: "guide".into(),
            zone,
            rotations,
        }
    }

    #[test]
    fn hand_over_keeps_its_wall_time_over_both_transitions() {
        let berlin = schedule(
            chrono_tz::Europe::Berlin,
            vec![regular("2026-03-02T10:00", 168, &["first", "second"])],
        );
        for (instant, person) in [
            ("2026-03-02T08:59:59Z", None),
            ("2026-03-02T09:00:00Z", Some("first")),
            ("2026-03-23T08:59:59Z", Some("first")),
            ("2026-03-23T09:00:00Z", Some("second")),
            // Clocks go forward on the 29th: Monday 10:00 is now 08:00 UTC.
            ("2026-03-30T07:59:59Z", Some("second")),
            ("2026-03-30T08:00:00Z", Some("first")),
            // And back on October 25th.
            ("2026-10-26T08:59:59Z", Some("second")),
            ("2026-10-26T09:00:00Z", Some("first")),
        ] {
            let shift = berlin.on_call(at(instant));
            assert_eq!(
                shift.as_ref().map(|s| s.person.as_str()),
                person,
                "{instant}"
            );
            if let Some(shift) = shift {
                assert!(shift.from <= at(instant) && shift.until.unwrap() > at(instant));
            }
        }
    }

    #[test]
    fn gap_and_overlap_have_exactly_one_person() {
        // Hand-over at 02:30: absent on the day clocks go forward, twice on the day they go back.
        let nightly = schedule(
            chrono_tz::Europe::Berlin,
            vec![regular("2026-03-27T02:30", 24, &["a", "b", "c"])],
        );
        for (instant, person) in [
            ("2026-03-29T00:59:59Z", "b"), // 01:59:59 CET
            ("2026-03-29T01:00:00Z", "c"), // 03:00 CEST, the gap's end
            ("2026-10-25T00:29:59Z", "b"), // 02:29:59 CEST
            ("2026-10-25T00:30:00Z", "c"), // 02:30 CEST, the first pass
            ("2026-10-25T01:30:00Z", "c"), // 02:30 CET, the second
            ("2026-10-26T01:30:00Z", "a"),
        ] {
            assert_eq!(
                nightly.on_call(at(instant)).unwrap().person,
                person,
                "{instant}"
            );
        }
    }

    #[test]
    fn shifts_tile_the_year_in_zones_with_odd_clocks() {
        use chrono_tz::{America::New_York, Asia::Shanghai, Australia::Lord_Howe, Europe::Berlin};
        for zone in [New_York, Shanghai, Lord_Howe, Berlin] {
            for hours in [1, 7, 12, 168] {
                let plan = schedule(zone, vec![regular("2026-01-01T00:30", hours, &["a", "b"])]);
                let mut now = at("2026-01-02T00:00:00Z");
                let end = at("2026-12-31T00:00:00Z");
                while now < end {
                    let shift = plan.on_call(now).unwrap();
                    let until = shift.until.unwrap();
                    assert!(shift.from <= now && until > now, "{zone} {hours}h {now}");
                    let next = plan.on_call(until).unwrap();
                    assert_eq!(next.from, until, "{zone} {hours}h {now}");
                    now = until;
                }
            }
        }
    }

    #[test]
    fn an_event_takes_over_and_gaps_are_found() {
        let sale = DatedEvent {
            name: "sale".into(),
            from: at("2026-11-10T12:00:00Z"),
            to: at("2026-11-11T16:00:00Z"),
        };
        let during = Rotation {
            name: "sale".into(),
            people: vec!["lead".into()],
            turn: Turn::During {
                event: sale,
                every: None,
            },
        };
        let zone = chrono_tz::Asia::Shanghai;
        let both = schedule(
            zone,
            vec![during.clone(), regular("2026-11-02T10:00", 168, &["first"])],
        );
        assert_eq!(
            both.on_call(at("2026-11-10T12:00:00Z")).unwrap().person,
            "lead"
        );
        let before = both.on_call(at("2026-11-10T11:59:59Z")).unwrap();
        assert_eq!(
            (before.person.as_str(), before.until),
            ("first", Some(at("2026-11-10T12:00:00Z")))
        );
        assert_eq!(both.first_gap(at("2026-11-03T00:00:00Z")), None);
        let alone = schedule(zone, vec![during]);
        assert_eq!(
            alone.first_gap(at("2026-11-10T13:00:00Z")),
            Some(at("2026-11-11T16:00:00Z"))
        );
        assert!(alone.first_gap(at("2026-11-01T00:00:00Z")).is_some());
    }
}
