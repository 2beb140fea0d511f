//! The quick reader against the general one.

use std::sync::Arc;

use model::Timestamp;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use store::InvocationRows;

use super::super::{Decoder, Format, Meaning};
use super::*;

/// One value as some writer might put it, right or wrong.
fn value() -> impl Strategy<Value = String> {
    const ODD: &[&str] = &[
        "null",
        "true",
        "false",
        "nul",
        "\"\"",
        "\"-\"",
        "\"ok\"",
        "\"timeout\"",
        "\"stress\"",
        "\"12ms\"",
        "\"2026-11-11T00:00:01.25Z\"",
        "\"1794355201.003\"",
        "1794355201000",
        "1794355201000000000",
        "0",
        "-0",
        "-0.0",
        "01",
        "1.",
        ".5",
        "1e3",
        "2E-3",
        "1.5e2",
        "9223372036854775808",
        "18446744073709551616",
        "123456789012345678901234567890",
        "0.1234567890123456789",
        "-5",
        "200",
        "\"200\"",
        "502, 200",
        "{}",
        "[]",
        "[1,\"a\"]",
        "{\"k\":1}",
        "{\"k\":\"v\",\"n\":null,\"x\":2.5}",
        "{\"k\":{\"d\":1}}",
        "\"a\\nb\"",
        "\"\\u00e9\"",
        "\"\\ud800\"",
        "\"\\x\"",
        "\"é\"",
        "\"日本\"",
        "",
    ];
    prop_oneof![
        3 => select(ODD).prop_map(str::to_owned),
        1 => "\"[ -~]{0,20}\"",
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => any::<f64>().prop_map(|number| number.to_string()),
        1 => (0_i64..1 << 53, 0..20_usize).prop_map(|(digits, decimals)| format!("{digits}.{digits:0>decimals$}")),
    ]
}

fn entry() -> impl Strategy<Value = String> {
    let names = Field::NAMES.into_iter().chain([
        ATTRS,
        ATTRS,
        "note",
        "",
        "a b",
        "t\\u0073",
        "\\u0061ttrs",
    ]);
    let names: Vec<&str> = names.collect();
    (
        select(names),
        select(vec![":", ":", ": ", " : ", "\t:\r", ""]),
        value(),
    )
        .prop_map(|(name, colon, value)| format!("\"{name}\"{colon}{value}"))
}

/// A line that often is one, and sometimes was hit by something.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let entries = prop::collection::vec(entry(), 0..12);
    let start = select(vec![
        "{",
        "{",
        "{\"function\":\"f\",\"outcome\":\"ok\",",
        " { ",
        "[",
        "",
    ]);
    let hit = prop::option::weighted(0.2, (any::<Index>(), any::<u8>()));
    let cut = prop::option::weighted(0.1, any::<Index>());
    (
        start,
        entries,
        select(vec![",", ",", ", ", ",,"]),
        select(vec!["}", "}", "}", " } ", "}x", ",}", ""]),
        hit,
        cut,
    )
        .prop_map(|(start, entries, comma, end, hit, cut)| {
            let mut line = format!("{start}{}{end}", entries.join(comma)).into_bytes();
            if let Some((place, byte)) = hit.filter(|_| !line.is_empty()) {
                let place = place.index(line.len());
                line[place] = byte;
            }
            if let Some(place) = cut {
                line.truncate(place.index(line.len() + 1));
            }
            line
        })
}

/// Byte by byte, as the definition says.
fn naive_length(bytes: &[u8]) -> Option<usize> {
    let at = bytes
        .iter()
        .position(|byte| matches!(byte, b'"' | b'\\' | ..=0x1f))?;
    (bytes[at] == b'"').then_some(at)
}

#[test]
fn every_byte_in_every_place_ends_a_text_or_does_not() {
    for place in 0..17 {
        for byte in 0..=u8::MAX {
            let mut bytes = *b"0123456789abcdef\"";
            bytes[place] = byte;
            assert_eq!(
                plain_length(&bytes),
                naive_length(&bytes),
                "{byte} at {place}"
            );
        }
    }
}

#[test]
fn numbers_are_what_the_standard_library_reads_or_are_left_alone() {
    let number = |text: &'static str| Rest::of(text).number();
    for text in [
        "0",
        "7",
        "-7",
        "9223372036854775807",
        "-9223372036854775807",
    ] {
        let expected = text.parse::<i64>().unwrap();
        assert!(
            matches!(number(text), Some(Scalar::Integer(n)) if n == expected),
            "{text}"
        );
    }
    for text in [
        "0.5",
        "41.7",
        "-1794355201.003",
        "900719925474099.1",
        "0.000000000000000001",
    ] {
        let expected = text.parse::<f64>().unwrap();
        let read = number(text);
        assert!(
            matches!(read, Some(Scalar::Float(n)) if n.to_bits() == expected.to_bits()),
            "{text}"
        );
    }
    for text in [
        "-0",
        "-0.0",
        "01",
        "1.",
        "-",
        "9223372036854775808",
        "18446744073709551616",
        "123456789012345678901234567890",
        "9007199254740993.1",
    ] {
        assert!(number(text).is_none(), "{text}");
    }
}

/// What both readers make of the same chunks, each with one memory of keys.
fn both(chunks: &[Vec<u8>]) -> Result<(), TestCaseError> {
    let seen_at: Timestamp = "2026-11-11T00:00:05Z".parse().unwrap();
    let decoder = || Decoder::new(Format::RampartJson, Arc::new(Meaning::of_source("s")));
    let (mut quick, mut careful) = (decoder(), decoder());
    careful.careful = true;
    for chunk in chunks {
        for document in [false, true] {
            let read = |decoder: &mut Decoder| {
                let mut rows = InvocationRows::new();
                let decoded = if document {
                    decoder.decode_document(chunk, seen_at, &mut rows)
                } else {
                    decoder.decode(chunk, seen_at, &mut rows)
                };
                (decoded, rows.finish())
            };
            prop_assert_eq!(
                read(&mut quick),
                read(&mut careful),
                "{}",
                String::from_utf8_lossy(chunk)
            );
        }
    }
    Ok(())
}

#[test]
fn plain_lines_are_read_here_and_others_are_not() {
    let mut keys = Keys::default();
    let mut read = |line: &str| {
        let mut names = Vec::new();
        let plain = keys.read(line, |field, name, _| {
            names.push((field.is_some(), name.to_owned()));
        });
        plain.map(|()| {
            names
                .iter()
                .map(|(known, name)| format!("{name}{}", if *known { "" } else { "?" }))
                .collect::<Vec<_>>()
                .join(" ")
        })
    };
    for (line, expected) in [
        (
            r#"{"ts":1,"function":"f","outcome":"ok"}"#,
            Some("ts function outcome"),
        ),
        (
            r#"{"ts":1,"function":"f","version":"1","outcome":"ok"}"#,
            Some("ts function version outcome"),
        ),
        (
            r#"{"ts":1,"outcome":"ok", "function" : "f" , "note":null} "#,
            Some("ts outcome function note?"),
        ),
        (
            r#"{"function":"f","attrs":{"version":"1","b":2},"ts":1}"#,
            Some("function version? b? ts"),
        ),
        (
            r#"{"function":"f
"}"#,
            None,
        ),
        (r#"{"function":"f","attrs":"x"}"#, None),
        (r#"{"function":"f","x":[1]}"#, None),
        (r#"{"function":"f"}x"#, None),
        ("{}", None),
        ("", None),
    ] {
        assert_eq!(read(line).as_deref(), expected, "{line}");
    }
}

#[test]
fn keys_without_end_are_not_remembered_without_end() {
    let mut keys = Keys::default();
    for number in 0..1_000 {
        let line = format!("{{\"k{number}\":1,\"function\":\"f\"}}");
        assert!(keys.read(&line, |_, _, _| {}).is_some());
        assert!(keys.known.len() <= KEYS_MAX);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn reads_what_the_general_reader_reads(chunks in prop::collection::vec(prop::collection::vec(line(), 0..6), 1..4)) {
        let chunks: Vec<Vec<u8>> = chunks.iter().map(|lines| lines.join(&b'\n')).collect();
        both(&chunks)?;
    }

    #[test]
    fn reads_any_bytes_as_the_general_reader_does(chunk in prop::collection::vec(any::<u8>(), 0..200)) {
        both(&[chunk])?;
    }

    #[test]
    fn texts_end_where_they_end_byte_by_byte(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        prop_assert_eq!(plain_length(&bytes), naive_length(&bytes));
    }

    #[test]
    fn decimals_are_those_of_the_standard_library(whole in 0_u64..1_000_000_000, decimals in "[0-9]{1,9}") {
        let text = format!("{whole}.{decimals}");
        let expected = text.parse::<f64>().unwrap();
        if let Some(Scalar::Float(number)) = Rest::of(&text).number() {
            prop_assert_eq!(number.to_bits(), expected.to_bits());
        }
    }
}
