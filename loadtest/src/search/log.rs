//! What one search keeps of its trials for reports and cross-checks.

use crate::result::TrialResult;
use crate::search::hints::Sample;
use crate::search::judge::{self, Class, Judgement};
use crate::search::trend;
use crate::search::trial::{Block, Observation};

/// Sentences that one search keeps at most.
const NOTES_MAX: usize = 20;

/// The trials of one search, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    pub(super) trials: Vec<TrialResult>,
    pub(super) samples: Vec<Sample>,
    pub(super) notes: Vec<String>,
}

impl Log {
    /// Keeps a sentence once.
    pub(super) fn note(&mut self, sentence: String) {
        if self.notes.len() < NOTES_MAX && !self.notes.contains(&sentence) {
            self.notes.push(sentence);
        }
    }

    pub(super) fn warm_up(&mut self, observation: &Observation) {
        self.keep(
            observation,
            Class::Unclear.word(),
            "the warm-up is not judged",
        );
    }

    pub(super) fn invalid(&mut self, observation: &Observation, why: &str) {
        self.keep(observation, "invalid", why);
    }

    pub(super) fn judged(&mut self, observation: &Observation, judgement: &Judgement) {
        self.keep(observation, judgement.class.word(), &judgement.why);
        self.samples.push(sample(observation, judgement.class));
        if judgement.limited {
            self.note(format!(
                "at {:.0}/s {}",
                observation.trial.rate, judgement.why
            ));
        }
    }

    fn keep(&mut self, observation: &Observation, class: &str, why: &str) {
        let total = Total::of(&observation.blocks);
        let mut latencies: Vec<f64> = judge::counted(&observation.blocks)
            .iter()
            .map(|block| block.latency_at_quantile_ms)
            .collect();
        let answered = total.done - total.limited;
        self.trials.push(TrialResult {
            purpose: observation.trial.purpose.word().to_owned(),
            rate: observation.trial.rate,
            seconds: total.seconds,
            class: class.to_owned(),
            why: why.to_owned(),
            // Percentiles cannot be added up; the middle one of the blocks stands for them.
            latency_ms: trend::median(&mut latencies).unwrap_or(0.0),
            success_rate: (answered > 0.0).then(|| total.ok / answered),
            pod_cpus: total.pod_cpus(),
        });
    }
}

/// Sums over the blocks of a trial.
#[derive(Clone, Copy, Debug, Default)]
struct Total {
    seconds: f64,
    done: f64,
    ok: f64,
    limited: f64,
    latency_ms: f64,
    pod_cpu_seconds: Option<f64>,
    throttled_seconds: Option<f64>,
}

impl Total {
    fn of(blocks: &[Block]) -> Self {
        let sum = |of: fn(&Block) -> f64| blocks.iter().map(of).sum::<f64>();
        Total {
            seconds: sum(|block| block.seconds),
            done: sum(|block| block.done as f64),
            ok: sum(|block| block.ok as f64),
            limited: sum(|block| block.limited as f64),
            latency_ms: sum(|block| block.mean_latency_ms * block.done as f64),
            pod_cpu_seconds: blocks.iter().map(|block| block.pod_cpu_seconds).sum(),
            throttled_seconds: blocks.iter().map(|block| block.throttled_seconds).sum(),
        }
    }

    fn pod_cpus(&self) -> Option<f64> {
        self.pod_cpu_seconds
            .map(|cpu| cpu / self.seconds)
            .filter(|cpus| cpus.is_finite())
    }
}

fn sample(observation: &Observation, class: Class) -> Sample {
    // Without the lead-in, as the judgement.
    let total = Total::of(judge::counted(&observation.blocks));
    Sample {
        rate: observation.trial.rate,
        ok_per_second: total.ok / total.seconds.max(f64::MIN_POSITIVE),
        mean_latency_ms: total.latency_ms / total.done.max(1.0),
        pod_cpus: total.pod_cpus(),
        throttled: total
            .throttled_seconds
            .map(|throttled| throttled / total.seconds)
            .filter(|share| share.is_finite()),
        held: match class {
            Class::Carried => Some(true),
            Class::Overloaded => Some(false),
            Class::Unclear => None,
        },
    }
}
