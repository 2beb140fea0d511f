//! The formats against golden files, and properties that hold for any input.

use std::fmt::Write;

use model::Timestamp;
use proptest::prelude::*;
use store::{InvocationRows, QueryAnswer};

use super::*;
use crate::config::SourceConfig;
use crate::config::tests::source_of;

fn seen_at() -> Timestamp {
    "2026-11-11T00:00:05Z".parse().unwrap()
}

fn decoder(config: &SourceConfig) -> Decoder {
    Decoder::new(
        config.format.clone(),
        std::sync::Arc::clone(&config.meaning),
    )
}

/// Every row as JSON without its empty columns.
fn printed(rows: &mut InvocationRows) -> Vec<String> {
    let batch = rows.finish();
    let answer = QueryAnswer {
        schema: batch.schema(),
        batches: vec![batch],
        truncated: false,
    };
    let json = answer.to_json();
    let names: Vec<&str> = json["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| column["name"].as_str().unwrap())
        .collect();
    let rows = json["rows"].as_array().unwrap().iter();
    rows.map(|row| {
        let mut text = String::new();
        for (name, value) in names.iter().zip(row.as_array().unwrap()) {
            let dull = matches!(*name, "seen_at" | "source") || value.is_null();
            if !dull && *value != serde_json::json!(false) {
                write!(text, "{name}={value} ").unwrap();
            }
        }
        text.trim_end().to_owned()
    })
    .collect()
}

fn golden(name: &str, yaml: &str) {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let input = std::fs::read(directory.join(format!("{name}.ndjson"))).unwrap();
    let config = source_of(yaml);
    let mut rows = InvocationRows::new();
    let decoded = decoder(&config).decode(&input, seen_at(), &mut rows);
    let mut text = String::new();
    for row in printed(&mut rows) {
        writeln!(text, "{row}").unwrap();
    }
    writeln!(
        text,
        "-- accepted {} rejected {} skipped {} clamped {}",
        decoded.accepted,
        decoded.rejected.total(),
        decoded.skipped,
        decoded.clamped
    )
    .unwrap();
    for refusal in &decoded.refusals {
        let kind = refusal.kind.as_str();
        writeln!(text, "line {} {kind}: {}", refusal.line, refusal.reason).unwrap();
    }
    for function in &decoded.functions {
        writeln!(text, "function {function}").unwrap();
    }
    let path = directory.join(format!("{name}.expected"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{name}: UPDATE=1 rewrites it");
}

const RAMPART: &str = "{name: sdk, http: {}, labels: {unit: z, layer: function}}";

#[test]
fn rampart_json() {
    golden("rampart", RAMPART);
}

#[test]
fn nginx_json() {
    golden(
        "nginx",
        r#"{name: gateway, file: {path: /x.log}, format: nginx-json, labels: {unit: a},
            outcome: {"499": client_error, "429": limited},
            function: {from: path, pattern: '^/(?<namespace>[^/]+)/(?<function>[^/?]+)', only: ["guide/*", "travel/*"]}}"#,
    );
}

#[test]
fn mapped_json() {
    golden(
        "mapped",
        r"{name: mine, file: {path: /x.log}, function: {namespace: shop},
            outcome: {OK: ok, BOOM: function_error},
            format: {map: {ts: time, function: labels.app, namespace: labels.ns, outcome: result.code,
                           duration_ms: latency, version: 'a\.b'}}}",
    );
}

#[test]
fn nginx_lines_with_bytes_of_any_client_are_kept_and_others_refused() {
    let nginx = source_of(
        "{name: g, file: {path: /x}, format: nginx-json, function: {from: path, pattern: '^/(?<namespace>[^/]+)/(?<function>[^/?]+)'}}",
    );
    let line = b"{\"msec\":1794355201.0,\"status\":200,\"request_uri\":\"/guide/feed?\xff\"}\n";
    let mut rows = InvocationRows::new();
    assert_eq!(
        decoder(&nginx).decode(line, seen_at(), &mut rows).accepted,
        1
    );

    let line =
        b"{\"function\":\"f\xff\",\"outcome\":\"ok\"}\n{\"function\":\"f\",\"outcome\":\"ok\"}";
    let decoded = decoder(&source_of(RAMPART)).decode(line, seen_at(), &mut rows);
    assert_eq!((decoded.accepted, decoded.rejected.total()), (1, 1));
    assert_eq!(decoded.refusals[0].reason, "not UTF-8 after byte 14");
}

#[test]
fn limits_are_kept_and_counted() {
    let decode = |line: &str| {
        let mut rows = InvocationRows::new();
        let decoded = decoder(&source_of(RAMPART)).decode(line.as_bytes(), seen_at(), &mut rows);
        (decoded, printed(&mut rows))
    };
    let many = (0..40).fold(String::new(), |many, i| format!("{many},\"k{i}\":{i}"));
    let (decoded, rows) = decode(&format!("{{\"function\":\"f\",\"outcome\":\"ok\"{many}}}"));
    assert_eq!((decoded.clamped, rows[0].matches("\"k").count()), (8, 32));

    let long = "é".repeat(2_000);
    let (decoded, rows) = decode(&format!(
        "{{\"function\":\"f\",\"outcome\":\"ok\",\"note\":\"{long}\",\"version\":\"{long}\"}}"
    ));
    assert_eq!((decoded.clamped, rows[0].matches('é').count()), (2, 1_024));

    let (decoded, _) = decode(&format!("{{\"x\":\"{}\"}}", "y".repeat(300_000)));
    assert_eq!(decoded.refusals[0].kind, RefusalKind::TooLong);
    assert!(decoded.refusals[0].text.len() <= 2_048);

    let weight = "{\"function\":\"f\",\"outcome\":\"ok\",\"weight\":5000000}";
    let (decoded, _) = decode(&format!("{weight}\n{}\n{weight}", "y".repeat(300_000)));
    assert_eq!((decoded.accepted, decoded.clamped), (2, 2));

    let deep = format!(
        "{{\"function\":\"f\",\"outcome\":\"ok\",\"x\":{}{}}}",
        "[".repeat(5_000),
        "]".repeat(5_000)
    );
    let (decoded, _) = decode(&deep);
    assert_eq!(
        decoded.refusals[0].kind,
        RefusalKind::Syntax,
        "{:?}",
        decoded.refusals
    );

    let (decoded, _) = decode(&"x\n".repeat(1_000));
    assert_eq!(
        (decoded.refusals.len(), decoded.rejected.total()),
        (100, 1_000)
    );
}

#[test]
fn the_clock_decides_what_is_ahead() {
    const AHEAD: &str = "field ts: more than 10 minutes ahead of the clock here";
    const EARLY: &str = "field ts: before the year 2000";
    for (ts, ms, expected) in [
        ("2026-11-11T00:10:05Z", 0, Ok((0, 0))),
        ("2026-11-11T00:10:06Z", 0, Err(AHEAD)),
        ("2026-11-11T00:00:01Z", 604_000, Ok((604_000_000, 0))),
        // The call was seen complete 4 s after it began, whatever it says of itself.
        ("2026-11-11T00:00:01Z", 605_000, Ok((4_000_000, 1))),
        (
            "2026-11-11T00:00:01Z",
            4_000_000_000_i64,
            Ok((4_000_000, 2)),
        ),
        ("2026-11-11T00:10:05Z", 1_000, Ok((0, 1))),
        ("1999-12-31T23:59:59Z", 0, Err(EARLY)),
    ] {
        let line =
            serde_json::json!({"function": "f", "outcome": "ok", "ts": ts, "duration_ms": ms});
        let mut rows = InvocationRows::new();
        let decoded =
            decoder(&source_of(RAMPART)).decode(line.to_string().as_bytes(), seen_at(), &mut rows);
        match expected {
            Err(reason) => assert_eq!(decoded.refusals[0].reason, reason, "{ts} {ms}"),
            Ok((us, clamped)) => {
                let row = printed(&mut rows).remove(0);
                assert!(
                    row.contains(&format!("duration_us={us} ")),
                    "{ts} {ms}: {row}"
                );
                assert_eq!(decoded.clamped, clamped, "{ts} {ms}");
            }
        }
    }
}

#[test]
fn a_document_is_read_like_its_lines() {
    let one = "{\"function\":\"f\",\"outcome\":\"ok\",\"ts\":1794355201}";
    for body in [
        format!("[{one},\n {one}]"),
        format!("{one}\n{one}"),
        "{\n \"function\": \"f\",\n \"outcome\": \"ok\",\n \"ts\": 1794355201\n}\n".repeat(2),
    ] {
        let mut rows = InvocationRows::new();
        let decoded =
            decoder(&source_of(RAMPART)).decode_document(body.as_bytes(), seen_at(), &mut rows);
        assert_eq!(
            (decoded.accepted, decoded.rejected.total()),
            (2, 0),
            "{body}"
        );
    }
}

fn good_line() -> impl Strategy<Value = String> {
    ("[a-z]{1,8}", 0..7_usize, any::<u16>(), "[ -~]{0,12}").prop_map(|(function, outcome, ms, note)| {
        let outcome = model::Outcome::ALL[outcome];
        serde_json::json!({"function": function, "outcome": outcome.as_str(), "duration_ms": ms, "ts": 1_794_355_201, "note": note}).to_string()
    })
}

fn bad_line() -> impl Strategy<Value = String> {
    prop_oneof![
        "[^\n\r]{1,40}".prop_map(|text| format!("x{text}")),
        Just("{\"function\":\"f\"}".to_owned()),
        Just("{\"function\":\"f\",\"outcome\":\"okk\"}".to_owned()),
        Just("{\"function\":\"f\",\"outcome\":\"ok\",\"ts\":{}}".to_owned()),
        Just("[[[[".to_owned()),
    ]
}

proptest! {
    #[test]
    fn good_lines_around_bad_ones_are_always_kept(lines in prop::collection::vec(prop_oneof![good_line().prop_map(Ok), bad_line().prop_map(Err)], 0..20)) {
        let config = source_of(RAMPART);
        let text = |line: &Result<String, String>| line.clone().unwrap_or_else(|bad| bad) + "\n";
        let body: String = lines.iter().map(text).collect();
        let good: String = lines.iter().filter(|line| line.is_ok()).map(text).collect();
        let (mut all, mut only_good) = (InvocationRows::new(), InvocationRows::new());
        let decoded = decoder(&config).decode(body.as_bytes(), seen_at(), &mut all);
        decoder(&config).decode(good.as_bytes(), seen_at(), &mut only_good);
        let bad: Vec<usize> = lines.iter().enumerate().filter(|(_, line)| line.is_err()).map(|(index, _)| index + 1).collect();
        prop_assert_eq!(decoded.refusals.iter().map(|refusal| refusal.line).collect::<Vec<_>>(), bad);
        prop_assert_eq!(printed(&mut all), printed(&mut only_good));
    }

    #[test]
    fn a_body_may_be_split_at_any_line(lines in prop::collection::vec(prop_oneof![good_line(), bad_line()], 1..20), at in any::<prop::sample::Index>()) {
        let config = source_of(RAMPART);
        let body: String = lines.iter().map(|line| line.clone() + "\n").collect();
        let mut whole = InvocationRows::new();
        let once = decoder(&config).decode(body.as_bytes(), seen_at(), &mut whole);
        let cut = at.index(lines.len());
        let length: usize = lines.iter().take(cut).map(|line| line.len() + 1).sum();
        let (head, tail) = body.split_at(length);
        let (mut parts, mut decoder) = (InvocationRows::new(), decoder(&config));
        let mut twice = decoder.decode(head.as_bytes(), seen_at(), &mut parts);
        twice.merge(decoder.decode(tail.as_bytes(), seen_at(), &mut parts), cut);
        prop_assert_eq!(printed(&mut whole), printed(&mut parts));
        prop_assert_eq!(once.refusals, twice.refusals);
        prop_assert_eq!(once.rejected, twice.rejected);
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "[{}\\[\\]\",:a-z0-9\\\\un.\n-]{0,200}") {
        for yaml in [RAMPART, "{name: g, file: {path: /x}, format: nginx-json, function: {from: path, pattern: '^/(?<namespace>[^/]+)/(?<function>[^/?]+)'}}", "{name: m, file: {path: /x}, format: {map: {function: a.b, outcome: c}}}"] {
            let config = source_of(yaml);
            let mut rows = InvocationRows::new();
            for input in [bytes.as_slice(), text.as_bytes()] {
                decoder(&config).decode(input, seen_at(), &mut rows);
                decoder(&config).decode_document(input, seen_at(), &mut rows);
            }
        }
    }
}

#[test]
fn a_function_with_its_namespace_in_front_is_taken_apart() {
    // (source, line, function)
    for (meaning, line, expected) in [
        ("", r#""function":"guide/feed""#, "guide/feed"),
        ("", r#""function":"a/b/c""#, "a/b/c"),
        ("", r#""function":"feed""#, "default/feed"),
        ("", r#""function":"/feed""#, "default//feed"),
        ("", r#""function":"a/b","namespace":"guide""#, "guide/a/b"),
        (
            ", function: {namespace: travel}",
            r#""function":"guide/feed""#,
            "guide/feed",
        ),
        (
            ", function: {from: function, namespace: default, pattern: '(?<function>.+)'}",
            r#""function":"a/b""#,
            "default/a/b",
        ),
    ] {
        let config = source_of(&format!("{{name: s, http: {{}}{meaning}}}"));
        let line = format!("{{{line},\"outcome\":\"ok\"}}");
        let mut rows = InvocationRows::new();
        let decoded = decoder(&config).decode(line.as_bytes(), seen_at(), &mut rows);
        let [function] = decoded.functions.as_slice() else {
            panic!("{line}: {decoded:?}");
        };
        assert_eq!(function.to_string(), expected, "{line}");
        let namespace = expected.split('/').next().unwrap();
        assert_eq!(function.namespace, namespace, "{line}");
    }
}

#[test]
fn the_newest_call_is_known_by_when_it_was_complete() {
    let config = source_of("{name: s, http: {}, function: {only: ['default/*']}}");
    let newest = |lines: &str| {
        let mut rows = InvocationRows::new();
        let decoded = decoder(&config).decode(lines.as_bytes(), seen_at(), &mut rows);
        decoded.newest.map(Timestamp::to_rfc3339)
    };
    let taken = r#"{"function":"f","outcome":"ok","ts":"2026-11-11T00:00:01Z","duration_ms":500}"#;
    let left_out = r#"{"function":"x/f","outcome":"ok","completed_at":"2026-11-11T00:00:02Z"}"#;
    let refused = r#"{"function":"f","outcome":"huh","ts":"2026-11-11T00:00:03Z"}"#;
    assert_eq!(newest("").as_deref(), None);
    assert_eq!(newest(refused).as_deref(), None);
    let taken_at = Some("2026-11-11T00:00:01.500Z");
    assert_eq!(newest(&format!("{taken}\n{refused}")).as_deref(), taken_at);
    let left_out_at = Some("2026-11-11T00:00:02.000Z");
    assert_eq!(
        newest(&format!("{left_out}\n{taken}")).as_deref(),
        left_out_at
    );
}
