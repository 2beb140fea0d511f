//! What follows for rules once the traffic is known: what they cannot see, what chance will do, and advice.

use std::collections::BTreeMap;
use std::sync::Arc;

use declare::{Node, Problems};
use model::{FunctionId, Mode};

use crate::chance::{Needs, YEAR_SECONDS, breaches_a_year};
use crate::condition::Condition;
use crate::rule::Rule;
use crate::windows::By;

/// Functions named by one piece of advice; the rest is counted.
const NAMED_MAX: usize = 5;
/// More false pages a year than this are worth a word.
const FALSE_PAGES_MAX: f64 = 0.5;

/// The calls of one function that count towards its success rate, as a usual day has them.
#[derive(Clone, Debug, PartialEq)]
pub struct UsualCalls {
    /// Whose.
    pub function: FunctionId,
    /// Calls a minute, over all the time that is known.
    pub per_minute: f64,
    /// Calls a minute in the busiest minute; not less than `per_minute`.
    pub busiest: f64,
}

/// What one rule is to expect of the traffic.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// The rule.
    pub rule: Arc<Rule>,
    /// How many label sets it watches, as far as functions tell: units and versions are not told apart.
    pub watched: usize,
    /// False pages a year over all of them; `None` where no formula is known, or nothing is watched.
    pub false_pages_a_year: Option<f64>,
    /// The label set that has most of them.
    pub worst: Option<Expected>,
    /// Label sets that it can never fire for.
    pub unreachable: Vec<Unreachable>,
}

/// What one label set is to expect.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// `guide/feed`, a namespace, or `every function`.
    pub of: String,
    /// Calls a minute, by which that was worked out.
    pub calls_per_minute: f64,
    /// False pages a year.
    pub false_pages_a_year: f64,
}

/// A label set that a rule can never fire for.
#[derive(Clone, Debug, PartialEq)]
pub struct Unreachable {
    /// `guide/feed`, a namespace, or `every function`.
    pub of: String,
    /// Calls a minute in its busiest minute.
    pub calls_per_minute: f64,
    /// What it would take: `min_calls 100 in 1m`.
    pub needed: String,
}

impl std::fmt::Display for Unreachable {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "cannot fire for {}: {} calls/min < {}",
            self.of,
            rate(self.calls_per_minute),
            self.needed
        )
    }
}

/// Calls a minute of one label set.
#[derive(Clone, Copy, Default)]
struct Calls {
    per_minute: f64,
    busiest: f64,
}

pub(crate) fn outlook(rules: &[Arc<Rule>], traffic: &[UsualCalls], mode: Mode) -> Vec<Outlook> {
    let declared = rules.iter().filter(|rule| rule.place.is_some());
    declared
        .map(|rule| outlook_of(rule, traffic, mode))
        .collect()
}

fn outlook_of(rule: &Arc<Rule>, traffic: &[UsualCalls], mode: Mode) -> Outlook {
    let condition = &rule.settings(mode).condition;
    let groups = groups(rule, traffic);
    let mut outlook = Outlook {
        rule: Arc::clone(rule),
        watched: groups.len(),
        false_pages_a_year: None,
        worst: None,
        unreachable: Vec::new(),
    };
    let needs = Needs::of(condition);
    for (of, calls) in groups {
        if let Some(needs) = needs.filter(|needs| needs.exceed(calls.busiest)) {
            outlook.unreachable.push(Unreachable {
                of,
                calls_per_minute: calls.busiest,
                needed: needs.text(),
            });
            continue;
        }
        // Where only busy minutes have calls enough, they are what is judged.
        let by_chance = |rate| Some((rate, breaches_a_year(condition, rate)?));
        let expected = match budget_a_year(condition) {
            Some(pages) => Some((calls.per_minute, pages)),
            None => by_chance(calls.per_minute).or_else(|| by_chance(calls.busiest)),
        };
        let Some((calls_per_minute, pages)) = expected else {
            continue;
        };
        *outlook.false_pages_a_year.get_or_insert(0.0) += pages;
        let most = outlook.worst.as_ref();
        if most.is_none_or(|worst| pages > worst.false_pages_a_year) {
            outlook.worst = Some(Expected {
                of,
                calls_per_minute,
                false_pages_a_year: pages,
            });
        }
    }
    outlook
}

/// The label sets of a rule as far as functions tell, with their calls, in order of name.
fn groups(rule: &Rule, traffic: &[UsualCalls]) -> BTreeMap<String, Calls> {
    let by = |wanted: By| rule.select.by.contains(&wanted);
    let mut groups: BTreeMap<String, Calls> = BTreeMap::new();
    for usual in traffic {
        let id = usual.function.to_string();
        if !rule.select.takes(&id) {
            continue;
        }
        let of = if by(By::Function) {
            id
        } else if by(By::Namespace) {
            usual.function.namespace.clone()
        } else {
            "every function".to_owned()
        };
        let group = groups.entry(of).or_default();
        group.per_minute += usual.per_minute;
        group.busiest += usual.busiest.max(usual.per_minute);
    }
    groups
}

pub(crate) fn lint(rules: &[Arc<Rule>], traffic: &[UsualCalls]) -> Problems {
    let mut problems = Problems::new();
    for rule in rules {
        let Some(place) = &rule.place else { continue };
        advise_on_patterns(rule, place, traffic, &mut problems);
        for mode in [Mode::Daily, Mode::Rush] {
            if mode == Mode::Rush && rule.rush.is_none() {
                continue;
            }
            let outlook = outlook_of(rule, traffic, mode);
            advise_on_reach(&outlook, place, mode, &mut problems);
            if budget_a_year(&rule.settings(mode).condition).is_none() {
                advise_on_chance(&outlook, place, mode, &mut problems);
            }
        }
    }
    problems
}

/// For each rule that has a formula or a `min_calls`: what one label set with this traffic is to expect.
pub(crate) fn expectations(
    rules: &[Arc<Rule>],
    calls_per_minute: f64,
) -> Vec<(String, Option<f64>)> {
    rules
        .iter()
        .filter(|rule| !matches!(rule.daily.condition, Condition::Slo(_)))
        .filter(|rule| Needs::of(&rule.daily.condition).is_some())
        .map(|rule| {
            let expected = breaches_a_year(&rule.daily.condition, calls_per_minute);
            (rule.name.clone(), expected)
        })
        .collect()
}

pub(crate) fn budgets(rules: &[Arc<Rule>]) -> Vec<(String, f64)> {
    let early = rules.iter().filter_map(|rule| {
        let pages = budget_a_year(&rule.daily.condition)?;
        Some((rule.name.clone(), pages))
    });
    early.collect()
}

/// The false pages a year that `detect: early` may have for a function.
fn budget_a_year(condition: &Condition) -> Option<f64> {
    let every = match condition {
        Condition::FailsEarly(condition) => condition.page_every,
        Condition::FallsEarly(condition) => condition.page_every,
        _ => return None,
    };
    Some(YEAR_SECONDS / every.as_secs_f64())
}

fn advise_on_patterns(rule: &Rule, place: &Node, traffic: &[UsualCalls], problems: &mut Problems) {
    if traffic.is_empty() {
        return;
    }
    let seen: Vec<String> = traffic.iter().map(|own| own.function.to_string()).collect();
    let whole = |own: &UsualCalls| format!("{}/*", own.function.namespace);
    let namespaces: Vec<String> = traffic.iter().map(whole).collect();
    let unmatched = |glob: &&model::Glob| !seen.iter().any(|id| glob.matches(id));
    let functions = &rule.select.functions;
    let patterns = functions.patterns().iter();
    let unmatched: Vec<&model::Glob> = patterns.filter(unmatched).collect();
    let written = place.field("functions").map_or(&[][..], |written| {
        written.field("names").unwrap_or(written).items()
    });
    let all = unmatched.len() == functions.patterns().len();
    if !all && !seen.iter().any(|id| rule.select.takes(id)) {
        let at = place.field("functions").unwrap_or(place);
        problems
            .advice(
                at,
                format!(
                    "{}: no function seen has these labels; the rule watches nothing",
                    rule.name
                ),
            )
            .hint("`function_labels` says which functions have which labels");
    }
    for glob in unmatched {
        let own = written
            .iter()
            .find(|item| item.text() == Some(glob.as_str()));
        let at = own.or(place.field("functions")).unwrap_or(place);
        let end = if all {
            "; the rule watches nothing"
        } else {
            ""
        };
        let message = format!("{}: `{glob}` matches no function seen{end}", rule.name);
        let known = seen.iter().chain(&namespaces).map(String::as_str);
        let near = declare::closest(glob.as_str(), known);
        problems.advice(at, message).hint(near.map_or_else(
            || "patterns stand for namespace/name, such as guide/*".to_owned(),
            |near| format!("did you mean `{near}`?"),
        ));
    }
}

fn advise_on_reach(outlook: &Outlook, place: &Node, mode: Mode, problems: &mut Problems) {
    let rule = &outlook.rule.name;
    for unreachable in outlook.unreachable.iter().take(NAMED_MAX) {
        problems
            .advice(place, format!("{rule}{} {unreachable}", in_mode(mode)))
            .hint("lower `min_calls`, lengthen `over`, or watch it by `absent_for`");
    }
    let unnamed = outlook.unreachable.len().saturating_sub(NAMED_MAX);
    if unnamed > 0 {
        problems.advice(
            place,
            format!("{rule}{} cannot fire for {unnamed} more", in_mode(mode)),
        );
    }
}

fn advise_on_chance(outlook: &Outlook, place: &Node, mode: Mode, problems: &mut Problems) {
    let Some(worst) = &outlook.worst else { return };
    if worst.false_pages_a_year <= FALSE_PAGES_MAX {
        return;
    }
    problems
        .advice(
            place,
            format!(
                "{}{} will page by chance {} times a year for {} ({} calls/min)",
                outlook.rule.name,
                in_mode(mode),
                times(worst.false_pages_a_year),
                worst.of,
                rate(worst.calls_per_minute)
            ),
        )
        .hint("raise `confidence` or `min_calls`; `for` helps against chance as well");
}

fn in_mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Daily => "",
        Mode::Rush => " in rush mode",
    }
}

/// Calls a minute: whole from ten on, else with two digits that count.
fn rate(calls: f64) -> String {
    if calls >= 10.0 {
        return format!("{calls:.0}");
    }
    let text = format!("{calls:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// How often, for a person: `79`, `0.2`, `0.004`, `under 0.001`.
pub fn times(count: f64) -> String {
    let text = match count {
        count if count >= 10.0 => return format!("{count:.0}"),
        count if count >= 0.1 => format!("{count:.1}"),
        count if count >= 0.001 => format!("{count:.3}"),
        count if count > 0.0 => return "under 0.001".to_owned(),
        _ => return "0".to_owned(),
    };
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
