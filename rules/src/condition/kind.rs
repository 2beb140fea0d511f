//! What every kind of condition says of itself.

use std::time::Duration;

use serde_json::Value;

use super::{Evidence, per_second, percent, seconds};

/// What a condition is about, which decides how silence and baselines take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// How calls went. Traffic is as usual meanwhile, unless it is critical.
    Outcomes,
    /// How many calls there are: such a time is no baseline.
    Traffic,
    /// What Rampart itself sees.
    Sight,
    /// What a query computes; nobody knows of what.
    Anything,
}

/// What its values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// 0 to 1.
    Share,
    /// A duration.
    Seconds,
    /// Calls per second.
    PerSecond,
    /// How many times faster than allowed something is used up.
    Times,
    /// A number without a unit.
    Number,
}

impl Measure {
    /// A value with its unit, for people.
    pub(crate) fn text(self, value: f64) -> String {
        match self {
            Measure::Share => percent(value),
            Measure::Seconds => seconds(value),
            Measure::PerSecond => per_second(value),
            Measure::Times => format!("{value:.1} x"),
            Measure::Number => number(value),
        }
    }
}

/// `17`, `3.25`.
pub(crate) fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// One kind of condition.
pub(crate) trait Kind {
    /// The field of a rule under which it stands.
    fn word(&self) -> &'static str;

    /// What it is about.
    fn about(&self) -> About;

    /// What its values are.
    fn measure(&self) -> Measure;

    /// The window it looks at.
    fn over(&self) -> Duration;

    /// The declared limit, as templates see it.
    fn threshold(&self) -> f64;

    /// Whether calls seen are proof enough. The others compare with what is missing, so they wait
    /// until the window is complete.
    fn trusts_what_is_seen(&self) -> bool {
        true
    }

    /// One sentence for a person who was just woken.
    fn describe(&self, who: &str, value: f64, evidence: &Evidence) -> String;

    /// A few words for a list: `success rate below 99 % in 1m`.
    fn summary(&self) -> String;

    /// As it is declared, defaults filled in.
    fn to_json(&self) -> Value;
}
