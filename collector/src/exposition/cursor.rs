//! A place in one line, moving forward token by token.

use std::borrow::Cow;

#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    pub(super) fn at(text: &'a str) -> Self {
        Cursor { rest: text }
    }

    pub(super) fn rest(&self) -> &'a str {
        self.rest
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.as_bytes().first().copied()
    }

    /// Takes `token` if it comes next.
    pub(super) fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Skips spaces and tabs and says whether there were any.
    pub(super) fn skip_blanks(&mut self) -> bool {
        let rest = self.rest.trim_start_matches([' ', '\t']);
        let any = rest.len() < self.rest.len();
        self.rest = rest;
        any
    }

    /// Takes the longest run of bytes that `belongs` accepts; only ASCII may be accepted.
    pub(super) fn run(&mut self, belongs: impl Fn(u8) -> bool) -> &'a str {
        let length = self
            .rest
            .bytes()
            .position(|byte| !byte.is_ascii() || !belongs(byte))
            .unwrap_or(self.rest.len());
        let (run, rest) = self
            .rest
            .split_at_checked(length)
            .unwrap_or((self.rest, ""));
        self.rest = rest;
        run
    }

    /// Takes everything up to a blank.
    pub(super) fn word(&mut self) -> &'a str {
        let length = self.rest.find([' ', '\t']).unwrap_or(self.rest.len());
        let (word, rest) = self
            .rest
            .split_at_checked(length)
            .unwrap_or((self.rest, ""));
        self.rest = rest;
        word
    }

    /// Takes a metric name (`[a-zA-Z_:][a-zA-Z0-9_:]*`), empty when there is none.
    pub(super) fn metric_name(&mut self) -> &'a str {
        if self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return "";
        }
        self.run(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':')
    }

    /// Takes a label name (`[a-zA-Z_][a-zA-Z0-9_]*`), empty when there is none.
    pub(super) fn label_name(&mut self) -> &'a str {
        if self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return "";
        }
        self.run(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    }

    /// Takes a quoted text after its opening quote, to the closing one; `None` if it never closes.
    pub(super) fn quoted(&mut self) -> Option<Cow<'a, str>> {
        let bytes = self.rest.as_bytes();
        let (mut at, mut escapes) = (0, false);
        loop {
            match bytes.get(at)? {
                b'"' => break,
                b'\\' => {
                    escapes = true;
                    // The escaped byte is never the closing quote; a longer character's other
                    // bytes are none of the two either.
                    bytes.get(at + 1)?;
                    at += 2;
                }
                _ => at += 1,
            }
        }
        let (text, rest) = self.rest.split_at_checked(at)?;
        self.rest = rest.strip_prefix('"')?;
        Some(if escapes {
            Cow::Owned(unescape(text, true))
        } else {
            Cow::Borrowed(text)
        })
    }
}

/// Resolves `\\`, `\n` and, inside quotes, `\"`. Both formats let a backslash before any other
/// character stand for itself.
pub(super) fn unescape(text: &str, quotes: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('\\') | None => out.push('\\'),
            Some('n') => out.push('\n'),
            Some('"') if quotes => out.push('"'),
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
        }
    }
    out
}
