//! Operational state in SQLite: phases, incidents, silences, runs. Durable when a write returns.
//!
//! Owns: the file, its one writer with group commit, the readers, and the versions of every room's
//! tables.
//! Never: a room's tables or queries; it only checks that each room keeps to its own prefix.
//! Entry point: [`State::open`] with each room's [`Migrations`], then [`State::write`] and
//! [`State::read`].

mod error;
mod events;
mod file;
mod migrate;
mod row;
mod sql;
mod statement;
mod store;
mod writer;

pub use error::StateError;
pub use file::{back_up, set_aside};
pub use migrate::Migrations;
pub use row::Row;
pub use statement::{Statement, Value};
pub use store::{Limits, State, Stats};
