//! Advice about rules, once the traffic is known.

use std::sync::Arc;

use declare::{Node, Problems};
use model::{FunctionId, Mode};

use crate::condition::{Condition, SuccessRate};
use crate::rule::Rule;

/// Functions named by one piece of advice; the rest is counted.
const NAMED_MAX: usize = 5;
/// More chance breaches than this in 1,000 days are worth a word.
const FALSE_BREACHES_MAX: f64 = 1.0;

pub(crate) fn lint(rules: &[Arc<Rule>], traffic: &[(FunctionId, f64)]) -> Problems {
    let mut problems = Problems::new();
    for rule in rules {
        let Some(place) = &rule.place else { continue };
        let watched: Vec<&(FunctionId, f64)> = traffic
            .iter()
            .filter(|(id, _)| rule.select.takes(&id.to_string()))
            .collect();
        advise_on_patterns(rule, place, traffic, &mut problems);
        for mode in [Mode::Daily, Mode::Rush] {
            if mode == Mode::Rush && rule.rush.is_none() {
                continue;
            }
            if let Condition::SuccessRate(condition) = &rule.settings(mode).condition {
                advise_on_reach(rule, place, mode, condition, &watched, &mut problems);
                advise_on_chance(rule, place, mode, condition, &watched, &mut problems);
            }
        }
    }
    problems
}

pub(crate) fn expectations(
    rules: &[Arc<Rule>],
    calls_per_minute: f64,
) -> Vec<(String, Option<f64>)> {
    rules
        .iter()
        .filter_map(|rule| match &rule.daily.condition {
            Condition::SuccessRate(condition) => Some((
                rule.name.clone(),
                condition.expected_false_breaches(calls_per_minute),
            )),
            _ => None,
        })
        .collect()
}

pub(crate) fn budgets(rules: &[Arc<Rule>]) -> Vec<(String, f64)> {
    const YEAR_SECONDS: f64 = 365.0 * 86_400.0;
    let early = rules.iter().filter_map(|rule| {
        let every = match &rule.daily.condition {
            Condition::FailsEarly(condition) => condition.page_every,
            Condition::FallsEarly(condition) => condition.page_every,
            _ => return None,
        };
        Some((rule.name.clone(), YEAR_SECONDS / every.as_secs_f64()))
    });
    early.collect()
}

fn advise_on_patterns(
    rule: &Rule,
    place: &Node,
    traffic: &[(FunctionId, f64)],
    problems: &mut Problems,
) {
    if traffic.is_empty() {
        return;
    }
    for glob in &rule.select.functions {
        if !traffic.iter().any(|(id, _)| glob.matches(&id.to_string())) {
            problems
                .advice(
                    place.field("functions").unwrap_or(place),
                    format!("{}: `{glob}` matches no function seen", rule.name),
                )
                .hint("patterns stand for namespace/name, such as guide/*");
        }
    }
}

fn advise_on_reach(
    rule: &Rule,
    place: &Node,
    mode: Mode,
    condition: &SuccessRate,
    watched: &[&(FunctionId, f64)],
    problems: &mut Problems,
) {
    let window_minutes = condition.over.as_secs_f64() / 60.0;
    let unreachable: Vec<&(FunctionId, f64)> = watched
        .iter()
        .copied()
        .filter(|(_, calls)| calls * window_minutes < condition.enough.min_calls as f64)
        .collect();
    for (id, calls) in unreachable.iter().take(NAMED_MAX) {
        problems
            .advice(
                place,
                format!(
                    "{} cannot fire for {id}{}: {calls:.0} calls/min < min_calls {} in {}",
                    rule.name,
                    in_mode(mode),
                    condition.enough.min_calls,
                    model::format_duration(condition.over)
                ),
            )
            .hint("lower `min_calls`, lengthen `over`, or watch it by `absent_for`");
    }
    if unreachable.len() > NAMED_MAX {
        problems.advice(
            place,
            format!(
                "{} cannot fire for {} more functions{}",
                rule.name,
                unreachable.len() - NAMED_MAX,
                in_mode(mode)
            ),
        );
    }
}

fn advise_on_chance(
    rule: &Rule,
    place: &Node,
    mode: Mode,
    condition: &SuccessRate,
    watched: &[&(FunctionId, f64)],
    problems: &mut Problems,
) {
    let worst = watched
        .iter()
        .filter_map(|(id, calls)| Some((id, calls, condition.expected_false_breaches(*calls)?)))
        .max_by(|left, right| left.2.total_cmp(&right.2));
    if let Some((id, calls, expected)) = worst
        && expected > FALSE_BREACHES_MAX
    {
        problems
            .advice(
                place,
                format!(
                    "{} will breach by chance {expected:.0} times in 1,000 days for {id}{} ({calls:.0} calls/min)",
                    rule.name,
                    in_mode(mode)
                ),
            )
            .hint("raise `confidence` or `min_calls`; `for` helps against chance as well");
    }
}

fn in_mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Daily => "",
        Mode::Rush => " in rush mode",
    }
}
