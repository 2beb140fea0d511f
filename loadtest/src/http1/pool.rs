//! Connections by number, the idle ones, and the calls that wait for one.

use std::collections::VecDeque;

use slab::Slab;

use super::call::Call;
use super::connection::{Connection, Phase};
use crate::timing::Nanos;

/// Connections and what waits for them.
#[derive(Debug, Default)]
pub(super) struct Pool {
    connections: Slab<Connection>,
    /// Idle ones, the one used last on top; entries of closed ones are passed over.
    idle: Vec<(usize, u32)>,
    /// Calls without a connection, the oldest first.
    waiting: VecDeque<Call>,
    /// Callers of the closed model that rest after a failed attempt, until the instant.
    resting: VecDeque<Nanos>,
    opening: usize,
    busy: u64,
    generations: u32,
}

impl Pool {
    /// Requests in flight: carried or waiting.
    #[inline]
    pub(super) fn in_flight(&self) -> u64 {
        self.busy + self.waiting.len() as u64
    }

    /// Whether another connection would help: more calls wait than connections are on their way.
    pub(super) fn wants_more(&self, connections_max: u32) -> bool {
        self.opening < self.waiting.len() && self.connections.len() < connections_max as usize
    }

    /// Puts a connection that is being made into its place; the answer tells events about it apart.
    pub(super) fn insert(&mut self, make: impl FnOnce(u32) -> Connection) -> (usize, u32) {
        self.generations = self.generations.wrapping_add(1);
        self.opening += 1;
        (
            self.connections.insert(make(self.generations)),
            self.generations,
        )
    }

    /// The connection in a place, unless it is another by now.
    #[inline]
    pub(super) fn get(&mut self, place: usize, generation: u32) -> Option<&mut Connection> {
        self.connections
            .get_mut(place)
            .filter(|connection| connection.generation == generation)
    }

    /// The connection in a place.
    #[inline]
    pub(super) fn at(&mut self, place: usize) -> Option<&mut Connection> {
        self.connections.get_mut(place)
    }

    /// It is made: it no longer counts as on its way.
    pub(super) fn opened(&mut self, place: usize) {
        self.opening = self.opening.saturating_sub(1);
        if let Some(connection) = self.connections.get_mut(place) {
            connection.phase = Phase::Idle;
        }
    }

    /// Removes a connection and gives the call that it carried.
    pub(super) fn remove(&mut self, place: usize) -> Option<Call> {
        match self.connections.try_remove(place)?.phase {
            Phase::Connecting { .. } | Phase::Shaking { .. } => {
                self.opening = self.opening.saturating_sub(1);
                None
            }
            Phase::Idle => None,
            Phase::Busy(call) => {
                self.busy = self.busy.saturating_sub(1);
                Some(call)
            }
        }
    }

    /// Lets a connection carry a call.
    #[inline]
    pub(super) fn occupy(&mut self, place: usize, call: Call) {
        if let Some(connection) = self.connections.get_mut(place) {
            connection.phase = Phase::Busy(call);
            self.busy += 1;
        }
    }

    /// Takes the call off a connection, which is free then.
    #[inline]
    pub(super) fn release(&mut self, place: usize) -> Option<Call> {
        let connection = self.connections.get_mut(place)?;
        match std::mem::replace(&mut connection.phase, Phase::Idle) {
            Phase::Busy(call) => {
                self.busy = self.busy.saturating_sub(1);
                Some(call)
            }
            other => {
                connection.phase = other;
                None
            }
        }
    }

    /// Puts a free connection on top of the idle ones.
    #[inline]
    pub(super) fn rest(&mut self, place: usize) {
        if let Some(connection) = self.connections.get(place) {
            self.idle.push((place, connection.generation));
        }
    }

    /// An idle connection, the one used last first.
    #[inline]
    pub(super) fn take_idle(&mut self) -> Option<usize> {
        while let Some((place, generation)) = self.idle.pop() {
            let fits = self.get(place, generation);
            if fits.is_some_and(|connection| matches!(connection.phase, Phase::Idle)) {
                return Some(place);
            }
        }
        None
    }

    /// The call that a free connection shall carry: the oldest one. A call that met a closed connection
    /// takes only one that is `fresh`, since any other may be closed as well.
    #[inline]
    pub(super) fn take_waiting(&mut self, fresh: bool) -> Option<Call> {
        if fresh || self.waiting.front().is_none_or(|call| !call.repeated) {
            return self.waiting.pop_front();
        }
        let place = self.waiting.iter().position(|call| !call.repeated)?;
        self.waiting.remove(place)
    }

    /// Calls without a connection.
    #[inline]
    pub(super) fn waiting(&mut self) -> &mut VecDeque<Call> {
        &mut self.waiting
    }

    /// Callers that rest.
    pub(super) fn resting(&mut self) -> &mut VecDeque<Nanos> {
        &mut self.resting
    }

    /// Whether any caller rests.
    pub(super) fn is_resting(&self) -> bool {
        !self.resting.is_empty()
    }

    /// Places whose time is over: connecting since too long, or carrying a call that came too long ago.
    pub(super) fn overdue(&self, now: Nanos, timeout: u64) -> Vec<usize> {
        let is_over = |connection: &Connection| match &connection.phase {
            Phase::Connecting { until } | Phase::Shaking { until } => *until <= now,
            Phase::Busy(call) => call.intended.plus(call.lag() + timeout) <= now,
            Phase::Idle => false,
        };
        self.connections
            .iter()
            .filter(|(_, connection)| is_over(connection))
            .map(|(place, _)| place)
            .collect()
    }
}
