//! HTTP in: what every room that serves requests shares.
//!
//! Owns: who is calling ([`Gate`], [`Tokens`], [`Identity`]), what a route needs ([`Access`],
//! [`Routes`]), how a body is read under limits ([`read_body`]) and how a refusal looks
//! ([`ProblemDocument`]).
//! Never: sockets, TLS, a room's routes, or what an endpoint does.
//! Entry point: a room builds [`Routes`]; the root merges them and puts [`layer`] around the whole.

mod access;
mod authority;
mod body;
mod decompress;
mod description;
mod events;
mod extract;
mod gate;
mod pipeline;
mod problem;
mod request_id;
mod routes;
mod tokens;

pub use access::{Access, Identity, Role, UnknownRole};
pub use body::{BodyLimits, read_body};
pub use description::complete_description;
pub use extract::{JSON_BODY_BYTES_MAX, Json, Path, Query, read_json};
pub use gate::{Gate, GateError};
pub use pipeline::{MissingPage, layer, layer_with_page};
pub use problem::ProblemDocument;
pub use request_id::RequestId;
pub use routes::Routes;
pub use tokens::{Token, Tokens};
