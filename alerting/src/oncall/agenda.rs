//! The coming days of a schedule: who follows whom, and where nobody is.

use std::time::Duration;

use model::Timestamp;

use super::{Override, Schedule};

/// A stretch of time with one person on call, or with nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// First instant.
    pub from: Timestamp,
    /// First instant after it.
    pub to: Timestamp,
    /// The rotation and the person, or nobody.
    pub who: Option<(String, String)>,
}

/// Changes that are looked at; an agenda with more ends early.
const CHANGES_MAX: usize = 5_000;

impl Schedule {
    /// How far ahead gaps are looked for.
    pub const GAP_HORIZON: Duration = Duration::from_hours(30 * 24);

    /// Who is on call from `from` to `to`, without holes: the end of each is the beginning of the
    /// next.
    pub fn agenda(&self, from: Timestamp, to: Timestamp, taken: &[&Override]) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        let mut at = from;
        for _ in 0..CHANGES_MAX {
            if at >= to {
                break;
            }
            let edge = self.next_edge(at, taken).map_or(to, |edge| edge.min(to));
            let shift = self.shift(at, taken);
            let who = shift.map(|shift| (shift.rotation, shift.person));
            match spans.last_mut() {
                Some(last) if last.who == who => last.to = edge,
                _ => spans.push(Span {
                    from: at,
                    to: edge,
                    who,
                }),
            }
            at = edge;
        }
        spans
    }

    /// Where nobody is on call within the coming [`Schedule::GAP_HORIZON`].
    pub fn gaps(&self, now: Timestamp, taken: &[&Override]) -> Vec<(Timestamp, Timestamp)> {
        let agenda = self.agenda(now, now + Self::GAP_HORIZON, taken);
        let empty = agenda.into_iter().filter(|span| span.who.is_none());
        empty.map(|span| (span.from, span.to)).collect()
    }

    /// Who follows whoever is on call now, within the coming [`Schedule::GAP_HORIZON`].
    pub fn next_after(&self, now: Timestamp, taken: &[&Override]) -> Option<Span> {
        let agenda = self.agenda(now, now + Self::GAP_HORIZON, taken);
        agenda.into_iter().skip(1).find(|span| span.who.is_some())
    }
}
