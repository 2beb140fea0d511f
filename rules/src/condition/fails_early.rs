//! Calls fail, found as early as counts can prove it: `success_rate: {objective, detect: early}`.

use std::time::Duration;

use declare::{Problems, Record, Shape};
use model::Ratio;
use serde_json::{Value, json};

use super::{About, Evidence, Kind, Measure, budget, percent};
use crate::layers::Layers;

/// Breach: the sequential test of the crate `early` has proven that more calls fail than is healthy, and has
/// not proven since that the function is healthy again. Its memory is the engine's, one for each group.
#[derive(Clone, Debug, PartialEq)]
pub struct FailsEarly {
    /// The share of calls that must succeed.
    pub objective: Ratio,
    /// The time in which one false page is accepted, for a function with all its groups.
    pub page_every: Duration,
}

pub(super) fn fields(record: Record) -> Record {
    let record = record.field(
        "objective",
        Shape::Ratio,
        "with detect: early, the share of calls that must succeed, such as 99.9%",
    );
    budget::fields(record)
}

/// What belongs to a window, which a sequential test does not have.
const OF_WINDOWS: [&str; 5] = ["below", "over", "min_calls", "confidence", "recover_above"];

pub(super) fn read(record: &Layers<'_>, problems: &mut Problems) -> Option<FailsEarly> {
    for name in OF_WINDOWS {
        if let Some(stray) = record.field(name) {
            problems
                .error(stray, format!("`{name}` does not go with `detect: early`"))
                .hint("a sequential test has no window; write a rule of its own for a threshold");
            return None;
        }
    }
    if record.field("detect").is_none() {
        problems
            .error(record.place(), "`objective` without `detect: early`")
            .hint("write `below: 99%` for a window, or add `detect: early`");
        return None;
    }
    let Some(node) = record.field("objective") else {
        problems
            .error(record.place(), "field `objective` is missing")
            .hint("write what must be kept: `objective: 99.9%`");
        return None;
    };
    let objective = node.ratio()?;
    if !(0.5..=0.999_999).contains(&objective.get()) {
        problems
            .error(node, format!("`objective: {objective}` is out of range"))
            .hint("write 50% to 99.9999%");
        return None;
    }
    Some(FailsEarly {
        objective,
        page_every: budget::read(record, problems)?,
    })
}

impl FailsEarly {
    /// What the sequential test is told, for a function in so many groups.
    pub fn settings(&self, groups: u32) -> early::Settings {
        early::Settings {
            failing_allowed: 1.0 - self.objective.get(),
            page_every: self.page_every,
            series: groups,
        }
    }
}

impl Kind for FailsEarly {
    fn word(&self) -> &'static str {
        "success_rate"
    }

    fn about(&self) -> About {
        About::Outcomes
    }

    fn measure(&self) -> Measure {
        Measure::Share
    }

    fn over(&self) -> Duration {
        Duration::from_mins(1)
    }

    fn threshold(&self) -> f64 {
        self.objective.get()
    }

    fn describe(&self, who: &str, value: f64, evidence: &Evidence) -> String {
        match &evidence.proof {
            Some(proof) => format!("{who}: {proof}"),
            None => format!("{who}: {} of calls succeed lately", percent(value)),
        }
    }

    fn summary(&self) -> String {
        format!(
            "calls fail, objective {}, at most {} false pages",
            percent(self.objective.get()),
            budget::text(self.page_every)
        )
    }

    fn to_json(&self) -> Value {
        json!({"success_rate": {
            "objective": self.objective.to_string(),
            "detect": "early",
            "false_pages": budget::text(self.page_every),
        }})
    }
}
