//! The loop of the modelled pod: one thread, connections by epoll, answers by a heap of timers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU64;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use slab::Slab;

use super::ModelPlan;
use super::connection::{Connection, Open};
use super::fault::Fault;
use super::figures::Figures;
use super::pod::Pod;
use crate::engine::{LOOK_FOR_STOP, RunClock, Stop};
use crate::serve::ServeError;
use crate::serve::listen::listen;
use crate::serve::wire::{READ_BYTES_MAX, Wire};
use crate::timing::Nanos;

/// Connections; more are closed as soon as they come.
const CONNECTIONS_MAX: usize = 65_536;
/// Ready connections that are taken from the kernel at once: few, so that no timer waits for long.
const EVENTS_MAX: usize = 16;
/// The listener's name among the connections.
const LISTENER: u64 = u64::MAX;

/// What all connections share.
pub(super) struct Shared {
    pub(super) pod: Pod,
    pub(super) figures: Figures,
    pub(super) clock: RunClock,
    /// How work is answered, instead of properly.
    pub(super) fault: Option<Fault>,
    timers: BinaryHeap<Reverse<Timer>>,
    timers_set: u64,
}

/// In the order of time, and of setting at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Timer {
    due: Nanos,
    number: u64,
    place: usize,
    /// The connection that was at the place when the timer was set.
    connection: u64,
}

impl Shared {
    /// Wakes a connection at an instant. Each has one timer at most.
    pub(super) fn wake_at(&mut self, due: Nanos, place: usize, connection: u64) {
        self.timers_set += 1;
        self.timers.push(Reverse(Timer {
            due,
            number: self.timers_set,
            place,
            connection,
        }));
    }

    fn due(&mut self, now: Nanos) -> Option<Timer> {
        match self.timers.peek() {
            Some(Reverse(timer)) if timer.due <= now => {
                self.timers.pop().map(|Reverse(timer)| timer)
            }
            _ => None,
        }
    }

    /// How long nothing is due; [`LOOK_FOR_STOP`] at most.
    fn idle(&self) -> Timespec {
        let longest = u64::from(LOOK_FOR_STOP.subsec_nanos());
        let nanos = match self.timers.peek() {
            Some(Reverse(timer)) => timer.due.since(self.clock.now()).min(longest),
            None => longest,
        };
        Timespec {
            tv_sec: 0,
            tv_nsec: nanos as i64,
        }
    }
}

pub(super) fn run(
    address: SocketAddr,
    plan: ModelPlan,
    clock: RunClock,
    stop: &Stop,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), ServeError> {
    // The kernel otherwise lets timers of ordinary threads be 50 µs late, to wake up less often. Where
    // that cannot be changed, answers are that much later.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
    let (listener, bound) = listen(address)?;
    let mut this = Loop {
        epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
        listener,
        paused: false,
        connections: Slab::with_capacity(1_024),
        connections_made: 0,
        shared: Shared {
            figures: Figures::new(plan.log.clone())?,
            fault: plan.fault.clone(),
            pod: Pod::new(plan),
            clock,
            timers: BinaryHeap::with_capacity(1_024),
            timers_set: 0,
        },
        buffer: vec![0; READ_BYTES_MAX],
    };
    this.listen()?;
    ready(bound);
    let served = this.run(stop);
    served.and(this.shared.figures.end())
}

struct Loop {
    epoll: OwnedFd,
    listener: TcpListener,
    /// Not accepting while no file can be opened.
    paused: bool,
    connections: Slab<Connection>,
    connections_made: u64,
    shared: Shared,
    buffer: Vec<u8>,
}

impl Loop {
    fn listen(&self) -> rustix::io::Result<()> {
        let name = epoll::EventData::new_u64(LISTENER);
        epoll::add(&self.epoll, &self.listener, name, epoll::EventFlags::IN)
    }

    fn run(&mut self, stop: &Stop) -> Result<(), ServeError> {
        let mut events = Vec::with_capacity(EVENTS_MAX);
        while !stop.is_raised() {
            while let Some(timer) = self.shared.due(self.shared.clock.now()) {
                self.wake(timer)?;
            }
            let timeout = self.shared.idle();
            events.clear();
            match epoll::wait(
                &self.epoll,
                rustix::buffer::spare_capacity(&mut events),
                Some(&timeout),
            ) {
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(errno.into()),
            }
            for event in &events {
                match event.data.u64() {
                    LISTENER => self.accept()?,
                    // A connection's name is its place, so it fits.
                    name => self.attend(name as usize)?,
                }
            }
            if self.paused && events.is_empty() {
                self.paused = false;
                self.listen()?;
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> Result<(), ServeError> {
        for _ in 0..EVENTS_MAX {
            match Wire::accept(self.listener.as_fd()) {
                Ok(wire) if self.connections.len() < CONNECTIONS_MAX => {
                    let entry = self.connections.vacant_entry();
                    let name = epoll::EventData::new_u64(entry.key() as u64);
                    if epoll::add(&self.epoll, &wire, name, epoll::EventFlags::IN).is_ok() {
                        self.connections_made += 1;
                        let place = entry.key();
                        entry.insert(Connection::new(wire, place, self.connections_made));
                    }
                }
                // Dropped, and so closed.
                Ok(_) | Err(Errno::CONNABORTED | Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                // Out of files or memory: try again when there was nothing to do for a while.
                Err(_) => {
                    self.paused = true;
                    epoll::delete(&self.epoll, &self.listener)?;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn attend(&mut self, place: usize) -> Result<(), ServeError> {
        let Some(connection) = self.connections.get_mut(place) else {
            return Ok(());
        };
        let open = connection.attend(&mut self.shared, &mut self.buffer)?;
        self.settle(place, open);
        Ok(())
    }

    fn wake(&mut self, timer: Timer) -> Result<(), ServeError> {
        match self.connections.get_mut(timer.place) {
            Some(connection) if connection.number == timer.connection => {
                let open = connection.wake(&mut self.shared)?;
                self.settle(timer.place, open);
                Ok(())
            }
            // The caller left before its answer was due.
            _ => Ok(()),
        }
    }

    /// Watches the connection for what it waits for now, or ends it.
    fn settle(&mut self, place: usize, open: Open) {
        let Some(connection) = self.connections.get_mut(place) else {
            return;
        };
        let stays = open == Open::Yes && connection.watch(&self.epoll).is_ok();
        if !stays {
            connection.leave(&mut self.shared);
            self.connections.remove(place);
        }
    }
}
