//! The sections of a capacity search.

use super::chart::{Axis, Chart, Line, Mark, Shape};
use super::scale::Scale;
use super::{facts_list, list, section, table};
use crate::report::text::{bracket, capacity_facts};
use crate::report::words::{self, LatencyLimit};
use crate::result::{CapacityResult, SearchResult, TrialResult};

/// All sections, the most important first.
pub(super) fn sections(result: &CapacityResult) -> String {
    let mut out = section("What follows");
    out.push_str(&facts_list(&capacity_facts(result)));
    out.push_str("</section>\n");
    if !result.hints.is_empty() {
        out.push_str(&section("What supports or doubts it"));
        out.push_str(&list(&result.hints));
        out.push_str("</section>\n");
    }
    out.push_str(&section("The search"));
    let trials: Vec<&TrialResult> = result
        .searches
        .iter()
        .flat_map(|search| &search.trials)
        .collect();
    if trials.is_empty() {
        out.push_str("<p class=\"dim\">No trial was made.</p>\n");
    } else {
        out.push_str("<div class=\"charts\">\n");
        out.push_str(&by_rate(result, &trials));
        out.push_str(&in_order(result, &trials));
        out.push_str("</div>\n");
    }
    out.push_str("</section>\n");
    for (number, search) in result.searches.iter().enumerate() {
        out.push_str(&section(&format!(
            "Search {}: {}",
            number + 1,
            bracket(search)
        )));
        out.push_str(&trial_table(search));
        out.push_str("</section>\n");
    }
    out
}

fn fastest(trials: &[&TrialResult]) -> f64 {
    trials.iter().map(|trial| trial.rate).fold(0.0, f64::max)
}

fn title(trial: &TrialResult) -> String {
    format!(
        "{} QPS, {}: {} ({})",
        words::rate(trial.rate),
        words::ms(trial.latency_ms),
        trial.class,
        trial.why
    )
}

/// The highest rate that held in every search.
fn low(result: &CapacityResult) -> Option<f64> {
    result
        .searches
        .iter()
        .filter_map(|search| search.low)
        .reduce(f64::min)
}

fn by_rate(result: &CapacityResult, trials: &[&TrialResult]) -> String {
    let fastest = fastest(trials);
    let limit = LatencyLimit::find(&result.objective);
    let latencies = || {
        trials
            .iter()
            .map(|trial| trial.latency_ms)
            .filter(|ms| *ms > 0.0)
    };
    let lowest = latencies().fold(f64::INFINITY, f64::min);
    let highest = latencies().fold(limit.as_ref().map_or(0.0, |limit| limit.ms), f64::max);
    let marks = trials
        .iter()
        .map(|trial| Mark {
            x: trial.rate,
            y: trial.latency_ms,
            shape: Shape::of(&trial.class),
            title: title(trial),
        })
        .collect();
    Chart {
        title: "Latency of each trial by its rate (QPS)",
        summary: words::of_capacity(result).text,
        x: Axis {
            scale: Scale::from_zero(fastest),
            say: words::rate,
        },
        y: Axis {
            scale: Scale::log(lowest, highest),
            say: words::ms,
        },
        bars: vec![],
        lines: vec![],
        marks,
        limit_y: limit.map(|limit| (limit.ms, limit.words)),
        limit_x: low(result).map(|low| (low, format!("{} QPS", words::rate(low)))),
        span: None,
    }
    .draw()
}

fn in_order(result: &CapacityResult, trials: &[&TrialResult]) -> String {
    let fastest = fastest(trials);
    let place = |number: usize| number as f64 + 1.0;
    let marks = trials
        .iter()
        .enumerate()
        .map(|(number, trial)| Mark {
            x: place(number),
            y: trial.rate,
            shape: Shape::of(&trial.class),
            title: title(trial),
        })
        .collect();
    let mut number = 0;
    let lines = result
        .searches
        .iter()
        .map(|search| {
            let points = search
                .trials
                .iter()
                .map(|trial| {
                    number += 1;
                    (f64::from(number), Some(trial.rate))
                })
                .collect();
            Line {
                name: String::new(),
                style: 5,
                points,
            }
        })
        .collect();
    Chart {
        title: "Rate (QPS) of each trial in order; the line is the capacity",
        summary: format!(
            "{} in {}.",
            words::counted(trials.len() as u64, "trial"),
            if result.searches.len() == 1 {
                "1 search".to_owned()
            } else {
                format!("{} searches", result.searches.len())
            }
        ),
        x: Axis {
            scale: Scale::steps(trials.len()),
            say: words::rate,
        },
        y: Axis {
            scale: Scale::from_zero(fastest),
            say: words::rate,
        },
        bars: vec![],
        lines,
        marks,
        limit_y: low(result).map(|low| (low, String::new())),
        limit_x: None,
        span: None,
    }
    .draw()
}

fn trial_table(search: &SearchResult) -> String {
    let rows: Vec<Vec<String>> = search
        .trials
        .iter()
        .map(|trial| {
            let mark = match Shape::of(&trial.class) {
                Shape::Carried => "✓",
                Shape::Overloaded => "✕",
                Shape::Unclear => "?",
                Shape::Invalid => "!",
            };
            vec![
                // Mark and word stay on one line.
                format!("{mark}\u{a0}{}", trial.class),
                words::rate(trial.rate),
                words::span(trial.seconds),
                words::ms(trial.latency_ms),
                trial.success_rate.map_or("–".to_owned(), words::share),
                trial.pod_cpus.map_or("–".to_owned(), words::rate),
                trial.purpose.clone(),
                trial.why.clone(),
            ]
        })
        .collect();
    table(
        &[
            "",
            "#QPS",
            "#time",
            "#latency",
            "#succeeded",
            "#pod CPUs",
            "purpose",
            "why",
        ],
        &rows,
    )
}
