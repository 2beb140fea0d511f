//! Both formats by table and property, and against another parser where that one is right.

use std::fmt::Write;

use proptest::prelude::*;

use super::*;

fn one(dialect: Dialect, line: &str) -> String {
    let end = match dialect {
        Dialect::Text => "\n",
        Dialect::OpenMetrics => "\n# EOF\n",
    };
    let body = format!("{line}{end}");
    let read = read(body.as_bytes(), dialect, 10);
    assert!(read.complete);
    match (read.samples.first(), read.refusals.first()) {
        (Some(sample), None) => {
            let mut text = sample.name.to_owned();
            for (name, value) in &sample.labels {
                write!(text, " {name}={value:?}").unwrap();
            }
            write!(text, " {}", sample.value).unwrap();
            if let Some(at) = sample.timestamp_ms {
                write!(text, " @{at}").unwrap();
            }
            text
        }
        (None, Some(refusal)) => format!("refused: {}", refusal.reason),
        (None, None) => "nothing".to_owned(),
        both => panic!("{both:?}"),
    }
}

#[test]
fn text_lines() {
    for (line, expected) in [
        ("up 1", "up 1"),
        ("  up\t1  ", "up 1"),
        ("job:x:rate5m 0.5", "job:x:rate5m 0.5"),
        ("h{} 2", "h 2"),
        ("h { } 2", "h 2"),
        (r#"h{a="1",b="2",} 3"#, r#"h a="1" b="2" 3"#),
        (r#"h { a = "1" , b = "2" } 3 "#, r#"h a="1" b="2" 3"#),
        (r#"h{a="1"}3"#, r#"h a="1" 3"#),
        (r#"h{a="}"} 1"#, r#"h a="}" 1"#),
        (r#"h{a="\\\"\n\d"} 1"#, r#"h a="\\\"\n\\d" 1"#),
        (r#"h{a="é\\"} 1"#, r#"h a="é\\" 1"#),
        (r#"h{a="",b="2"} 1"#, r#"h b="2" 1"#),
        ("x NaN", "x NaN"),
        ("x +Inf", "x inf"),
        ("x -inf", "x -inf"),
        ("x 1e-3", "x 0.001"),
        ("x .5", "x 0.5"),
        ("x 1 1794355201250", "x 1 @1794355201250"),
        ("x 1 -5", "x 1 @-5"),
        ("# a comment", "nothing"),
        ("# UNIT x seconds", "nothing"),
        ("#HELP x glued", "nothing"),
        ("", "nothing"),
        (" \t", "nothing"),
        ("x", "refused: the value is missing"),
        ("x{a=\"1\"}", "refused: the value is missing"),
        ("x one", "refused: \"one\" is not a value"),
        ("x 0x10", "refused: \"0x10\" is not a value"),
        ("x -NaN", "refused: \"-NaN\" is not a value"),
        ("x 1 1.5", "refused: \"1.5\" is not a timestamp"),
        ("x 1 2 3", "refused: unexpected text after the value"),
        (
            "x 1 # {a=\"1\"} 1",
            "refused: unexpected text after the value",
        ),
        (
            "9x 1",
            "refused: a line begins with a metric name: letters, digits, _ and :",
        ),
        ("x-y 1", "refused: unexpected text after the name \"x\""),
        ("{\"x.y\"} 1", "refused: names in quotes are not taken"),
        (
            "x{\"a.b\"=\"1\"} 1",
            "refused: names in quotes are not taken",
        ),
        (
            "x{a=\"1\" 1",
            "refused: label a: a comma or the closing brace must follow",
        ),
        ("x{a=\"1", "refused: label a: the quotes do not close"),
        ("x{a=\"1\\", "refused: label a: the quotes do not close"),
        (
            "x{a=1} 1",
            "refused: label a: its value stands in double quotes",
        ),
        ("x{a} 1", "refused: label a: = is missing"),
        ("x{", "refused: the braces do not close"),
        (
            "x{a=\"1\",,} 1",
            "refused: a label begins with its name: letters, digits and _",
        ),
        ("x{a=\"1\",a=\"2\"} 1", "refused: label a: given twice"),
        ("x{a=\"\",a=\"2\"} 1", "refused: label a: given twice"),
        (
            "x{__name__=\"y\"} 1",
            "refused: label __name__: the name stands before the braces",
        ),
        (
            "# TYPE x speed",
            "refused: \"speed\" is not a type: use counter, gauge, histogram, summary, untyped",
        ),
        ("# TYPE", "refused: TYPE without a name"),
        (
            "# HELP 9 x",
            "refused: a line begins with a metric name: letters, digits, _ and :",
        ),
    ] {
        assert_eq!(one(Dialect::Text, line), expected, "{line:?}");
    }
}

#[test]
fn open_metrics_lines() {
    for (line, expected) in [
        ("x_total 1 1794355201.25", "x_total 1 @1794355201250"),
        ("x 1 1520879607.789", "x 1 @1520879607789"),
        ("x 1 1e9", "x 1 @1000000000000"),
        (
            r#"h_bucket{le="1"} 2 # {trace_id="a b # c"} 0.5 1794355201.2"#,
            r#"h_bucket le="1" 2"#,
        ),
        (
            r#"h_bucket{le="1"} 2 1.5 # {} 0.5"#,
            r#"h_bucket le="1" 2 @1500"#,
        ),
        ("h_bucket 2 # {} 0.5", "h_bucket 2"),
        ("# TYPE x unknown", "nothing"),
        ("# UNIT x_seconds seconds", "nothing"),
        ("# HELP x a \\\"quoted\\\" word", "nothing"),
        ("x 1 NaN", "refused: \"NaN\" is not a timestamp"),
        ("x  1", "refused: the value is missing"),
        (
            " x 1",
            "refused: a line begins with a metric name: letters, digits, _ and :",
        ),
        (
            "x{a=\"1\", b=\"2\"} 1",
            "refused: a label begins with its name: letters, digits and _",
        ),
        ("x 1 ", "refused: unexpected text after the value"),
        (
            "h 2 # 0.5",
            "refused: an exemplar begins with its labels in braces",
        ),
        (
            "h 2 # {a=\"1\"}",
            "refused: the exemplar's value is missing",
        ),
        ("h 2 # {a=\"1\"} x", "refused: \"x\" is not a value"),
        ("h 2 # {} 1 2 3", "refused: unexpected text after the value"),
        ("", "refused: OpenMetrics has no blank lines"),
        (
            "# comment",
            "refused: OpenMetrics has no comments but HELP, TYPE, UNIT and EOF",
        ),
        (
            "# TYPE x untyped",
            "refused: \"untyped\" is not a type: use counter, gauge, histogram, gaugehistogram, stateset, info, summary, unknown",
        ),
        (
            "# UNIT x seconds",
            "refused: the name must end in its unit, _seconds",
        ),
    ] {
        assert_eq!(one(Dialect::OpenMetrics, line), expected, "{line:?}");
    }
}

#[test]
fn families_and_their_order() {
    let body = "# HELP x_total All \\\\ of\\nthem.\n# TYPE x_total counter\nx_total 1\n# TYPE x_total counter\n# HELP y Why\nz 1\n# TYPE z gauge\n";
    let read = read(body.as_bytes(), Dialect::Text, 10);
    let x = &read.families["x_total"];
    assert_eq!(x.help.as_deref(), Some("All \\ of\nthem."));
    assert_eq!(x.kind.as_deref(), Some("counter"));
    assert_eq!(read.families["y"].help.as_deref(), Some("Why"));
    let refused: Vec<(usize, &str)> = read
        .refusals
        .iter()
        .map(|r| (r.line, r.reason.as_str()))
        .collect();
    let late = "the type must come before the samples";
    assert_eq!(refused, [(4, late), (7, late)]);
    assert_eq!(read.samples.len(), 2);
}

#[test]
fn an_exposition_that_was_cut_off_is_noticed() {
    for (dialect, body, samples, complete) in [
        (Dialect::Text, "x 1\ny 12", 1, false),
        (Dialect::Text, "x 1\n", 1, true),
        (Dialect::Text, "", 0, true),
        (Dialect::OpenMetrics, "x 1\n", 1, false),
        (Dialect::OpenMetrics, "x 1\n# EOF", 1, true),
        (Dialect::OpenMetrics, "x 1\n# EOF\n", 1, true),
        (Dialect::OpenMetrics, "x 1\n# EOF\ny 1\n", 1, false),
    ] {
        let read = read(body.as_bytes(), dialect, 10);
        assert_eq!(
            (read.samples.len(), read.complete),
            (samples, complete),
            "{body:?}"
        );
    }
    let many = read(b"a 1\nb 1\nc 1\n", Dialect::Text, 2);
    assert_eq!(
        (many.samples.len(), many.refusals[0].kind),
        (2, RefusalKind::TooMany)
    );
}

#[test]
fn the_content_type_decides() {
    for (text, dialect) in [
        (
            Some("application/openmetrics-text; version=1.0.0; charset=utf-8"),
            Dialect::OpenMetrics,
        ),
        (Some("text/plain; version=0.0.4"), Dialect::Text),
        (None, Dialect::Text),
    ] {
        assert_eq!(Dialect::of_content_type(text), dialect);
    }
}

/// Why the crate prometheus-parse does not read what is scraped: it loses or bends these silently.
/// Should a version of it mend one, this fails and the list can be shortened.
#[test]
fn known_defects_of_prometheus_parse() {
    let theirs = |line: &str| {
        let lines = std::iter::once(Ok(line.to_owned()));
        prometheus_parse::Scrape::parse(lines).unwrap().samples
    };
    // Recording-rule names are dropped, and so is an empty label set.
    assert!(theirs("job:x:rate5m 0.5").is_empty());
    assert!(theirs("h{} 2").is_empty());
    // A brace inside a label's value ends the labels.
    assert!(
        theirs(r#"h{a="}"} 1"#)
            .first()
            .and_then(|s| s.labels.get("a").map(str::to_owned))
            != Some("}".to_owned())
    );
    // A comma inside a value splits the label.
    assert_ne!(theirs(r#"h{a="1,2"} 1"#)[0].labels.get("a"), Some("1,2"));
    // Escapes stay as they are written.
    assert_eq!(theirs(r#"h{a="x\ny"} 1"#)[0].labels.get("a"), Some(r"x\ny"));
    // OpenMetrics' seconds with a fraction are no timestamp to it: the sample moves to now.
    assert_ne!(
        theirs("x 1 1520879607.789")[0].timestamp.timestamp(),
        1_520_879_607
    );
    for line in [
        "job:x:rate5m 0.5",
        "h{} 2",
        r#"h{a="}"} 1"#,
        r#"h{a="1,2"} 1"#,
        r#"h{a="x\ny"} 1"#,
    ] {
        assert!(!one(Dialect::Text, line).starts_with("refused"), "{line}");
    }
}

proptest! {
    #[test]
    fn agrees_with_prometheus_parse_where_that_is_right(
        name in "[a-zA-Z_][a-zA-Z0-9_]{0,12}",
        labels in prop::collection::btree_map("[a-z_][a-z0-9_]{0,6}", "[a-zA-Z0-9 ./:_-]{1,10}", 0..4),
        value in prop_oneof![any::<i32>().prop_map(f64::from), any::<f64>().prop_filter("finite", |v| v.is_finite()), Just(f64::INFINITY)],
        at in prop::option::of(0..4_000_000_000_000_i64),
    ) {
        prop_assume!(!labels.contains_key("__name__"));
        let mut line = name.clone();
        if !labels.is_empty() {
            let pairs: Vec<String> = labels.iter().map(|(k, v)| format!("{k}=\"{v}\"")).collect();
            write!(line, "{{{}}}", pairs.join(",")).unwrap();
        }
        write!(line, " {value}").unwrap();
        if let Some(at) = at { write!(line, " {at}").unwrap(); }
        let theirs = prometheus_parse::Scrape::parse(std::iter::once(Ok(line.clone()))).unwrap();
        let body = format!("{line}\n");
        let ours = read(body.as_bytes(), Dialect::Text, 10);
        prop_assert_eq!(ours.samples.len(), 1);
        let (ours, theirs) = (&ours.samples[0], &theirs.samples[0]);
        prop_assert_eq!(ours.name, &theirs.metric);
        let their_value = match theirs.value { prometheus_parse::Value::Untyped(v) => v, ref other => panic!("{other:?}") };
        prop_assert_eq!(ours.value.to_bits(), their_value.to_bits());
        if let Some(at) = at {
            prop_assert_eq!(ours.timestamp_ms, Some(at));
            prop_assert_eq!(theirs.timestamp.timestamp_millis(), at);
        }
        let ours: BTreeMap<String, String> = ours.labels.iter().map(|(k, v)| ((*k).to_owned(), v.clone().into_owned())).collect();
        prop_assert_eq!(ours, labels);
    }

    #[test]
    fn what_is_written_by_the_rules_reads_back(value in "\\PC{0,20}", dialect in prop_oneof![Just(Dialect::Text), Just(Dialect::OpenMetrics)]) {
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let body = format!("x{{a=\"{escaped}\"}} 1\n");
        let read = read(body.as_bytes(), dialect, 10);
        let got = read.samples[0].labels.first().map_or("", |(_, value)| value.as_ref());
        prop_assert_eq!(got, value);
    }

    #[test]
    fn no_bytes_make_it_panic_and_good_lines_are_kept(bytes in prop::collection::vec(any::<u8>(), 0..80), text in "[{}\"=,a-z0-9 #\\\\.]{0,60}") {
        for dialect in [Dialect::Text, Dialect::OpenMetrics] {
            for noise in [bytes.as_slice(), text.as_bytes()] {
                let mut body = b"first 1\n".to_vec();
                body.extend_from_slice(noise);
                body.extend_from_slice(b"\nlast 2\n");
                let read = read(&body, dialect, 1_000);
                let names: Vec<&str> = read.samples.iter().map(|sample| sample.name).collect();
                prop_assert_eq!(names.first(), Some(&"first"));
                if !noise.windows(5).any(|part| part == b"# EOF") {
                    prop_assert_eq!(names.last(), Some(&"last"));
                }
            }
        }
    }
}
