//! The receiving half of the loop: answers, and what came of their calls.

use rustix::event::epoll::{Event, EventFlags};

use super::call::Call;
use super::connection::Phase;
use super::event_loop::{EventLoop, OVERDUE_LOOK_NANOS};
use super::failure::of_session;
use super::framing::Want;
use super::redirect::{self, Leads};
use super::transport::Received;
use crate::outcome::{Failure, Outcome};
use crate::request::Request;
use crate::timing::Nanos;

/// What an answer means for its call.
enum Judged {
    /// It is over.
    Is(Outcome),
    /// It goes on at another path of the target.
    Follow(Box<str>),
}

impl EventLoop<'_> {
    /// Reacts to one notice from the kernel.
    #[inline]
    pub(super) fn react(&mut self, event: Event) {
        let token = { event.data }.u64();
        let has_ended =
            { event.flags }.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
        let (place, generation) = ((token & 0xffff_ffff) as usize, (token >> 32) as u32);
        let Some(connection) = self.pool.get(place, generation) else {
            return;
        };
        match connection.phase {
            Phase::Connecting { .. } | Phase::Shaking { .. } => self.go_on_connecting(place),
            Phase::Idle | Phase::Busy(_) => {
                if connection.is_writing()
                    && let Err(error) = connection.flush()
                {
                    return self.fail(place, of_session(&error));
                }
                self.receive(place, generation, has_ended);
            }
        }
    }

    /// Reads until nothing is left. An end that the kernel told together with the bytes before it is not
    /// told again, so that it is read for here.
    #[inline]
    fn receive(&mut self, place: usize, generation: u32, has_ended: bool) {
        loop {
            let Some(connection) = self.pool.get(place, generation) else {
                return;
            };
            let received = match connection.transport.receive(&mut self.buffer) {
                Ok(received) => received,
                Err(error) => return self.fail(place, of_session(&error)),
            };
            let (length, may_be_more) = match received {
                Received::Nothing => return,
                Received::End => return self.ended(place),
                Received::Bytes(length, may_be_more) => (length, may_be_more),
            };
            self.ledger.tally().counts.bytes_in += length as u64;
            if self.take(place, length, has_ended) || !(may_be_more || has_ended) {
                return;
            }
        }
    }

    /// Gives bytes to the answer; true when the connection must not be read further in this turn. One
    /// that has ended carries nothing after it.
    #[inline]
    fn take(&mut self, place: usize, length: usize, has_ended: bool) -> bool {
        let Some(connection) = self.pool.at(place) else {
            return true;
        };
        let Phase::Busy(call) = &connection.phase else {
            // Nobody asked: a connection that speaks out of turn is not used again.
            self.pool.remove(place);
            return true;
        };
        let request = call
            .request
            .and_then(|index| self.job.requests.requests().get(index));
        let want = Want {
            to_head: call.path.is_none() && request.is_some_and(Request::is_head),
            headers: self.job.redirects_max > 0
                || request.is_some_and(|request| request.expect.needs_headers()),
            body: request.is_some_and(|request| request.expect.needs_body()),
        };
        let bytes = self.buffer.get(..length).unwrap_or_default();
        match connection.answer.feed(bytes, want) {
            Ok(taken) if connection.answer.is_done() => {
                let clean = taken == length && connection.answer.is_reusable() && !has_ended;
                self.answered(place, clean);
                true
            }
            Ok(_) => false,
            Err(failure) => {
                self.fail(place, failure);
                true
            }
        }
    }

    /// The other side will send nothing more.
    fn ended(&mut self, place: usize) {
        let Some(connection) = self.pool.at(place) else {
            return;
        };
        if !matches!(connection.phase, Phase::Busy(_)) {
            self.pool.remove(place);
            return;
        }
        match connection.answer.close() {
            Ok(()) => self.answered(place, false),
            Err(failure) => self.fail(place, failure),
        }
    }

    /// An answer is whole.
    #[inline]
    fn answered(&mut self, place: usize, reusable: bool) {
        let now = self.watch.now();
        let Some(judged) = self.judge(place) else {
            return;
        };
        let Some(call) = self.pool.release(place) else {
            return;
        };
        let happened = self.watch.happened(now, call.written);
        if let Some(connection) = self.pool.at(place) {
            connection.served += 1;
        }
        match judged {
            Judged::Is(outcome) => {
                self.record(call.ended(happened), outcome);
                self.make_ready(place, reusable, happened);
                self.after_call(now);
            }
            Judged::Follow(path) => {
                let next = Call {
                    path: Some(path),
                    redirects: call.redirects + 1,
                    ..call
                };
                self.pool.waiting().push_front(next);
                self.make_ready(place, reusable, happened);
            }
        }
    }

    /// What an answer that is whole means.
    fn judge(&mut self, place: usize) -> Option<Judged> {
        let connection = self.pool.at(place)?;
        let Phase::Busy(call) = &connection.phase else {
            return None;
        };
        let request = self.job.requests.requests().get(call.request?)?;
        let answer = &connection.answer;
        let status = answer.status();
        if self.job.redirects_max > 0
            && matches!(status, 301 | 302 | 303 | 307 | 308)
            && request.may_follow()
            && let Some(location) = answer.header("location")
        {
            let asked = redirect::asked(&connection.out);
            return Some(
                match redirect::follow(location, asked, &self.job.envelope) {
                    Leads::Within(path) if call.redirects < self.job.redirects_max => {
                        Judged::Follow(path)
                    }
                    _ => Judged::Is(Outcome::Failed(Failure::Redirect)),
                },
            );
        }
        let met = request
            .expect
            .judge(status, &|name| answer.header(name), answer.body());
        Some(Judged::Is(match (met, status) {
            (true, _) => Outcome::Ok { status },
            (false, 429) => Outcome::Limited,
            (false, _) => Outcome::Unexpected { status },
        }))
    }

    /// The connection is free, or no longer to be used.
    #[inline]
    fn make_ready(&mut self, place: usize, reusable: bool, free_since: Nanos) {
        if reusable && self.job.envelope.keep_alive {
            self.set_free(place, free_since);
        } else {
            self.pool.remove(place);
            self.open_when_wanted();
        }
    }

    /// A caller of the closed model goes on at once.
    #[inline]
    fn after_call(&mut self, now: Nanos) {
        if self.job.is_closed() {
            self.begin_caller(now);
        }
    }

    /// A connection broke. A call that met a connection which the other side had closed meanwhile is
    /// sent again on another (RFC 9112, section 9.3.1), once, and its clock goes on; any other failed.
    pub(super) fn fail(&mut self, place: usize, failure: Failure) {
        let now = self.watch.now();
        let stale = self.pool.at(place).is_some_and(|connection| {
            connection.served > 0
                && !connection.answer.has_begun()
                && matches!(failure, Failure::Closed | Failure::Reset)
        });
        let Some(call) = self.pool.remove(place) else {
            return;
        };
        let idempotent = call
            .request
            .and_then(|index| self.job.requests.requests().get(index))
            .is_some_and(|request| request.method.is_idempotent());
        if stale && idempotent && !call.repeated {
            self.pool.waiting().push_front(Call {
                repeated: true,
                ..call
            });
        } else {
            let timing = call.ended(self.watch.happened(now, call.written));
            self.record(timing, Outcome::Failed(failure));
            self.after_call(now);
        }
        self.open_when_wanted();
    }

    /// Ends what waits for too long, and lets callers come back that rested.
    pub(super) fn look_for_overdue(&mut self, now: Nanos) {
        if now < self.next_look {
            return;
        }
        self.next_look = now.plus(OVERDUE_LOOK_NANOS);
        for place in self.pool.overdue(now, self.timeout) {
            let phase = self.pool.at(place).map(|connection| &connection.phase);
            if let Some(Phase::Busy(_)) = phase {
                self.fail(place, Failure::Timeout);
            } else {
                self.pool.remove(place);
                self.fail_waiting(Failure::ConnectTimeout);
            }
        }
        while self
            .pool
            .waiting()
            .front()
            .is_some_and(|call| call.intended.plus(self.timeout) <= now)
        {
            self.fail_waiting(Failure::Timeout);
        }
        while self
            .pool
            .resting()
            .front()
            .is_some_and(|until| *until <= now)
        {
            self.pool.resting().pop_front();
            self.begin_caller(now);
        }
    }
}
