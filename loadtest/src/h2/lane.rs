//! One connection as the sending loop sees it: how many streams it carries and may carry.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use http::Request;

use super::wire::Stamps;

/// One connection. Its driving task and the loop share it; both live on one thread.
#[derive(Debug)]
pub(super) struct Lane {
    /// `None` before it is open and after it takes no further streams.
    sender: RefCell<Option<SendRequest<Bytes>>>,
    /// Requests that wait to be handed to the kernel.
    pub(super) stamps: Rc<Stamps>,
    streams: Cell<usize>,
    /// The peer's limit, or the plan's own when that is lower.
    streams_max: Cell<usize>,
    streams_cap: usize,
    /// The library still holds back a stream that counts against the peer's limit.
    held_back: Cell<bool>,
    /// Whether the ring of [`super::lanes::Lanes`] has it.
    pub(super) in_ring: Cell<bool>,
}

/// Whether a connection takes a stream right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// Yes.
    Some,
    /// Not before another ends.
    None,
    /// Never again.
    Gone,
}

impl Lane {
    /// Not made yet. It never carries more than `streams_cap` streams at a time, whatever the peer allows.
    pub(super) fn new(streams_cap: usize) -> Self {
        Lane {
            sender: RefCell::default(),
            stamps: Rc::default(),
            streams: Cell::new(0),
            streams_max: Cell::new(0),
            streams_cap,
            held_back: Cell::new(false),
            in_ring: Cell::new(false),
        }
    }

    /// The connection is made.
    pub(super) fn open(&self, sender: SendRequest<Bytes>) {
        *self.sender.borrow_mut() = Some(sender);
    }

    /// No further stream is opened; those that are open go on.
    pub(super) fn leave(&self) {
        self.sender.borrow_mut().take();
    }

    /// Whether it can take streams, now or later.
    pub(super) fn is_open(&self) -> bool {
        self.sender.borrow().is_some()
    }

    /// Notes the peer's limit; true when it is another than before.
    pub(super) fn limit(&self, streams_max: usize) -> bool {
        let streams_max = streams_max.min(self.streams_cap);
        self.streams_max.replace(streams_max) != streams_max
    }

    /// Streams that it may carry.
    pub(super) fn streams_max(&self) -> usize {
        self.streams_max.get()
    }

    /// Whether a stream can be opened right now. Asks the library, which knows of GOAWAY first.
    pub(super) fn room(&self) -> Room {
        let mut sender = self.sender.borrow_mut();
        let Some(sender) = sender.as_mut() else {
            return Room::Gone;
        };
        match sender.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Err(_)) => Room::Gone,
            Poll::Pending => {
                self.held_back.set(true);
                Room::None
            }
            Poll::Ready(Ok(())) => {
                self.held_back.set(false);
                if self.streams.get() < self.streams_max.get() {
                    Room::Some
                } else {
                    Room::None
                }
            }
        }
    }

    /// Whether the last answer of [`Lane::room`] was no because of the library alone.
    pub(super) fn is_held_back(&self) -> bool {
        self.held_back.get()
    }

    /// Opens a stream; `None` when the library takes no such request.
    pub(super) fn send(
        &self,
        request: Request<()>,
        body: Bytes,
    ) -> Option<(ResponseFuture, h2::SendStream<Bytes>)> {
        let mut sender = self.sender.borrow_mut();
        let (response, mut stream) = sender
            .as_mut()?
            .send_request(request, body.is_empty())
            .ok()?;
        if !body.is_empty() {
            stream.send_data(body, true).ok()?;
        }
        self.streams.set(self.streams.get() + 1);
        Some((response, stream))
    }

    /// A stream ended.
    pub(super) fn release(&self) {
        self.streams.set(self.streams.get().saturating_sub(1));
    }
}
