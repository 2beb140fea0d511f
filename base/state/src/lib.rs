//! Operational state: phases, incidents, silences, runs. Durable when a write returns. In an SQLite
//! file for one node, in a PostgreSQL database for several.
//!
//! Owns: the file or the way to the server, the one writer with group commit, the readers, the
//! versions of every room's tables, and how either database says what a room wrote once.
//! Never: a room's tables or queries; it only checks that each room keeps to its own prefix.
//! Entry point: [`State::open`] or [`State::open_at`] with each room's [`Migrations`], then
//! [`State::write`] and [`State::read`].

mod batch;
mod dialect;
mod error;
mod events;
mod file;
mod link;
mod migrate;
mod row;
mod server;
mod sql;
mod statement;
mod store;
mod writer;

pub use batch::{Kind, Table};
pub use error::StateError;
pub use file::{back_up, set_aside};
pub use migrate::Migrations;
pub use row::Row;
pub use statement::{Statement, Value};
pub use store::{Limits, Place, State, Stats};
