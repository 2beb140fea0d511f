//! How much is sent and when: a rate, stages, a recorded curve or callers who wait.

use std::time::Duration;

use declare::{Node, Problems};
use model::format_duration;

use super::caps::{RUN_DURATION_MAX, TIMEOUT_MAX};
use super::files::Files;
use super::read::{is_meant, read_count, read_rate};
use super::{Arrivals, Load, LoadModel, Stage, curve};

const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
const CONNECTIONS_DEFAULT: u32 = 1_024;
const IN_FLIGHT_DEFAULT: u32 = 10_000;
const SEED_DEFAULT: u64 = 1;
/// Fields that say how much is sent; a load has one of them.
const MODELS: [&str; 4] = ["rate", "stages", "closed", "replay"];

/// The load. Without one, or without any of [`MODELS`], a plan is for a capacity search, which brings
/// its own rates: the load is then open and empty.
pub(super) fn read(root: &Node, files: &Files, problems: &mut Problems) -> Option<Load> {
    let node = root.field("load");
    let is_for_capacity = is_meant(root, "capacity");
    if node.is_none() && !is_for_capacity && !is_meant(root, "load") {
        problems
            .error(root, "this load plan needs one of `load` or `capacity`")
            .hint("write load: {rate: 20/s, duration: 60s}");
        return None;
    }
    let (model, duration) = match node {
        Some(node) => read_model(node, is_for_capacity, files, problems)?,
        None => (empty(Arrivals::Constant), Duration::ZERO),
    };
    let of = |name: &str| node.and_then(|node| node.field(name));
    let time = |name: &str, default: Duration| match of(name) {
        Some(at) => at.duration(),
        None => Some(default),
    };
    let (warm_up, timeout) = (
        time("warm_up", Duration::ZERO),
        time("timeout", TIMEOUT_DEFAULT),
    );
    let load = Load {
        model,
        warm_up: warm_up?,
        duration,
        timeout: timeout?,
        connections_max: read_count(node, "connections_max", CONNECTIONS_DEFAULT),
        in_flight_max: read_count(node, "in_flight_max", IN_FLIGHT_DEFAULT),
        threads: read_count(node, "threads", 0),
        seed: node
            .and_then(|node| node.integer_of("seed"))
            .and_then(|seed| u64::try_from(seed).ok())
            .unwrap_or(SEED_DEFAULT),
    };
    check_times(&load, node, problems).then_some(load)
}

fn empty(arrivals: Arrivals) -> LoadModel {
    LoadModel::Open {
        arrivals,
        stages: Vec::new(),
    }
}

fn check_times(load: &Load, node: Option<&Node>, problems: &mut Problems) -> bool {
    let Some(node) = node else { return true };
    let whole = load.duration.saturating_add(load.warm_up);
    let mut fits = true;
    if whole > RUN_DURATION_MAX {
        let at = ["duration", "stages", "replay", "warm_up"];
        let at = at.iter().find_map(|name| node.field(name)).unwrap_or(node);
        problems
            .error(at, format!("the run takes {}", format_duration(whole)))
            .hint(format!(
                "{} is the limit",
                format_duration(RUN_DURATION_MAX)
            ));
        fits = false;
    }
    if let LoadModel::Closed { connections } = load.model
        && connections > load.in_flight_max
    {
        let at = node.field("closed").unwrap_or(node);
        problems
            .error(
                at,
                format!(
                    "{connections} callers have more calls in flight than in_flight_max {} allows",
                    load.in_flight_max
                ),
            )
            .hint(format!("write in_flight_max: {connections}"));
        fits = false;
    }
    if let Some(at) = node.field("timeout") {
        let why = if load.timeout.is_zero() {
            Some("no answer comes in no time")
        } else if load.timeout > TIMEOUT_MAX {
            Some("nobody waits that long")
        } else {
            None
        };
        if let Some(why) = why {
            problems
                .error(at, format!("`timeout`: {why}"))
                .hint(format!(
                    "write 10s; {} is the limit",
                    format_duration(TIMEOUT_MAX)
                ));
            fits = false;
        }
    }
    fits
}

/// The model of the callers and how long they come.
fn read_model(
    node: &Node,
    is_for_capacity: bool,
    files: &Files,
    problems: &mut Problems,
) -> Option<(LoadModel, Duration)> {
    let arrivals = match node.text_of("arrivals") {
        Some("poisson") => Arrivals::Poisson,
        _ => Arrivals::Constant,
    };
    let mut present = MODELS.into_iter().filter(|name| node.field(name).is_some());
    let Some(model) = present.next() else {
        return without_model(node, arrivals, is_for_capacity, problems);
    };
    for further in present {
        problems
            .error(
                node.key(further).unwrap_or(node),
                format!("`{further}` and `{model}` exclude each other"),
            )
            .hint("keep one of them");
    }
    check_company(node, model, problems);
    let stages = match model {
        "rate" => {
            let rate = node.field("rate").and_then(|at| positive(at, problems));
            let duration = read_duration(node, problems);
            vec![constant(rate?, duration?)]
        }
        "closed" => {
            let connections = read_count(node.field("closed"), "connections", 1);
            let duration = read_duration(node, problems)?;
            return Some((LoadModel::Closed { connections }, duration));
        }
        "stages" => read_stages(node.field("stages")?, problems)?,
        _ => curve::read(node.field("replay")?, files, problems)?,
    };
    let duration = stages.iter().fold(Duration::ZERO, |sum, stage| {
        sum.saturating_add(stage.duration)
    });
    Some((LoadModel::Open { arrivals, stages }, duration))
}

fn without_model(
    node: &Node,
    arrivals: Arrivals,
    is_for_capacity: bool,
    problems: &mut Problems,
) -> Option<(LoadModel, Duration)> {
    let misspelt = MODELS.iter().any(|name| is_meant(node, name));
    if misspelt {
        return None;
    }
    if !is_for_capacity {
        problems
            .error(
                node,
                "this load needs one of `rate`, `stages`, `closed` or `replay`",
            )
            .hint("write {rate: 20/s, duration: 60s}");
        return None;
    }
    if let Some(key) = node.key("duration") {
        problems
            .error(
                key,
                "`duration` needs a `rate`; a capacity search finds its own",
            )
            .hint("add a `rate`, or leave `duration` out");
        return None;
    }
    Some((empty(arrivals), Duration::ZERO))
}

/// Fields that have no meaning beside others.
fn check_company(node: &Node, model: &str, problems: &mut Problems) {
    if let Some(key) = node
        .key("duration")
        .filter(|_| matches!(model, "stages" | "replay"))
    {
        problems
            .error(key, format!("how long is said by `{model}`"))
            .hint("leave `duration` out");
    }
    if let Some(key) = node.key("arrivals").filter(|_| model == "closed") {
        problems
            .error(key, "callers of a closed load come when they were answered")
            .hint("leave `arrivals` out, or send a `rate`");
    }
}

fn constant(rate: f64, duration: Duration) -> Stage {
    Stage {
        duration,
        from: rate,
        to: rate,
    }
}

fn positive(at: &Node, problems: &mut Problems) -> Option<f64> {
    let rate = read_rate(at, problems)?;
    if rate > 0.0 {
        return Some(rate);
    }
    problems
        .error(at, "`rate` is above zero")
        .hint("write a rate such as 20/s");
    None
}

fn read_duration(node: &Node, problems: &mut Problems) -> Option<Duration> {
    if let Some(at) = node.field("duration") {
        return not_zero(at, problems);
    }
    if !is_meant(node, "duration") {
        problems
            .error(node, "missing field `duration` of this load")
            .hint("say how long, such as duration: 60s");
    }
    None
}

fn not_zero(at: &Node, problems: &mut Problems) -> Option<Duration> {
    let duration = at.duration()?;
    if !duration.is_zero() {
        return Some(duration);
    }
    problems
        .error(at, "`duration` is longer than nothing")
        .hint("write a duration such as 60s");
    None
}

fn read_stages(node: &Node, problems: &mut Problems) -> Option<Vec<Stage>> {
    let nodes = node.items();
    let stages: Vec<Stage> = nodes
        .iter()
        .filter_map(|node| read_stage(node, problems))
        .collect();
    if stages.len() < nodes.len() {
        return None;
    }
    if stages.iter().all(|stage| stage.from.max(stage.to) <= 0.0) {
        problems
            .error(node, "these stages send nothing")
            .hint("write [{duration: 60s, rate: 20/s}]");
        return None;
    }
    Some(stages)
}

fn read_stage(node: &Node, problems: &mut Problems) -> Option<Stage> {
    let duration = node.field("duration").and_then(|at| not_zero(at, problems));
    let mut rate = |name: &str| node.field(name).map(|at| read_rate(at, problems));
    let rates = match (rate("rate"), rate("from"), rate("to")) {
        (Some(rate), None, None) => rate.map(|rate| (rate, rate)),
        (None, Some(from), Some(to)) => from.zip(to),
        _ => {
            if !["rate", "from", "to"]
                .iter()
                .any(|name| is_misspelt(node, name))
            {
                problems
                    .error(node, "a stage has either `rate`, or `from` and `to`")
                    .hint("write {duration: 60s, from: 20/s, to: 200/s}");
            }
            None
        }
    };
    let (from, to) = rates?;
    Some(Stage {
        duration: duration?,
        from,
        to,
    })
}

fn is_misspelt(node: &Node, name: &str) -> bool {
    node.key(name).is_none() && is_meant(node, name)
}
