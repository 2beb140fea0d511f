//! Any JSON line, with a declared path for every field.

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::draft::Draft;
use super::field::Field;
use super::json::{KeySeed, Scalar, ScalarSeed, Text};
use super::meaning::OutcomeMap;

/// How deep a declared path may go.
pub(crate) const PATH_PARTS_MAX: usize = 8;

/// Which paths of a line hold which fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mapping {
    root: Branch,
}

/// Why a path cannot be mapped.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MappingError {
    /// No such field.
    #[error("{0:?} is not a field of an invocation")]
    UnknownField(String),
    /// The path has an empty part.
    #[error(
        "{0:?} is not a path: write names with dots between them, and `\\.` for a dot in a name"
    )]
    EmptyPart(String),
    /// The path is too deep.
    #[error("{0:?} goes deeper than {PATH_PARTS_MAX} names")]
    TooDeep(String),
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Branch {
    /// The fields that are filled from here, with the path as written for messages.
    fields: Vec<(Field, String)>,
    children: Vec<(String, Branch)>,
}

impl Mapping {
    /// Fills the field called `name` from `path`: names with dots between them, `\.` for a dot
    /// inside a name.
    pub fn add(&mut self, name: &str, path: &str) -> Result<(), MappingError> {
        let field =
            Field::from_name(name).ok_or_else(|| MappingError::UnknownField(name.to_owned()))?;
        let parts = split_path(path);
        if parts.iter().any(String::is_empty) {
            return Err(MappingError::EmptyPart(path.to_owned()));
        }
        if parts.len() > PATH_PARTS_MAX {
            return Err(MappingError::TooDeep(path.to_owned()));
        }
        let mut branch = &mut self.root;
        for part in parts {
            branch = branch.child(part);
        }
        branch.fields.push((field, path.to_owned()));
        Ok(())
    }
}

impl Branch {
    fn child(&mut self, name: String) -> &mut Branch {
        let known = self.children.iter().position(|(child, _)| *child == name);
        let index = known.unwrap_or_else(|| {
            self.children.push((name, Branch::default()));
            self.children.len() - 1
        });
        &mut self.children[index].1 // it was found or has just been added
    }

    fn find(&self, name: &str) -> Option<&Branch> {
        let (_, branch) = self.children.iter().find(|(child, _)| child == name)?;
        Some(branch)
    }
}

fn split_path(path: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = path.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.peek() == Some(&'.') => {
                chars.next();
                append(&mut parts, '.');
            }
            '.' => parts.push(String::new()),
            c => append(&mut parts, c),
        }
    }
    parts
}

fn append(parts: &mut [String], c: char) {
    if let Some(last) = parts.last_mut() {
        last.push(c);
    }
}

/// Reads one line by a mapping into a draft.
pub(crate) struct MappedSeed<'m, 'd, 'a> {
    branch: &'m Branch,
    outcomes: &'m OutcomeMap,
    draft: &'d mut Draft<'a>,
    scratch: &'d mut String,
    /// The path so far with a dot at its end, for attributes; empty at the top.
    prefix: &'d str,
    top: bool,
}

impl<'m, 'd, 'a> MappedSeed<'m, 'd, 'a> {
    pub(crate) fn new(
        mapping: &'m Mapping,
        outcomes: &'m OutcomeMap,
        draft: &'d mut Draft<'a>,
        scratch: &'d mut String,
    ) -> Self {
        MappedSeed {
            branch: &mapping.root,
            outcomes,
            draft,
            scratch,
            prefix: "",
            top: true,
        }
    }

    fn fill(self, value: Scalar<'a>) {
        for (field, path) in &self.branch.fields {
            self.draft
                .set(*field, path, value, self.outcomes, self.scratch);
        }
    }
}

impl<'de> DeserializeSeed<'de> for MappedSeed<'_, '_, 'de> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.top {
            deserializer.deserialize_map(self)
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

impl<'de> Visitor<'de> for MappedSeed<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut record: A) -> Result<(), A::Error> {
        if self.branch.children.is_empty() {
            let value = ScalarSeed {
                scratch: self.scratch,
            }
            .visit_map(record)?;
            self.fill(value);
            return Ok(());
        }
        while let Some(key) = record.next_key_seed(KeySeed {
            scratch: self.scratch,
        })? {
            let child = self.branch.find(key.read(self.scratch));
            let Some(branch) = child else {
                let name = match self.prefix {
                    "" => key,
                    prefix => {
                        let name = format!("{prefix}{}", key.read(self.scratch));
                        Text::keep(&name, self.scratch)
                    }
                };
                let value = record.next_value_seed(ScalarSeed {
                    scratch: self.scratch,
                })?;
                self.draft.attr(name, value, self.scratch);
                continue;
            };
            let prefix = if branch.children.is_empty() {
                String::new()
            } else {
                format!("{}{}.", self.prefix, key.read(self.scratch))
            };
            record.next_value_seed(MappedSeed {
                branch,
                outcomes: self.outcomes,
                draft: self.draft,
                scratch: self.scratch,
                prefix: &prefix,
                top: false,
            })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        let value = ScalarSeed {
            scratch: self.scratch,
        }
        .visit_seq(list)?;
        self.fill(value);
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.fill(Scalar::Bool(value));
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.fill(Scalar::Integer(value));
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.fill(match i64::try_from(value) {
            Ok(value) => Scalar::Integer(value),
            Err(_) => Scalar::Unsigned(value),
        });
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.fill(Scalar::Float(value));
        Ok(())
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<(), E> {
        self.fill(Scalar::Text(Text::Plain(value)));
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        let text = Text::keep(value, self.scratch);
        self.fill(Scalar::Text(text));
        Ok(())
    }
}
