//! Which function: `namespace/name`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The stable logical identity of a function, `namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionId {
    /// The namespace, such as `guide`.
    pub namespace: String,
    /// The short name, such as `wow-video-feed`.
    pub name: String,
}

/// Why a text is not a function's identity.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a function: write namespace/name, each 1 to {max} characters without control characters or `/` in the namespace", max = FunctionId::PART_CHARS_MAX)]
pub struct FunctionIdError(String);

impl FunctionId {
    /// The longest namespace or name taken, in characters.
    pub const PART_CHARS_MAX: usize = 256;
    /// Where functions beyond a source's cardinality cap are counted.
    pub const OTHER: &'static str = "__other__";
    /// The namespace of functions that came without one.
    pub const DEFAULT_NAMESPACE: &'static str = "default";

    /// From its two parts.
    pub fn new(namespace: &str, name: &str) -> Result<Self, FunctionIdError> {
        if Self::is_part(namespace) && !namespace.contains('/') && Self::is_part(name) {
            Ok(FunctionId {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            })
        } else {
            Err(FunctionIdError(
                format!("{namespace}/{name}").chars().take(80).collect(),
            ))
        }
    }

    /// Whether `text` may stand as a namespace or name: not empty, not too long, printable.
    pub fn is_part(text: &str) -> bool {
        !text.is_empty()
            && text.len() <= Self::PART_CHARS_MAX
            && !text.chars().any(char::is_control)
    }
}

impl fmt::Display for FunctionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl FromStr for FunctionId {
    type Err = FunctionIdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (namespace, name) = text
            .split_once('/')
            .ok_or_else(|| FunctionIdError(text.chars().take(80).collect()))?;
        Self::new(namespace, name)
    }
}

impl Serialize for FunctionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FunctionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_at_the_first_slash() {
        let id: FunctionId = "guide/a/b".parse().unwrap();
        assert_eq!((id.namespace.as_str(), id.name.as_str()), ("guide", "a/b"));
        for text in ["guide", "/x", "guide/", "a\n/b", ""] {
            assert!(text.parse::<FunctionId>().is_err(), "{text:?}");
        }
    }
}
