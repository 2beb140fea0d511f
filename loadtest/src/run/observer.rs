//! Who watches a run while it lasts.

use std::time::Duration;

use crate::result::{Second, Subject, TrialResult};
use crate::tally::Tally;

/// Told what happens, in order; the terminal's view is one.
pub trait Observer {
    /// It begins: what is tested, the load in words, and how long it takes.
    fn begun(&mut self, subject: &Subject, load: &str, planned: Duration);
    /// A second is over; `so_far` sums up everything since the warm-up.
    fn second(&mut self, second: &Second, so_far: &Tally);
    /// A trial of a capacity search was judged.
    fn trial(&mut self, _trial: &TrialResult) {}
    /// Something worth a line.
    fn note(&mut self, line: &str);
    /// It is over, whatever the reason.
    fn ended(&mut self);
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Observer for Unwatched {
    fn begun(&mut self, _: &Subject, _: &str, _: Duration) {}
    fn second(&mut self, _: &Second, _: &Tally) {}
    fn note(&mut self, _: &str) {}
    fn ended(&mut self) {}
}
