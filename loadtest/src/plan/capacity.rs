//! How a capacity is searched, and the sale that pods are counted for.

use std::time::Duration;

use declare::{Node, Problems};
use model::{Rate, Ratio};

use super::CapacityPlan;
use super::caps::RUN_DURATION_MAX;
use super::read::{read_count, read_rate};
use crate::sizing;

const START_DEFAULT: f64 = 20.0;
const MAX_DEFAULT: f64 = 10_000.0;
const SOAK_DEFAULT: Duration = Duration::from_mins(5);
const SEARCHES_DEFAULT: u32 = 3;
const PRECISION_DEFAULT: f64 = 0.05;
/// A wider bracket says nothing.
const PRECISION_MAX: f64 = 0.5;
const USE_DEFAULT: f64 = 0.7;

impl Default for CapacityPlan {
    fn default() -> Self {
        CapacityPlan {
            start: START_DEFAULT,
            max: MAX_DEFAULT,
            soak: SOAK_DEFAULT,
            searches: SEARCHES_DEFAULT,
            precision: PRECISION_DEFAULT,
            pods: 1,
        }
    }
}

/// The search; its defaults when the section is left out.
pub(super) fn read(node: Option<&Node>, problems: &mut Problems) -> Option<CapacityPlan> {
    let default = CapacityPlan::default();
    let Some(node) = node else {
        return Some(default);
    };
    let start = match node.field("start") {
        Some(at) => read_positive(at, "start", problems),
        None => Some(default.start),
    };
    let max = match node.field("max") {
        Some(at) => read_positive(at, "max", problems),
        None => Some(start.unwrap_or(0.0).max(default.max)),
    };
    let precision = match node.field("precision") {
        Some(at) => read_precision(at, problems),
        None => Some(default.precision),
    };
    let soak = match node.field("soak") {
        Some(at) => read_soak(at, problems),
        None => Some(default.soak),
    };
    if let (Some(start), Some(max), Some(at)) = (start, max, node.field("max"))
        && max < start
    {
        let shown = |rate| Rate::per_second(rate).map_or_else(String::new, |rate| rate.to_string());
        problems
            .error(
                at,
                format!(
                    "the search ends at {}, below its start at {}",
                    shown(max),
                    shown(start)
                ),
            )
            .hint(format!(
                "write {} or more, or a lower `start`",
                shown(start)
            ));
    }
    Some(CapacityPlan {
        start: start?,
        max: max?,
        soak: soak?,
        searches: read_count(Some(node), "searches", default.searches),
        precision: precision?,
        pods: read_count(Some(node), "pods", default.pods),
    })
}

fn read_positive(at: &Node, name: &str, problems: &mut Problems) -> Option<f64> {
    let rate = read_rate(at, problems)?;
    if rate > 0.0 {
        return Some(rate);
    }
    problems
        .error(at, format!("`{name}` is above zero"))
        .hint("write a rate such as 20/s");
    None
}

fn read_precision(at: &Node, problems: &mut Problems) -> Option<f64> {
    let precision = at.ratio()?.get();
    if precision > 0.0 && precision <= PRECISION_MAX {
        return Some(precision);
    }
    problems
        .error(at, "`precision` lies above 0% and is at most 50%")
        .hint("5% takes a few trials, each halving it one more");
    None
}

fn read_soak(at: &Node, problems: &mut Problems) -> Option<Duration> {
    let soak = at.duration()?;
    if soak <= RUN_DURATION_MAX {
        return Some(soak);
    }
    problems
        .error(at, "`soak` is longer than a run may be")
        .hint("24h is the limit");
    None
}

/// The sale.
pub(super) fn read_sizing(node: &Node, problems: &mut Problems) -> Option<sizing::Plan> {
    let peak = node.field("peak")?.rate()?.get();
    let ratio = |name: &str, default: f64| match node.field(name) {
        Some(written) => written.ratio(),
        None => Ratio::new(default),
    };
    let (growth, utilisation) = (ratio("growth", 0.0), ratio("use", USE_DEFAULT));
    if let (Some(use_of), Some(at)) = (utilisation, node.field("use"))
        && use_of.get() <= 0.0
    {
        problems
            .error(at, "pods of which nothing is used carry nothing")
            .hint("write 70%");
    }
    let zones = read_count(Some(node), "zones", 1);
    let zones_lost = read_count(Some(node), "lose", 0);
    if let Some(at) = node.field("lose").filter(|_| zones_lost >= zones) {
        let (plural, most) = (
            if zones == 1 { "zone" } else { "zones" },
            zones.saturating_sub(1),
        );
        problems
            .error(
                at,
                format!("losing {zones_lost} of {zones} {plural} leaves none"),
            )
            .hint(format!(
                "{most} can be lost at most, or there are more `zones`"
            ));
    }
    Some(sizing::Plan {
        peak,
        growth: growth?,
        utilisation: utilisation?,
        zones,
        zones_lost,
        spare: read_count(Some(node), "spare", 0),
    })
}
