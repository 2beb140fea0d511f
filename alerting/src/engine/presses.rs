//! Keys pressed in calls that were acted on, so that a callback that is sent again acts once.

use std::collections::VecDeque;
use std::sync::Mutex;

/// The keys of the recent past.
#[derive(Debug, Default)]
pub(super) struct Presses {
    seen: Mutex<VecDeque<String>>,
}

impl Presses {
    /// The most that are remembered; a link that old has expired.
    const SEEN_MAX: usize = 10_000;
    /// A call's number and a key are short; what is longer is not compared beyond this.
    const CHARS_MAX: usize = 100;

    /// Whether this one is new; it is not from now on.
    pub(super) fn is_first(&self, press: &str) -> bool {
        let press: String = press.chars().take(Self::CHARS_MAX).collect();
        let Ok(mut seen) = self.seen.lock() else {
            return true;
        };
        if seen.contains(&press) {
            return false;
        }
        if seen.len() >= Self::SEEN_MAX {
            seen.pop_front();
        }
        seen.push_back(press);
        true
    }
}
