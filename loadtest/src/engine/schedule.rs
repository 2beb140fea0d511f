//! When the slots of one thread's share are due.

use super::{Job, Share};
use crate::arrivals::Slots;
use crate::timing::Nanos;

/// The slots of an open share, one after the other; none of a closed one.
#[derive(Debug)]
pub(crate) struct Schedule {
    slots: Option<Slots>,
    next: Option<Nanos>,
    start: Nanos,
    end: Nanos,
}

impl Schedule {
    /// That of a job, from its start to its end.
    pub(crate) fn of(job: &Job) -> Self {
        let slots = match &job.load {
            Share::Open(plan) => Some(Slots::new(plan.clone(), job.random(0))),
            Share::Closed { .. } => None,
        };
        let mut schedule = Schedule {
            slots,
            next: None,
            start: job.start,
            end: job.end,
        };
        schedule.advance();
        schedule
    }

    /// When the next slot is due; `None` after the last.
    #[inline]
    pub(crate) fn next(&self) -> Option<Nanos> {
        self.next
    }

    /// Takes the next slot when it is due before `until`.
    #[inline]
    pub(crate) fn take_before(&mut self, until: Nanos) -> Option<Nanos> {
        let due = self.next.filter(|due| *due < until)?;
        self.advance();
        Some(due)
    }

    #[inline]
    fn advance(&mut self) {
        self.next = self
            .slots
            .as_mut()
            .and_then(Iterator::next)
            .map(|slot| self.start.plus(slot.0))
            .filter(|slot| *slot < self.end);
    }
}
