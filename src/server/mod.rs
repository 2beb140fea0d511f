//! The one listener of the program and the endpoints that belong to no room.

pub mod health;
pub mod listener;
pub mod openapi;
