//! The words between a search and whoever sends the load: what to run, what was seen, what was found.

use std::time::Duration;

use crate::result::{SearchResult, Verdict};
use crate::search::hints::Sample;

/// What the search wants next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Wait `cool_down`, send this, and come back with what was seen.
    Run(Trial),
    /// The search is over.
    Done(Box<Finding>),
}

/// One load to be sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    /// Calls per second, over all pods of the target.
    pub rate: f64,
    /// How long it is sent at most; [`super::Search::enough`] may end it earlier.
    pub duration: Duration,
    /// Length of the blocks in which it is observed. The last one may be shorter.
    pub block: Duration,
    /// What it is for.
    pub purpose: Purpose,
    /// How long nothing is sent before it, so that the queues of the trial before are empty.
    pub cool_down: Duration,
}

/// What a trial is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Fills caches and compiles code; never judged.
    WarmUp,
    /// Looks for a load that fails: each one larger than the one before.
    Climb,
    /// Narrows the bracket between a load that held and one that did not.
    Bisect,
    /// The same load again, because the trial before left it open.
    Repeat,
    /// Holds the found load for long.
    Soak,
}

impl Purpose {
    /// The word for it in reports.
    pub fn word(self) -> &'static str {
        match self {
            Purpose::WarmUp => "warm-up",
            Purpose::Climb => "climb",
            Purpose::Bisect => "bisect",
            Purpose::Repeat => "repeat",
            Purpose::Soak => "soak",
        }
    }
}

/// What was seen of a trial.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The trial it belongs to.
    pub trial: Trial,
    /// Its blocks, in order.
    pub blocks: Vec<Block>,
    /// Why nothing may be concluded from it (the generator was late, out of ports, …), in sentences;
    /// empty when it is valid. A trial with a fault says nothing about the pod.
    pub faults: Vec<String>,
}

/// What was seen in a part of a trial. Calls count in the block in which they end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    /// Its length.
    pub seconds: f64,
    /// Calls that came due.
    pub intended: u64,
    /// Calls sent.
    pub sent: u64,
    /// Answered as expected.
    pub ok: u64,
    /// Refused by a flow limit (429): neither a success nor a failure.
    pub limited: u64,
    /// Not answered, or otherwise than expected.
    pub failed: u64,
    /// Answered later than the objective's latency, or `failed`. Never a `limited` one.
    pub over: u64,
    /// Calls that ended: `ok + limited + failed`.
    pub done: u64,
    /// Latency at the objective's quantile, in ms; 0 when nothing ended.
    pub latency_at_quantile_ms: f64,
    /// Mean latency in ms; 0 when nothing ended.
    pub mean_latency_ms: f64,
    /// Calls in flight at the end of each of its seconds.
    pub in_flight: Vec<u64>,
    /// CPU time that the pod used, in seconds, when known.
    pub pod_cpu_seconds: Option<f64>,
    /// Memory that the pod held at its end, when known.
    pub pod_memory_bytes: Option<u64>,
    /// How long the pod was kept from running by its CPU quota, in seconds, when known.
    pub throttled_seconds: Option<f64>,
}

/// What all searches together found.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// How sure it is, with rates over all pods of the target.
    pub verdict: Verdict,
    /// How far the highest result of the searches lies above the lowest: 0.04 is 4 %. `None` with fewer
    /// than two results.
    pub spread: Option<f64>,
    /// Mean latency at the published rate, in ms.
    pub mean_latency_ms: Option<f64>,
    /// Every search with its trials.
    pub searches: Vec<SearchResult>,
    /// What stood out while searching, in sentences.
    pub notes: Vec<String>,
    /// What each judged trial cost and gave: input of [`super::hints::sentences`].
    pub samples: Vec<Sample>,
}
