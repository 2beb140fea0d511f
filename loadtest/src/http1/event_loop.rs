//! The loop: send what is due, read what has come, write down both.

use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event};
use rustix::time::Timespec;
use rustls::pki_types::ServerName;

use super::pool::Pool;
use crate::engine::ledger::Ledger;
use crate::engine::schedule::Schedule;
use crate::engine::watch::Watch;
use crate::engine::{EngineError, Job, LOOK_FOR_STOP, RunClock, Share, Stop, Tallies};
use crate::random::Random;
use crate::request::Filling;
use crate::timing::Nanos;

/// Read at once, in bytes; one buffer serves all connections of a thread.
const READ_BYTES_MAX: usize = 64 * 1024;
/// Notices taken from the kernel in one turn.
const EVENTS_MAX: usize = 512;
/// Timeouts are noticed this much late at most.
pub(super) const OVERDUE_LOOK_NANOS: u64 = 10_000_000;
/// Everything in flight is answered or overdue by so long after the end and the timeout.
const GRACE_NANOS: u64 = 1_000_000_000;

/// Sends one thread's share until it is over or stopped.
pub fn run(job: &Job, clock: &RunClock, stop: &Stop, tallies: &Tallies) -> Result<(), EngineError> {
    // Sleeps end when they were to end, not up to 50 µs later.
    rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1))
        .map_err(EngineError::kernel("ask for exact timers"))?;
    EventLoop::new(job, clock, stop, tallies)?.run()
}

/// One thread's sockets, slots and figures. Its two halves are in `sending` and `receiving`.
pub(super) struct EventLoop<'a> {
    pub(super) job: &'a Job,
    pub(super) stop: &'a Stop,
    pub(super) epoll: OwnedFd,
    pub(super) server_name: Option<ServerName<'static>>,
    pub(super) pool: Pool,
    pub(super) schedule: Schedule,
    pub(super) choice: Random,
    pub(super) filling: Filling,
    pub(super) buffer: Box<[u8]>,
    pub(super) ledger: Ledger<'a>,
    pub(super) watch: Watch,
    pub(super) timeout: u64,
    pub(super) next_look: Nanos,
}

impl<'a> EventLoop<'a> {
    fn new(
        job: &'a Job,
        clock: &RunClock,
        stop: &'a Stop,
        tallies: &'a Tallies,
    ) -> Result<Self, EngineError> {
        let epoll =
            epoll::create(CreateFlags::CLOEXEC).map_err(EngineError::kernel("wait for sockets"))?;
        let server_name = match job.tls {
            Some(_) => Some(ServerName::try_from(job.host.clone()).map_err(|_| {
                EngineError::ServerName {
                    host: job.host.clone(),
                }
            })?),
            None => None,
        };
        Ok(EventLoop {
            job,
            stop,
            epoll,
            server_name,
            pool: Pool::default(),
            schedule: Schedule::of(job),
            choice: job.random(1),
            filling: Filling::new(job.random(2), job.thread, job.threads),
            buffer: vec![0; READ_BYTES_MAX].into_boxed_slice(),
            ledger: Ledger::new(tallies, job.thread, job.start),
            watch: Watch::new(clock.clone()),
            timeout: Nanos::from_duration(job.timeout).0,
            next_look: Nanos(0),
        })
    }

    fn run(mut self) -> Result<(), EngineError> {
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS_MAX);
        let mut now = self.wait_for_start()?;
        if let Share::Closed { connections } = self.job.load {
            for _ in 0..connections {
                self.begin_caller(now);
            }
        }
        while !self.is_over(now) {
            now = self.send_due(now);
            self.look_for_overdue(now);
            self.ledger.in_flight(self.pool.in_flight());
            self.ledger.turn(now);
            now = self.sleep(&mut events, now)?;
            for event in events.drain(..) {
                self.send_due(now);
                self.react(event);
                now = self.watch.last();
            }
            let away = self.watch.take_longest();
            self.ledger.away(away);
        }
        self.ledger.in_flight(self.pool.in_flight());
        self.ledger.finish(now);
        Ok(())
    }

    fn is_over(&self, now: Nanos) -> bool {
        let answered = now >= self.job.end && self.pool.in_flight() == 0;
        answered
            || self.stop.is_raised()
            || self.ledger.listener_gone()
            || now >= self.job.end.plus(self.timeout + GRACE_NANOS)
    }

    fn wait_for_start(&mut self) -> Result<Nanos, EngineError> {
        let mut none = Vec::with_capacity(1);
        let mut now = self.watch.now();
        while now < self.job.start && !self.stop.is_raised() {
            now = self.wait_until(
                &mut none,
                self.job
                    .start
                    .min(now.plus(LOOK_FOR_STOP.as_nanos() as u64)),
                now,
            )?;
        }
        self.watch.take_longest();
        Ok(now)
    }

    /// Sleeps until something comes or something is due.
    fn sleep(&mut self, events: &mut Vec<Event>, mut now: Nanos) -> Result<Nanos, EngineError> {
        let mut until = now
            .plus(LOOK_FOR_STOP.as_nanos() as u64)
            .min(self.ledger.turns_at());
        if self.pool.in_flight() > 0 || self.pool.is_resting() {
            until = until.min(self.next_look);
        }
        if let Some(slot) = self.schedule.next() {
            until = until.min(slot);
            // Not the instant before the last request was written: the sleep shall end at the slot.
            now = self.watch.now();
        }
        self.wait_until(events, until, now)
    }

    fn wait_until(
        &mut self,
        events: &mut Vec<Event>,
        until: Nanos,
        now: Nanos,
    ) -> Result<Nanos, EngineError> {
        self.watch.wants(until);
        let nanos = until.since(now);
        let mut timeout = Timespec {
            tv_sec: (nanos / 1_000_000_000).cast_signed(),
            tv_nsec: (nanos % 1_000_000_000).cast_signed(),
        };
        loop {
            match epoll::wait(&self.epoll, spare_capacity(events), Some(&timeout)) {
                Ok(_) => return Ok(self.watch.woke()),
                // A process that was stopped wakes with nothing. What came while it was away is taken in
                // the turn that knows of it.
                Err(rustix::io::Errno::INTR) => timeout = Timespec::default(),
                Err(refused) => return Err(EngineError::kernel("wait for sockets")(refused)),
            }
        }
    }

    /// Offers every slot that is due. A slot that is too late was missed, never sent in a burst.
    #[inline]
    pub(super) fn send_due(&mut self, mut now: Nanos) -> Nanos {
        while let Some(due) = self.schedule.take_before(now.plus(1)) {
            self.ledger.turn(now);
            if self.ledger.slot(due, now, self.job.catch_up) {
                self.offer(due);
                now = self.watch.now();
            }
        }
        now
    }
}
