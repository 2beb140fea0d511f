//! The functions templates know: Go's own and Alertmanager's.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use regex::RegexBuilder;

use super::value::{Moment, Text, Value};
use super::{Medium, format, layout};

/// The most memory a pattern may take.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// The most items of a list that a function makes.
const ITEMS_MAX: usize = 10_000;

/// A function.
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) least: usize,
    pub(super) most: usize,
    pub(super) call: fn(&[Value], Medium) -> Result<Value, String>,
}

impl Function {
    /// How many values it takes, in words.
    pub(super) fn takes(&self) -> String {
        match (self.least, self.most) {
            (least, usize::MAX) => format!("at least {least} values"),
            (1, 1) => "one value".to_owned(),
            (least, most) if least == most => format!("{least} values"),
            (least, most) => format!("{least} to {most} values"),
        }
    }
}

type Call = fn(&[Value], Medium) -> Result<Value, String>;

const fn takes(name: &'static str, least: usize, most: usize, call: Call) -> Function {
    Function {
        name,
        least,
        most,
        call,
    }
}

/// Every function: first Go's own, then Alertmanager's.
const FUNCTIONS: &[Function] = &[
    takes("and", 1, usize::MAX, last),
    takes("or", 1, usize::MAX, last),
    takes("not", 1, 1, |given, _| {
        Ok(Value::Bool(!first(given).holds()))
    }),
    takes("len", 1, 1, length),
    takes("index", 1, usize::MAX, index),
    takes("slice", 1, 3, slice),
    takes("print", 0, usize::MAX, print),
    takes("println", 0, usize::MAX, println),
    takes("printf", 1, usize::MAX, printf),
    takes("html", 1, 1, |given, _| {
        map_text(given, crate::message::escape_html)
    }),
    takes("urlquery", 1, 1, |given, _| {
        map_text(given, percent_encoded)
    }),
    takes("eq", 2, usize::MAX, |given, _| {
        let (value, others) = given.split_first().ok_or("nothing to compare")?;
        Ok(Value::Bool(others.iter().any(|other| equal(value, other))))
    }),
    takes("ne", 2, 2, |given, _| {
        Ok(Value::Bool(!equal(nth(given, 0), nth(given, 1))))
    }),
    takes("lt", 2, 2, |given, _| {
        compare(given, std::cmp::Ordering::is_lt)
    }),
    takes("le", 2, 2, |given, _| {
        compare(given, std::cmp::Ordering::is_le)
    }),
    takes("gt", 2, 2, |given, _| {
        compare(given, std::cmp::Ordering::is_gt)
    }),
    takes("ge", 2, 2, |given, _| {
        compare(given, std::cmp::Ordering::is_ge)
    }),
    takes("toUpper", 1, 1, |given, _| {
        map_text(given, str::to_uppercase)
    }),
    takes("toLower", 1, 1, |given, _| {
        map_text(given, str::to_lowercase)
    }),
    takes("title", 1, 1, |given, _| map_text(given, capitalised)),
    takes("trimSpace", 1, 1, |given, _| {
        map_text(given, |text| text.trim().to_owned())
    }),
    takes("join", 2, 2, join),
    takes("match", 2, 2, |given, _| {
        let pattern = pattern(nth(given, 0))?;
        Ok(Value::Bool(pattern.is_match(&nth(given, 1).text().text)))
    }),
    takes("safeHtml", 1, 1, |given, medium| {
        let text = first(given).text();
        let foreign = text.foreign && !medium.is_html;
        Ok(Value::Text(Text { foreign, ..text }))
    }),
    takes("safeUrl", 1, 1, |given, _| {
        let url = crate::message::safe_url(&first(given).text().text);
        Ok(Value::own(url.unwrap_or_default()))
    }),
    takes("urlUnescape", 1, 1, |given, _| {
        map_text(given, percent_decoded)
    }),
    takes("reReplaceAll", 3, 3, |given, _| {
        let pattern = pattern(nth(given, 0))?;
        let replacement = nth(given, 1).text();
        map_text(&given[2..], |text| {
            pattern.replace_all(text, &*replacement.text).into_owned()
        })
    }),
    takes("stringSlice", 0, usize::MAX, |given, _| {
        Ok(Value::list(
            given.iter().map(|value| Value::Text(value.text())),
        ))
    }),
    takes("list", 0, usize::MAX, |given, _| {
        Ok(Value::list(given.iter().cloned()))
    }),
    takes("append", 1, usize::MAX, append),
    takes("dict", 0, usize::MAX, dict),
    takes("toJson", 1, 1, |given, _| {
        let text = first(given).text();
        let json = json(first(given)).to_string();
        Ok(Value::Text(Text {
            text: json.into(),
            ..text
        }))
    }),
    takes("date", 2, 2, |given, _| match nth(given, 1) {
        Value::Time(moment) => Ok(Value::own(layout::written(
            *moment,
            &nth(given, 0).text().text,
        ))),
        other => Err(format!("`date` shows times, not {}", other.what())),
    }),
    takes("tz", 2, 2, |given, _| {
        let name = nth(given, 0).text();
        match (name.text.parse(), nth(given, 1)) {
            (Ok(zone), Value::Time(moment)) => Ok(Value::Time(Moment { zone, ..*moment })),
            (Ok(_), other) => Err(format!("`tz` moves times, not {}", other.what())),
            (Err(_), _) => Err(format!("`{}` is not a time zone", name.text)),
        }
    }),
    takes("since", 1, 1, |given, medium| match first(given) {
        Value::Time(moment) => {
            let at = moment.at.unwrap_or(medium.now);
            Ok(Value::Span(
                medium.now.as_micros().saturating_sub(at.as_micros()),
            ))
        }
        other => Err(format!("`since` takes a time, not {}", other.what())),
    }),
    takes("humanizeDuration", 1, 1, |given, _| {
        let seconds = match first(given) {
            Value::Span(micros) => *micros as f64 / 1e6,
            other => number(other)
                .ok_or_else(|| format!("`humanizeDuration` takes seconds, not {}", other.what()))?,
        };
        Ok(Value::own(layout::humane(seconds)))
    }),
];

pub(super) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|function| function.name)
}

const NOTHING: &Value = &Value::Nil;

fn nth(given: &[Value], index: usize) -> &Value {
    given.get(index).unwrap_or(NOTHING)
}

fn first(given: &[Value]) -> &Value {
    nth(given, 0)
}

/// `and` and `or` have looked at all of it.
#[expect(clippy::unnecessary_wraps, reason = "as every function is called")]
fn last(given: &[Value], _: Medium) -> Result<Value, String> {
    Ok(given.last().cloned().unwrap_or(Value::Nil))
}

/// Another text, still whose it was.
#[expect(clippy::unnecessary_wraps, reason = "as every function is called")]
fn map_text(given: &[Value], change: impl Fn(&str) -> String) -> Result<Value, String> {
    let text = first(given).text();
    Ok(Value::Text(Text {
        text: change(&text.text).into(),
        foreign: text.foreign,
    }))
}

fn length(given: &[Value], _: Medium) -> Result<Value, String> {
    let length = match first(given) {
        Value::Text(text) => text.text.len(),
        Value::List(items) => items.len(),
        Value::Pairs(pairs) => pairs.len(),
        Value::Map(map) => map.len(),
        other => return Err(format!("{} has no length", other.what())),
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

fn index(given: &[Value], _: Medium) -> Result<Value, String> {
    let (value, keys) = given.split_first().ok_or("nothing to look into")?;
    let mut value = value.clone();
    for key in keys {
        value = match (&value, key) {
            (Value::List(items), Value::Int(at)) => usize::try_from(*at)
                .ok()
                .and_then(|at| items.get(at))
                .cloned()
                .ok_or_else(|| format!("the list has {} items, none at {at}", items.len()))?,
            (Value::Pairs(pairs), Value::Text(key)) => {
                let text = pairs.get(key.text.as_ref()).cloned();
                Value::Text(text.unwrap_or_else(|| Text::own("")))
            }
            (Value::Map(map), Value::Text(key)) => {
                map.get(key.text.as_ref()).cloned().unwrap_or(Value::Nil)
            }
            (value, key) => {
                return Err(format!("{} has nothing at {}", value.what(), key.what()));
            }
        };
    }
    Ok(value)
}

fn slice(given: &[Value], _: Medium) -> Result<Value, String> {
    let bound = |at: usize, default: usize| match given.get(at) {
        None => Some(default),
        Some(Value::Int(bound)) => usize::try_from(*bound).ok(),
        Some(_) => None,
    };
    let outside = || "`slice` reaches beyond the value".to_owned();
    match first(given) {
        Value::Text(text) => {
            let end = bound(2, text.text.len()).ok_or_else(outside)?;
            let begin = bound(1, 0).ok_or_else(outside)?;
            let part = text.text.get(begin..end).ok_or_else(outside)?;
            Ok(Value::Text(Text {
                text: part.into(),
                foreign: text.foreign,
            }))
        }
        Value::List(items) => {
            let end = bound(2, items.len()).ok_or_else(outside)?;
            let begin = bound(1, 0).ok_or_else(outside)?;
            let part = items.get(begin..end).ok_or_else(outside)?;
            Ok(Value::List(part.into()))
        }
        other => Err(format!("{} cannot be sliced", other.what())),
    }
}

/// Blanks stand between values neither of which is a text, as in Go.
#[expect(clippy::unnecessary_wraps, reason = "as every function is called")]
fn print(given: &[Value], medium: Medium) -> Result<Value, String> {
    let mut parts = Vec::new();
    let mut before: Option<&Value> = None;
    for value in given {
        let is_text = |value: &Value| matches!(value, Value::Text(_));
        if before.is_some_and(|before| !is_text(before) && !is_text(value)) {
            parts.push(Text::own(" "));
        }
        parts.push(value.text());
        before = Some(value);
    }
    Ok(Value::Text(Text::joined(&parts, medium.escape)))
}

#[expect(clippy::unnecessary_wraps, reason = "as every function is called")]
fn println(given: &[Value], medium: Medium) -> Result<Value, String> {
    let mut parts = Vec::new();
    for value in given {
        if !parts.is_empty() {
            parts.push(Text::own(" "));
        }
        parts.push(value.text());
    }
    parts.push(Text::own("\n"));
    Ok(Value::Text(Text::joined(&parts, medium.escape)))
}

fn printf(given: &[Value], medium: Medium) -> Result<Value, String> {
    let (format, values) = given.split_first().ok_or("`printf` needs a format")?;
    let pieces = format::printf(&format.text(), values)?;
    Ok(Value::Text(Text::joined(&pieces, medium.escape)))
}

fn join(given: &[Value], medium: Medium) -> Result<Value, String> {
    let Value::List(items) = nth(given, 1) else {
        let what = nth(given, 1).what();
        return Err(format!("`join` puts a list together, not {what}"));
    };
    let between = first(given).text();
    let mut parts = Vec::new();
    for item in items.iter() {
        if !parts.is_empty() {
            parts.push(between.clone());
        }
        parts.push(item.text());
    }
    Ok(Value::Text(Text::joined(&parts, medium.escape)))
}

fn append(given: &[Value], _: Medium) -> Result<Value, String> {
    let Value::List(items) = first(given) else {
        return Err(format!(
            "`append` adds to a list, not to {}",
            first(given).what()
        ));
    };
    if items.len() + given.len() > ITEMS_MAX {
        return Err(format!("a list of more than {ITEMS_MAX} items"));
    }
    Ok(Value::list(items.iter().chain(&given[1..]).cloned()))
}

fn dict(given: &[Value], _: Medium) -> Result<Value, String> {
    if !given.len().is_multiple_of(2) {
        return Err("`dict` takes names and values in turn".to_owned());
    }
    let pairs = given.chunks(2).map(|pair| {
        let name = nth(pair, 0).text().text.as_ref().to_owned();
        (name, nth(pair, 1).clone())
    });
    Ok(Value::Map(Arc::new(pairs.collect::<BTreeMap<_, _>>())))
}

fn pattern(value: &Value) -> Result<regex::Regex, String> {
    let text = value.text();
    RegexBuilder::new(&text.text)
        .size_limit(PATTERN_BYTES_MAX)
        .build()
        .map_err(|_| format!("`{}` is not a regular expression", text.text))
}

fn equal(one: &Value, other: &Value) -> bool {
    match (number_of(one), number_of(other)) {
        (Some(one), Some(other)) => one.total_cmp(&other).is_eq(),
        _ => match (one, other) {
            (Value::Nil, Value::Nil) => true,
            (Value::Bool(one), Value::Bool(other)) => one == other,
            (Value::Text(one), Value::Text(other)) => one.text == other.text,
            (Value::Time(one), Value::Time(other)) => one.at == other.at,
            (Value::Span(one), Value::Span(other)) => one == other,
            _ => false,
        },
    }
}

fn compare(given: &[Value], wanted: fn(std::cmp::Ordering) -> bool) -> Result<Value, String> {
    let (one, other) = (nth(given, 0), nth(given, 1));
    let order = match (one, other) {
        (Value::Text(one), Value::Text(other)) => Some(one.text.cmp(&other.text)),
        (Value::Span(one), Value::Span(other)) => Some(one.cmp(other)),
        (Value::Time(one), Value::Time(other)) => Some(one.at.cmp(&other.at)),
        _ => match (number_of(one), number_of(other)) {
            (Some(one), Some(other)) => one.partial_cmp(&other),
            _ => None,
        },
    };
    match order {
        Some(order) => Ok(Value::Bool(wanted(order))),
        None => Err(format!(
            "{} and {} cannot be compared",
            one.what(),
            other.what()
        )),
    }
}

fn number_of(value: &Value) -> Option<f64> {
    match value {
        Value::Int(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Text(text) => text.text.trim().parse().ok(),
        other => number_of(other),
    }
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Nil => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::Text(text) => text.text.as_ref().into(),
        Value::List(items) => items.iter().map(json).collect::<Vec<_>>().into(),
        Value::Pairs(pairs) => {
            let pairs = pairs.iter();
            let pairs = pairs.map(|(name, text)| (name.clone(), text.text.as_ref().into()));
            serde_json::Value::Object(pairs.collect())
        }
        Value::Map(map) => {
            let pairs = map.iter().map(|(name, value)| (name.clone(), json(value)));
            serde_json::Value::Object(pairs.collect())
        }
        Value::Record(record) => {
            let fields = record.fields.iter();
            let fields = fields.map(|(name, value)| ((*name).to_owned(), json(value)));
            serde_json::Value::Object(fields.collect())
        }
        Value::Time(moment) => match moment.at {
            Some(at) => at.to_rfc3339().into(),
            None => "0001-01-01T00:00:00Z".into(),
        },
        Value::Span(micros) => micros.saturating_mul(1_000).into(),
    }
}

fn capitalised(text: &str) -> String {
    let mut begins = true;
    let mut changed = String::with_capacity(text.len());
    for c in text.chars() {
        if begins {
            changed.extend(c.to_uppercase());
        } else {
            changed.extend(c.to_lowercase());
        }
        begins = !(c.is_alphanumeric() || c == '\'' || c == '_');
    }
    changed
}

/// For a query: everything but letters, digits and `-_.~`, a blank as `+`.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => encoded.push('+'),
            byte if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) => {
                encoded.push(char::from(byte));
            }
            byte => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).filter(|_| *byte == b'%');
        let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok());
        match (byte, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (_, Some(value)) => {
                decoded.push(value);
                at += 2;
            }
            (b'+', None) => decoded.push(b' '),
            (byte, None) => decoded.push(*byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
