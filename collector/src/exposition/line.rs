//! One line of an exposition.

use std::borrow::Cow;

use super::Dialect;
use super::cursor::{Cursor, unescape};

/// One sample as its line says it.
#[derive(Clone, Debug, PartialEq)]
pub struct Exposed<'a> {
    /// The metric's name; colons are part of it.
    pub name: &'a str,
    /// Labels in the order written, without empty values.
    pub labels: Vec<(&'a str, Cow<'a, str>)>,
    /// The value.
    pub value: f64,
    /// When it was measured, if the line says so, in ms since the epoch.
    pub timestamp_ms: Option<i64>,
}

pub(super) enum Comment<'a> {
    Help(&'a str, Cow<'a, str>),
    Type(&'a str, &'a str),
    Unit(&'a str, &'a str),
}

pub(super) enum Line<'a> {
    Nothing,
    Comment(Comment<'a>),
    Sample(Exposed<'a>),
}

const TEXT_KINDS: [&str; 5] = ["counter", "gauge", "histogram", "summary", "untyped"];
const OPEN_KINDS: [&str; 8] = [
    "counter",
    "gauge",
    "histogram",
    "gaugehistogram",
    "stateset",
    "info",
    "summary",
    "unknown",
];

/// Reads one line without its newline.
pub(super) fn read(text: &str, dialect: Dialect) -> Result<Line<'_>, String> {
    let mut cursor = Cursor::at(text);
    if dialect == Dialect::Text {
        cursor.skip_blanks();
    }
    match cursor.peek() {
        None if dialect == Dialect::Text => Ok(Line::Nothing),
        None => Err("OpenMetrics has no blank lines".to_owned()),
        Some(b'#') => comment(cursor, dialect),
        Some(_) => sample(cursor, dialect).map(Line::Sample),
    }
}

fn comment(mut cursor: Cursor<'_>, dialect: Dialect) -> Result<Line<'_>, String> {
    cursor.take("#");
    let spaced = gap(&mut cursor, dialect);
    let keyword = cursor.word();
    let known = matches!(keyword, "HELP" | "TYPE" | "UNIT");
    if dialect == Dialect::OpenMetrics && !(known && spaced) {
        return Err("OpenMetrics has no comments but HELP, TYPE, UNIT and EOF".to_owned());
    }
    if !known || (dialect == Dialect::Text && keyword == "UNIT") {
        return Ok(Line::Nothing);
    }
    if !gap(&mut cursor, dialect) {
        return Err(format!("{keyword} without a name"));
    }
    let name = cursor.metric_name();
    if name.is_empty() {
        return Err(name_reason(&cursor));
    }
    if !gap(&mut cursor, dialect) && !cursor.is_at_end() {
        return Err(format!("unexpected text after the name {name:?}"));
    }
    let text = cursor.rest();
    let comment = match keyword {
        "HELP" => Comment::Help(name, help(text, dialect)),
        "TYPE" => Comment::Type(name, kind(trimmed(text, dialect), dialect)?),
        _ => {
            let suffixed = name.strip_suffix(text).is_some_and(|n| n.ends_with('_'));
            if !text.is_empty() && !suffixed {
                return Err(format!("the name must end in its unit, _{text}"));
            }
            Comment::Unit(name, text)
        }
    };
    Ok(Line::Comment(comment))
}

fn trimmed(text: &str, dialect: Dialect) -> &str {
    match dialect {
        Dialect::Text => text.trim_end_matches([' ', '\t']),
        Dialect::OpenMetrics => text,
    }
}

fn help(text: &str, dialect: Dialect) -> Cow<'_, str> {
    if text.contains('\\') {
        Cow::Owned(unescape(text, dialect == Dialect::OpenMetrics))
    } else {
        Cow::Borrowed(text)
    }
}

fn kind(word: &str, dialect: Dialect) -> Result<&str, String> {
    let kinds: &[&str] = match dialect {
        Dialect::Text => &TEXT_KINDS,
        Dialect::OpenMetrics => &OPEN_KINDS,
    };
    if kinds.contains(&word) {
        Ok(word)
    } else {
        Err(format!("{word:?} is not a type: use {}", kinds.join(", ")))
    }
}

/// What separates tokens: one space in OpenMetrics, any blanks in the older format.
fn gap(cursor: &mut Cursor<'_>, dialect: Dialect) -> bool {
    match dialect {
        Dialect::Text => cursor.skip_blanks(),
        Dialect::OpenMetrics => cursor.take(" "),
    }
}

/// Blanks that mean nothing; OpenMetrics has none.
fn loose(cursor: &mut Cursor<'_>, dialect: Dialect) {
    if dialect == Dialect::Text {
        cursor.skip_blanks();
    }
}

fn sample(mut cursor: Cursor<'_>, dialect: Dialect) -> Result<Exposed<'_>, String> {
    let name = cursor.metric_name();
    if name.is_empty() {
        return Err(name_reason(&cursor));
    }
    let mut probe = cursor;
    loose(&mut probe, dialect);
    let braced = probe.take("{");
    let labels = if braced {
        cursor = probe;
        labels(&mut cursor, dialect)?
    } else {
        Vec::new()
    };
    // The older format lets the value follow the closing brace directly.
    let parted = gap(&mut cursor, dialect) || (braced && dialect == Dialect::Text);
    if !parted && !cursor.is_at_end() {
        return Err(format!("unexpected text after the name {name:?}"));
    }
    let value = value(cursor.word())?;
    let timestamp_ms = timestamp(&mut cursor, dialect)?;
    if dialect == Dialect::OpenMetrics && cursor.take(" # ") {
        exemplar(&mut cursor)?;
    }
    loose(&mut cursor, dialect);
    if !cursor.is_at_end() {
        return Err("unexpected text after the value".to_owned());
    }
    Ok(Exposed {
        name,
        labels,
        value,
        timestamp_ms,
    })
}

fn name_reason(cursor: &Cursor<'_>) -> String {
    match cursor.peek() {
        Some(b'{' | b'"') => "names in quotes are not taken".to_owned(),
        _ => "a line begins with a metric name: letters, digits, _ and :".to_owned(),
    }
}

/// Labels after the opening brace, to the closing one.
fn labels<'a>(
    cursor: &mut Cursor<'a>,
    dialect: Dialect,
) -> Result<Vec<(&'a str, Cow<'a, str>)>, String> {
    let mut labels: Vec<(&str, Cow<'_, str>)> = Vec::new();
    let mut empty: Vec<&str> = Vec::new();
    loose(cursor, dialect);
    while !cursor.take("}") {
        let name = cursor.label_name();
        if name.is_empty() {
            return Err(match cursor.peek() {
                Some(b'"') => "names in quotes are not taken".to_owned(),
                None => "the braces do not close".to_owned(),
                Some(_) => "a label begins with its name: letters, digits and _".to_owned(),
            });
        }
        loose(cursor, dialect);
        if !cursor.take("=") {
            return Err(format!("label {name}: = is missing"));
        }
        loose(cursor, dialect);
        if !cursor.take("\"") {
            return Err(format!("label {name}: its value stands in double quotes"));
        }
        let value = cursor
            .quoted()
            .ok_or_else(|| format!("label {name}: the quotes do not close"))?;
        if name == "__name__" {
            return Err("label __name__: the name stands before the braces".to_owned());
        }
        if empty.contains(&name) || labels.iter().any(|(known, _)| *known == name) {
            return Err(format!("label {name}: given twice"));
        }
        if value.is_empty() {
            empty.push(name);
        } else {
            labels.push((name, value));
        }
        loose(cursor, dialect);
        if !cursor.take(",") && cursor.peek() != Some(b'}') {
            return Err(match cursor.peek() {
                None => "the braces do not close".to_owned(),
                Some(_) => format!("label {name}: a comma or the closing brace must follow"),
            });
        }
        loose(cursor, dialect);
    }
    Ok(labels)
}

/// A number, `NaN` without a sign, or `Inf`.
fn value(word: &str) -> Result<f64, String> {
    let unsigned = word.trim_start_matches(['+', '-']);
    if unsigned.len() < word.len() && unsigned.eq_ignore_ascii_case("nan") {
        return Err(format!("{word:?} is not a value"));
    }
    if word.is_empty() {
        return Err("the value is missing".to_owned());
    }
    word.parse()
        .map_err(|_| format!("{:?} is not a value", crate::formats::cut(word, 64)))
}

fn timestamp(cursor: &mut Cursor<'_>, dialect: Dialect) -> Result<Option<i64>, String> {
    let mut probe = *cursor;
    if !gap(&mut probe, dialect) || probe.is_at_end() {
        return Ok(None);
    }
    if probe.peek() == Some(b'#') {
        return Ok(None);
    }
    let word = probe.word();
    let refuse = || format!("{:?} is not a timestamp", crate::formats::cut(word, 64));
    let millis = match dialect {
        Dialect::Text => word.parse().map_err(|_| refuse())?,
        Dialect::OpenMetrics => {
            let seconds: f64 = word.parse().map_err(|_| refuse())?;
            let millis = (seconds * 1e3).round();
            if !millis.is_finite() || millis.abs() > 9e15 {
                return Err(refuse());
            }
            millis as i64
        }
    };
    *cursor = probe;
    Ok(Some(millis))
}

/// An exemplar after its `#`: read to its end so that what follows is judged, and left out.
fn exemplar(cursor: &mut Cursor<'_>) -> Result<(), String> {
    let dialect = Dialect::OpenMetrics;
    if !cursor.take("{") {
        return Err("an exemplar begins with its labels in braces".to_owned());
    }
    labels(cursor, dialect)?;
    if !gap(cursor, dialect) {
        return Err("the exemplar's value is missing".to_owned());
    }
    value(cursor.word())?;
    timestamp(cursor, dialect)?;
    Ok(())
}
