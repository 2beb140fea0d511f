//! `inhibit_rules:`: while one alert fires, others are not worth waking anybody for.

use declare::{Node, Problems, Record, Shape};
use model::{Alert, Labels, MatchOperator, Matcher};

/// While a source fires, targets with the same values of `equal` are muted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InhibitRule {
    /// What inhibits; all must hold.
    pub source: Vec<Matcher>,
    /// What is inhibited; all must hold.
    pub target: Vec<Matcher>,
    /// Labels whose values must be the same on both sides; absent is the same as empty.
    pub equal: Vec<String>,
}

impl InhibitRule {
    /// One alert by its name holds back another; `None` when a name cannot be matched.
    pub fn between(source: &str, target: &str, equal: &[&str]) -> Option<InhibitRule> {
        let named = |name: &str| {
            Matcher::new(Alert::NAME_LABEL, MatchOperator::Equal, name)
                .ok()
                .map(|matcher| vec![matcher])
        };
        Some(InhibitRule {
            source: named(source)?,
            target: named(target)?,
            equal: equal.iter().map(|&label| label.to_owned()).collect(),
        })
    }

    /// Whether an alert with these labels can inhibit.
    pub fn is_source(&self, labels: &Labels) -> bool {
        self.source.iter().all(|matcher| matcher.matches(labels))
    }

    /// Whether an alert with these labels can be inhibited.
    pub fn is_target(&self, labels: &Labels) -> bool {
        self.target.iter().all(|matcher| matcher.matches(labels))
    }

    /// The values that must be the same on both sides.
    pub fn common(&self, labels: &Labels) -> Vec<String> {
        let value = |name: &String| labels.get(name).unwrap_or("").to_owned();
        self.equal.iter().map(value).collect()
    }
}

/// The most rules of one file.
const RULES_MAX: usize = 1_000;

pub(super) fn shape() -> Shape {
    let rule = Record::new("inhibit rule", "while a source fires, targets tell nobody")
        .field(
            "source_matchers",
            Shape::list(Shape::Matcher),
            "conditions on the alert that inhibits; all must hold",
        )
        .field(
            "target_matchers",
            Shape::list(Shape::Matcher),
            "conditions on the alerts that are inhibited; all must hold",
        )
        .field(
            "equal",
            Shape::list(Shape::Text),
            "labels whose values must be the same on both sides",
        )
        .field("source_match", values(), "the older notation: label: value")
        .field(
            "source_match_re",
            values(),
            "the older notation: label: regular expression",
        )
        .field("target_match", values(), "the older notation: label: value")
        .field(
            "target_match_re",
            values(),
            "the older notation: label: regular expression",
        );
    Shape::List {
        item: Box::new(rule.into()),
        min: 0,
        max: RULES_MAX,
    }
}

/// `label: value`, Alertmanager's older notation for matchers.
pub(super) fn values() -> Shape {
    Shape::map("label name", Shape::Text)
}

pub(super) fn read(node: Option<&Node>, problems: &mut Problems) -> Vec<InhibitRule> {
    let mut rules = Vec::new();
    for at in node.into_iter().flat_map(Node::items) {
        let source = matchers(
            at,
            ["source_matchers", "source_match", "source_match_re"],
            problems,
        );
        let target = matchers(
            at,
            ["target_matchers", "target_match", "target_match_re"],
            problems,
        );
        for (side, matchers) in [("source", &source), ("target", &target)] {
            if matchers.is_empty() {
                problems
                    .error(at, format!("an inhibit rule needs `{side}_matchers`"))
                    .hint("without conditions it would hold for every alert");
            }
        }
        let mut equal = Vec::new();
        for item in at.items_of("equal") {
            match item.text() {
                Some(name) if Labels::is_name(name) => equal.push(name.to_owned()),
                Some(name) => {
                    problems
                        .error(item, format!("`{name}` is not a label name"))
                        .hint("use letters, digits and _, not starting with a digit");
                }
                None => {}
            }
        }
        if !source.is_empty() && !target.is_empty() {
            rules.push(InhibitRule {
                source,
                target,
                equal,
            });
        }
    }
    rules
}

/// Matchers from the three fields that Alertmanager has for them: the list, then the older maps of
/// values and of regular expressions.
pub(super) fn matchers(
    node: &Node,
    [list, equal, pattern]: [&str; 3],
    problems: &mut Problems,
) -> Vec<Matcher> {
    let mut found: Vec<Matcher> = node
        .items_of(list)
        .iter()
        .filter_map(Node::matcher)
        .collect();
    for (field, operator) in [
        (equal, MatchOperator::Equal),
        (pattern, MatchOperator::Matches),
    ] {
        for (key, value) in node.field(field).into_iter().flat_map(Node::fields) {
            let (Some(name), Some(text)) = (key.key_text(), value.text()) else {
                continue;
            };
            match Matcher::new(name, operator, text) {
                Ok(matcher) => found.push(matcher),
                Err(cause) => {
                    problems.error(value, cause.to_string());
                }
            }
        }
    }
    found
}
