//! The words of Rampart as types, shared by every room.
//!
//! Owns: the vocabulary ([`FunctionId`], [`Outcome`], [`Alert`], [`Labels`], [`Matcher`], quantities with
//! units, [`Timestamp`]) and the clock everything else is given.
//! Never: I/O, configuration, a room's logic.
//! Entry point: the types re-exported here.

mod alert;
mod allow;
mod clock;
mod duration;
mod event;
mod function;
mod functions;
mod glob;
mod label;
mod matcher;
mod mode;
mod outcome;
mod quantity;
mod schema;
mod secret;
mod timestamp;

pub use alert::{Alert, AlertStatus, Severity};
pub use allow::{AllowError, AllowList};
pub use clock::{Clock, ManualClock, SharedClock, SystemClock};
pub use duration::{format_duration, parse_duration};
pub use event::DatedEvent;
pub use function::{FunctionId, FunctionIdError};
pub use functions::{FunctionLabels, Functions};
pub use glob::{Glob, GlobError};
pub use label::{LabelError, Labels};
pub use matcher::{MatchOperator, Matcher, MatcherError};
pub use mode::Mode;
pub use outcome::{Outcome, Traffic, UnknownWord};
pub use quantity::{Bytes, QuantityError, Rate, Ratio};
pub use secret::Secret;
pub use timestamp::{Timestamp, TimestampError, whole_micros};
