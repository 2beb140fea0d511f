//! What a sending thread writes down, handed over second by second.

use std::sync::mpsc::TrySendError;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::{SecondTally, Tallies};
use crate::tally::Tally;
use crate::timing::Nanos;

const SECOND: u64 = 1_000_000_000;

/// The tally of the second at hand, and the way to the run that adds it up.
#[derive(Debug)]
pub struct Ledger<'a> {
    tallies: &'a Tallies,
    thread: u64,
    start: Nanos,
    tally: Box<Tally>,
    second: u32,
    opened: Nanos,
    cpu_nanos: u64,
    listener_gone: bool,
}

impl<'a> Ledger<'a> {
    /// An empty one; second 0 begins at `start`.
    pub fn new(tallies: &'a Tallies, thread: u64, start: Nanos) -> Self {
        Ledger {
            tallies,
            thread,
            start,
            tally: Box::default(),
            second: 0,
            opened: start,
            cpu_nanos: thread_cpu_nanos(),
            listener_gone: false,
        }
    }

    /// Where to count.
    #[inline]
    pub fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    /// When the second at hand ends.
    #[inline]
    pub fn turns_at(&self) -> Nanos {
        self.start.plus((u64::from(self.second) + 1) * SECOND)
    }

    /// Counts a slot that came due. Gives whether it is still to be sent at `now`: one that is later than
    /// `catch_up` was missed.
    #[inline]
    pub(crate) fn slot(&mut self, due: Nanos, now: Nanos, catch_up: Duration) -> bool {
        let late = now.since(due);
        self.tally.counts.intended += 1;
        let is_missed = late > catch_up.as_nanos() as u64;
        if is_missed {
            self.tally.counts.missed += 1;
            self.tally.lag.record(late);
        }
        !is_missed
    }

    /// Notes how many requests are in flight.
    #[inline]
    pub fn in_flight(&mut self, requests: u64) {
        self.tally.in_flight = requests;
        self.tally.in_flight_max = self.tally.in_flight_max.max(requests);
    }

    /// Notes that the loop was away for so long.
    #[inline]
    pub fn away(&mut self, nanos: u64) {
        self.tally.loop_gap_nanos_max = self.tally.loop_gap_nanos_max.max(nanos);
    }

    /// Hands over the second when it is over. A run that does not keep up gets it added to the next one:
    /// sending never waits for being watched.
    #[inline]
    pub fn turn(&mut self, now: Nanos) {
        if now >= self.turns_at() {
            self.hand_over(now);
        }
    }

    /// Hands over what is left.
    pub fn finish(mut self, now: Nanos) {
        self.close_tally(now);
        let last = SecondTally {
            second: self.second,
            thread: self.thread,
            tally: self.tally,
        };
        // The last word of a thread may wait: nothing is sent any more.
        let _ = self.tallies.send(last);
    }

    /// Whether nobody listens any more.
    pub fn listener_gone(&self) -> bool {
        self.listener_gone
    }

    fn hand_over(&mut self, now: Nanos) {
        self.close_tally(now);
        let in_flight = self.tally.in_flight;
        let full = SecondTally {
            second: self.second,
            thread: self.thread,
            tally: std::mem::take(&mut self.tally),
        };
        match self.tallies.try_send(full) {
            Ok(()) => {}
            Err(TrySendError::Full(kept)) => self.tally = kept.tally,
            Err(TrySendError::Disconnected(_)) => self.listener_gone = true,
        }
        self.opened = now;
        self.second = u32::try_from(now.since(self.start) / SECOND).unwrap_or(u32::MAX);
        self.in_flight(in_flight);
    }

    fn close_tally(&mut self, now: Nanos) {
        let cpu = thread_cpu_nanos();
        self.tally.cpu_nanos += cpu.saturating_sub(self.cpu_nanos);
        self.cpu_nanos = cpu;
        self.tally.span_nanos += now.since(self.opened);
        self.tally.threads = 1;
    }
}

/// CPU time that this thread has used, in nanoseconds.
pub fn thread_cpu_nanos() -> u64 {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(used.tv_sec).unwrap_or(0) * SECOND + u64::try_from(used.tv_nsec).unwrap_or(0)
}
