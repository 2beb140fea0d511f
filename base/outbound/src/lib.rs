//! The one HTTP client: where it may connect, how long it may take, how much it may read.
//!
//! Owns: the check of addresses behind hosts that data named, pinning of the addresses that were
//! checked, deadlines, caps, and the word on whether a failed request may have taken effect.
//! Never: what is sent, retries, redirects, proxies.
//! Entry point: [`Outbound::send`].

mod address;
mod client;
mod error;
mod events;
mod request;
mod target;

pub use client::{Limits, Outbound};
pub use error::OutboundError;
pub use model::{AllowError, AllowList};
pub use request::{Answer, DEFAULT_ANSWER_BYTES_MAX, Request, Trust};
