//! The connections of one thread, those with a free stream in turn.

use std::collections::VecDeque;
use std::rc::Rc;

use super::lane::{Lane, Room};
use crate::timing::Nanos;

/// Connections that are made or on their way, without those that only finish their streams.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    /// Those with a free stream, each once; the next request takes the first.
    ring: VecDeque<Rc<Lane>>,
    open: usize,
    opening: usize,
    /// Streams that the last opened connection allowed.
    streams_seen: Option<usize>,
    room_since: Nanos,
}

impl Lanes {
    /// A connection is being made.
    pub(super) fn begin(&mut self) {
        self.opening += 1;
    }

    /// It could not be made.
    pub(super) fn not_opened(&mut self) {
        self.opening = self.opening.saturating_sub(1);
    }

    /// It is made.
    pub(super) fn opened(&mut self, lane: &Rc<Lane>, at: Nanos) {
        self.opening = self.opening.saturating_sub(1);
        self.open += 1;
        self.streams_seen = Some(lane.streams_max());
        self.offer(lane, at);
    }

    /// A connection may have a free stream.
    pub(super) fn offer(&mut self, lane: &Rc<Lane>, at: Nanos) {
        match lane.room() {
            Room::Some if !lane.in_ring.get() => {
                if self.ring.is_empty() {
                    self.room_since = at;
                }
                lane.in_ring.set(true);
                self.ring.push_back(Rc::clone(lane));
            }
            Room::Some | Room::None => {}
            Room::Gone => self.leave(lane),
        }
    }

    /// A connection takes no further streams.
    pub(super) fn leave(&mut self, lane: &Rc<Lane>) {
        if lane.is_open() {
            lane.leave();
            self.open = self.open.saturating_sub(1);
        }
        if lane.in_ring.take() {
            self.ring.retain(|other| !Rc::ptr_eq(other, lane));
        }
    }

    /// Takes the next connection with a free stream. Give it back with [`Lanes::offer`] once the stream is
    /// open, with the instant that is then too.
    pub(super) fn take(&mut self) -> Option<Rc<Lane>> {
        while let Some(lane) = self.ring.pop_front() {
            lane.in_ring.set(false);
            match lane.room() {
                Room::Some => return Some(lane),
                Room::None => {}
                Room::Gone => self.leave(&lane),
            }
        }
        None
    }

    /// Gives back a connection that was taken: there was a free stream all the time.
    pub(super) fn give_back(&mut self, lane: &Rc<Lane>) {
        let since = self.room_since;
        self.offer(lane, since);
    }

    /// Since when a stream has been free, when one is.
    pub(super) fn room_since(&self) -> Nanos {
        self.room_since
    }

    /// Whether there is no connection and none on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.open + self.opening == 0
    }

    /// How many further connections so many waiting requests need.
    pub(super) fn wanted(&self, waiting: usize, connections_max: usize) -> usize {
        let streams_each = self.streams_seen.unwrap_or(usize::MAX).max(1);
        let needed = waiting.div_ceil(streams_each);
        needed
            .saturating_sub(self.opening)
            .min(connections_max.saturating_sub(self.open + self.opening))
    }

    /// How many are missing to so many.
    pub(super) fn missing_to(&self, connections: usize) -> usize {
        connections.saturating_sub(self.open + self.opening)
    }
}
