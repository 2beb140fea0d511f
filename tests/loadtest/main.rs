//! The load tester from outside: the real binary against real targets, some of which misbehave on
//! purpose. A program of its own, because cargo runs test programs one after another: what is measured
//! here is not disturbed by the other end-to-end tests.

#![allow(unreachable_pub, missing_docs)] // a test is nobody's library
#![allow(
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // real peers live in real time

mod bench;
mod honesty;
#[allow(dead_code)] // the other end-to-end tests use all of it
#[path = "../e2e/house.rs"]
mod house;
mod https;
mod kept;
mod listener;
mod mistakes;
#[allow(dead_code)]
#[path = "../e2e/peers.rs"]
mod peers;
mod permission;
mod refusals;
mod results;
mod search;
mod stopping;
mod targets;
mod workers;
