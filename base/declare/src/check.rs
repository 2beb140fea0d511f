//! Holds a tree against a shape and reports everything that does not fit, without stopping.

use crate::leaf::{self, Reason, quote};
use crate::suggest::{closest, did_you_mean};
use crate::template::Template;
use crate::{Kind, Node, Problems, Record, Shape};

/// Reports every difference between a node and its shape: unknown and missing fields, wrong kinds,
/// leaves that are not well formed (with their own reason), records with none or several of fields
/// that exclude each other, lists too short or too long. After it, the typed readers can be used
/// without reporting again. What it reports is in the order of the text.
pub fn check(node: &Node, shape: &Shape, problems: &mut Problems) {
    let mut found = Problems::new();
    check_named(node, shape, "this value", &mut found);
    found.sort_by_place();
    problems.extend(found);
}

/// `name` is what the value is called in messages: its field in backticks.
fn check_named(node: &Node, shape: &Shape, name: &str, problems: &mut Problems) {
    match shape {
        Shape::Any => {}
        Shape::Record(record) => check_record(node, record, name, problems),
        Shape::Recursive(record) => check_record(node, &record(), name, problems),
        Shape::Map { value, key } => check_map(node, value, key, name, problems),
        Shape::List { item, min, max } => check_list(node, item, (*min, *max), name, problems),
        Shape::Either(shapes) => check_either(node, shapes, name, problems),
        leaf => check_leaf(node, leaf, name, problems),
    }
}

fn check_record(node: &Node, record: &Record, name: &str, problems: &mut Problems) {
    if !has_kind(
        node,
        Kind::Record,
        &format!("a {}", record.name),
        name,
        problems,
    ) {
        return;
    }
    // A misspelt field is one mistake: what it was meant to be is not reported as missing too.
    let mut meant = Vec::new();
    for (key, value) in node.fields() {
        let Some(written) = key.as_text() else {
            continue;
        };
        match record.find(written) {
            Some(_) if value.is_null() => {}
            Some(field) => check_named(value, &field.shape, &quote(written), problems),
            None => meant.extend(unknown_field(key, written, record, problems)),
        }
    }
    let is_there = |name: &str| node.field(name).is_some() || meant.contains(&name);
    for field in record.fields.iter().filter(|field| field.required) {
        if !is_there(field.name) {
            missing_field(node, field.name, record, problems);
        }
    }
    for group in &record.one_of {
        if group.iter().any(|name| is_there(name)) {
            check_exclusive(node, group, problems);
        } else {
            let names = listed(group.iter().copied(), "or");
            problems.error(node, format!("this {} needs one of {names}", record.name));
        }
    }
}

/// Reports an unknown field; gives the known one it was probably meant to be.
fn unknown_field(
    key: &Node,
    written: &str,
    record: &Record,
    problems: &mut Problems,
) -> Option<&'static str> {
    /// More names than this are looked up in the documentation instead.
    const NAMES_MAX: usize = 12;
    let names = || record.fields.iter().map(|field| field.name);
    let meant = closest(written, names());
    let few = (1..=NAMES_MAX).contains(&record.fields.len());
    let hint = match meant {
        Some(name) => Some(format!("did you mean `{name}`?")),
        None if few => Some(format!("a {} has {}", record.name, listed(names(), "and"))),
        None => None,
    };
    problems
        .error(key, format!("unknown field {}", quote(written)))
        .maybe_hint(hint);
    meant
}

fn missing_field(node: &Node, name: &str, record: &Record, problems: &mut Problems) {
    // A key without a value is the place to look at; otherwise the record is.
    let message = format!("missing field `{name}` of this {}", record.name);
    match node.key(name) {
        Some(key) => problems
            .error(key, message)
            .hint(format!("`{name}` stands here without a value")),
        None => problems.error(node, message),
    };
}

fn check_exclusive(node: &Node, group: &'static [&'static str], problems: &mut Problems) {
    let mut present = group.iter().filter(|name| node.field(name).is_some());
    let Some(first) = present.next() else {
        return;
    };
    for further in present {
        if let Some(key) = node.key(further) {
            problems
                .error(key, format!("`{further}` and `{first}` exclude each other"))
                .hint("keep one of them");
        }
    }
}

fn check_map(node: &Node, value: &Shape, key: &str, name: &str, problems: &mut Problems) {
    if !has_kind(
        node,
        Kind::Record,
        &format!("a record by {key}"),
        name,
        problems,
    ) {
        return;
    }
    for (key_node, value_node) in node.fields() {
        let written = quote(key_node.as_text().unwrap_or_default());
        if value_node.is_null() && !matches!(value, Shape::Any) {
            problems.error(key_node, format!("{key} {written} has no value"));
        } else {
            check_named(value_node, value, &written, problems);
        }
    }
}

fn check_list(
    node: &Node,
    item: &Shape,
    (min, max): (usize, usize),
    name: &str,
    problems: &mut Problems,
) {
    if !has_kind(node, Kind::List, "a list", name, problems) {
        return;
    }
    let count = node.items().len();
    if count < min {
        let items = if min == 1 { "item" } else { "items" };
        problems.error(
            node,
            format!("{name} needs at least {min} {items}, found {count}"),
        );
    }
    if count > max {
        let items = if max == 1 { "item" } else { "items" };
        problems.error(
            node,
            format!("{name} may hold at most {max} {items}, found {count}"),
        );
    }
    for each in node.items() {
        if each.is_null() {
            problems.error(each, format!("an item of {name} is empty"));
        } else {
            check_named(each, item, &format!("an item of {name}"), problems);
        }
    }
}

fn check_either(node: &Node, shapes: &[Shape], name: &str, problems: &mut Problems) {
    let mut first_of_kind = None;
    for shape in shapes.iter().filter(|shape| shape.fits_kind(node.kind())) {
        let mut found = Problems::new();
        check_named(node, shape, name, &mut found);
        if !found.has_errors() {
            return problems.extend(found);
        }
        first_of_kind.get_or_insert(found);
    }
    if let Some(found) = first_of_kind {
        problems.extend(found);
    } else {
        let expected = listed_plain(shapes.iter().map(Shape::expected), "or");
        wrong_kind(node, &expected, name, problems);
    }
}

fn check_leaf(node: &Node, shape: &Shape, name: &str, problems: &mut Problems) {
    if !has_kind(node, Kind::Scalar, &shape.expected(), name, problems) {
        return;
    }
    if let Shape::Template = shape {
        return check_template(node, name, problems);
    }
    if let Err(reason) = shape.read_leaf(node) {
        problems
            .error(node, format!("{name}: {}", reason.message))
            .maybe_hint(reason.hint);
    }
}

fn check_template(node: &Node, name: &str, problems: &mut Problems) {
    if let Err(error) = Template::parse(node.as_text().unwrap_or_default()) {
        let message = format!("{name}: {}", error.message());
        problems
            .error_within(node, error.line(), error.column(), message)
            .maybe_hint(error.hint());
    }
}

fn has_kind(node: &Node, kind: Kind, expected: &str, name: &str, problems: &mut Problems) -> bool {
    if node.kind() == kind {
        return true;
    }
    wrong_kind(node, expected, name, problems);
    false
}

fn wrong_kind(node: &Node, expected: &str, name: &str, problems: &mut Problems) {
    let text = node.as_text().unwrap_or_default();
    let found = match node.kind() {
        Kind::Null => "nothing".to_owned(),
        Kind::Scalar => quote(text),
        Kind::List => "a list".to_owned(),
        Kind::Record => "a record".to_owned(),
    };
    let hint =
        (expected == "a list" && node.kind() == Kind::Scalar && !text.contains('\n')).then(|| {
            if node.is_quoted() {
                format!("write [{text:?}]")
            } else {
                format!("write [{text}]")
            }
        });
    problems
        .error(node, format!("{name} must be {expected}, found {found}"))
        .maybe_hint(hint);
}

/// `` `a`, `b` or `c` ``
fn listed<'a>(names: impl Iterator<Item = &'a str>, last: &str) -> String {
    listed_plain(names.map(|name| format!("`{name}`")), last)
}

fn listed_plain(parts: impl Iterator<Item = String>, last: &str) -> String {
    let mut parts: Vec<String> = parts.collect();
    match parts.pop() {
        None => String::new(),
        Some(only) if parts.is_empty() => only,
        Some(end) => format!("{} {last} {end}", parts.join(", ")),
    }
}

impl Shape {
    fn fits_kind(&self, kind: Kind) -> bool {
        match self {
            Shape::Any => true,
            Shape::Either(shapes) => shapes.iter().any(|shape| shape.fits_kind(kind)),
            Shape::Record(_) | Shape::Recursive(_) | Shape::Map { .. } => kind == Kind::Record,
            Shape::List { .. } => kind == Kind::List,
            _ => kind == Kind::Scalar,
        }
    }

    /// What it is, for a person: "a duration such as 30s".
    pub(crate) fn expected(&self) -> String {
        match self {
            Shape::Text => "a text".to_owned(),
            Shape::Bool => "`true` or `false`".to_owned(),
            Shape::Integer { .. } => "a whole number".to_owned(),
            Shape::Number { .. } => "a number".to_owned(),
            Shape::Duration => "a duration such as `30s`".to_owned(),
            Shape::Ratio => "a percentage such as `99.5%`".to_owned(),
            Shape::Rate => "a rate such as `5/s`".to_owned(),
            Shape::Bytes => "a size such as `20MiB`".to_owned(),
            Shape::LocalTime => "a local time such as `2026-11-10T20:00`".to_owned(),
            Shape::TimeZone => "a time zone such as `Asia/Shanghai`".to_owned(),
            Shape::Glob => "a pattern such as `guide/*`".to_owned(),
            Shape::Matcher => "a matcher such as `severity=\"critical\"`".to_owned(),
            Shape::FunctionId => "a function such as `guide/wow-video-feed`".to_owned(),
            Shape::Url => "a URL such as `https://host/path`".to_owned(),
            Shape::SocketAddress => "an address such as `127.0.0.1:9650`".to_owned(),
            Shape::Regex => "a regular expression".to_owned(),
            Shape::Template => "a template".to_owned(),
            Shape::Choice(words) => listed(words.iter().copied(), "or"),
            Shape::List { .. } => "a list".to_owned(),
            Shape::Map { key, .. } => format!("a record by {key}"),
            Shape::Record(record) => format!("a {}", record.name),
            Shape::Recursive(record) => format!("a {}", record().name),
            Shape::Either(shapes) => listed_plain(shapes.iter().map(Shape::expected), "or"),
            Shape::Any => "anything".to_owned(),
        }
    }

    /// Whether a scalar is well formed.
    fn read_leaf(&self, node: &Node) -> Result<(), Reason> {
        let text = node.as_text().unwrap_or_default();
        match self {
            Shape::Bool => leaf::boolean(node).map(drop),
            Shape::Integer { min, max } => leaf::integer(node, *min, *max).map(drop),
            Shape::Number { min, max } => leaf::number(node, *min, *max).map(drop),
            Shape::Duration => leaf::duration(text).map(drop),
            Shape::Ratio => leaf::ratio(text).map(drop),
            Shape::Rate => leaf::rate(text).map(drop),
            Shape::Bytes => leaf::bytes(text).map(drop),
            Shape::LocalTime => leaf::local_time(text).map(drop),
            Shape::TimeZone => leaf::time_zone(text).map(drop),
            Shape::Glob => leaf::glob(text).map(drop),
            Shape::Matcher => leaf::matcher(text).map(drop),
            Shape::FunctionId => leaf::function_id(text).map(drop),
            Shape::Url => leaf::url(text),
            Shape::SocketAddress => leaf::socket_address(text),
            Shape::Regex => leaf::regex(text),
            Shape::Choice(words) => read_choice(text, words),
            _ => Ok(()),
        }
    }
}

fn read_choice(text: &str, words: &'static [&'static str]) -> Result<(), Reason> {
    if words.contains(&text) {
        return Ok(());
    }
    Err(Reason {
        message: format!(
            "{} is not known, it must be {}",
            quote(text),
            listed(words.iter().copied(), "or")
        ),
        hint: did_you_mean(text, words.iter().copied()),
    })
}
