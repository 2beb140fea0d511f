//! Whether a target gets worse under a load that it carries at first.

use std::time::Duration;

use crate::search::judge::{self, Class, Judge, Judgement};
use crate::search::trend;
use crate::search::trial::{Block, Observation};

/// The share of the found rate that is held.
pub(super) const SHARE: f64 = 0.9;
/// A soak that fails is tried again at this share of its rate.
pub(super) const STEP_DOWN: f64 = 0.8;
/// Below this share of its first rate it is given up.
pub(super) const SHARE_MIN: f64 = 0.2;
const BLOCK_MAX: Duration = Duration::from_secs(30);
const BLOCK_MIN: Duration = Duration::from_secs(1);
/// Trends need so many blocks.
const BLOCKS_MIN: usize = 8;
/// The chance that level figures pass for rising ones.
const CHANCE_OF_ERROR_TREND: f64 = 0.005;
/// Latency that rises by less than this share of its median, from the first block to the last, is level.
const LATENCY_GROWTH_MIN: f64 = 0.3;
/// And so is memory that rises by less than this, over the second half.
const MEMORY_GROWTH_MIN: f64 = 0.05;
/// Shorter soaks show no trend: queues swing for seconds, and every program takes memory when load comes.
const TREND_SOAK_MIN: Duration = Duration::from_mins(2);

/// Blocks of 30 s, shorter ones when that would make fewer than ten.
pub(super) fn block(soak: Duration) -> Duration {
    (soak / 10).clamp(BLOCK_MIN, BLOCK_MAX)
}

/// Judges a finished soak. Its rate is below one that was carried, so what leans to carried is; what leans
/// to overloaded without being certain stays open.
pub(super) fn judge(judge: &Judge, observation: &Observation) -> Judgement {
    let whole = judge.trial(observation);
    if whole.class == Class::Overloaded && whole.certain {
        return whole;
    }
    let shows_trends = observation.trial.duration >= TREND_SOAK_MIN;
    let trend = || latency_drift(&observation.blocks).or_else(|| memory_drift(&observation.blocks));
    if let Some(why) =
        late_overload(judge, observation).or_else(|| trend().filter(|_| shows_trends))
    {
        return Judgement {
            certain: true,
            ..Judgement::overloaded(why)
        };
    }
    let class = if whole.leans_to_carried {
        Class::Carried
    } else {
        Class::Unclear
    };
    Judgement { class, ..whole }
}

/// The last third alone misses the objective.
fn late_overload(judge: &Judge, observation: &Observation) -> Option<String> {
    let late = judge.last_third(&judge.calls(observation));
    (late.class == Class::Overloaded && late.certain)
        .then(|| format!("it got worse: in the last third {}", late.why))
}

fn latency_drift(blocks: &[Block]) -> Option<String> {
    let latencies: Vec<f64> = judge::counted(blocks)
        .iter()
        .map(|block| block.latency_at_quantile_ms)
        .collect();
    let growth = steady_growth(&latencies)?;
    (growth > LATENCY_GROWTH_MIN).then(|| {
        format!(
            "its latency rose steadily, by {} over the soak",
            judge::percent(growth)
        )
    })
}

fn memory_drift(blocks: &[Block]) -> Option<String> {
    let memory: Option<Vec<f64>> = blocks
        .iter()
        .map(|block| block.pod_memory_bytes.map(|bytes| bytes as f64))
        .collect();
    let memory = memory?;
    // Over all of it the rise must be steady, and the second half must still have its part of it: a
    // cache that fills up and stops is no leak.
    steady_growth(&memory)?;
    let second_half = memory.get(memory.len() / 2..)?;
    let growth = relative_growth(second_half)?;
    (growth > MEMORY_GROWTH_MIN).then(|| {
        format!(
            "its memory rose steadily, by {} in the second half of the soak",
            judge::percent(growth)
        )
    })
}

/// The growth over the whole series as a share of its median, when the series rises steadily.
fn steady_growth(figures: &[f64]) -> Option<f64> {
    if figures.len() < BLOCKS_MIN || trend::chance_of_rising(figures) > CHANCE_OF_ERROR_TREND {
        return None;
    }
    relative_growth(figures)
}

fn relative_growth(figures: &[f64]) -> Option<f64> {
    let points: Vec<(f64, f64)> = figures
        .iter()
        .enumerate()
        .map(|(at, figure)| (at as f64, *figure))
        .collect();
    let (slope, _) = trend::theil_sen(&points)?;
    let median = trend::median(&mut figures.to_vec())?;
    (median > 0.0).then(|| slope * (figures.len() as f64 - 1.0) / median)
}
