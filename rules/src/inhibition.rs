//! `inhibited_by:` of rules: which alerts hold back which. Rules only say it; whoever tells people follows it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use declare::{Node, Problems, Record, Shape};

use crate::condition::TelemetryLate;
use crate::rule::Rule;
use crate::windows::By;

/// While one alert fires, another with the same values of some labels tells nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inhibition {
    /// The name of the alert that holds back.
    pub source: String,
    /// The name of the alert that is held back.
    pub target: String,
    /// Labels that must be the same on both: what both rules tell alerts apart by. None when one of them
    /// is about everything.
    pub equal: Vec<&'static str>,
}

/// Adds what a rule says of it.
pub(crate) fn field(record: Record) -> Record {
    record.field(
        "inhibited_by",
        Shape::some(Shape::Text),
        "alerts that hold this one back while they fire for the same function",
    )
}

/// The names as written, each once.
pub(crate) fn read(rule: &Node) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in rule.items_of("inhibited_by").iter().filter_map(Node::text) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// What the rules of a whole set say.
pub(crate) fn of(rules: &[Arc<Rule>]) -> Vec<Inhibition> {
    let by: BTreeMap<&str, &[By]> = rules
        .iter()
        .map(|rule| (rule.name.as_str(), rule.select.by.as_slice()))
        .collect();
    let shared = |source: &str, target: &Rule| {
        let source = by.get(source).copied().unwrap_or_default();
        let own = target.select.by.iter();
        let shared = own.filter(|dimension| source.contains(dimension));
        shared.map(|dimension| dimension.as_str()).collect()
    };
    rules
        .iter()
        .flat_map(|rule| rule.inhibited_by.iter().map(move |source| (rule, source)))
        .map(|(rule, source)| Inhibition {
            source: source.clone(),
            target: rule.name.clone(),
            equal: shared(source, rule),
        })
        .collect()
}

/// Refuses names of no alert, and rings of alerts that would hold back each other so that nobody is told
/// of any.
pub(crate) fn check(rules: &[Arc<Rule>], problems: &mut Problems) {
    let names: BTreeSet<&str> = rules
        .iter()
        .map(|rule| rule.name.as_str())
        .chain([TelemetryLate::NAME])
        .collect();
    for rule in rules {
        let Some(place) = &rule.place else { continue };
        for item in place.items_of("inhibited_by") {
            let Some(name) = item.text() else { continue };
            if !names.contains(name) {
                let near = declare::closest(name, names.iter().copied());
                problems
                    .error(item, format!("there is no alert `{name}`"))
                    .hint(near.map_or_else(
                        || "name the `alert` of another rule, in any of the files".to_owned(),
                        |near| format!("did you mean `{near}`?"),
                    ));
            } else if let Some(way) = way_back(rules, name, &rule.name) {
                let ring = way.join(" by ");
                problems
                    .error(
                        item,
                        format!(
                            "`{}` would hold back itself: inhibited by {ring}",
                            rule.name
                        ),
                    )
                    .hint("while all of them fire nobody would be told of any; take one name out");
            }
        }
    }
}

/// The names from an alert to `end`, each inhibited by the next; `None` when they do not meet.
fn way_back<'a>(rules: &'a [Arc<Rule>], start: &'a str, end: &str) -> Option<Vec<&'a str>> {
    let mut seen = BTreeSet::from([start]);
    let mut ways = vec![vec![start]];
    while let Some(way) = ways.pop() {
        let last = way.last().copied()?;
        if last == end {
            return Some(way);
        }
        let found = rules.iter().find(|rule| rule.name == last);
        for next in found.iter().flat_map(|rule| &rule.inhibited_by) {
            if seen.insert(next) {
                let mut longer = way.clone();
                longer.push(next);
                ways.push(longer);
            }
        }
    }
    None
}
