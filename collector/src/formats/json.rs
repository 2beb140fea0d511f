//! Borrowed JSON values. Text is taken from the input as it lies; only what cannot be (escapes,
//! numbers that become text, nested values) is written into one scratch string per line.

use std::fmt::Write;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// How deep a value inside a line may nest.
const DEPTH_MAX: u8 = 16;
/// The longest text kept of a nested value, in bytes.
const NESTED_BYTES_MAX: usize = 2048;

/// Text of one line: borrowed from the input, or a range of the line's scratch.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Text<'a> {
    /// Not there.
    #[default]
    Absent,
    /// As it lies in the input.
    Plain(&'a str),
    /// Written into the scratch: from, to.
    Kept(usize, usize),
}

impl<'a> Text<'a> {
    /// The text; absent is empty.
    #[inline]
    pub(crate) fn read<'s>(&self, scratch: &'s str) -> &'s str
    where
        'a: 's,
    {
        match *self {
            Text::Absent => "",
            Text::Plain(text) => text,
            Text::Kept(from, to) => scratch.get(from..to).unwrap_or(""),
        }
    }

    /// How many bytes it has.
    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Text::Absent => 0,
            Text::Plain(text) => text.len(),
            Text::Kept(from, to) => to - from,
        }
    }

    /// Copies `text` into the scratch.
    pub(crate) fn keep(text: &str, scratch: &mut String) -> Text<'a> {
        let from = scratch.len();
        scratch.push_str(text);
        Text::Kept(from, scratch.len())
    }

    /// Writes whatever prints into the scratch.
    pub(crate) fn print(what: impl std::fmt::Display, scratch: &mut String) -> Text<'a> {
        let from = scratch.len();
        // Writing to a string cannot fail.
        let _ = write!(scratch, "{what}");
        Text::Kept(from, scratch.len())
    }
}

/// One JSON value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scalar<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    Unsigned(u64),
    Float(f64),
    Text(Text<'a>),
    /// An object or a list, as JSON text cut at a limit.
    Nested(Text<'a>),
}

impl<'a> Scalar<'a> {
    /// The value as text; `None` for null.
    pub(crate) fn into_text(self, scratch: &mut String) -> Option<Text<'a>> {
        Some(match self {
            Scalar::Null => return None,
            Scalar::Text(text) | Scalar::Nested(text) => text,
            Scalar::Bool(value) => Text::Plain(if value { "true" } else { "false" }),
            Scalar::Integer(number) => Text::print(number, scratch),
            Scalar::Unsigned(number) => Text::print(number, scratch),
            Scalar::Float(number) => Text::print(number, scratch),
        })
    }
}

/// Reads one value of any type.
pub(crate) struct ScalarSeed<'s> {
    pub(crate) scratch: &'s mut String,
}

impl<'de> DeserializeSeed<'de> for ScalarSeed<'_> {
    type Value = Scalar<'de>;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ScalarSeed<'_> {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(match i64::try_from(value) {
            Ok(value) => Scalar::Integer(value),
            Err(_) => Scalar::Unsigned(value),
        })
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Float(value))
    }

    #[inline]
    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Text::Plain(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Text::keep(value, self.scratch)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        let mut writer = NestedWriter::new(self.scratch);
        writer.list(list)?;
        Ok(Scalar::Nested(writer.finish()))
    }

    fn visit_map<A: MapAccess<'de>>(self, record: A) -> Result<Self::Value, A::Error> {
        let mut writer = NestedWriter::new(self.scratch);
        writer.record(record)?;
        Ok(Scalar::Nested(writer.finish()))
    }
}

/// Prints a nested value back as compact JSON, cut at [`NESTED_BYTES_MAX`], refusing depth.
struct NestedWriter<'s> {
    out: &'s mut String,
    from: usize,
    depth: u8,
}

impl<'s> NestedWriter<'s> {
    fn new(out: &'s mut String) -> Self {
        let from = out.len();
        NestedWriter {
            out,
            from,
            depth: 0,
        }
    }

    fn finish<'a>(self) -> Text<'a> {
        Text::Kept(self.from, self.out.len())
    }

    fn push(&mut self, text: &str) {
        let room = (self.from + NESTED_BYTES_MAX).saturating_sub(self.out.len());
        self.out.push_str(cut(text, room));
    }

    fn quoted(&mut self, text: &str) {
        self.push("\"");
        for part in text.split_inclusive(|c: char| c == '"' || c == '\\' || c.is_control()) {
            let last = part.chars().next_back();
            match last.filter(|c| *c == '"' || *c == '\\' || c.is_control()) {
                None => self.push(part),
                Some(special) => {
                    self.push(part.get(..part.len() - special.len_utf8()).unwrap_or(""));
                    if special.is_control() {
                        self.push(&format!("\\u{:04x}", u32::from(special)));
                    } else {
                        self.push("\\");
                        self.push(special.encode_utf8(&mut [0; 4]));
                    }
                }
            }
        }
        self.push("\"");
    }

    fn deeper<E: Error>(&mut self) -> Result<(), E> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(E::custom("values nest too deep"));
        }
        Ok(())
    }

    fn list<'de, A: SeqAccess<'de>>(&mut self, mut list: A) -> Result<(), A::Error> {
        self.deeper()?;
        self.push("[");
        let mut first = true;
        while list
            .next_element_seed(NestedSeed {
                writer: self,
                before: if first { "" } else { "," },
            })?
            .is_some()
        {
            first = false;
        }
        self.push("]");
        self.depth -= 1;
        Ok(())
    }

    fn record<'de, A: MapAccess<'de>>(&mut self, mut record: A) -> Result<(), A::Error> {
        self.deeper()?;
        self.push("{");
        let mut before = "";
        while let Some(()) = record.next_key_seed(NestedSeed {
            writer: self,
            before,
        })? {
            record.next_value_seed(NestedSeed {
                writer: self,
                before: ":",
            })?;
            before = ",";
        }
        self.push("}");
        self.depth -= 1;
        Ok(())
    }
}

struct NestedSeed<'w, 's> {
    writer: &'w mut NestedWriter<'s>,
    before: &'static str,
}

impl<'de> DeserializeSeed<'de> for NestedSeed<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NestedSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.writer.push(self.before);
        self.writer.push("null");
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.writer.push(self.before);
        self.writer.push(if value { "true" } else { "false" });
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.writer.push(self.before);
        self.writer.push(&value.to_string());
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.writer.push(self.before);
        self.writer.push(&value.to_string());
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.writer.push(self.before);
        self.writer.push(&value.to_string());
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.writer.push(self.before);
        self.writer.quoted(value);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        self.writer.push(self.before);
        self.writer.list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, record: A) -> Result<(), A::Error> {
        self.writer.push(self.before);
        self.writer.record(record)
    }
}

/// Reads a key: borrowed where it has no escapes.
pub(crate) struct KeySeed<'s> {
    pub(crate) scratch: &'s mut String,
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = Text<'de>;
    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Text<'de>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySeed<'_> {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key")
    }

    #[inline]
    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Text<'de>, E> {
        Ok(Text::Plain(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Text<'de>, E> {
        Ok(Text::keep(value, self.scratch))
    }
}

/// The longest prefix of `text` of at most `bytes` bytes that ends between characters.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or("")
}

/// What a JSON error says, in one line and with the column; the parser's own message draws a
/// picture of the input, which is not for an API answer.
pub(crate) fn describe(error: &sonic_rs::Error) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or("");
    let first = first.replace(" at line 1 column ", " at column ");
    format!("not valid JSON: {}", cut(&first, 160))
}
