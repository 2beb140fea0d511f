//! Wire formats: bytes in, rows and refusals out. Pure: no I/O, no clock.

mod decoder;
mod draft;
mod field;
mod flat;
mod functions;
mod instant;
mod json;
mod lines;
mod mapped;
mod meaning;
mod nginx;
mod plain;
mod refusal;
mod row;

pub(crate) use decoder::REFUSED_TEXT_BYTES_MAX;
pub use decoder::{Decoded, Decoder, Format};
pub(crate) use field::{Field, TextField};
pub(crate) use json::cut;
pub(crate) use lines::Lines;
pub use mapped::{Mapping, MappingError};
pub(crate) use meaning::FunctionPattern;
pub use meaning::{FunctionSource, Meaning, OutcomeMap};
pub use nginx::NGINX_LOG_FORMAT;
pub use refusal::{Refusal, RefusalCounts, RefusalKind};
pub use row::AHEAD_MAX;

#[cfg(test)]
mod tests;
