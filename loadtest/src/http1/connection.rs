//! One connection and the request that it carries.

use super::call::Call;
use super::framing::Answer;
use super::transport::Transport;
use crate::timing::Nanos;

/// Where a connection stands. One request at a time: answers could otherwise hide behind one another.
#[derive(Debug)]
pub(super) enum Phase {
    /// TCP, until the instant.
    Connecting { until: Nanos },
    /// TLS, until the instant.
    Shaking { until: Nanos },
    /// Free for a request.
    Idle,
    /// Carrying one.
    Busy(Call),
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) transport: Transport,
    pub(super) phase: Phase,
    /// Tells this connection from an earlier one in the same place.
    pub(super) generation: u32,
    pub(super) answer: Answer,
    /// The request's bytes, and how many the socket has taken.
    pub(super) out: Vec<u8>,
    pub(super) taken: usize,
    /// Requests answered on it.
    pub(super) served: u64,
}

impl Connection {
    /// Writes what is left of the request. The error is the socket's.
    pub(super) fn flush(&mut self) -> std::io::Result<()> {
        while let Some(rest) = self.out.get(self.taken..).filter(|rest| !rest.is_empty()) {
            let taken = self.transport.send(rest)?;
            if taken == 0 {
                return Ok(());
            }
            self.taken += taken;
        }
        if self.transport.is_behind() {
            self.transport.send(&[])?;
        }
        Ok(())
    }

    /// Whether the request is still on its way out.
    pub(super) fn is_writing(&self) -> bool {
        self.taken < self.out.len() || self.transport.is_behind()
    }
}
