//! Texts with parts that differ from one sending to the next: `/feed?page={{ rand(1, 50) }}`.

use bytes::Bytes;
use declare::closest;

use super::Filling;

/// Words that `pick` chooses among.
const PICKS_MAX: usize = 1_000;
/// The calls a template may hold, as they are written.
const CALLS: [&str; 5] = ["rand", "number", "uuid", "pick", "line"];

/// A text, read once into what is written as it stands and what is made up for each sending.
///
/// Calls: `{{ rand(low, high) }}` a whole number, both ends included; `{{ number }}` the request's
/// number in this run; `{{ uuid }}` a random UUID; `{{ pick("a", "b") }}` one of the texts;
/// `{{ line }}` a line of the body file. `{{ "{{" }}` writes braces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

/// One part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Literal(Bytes),
    Random { low: i64, high: i64 },
    Number,
    Uuid,
    Pick(Vec<Bytes>),
    Line,
}

/// Why a text is not a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// The line inside the text, from 1.
    pub line: usize,
    /// The character on that line, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// The way out.
    pub hint: String,
}

impl Template {
    /// Reads a text.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut template = Template::default();
        let mut rest = text;
        while let Some(open) = rest.find("{{") {
            let (before, call) = rest.split_at(open);
            template.push_literal(before);
            let at = text.len() - call.len();
            let inside = call.strip_prefix("{{").unwrap_or(call);
            let mut reader = Reader { rest: inside };
            let piece = reader.call().map_err(|slip| {
                let slip_at = slip.at.map_or(at, |left| text.len() - left);
                slip.into_error(text, slip_at)
            })?;
            template.push(piece);
            rest = reader.rest;
        }
        template.push_literal(rest);
        Ok(template)
    }

    /// A text that stands for itself.
    pub fn literal(text: &str) -> Self {
        let mut template = Template::default();
        template.push_literal(text);
        template
    }

    /// The text when it is the same for every sending.
    pub fn fixed(&self) -> Option<Bytes> {
        match self.pieces.as_slice() {
            [] => Some(Bytes::new()),
            [Piece::Literal(text)] => Some(text.clone()),
            _ => None,
        }
    }

    /// Whether a line of the body file goes into it.
    pub fn takes_line(&self) -> bool {
        self.pieces.contains(&Piece::Line)
    }

    /// Whether it is a line of the body file and nothing else.
    pub(super) fn is_line(&self) -> bool {
        self.pieces == [Piece::Line]
    }

    /// Every text that it may write by itself: what stands in it and what is picked from.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().flat_map(|piece| match piece {
            Piece::Literal(text) => std::slice::from_ref(text).iter().map(Bytes::as_ref),
            Piece::Pick(texts) => texts.iter().map(Bytes::as_ref),
            _ => [].iter().map(Bytes::as_ref),
        })
    }

    /// Writes it for one sending, with the line of the body file that is due.
    pub(super) fn write(&self, filling: &mut Filling, line: &[u8], out: &mut Vec<u8>) {
        for piece in &self.pieces {
            piece.write(filling, line, out);
        }
    }

    /// Puts another template behind.
    pub(super) fn append(&mut self, other: Template) {
        for piece in other.pieces {
            self.push(piece);
        }
    }

    pub(super) fn push_literal(&mut self, text: &str) {
        self.push(Piece::Literal(Bytes::copy_from_slice(text.as_bytes())));
    }

    /// Neighbouring literals become one, so that they are one copy when written.
    fn push(&mut self, piece: Piece) {
        match (self.pieces.last_mut(), piece) {
            (_, Piece::Literal(text)) if text.is_empty() => {}
            (Some(Piece::Literal(before)), Piece::Literal(text)) => {
                *before = [before.as_ref(), text.as_ref()].concat().into();
            }
            (_, piece) => self.pieces.push(piece),
        }
    }
}

impl Piece {
    fn write(&self, filling: &mut Filling, line: &[u8], out: &mut Vec<u8>) {
        match self {
            Piece::Literal(text) => out.extend_from_slice(text),
            Piece::Random { low, high } => write_signed(filling.random.between(*low, *high), out),
            Piece::Number => write_digits(filling.number, out),
            Piece::Uuid => write_uuid([filling.random.bits(), filling.random.bits()], out),
            Piece::Pick(texts) => {
                let last = i64::try_from(texts.len()).unwrap_or(i64::MAX) - 1;
                let chosen = usize::try_from(filling.random.between(0, last)).unwrap_or(0);
                out.extend_from_slice(texts.get(chosen).map_or(b"", |text| text));
            }
            Piece::Line => out.extend_from_slice(line),
        }
    }
}

fn write_signed(number: i64, out: &mut Vec<u8>) {
    if number < 0 {
        out.push(b'-');
    }
    write_digits(number.unsigned_abs(), out);
}

/// A number in decimal, without an allocation.
pub(super) fn write_digits(number: u64, out: &mut Vec<u8>) {
    let start = out.len();
    let mut left = number;
    loop {
        out.push(b'0' + (left % 10) as u8);
        left /= 10;
        if left == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}

/// A random UUID, version 4 and variant 10 (RFC 9562, 5.4).
fn write_uuid([high, low]: [u64; 2], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let high = (high & !0xf000) | 0x4000;
    let low = (low & (u64::MAX >> 2)) | (1 << 63);
    for (index, byte) in [high.to_be_bytes(), low.to_be_bytes()]
        .concat()
        .iter()
        .enumerate()
    {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        for nibble in [byte >> 4, byte & 15] {
            out.push(HEX.get(usize::from(nibble)).copied().unwrap_or(b'0'));
        }
    }
}

/// What went wrong, and how much of the text was left there; `None` means where the call begins.
struct Slip {
    at: Option<usize>,
    message: String,
    hint: String,
}

impl Slip {
    fn new(rest: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Slip {
            at: Some(rest.len()),
            message: message.into(),
            hint: hint.into(),
        }
    }

    fn into_error(self, text: &str, at: usize) -> TemplateError {
        let before = text.get(..at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        TemplateError {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or("").chars().count() + 1,
            message: self.message,
            hint: self.hint,
        }
    }
}

/// Reads one call, from after its `{{` to behind its `}}`.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn call(&mut self) -> Result<Piece, Slip> {
        if !self.rest.contains("}}") {
            return Err(Slip {
                at: None,
                message: "`{{` is not closed".to_owned(),
                hint: "write }} behind it, or {{ \"{{\" }} for the braces themselves".to_owned(),
            });
        }
        self.skip_blanks();
        let piece = if self.rest.starts_with(['"', '\'']) {
            Piece::Literal(self.quoted()?.into())
        } else {
            self.named()?
        };
        self.skip_blanks();
        match self.rest.strip_prefix("}}") {
            Some(after) => self.rest = after,
            None => {
                return Err(Slip::new(
                    self.rest,
                    "`}}` is expected here",
                    "one call stands between {{ and }}",
                ));
            }
        }
        Ok(piece)
    }

    fn named(&mut self) -> Result<Piece, Slip> {
        let from = self.rest;
        let name = self.word();
        let arguments = self.arguments()?;
        match (name, arguments.as_slice()) {
            ("number", []) => Ok(Piece::Number),
            ("uuid", []) => Ok(Piece::Uuid),
            ("line", []) => Ok(Piece::Line),
            ("number" | "uuid" | "line", _) => Err(Slip::new(
                from,
                format!("`{name}` takes nothing in brackets"),
                format!("write {{{{ {name} }}}}"),
            )),
            ("rand", [Argument::Number(low), Argument::Number(high)]) if low <= high => {
                Ok(Piece::Random {
                    low: *low,
                    high: *high,
                })
            }
            ("rand", [Argument::Number(low), Argument::Number(high)]) => Err(Slip::new(
                from,
                format!(
                    "`rand` goes from the lower to the higher number, not from {low} to {high}"
                ),
                format!("write rand({high}, {low})"),
            )),
            ("rand", _) => Err(Slip::new(
                from,
                "`rand` takes two whole numbers",
                "write {{ rand(1, 50) }}, both ends included",
            )),
            ("pick", []) => Err(Slip::new(
                from,
                "`pick` needs something to pick from",
                "write {{ pick(\"a\", \"b\") }}",
            )),
            ("pick", several) => Ok(Piece::Pick(several.iter().map(Argument::text).collect())),
            (unknown, _) => Err(Slip::new(
                from,
                match unknown {
                    "" => "a template function is expected here".to_owned(),
                    unknown => format!("unknown template function `{unknown}`"),
                },
                match closest(unknown, CALLS) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => "there are rand(1, 50), number, uuid, pick(\"a\", \"b\") and line"
                        .to_owned(),
                },
            )),
        }
    }

    /// `(1, "b")`; none without brackets.
    fn arguments(&mut self) -> Result<Vec<Argument>, Slip> {
        let mut arguments = Vec::new();
        self.skip_blanks();
        if !self.take('(') {
            return Ok(arguments);
        }
        self.skip_blanks();
        if self.take(')') {
            return Ok(arguments);
        }
        loop {
            self.skip_blanks();
            if arguments.len() >= PICKS_MAX {
                return Err(Slip::new(
                    self.rest,
                    format!("more than {PICKS_MAX} values in brackets"),
                    "put them into a body_file and write {{ line }}",
                ));
            }
            arguments.push(self.argument()?);
            self.skip_blanks();
            if self.take(')') {
                return Ok(arguments);
            }
            if !self.take(',') {
                return Err(Slip::new(
                    self.rest,
                    "`,` or `)` is expected here",
                    "write {{ rand(1, 50) }} or {{ pick(\"a\", \"b\") }}",
                ));
            }
        }
    }

    fn argument(&mut self) -> Result<Argument, Slip> {
        if self.rest.starts_with(['"', '\'']) {
            return self.quoted().map(Argument::Text);
        }
        let length = self
            .rest
            .find(|c: char| !(c.is_ascii_digit() || c == '-' || c == '+'))
            .unwrap_or(self.rest.len());
        let (digits, after) = self.rest.split_at(length);
        let number = digits.parse().map_err(|_| {
            Slip::new(
                self.rest,
                "a whole number or a quoted text is expected here",
                "write {{ rand(1, 50) }} or {{ pick(\"a\", \"b\") }}",
            )
        })?;
        self.rest = after;
        Ok(Argument::Number(number))
    }

    /// A text in single or double quotes; there are no escapes, the other quotes may stand inside.
    fn quoted(&mut self) -> Result<String, Slip> {
        let mut chars = self.rest.chars();
        let quote = chars.next().unwrap_or('"');
        let inner = chars.as_str();
        let Some((text, after)) = inner.split_once(quote) else {
            return Err(Slip::new(
                self.rest,
                "these quotes are not closed",
                format!("write {quote} behind the text"),
            ));
        };
        self.rest = after;
        Ok(text.to_owned())
    }

    fn word(&mut self) -> &'a str {
        let length = self
            .rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(self.rest.len());
        let (word, after) = self.rest.split_at(length);
        self.rest = after;
        word
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, sign: char) -> bool {
        match self.rest.strip_prefix(sign) {
            Some(after) => {
                self.rest = after;
                true
            }
            None => false,
        }
    }
}

enum Argument {
    Number(i64),
    Text(String),
}

impl Argument {
    fn text(&self) -> Bytes {
        match self {
            Argument::Number(number) => number.to_string().into(),
            Argument::Text(text) => text.clone().into(),
        }
    }
}
