//! What reading takes, what it refuses and where it points.

use std::fmt::Write;

use crate::{DEPTH_LEVELS_MAX, Kind, Node, Problem, read};

fn refused(text: &str) -> Vec<Problem> {
    match read("f.yaml", text) {
        Ok(node) => panic!("read without a problem: {text:?} as {node:?}"),
        Err(problems) => problems.into_vec(),
    }
}

fn taken(text: &str) -> Node {
    read("f.yaml", text).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn values_keep_their_text_and_their_quotes() {
    let node =
        taken("a: on\nb: 'on'\n\"499\": client_error\n012: x\nc: 1.50\nd: |\n  two\n  lines\n");
    let scalars: Vec<_> = node
        .fields()
        .map(|(key, value)| {
            (
                key.as_text().unwrap(),
                value.as_text().unwrap(),
                value.is_quoted(),
            )
        })
        .collect();
    assert_eq!(
        scalars,
        [
            ("a", "on", false),
            ("b", "on", true),
            ("499", "client_error", false),
            ("012", "x", false),
            ("c", "1.50", false),
            ("d", "two\nlines\n", true),
        ]
    );
}

#[test]
fn nothing_is_null_and_an_empty_file_an_empty_record() {
    let node = taken("a:\nb: ~\nc: null\nd: 'null'\ne: ''\n");
    let kinds: Vec<_> = node.fields().map(|(_, value)| value.kind()).collect();
    assert_eq!(
        kinds,
        [
            Kind::Null,
            Kind::Null,
            Kind::Null,
            Kind::Scalar,
            Kind::Scalar
        ]
    );
    assert!(node.field("a").is_none() && node.key("a").is_some());
    for text in ["", "# only a comment\n", "---\n", "null", "\u{feff}"] {
        let node = taken(text);
        assert_eq!(
            (node.kind(), node.fields().count()),
            (Kind::Record, 0),
            "{text:?}"
        );
    }
}

#[test]
fn places_are_those_of_the_text() {
    let node = taken("规则:\n  - alert: 慢 # why\n    for: [10s, \"二十\"]\n");
    let rule = node.items_of("规则").first().unwrap();
    let place = |node: &Node| {
        let place = node.place();
        (place.line, place.column, place.width)
    };
    assert_eq!(place(&node), (1, 1, 2));
    assert_eq!(place(rule), (2, 5, 5));
    assert_eq!(place(rule.field("alert").unwrap()), (2, 12, 1));
    assert_eq!(place(rule.key("for").unwrap()), (3, 5, 3));
    assert_eq!(place(rule.field("for").unwrap()), (3, 10, 1));
    assert_eq!(place(&rule.items_of("for")[1]), (3, 16, 4));
}

#[test]
fn places_within_texts_are_found_where_they_stand_as_written() {
    let node = taken("a: plain text\nb: \"quoted\"\nc: |\n  first\n    second\nd: \"esc\\tape\"\n");
    let within = |field: &str, line, column| {
        let place = node.field(field).unwrap().place_within(line, column);
        place.map(|place| (place.line, place.column))
    };
    assert_eq!(within("a", 1, 7), Some((1, 10)));
    assert_eq!(within("b", 1, 1), Some((2, 5)));
    assert_eq!(within("c", 1, 2), Some((4, 4)));
    assert_eq!(within("c", 2, 3), Some((5, 5)));
    assert_eq!(within("d", 1, 1), None);
    assert_eq!(within("a", 2, 1), None);
}

#[test]
fn aliases_repeat_and_point_to_where_they_are_used() {
    let node = taken("a: &x {k: [1, 2]}\nb: *x\n");
    let repeated = node.field("b").unwrap();
    assert_eq!(repeated.items_of("k").len(), 2);
    assert_eq!((repeated.place().line, repeated.place().column), (2, 4));
}

/// Text, line, column, a piece of the message, a piece of the hint.
const MISTAKES: &[(&str, usize, usize, &str, &str)] = &[
    (
        "a: 1\nb: 2\na: 3\n",
        3,
        1,
        "`a` stands here twice",
        "keep one",
    ),
    ("a: {x: 1, x: 2}\n", 1, 11, "`x` stands here twice", ""),
    (
        "a: 1\n---\nb: 2\n",
        2,
        1,
        "second document",
        "file of its own",
    ),
    (
        "x: &a {k: 1}\ny:\n  <<: *a\n",
        3,
        3,
        "merge keys",
        "write the fields out",
    ),
    (
        "a: !include other.yaml\n",
        1,
        4,
        "`!include` is not supported",
        "",
    ),
    ("a: !!binary xx\n", 1, 4, "`!!binary` is not supported", ""),
    ("[a, b]: c\n", 1, 1, "a key must be a plain text", ""),
    ("~: c\n", 1, 1, "a key must be a plain text", ""),
    ("a: &x [*x]\n", 1, 8, "inside what it refers to", ""),
    ("a: *nobody\n", 1, 4, "anchor that does not exist", "quote"),
    ("a:\n\tb: 1\n", 2, 1, "tab", "spaces"),
    ("a: b: c\n", 1, 5, "`:` is not expected", "quote"),
    ("a: [1, 2\nb: 3\n", 2, 2, "not expected", "close the"),
    ("a: \"open\nb: 1\n", 1, 4, "quotes are not closed", ""),
    (
        "a: {{ x }} y\n",
        1,
        4,
        "begins with `{{` must be quoted",
        "in quotes",
    ),
    (
        "a: {b: {{ x }}, c: 1}\n",
        1,
        8,
        "begins with `{{` must be quoted",
        "in quotes",
    ),
    (
        "a: 'it's'\n",
        1,
        8,
        "follows the closing quote",
        "'' in single quotes",
    ),
    (
        "a:\n  b: [1,\n\n",
        2,
        9,
        "a value is expected",
        "close open brackets",
    ),
    ("a: {b: 1\n", 1, 9, "this record is not closed", ""),
    ("a: 1\n\tb: 2\n", 2, 1, "a tab is used", "spaces"),
    (
        "a:1\nb: 2\n",
        2,
        2,
        "not expected here",
        "space after the `:` of the line above",
    ),
    (
        "expr: {code=\"5\"} > 1\n",
        1,
        18,
        "must end its line",
        "quote the whole value",
    ),
    ("functions: [*/feed]\n", 1, 13, "anchor", "begins with `*`"),
    ("a: @b\n", 1, 4, "cannot begin with this character", "quote"),
    ("a: \"x\" y\n", 1, 8, "follows the closing quote", "quote"),
    ("a: \"\\d+\"\n", 1, 4, "unknown escape", "single quotes"),
    ("a:\n  b: 1\n c: 2\n", 3, 2, "", "indent"),
    ("%YAML 1.2\na: 1\n", 2, 1, "", ""),
    ("a: %b\n", 1, 4, "", ""),
];

#[test]
fn mistakes_are_told_with_their_place_and_the_way_out() {
    let mut wrong = Vec::new();
    for (text, line, column, message, hint) in MISTAKES {
        let found = refused(text);
        let first = &found[0];
        let has_hint = first.hint.as_deref().unwrap_or("").contains(hint);
        if (first.line, first.column) != (*line, *column)
            || !first.message.contains(message)
            || first.message.contains("this is not YAML")
            || !has_hint
        {
            wrong.push(format!("{text:?}\n{first}\n"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn several_mistakes_of_one_file_come_together() {
    assert_eq!(refused("a: 1\na: 2\nb: !x y\nc: {d: 1, d: 2}\n").len(), 3);
}

#[test]
fn limits_hold() {
    let deep = "[".repeat(DEPTH_LEVELS_MAX + 1) + &"]".repeat(DEPTH_LEVELS_MAX + 1);
    assert!(refused(&deep)[0].message.contains("deeper than 64 levels"));
    taken(&("[".repeat(DEPTH_LEVELS_MAX) + &"]".repeat(DEPTH_LEVELS_MAX)));

    let half = "[".repeat(40) + "x" + &"]".repeat(40);
    let twice = format!("a: &a {half}\nb: {}*a{}\n", "[".repeat(30), "]".repeat(30));
    assert!(refused(&twice)[0].message.contains("deeper than"));

    let large = "a: ".to_owned() + &"x".repeat(crate::FILE_BYTES_MAX);
    assert!(refused(&large)[0].message.contains("the limit is 1048576"));

    let many = format!("[{}]", "x,".repeat(crate::NODES_MAX + 1));
    assert!(
        refused(&many)[0]
            .message
            .contains("more than 100000 values")
    );
}

#[test]
fn a_billion_laughs_are_counted_not_built() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let before = level - 1;
        let items = vec![format!("*a{before}"); 10].join(", ");
        let _ = writeln!(text, "a{level}: &a{level} [{items}]");
    }
    let found = refused(&text);
    assert!(found[0].message.contains("more than 100000 values"));
    assert!(found[0].hint.as_deref().unwrap().contains("alias"));
}
