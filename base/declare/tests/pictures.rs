//! How problems look to the person who made them.

#![allow(clippy::unwrap_used)] // helpers of tests

use declare::{
    Level, Place, Problem, Problems, Record, Shape, SourceFile, check, expand_variables, read,
};

fn rules() -> Shape {
    let success = Record::new("success rate condition", "Success rate over a window.")
        .field("below", Shape::Ratio, "The lowest share that is fine.")
        .field("over", Shape::Duration, "The window.");
    let rule = Record::new("rule", "What to watch.")
        .required("alert", Shape::Text, "Its name.")
        .field("success_rate", success.into(), "Watch the success rate.")
        .field("qps", Shape::Any, "Watch the traffic.")
        .field("for", Shape::Duration, "How long it must hold.")
        .field(
            "severity",
            Shape::Choice(&["info", "warning", "critical"]),
            "How loud.",
        )
        .field(
            "annotations",
            Shape::map("annotation", Shape::Template),
            "Texts.",
        )
        .exactly_one(&["success_rate", "qps"]);
    let group = Record::new("group", "Rules that share something.")
        .required("name", Shape::Text, "Its name.")
        .field("functions", Shape::some(Shape::Glob), "Which functions.")
        .field("rules", Shape::list(rule), "The rules.");
    Record::new("rule file", "Rules.")
        .field("groups", Shape::list(group), "Groups.")
        .into()
}

fn problems_of(name: &str, text: &str) -> String {
    let mut problems = Problems::new();
    match read(name, text) {
        Ok(node) => check(&node, &rules(), &mut problems),
        Err(found) => problems = found,
    }
    problems.to_string()
}

/// Compares with a file; `UPDATE=1` rewrites it.
fn assert_golden(name: &str, actual: &str) {
    let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(actual, expected, "{name} differs; UPDATE=1 rewrites it");
}

#[test]
fn many_mistakes_of_one_file_are_drawn_together() {
    let text = include_str!("golden/mistakes.yaml");
    assert_golden("mistakes.txt", &problems_of("rules/video.yaml", text));
}

#[test]
fn the_picture_of_the_style_guide() {
    let text = format!(
        "{}groups:\n  - name: v\n    rules:\n      - alert: A\n        sucess_rate: {{below: 99%, over: 1m}}\n        qps: {{}}\n",
        "#\n".repeat(9)
    );
    assert_eq!(
        problems_of("rules/video.yaml", &text),
        "rules/video.yaml:14:9: unknown field `sucess_rate`\n\
         \u{20}  |\n\
         14 |         sucess_rate: {below: 99%, over: 1m}\n\
         \u{20}  |         ^^^^^^^^^^^ did you mean `success_rate`?\n"
    );
}

fn drawn(line: &str, column: usize, width: usize, hint: &str) -> Vec<String> {
    let file = SourceFile::new("f", line);
    let place = Place {
        line: 1,
        column,
        width,
    };
    let mut problem = Problem::new(&file, place, Level::Error, "m");
    problem.hint(hint);
    problem.to_string().lines().map(str::to_owned).collect()
}

#[test]
fn carets_stand_under_wide_characters_and_tabs() {
    let picture = drawn("导航: 值 x", 5, 1, "h");
    assert_eq!(picture[2], "1 | 导航: 值 x");
    assert_eq!(picture[3], "  |       ^^ h");
    let picture = drawn("a:\tx\u{1b}[31m", 4, 1, "h");
    assert_eq!(picture[2], "1 | a:    x\u{fffd}[31m");
    assert_eq!(picture[3], "  |       ^ h");
}

#[test]
fn long_lines_are_cut_around_the_carets() {
    let line = format!("{}HERE{}", "a".repeat(5_000), "b".repeat(5_000));
    let picture = drawn(&line, 5_001, 4, "h");
    let at = picture[2].find("HERE").unwrap() - picture[2].find('…').unwrap();
    assert!(picture[2].chars().count() < 120, "{}", picture[2]);
    assert!(picture[2].starts_with("1 | …") && picture[2].ends_with('…'));
    let carets = picture[3].find('^').unwrap() - 4;
    assert_eq!(carets + "…".len() - 1, at);
    assert!(picture[3].ends_with("^^^^ h"));
}

#[test]
fn long_hints_stand_on_lines_of_their_own() {
    let picture = drawn("a: b", 4, 1, &"word ".repeat(30));
    assert!(picture[3].ends_with('^') && picture[4].starts_with("  = word"));
    let picture = drawn("a: b", 4, 1, "one\ntwo");
    assert_eq!(picture[4..], ["  = one", "    two"]);
}

#[test]
fn the_same_problem_counts_once_and_a_flood_is_cut() {
    let node = read("f", "a: &x {bad: 1}\nb: [*x, *x]\n").unwrap();
    let mut problems = Problems::new();
    problems.error(&node, "same");
    problems.error(&node, "same").hint("later hint");
    assert_eq!(problems.len(), 1);
    for index in 0..1_000 {
        problems.error(&node, format!("problem {index}"));
    }
    assert_eq!(problems.len(), 1_001);
    assert_eq!(problems.iter().count(), Problems::COUNT_MAX);
    assert!(problems.to_string().ends_with("and 501 more\n"));
    let mut advice = Problems::new();
    advice.advice(&node, "think");
    assert!(!advice.has_errors() && advice.to_string().contains("f:1:1: advice: think"));
}

#[test]
fn variables_are_expanded_in_values() {
    let text = "a: ${HOME_DIR}/x\nb: \"${PORT}\"\nc: $${PORT} ${PORT}${PORT}\nd: ['${NOBODY}', \"${1}\", '${PORT']\n${PORT}: 1\n";
    let mut problems = Problems::new();
    let lookup = |name: &str| match name {
        "HOME_DIR" => Some("/home".to_owned()),
        "PORT" => Some("9650".to_owned()),
        _ => None,
    };
    let node = expand_variables(&read("f", text).unwrap(), lookup, &mut problems);
    assert_eq!(node.text_of("a"), Some("/home/x"));
    assert_eq!(node.integer_of("b"), Some(9650));
    assert_eq!(node.text_of("c"), Some("${PORT} 96509650"));
    assert!(node.field("${PORT}").is_some(), "keys stay");
    let found: Vec<_> = problems
        .iter()
        .map(|problem| (problem.line, problem.column, problem.message.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (4, 6, "the variable `NOBODY` is not set"),
            (4, 19, "`${1}` does not name a variable"),
            (4, 27, "`${` is not closed"),
        ]
    );
}
