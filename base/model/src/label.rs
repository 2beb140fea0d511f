//! Label sets: sorted, unique, with the fingerprint Prometheus and Alertmanager compute.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A sorted set of label names and values. An empty value is the same as no label.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Labels(BTreeMap<String, String>);

/// Why a name or value cannot be a label.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LabelError {
    /// The name does not follow `[a-zA-Z_][a-zA-Z0-9_]*`.
    #[error("{0:?} is not a label name: use letters, digits and _, not starting with a digit")]
    Name(String),
    /// The value is longer than [`Labels::VALUE_BYTES_MAX`].
    #[error("the value of label {0:?} is longer than {max} bytes", max = Labels::VALUE_BYTES_MAX)]
    ValueTooLong(String),
    /// More labels than [`Labels::COUNT_MAX`].
    #[error("more than {max} labels", max = Labels::COUNT_MAX)]
    TooMany,
}

impl Labels {
    /// The most labels one set may hold.
    pub const COUNT_MAX: usize = 64;
    /// The longest value, in bytes.
    pub const VALUE_BYTES_MAX: usize = 4096;

    /// No labels.
    pub fn new() -> Self {
        Self::default()
    }

    /// From pairs that are known to be well formed, such as literals; empty values are left out.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let mut labels = Labels::new();
        for (name, value) in pairs {
            labels.set(name, value);
        }
        labels
    }

    /// From pairs that came from outside: names, lengths and count are checked.
    pub fn checked(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, LabelError> {
        let mut labels = Labels::new();
        for (name, value) in pairs {
            if !Self::is_name(&name) {
                return Err(LabelError::Name(name.chars().take(80).collect()));
            }
            if value.len() > Self::VALUE_BYTES_MAX {
                return Err(LabelError::ValueTooLong(name));
            }
            labels.set(name, value);
            if labels.len() > Self::COUNT_MAX {
                return Err(LabelError::TooMany);
            }
        }
        Ok(labels)
    }

    /// Whether `name` follows `[a-zA-Z_][a-zA-Z0-9_]*`.
    pub fn is_name(name: &str) -> bool {
        let mut bytes = name.bytes();
        bytes
            .next()
            .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
            && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
    }

    /// Sets a label; an empty value removes it.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        if value.is_empty() {
            self.0.remove(&name);
        } else {
            self.0.insert(name, value);
        }
    }

    /// The value of a label; absent and empty are the same.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Pairs in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many labels.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Only the labels named.
    pub fn only(&self, names: &[String]) -> Labels {
        Labels(
            self.0
                .iter()
                .filter(|(name, _)| names.contains(name))
                .map(|(n, v)| (n.clone(), v.clone()))
                .collect(),
        )
    }

    /// 64-bit FNV-1a over `name 0xff value 0xff` in order of name: the fingerprint Prometheus
    /// (`model.LabelSet.Fingerprint`) and Alertmanager use for the same labels.
    pub fn fingerprint(&self) -> u64 {
        const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0000_0100_0000_01b3;
        let mut hash = OFFSET;
        let mut feed = |bytes: &[u8]| {
            for byte in bytes {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
            }
        };
        for (name, value) in &self.0 {
            feed(name.as_bytes());
            feed(&[0xff]);
            feed(value.as_bytes());
            feed(&[0xff]);
        }
        hash
    }
}

impl fmt::Display for Labels {
    /// `{name="value", …}` with `\`, `"` and newlines escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (name, value)) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let value = value
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            write!(f, "{comma}{name}=\"{value}\"")?;
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_those_of_prometheus() {
        // FNV-1a's offset basis for the empty set; the second value follows from the definition.
        assert_eq!(Labels::new().fingerprint(), 14_695_981_039_346_656_037);
        let labels = Labels::from_pairs([("b", "2"), ("a", "1")]);
        assert_eq!(
            labels.fingerprint(),
            Labels::from_pairs([("a", "1"), ("b", "2"), ("c", "")]).fingerprint()
        );
        assert_ne!(
            labels.fingerprint(),
            Labels::from_pairs([("a", "12"), ("b", "")]).fingerprint()
        );
    }

    #[test]
    fn fingerprints_follow_from_the_definition() {
        // Worked out apart from this code, from FNV-1a and Prometheus's order and separators.
        for (pairs, expected) in [
            (&[("alertname", "Down")][..], 0x6acc_fd3d_0992_a914),
            (
                &[
                    ("severity", "critical"),
                    ("host", "a"),
                    ("alertname", "Down"),
                ],
                0xa24f_7569_c9f3_8fc1,
            ),
            (
                &[("alertname", "磁盘满"), ("instance", "10.0.0.7:9100")],
                0xd1d1_e207_1bb5_7758,
            ),
        ] {
            let labels = Labels::from_pairs(pairs.iter().copied());
            assert_eq!(labels.fingerprint(), expected, "{labels}");
        }
    }

    #[test]
    fn outside_labels_are_checked() {
        let bad = |name: &str, value: String| Labels::checked([(name.to_owned(), value)]);
        assert!(matches!(bad("9a", "x".into()), Err(LabelError::Name(_))));
        assert!(matches!(
            bad("a", "x".repeat(5000)),
            Err(LabelError::ValueTooLong(_))
        ));
        let many = (0..65).map(|i| (format!("l{i}"), "v".to_owned()));
        assert_eq!(Labels::checked(many), Err(LabelError::TooMany));
        assert_eq!(
            Labels::from_pairs([("a", "x\"y")]).to_string(),
            r#"{a="x\"y"}"#
        );
    }
}
