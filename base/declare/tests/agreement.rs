//! `check`, the typed leaves and the generated schema say the same about the same documents.

#![allow(clippy::unwrap_used)] // helpers of tests

use declare::{Kind, Node, Problems, Record, Shape, check, json_schema, read};
use proptest::prelude::*;
use serde_json::{Value, json};

fn route() -> Record {
    Record::new("route", "Where alerts go.")
        .required("receiver", Shape::Text, "Who hears of it.")
        .field(
            "routes",
            Shape::list(Shape::Recursive(route)),
            "More specific routes.",
        )
}

fn shape() -> Shape {
    let inner = Record::new("condition", "A condition.")
        .field("below", Shape::Ratio, "Threshold.")
        .field("over", Shape::Duration, "Window.")
        .field("min", Shape::Integer { min: 1, max: 10 }, "Calls.");
    Record::new("file", "Everything.")
        .required("name", Shape::Text, "A name.")
        .field("enabled", Shape::Bool, "A switch.")
        .field("count", Shape::at_least(0), "A count.")
        .field("share", Shape::Number { min: 0.0, max: 1.0 }, "A share.")
        .field("every", Shape::Duration, "A duration.")
        .field("below", Shape::Ratio, "A ratio.")
        .field("rate", Shape::Rate, "A rate.")
        .field("size", Shape::Bytes, "A size.")
        .field("from", Shape::LocalTime, "A local time.")
        .field("zone", Shape::TimeZone, "A zone.")
        .field("glob", Shape::Glob, "A pattern.")
        .field("matcher", Shape::Matcher, "A matcher.")
        .field("function", Shape::FunctionId, "A function.")
        .field("url", Shape::Url, "A URL.")
        .field("listen", Shape::SocketAddress, "An address.")
        .field("pattern", Shape::Regex, "A regular expression.")
        .field("text", Shape::Template, "A template.")
        .field("mode", Shape::Choice(&["daily", "rush"]), "A mode.")
        .field(
            "list",
            Shape::List {
                item: Box::new(Shape::Duration),
                min: 1,
                max: 3,
            },
            "A list.",
        )
        .field("map", Shape::map("label name", Shape::Text), "A map.")
        .field("success_rate", inner.clone().into(), "A condition.")
        .field("qps", inner.into(), "Another.")
        .field(
            "grpc",
            Shape::Either(vec![Shape::Choice(&["off"]), Shape::SocketAddress]),
            "Either.",
        )
        .field("route", Shape::Recursive(route), "A tree.")
        .field("any", Shape::Any, "Anything.")
        .exactly_one(&["success_rate", "qps"])
        .into()
}

/// The document as an editor sees it: YAML's core schema for scalars without quotes.
fn to_json(node: &Node) -> Value {
    match node.kind() {
        Kind::Null => Value::Null,
        Kind::List => node.items().iter().map(to_json).collect(),
        Kind::Record => node
            .fields()
            .map(|(key, value)| (key.as_text().unwrap().to_owned(), to_json(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Kind::Scalar => {
            let text = node.as_text().unwrap();
            match text {
                _ if node.is_quoted() => json!(text),
                "true" => json!(true),
                "false" => json!(false),
                _ => match (text.parse::<i64>(), text.parse::<f64>()) {
                    (Ok(number), _) => json!(number),
                    (_, Ok(number)) if number.is_finite() => json!(number),
                    _ => json!(text),
                },
            }
        }
    }
}

fn problems_of(text: &str) -> Problems {
    let node = read("f.yaml", text).unwrap_or_else(|problems| panic!("{problems}"));
    let mut problems = Problems::new();
    check(&node, &shape(), &mut problems);
    problems
}

/// Lines added to a minimal document, and whether it is then still right.
const LINES: &[(&str, bool)] = &[
    ("enabled: true", true),
    ("enabled: yes", false),
    ("enabled: 'true'", false),
    ("count: 3", true),
    ("count: -3", false),
    ("count: 1.5", false),
    ("count: '3'", false),
    ("share: 0.5", true),
    ("share: 1.5", false),
    ("every: 1m30s", true),
    ("every: 90", false),
    ("every: [1m]", false),
    ("below: 99.5%", true),
    ("below: 1pp", true),
    ("below: 0.995", true),
    ("below: 99.5", false),
    ("below: 101%", false),
    ("rate: 5/s", true),
    ("rate: 5/y", false),
    ("size: 20MiB", true),
    ("size: 20", false),
    ("from: 2026-11-10T20:00", true),
    ("from: 2026-11-10T20:00:01", true),
    ("from: 2026-11-10 20:00", false),
    ("zone: Asia/Shanghai", true),
    ("zone: 'Far Away'", false),
    ("glob: guide/*", true),
    ("glob: ''", false),
    ("matcher: severity=\"critical\"", true),
    ("matcher: severity", false),
    ("function: guide/feed", true),
    ("function: guide", false),
    ("url: https://example.com:8080/x?y=1", true),
    ("url: ftp://example.com", false),
    ("url: 'https:///x'", false),
    ("listen: 127.0.0.1:9650", true),
    ("listen: '[::1]:9650'", true),
    ("listen: 127.0.0.1", false),
    ("mode: rush", true),
    ("mode: rushed", false),
    ("list: [1s, 2s]", true),
    ("list: []", false),
    ("list: [1s, 2s, 3s, 4s]", false),
    ("list: [1s, x]", false),
    ("list: 1s", false),
    ("map: {a: 1, b: x, c: true}", true),
    ("map: {a: [x]}", false),
    ("map: [a]", false),
    ("qps: {min: 1}", false),
    ("grpc: off", true),
    ("grpc: 0.0.0.0:4317", true),
    ("grpc: maybe", false),
    ("grpc: [off]", false),
    (
        "route: {receiver: a, routes: [{receiver: b, routes: [{receiver: c}]}]}",
        true,
    ),
    (
        "route: {receiver: a, routes: [{receiver: b, routes: [{reciever: c}]}]}",
        false,
    ),
    ("route: {routes: []}", false),
    ("any: {x: [1, {y: 2}]}", true),
    ("unknown: 1", false),
];

fn validator() -> jsonschema::Validator {
    let schema = json_schema(&shape(), "Rampart test");
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

#[test]
fn schema_and_check_agree() {
    let validator = validator();
    let base = "name: x\nsuccess_rate: {below: 99%, over: 1m, min: 3}\n";
    let mut wrong = Vec::new();
    for (line, fine) in std::iter::once(&("", true)).chain(LINES) {
        let text = format!("{base}{line}\n");
        let problems = problems_of(&text);
        let document = to_json(&read("f.yaml", &text).unwrap());
        let by_schema = validator.is_valid(&document);
        if by_schema != *fine || problems.is_empty() != *fine {
            wrong.push(format!(
                "{line}: schema says {by_schema}, check says\n{problems}"
            ));
        }
    }
    for text in [
        "name: x",
        "qps: {min: 1}",
        "name: x\nqps: {min: 11}",
        "- a",
        "text",
    ] {
        let document = to_json(&read("f.yaml", text).unwrap());
        if validator.is_valid(&document) || problems_of(text).is_empty() {
            wrong.push(format!("{text} should be refused"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_schema_carries_the_documentation() {
    let schema = json_schema(&shape(), "Rampart test");
    assert_eq!(schema["title"], "Rampart test");
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    assert_eq!(schema["properties"]["every"]["description"], "A duration.");
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["properties"]["route"]["$ref"], "#/$defs/route");
    assert_eq!(schema["$defs"]["route"]["required"], json!(["receiver"]));
}

/// Leaves that only reading can tell, and what is said of them.
#[test]
fn leaves_give_their_own_reason() {
    for (line, message, hint) in [
        (
            "every: 90",
            "`every`: `90` is not a duration: the unit is missing",
            "",
        ),
        ("below: 99.5", "percentages need the % sign", ""),
        (
            "zone: Asia/Shanghei",
            "`Asia/Shanghei` is not a time zone",
            "did you mean `Asia/Shanghai`?",
        ),
        (
            "pattern: '('",
            "is not a regular expression: unclosed group",
            "",
        ),
        ("matcher: 'a=~\"(\"'", "does not compile", ""),
        (
            "text: '{{ x | precent }}'",
            "unknown filter `precent`",
            "did you mean `percent`?",
        ),
        (
            "enabled: yes",
            "`yes` is neither `true` nor `false`",
            "write true",
        ),
        (
            "count: '3'",
            "the text `3` is not a whole number",
            "leave the quotes out",
        ),
        (
            "qps: {min: 11}",
            "`qps` and `success_rate` exclude each other",
            "keep one",
        ),
        (
            "mode: rsuh",
            "it must be `daily` or `rush`",
            "did you mean `rush`?",
        ),
        (
            "list: 1s",
            "`list` must be a list, found `1s`",
            "write [1s]",
        ),
        (
            "from: 2026-02-30T10:00",
            "is not a local time",
            "without a time zone",
        ),
        ("url: https://user@:80/", "the host is missing", ""),
        ("listen: localhost:70000", "up to 65535", ""),
    ] {
        let text = format!("name: x\nsuccess_rate: {{}}\n{line}\n");
        let problems = problems_of(&text);
        let found = problems
            .iter()
            .find(|problem| problem.message.contains(message));
        let found = found.unwrap_or_else(|| panic!("{line}: {problems}"));
        assert!(
            found.hint.as_deref().unwrap_or("").contains(hint),
            "{line}: {found}"
        );
    }
}

#[test]
fn a_key_without_a_value_is_absent() {
    let problems = problems_of("name:\nqps: {min: 1}\nevery:\n");
    let only: Vec<_> = problems.iter().collect();
    assert_eq!(only.len(), 1, "{problems}");
    assert!(only[0].message.contains("missing field `name`"));
    assert_eq!((only[0].line, only[0].column), (1, 1));
}

fn line() -> impl Strategy<Value = String> {
    let picked = (0..LINES.len()).prop_map(|index| LINES[index].0.to_owned());
    let free = "(name|every|below|rate|size|count|list|map): [-a-z0-9.%/\\[\\]{}, ]{0,12}";
    prop_oneof![3 => picked, 1 => free]
}

proptest! {
    #[test]
    fn typed_leaves_read_what_check_lets_pass(lines in prop::collection::vec(line(), 1..6)) {
        let Ok(node) = read("f.yaml", &lines.join("\n")) else { return Ok(()) };
        let mut problems = Problems::new();
        check(&node, &shape(), &mut problems);
        if !problems.has_errors() {
            for (field, read) in [
                ("every", node.duration_of("every").is_some()),
                ("below", node.ratio_of("below").is_some()),
                ("rate", node.rate_of("rate").is_some()),
                ("size", node.bytes_of("size").is_some()),
                ("count", node.integer_of("count").is_some()),
            ] {
                prop_assert_eq!(node.field(field).is_some(), read, "{} in {:?}", field, lines);
            }
        }
    }
}
