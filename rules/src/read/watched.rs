//! Which functions a rule watches: patterns of names, and labels that rule files give to functions.

use std::sync::Arc;

use declare::{Kind, Node, Problems, Record, Shape};
use model::{FunctionLabels, Functions, Glob, Labels};

use crate::rule::Rule;

/// Where a file gives functions their labels.
const GIVEN: &str = "function_labels";

/// `functions`, of a group or a rule.
pub(super) fn field(record: Record) -> Record {
    let selector = Record::new("functions", "which functions")
        .field(
            "names",
            Shape::some(Shape::Glob),
            "globs over namespace/name; every function if left out",
        )
        .required(
            "labels",
            Shape::map("label", Shape::Glob),
            "labels that they must have, all of them; `*` is any value",
        );
    record.field(
        "functions",
        Shape::Either(vec![Shape::some(Shape::Glob), Shape::Record(selector)]),
        "globs over namespace/name; [\"*\"] is every function; or {labels: {tier: gold}}",
    )
}

/// `function_labels`, of a file.
pub(super) fn given_field(record: Record) -> Record {
    let labels = Shape::map("label", Shape::Text);
    record.field(
        GIVEN,
        Shape::map("pattern of functions", labels),
        "labels of functions, for `functions: {labels}` in any rule file; of each label the first pattern that gives it decides",
    )
}

/// What a rule says, or its group for it. Who has which labels is known once all files are read.
pub(super) fn read(
    rule: &Node,
    functions: Option<&Node>,
    problems: &mut Problems,
) -> Option<Functions> {
    let Some(functions) = functions else {
        problems
            .error(rule, "the rule does not say which functions it watches")
            .hint("write `functions: [\"*\"]` for every function, here or at its group");
        return None;
    };
    if functions.kind() != Kind::Record {
        return Some(Functions::matching(globs(functions)?));
    }
    let names = match functions.field("names") {
        None => Functions::default(),
        Some(names) => Functions::matching(globs(names)?),
    };
    let wanted = functions.field("labels").into_iter().flat_map(Node::fields);
    let wanted: Vec<(String, Glob)> = wanted
        .filter_map(|(name, value)| Some((name.key_text()?.to_owned(), value.glob()?)))
        .collect();
    if wanted.is_empty() {
        problems
            .error(functions, "`functions` names no label")
            .hint("write `functions: {labels: {tier: gold}}`, or patterns: `functions: [\"guide/*\"]`");
        return None;
    }
    Some(names.with_labels(wanted))
}

/// The patterns of a list; the shape has said what is wrong with the others.
fn globs(list: &Node) -> Option<Vec<Glob>> {
    let globs: Vec<Glob> = list.items().iter().filter_map(Node::glob).collect();
    (!globs.is_empty()).then_some(globs)
}

/// The labels that a file gives to functions.
pub(crate) fn read_given(file: &Node, problems: &mut Problems) -> FunctionLabels {
    let mut given = Vec::new();
    for (pattern, labels) in file.field(GIVEN).into_iter().flat_map(Node::fields) {
        let Some(glob) = pattern.glob() else {
            problems
                .error(pattern, "this is no pattern of functions")
                .hint("patterns stand for namespace/name, such as guide/*");
            continue;
        };
        let mut own = Labels::new();
        for (name, value) in labels.fields() {
            let (Some(text), Some(value)) = (name.key_text(), value.text()) else {
                continue;
            };
            if !Labels::is_name(text) {
                problems
                    .error(name, format!("`{text}` is not a label name"))
                    .hint("use letters, digits and _, not starting with a digit");
            } else if value.is_empty() {
                problems
                    .error(name, format!("`{text}` has no value"))
                    .hint("write a value of its own, such as none: the first pattern that gives a label decides");
            } else {
                own.set(text, value);
            }
        }
        given.push((glob, own));
    }
    FunctionLabels::new(given)
}

/// Tells rules that ask for labels who has them. What nobody has is a mistake: such a rule would watch nothing.
pub(crate) fn label(rules: &mut [Arc<Rule>], given: &FunctionLabels, problems: &mut Problems) {
    for rule in rules {
        if rule.select.functions.labels().next().is_none() {
            continue;
        }
        for (name, value) in rule.select.functions.labels() {
            refuse_unknown(rule, name, value, given, problems);
        }
        let functions = rule.select.functions.known_by(given);
        Arc::make_mut(rule).select.functions = functions;
    }
}

fn refuse_unknown(
    rule: &Rule,
    name: &str,
    value: &Glob,
    given: &FunctionLabels,
    problems: &mut Problems,
) {
    let Some(place) = &rule.place else { return };
    let functions = place.field("functions");
    let labels = functions.and_then(|functions| functions.field("labels"));
    let at = labels.and_then(|labels| labels.field(name));
    let at = at.or(functions).unwrap_or(place);
    let mut values: Vec<&str> = given.giving(name).map(|(_, value)| value).collect();
    if values.is_empty() {
        let near = declare::closest(name, given.names());
        problems
            .error(at, format!("no function has a label `{name}`"))
            .hint(near.map_or_else(
                || format!("give it to them in a rule file: `{GIVEN}: {{\"guide/*\": {{{name}: {value}}}}}`"),
                |near| format!("did you mean `{near}`?"),
            ));
    } else if !values.iter().any(|known| value.matches(known)) {
        values.sort_unstable();
        values.dedup();
        values.truncate(10);
        problems
            .error(at, format!("no function has `{name}: {value}`"))
            .hint(format!("they have {}", values.join(", ")));
    }
}
