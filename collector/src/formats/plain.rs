//! Rampart's own lines, read in one pass where they are plain: one object of texts without escapes, numbers of
//! few digits, `true`, `false` and `null`, as every writer of JSON makes them.
//!
//! Anything else is left to the general reader, which is also the one to say what is wrong with a line. Where
//! both read a line they read the same.

use super::field::Field;
use super::json::{Scalar, Text};

/// The key whose object holds attributes.
pub(super) const ATTRS: &str = "attrs";
/// How many keys are remembered in their order.
const KEYS_MAX: usize = 64;
/// More digits than these might not fit 64 bits.
const DIGITS_MAX: usize = 19;
/// Up to here, and divided by a power of ten up to the 22nd, `f64` is exact: the quotient is rounded once, which
/// is what the general reader does with more effort (Clinger, PLDI 1990).
const MANTISSA_MAX: u64 = 1 << 53;
/// The powers of ten that a number of [`DIGITS_MAX`] digits may be divided by.
const POWERS: [f64; DIGITS_MAX + 1] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19,
];

/// A key that lines have.
#[derive(Debug)]
struct Key {
    /// As it stands in a line: with its quotes and the colon.
    written: Box<str>,
    /// The same as a number, where it is short enough.
    word: Option<Word>,
    /// What it stands for; `None` for an attribute.
    field: Option<Field>,
    /// Whether its object holds attributes.
    opens: bool,
}

impl Key {
    fn named(name: &str, written: String) -> Key {
        Key {
            word: Word::of(written.as_bytes()),
            written: written.into_boxed_str(),
            field: Field::from_name(name),
            opens: name == ATTRS,
        }
    }

    /// Whether `bytes` begin with it.
    #[inline]
    fn begins(&self, bytes: &[u8]) -> bool {
        match (self.word, bytes.first_chunk()) {
            (Some(word), Some(chunk)) => word.begins(chunk),
            _ => bytes.starts_with(self.written.as_bytes()),
        }
    }
}

/// The most bytes that are compared in one step.
const WORD_BYTES: usize = size_of::<u128>();

/// A short text that is compared in one step.
#[derive(Clone, Copy, Debug)]
struct Word {
    bytes: u128,
    /// Ones where the text is.
    mask: u128,
}

impl Word {
    /// `None` for a text that is empty or too long.
    fn of(text: &[u8]) -> Option<Word> {
        let unused = u32::try_from(WORD_BYTES.checked_sub(text.len())?).ok()? * u8::BITS;
        let mut bytes = [0; WORD_BYTES];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Word {
            bytes: u128::from_le_bytes(bytes),
            mask: u128::MAX.checked_shr(unused)?,
        })
    }

    #[inline]
    fn begins(self, chunk: &[u8; WORD_BYTES]) -> bool {
        u128::from_le_bytes(*chunk) & self.mask == self.bytes
    }
}

/// Keys in the order in which lines have them. A writer hardly ever changes its order, so the key that comes next is
/// compared once and not looked up.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    known: Vec<Key>,
    /// The one expected next.
    next: usize,
}

impl Keys {
    /// Hands every entry of a plain line to `take`, in order; an entry without a field is an attribute. `None` where
    /// the line is not plain: what was handed over then counts for nothing.
    #[inline]
    pub(crate) fn read<'a>(
        &mut self,
        line: &'a str,
        mut take: impl FnMut(Option<Field>, &'a str, Scalar<'a>),
    ) -> Option<()> {
        self.next = 0;
        let mut rest = Rest::of(line);
        rest.spaces();
        rest.skip(b'{')?;
        loop {
            let (name, key) = self.key(&mut rest)?;
            if key.opens {
                rest.attributes(|name, value| take(None, name, value))?;
            } else {
                take(key.field, name, rest.value()?);
            }
            if rest.is_last()? {
                break;
            }
        }
        rest.spaces();
        rest.is_over().then_some(())
    }

    /// The next key: its name as it lies in the line, and what is known of it.
    #[inline]
    fn key<'a>(&mut self, rest: &mut Rest<'a>) -> Option<(&'a str, &Key)> {
        rest.spaces();
        let expected = self.known.get(self.next);
        let name = match expected.filter(|key| key.begins(rest.bytes())) {
            Some(key) => {
                let from = rest.at;
                rest.at += key.written.len();
                rest.line.get(from + 1..rest.at - 2)?
            }
            None => self.find(rest)?,
        };
        let key = self.known.get(self.next)?;
        self.next += 1;
        Some((name, key))
    }

    /// Reads a key that is not the expected one, and expects it where it is known or is put.
    #[cold]
    fn find<'a>(&mut self, rest: &mut Rest<'a>) -> Option<&'a str> {
        let name = rest.key()?;
        let written = format!("\"{name}\":");
        if let Some(at) = self.known.iter().position(|key| *key.written == *written) {
            self.next = at;
            return Some(name);
        }
        if self.known.len() >= KEYS_MAX {
            self.known.clear();
            self.next = 0;
        }
        self.known.insert(self.next, Key::named(name, written));
        Some(name)
    }
}

/// What is left to read of a line.
struct Rest<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Rest<'a> {
    fn of(line: &'a str) -> Self {
        Rest { line, at: 0 }
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.line.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn bytes(&self) -> &'a [u8] {
        self.line.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn is_over(&self) -> bool {
        self.at == self.line.len()
    }

    #[inline]
    fn spaces(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.byte() {
            self.at += 1;
        }
    }

    #[inline]
    fn skip(&mut self, byte: u8) -> Option<()> {
        (self.byte()? == byte).then(|| self.at += 1)
    }

    /// Goes behind a text if it comes next.
    fn take(&mut self, text: &str) -> Option<()> {
        self.bytes()
            .starts_with(text.as_bytes())
            .then(|| self.at += text.len())
    }

    /// Goes on behind a value; whether it was the last of its object.
    #[inline]
    fn is_last(&mut self) -> Option<bool> {
        let mut next = self.byte()?;
        if next.is_ascii_whitespace() {
            self.spaces();
            next = self.byte()?;
        }
        let last = match next {
            b',' => false,
            b'}' => true,
            _ => return None,
        };
        self.at += 1;
        Some(last)
    }

    /// A key and its colon.
    fn key(&mut self) -> Option<&'a str> {
        self.skip(b'"')?;
        let name = self.text()?;
        self.spaces();
        self.skip(b':')?;
        Some(name)
    }

    /// A value that begins here, or behind spaces.
    #[inline]
    fn value(&mut self) -> Option<Scalar<'a>> {
        let mut first = self.byte()?;
        if first.is_ascii_whitespace() {
            self.spaces();
            first = self.byte()?;
        }
        match first {
            b'"' => {
                self.at += 1;
                Some(Scalar::Text(Text::Plain(self.text()?)))
            }
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.take("true").map(|()| Scalar::Bool(true)),
            b'f' => self.take("false").map(|()| Scalar::Bool(false)),
            b'n' => self.take("null").map(|()| Scalar::Null),
            _ => None,
        }
    }

    /// The object of attributes.
    fn attributes(&mut self, mut take: impl FnMut(&'a str, Scalar<'a>)) -> Option<()> {
        self.spaces();
        self.skip(b'{')?;
        loop {
            self.spaces();
            let name = self.key()?;
            take(name, self.value()?);
            if self.is_last()? {
                return Some(());
            }
        }
    }

    /// A text whose first quote has been read.
    #[inline]
    fn text(&mut self) -> Option<&'a str> {
        let length = plain_length(self.bytes())?;
        let text = self.line.get(self.at..self.at + length)?;
        self.at += length + 1;
        Some(text)
    }

    /// A number without an exponent that is read exactly.
    #[inline]
    fn number(&mut self) -> Option<Scalar<'a>> {
        let negative = self.skip(b'-').is_some();
        let begins_with_zero = self.byte() == Some(b'0');
        let (whole, digits) = self.digits(0)?;
        if begins_with_zero && digits > 1 {
            return None;
        }
        let (mantissa, decimals) = match self.skip(b'.') {
            Some(()) => self.digits(whole)?,
            None => (whole, 0),
        };
        // Below zero there is a zero as well, and the general reader knows it.
        if digits + decimals > DIGITS_MAX || (negative && mantissa == 0) {
            return None;
        }
        if decimals == 0 {
            let number = i64::try_from(mantissa).ok()?;
            return Some(Scalar::Integer(if negative { -number } else { number }));
        }
        if mantissa > MANTISSA_MAX {
            return None;
        }
        let number = mantissa as f64 / POWERS.get(decimals)?;
        Some(Scalar::Float(if negative { -number } else { number }))
    }

    /// Digits, of which there has to be one, behind those of `number`; the number and how many they were. With more
    /// than [`DIGITS_MAX`] the number is wrong.
    #[inline]
    fn digits(&mut self, mut number: u64) -> Option<(u64, usize)> {
        let from = self.at;
        while let Some(digit @ b'0'..=b'9') = self.byte() {
            number = number
                .wrapping_mul(10)
                .wrapping_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        let digits = self.at - from;
        (digits > 0).then_some((number, digits))
    }
}

/// How many bytes lie before the quote that ends a text; `None` if there is none, or an escape or a control
/// character before it.
#[inline]
fn plain_length(bytes: &[u8]) -> Option<usize> {
    let mut before = 0;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let special = special_bytes(u64::from_le_bytes(chunk.try_into().ok()?));
        if special != 0 {
            let at = before + special.trailing_zeros() as usize / 8;
            return (bytes.get(at) == Some(&b'"')).then_some(at);
        }
        before += 8;
    }
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | ..=0x1f);
    let at = before + chunks.remainder().iter().position(special)?;
    (bytes.get(at) == Some(&b'"')).then_some(at)
}

/// Bit 7 of each of the eight bytes that is a quote, a backslash or a control character. A borrow may mark bytes above
/// the lowest one marked, which alone counts.
#[inline]
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = ONES << 7;
    let zero_at = |word: u64| word.wrapping_sub(ONES) & !word;
    let quotes = zero_at(word ^ (ONES * u64::from(b'"')));
    let backslashes = zero_at(word ^ (ONES * u64::from(b'\\')));
    let controls = word.wrapping_sub(ONES * 0x20) & !word;
    (quotes | backslashes | controls) & HIGHS
}

#[cfg(test)]
mod tests;
