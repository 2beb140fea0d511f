//! The HTTP/1.1 engine: one thread, one epoll loop, no runtime.
//!
//! Owns: connections, sending on time, reading answers, the four instants of each request.
//! Never: resolves names, decides what is sent, judges whether a trial is valid.
//! Entry point: [`run`].

mod call;
mod connection;
mod event_loop;
pub(crate) mod failure;
pub mod framing;
mod head;
mod pool;
mod receiving;
pub(crate) mod redirect;
mod sending;
mod transport;

pub use event_loop::run;

#[cfg(test)]
mod tests;
