//! What explains failures: where their share is far above the share of the traffic.
//!
//! The ranking is pure and serves whoever has counted: pages over rows, alerts over what the windows
//! hold in memory. For an alert there is a deadline; a page goes out without suspects rather than late.

mod alert;
mod pairs;
mod rank;

pub(crate) use alert::{ANNOTATION, DEADLINE, wanted};
pub use pairs::{Cell, pairs};
pub use rank::{Also, Explanation, Share, rank};

use crate::condition::percent;

/// `unit b, version 7: 94 % of the failures, 12 % of the calls`.
pub fn sentence(found: &Explanation) -> String {
    let also = found.also.as_ref();
    let also = also.map_or_else(String::new, |also| {
        format!(", {} {}", also.dimension, also.value)
    });
    let share = |share: f64| percent((share * 100.0).round() / 100.0);
    let calls = found.calls_share;
    let calls = calls.map_or_else(String::new, |calls| {
        format!(", {} of the calls", share(calls))
    });
    format!(
        "{} {}{also}: {} of the failures{calls}",
        found.dimension,
        found.value,
        share(found.failures_share)
    )
}
