//! What the screen shows, and how it follows a run.

use std::collections::VecDeque;
use std::time::Duration;

use crate::report::Health;
use crate::report::escape::plain;
use crate::result::{Second, Subject, TrialResult};
use crate::tally::Tally;

/// Seconds that are kept for the curve: wider than any terminal.
pub const SECONDS_MAX: usize = 600;
/// Notes that are kept.
pub const NOTES_MAX: usize = 20;
/// Trials that are kept.
pub const TRIALS_MAX: usize = 200;

/// Everything that is drawn. Texts in it are already harmless to a terminal.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// What is tested, where.
    pub subject: String,
    /// The load in words.
    pub load: String,
    /// How long it takes.
    pub planned: Duration,
    /// How long it has been running.
    pub passed: Duration,
    /// Its last seconds, oldest first.
    pub seconds: VecDeque<Second>,
    /// Everything since the warm-up; of a search, of the trial at hand.
    pub so_far: Tally,
    /// Trials of a capacity search, oldest first.
    pub trials: VecDeque<TrialResult>,
    /// What a person was told, oldest first.
    pub notes: VecDeque<String>,
    /// The objective's latency in ms.
    pub objective_ms: Option<f64>,
    /// Why it is stopping, once somebody wants that.
    pub stopping: Option<String>,
    /// Whether colours are used.
    pub colour: bool,
}

impl State {
    /// It begins.
    pub fn begin(&mut self, subject: &Subject, load: &str, planned: Duration) {
        let name = subject.function.as_deref().unwrap_or(&subject.id);
        let version = subject
            .version
            .as_ref()
            .map_or(String::new(), |version| format!(" version {version}"));
        self.subject = plain(&format!("{name}{version} at {}", subject.target));
        self.load = plain(load);
        self.planned = planned;
        self.passed = Duration::ZERO;
        self.seconds.clear();
        self.so_far.clear();
        self.trials.clear();
    }

    /// A second is over.
    pub fn second(&mut self, second: &Second, so_far: &Tally) {
        keep(&mut self.seconds, *second, SECONDS_MAX);
        self.so_far.clone_from(so_far);
    }

    /// A trial was judged.
    pub fn trial(&mut self, trial: &TrialResult) {
        let trial = TrialResult {
            purpose: plain(&trial.purpose),
            class: plain(&trial.class),
            why: plain(&trial.why),
            ..trial.clone()
        };
        keep(&mut self.trials, trial, TRIALS_MAX);
    }

    /// A person was told something.
    pub fn note(&mut self, line: &str) {
        keep(&mut self.notes, plain(line), NOTES_MAX);
    }

    /// Share of it that is over, 0 to 1.
    pub fn progress(&self) -> f64 {
        let planned = self.planned.as_secs_f64();
        let share = if planned > 0.0 {
            self.passed.as_secs_f64() / planned
        } else {
            0.0
        };
        share.clamp(0.0, 1.0)
    }

    /// How the generator does.
    pub fn health(&self) -> Health {
        Health {
            lag_p99_ms: self.so_far.lag.quantile(0.99) as f64 / 1e6,
            loop_gap_ms: self.so_far.loop_gap_nanos_max as f64 / 1e6,
            cpu: self.so_far.cpu_share(),
            objective_ms: self.objective_ms,
        }
    }
}

fn keep<T>(queue: &mut VecDeque<T>, item: T, items_max: usize) {
    if queue.len() >= items_max {
        queue.pop_front();
    }
    queue.push_back(item);
}
