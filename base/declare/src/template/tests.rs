//! What templates render, and how their mistakes read.

use serde_json::{Value, json};

use super::*;

fn values() -> Value {
    json!({
        "function": "wow_video*feed", "unit": "b", "value": 0.9234, "seconds": 90.4, "qps": 12.53,
        "labels": {"unit": "b", "severity": "critical"}, "items": [1, 2], "text": "12",
        "html": "<b>\"it's\"</b>", "quote": "a \"b\"\n\\c",
    })
}

fn rendered(text: &str) -> String {
    let template = Template::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    template
        .render(&values())
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn renders_with_its_filters() {
    for (text, expected) in [
        (
            "{{ function }} at {{ value | percent }} in {{ unit }}",
            "wow_video*feed at 92.34% in b",
        ),
        (
            "{{ 1.0 | percent }} {{ 0.99999 | percent }} {{ 0 | percent }} {{ 0.5 | percent }}",
            "100% 99.999% 0% 50%",
        ),
        (
            "{{ seconds | duration }} {{ 0.25 | duration }} {{ 0 | duration }} {{ text | duration }}",
            "1m30s 250ms 0s 12s",
        ),
        (
            "{{ qps | qps }} {{ 1234.5 | qps }} {{ 0.251 | qps }}",
            "12.5 QPS 1234 QPS 0.25 QPS",
        ),
        (
            "{{ labels.unit }}{% if nobody %}x{% endif %}{{ nobody | default('-') }}",
            "b-",
        ),
        (
            "{% for item in items %}{{ loop.index }}{{ item }} {% endfor %}",
            "11 22 ",
        ),
        ("{{ labels.nobody is defined }}", "False"),
        ("纯文本", "纯文本"),
    ] {
        assert_eq!(rendered(text), expected, "{text}");
    }
}

#[test]
fn escapes_what_values_hold_and_nothing_else() {
    let render = |text: &str, escape| {
        let template = Template::parse(text).unwrap();
        template.render_escaped(&values(), escape).unwrap()
    };
    assert_eq!(
        render("**{{ function }}**", Escape::Markdown),
        r"**wow\_video\*feed**"
    );
    assert_eq!(
        render("<i>{{ html }}</i>", Escape::Html),
        "<i>&lt;b&gt;&quot;it&#39;s&quot;&lt;/b&gt;</i>"
    );
    let body = render(r#"{"text": "{{ quote }}", "n": {{ value }}}"#, Escape::Json);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body, json!({"text": "a \"b\"\n\\c", "n": 0.9234}));
    assert_eq!(render("{{ html | safe }}", Escape::Html), "<b>\"it's\"</b>");
}

/// Template, line, column, message, hint.
const BROKEN: &[(&str, usize, usize, &str, &str)] = &[
    ("a\nb {{ c }} {{ d", 2, 11, "syntax error", ""),
    ("ok {{ a }} {% fi x %}", 1, 12, "syntax error", ""),
    (
        "{{ value | precent }}",
        1,
        12,
        "unknown filter `precent`",
        "did you mean `percent`?",
    ),
    (
        "{{ a | percent }} {% if b %}{{ c | precent }}{% endif %}",
        1,
        36,
        "unknown filter `precent`",
        "percent",
    ),
    (
        "导航 {{ value | percentage }}",
        1,
        15,
        "unknown filter `percentage`",
        "",
    ),
    ("{{ now() }}", 1, 4, "unknown function `now`", ""),
    (
        "{% if x is blue %}{% endif %}",
        1,
        12,
        "unknown test `blue`",
        "",
    ),
];

#[test]
fn broken_templates_say_where() {
    for (text, line, column, message, hint) in BROKEN {
        let error = Template::parse(text).unwrap_err();
        assert!(error.message().contains(message), "{text}: {error}");
        assert_eq!(
            (error.line(), error.column()),
            (*line, *column),
            "{text}: {error}"
        );
        assert!(
            error.hint().unwrap_or("").contains(hint),
            "{text}: {error:?}"
        );
    }
}

#[test]
fn a_variable_that_is_not_there_is_named() {
    let failed = |text: &str| {
        let template = Template::parse(text).unwrap();
        template.render(&values()).unwrap_err()
    };
    let error = failed("{{ nobody | default('x') }}\n{{ fuction }}");
    assert_eq!(error.message(), "unknown variable `fuction`");
    assert_eq!(error.hint(), Some("did you mean `function`?"));
    assert_eq!((error.line(), error.column()), (2, 4));
    let error = failed("{{ labels.unti }}");
    assert_eq!(error.message(), "unknown variable `labels.unti`");
    assert_eq!(error.hint(), Some("did you mean `unit`?"));
    assert!(
        failed("{{ unit | percent }}")
            .message()
            .contains("percent needs a number")
    );
}

#[test]
fn variables_can_be_checked_before_the_night() {
    let template =
        Template::parse("{% set x = 1 %}{{ x }}{{ unit }}\n{{ vale | percent }}{{ range(3) }}")
            .unwrap();
    assert_eq!(template.variables(), ["unit", "vale"]);
    let found = template.unknown_variables(&["unit", "value"]);
    let [only] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(
        (only.message(), only.line(), only.column()),
        ("unknown variable `vale`", 2, 4)
    );
    assert_eq!(only.hint(), Some("did you mean `value`?"));
}

#[test]
fn work_and_length_are_limited() {
    let failed = |text: &str| Template::parse(text).and_then(|template| template.render(&values()));
    let busy = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
    assert!(failed(busy).unwrap_err().message().contains("50000 steps"));
    let long = format!(
        "{{% for a in range(2000) %}}{}{{% endfor %}}",
        "x".repeat(100)
    );
    assert!(
        failed(&long)
            .unwrap_err()
            .message()
            .contains("beyond 65536 bytes")
    );
    assert!(Template::parse(&"x".repeat(TEMPLATE_BYTES_MAX + 1)).is_err());
    assert!(failed("{% include 'other' %}").is_err());
}
