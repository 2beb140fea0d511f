//! Questions in SQL over one snapshot: exactly one SELECT, bounded in text, time, memory and rows.
//!
//! The engine is DataFusion as it is published. What a question may be is decided in `guard`, what it
//! sees in `table`.

mod answer;
mod encode;
mod engine;
mod error;
mod functions;
mod guard;
mod plan;
mod pool;
mod pruning;
mod relation;
mod seconds;
mod table;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use answer::QueryAnswer;
pub use encode::AnswerFormat;
pub use engine::QueryEngine;
pub use error::QueryError;

/// The longest text of a query, in bytes.
pub(crate) const TEXT_BYTES_MAX: usize = 64 * 1_024;
/// The most words and signs in a query.
pub(crate) const TOKENS_MAX: usize = 20_000;
/// How deep queries and expressions may nest.
pub(crate) const NESTING_MAX: usize = 100;
/// How many queries run at once; further ones wait for their deadline at most.
pub(crate) const CONCURRENT_MAX: usize = 4;
/// The most memory an answer may take; beyond it the answer is truncated.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 << 20;

/// What one query may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryLimits {
    /// The most rows of an answer; beyond it the answer is truncated and says so.
    pub rows_max: usize,
    /// How long a query may take, waiting included.
    pub deadline: Duration,
}

impl Default for QueryLimits {
    fn default() -> Self {
        QueryLimits {
            rows_max: 10_000,
            deadline: Duration::from_secs(10),
        }
    }
}
