//! All rules in force: one file or several, proven together.

use std::collections::HashMap;
use std::sync::Arc;

use declare::{Node, Problem, Problems};
use model::{FunctionId, Ratio};

use crate::condition::TelemetryLate;
use crate::inhibition::{self, Inhibition};
use crate::rule::Rule;
use crate::{lint, read};

/// Rules that have been proven.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    rules: Vec<Arc<Rule>>,
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
        refuse_duplicates(&rules, &mut found);
        let broken = found.has_errors();
        for problem in in_order(found) {
            problems.push(problem);
        }
        (!broken).then_some(RuleSet {
            rules,
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
            whole.advice.extend(set.advice);
        }
        let mut found = Problems::new();
        refuse_duplicates(&whole.rules, &mut found);
        // A file with mistakes brings no rules, and its names would be missed here.
        if !problems.has_errors() {
            inhibition::check(&whole.rules, &mut found);
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

    /// Advice that follows from the traffic: rules that cannot fire, patterns that match nothing,
    /// thresholds that chance alone will break. It stands beside [`RuleSet::advice`], which needs no
    /// traffic.
    ///
    /// `traffic` is every function that was seen, with its mean calls per minute over a usual day
    /// (live traffic, sampling weights included): out of the table `minutes`, or as a person expects
    /// it. With no traffic at all nothing is advised.
    pub fn lint(&self, traffic: &[(FunctionId, f64)]) -> Problems {
        lint::lint(&self.rules, traffic)
    }

    /// For each success-rate rule in order, what chance alone will do to one label set that has this
    /// many calls per minute: (rule, expected false breaches per 1,000 days). `None` where the calls
    /// never reach `min_calls`, so that the rule cannot fire at all.
    ///
    /// For a check without a store: ask at a few rates that span what functions may have, such as 1,
    /// 60 and 6,000 calls a minute, and show the answers side by side. The numbers of daily mode hold,
    /// windows are taken side by side and `for` is left out; see
    /// [`SuccessRate::expected_false_breaches`](crate::condition::SuccessRate::expected_false_breaches).
    pub fn expectations(&self, calls_per_minute: f64) -> Vec<(String, Option<f64>)> {
        lint::expectations(&self.rules, calls_per_minute)
    }
}

impl RuleSet {
    /// For each rule with `detect: early` in order, how many false pages a year its budget allows a
    /// function: (rule, pages).
    pub fn budgets(&self) -> Vec<(String, f64)> {
        lint::budgets(&self.rules)
    }
}

/// As a person meets them reading the file.
fn in_order(found: Problems) -> Vec<Problem> {
    let mut found = found.into_vec();
    found.sort_by_key(|problem| (problem.line, problem.column));
    found
}

fn refuse_duplicates(rules: &[Arc<Rule>], problems: &mut Problems) {
    let mut seen: HashMap<&str, &Rule> = HashMap::new();
    for rule in rules {
        let Some(place) = &rule.place else { continue };
        let name_place = place.field("alert").unwrap_or(place);
        if rule.name == TelemetryLate::NAME {
            problems
                .error(name_place, format!("`{}` is built in", rule.name))
                .hint("choose another name");
        } else if let Some(first) = seen.get(rule.name.as_str()) {
            let where_first = first.place.as_ref().map_or_else(String::new, |node| {
                format!("{}:{}", node.file().name, node.place().line)
            });
            problems
                .error(
                    name_place,
                    format!("alert `{}` is declared twice", rule.name),
                )
                .hint(format!("the first one stands at {where_first}"));
        } else {
            seen.insert(&rule.name, rule);
        }
    }
}
