//! `printf`, as far as texts and numbers need it.

use std::fmt::Write as _;

use super::value::{Text, Value};

/// The most characters a width or precision may ask for.
const WIDTH_MAX: usize = 1_000;

/// A number as Go's `%v` prints it.
pub(super) fn float(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let size = number.abs();
    if size != 0.0 && !(1e-4..1e21).contains(&size) {
        let text = format!("{number:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = match exponent.strip_prefix('-') {
            Some(digits) => ('-', digits),
            None => ('+', exponent),
        };
        return format!("{mantissa}e{sign}{digits:0>2}");
    }
    number.to_string()
}

/// What stands between `%` and the verb.
#[derive(Default)]
struct Flags {
    left: bool,
    zeros: bool,
    sign: bool,
    width: usize,
    precision: Option<usize>,
}

/// The pieces of a format with its values, the author's and the foreign apart.
pub(super) fn printf(format: &Text, values: &[Value]) -> Result<Vec<Text>, String> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut chars = format.text.chars().peekable();
    let mut values = values.iter();
    while let Some(c) = chars.next() {
        if c != '%' {
            plain.push(c);
            continue;
        }
        let flags = flags(&mut chars)?;
        let verb = chars.next().ok_or("a format ends with %")?;
        if verb == '%' {
            plain.push('%');
            continue;
        }
        let Some(value) = values.next() else {
            let _ = write!(plain, "%!{verb}(MISSING)");
            continue;
        };
        pieces.push(piece(&mut plain, format.foreign));
        let shown = shown(verb, value, &flags)?;
        pieces.push(Text {
            text: padded(&shown.text, &flags).into(),
            foreign: shown.foreign,
        });
    }
    pieces.push(piece(&mut plain, format.foreign));
    Ok(pieces)
}

fn piece(plain: &mut String, foreign: bool) -> Text {
    Text {
        text: std::mem::take(plain).into(),
        foreign,
    }
}

fn flags(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Flags, String> {
    let mut flags = Flags::default();
    while let Some(flag) = chars.next_if(|c| "-+0 #".contains(*c)) {
        match flag {
            '-' => flags.left = true,
            '0' => flags.zeros = true,
            '+' => flags.sign = true,
            _ => {}
        }
    }
    flags.width = number(chars)?.unwrap_or(0);
    if chars.next_if(|c| *c == '.').is_some() {
        flags.precision = Some(number(chars)?.unwrap_or(0));
    }
    Ok(flags)
}

fn number(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Option<usize>, String> {
    let mut found: Option<usize> = None;
    while let Some(digit) = chars.next_if(char::is_ascii_digit) {
        let digit = digit.to_digit(10).unwrap_or(0) as usize;
        let number = found.unwrap_or(0) * 10 + digit;
        if number > WIDTH_MAX {
            return Err(format!("a width beyond {WIDTH_MAX}"));
        }
        found = Some(number);
    }
    Ok(found)
}

fn shown(verb: char, value: &Value, flags: &Flags) -> Result<Text, String> {
    let number = match value {
        Value::Int(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    };
    let signed = |text: String| match (flags.sign, text.starts_with('-')) {
        (true, false) => Text::own(format!("+{text}")),
        _ => Text::own(text),
    };
    match (verb, value, number) {
        ('d', Value::Int(number), _) => Ok(signed(number.to_string())),
        ('x', Value::Int(number), _) => Ok(Text::own(format!("{number:x}"))),
        ('f' | 'F', _, Some(number)) => {
            let precision = flags.precision.unwrap_or(6);
            Ok(signed(format!("{number:.precision$}")))
        }
        ('e', _, Some(number)) => {
            let precision = flags.precision.unwrap_or(6);
            Ok(signed(format!("{number:.precision$e}")))
        }
        ('g', _, Some(number)) => Ok(signed(float(number))),
        ('t', Value::Bool(value), _) => Ok(Text::own(value.to_string())),
        ('q', value, _) => {
            let text = value.text();
            Ok(Text {
                text: format!("{:?}", text.text).into(),
                foreign: text.foreign,
            })
        }
        ('s' | 'v', value, _) => {
            let mut text = value.text();
            if let Some(most) = flags.precision.filter(|_| verb == 's') {
                let cut: String = text.text.chars().take(most).collect();
                text.text = cut.into();
            }
            Ok(text)
        }
        ('d' | 'x' | 'f' | 'F' | 'e' | 'g' | 't', value, _) => {
            let text = value.text();
            Ok(Text {
                text: format!("%!{verb}({})", text.text).into(),
                foreign: text.foreign,
            })
        }
        _ => Err(format!("`printf` does not know `%{verb}`")),
    }
}

fn padded(text: &str, flags: &Flags) -> String {
    let missing = flags.width.saturating_sub(text.chars().count());
    if missing == 0 {
        return text.to_owned();
    }
    if flags.left {
        return format!("{text}{}", " ".repeat(missing));
    }
    if flags.zeros {
        let (sign, digits) = match text.strip_prefix(['-', '+']) {
            Some(digits) => text.split_at(text.len() - digits.len()),
            None => ("", text),
        };
        return format!("{sign}{}{digits}", "0".repeat(missing));
    }
    format!("{}{text}", " ".repeat(missing))
}
