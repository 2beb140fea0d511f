//! What a pod must keep up, and whether a load can show that it does.

use std::time::Duration;

use declare::{Node, Problems};
use model::{Rate, Ratio, format_duration};

use super::{Load, LoadModel, Objective};

/// The percentiles that can be asked for, with the share of calls that must be faster.
pub(super) const PERCENTILES: [(&str, f64); 5] = [
    ("p50", 0.5),
    ("p90", 0.9),
    ("p95", 0.95),
    ("p99", 0.99),
    ("p99.9", 0.999),
];
/// The chance left that a load counts as carried although it is not.
const CHANCE_OF_ERROR: f64 = 0.05;
const SUCCESS_RATE_DEFAULT: f64 = 0.999;

impl Objective {
    /// Calls it takes to show that its percentile holds, none of them slower: were the share of faster
    /// calls just `quantile`, so many in a row would all be fast with a chance of
    /// `quantileⁿ < 5 %`. 299 for p99, 2995 for p99.9.
    pub fn calls_needed(&self) -> u64 {
        calls_needed(self.quantile)
    }

    /// `p99.9`
    pub fn percentile(&self) -> String {
        format!("p{}", (self.quantile * 1e6).round() / 1e4)
    }
}

fn calls_needed(quantile: f64) -> u64 {
    (CHANCE_OF_ERROR.ln() / quantile.ln()).ceil() as u64
}

impl Load {
    /// Calls due while they are counted; `None` in the closed model, where it depends on the answers.
    pub fn calls(&self) -> Option<f64> {
        let LoadModel::Open { stages, .. } = &self.model else {
            return None;
        };
        Some(
            stages
                .iter()
                .map(|stage| f64::midpoint(stage.from, stage.to) * stage.duration.as_secs_f64())
                .sum(),
        )
    }

    /// The highest rate, calls per second; `None` in the closed model.
    pub fn peak_rate(&self) -> Option<f64> {
        let LoadModel::Open { stages, .. } = &self.model else {
            return None;
        };
        Some(
            stages
                .iter()
                .map(|stage| stage.from.max(stage.to))
                .fold(0.0, f64::max),
        )
    }

    /// Whether there is something to send: a plan made for a capacity search alone has no load of its
    /// own.
    pub fn is_empty(&self) -> bool {
        self.duration.is_zero()
    }
}

/// The objective, held against the load that shall show it.
pub(super) fn read(node: &Node, load: Option<&Load>, problems: &mut Problems) -> Option<Objective> {
    let (name, quantile) = PERCENTILES
        .into_iter()
        .find(|(name, _)| node.field(name).is_some())?;
    let at = node.field(name)?;
    let latency = at.duration()?;
    if latency.is_zero() {
        problems
            .error(at, format!("`{name}`: no call takes no time"))
            .hint("write a latency such as 100ms");
        return None;
    }
    if let Some(load) = load.filter(|load| !load.is_empty()) {
        check_calls(node, name, quantile, load, problems);
    }
    Some(Objective {
        quantile,
        latency,
        success_rate: match node.field("success_rate") {
            Some(written) => written.ratio()?,
            None => Ratio::new(SUCCESS_RATE_DEFAULT)?,
        },
    })
}

fn check_calls(node: &Node, name: &str, quantile: f64, load: &Load, problems: &mut Problems) {
    let needed = calls_needed(quantile);
    let Some(calls) = load.calls().filter(|calls| *calls < needed as f64) else {
        return;
    };
    let LoadModel::Open { stages, .. } = &load.model else {
        return;
    };
    let seconds = load.duration.as_secs_f64();
    let rate = |rate: f64| Rate::per_second(rate).map_or_else(String::new, |rate| rate.to_string());
    let how = match stages.as_slice() {
        [stage] => format!(
            "{} x {}",
            rate(f64::midpoint(stage.from, stage.to)),
            format_duration(load.duration)
        ),
        _ => "the load".to_owned(),
    };
    let longer = Duration::from_secs((needed as f64 / (calls / seconds)).ceil().min(1e9) as u64);
    let lower = PERCENTILES
        .iter()
        .rev()
        .find(|(_, quantile)| calls_needed(*quantile) as f64 <= calls);
    let more = if calls > 0.0 {
        format!(
            "send for {} or longer, or {} or more",
            format_duration(longer),
            rate((needed as f64 / seconds * 10.0).ceil() / 10.0)
        )
    } else {
        "send something".to_owned()
    };
    let less = lower.map_or_else(String::new, |(lower, _)| format!(", or ask for `{lower}`"));
    problems
        .error(
            node.key(name).unwrap_or(node),
            format!("`{name}` needs at least {needed} calls, {how} gives {calls:.0}"),
        )
        .hint(more + &less);
}
