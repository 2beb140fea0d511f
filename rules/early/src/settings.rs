//! What the owner declares.

use std::time::Duration;

/// `success_rate: {objective: 99.9%, detect: early, false_pages: 1/3y}`, proven.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// 1 − objective: the share of calls that may fail.
    pub failing_allowed: f64,
    /// The time in which one false page is accepted.
    pub page_every: Duration,
    /// How many series share that page.
    pub series: u32,
}

/// The page per three years that is allowed unless declared.
pub const PAGE_EVERY_DEFAULT: Duration = Duration::from_hours(3 * 365 * 24);

/// The healthy share is never taken for more than so many times what the objective allows.
pub(crate) const HEALTHY_TIMES_MAX: f64 = 5.0;
/// Clean days before what was learned is used.
pub const DAYS_LEARNING: u64 = 7;
/// Evidence counts so much less before that.
pub(crate) const LEARNING_DIVISOR: f64 = 4.0;
/// Correlations that are all thought possible before one is known.
pub(crate) const LEARNING_CORRELATIONS: [f64; 5] = [0.0, 0.002, 0.01, 0.03, 0.1];
/// Fewer failing calls never page.
pub const FAILED_MIN: u64 = 5;

impl Default for Settings {
    fn default() -> Self {
        Settings {
            failing_allowed: 0.001,
            page_every: PAGE_EVERY_DEFAULT,
            series: 1,
        }
    }
}
