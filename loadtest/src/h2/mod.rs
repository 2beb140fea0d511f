//! The HTTP/2 engine: one thread, one runtime on it, streams over few connections.
//!
//! Owns: connections and their streams, sending on time, reading answers, the four instants of each
//! request. gRPC calls are HTTP/2 requests whose outcome stands in the trailers.
//! Never: resolves names, decides what is sent, judges whether a trial is valid.
//! Entry point: [`run`].
//!
//! What counts how:
//! - A request is carried by the first connection with a free stream; the peer's own limit of streams is
//!   kept, and kept before its first settings came too. Without a free stream the request waits, and that
//!   is the target's back-pressure.
//! - A stream that the peer resets or refuses, also one above the last that a GOAWAY lets live, failed
//!   ([`Failure::StreamReset`](crate::Failure::StreamReset)). It is not sent again: a target that sheds
//!   load by refusing must be seen to do so. Streams that a GOAWAY lets live are read to their end, and
//!   what comes later goes over a new connection, which `connections_max` counts from then on instead.
//! - When connecting fails and no other connection is left, everything that waits fails with it; the next
//!   attempt follows after [`RECONNECT_AFTER_MIN`], twice that, and so on up to [`RECONNECT_AFTER_MAX`].
//! - A request that is not answered in time is cancelled on the wire (RST_STREAM with CANCEL).

mod alarm;
mod answer;
pub(crate) mod carrier;
mod connect;
mod failure;
mod inbox;
mod lane;
mod lanes;
mod outgoing;
mod sending;
mod wire;

pub use sending::run;

use std::time::Duration;

/// Pause after the first failed attempt to connect; it doubles with each further one.
pub const RECONNECT_AFTER_MIN: Duration = Duration::from_millis(5);
/// Longest pause between attempts to connect.
pub const RECONNECT_AFTER_MAX: Duration = Duration::from_millis(80);
/// Bytes of an answer's body that are kept for judging it; the rest is read and let go.
pub const BODY_KEPT_BYTES_MAX: usize = 1 << 20;
/// Largest head of an answer that is read.
pub const HEAD_BYTES_MAX: u32 = 64 * 1024;
/// What the peer may send ahead on one stream; read bytes are acknowledged at once.
pub const STREAM_WINDOW_BYTES: u32 = 1 << 20;
/// What the peer may send ahead on one connection.
pub const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

#[cfg(test)]
mod tests;
