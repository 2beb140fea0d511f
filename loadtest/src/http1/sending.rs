//! The sending half of the loop: connections for calls, requests into connections.

use std::io;

use rustix::event::epoll::{self, EventData, EventFlags};

use super::call::Call;
use super::connection::{Connection, Phase};
use super::event_loop::EventLoop;
use super::failure::{of_connecting, of_session};
use super::framing::Answer;
use super::redirect;
use super::transport::Transport;
use crate::outcome::{Failure, Outcome};
use crate::timing::{Nanos, Timing};

/// How long a caller of the closed model rests after a failed attempt to connect.
const REST_NANOS: u64 = 50_000_000;

impl EventLoop<'_> {
    pub(super) fn offer(&mut self, due: Nanos) {
        if self.pool.in_flight() >= u64::from(self.job.in_flight_max) {
            let counts = &mut self.ledger.tally().counts;
            counts.missed += 1;
            counts.capped += 1;
            return;
        }
        let call = Call::due(due);
        match self.pool.take_idle() {
            Some(place) => self.assign(place, call, due),
            None => self.wait_for_connection(call),
        }
    }

    /// A caller of the closed model comes.
    pub(super) fn begin_caller(&mut self, now: Nanos) {
        if now < self.job.end {
            self.ledger.tally().counts.intended += 1;
            self.offer(now);
        }
    }

    pub(super) fn wait_for_connection(&mut self, call: Call) {
        self.pool.waiting().push_back(call);
        self.open_when_wanted();
    }

    pub(super) fn open_when_wanted(&mut self) {
        if self.pool.wants_more(self.job.connections_max) {
            self.open();
        }
    }

    pub(super) fn open(&mut self) {
        let tls = self.job.tls.as_ref().zip(self.server_name.as_ref());
        let transport = match Transport::open(self.job.address, tls) {
            Ok(transport) => transport,
            Err(error) => return self.could_not_connect(&error),
        };
        let until = self.watch.now().plus(self.timeout);
        let (place, generation) = self.pool.insert(|generation| Connection {
            transport,
            phase: Phase::Connecting { until },
            generation,
            answer: Answer::default(),
            out: Vec::new(),
            taken: 0,
            served: 0,
        });
        let Some(connection) = self.pool.at(place) else {
            return;
        };
        let token = (u64::from(generation) << 32) | place as u64;
        let added = epoll::add(
            &self.epoll,
            connection.transport.stream(),
            EventData::new_u64(token),
            EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET,
        );
        if let Err(error) = added {
            self.pool.remove(place);
            self.could_not_connect(&error.into());
        }
    }

    /// An attempt was made for the call that waits longest; that call fails with it.
    pub(super) fn could_not_connect(&mut self, error: &io::Error) {
        self.fail_waiting(of_connecting(error));
    }

    pub(super) fn fail_waiting(&mut self, failure: Failure) {
        let now = self.watch.now();
        if let Some(call) = self.pool.waiting().pop_front() {
            self.record(
                Timing::never_sent(call.intended, now),
                Outcome::Failed(failure),
            );
            self.send_caller_to_rest(now);
        }
    }

    pub(super) fn send_caller_to_rest(&mut self, now: Nanos) {
        if self.job.is_closed() {
            self.pool.resting().push_back(now.plus(REST_NANOS));
        }
    }

    pub(super) fn record(&mut self, timing: Timing, outcome: Outcome) {
        self.ledger.tally().record(&timing, outcome);
    }

    /// Lets a free connection carry a call and writes its request at once.
    #[inline]
    pub(super) fn assign(&mut self, place: usize, mut call: Call, free_since: Nanos) {
        call.eligible = free_since.max(call.intended);
        let requests = &self.job.requests;
        let index = match call.request {
            Some(index) => index,
            None => requests.choose(self.choice.bits()).0,
        };
        call.request = Some(index);
        let (Some(request), Some(connection)) =
            (requests.requests().get(index), self.pool.at(place))
        else {
            return;
        };
        connection.answer.reset();
        connection.out.clear();
        connection.taken = 0;
        match &call.path {
            None => request.write_http1(&mut self.filling, &mut connection.out),
            Some(path) => redirect::write(path, &self.job.envelope, &mut connection.out),
        }
        let length = connection.out.len() as u64;
        // The instant just before the kernel has it: what follows is the target's time.
        call.written = self.watch.now();
        let flushed = connection.flush();
        let counts = &mut self.ledger.tally().counts;
        counts.sent += 1;
        counts.bytes_out += length;
        self.pool.occupy(place, call);
        if let Err(error) = flushed {
            self.fail(place, of_session(&error));
        }
    }

    pub(super) fn go_on_connecting(&mut self, place: usize) {
        let Some(connection) = self.pool.at(place) else {
            return;
        };
        if let Phase::Connecting { until } = connection.phase {
            if let Err(error) = connection.transport.connected() {
                self.pool.remove(place);
                return self.could_not_connect(&error);
            }
            connection.phase = Phase::Shaking { until };
        }
        match connection.transport.shake_hands() {
            Ok(true) => {
                self.pool.opened(place);
                self.ledger.tally().counts.connects += 1;
                let now = self.watch.now();
                let made = self.watch.happened(now, now);
                self.set_free(place, made);
            }
            Ok(false) => {}
            Err(_) => {
                self.pool.remove(place);
                self.fail_waiting(Failure::Tls);
            }
        }
    }

    /// A connection is free: it takes the call that waits longest, or rests.
    #[inline]
    pub(super) fn set_free(&mut self, place: usize, now: Nanos) {
        let fresh = self
            .pool
            .at(place)
            .is_some_and(|connection| connection.served == 0);
        match self.pool.take_waiting(fresh) {
            Some(call) => self.assign(place, call, now),
            None => self.pool.rest(place),
        }
    }
}
