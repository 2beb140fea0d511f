//! Lines that are one flat JSON object: Rampart's own format and nginx's access log.

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};

use super::json::{KeySeed, Scalar, ScalarSeed, Text};

/// One entry of a line.
pub(crate) struct Entry<'a> {
    pub(crate) key: Text<'a>,
    pub(crate) value: Scalar<'a>,
    /// Whether it stands inside the object that holds attributes.
    pub(crate) inside: bool,
}

/// Reads an object and hands every entry to `take`.
pub(crate) struct FlatSeed<'s, F> {
    pub(crate) scratch: &'s mut String,
    /// The key whose object's entries are handed over one by one; empty for none.
    pub(crate) opened: &'static str,
    pub(crate) take: F,
}

impl<'de, F> DeserializeSeed<'de> for FlatSeed<'_, F>
where
    F: FnMut(Entry<'de>, &mut String),
{
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F> Visitor<'de> for FlatSeed<'_, F>
where
    F: FnMut(Entry<'de>, &mut String),
{
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(mut self, mut record: A) -> Result<(), A::Error> {
        while let Some(key) = record.next_key_seed(KeySeed {
            scratch: self.scratch,
        })? {
            if !self.opened.is_empty() && key.read(self.scratch) == self.opened {
                record.next_value_seed(InnerSeed {
                    scratch: self.scratch,
                    key,
                    take: &mut self.take,
                })?;
                continue;
            }
            let value = record.next_value_seed(ScalarSeed {
                scratch: self.scratch,
            })?;
            let entry = Entry {
                key,
                value,
                inside: false,
            };
            (self.take)(entry, self.scratch);
        }
        Ok(())
    }
}

/// The value of the opened key: an object of attributes, or anything else as one attribute.
struct InnerSeed<'s, 'f, 'a, F> {
    scratch: &'s mut String,
    key: Text<'a>,
    take: &'f mut F,
}

impl<'de, F> DeserializeSeed<'de> for InnerSeed<'_, '_, 'de, F>
where
    F: FnMut(Entry<'de>, &mut String),
{
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, F> InnerSeed<'_, '_, 'de, F>
where
    F: FnMut(Entry<'de>, &mut String),
{
    fn whole(self, value: Scalar<'de>) {
        let entry = Entry {
            key: self.key,
            value,
            inside: true,
        };
        (self.take)(entry, self.scratch);
    }
}

impl<'de, F> Visitor<'de> for InnerSeed<'_, '_, 'de, F>
where
    F: FnMut(Entry<'de>, &mut String),
{
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut record: A) -> Result<(), A::Error> {
        while let Some(key) = record.next_key_seed(KeySeed {
            scratch: self.scratch,
        })? {
            let value = record.next_value_seed(ScalarSeed {
                scratch: self.scratch,
            })?;
            let entry = Entry {
                key,
                value,
                inside: true,
            };
            (self.take)(entry, self.scratch);
        }
        Ok(())
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        let value = ScalarSeed {
            scratch: self.scratch,
        }
        .visit_seq(list)?;
        self.whole(value);
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.whole(Scalar::Bool(value));
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.whole(Scalar::Integer(value));
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.whole(Scalar::Unsigned(value));
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.whole(Scalar::Float(value));
        Ok(())
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<(), E> {
        self.whole(Scalar::Text(Text::Plain(value)));
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        let text = Text::keep(value, self.scratch);
        self.whole(Scalar::Text(text));
        Ok(())
    }
}
