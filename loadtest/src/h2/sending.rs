//! The loop: send what is due, take what has ended, write down both.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

use super::alarm::Alarm;
use super::answer::{Call, Ended, Judged, Reader, Sent};
use super::connect::Dialer;
use super::inbox::{Event, Inbox, What};
use super::lane::Lane;
use super::lanes::Lanes;
use super::outgoing::{self, Outgoing};
use super::{RECONNECT_AFTER_MAX, RECONNECT_AFTER_MIN};
use crate::engine::ledger::Ledger;
use crate::engine::schedule::Schedule;
use crate::engine::watch::Watch;
use crate::engine::{EngineError, Job, LOOK_FOR_STOP, RunClock, Share, Stop, Tallies};
use crate::outcome::{Failure, Outcome};
use crate::plan::Protocol;
use crate::random::Random;
use crate::request::Filling;
use crate::timing::{Nanos, Timing};
use crate::tls;

/// Slots that are closer together than this share one waking.
const TOGETHER_NANOS: u64 = 50_000;
/// How long after its last moment a request is still given to notice its own timeout.
const GRACE_NANOS: u64 = 20_000_000;
/// Long enough for the runtime to end what is overdue.
const LAST_TURN: Duration = Duration::from_millis(2);
/// How long a caller of the closed model rests when nothing could be sent for it.
const REST_NANOS: u64 = 50_000_000;
/// Tasks that run before sockets and the alarm are looked at again.
const TASKS_BEFORE_LOOK: u32 = 32;

/// Sends one thread's share over HTTP/2 (of gRPC: as unary calls) until it is over or stopped.
///
/// `job.requests` are prepared; of gRPC with their encoded messages ([`crate::grpc::prepare`]).
pub fn run(job: &Job, clock: &RunClock, stop: &Stop, tallies: &Tallies) -> Result<(), EngineError> {
    let watch = Arc::new(Watch::new(clock.clone()));
    let runtime = runtime(&watch)?;
    runtime.block_on(async { Sending::new(job, stop, tallies, &watch)?.run().await })
}

fn runtime(watch: &Arc<Watch>) -> Result<LocalRuntime, EngineError> {
    let waking = Arc::clone(watch);
    Builder::new_current_thread()
        .enable_all()
        .event_interval(TASKS_BEFORE_LOOK)
        .on_thread_unpark(move || {
            waking.woke();
        })
        .build_local(LocalOptions::default())
        .map_err(EngineError::kernel("make its runtime"))
}

/// Streams on one connection at most: one when a connection is not used again; of the closed model as many
/// as let every connection carry the same number of callers.
fn streams_cap(job: &Job) -> usize {
    match job.load {
        _ if !job.envelope.keep_alive => 1,
        Share::Closed { connections } => connections
            .div_ceil(connections.min(job.connections_max).max(1))
            .max(1) as usize,
        Share::Open(_) => usize::MAX,
    }
}

/// One thread's connections, slots and figures.
struct Sending<'a> {
    job: &'a Job,
    stop: &'a Stop,
    ledger: Ledger<'a>,
    watch: Arc<Watch>,
    alarm: Alarm,
    inbox: Rc<Inbox>,
    dialer: Rc<Dialer>,
    reader: Rc<Reader>,
    outgoing: Outgoing,
    lanes: Lanes,
    /// Requests without a stream, the oldest first; `in_flight_max` bounds them.
    waiting: VecDeque<Call>,
    /// Requests with a stream.
    carried: u64,
    schedule: Schedule,
    /// Callers of the closed model that rest, until the instant.
    resting: VecDeque<Nanos>,
    choice: Random,
    timeout: u64,
    /// No attempt to connect before this, after one failed.
    dial_at: Nanos,
    pause: u64,
}

impl<'a> Sending<'a> {
    fn new(
        job: &'a Job,
        stop: &'a Stop,
        tallies: &'a Tallies,
        watch: &Arc<Watch>,
    ) -> Result<Self, EngineError> {
        let inbox = Rc::new(Inbox::default());
        let name = tls::server_name(&job.host).map_err(|_| EngineError::ServerName {
            host: job.host.clone(),
        });
        let tls = match &job.tls {
            Some(config) => Some((Arc::clone(config), name?)),
            None => None,
        };
        let is_grpc = job.protocol == Protocol::Grpc;
        let filling = Filling::new(job.random(2), job.thread, job.threads);
        Ok(Sending {
            job,
            stop,
            ledger: Ledger::new(tallies, job.thread, job.start),
            watch: Arc::clone(watch),
            alarm: Alarm::new()?,
            dialer: Rc::new(Dialer {
                address: job.address,
                tls,
                timeout: job.timeout,
                streams_cap: streams_cap(job),
                inbox: Rc::clone(&inbox),
                watch: Arc::clone(watch),
            }),
            reader: Rc::new(Reader {
                requests: Arc::clone(&job.requests),
                is_grpc,
                redirects_max: job.redirects_max,
                envelope: job.envelope.clone(),
                inbox: Rc::clone(&inbox),
                watch: Arc::clone(watch),
            }),
            inbox,
            outgoing: Outgoing::new(&job.requests, filling, is_grpc)?,
            lanes: Lanes::default(),
            waiting: VecDeque::new(),
            carried: 0,
            schedule: Schedule::of(job),
            resting: VecDeque::new(),
            choice: job.random(1),
            timeout: Nanos::from_duration(job.timeout).0,
            dial_at: Nanos(0),
            pause: RECONNECT_AFTER_MIN.as_nanos() as u64,
        })
    }

    async fn run(mut self) -> Result<(), EngineError> {
        let mut now = self.wait_for_start().await?;
        self.watch.take_longest();
        if let Share::Closed { connections } = self.job.load {
            (0..connections).for_each(|_| self.begin_caller(now));
        }
        while !self.is_over(now) {
            let turns_at = self.ledger.turns_at();
            if now >= turns_at {
                self.work(turns_at);
                self.note();
                self.ledger.turn(now);
            }
            self.work(now.plus(1));
            self.note();
            now = self.sleep().await?;
        }
        if self.carried > 0 && !self.stop.is_raised() {
            // Their time is up: the runtime's timers tell each of them once it is its turn.
            tokio::time::sleep(LAST_TURN).await;
            now = self.watch.now();
        }
        self.work(now.plus(1));
        self.give_up(now);
        self.note();
        self.ledger.finish(now);
        Ok(())
    }

    fn is_over(&self, now: Nanos) -> bool {
        let answered = now >= self.job.end && self.in_flight() == 0;
        answered
            || self.stop.is_raised()
            || self.ledger.listener_gone()
            || now >= self.job.end.plus(self.timeout + GRACE_NANOS)
    }

    fn in_flight(&self) -> u64 {
        self.carried + self.waiting.len() as u64
    }

    /// The connections that will be needed are made before the first request is due.
    async fn wait_for_start(&mut self) -> Result<Nanos, EngineError> {
        let mut now = self.watch.now();
        while now < self.job.start && !self.stop.is_raised() {
            self.take_events(now.plus(1));
            self.dial(now);
            self.rest_until(self.job.start, now).await?;
            now = self.watch.now();
        }
        Ok(now)
    }

    /// Everything that was due or happened before an instant.
    fn work(&mut self, until: Nanos) {
        self.take_events(until);
        self.send_due(until);
        let now = self.watch.now();
        self.look_for_overdue(now);
        self.dial(now);
    }

    fn note(&mut self) {
        let (bytes_in, bytes_out) = self.inbox.take_bytes();
        let counts = &mut self.ledger.tally().counts;
        counts.bytes_in += bytes_in;
        counts.bytes_out += bytes_out;
        let in_flight = self.in_flight();
        self.ledger.in_flight(in_flight);
        let away = self.watch.take_longest();
        self.ledger.away(away);
    }

    /// Sleeps until something comes or something is due.
    async fn sleep(&mut self) -> Result<Nanos, EngineError> {
        let now = self.watch.now();
        let mut until = self.ledger.turns_at();
        for due in [self.schedule.next(), self.resting.front().copied()] {
            until = until.min(due.unwrap_or(until));
        }
        if let Some(call) = self.waiting.front() {
            until = until.min(call.intended.plus(self.timeout));
            until = until.min(if self.dial_at > now {
                self.dial_at
            } else {
                until
            });
        }
        if now < self.job.end {
            until = until.min(self.job.end);
        }
        self.rest_until(until, now).await?;
        Ok(self.watch.now())
    }

    async fn rest_until(&mut self, until: Nanos, now: Nanos) -> Result<(), EngineError> {
        let longest = now.plus(LOOK_FOR_STOP.as_nanos() as u64);
        let until = until.max(now.plus(TOGETHER_NANOS)).min(longest);
        let rings = self.alarm.set(until, now)?;
        self.watch.wants(rings);
        let (alarm, inbox) = (&mut self.alarm, &self.inbox);
        poll_fn(|cx| {
            if inbox.poll_some(cx) {
                return Poll::Ready(());
            }
            alarm.poll_rang(cx)
        })
        .await;
        Ok(())
    }

    /// Offers every slot that is due. A slot that is too late was missed, never sent in a burst.
    fn send_due(&mut self, until: Nanos) {
        let mut now = self.watch.now();
        while let Some(due) = self.schedule.take_before(until) {
            if self.ledger.slot(due, now, self.job.catch_up) {
                self.offer(due);
                now = self.watch.now();
            }
        }
    }

    /// A caller of the closed model comes.
    fn begin_caller(&mut self, now: Nanos) {
        if now < self.job.end {
            self.ledger.tally().counts.intended += 1;
            self.offer(now);
        }
    }

    fn offer(&mut self, due: Nanos) {
        if self.in_flight() >= u64::from(self.job.in_flight_max) {
            let counts = &mut self.ledger.tally().counts;
            counts.missed += 1;
            counts.capped += 1;
            self.send_caller_to_rest(due);
            return;
        }
        let request = self.job.requests.choose(self.choice.bits()).0;
        self.waiting.push_back(Call::due(due, request));
        self.assign();
    }

    /// Gives free streams to the requests that wait longest.
    fn assign(&mut self) {
        while !self.waiting.is_empty() {
            let Some(lane) = self.lanes.take() else {
                return;
            };
            if let Some(call) = self.waiting.pop_front() {
                self.send(&lane, call);
            }
            self.lanes.give_back(&lane);
        }
    }

    fn send(&mut self, lane: &Rc<Lane>, mut call: Call) {
        call.eligible = self.lanes.room_since().max(call.eligible);
        if self.job.is_closed() && call.path.is_none() {
            // A caller of the closed model is not due before it can go.
            call.intended = call.eligible;
        }
        let whole = match &call.path {
            None => self.outgoing.make(call.request),
            Some(path) => outgoing::following(path, &self.job.envelope),
        };
        if let Some((head, _)) = whole.as_ref().filter(|_| self.job.redirects_max > 0) {
            call.asked = head.uri().path_and_query().cloned();
        }
        let Some((response, body)) = whole.and_then(|(head, body)| lane.send(head, body)) else {
            // Never sent, and by no fault of the target.
            self.ledger.tally().counts.missed += 1;
            let now = self.watch.now();
            self.send_caller_to_rest(now);
            return;
        };
        self.ledger.tally().counts.sent += 1;
        self.carried += 1;
        // What the target made it wait counts against its patience, what this side is late does not.
        let waited = call.eligible.since(call.intended);
        let sent = Sent {
            lane: Rc::clone(lane),
            stamp: lane.stamps.queue(),
            patience: Nanos(self.timeout.saturating_sub(waited)).duration(),
            call,
            response,
            body,
        };
        tokio::task::spawn_local(Rc::clone(&self.reader).read(sent));
    }

    fn take_events(&mut self, until: Nanos) {
        while let Some(Event { at, what }) = self.inbox.take_before(until) {
            match what {
                What::Ended(ended) => self.ended(*ended),
                What::Opened(lane) => {
                    self.ledger.tally().counts.connects += 1;
                    self.pause = RECONNECT_AFTER_MIN.as_nanos() as u64;
                    self.lanes.opened(&lane, at);
                }
                What::Changed(lane) => self.lanes.offer(&lane, at),
                What::Leaving(lane) => self.lanes.leave(&lane),
                What::NotOpened(failure) => self.not_opened(failure, at),
            }
            self.assign();
        }
    }

    fn ended(&mut self, ended: Ended) {
        let Ended {
            lane,
            call,
            timing,
            judged,
        } = ended;
        self.carried = self.carried.saturating_sub(1);
        let over = match judged {
            Judged::Is(outcome) => {
                self.record(timing, outcome);
                true
            }
            Judged::Follow(path) => {
                self.waiting.push_front(Call {
                    path: Some(path),
                    redirects: call.redirects + 1,
                    eligible: timing.done,
                    ..call
                });
                false
            }
        };
        lane.release();
        if self.job.envelope.keep_alive {
            self.lanes.offer(&lane, timing.done);
        } else {
            self.lanes.leave(&lane);
        }
        if over && self.job.is_closed() {
            self.begin_caller(timing.done);
        }
    }

    fn record(&mut self, timing: Timing, outcome: Outcome) {
        self.ledger.tally().record(&timing, outcome);
    }

    fn not_opened(&mut self, failure: Failure, at: Nanos) {
        self.lanes.not_opened();
        self.dial_at = at.plus(self.pause);
        self.pause = (self.pause * 2).min(RECONNECT_AFTER_MAX.as_nanos() as u64);
        if self.lanes.is_empty() {
            for _ in 0..self.waiting.len() {
                self.fail_oldest(failure, at);
            }
        }
    }

    fn fail_oldest(&mut self, failure: Failure, now: Nanos) {
        if let Some(call) = self.waiting.pop_front() {
            self.record(
                Timing::never_sent(call.intended, now),
                Outcome::Failed(failure),
            );
            self.send_caller_to_rest(now);
        }
    }

    fn send_caller_to_rest(&mut self, now: Nanos) {
        if self.job.is_closed() {
            self.resting.push_back(now.plus(REST_NANOS));
        }
    }

    /// Ends what waits for too long, and lets callers come back that rested.
    fn look_for_overdue(&mut self, now: Nanos) {
        let timeout = self.timeout;
        let overdue = |call: &mut Call| call.intended.plus(timeout) <= now;
        while let Some(call) = self.waiting.pop_front_if(overdue) {
            self.waiting.push_front(call);
            self.fail_oldest(Failure::Timeout, now);
        }
        while self.resting.pop_front_if(|until| *until <= now).is_some() {
            self.begin_caller(now);
        }
    }

    /// Makes as many connections as are needed: of the closed model one for each caller, else as many as
    /// the waiting requests need, and one at least.
    fn dial(&mut self, now: Nanos) {
        let over = now >= self.job.end && self.waiting.is_empty();
        if now < self.dial_at || over {
            return;
        }
        let connections_max = self.job.connections_max.max(1) as usize;
        let needed = match self.job.load {
            Share::Closed { connections } => self
                .lanes
                .missing_to(connections_max.min(connections as usize)),
            Share::Open(_) => self
                .lanes
                .wanted(self.waiting.len(), connections_max)
                .max(self.lanes.missing_to(1)),
        };
        for _ in 0..needed {
            self.lanes.begin();
            tokio::task::spawn_local(Rc::clone(&self.dialer).dial());
        }
    }

    /// What is in flight when time is over never got an answer; what is in flight at a stop is not judged.
    fn give_up(&mut self, now: Nanos) {
        if self.stop.is_raised() {
            return;
        }
        for _ in 0..self.waiting.len() {
            self.fail_oldest(Failure::Timeout, now);
        }
    }
}
