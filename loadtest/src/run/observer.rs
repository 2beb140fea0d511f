//! Whoever watches a run.

use std::time::Duration;

use crate::result::{Second, Subject, TrialResult};
use crate::tally::Tally;

/// Is told what happens, from one thread. It must not block: seconds queue up behind it.
pub trait Observer {
    /// A run begins; of a capacity search, each trial.
    fn begun(&mut self, subject: &Subject, load: &str, planned: Duration);
    /// A second is over; `so_far` is everything since `begun`.
    fn second(&mut self, second: &Second, so_far: &Tally);
    /// A trial of a capacity search was judged.
    fn trial(&mut self, _trial: &TrialResult) {}
    /// Something a person should know.
    fn note(&mut self, line: &str);
    /// Nothing more comes; a screen gives the terminal back.
    fn ended(&mut self);
}
