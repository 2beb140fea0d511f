//! The load tester: what one pod can carry, and what follows from it.
//!
//! Owns: pacing, histograms, verdicts; in this version the words ([`Objective`], [`Verdict`]) and the
//! arithmetic that turns a measured capacity into pods and limits ([`plan`]). It sends no load yet.
//! Never: sends to a target that is not allowed.
//! Entry point: [`plan::Plan::pods`] and [`plan::limits`].

pub mod plan;

use std::time::Duration;

use model::Ratio;

/// What a pod must keep up to count as carrying a load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    /// The latency that 99 % of calls must stay under, measured from the intended send instant.
    pub p99: Duration,
    /// The share of calls that must succeed.
    pub success_rate: Ratio,
}

/// How sure a capacity search is.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Held at `low` calls per second in every repetition, failed at `high`.
    Confirmed {
        /// The highest rate that held.
        low: f64,
        /// The lowest rate that did not.
        high: f64,
    },
    /// Held at this rate; the generator or the allowed maximum ended the search before the pod did.
    AtLeast {
        /// The highest rate that held.
        low: f64,
    },
    /// Repetitions disagree by more than 15 %.
    Noisy {
        /// The lowest and the highest result.
        spread: (f64, f64),
    },
    /// Nothing can be said, for this reason.
    Invalid {
        /// The reason, for a person.
        why: String,
    },
}

impl Verdict {
    /// The calls per second that may be planned with, when the verdict allows planning at all.
    pub fn plannable(&self) -> Option<f64> {
        match self {
            Verdict::Confirmed { low, .. } | Verdict::AtLeast { low } => Some(*low),
            Verdict::Noisy { .. } | Verdict::Invalid { .. } => None,
        }
    }
}
