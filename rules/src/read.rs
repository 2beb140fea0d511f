//! A rule file: its shape and how it is read. Every problem is found at once and shown at its place.

mod apart;
mod modes;
mod watched;

use std::time::Duration;

use chrono_tz::Tz;
use declare::template::Template;
use declare::{Node, Problems, Record, Shape};
use model::{Labels, Severity, format_duration};

use crate::condition;
use crate::inhibition;
use crate::rule::{NoData, Rule};
use crate::text::VARIABLES;
use crate::windows::{By, Select};

pub(crate) use watched::{label, read_given};

const VERSION: &str = "rampart/v1";
/// Labels that the alert gets anyway.
const RESERVED_LABELS: [&str; 8] = [
    "alertname",
    "severity",
    "namespace",
    "function",
    "unit",
    "version",
    "zone",
    "owner",
];
/// The fields that hold a condition, of which a rule has one.
static CONDITIONS: [&str; 9] = [
    "success_rate",
    "qps",
    "latency",
    "share",
    "compare",
    "outlier",
    "slo",
    "sql",
    "expr",
];
const EVERY_DEFAULT: Duration = Duration::from_secs(1);
const EVERY_MAX: Duration = Duration::from_hours(1);

/// The shape of a rule file.
pub fn shape() -> Shape {
    let file = Record::new("rules", "rules over the traffic of functions")
        .required("version", Shape::Choice(&[VERSION]), "the format's version")
        .field(
            "groups",
            Shape::list(group()),
            "rules that share functions, rhythm and owner",
        )
        .field("rules", Shape::list(rule()), "rules that stand alone");
    Shape::Record(watched::given_field(file))
}

fn group() -> Record {
    shared(Record::new(
        "group",
        "rules that share functions, rhythm and owner",
    ))
    .required("name", Shape::Text, "the group's name")
    .required("rules", Shape::list(rule()), "the group's rules")
}

/// What a group may say for its rules, and a rule for itself.
fn shared(record: Record) -> Record {
    watched::field(record.field("owner", Shape::Text, "the team that is told"))
        .field(
            "every",
            Shape::Duration,
            "how often it is evaluated; 1s if left out",
        )
        .field(
            "by",
            Shape::list(Shape::Choice(&By::WORDS)),
            "one alert per combination; [function] if left out",
        )
        .field(
            "limit",
            Shape::Integer {
                min: 1,
                max: 100_000,
            },
            "the most label sets of one rule that may be active at once; 1000 if left out",
        )
        .field(
            "time_zone",
            Shape::TimeZone,
            "whose local time earlier days are compared in; UTC if left out",
        )
        .field(
            "labels",
            Shape::map("label", Shape::Text),
            "labels added to the alert",
        )
}

fn rule() -> Record {
    let record = inhibition::field(Record::new("rule", "one condition and what it means"))
        .required("alert", Shape::Text, "the alert's name")
        .field(
            "annotations",
            Shape::map("annotation", Shape::Template),
            "texts of the alert; `summary` and `description` have good defaults",
        )
        .field(
            "rush",
            Shape::Record(adjustable(Record::new(
                "rush",
                "what differs while the mode is rush",
            ))),
            "what differs while the mode is rush",
        )
        .field(
            modes::AFTER_RELEASE,
            Shape::Record(modes::after_release()),
            "what differs for a while after a release of the function",
        );
    adjustable(shared(record)).exactly_one(&CONDITIONS)
}

/// Those of them that are available.
fn conditions() -> impl Iterator<Item = &'static str> {
    let named = CONDITIONS.iter().copied();
    named.filter(|field| !condition::NOT_AVAILABLE.contains(field))
}

/// What a mode may change.
fn adjustable(record: Record) -> Record {
    condition::fields(record)
        .field(
            "for",
            Shape::Duration,
            "how much observed breach it takes to fire; 0s if left out",
        )
        .field(
            "keep_firing_for",
            Shape::Duration,
            "how long it must be quiet before it resolves; 0s if left out",
        )
        .field(
            "severity",
            Shape::Choice(&Severity::WORDS),
            "how loud; warning if left out",
        )
        .field(
            "min_completeness",
            Shape::Ratio,
            "the share of expected data without which missing calls mean nothing; 99% if left out",
        )
        .field(
            "no_data",
            Shape::Choice(NoData::WORDS),
            "what no data means; hold if left out",
        )
}

/// Reads the rules of a checked file, in order. Those with a mistake are left out and reported.
pub(crate) fn read(file: &Node, problems: &mut Problems) -> Vec<Rule> {
    let mut rules = Vec::new();
    for group in file.items_of("groups") {
        for node in group.items_of("rules") {
            rules.extend(read_rule(node, Some(group), problems));
        }
    }
    for node in file.items_of("rules") {
        rules.extend(read_rule(node, None, problems));
    }
    rules
}

/// The name of every rule of a file, mistakes or not, and where it stands.
pub(crate) fn names(file: &Node) -> impl Iterator<Item = (&str, &Node)> {
    let grouped = file
        .items_of("groups")
        .iter()
        .flat_map(|group| group.items_of("rules"));
    grouped
        .chain(file.items_of("rules"))
        .filter_map(|rule| Some((rule.text_of("alert")?, rule.field("alert")?)))
}

fn read_rule(node: &Node, group: Option<&Node>, problems: &mut Problems) -> Option<Rule> {
    let inherited = |name: &str| {
        node.field(name)
            .or_else(|| group.and_then(|group| group.field(name)))
    };
    let zone = inherited("time_zone")
        .and_then(Node::time_zone)
        .unwrap_or(Tz::UTC);
    let functions = watched::read(node, inherited("functions"), problems);
    let every = read_every(inherited("every"), rhythm_of(node), problems);
    let labels = read_labels(group, node, problems);
    let annotations = read_annotations(node, problems);
    let modes = modes::read(node, zone, every, problems);
    let all = modes.all();
    let mut by = read_by(inherited("by"));
    apart::tell_parts_apart(&mut by, &all);
    apart::refuse_pods_apart(node, inherited("by"), &by, &all, problems);
    apart::refuse_versions_apart(node, inherited("by"), &by, &all, problems);
    modes::refuse_unnamed_functions(node, &by, problems);
    Some(Rule {
        name: node.text_of("alert")?.to_owned(),
        group: group
            .and_then(|group| group.text_of("name"))
            .map(str::to_owned),
        owner: inherited("owner").and_then(Node::text).map(str::to_owned),
        select: Select {
            functions: functions?,
            by,
        },
        every,
        limit: inherited("limit")
            .and_then(Node::integer)
            .and_then(|limit| usize::try_from(limit).ok())
            .unwrap_or(Rule::LABEL_SETS_MAX),
        labels,
        annotations,
        inhibited_by: inhibition::read(node),
        after_release: modes.after_release(),
        daily: modes.daily?,
        rush: modes.rush,
        place: Some(node.clone()),
    })
}

/// How often a kind of condition is worth a look unless declared, and the shortest time between two.
fn rhythm_of(rule: &Node) -> (Duration, Duration) {
    if rule.field("sql").is_some() {
        (Duration::from_mins(1), Duration::from_secs(10))
    } else if rule.field("slo").is_some() {
        (Duration::from_secs(30), EVERY_DEFAULT)
    } else {
        (EVERY_DEFAULT, EVERY_DEFAULT)
    }
}

fn read_every(
    node: Option<&Node>,
    (default, shortest): (Duration, Duration),
    problems: &mut Problems,
) -> Duration {
    let Some((node, every)) = node.and_then(|node| Some((node, node.duration()?))) else {
        return default;
    };
    if every.subsec_nanos() == 0 && every < shortest {
        problems
            .error(
                node,
                format!(
                    "`every: {}` is too often for a query",
                    format_duration(every)
                ),
            )
            .hint(format!("write at least {}", format_duration(shortest)));
        return default;
    }
    if every.is_zero() || every.subsec_nanos() != 0 || every > EVERY_MAX {
        problems
            .error(
                node,
                format!("`every: {}` cannot be kept", format_duration(every)),
            )
            .hint("write whole seconds from 1s to 1h");
        return default;
    }
    every
}

/// `function` implies its namespace; both lead, so that a group's identity reads like its name.
fn read_by(node: Option<&Node>) -> Vec<By> {
    let Some(node) = node else {
        return vec![By::Namespace, By::Function];
    };
    let named: Vec<By> = node
        .items()
        .iter()
        .filter_map(|item| item.text().and_then(By::from_word))
        .collect();
    let mut by = Vec::new();
    if named.contains(&By::Function) || named.contains(&By::Namespace) {
        by.push(By::Namespace);
    }
    if named.contains(&By::Function) {
        by.push(By::Function);
    }
    for dimension in named {
        if !by.contains(&dimension) {
            by.push(dimension);
        }
    }
    by
}

fn read_labels(group: Option<&Node>, rule: &Node, problems: &mut Problems) -> Labels {
    let mut labels = Labels::new();
    let layers = [
        group.and_then(|group| group.field("labels")),
        rule.field("labels"),
    ];
    for (key, value) in layers.into_iter().flatten().flat_map(Node::fields) {
        let (Some(name), Some(value)) = (key.key_text(), value.text()) else {
            continue;
        };
        if RESERVED_LABELS.contains(&name) {
            problems
                .error(key, format!("label `{name}` is set by Rampart itself"))
                .hint(match name {
                    "severity" | "owner" => "write it beside `labels`, as a field of the rule",
                    _ => "choose another name",
                });
        } else if !Labels::is_name(name) {
            problems
                .error(key, format!("`{name}` is not a label name"))
                .hint("use letters, digits and _, not starting with a digit");
        } else {
            labels.set(name, value);
        }
    }
    labels
}

fn read_annotations(rule: &Node, problems: &mut Problems) -> Vec<(String, Template)> {
    let mut annotations = Vec::new();
    let declared = rule.field("annotations");
    for (key, value) in declared.into_iter().flat_map(Node::fields) {
        let (Some(name), Some(text)) = (key.key_text(), value.text()) else {
            continue;
        };
        // A template that does not compile has been reported by the check of its shape.
        let Ok(template) = Template::parse(text) else {
            continue;
        };
        for unknown in template.unknown_variables(&VARIABLES) {
            problems
                .error_within(value, unknown.line(), unknown.column(), unknown.message())
                .hint(unknown.hint().map_or_else(
                    || format!("known here: {}", VARIABLES.join(", ")),
                    str::to_owned,
                ));
        }
        annotations.push((name.to_owned(), template));
    }
    annotations
}
