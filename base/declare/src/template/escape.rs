//! Escaping of what values hold, for the place the text goes to.

use std::fmt::Write;

use minijinja::{Error, Output, Value};

/// What the rendered text will be part of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Escape {
    /// Plain text.
    #[default]
    None,
    /// HTML text or a quoted attribute.
    Html,
    /// Markdown as chats read it.
    Markdown,
    /// The inside of a JSON string: `{"text": "{{ summary }}"}`.
    Json,
}

impl Escape {
    /// A text escaped.
    pub fn apply(self, text: &str) -> String {
        let mut escaped = String::with_capacity(text.len());
        for c in text.chars() {
            match self {
                Escape::None => escaped.push(c),
                Escape::Html => push_html(c, &mut escaped),
                Escape::Markdown => {
                    if "\\`*_[]<>#|~".contains(c) {
                        escaped.push('\\');
                    }
                    escaped.push(c);
                }
                Escape::Json => push_json(c, &mut escaped),
            }
        }
        escaped
    }
}

fn push_html(c: char, escaped: &mut String) {
    match c {
        '&' => escaped.push_str("&amp;"),
        '<' => escaped.push_str("&lt;"),
        '>' => escaped.push_str("&gt;"),
        '"' => escaped.push_str("&quot;"),
        '\'' => escaped.push_str("&#39;"),
        c => escaped.push(c),
    }
}

fn push_json(c: char, escaped: &mut String) {
    match c {
        '"' => escaped.push_str("\\\""),
        '\\' => escaped.push_str("\\\\"),
        '\n' => escaped.push_str("\\n"),
        '\r' => escaped.push_str("\\r"),
        '\t' => escaped.push_str("\\t"),
        // U+2028 and U+2029 end lines in JavaScript.
        c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        }
        c => escaped.push(c),
    }
}

/// Writes one value of a template.
pub(super) fn write(escape: Escape, out: &mut Output<'_>, value: &Value) -> Result<(), Error> {
    let text = value.to_string();
    let written = if value.is_safe() {
        out.write_str(&text)
    } else {
        out.write_str(&escape.apply(&text))
    };
    written.map_err(Error::from)
}
