//! Nothing that can be written makes reading panic or point outside the text.

#![allow(clippy::unwrap_used)] // helpers of tests

use declare::{Node, Problems, Shape, check, expand_variables, json_schema, read};
use proptest::prelude::*;

fn any_shape() -> Shape {
    Shape::map(
        "name",
        Shape::Either(vec![Shape::list(Shape::Duration), Shape::Template]),
    )
}

fn assert_inside(
    text: &str,
    line: usize,
    column: usize,
    width: usize,
) -> Result<(), TestCaseError> {
    let file = declare::SourceFile::new("f", text);
    prop_assert!((1..=file.line_count()).contains(&line), "line {line}");
    let length = file.line(line).chars().count();
    prop_assert!(
        column >= 1 && column - 1 + width <= length.max(column),
        "{line}:{column}+{width}"
    );
    prop_assert!(column <= length + 1, "{line}:{column} of {length}");
    Ok(())
}

fn assert_all_inside(text: &str, node: &Node) -> Result<(), TestCaseError> {
    let place = node.place();
    assert_inside(text, place.line, place.column, place.width)?;
    for item in node.items() {
        assert_all_inside(text, item)?;
    }
    for (key, value) in node.fields() {
        assert_all_inside(text, key)?;
        assert_all_inside(text, value)?;
    }
    Ok(())
}

fn try_everything(text: &str) -> Result<(), TestCaseError> {
    let mut problems = Problems::new();
    match read("f", text) {
        Ok(node) => {
            assert_all_inside(text, &node)?;
            let node = expand_variables(&node, |_| None, &mut problems);
            check(&node, &any_shape(), &mut problems);
        }
        Err(found) => {
            prop_assert!(found.has_errors());
            problems = found;
        }
    }
    for problem in problems.iter() {
        assert_inside(text, problem.line, problem.column, 0)?;
        prop_assert!(!problem.to_string().is_empty());
    }
    Ok(())
}

/// Pieces YAML gives a meaning to, in any order.
fn yamlish() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "b:",
        "- ",
        ": ",
        "? ",
        "\n",
        "\n  ",
        "\n    ",
        "\t",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "&x ",
        "*x",
        "|\n",
        ">-\n",
        "'",
        "\"",
        "#",
        "---\n",
        "...\n",
        "!!str ",
        "!t ",
        "%YAML 1.2\n",
        "~",
        "<<: ",
        "导",
        "\r\n",
        "\r",
        "\u{feff}",
        "\\",
        "@",
        "`",
        "${A}",
        "{{ a",
        "}}",
        "1s",
        "\u{0}",
        "\u{2028}",
        "\u{85}",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,80}") {
        try_everything(&text)?;
    }

    #[test]
    fn anything_like_yaml_is_read_or_refused(text in yamlish()) {
        try_everything(&text)?;
    }

    #[test]
    fn any_template_is_compiled_or_refused(text in "(\\{\\{|\\}\\}|\\{%|%\\}|[a-z|() .\\n'\"]|导){0,30}") {
        if let Ok(template) = declare::template::Template::parse(&text) {
            let _ = template.render(&serde_json::json!({"a": 1}));
        }
    }
}

#[test]
fn a_recursive_shape_ends() {
    fn tree() -> declare::Record {
        declare::Record::new("tree", "").field("tree", Shape::Recursive(tree), "")
    }
    let text = "{tree: ".repeat(60) + "{}" + &"}".repeat(60);
    let node = read("f", &text).unwrap();
    let mut problems = Problems::new();
    check(&node, &Shape::Recursive(tree), &mut problems);
    assert!(problems.is_empty());
    assert!(json_schema(&Shape::Recursive(tree), "t")["$defs"]["tree"].is_object());
}
