//! All rules in force: one file or several, proven together.

use std::collections::HashMap;
use std::sync::Arc;

use declare::{Node, Problem, Problems};
use model::{FunctionLabels, Mode, Ratio};

use crate::condition::TelemetryLate;
use crate::inhibition::{self, Inhibition};
use crate::lint::{Outlook, UsualCalls};
use crate::rule::Rule;
use crate::{lint, read};

/// Rules that have been proven.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    rules: Vec<Arc<Rule>>,
    /// The labels that the files give to functions.
    labels: FunctionLabels,
    advice: Problems,
}

impl RuleSet {
    /// The most rules that may be in force together.
    pub const RULES_MAX: usize = 2_000;

    /// Reads one file. `Err` holds every problem; advice alone is no error and stays with the set.
    pub fn parse(file_name: &str, text: &str) -> Result<RuleSet, Problems> {
        Self::parse_all([(file_name, text)])
    }

    /// Reads several files as one set: names must differ over all of them.
    pub fn parse_all<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<RuleSet, Problems> {
        let mut problems = Problems::new();
        let mut sets = Vec::new();
        for (name, text) in files {
            match declare::read(name, text) {
                Ok(node) => sets.extend(RuleSet::read(&node, &mut problems)),
                Err(found) => problems.extend(found),
            }
        }
        RuleSet::merge(sets, &mut problems)
            .filter(|_| !problems.has_errors())
            .map(|mut set| {
                set.advice = problems.clone();
                set
            })
            .ok_or(problems)
    }

    /// Checks and reads one file's tree. `None` when it has errors, all of which are in `problems`.
    pub fn read(node: &Node, problems: &mut Problems) -> Option<RuleSet> {
        let mut found = Problems::new();
        declare::check(node, &read::shape(), &mut found);
        let rules: Vec<Arc<Rule>> = read::read(node, &mut found)
            .into_iter()
            .map(Arc::new)
            .collect();
        let labels = read::read_given(node, &mut found);
        // Rules with a mistake have names too.
        refuse_duplicates(read::names(node), &mut found);
        let broken = found.has_errors();
        for problem in in_order(found) {
            problems.push(problem);
        }
        (!broken).then_some(RuleSet {
            rules,
            labels,
            advice: Problems::new(),
        })
    }

    /// Puts the files' rules together. `None` when names meet or there are too many.
    pub fn merge(
        sets: impl IntoIterator<Item = RuleSet>,
        problems: &mut Problems,
    ) -> Option<RuleSet> {
        let mut whole = RuleSet::default();
        for set in sets {
            whole.rules.extend(set.rules);
            whole.labels.extend(set.labels);
            whole.advice.extend(set.advice);
        }
        let mut found = Problems::new();
        let named = whole.rules.iter().filter_map(|rule| {
            let place = rule.place.as_ref()?;
            Some((rule.name.as_str(), place.field("alert").unwrap_or(place)))
        });
        refuse_duplicates(named, &mut found);
        // A file with mistakes brings no rules and no labels, and its names would be missed here.
        if !problems.has_errors() {
            inhibition::check(&whole.rules, &mut found);
            read::label(&mut whole.rules, &whole.labels, &mut found);
        }
        if let Some(place) = whole
            .rules
            .get(Self::RULES_MAX)
            .and_then(|rule| rule.place.as_ref())
        {
            found
                .error(place, format!("more than {} rules", Self::RULES_MAX))
                .hint("one rule with globs watches many functions");
        }
        let broken = found.has_errors();
        problems.extend(found);
        (!broken).then_some(whole)
    }

    /// Rules that have been proven elsewhere, as one set.
    pub fn of(rules: Vec<Arc<Rule>>) -> RuleSet {
        RuleSet {
            rules,
            ..RuleSet::default()
        }
    }

    /// The same rules and the built-in ones, as [`crate::Rules::start`] runs them.
    pub fn with_built_in(mut self) -> RuleSet {
        if let Some(share) = Ratio::new(0.99) {
            self.rules.push(Arc::new(Rule::telemetry_late(share)));
        }
        self
    }

    /// The rules in order.
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// Which alerts hold back which, as the rules say it.
    pub fn inhibitions(&self) -> Vec<Inhibition> {
        inhibition::of(&self.rules)
    }

    /// What `rampart check --lint` prints without knowing the traffic.
    pub fn advice(&self) -> &Problems {
        &self.advice
    }

    /// Advice that follows from the traffic, in both modes: rules that cannot fire, patterns that match
    /// nothing, thresholds that chance alone will break. It stands beside [`RuleSet::advice`], which needs no
    /// traffic. With no traffic at all nothing is advised.
    pub fn lint(&self, traffic: &[UsualCalls]) -> Problems {
        lint::lint(&self.rules, traffic)
    }

    /// What each declared rule is to expect of the traffic in a mode, in order.
    pub fn outlook(&self, traffic: &[UsualCalls], mode: Mode) -> Vec<Outlook> {
        lint::outlook(&self.rules, traffic, mode)
    }

    /// For each rule with `min_calls` and a formula in order, what chance alone will do to one label set that
    /// has this many calls per minute: (rule, expected false pages a year). `None` where the calls never reach
    /// `min_calls`, so that the rule cannot fire at all. The numbers of daily mode hold.
    pub fn expectations(&self, calls_per_minute: f64) -> Vec<(String, Option<f64>)> {
        lint::expectations(&self.rules, calls_per_minute)
    }

    /// For each rule with `detect: early` in order, how many false pages a year its budget allows a
    /// function: (rule, pages).
    pub fn budgets(&self) -> Vec<(String, f64)> {
        lint::budgets(&self.rules)
    }
}

/// As a person meets them reading the file.
pub(crate) fn in_order(found: Problems) -> Vec<Problem> {
    let mut found = found.into_vec();
    found.sort_by_key(|problem| (problem.line, problem.column));
    found
}

/// `named` are names and where they stand, in order.
fn refuse_duplicates<'a>(
    named: impl Iterator<Item = (&'a str, &'a Node)>,
    problems: &mut Problems,
) {
    let mut seen: HashMap<&str, &Node> = HashMap::new();
    for (name, place) in named {
        if name == TelemetryLate::NAME {
            problems
                .error(place, format!("`{name}` is built in"))
                .hint("choose another name");
        } else if let Some(first) = seen.get(name) {
            let first = format!("{}:{}", first.file().name, first.place().line);
            problems
                .error(place, format!("alert `{name}` is declared twice"))
                .hint(format!("the first one stands at {first}"));
        } else {
            seen.insert(name, place);
        }
    }
}
