//! Targets that are built in: one that answers at once, and one whose capacity is known.
//!
//! [`null`] answers as fast as the machine can; what the generator reaches against it is the generator's
//! own limit. [`model`] is a pod with so many workers, a service time, a queue and, where asked for,
//! faults; a capacity search against it must find the figure that [`model::capacity`] computes.

mod framing;
mod listen;
pub mod model;
pub mod null;
mod serving;
mod wire;

pub use serving::Serving;

use std::net::SocketAddr;

/// What every healthy answer carries: 13 bytes, valid JSON.
pub const BODY: &[u8] = b"{\"ok\": true}\n";

/// Why a built-in target could not be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}; choose a free port, or port 0 for any")]
    Listen {
        /// The address that was wanted.
        address: SocketAddr,
        /// What the kernel said.
        #[source]
        source: std::io::Error,
    },
    /// The kernel refused to say which connections are ready.
    #[error("cannot wait for connections; is the limit of open files reached?")]
    Wait(#[source] std::io::Error),
    /// The plan of a modelled pod contradicts itself.
    #[error("no pod behaves like this: {0}")]
    Plan(String),
    /// The pod's log cannot be written.
    #[error("cannot write the log {path}")]
    Log {
        /// The file.
        path: std::path::PathBuf,
        /// What the kernel said.
        #[source]
        source: std::io::Error,
    },
    /// A thread could not be started, or ended in a way that it never should.
    #[error("a serving thread {0}")]
    Thread(String),
}

impl From<rustix::io::Errno> for ServeError {
    fn from(errno: rustix::io::Errno) -> Self {
        ServeError::Wait(errno.into())
    }
}
