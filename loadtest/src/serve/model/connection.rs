//! One connection to the modelled pod: reads a request, waits until its answer is due, writes it.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use rustix::event::epoll;

use super::fault::{Fault, Piece};
use super::figures::Ended;
use super::pod::{Admission, Work};
use super::server::Shared;
use crate::serve::framing::{Head, Refused, Step};
use crate::serve::wire::{READ_BYTES_MAX, Read, Wire, Write};
use crate::serve::{BODY, ServeError};
use crate::timing::Nanos;

/// Bytes of pipelined requests that are read while one is worked on.
const HELD_BYTES_MAX: usize = READ_BYTES_MAX / 2;

/// Whether a connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Open {
    Yes,
    No,
}

/// A connection and the request it is about.
#[derive(Debug)]
pub(super) struct Connection {
    wire: Wire,
    place: usize,
    /// Tells it apart from others that had its place.
    pub(super) number: u64,
    phase: Phase,
    route: Route,
    head_only: bool,
    /// The caller wants the connection closed after the answer.
    close: bool,
    /// Nothing more is read; it ends when everything is written.
    closing: bool,
    watched: epoll::EventFlags,
}

#[derive(Debug)]
enum Phase {
    /// Until a request is whole.
    Reading,
    /// Until its answer is due.
    Working(Job),
    /// Until its answer, which is not a usual one, is written.
    Answering(Job, VecDeque<Piece>),
}

/// A request that was admitted.
#[derive(Clone, Copy, Debug)]
struct Job {
    arrival: Nanos,
    work: Work,
}

/// What a request is for.
#[derive(Clone, Debug)]
enum Route {
    Work(Option<Fault>),
    Latency,
    Metrics,
    Reset,
    Unknown,
}

impl Route {
    fn of(head: &Head<'_>, usual: Option<&Fault>) -> Self {
        match head.path {
            "/__model/latency" => Route::Latency,
            "/__model/metrics" => Route::Metrics,
            "/__model/reset" if head.method == "POST" => Route::Reset,
            path if path.starts_with("/__fault/") => {
                Fault::from_path(path).map_or(Route::Unknown, |fault| Route::Work(Some(fault)))
            }
            path if path.starts_with("/__model/") => Route::Unknown,
            _ => Route::Work(usual.cloned()),
        }
    }
}

impl Connection {
    pub(super) fn new(wire: Wire, place: usize, number: u64) -> Self {
        Connection {
            wire,
            place,
            number,
            phase: Phase::Reading,
            route: Route::Unknown,
            head_only: false,
            close: false,
            closing: false,
            watched: epoll::EventFlags::IN,
        }
    }

    /// The kernel has bytes for it, or takes some again.
    pub(super) fn attend(
        &mut self,
        shared: &mut Shared,
        buffer: &mut [u8],
    ) -> Result<Open, ServeError> {
        if self.wire.has_unsent() {
            return Ok(match self.wire.write_unsent() {
                Write::Some => Open::Yes,
                Write::Gone => Open::No,
                Write::All if self.closing => Open::No,
                Write::All => return self.read_held(shared),
            });
        }
        let filled = match self.wire.read(buffer) {
            Read::Bytes(filled) => filled,
            Read::Nothing => return Ok(Open::Yes),
            Read::Gone => return Ok(Open::No),
        };
        let bytes = buffer.get(..filled).unwrap_or_default();
        self.use_bytes(shared, bytes)
    }

    /// Its timer rang: an answer is due, or its next piece.
    pub(super) fn wake(&mut self, shared: &mut Shared) -> Result<Open, ServeError> {
        let open = match std::mem::replace(&mut self.phase, Phase::Reading) {
            Phase::Reading => Open::Yes,
            Phase::Working(job) => {
                if let Some(fault) = self.fault() {
                    let pieces = fault.pieces(self.head_only).into();
                    self.answer_in_pieces(shared, job, pieces)?
                } else {
                    let status = if job.work.ok { 200 } else { 500 };
                    let open = self.answer_usually(status);
                    shared.count(job, status)?;
                    open
                }
            }
            Phase::Answering(job, pieces) => self.answer_in_pieces(shared, job, pieces)?,
        };
        match open {
            Open::Yes => self.read_held(shared),
            Open::No => Ok(Open::No),
        }
    }

    /// Tells epoll what it waits for, when that has changed.
    pub(super) fn watch(&mut self, epoll: &OwnedFd) -> rustix::io::Result<()> {
        let wanted = if self.wire.has_unsent() {
            epoll::EventFlags::OUT
        } else if self.wire.held_bytes() >= HELD_BYTES_MAX {
            epoll::EventFlags::empty()
        } else {
            epoll::EventFlags::IN
        };
        if wanted != self.watched {
            let name = epoll::EventData::new_u64(self.place as u64);
            epoll::modify(epoll, &self.wire, name, wanted)?;
            self.watched = wanted;
        }
        Ok(())
    }

    /// The caller left. What it asked for is still worked on, as a pod does that is not told.
    pub(super) fn leave(&mut self, shared: &mut Shared) {
        if !matches!(self.phase, Phase::Reading) {
            shared.figures.in_flight = shared.figures.in_flight.saturating_sub(1);
        }
    }

    fn fault(&self) -> Option<&Fault> {
        match &self.route {
            Route::Work(fault) => fault.as_ref(),
            _ => None,
        }
    }

    fn read_held(&mut self, shared: &mut Shared) -> Result<Open, ServeError> {
        if self.wire.held_bytes() == 0 || self.wire.has_unsent() {
            return Ok(Open::Yes);
        }
        let held = self.wire.take_held();
        self.use_bytes(shared, &held)
    }

    /// Reads requests up to the first that has to be waited for, and keeps the bytes behind it.
    fn use_bytes(&mut self, shared: &mut Shared, mut bytes: &[u8]) -> Result<Open, ServeError> {
        while matches!(self.phase, Phase::Reading) && !self.closing {
            let step = match self.wire.reader.next(bytes) {
                Ok((used, step)) => {
                    bytes = bytes.get(used..).unwrap_or_default();
                    step
                }
                Err(Refused(status)) => {
                    self.close = true;
                    return Ok(self.answer(status, "Refused", "text/plain", b""));
                }
            };
            let open = match step {
                Step::Wanting => break,
                Step::Head(head) => self.begin(shared, &head),
                Step::Whole => self.admit(shared)?,
            };
            if open == Open::No {
                return Ok(Open::No);
            }
        }
        self.wire.hold(bytes);
        Ok(Open::Yes)
    }

    fn begin(&mut self, shared: &Shared, head: &Head<'_>) -> Open {
        self.route = Route::of(head, shared.fault.as_ref());
        self.head_only = head.method == "HEAD";
        self.close = head.close;
        if head.expects_continue && self.wire.write(b"HTTP/1.1 100 Continue\r\n\r\n") == Write::Gone
        {
            return Open::No;
        }
        Open::Yes
    }

    fn admit(&mut self, shared: &mut Shared) -> Result<Open, ServeError> {
        let now = shared.clock.now();
        match self.route {
            Route::Work(_) => {}
            Route::Latency => {
                let json = shared.figures.latency_json();
                return Ok(self.answer(200, "OK", "application/json", json.as_bytes()));
            }
            Route::Metrics => {
                let text = shared.figures.metrics_text(&mut shared.pod, now);
                return Ok(self.answer(200, "OK", "text/plain; version=0.0.4", text.as_bytes()));
            }
            Route::Reset => {
                shared.figures.reset();
                return Ok(self.answer(200, "OK", "text/plain", b"reset\n"));
            }
            Route::Unknown => {
                return Ok(self.answer(404, "Not Found", "text/plain", b"no such page\n"));
            }
        }
        shared.figures.requests += 1;
        match shared.pod.arrive(now) {
            Admission::Work(work) => {
                shared.figures.in_flight += 1;
                shared.wake_at(work.due, self.place, self.number);
                self.phase = Phase::Working(Job { arrival: now, work });
                Ok(Open::Yes)
            }
            Admission::Shed(status) => {
                let open = self.answer_usually(status);
                shared.figures.count(&Ended {
                    arrival: now,
                    due: now,
                    written: shared.clock.now(),
                    status,
                    service: 0,
                    shed: true,
                })?;
                Ok(open)
            }
        }
    }

    fn answer_in_pieces(
        &mut self,
        shared: &mut Shared,
        job: Job,
        mut pieces: VecDeque<Piece>,
    ) -> Result<Open, ServeError> {
        let mut open = Open::Yes;
        while let Some(piece) = pieces.pop_front() {
            match piece {
                Piece::Bytes(bytes) => {
                    if self.wire.write(&bytes) == Write::Gone {
                        open = Open::No;
                        break;
                    }
                }
                Piece::Wait(span) => {
                    let due = shared.clock.now().plus(Nanos::from_duration(span).0);
                    shared.wake_at(due, self.place, self.number);
                    self.phase = Phase::Answering(job, pieces);
                    return Ok(Open::Yes);
                }
                Piece::Stall => {
                    self.phase = Phase::Answering(job, VecDeque::new());
                    return Ok(Open::Yes);
                }
                Piece::Close => open = self.close_when_written(),
                Piece::Reset => {
                    self.wire.reset_on_close();
                    open = Open::No;
                }
            }
        }
        let status = self.fault().map_or(0, Fault::status);
        shared.count(job, status)?;
        Ok(match open {
            Open::Yes if self.close => self.close_when_written(),
            open => open,
        })
    }

    /// The answer to work.
    fn answer_usually(&mut self, status: u16) -> Open {
        let reason = match status {
            200 => "OK",
            429 => "Too Many Requests",
            503 => "Service Unavailable",
            _ => "Internal Server Error",
        };
        self.answer(status, reason, "application/json", BODY)
    }

    /// A whole answer with a body, and the connection's end when the caller wanted it.
    fn answer(&mut self, status: u16, reason: &str, media_type: &str, body: &[u8]) -> Open {
        let close = if self.close {
            "Connection: close\r\n"
        } else {
            ""
        };
        let mut answer = format!(
            "HTTP/1.1 {status} {reason}\r\nContent-Type: {media_type}\r\n{close}Content-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        if !self.head_only {
            answer.extend_from_slice(body);
        }
        self.send(&answer)
    }

    fn send(&mut self, answer: &[u8]) -> Open {
        match self.wire.write(answer) {
            Write::Gone => Open::No,
            Write::All | Write::Some if self.close => self.close_when_written(),
            Write::All | Write::Some => Open::Yes,
        }
    }

    fn close_when_written(&mut self) -> Open {
        self.closing = true;
        if self.wire.has_unsent() {
            Open::Yes
        } else {
            Open::No
        }
    }
}

impl Shared {
    /// Counts work that has ended.
    fn count(&mut self, job: Job, status: u16) -> Result<(), ServeError> {
        self.figures.in_flight = self.figures.in_flight.saturating_sub(1);
        self.figures.count(&Ended {
            arrival: job.arrival,
            due: job.work.due,
            written: self.clock.now(),
            status,
            service: job.work.service,
            shed: false,
        })
    }
}
