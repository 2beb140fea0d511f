//! How much of the truth has arrived. The collector knows; rules only ask.

use model::{FunctionId, Ratio, Timestamp};

/// The share of the expected data that is present in a window.
#[derive(Clone, Debug, PartialEq)]
pub enum Completeness {
    /// Measured against what the sources promised.
    Known(Ratio),
    /// Nobody can say.
    Unknown {
        /// The reason, for people.
        why: String,
    },
}

/// What tells completeness; the root adapts the collector to it.
pub trait Sight: Send + Sync {
    /// How complete `[from, to)` is, for one function or for everything that is required.
    fn completeness(
        &self,
        function: Option<&FunctionId>,
        from: Timestamp,
        to: Timestamp,
    ) -> Completeness;
}
