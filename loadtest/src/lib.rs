//! The load tester: what one pod can carry, and what follows from it.
//!
//! Owns: load plans, pacing, the timing of requests, histograms, the capacity search and its verdicts,
//! the arithmetic from a capacity to pods and limits, reports.
//! Never: sends to a target that is not allowed; keeps results itself (they go to a [`ResultSink`]).
//! Entry point: [`plan::read`], then [`run::run`] or [`run::find_capacity`].

pub mod arrivals;
pub mod engine;
pub mod grpc;
pub mod h2;
pub mod http1;
pub mod outcome;
pub mod plan;
pub mod pod;
pub mod report;
pub mod request;
pub mod result;
pub mod run;
pub mod search;
pub mod serve;
pub mod sizing;
pub mod tally;
pub mod timing;
pub mod tls;
pub mod view;
pub mod workers;

mod random;

pub use outcome::{Failure, Outcome};
pub use random::Random;
pub use result::ResultSink;
