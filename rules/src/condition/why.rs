//! Why a verdict is unknown. Typed, so that ten thousand idle functions cost no text.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use model::format_duration;

use super::{per_second, percent};

/// Why nobody can tell.
#[derive(Clone, Debug, PartialEq)]
pub enum Why {
    /// The window holds no calls.
    NoCalls,
    /// The window holds calls, though none that count.
    NoneCounted,
    /// The window holds too few calls.
    FewCalls {
        /// How many it holds.
        counted: u64,
        /// `min_calls`.
        needed: u64,
    },
    /// Not enough of the expected data has arrived.
    Incomplete {
        /// The share that has.
        share: f64,
        /// `min_completeness`.
        needed: f64,
    },
    /// Completeness is not known.
    Blind(String),
    /// Rampart has not watched for the whole window yet.
    JustStarted {
        /// The window.
        over: Duration,
    },
    /// Earlier days are missing.
    DaysMissing {
        /// How many have calls on record.
        present: usize,
        /// How many were asked for and not left out.
        asked: usize,
    },
    /// Every earlier day was a sale or an incident.
    DaysLeftOut,
    /// There is too little traffic to judge by.
    LowBaseline {
        /// What is usual.
        baseline: f64,
        /// `min_baseline`.
        needed: f64,
    },
    /// The others have too few calls to be compared with.
    FewPeers {
        /// Calls of the others that count.
        counted: u64,
        /// `min_calls`.
        needed: u64,
        /// What parts are told apart by.
        across: &'static str,
    },
    /// What it is compared with has too few calls.
    FewToCompare {
        /// Its calls that count.
        counted: u64,
        /// `min_calls`.
        needed: u64,
        /// What it is.
        with: Arc<str>,
    },
    /// The group was not seen within memory.
    NotSeen,
    /// No load test has measured the function.
    Untested,
    /// A load test has, and its figure must not be used.
    CapacityUnusable(Arc<str>),
    /// Nothing says how many pods there are.
    NoPods,
    /// Earlier days or the last hours have not been read yet.
    HistoryUnread,
}

impl Why {
    /// Whether there is nothing to see, which `no_data` decides about. Blindness is not that.
    pub fn is_no_data(&self) -> bool {
        matches!(
            self,
            Why::NoCalls
                | Why::NoneCounted
                | Why::FewCalls { .. }
                | Why::FewPeers { .. }
                | Why::FewToCompare { .. }
                | Why::NotSeen
        )
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::NoCalls => f.write_str("no calls in the window"),
            Why::NoneCounted => {
                f.write_str("none of the calls in the window counts towards the success rate")
            }
            Why::FewCalls { counted, needed } => {
                write!(f, "{counted} calls in the window, min_calls is {needed}")
            }
            Why::FewPeers {
                counted,
                needed,
                across,
            } => write!(
                f,
                "the other {across}s have {counted} calls in the window, min_calls is {needed}"
            ),
            Why::FewToCompare {
                counted,
                needed,
                with,
            } => write!(
                f,
                "{with} has {counted} calls in the window, min_calls is {needed}"
            ),
            Why::Incomplete { share, needed } => write!(
                f,
                "only {} of the expected data has arrived, {} is needed",
                percent(*share),
                percent(*needed)
            ),
            Why::Blind(why) => write!(f, "it is not known whether all data has arrived: {why}"),
            Why::JustStarted { over } => write!(
                f,
                "the window of {} has not been watched without a gap yet",
                format_duration(*over)
            ),
            Why::DaysMissing { present, asked } => {
                write!(f, "{present} of {asked} earlier days have calls on record")
            }
            Why::DaysLeftOut => f.write_str("every earlier day is left out as a sale or incident"),
            Why::LowBaseline { baseline, needed } => write!(
                f,
                "usual traffic is {}, min_baseline is {}",
                per_second(*baseline),
                per_second(*needed)
            ),
            Why::NotSeen => f.write_str("no calls in the last 6 hours"),
            Why::Untested => f.write_str("no load test has measured what a pod carries"),
            Why::CapacityUnusable(why) => {
                write!(f, "the measured capacity cannot be used: {why}")
            }
            Why::NoPods => f.write_str(
                "it is not known how many pods there are: records name no instance, and no metric counts them",
            ),
            Why::HistoryUnread => f.write_str("history is still being read"),
        }
    }
}
