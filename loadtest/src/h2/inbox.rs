//! What connections and answers tell the sending loop.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Waker};

use super::answer::Ended;
use super::lane::Lane;
use crate::outcome::Failure;
use crate::timing::Nanos;

/// Something the sending loop must know.
#[derive(Debug)]
pub(super) struct Event {
    /// When it happened.
    pub(super) at: Nanos,
    /// What happened.
    pub(super) what: What,
}

/// What happened.
#[derive(Debug)]
pub(super) enum What {
    /// A connection is made and the peer's settings are there.
    Opened(Rc<Lane>),
    /// How many streams the peer allows, or whether one can be opened, is another now.
    Changed(Rc<Lane>),
    /// A connection takes no further streams, or is gone.
    Leaving(Rc<Lane>),
    /// A connection could not be made.
    NotOpened(Failure),
    /// A request ended.
    Ended(Box<Ended>),
}

/// Events in the order in which they happened. As many as there are requests in flight and changes of
/// connections at most; the loop takes all of them in each turn.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    events: RefCell<VecDeque<Event>>,
    reader: RefCell<Option<Waker>>,
    bytes_in: Cell<u64>,
    bytes_out: Cell<u64>,
}

impl Inbox {
    /// Tells the loop.
    pub(super) fn put(&self, at: Nanos, what: What) {
        self.events.borrow_mut().push_back(Event { at, what });
        if let Some(reader) = self.reader.borrow_mut().take() {
            reader.wake();
        }
    }

    /// The oldest event that happened before an instant.
    pub(super) fn take_before(&self, instant: Nanos) -> Option<Event> {
        self.events
            .borrow_mut()
            .pop_front_if(|event| event.at < instant)
    }

    /// Whether something is there; the task is woken when something comes.
    pub(super) fn poll_some(&self, cx: &mut Context<'_>) -> bool {
        let some = !self.events.borrow().is_empty();
        if !some {
            *self.reader.borrow_mut() = Some(cx.waker().clone());
        }
        some
    }

    /// Counts bytes that were read.
    #[inline]
    pub(super) fn count_in(&self, bytes: usize) {
        self.bytes_in.set(self.bytes_in.get() + bytes as u64);
    }

    /// Counts bytes that were written.
    #[inline]
    pub(super) fn count_out(&self, bytes: usize) {
        self.bytes_out.set(self.bytes_out.get() + bytes as u64);
    }

    /// Bytes read and written since this was last asked.
    pub(super) fn take_bytes(&self) -> (u64, u64) {
        (self.bytes_in.take(), self.bytes_out.take())
    }
}
