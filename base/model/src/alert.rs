//! An alert: one rule for one label set, firing or resolved. Also what comes in from outside.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Labels, Timestamp};

/// Whether the condition still holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertStatus {
    /// It holds.
    Firing,
    /// It no longer does.
    Resolved,
}

/// How loud an alert is; the order is from quiet to loud.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// For the record.
    Info,
    /// To be looked at in working hours.
    #[default]
    Warning,
    /// A person is needed now.
    Critical,
}

impl Severity {
    /// The words, from quiet to loud.
    pub const WORDS: [&'static str; 3] = ["info", "warning", "critical"];

    /// The word as it stands in the label `severity`.
    pub fn as_str(self) -> &'static str {
        Self::WORDS[self as usize]
    }

    /// The severity with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "info" => Some(Severity::Info),
            "warning" => Some(Severity::Warning),
            "critical" => Some(Severity::Critical),
            _ => None,
        }
    }
}

/// A firing or resolved alert. Its identity is the label set, `alertname` included; one firing
/// episode is (labels, `starts_at`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Firing or resolved.
    pub status: AlertStatus,
    /// Identity: `alertname`, `severity`, `namespace`, `function`, `unit`, …
    pub labels: Labels,
    /// Texts for people: `summary`, `description`, `value`, …
    pub annotations: BTreeMap<String, String>,
    /// When this episode began to fire.
    pub starts_at: Timestamp,
    /// When it resolved, or, for an alert from outside, when it ends unless sent again.
    pub ends_at: Option<Timestamp>,
    /// Where the rule can be looked at.
    #[serde(default)]
    pub generator_url: String,
}

impl Alert {
    /// The label that names the rule.
    pub const NAME_LABEL: &'static str = "alertname";

    /// The rule's name.
    pub fn name(&self) -> &str {
        self.labels.get(Self::NAME_LABEL).unwrap_or("")
    }

    /// The severity its label says; `warning` when it says nothing known.
    pub fn severity(&self) -> Severity {
        self.labels
            .get("severity")
            .and_then(Severity::from_word)
            .unwrap_or_default()
    }

    /// `namespace/function` when both labels are there.
    pub fn function_id(&self) -> Option<String> {
        Some(format!(
            "{}/{}",
            self.labels.get("namespace")?,
            self.labels.get("function")?
        ))
    }

    /// Prometheus's fingerprint of the labels.
    pub fn fingerprint(&self) -> u64 {
        self.labels.fingerprint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_its_own_labels() {
        let alert = Alert {
            status: AlertStatus::Firing,
            labels: Labels::from_pairs([
                ("alertname", "Failing"),
                ("severity", "critical"),
                ("namespace", "guide"),
                ("function", "feed"),
            ]),
            annotations: BTreeMap::new(),
            starts_at: Timestamp::EPOCH,
            ends_at: None,
            generator_url: String::new(),
        };
        assert_eq!(
            (alert.name(), alert.severity()),
            ("Failing", Severity::Critical)
        );
        assert_eq!(alert.function_id().as_deref(), Some("guide/feed"));
        assert!(Severity::Info < Severity::Critical);
        for word in Severity::WORDS {
            assert_eq!(Severity::from_word(word).unwrap().as_str(), word);
        }
    }
}
