//! The whole, from outside: the real binary with real peers. What a test needs it starts by itself;
//! a missing peer fails the test with the line that installs it.

#![allow(unreachable_pub, missing_docs)] // a test is nobody's library
#![allow(
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // real peers live in real time

mod alertmanager;
mod capacity;
mod checking;
mod commands;
mod docs;
mod house;
mod ingest;
mod kill;
mod mistakes;
mod past;
mod peers;
mod readme;
mod reload;
mod second_home;
mod storage;
mod store;
mod story;
mod two_nodes;
