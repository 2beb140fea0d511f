//! Who is on call at a moment: a pure function of the schedule and the instant.
//!
//! Hand-overs are steps in local wall time, so "Monday 10:00" stays Monday 10:00 over a change of
//! the clocks. A hand-over in a gap happens at its end, one in an overlap at its first pass; every
//! instant therefore has at most one person, and exactly one where shifts follow each other.

mod agenda;
mod cron;
mod overrides;
#[cfg(test)]
mod tests;
mod turn;

use std::time::Duration;

use chrono::NaiveDateTime;
use chrono_tz::Tz;
use model::{DatedEvent, Timestamp};
use serde::Serialize;

pub use agenda::Span;
pub use cron::{CronError, CronLine};
pub use overrides::{Override, Overrides};

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
    /// At the times of a cron line, each for as long as it lasts on the wall clock.
    Cron {
        /// When shifts begin.
        line: CronLine,
        /// How long each lasts, unless the next one begins before.
        lasts: Duration,
        /// No shift begins before this local time, and turns are counted from it; needed for
        /// several people.
        start: Option<NaiveDateTime>,
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
    /// Changes that are looked at for the end of a shift.
    const EDGES_MAX: usize = 200;

    /// Who is on call at `now` and until when, if nothing is changed; `None` while nobody is. What
    /// was `taken` over beats events, which beat regular rotations.
    pub fn on_call(&self, now: Timestamp, taken: &[&Override]) -> Option<Shift> {
        let mut shift = self.shift(now, taken)?;
        shift.until = None;
        let mut at = now;
        for _ in 0..Self::EDGES_MAX {
            at = self.next_edge(at, taken)?.max(at);
            let same = self.shift(at, taken).is_some_and(|next| {
                (&next.rotation, &next.person, next.from)
                    == (&shift.rotation, &shift.person, shift.from)
            });
            if !same {
                shift.until = Some(at);
                return Some(shift);
            }
        }
        Some(shift)
    }

    /// Who is on call at `now`. Until when is said by the shift's own rotation, not by what may
    /// interrupt it.
    pub fn shift(&self, now: Timestamp, taken: &[&Override]) -> Option<Shift> {
        let mut latest = taken.iter().rev();
        if let Some(taken) = latest.find(|taken| taken.from <= now && now < taken.to) {
            return Some(Shift {
                rotation: Overrides::NAME.to_owned(),
                person: taken.person.clone(),
                from: taken.from,
                until: Some(taken.to),
            });
        }
        let covering = |during: bool| {
            let rotations = self.rotations.iter().rev();
            rotations
                .filter(move |rotation| rotation.is_during() == during)
                .find_map(|rotation| rotation.shift(self.zone, now))
        };
        covering(true).or_else(|| covering(false))
    }

    /// The first instant after `now` at which anything about this schedule begins or ends.
    pub fn next_edge(&self, now: Timestamp, taken: &[&Override]) -> Option<Timestamp> {
        let rotations = self.rotations.iter();
        let edges = rotations.filter_map(|rotation| rotation.next_edge(self.zone, now));
        let taken = taken.iter().flat_map(|taken| [taken.from, taken.to]);
        edges.chain(taken.filter(|edge| *edge > now)).min()
    }

    /// Everybody who ever takes a turn.
    pub fn people(&self) -> impl Iterator<Item = &str> {
        self.rotations
            .iter()
            .flat_map(|rotation| rotation.people.iter().map(String::as_str))
    }
}
