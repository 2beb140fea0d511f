//! What a query finds: each row is a breach.

use std::time::Duration;

use declare::Problems;
use serde_json::{Value, json};

use super::{About, Evidence, Kind, Measure, kind};
use crate::layers::Layers;

/// Breach: the query gave a row for the group. Groups without a row are well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sql {
    /// One SELECT with a column `value` and one for each dimension of `by`.
    pub text: String,
}

/// The column that holds what was measured.
pub(crate) const VALUE: &str = "value";
/// How much of a query is shown in a list.
const SHOWN_CHARACTERS_MAX: usize = 80;

pub(super) fn read(rule: &Layers<'_>, problems: &mut Problems) -> Option<Sql> {
    let node = rule.field("sql")?;
    let text = node.text()?.trim().trim_end_matches(';').trim();
    let first = text.split_whitespace().next().unwrap_or("");
    if !first.eq_ignore_ascii_case("select") && !first.eq_ignore_ascii_case("with") {
        problems
            .error(node, "`sql` is not a SELECT")
            .hint("write one SELECT with the columns function and value");
        return None;
    }
    let named = |word: &str| {
        text.to_lowercase()
            .split(|sign: char| !sign.is_alphanumeric() && sign != '_')
            .any(|own| own == word)
    };
    if !named(VALUE) {
        problems
            .error(node, "`sql` has no column `value`")
            .hint("name what is measured: SELECT function, count(*) AS value");
        return None;
    }
    Some(Sql {
        text: text.to_owned(),
    })
}

impl Kind for Sql {
    fn word(&self) -> &'static str {
        "sql"
    }

    fn about(&self) -> About {
        About::Anything
    }

    fn measure(&self) -> Measure {
        Measure::Number
    }

    fn over(&self) -> Duration {
        Duration::from_mins(1)
    }

    fn threshold(&self) -> f64 {
        0.0
    }

    fn describe(&self, who: &str, value: f64, _: &Evidence) -> String {
        format!("{who}: the query gives {}", kind::number(value))
    }

    fn summary(&self) -> String {
        let words: Vec<&str> = self.text.split_whitespace().collect();
        let text = words.join(" ");
        if text.chars().count() <= SHOWN_CHARACTERS_MAX {
            return text;
        }
        let start: String = text.chars().take(SHOWN_CHARACTERS_MAX).collect();
        format!("{start}…")
    }

    fn to_json(&self) -> Value {
        json!({"sql": self.text})
    }
}
