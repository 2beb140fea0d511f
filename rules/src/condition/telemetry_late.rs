//! Rampart itself does not see enough. Built in, so that blindness is never mistaken for health.

use std::time::Duration;

use model::Ratio;
use serde_json::{Value, json};

use super::{About, Evidence, Kind, Measure, Verdict, Why, percent};
use crate::sight::Completeness;

/// Breach: a completeness is known and below the minimum.
#[derive(Clone, Debug, PartialEq)]
pub struct TelemetryLate {
    /// The share of the expected data that must be there.
    pub min_completeness: Ratio,
}

impl TelemetryLate {
    /// The alert's name.
    pub const NAME: &'static str = "TelemetryLate";
    /// The window looked at.
    pub const OVER: Duration = Duration::from_mins(1);
    /// How far it ends before now: data on its ordinary way is not late.
    pub const SETTLED: Duration = Duration::from_secs(30);
    /// How much lateness must be observed before it fires.
    pub const HOLD: Duration = Duration::from_mins(1);
    /// How long all must be there before it resolves. Shorter than the window, so that a source that
    /// is late now and then does not keep it firing for ever.
    pub const KEEP_FIRING_FOR: Duration = Duration::from_secs(30);

    /// The verdict.
    pub fn evaluate(&self, completeness: Completeness) -> Verdict {
        match completeness {
            Completeness::Unknown { why } => Verdict::Unknown {
                why: Why::Blind(why),
            },
            Completeness::Known(share) if share < self.min_completeness => Verdict::Breach {
                value: share.get(),
                evidence: Evidence::default(),
            },
            Completeness::Known(share) => Verdict::Ok {
                value: share.get(),
                recovered: true,
            },
        }
    }
}

impl Kind for TelemetryLate {
    fn word(&self) -> &'static str {
        "completeness"
    }

    fn about(&self) -> About {
        About::Sight
    }

    fn measure(&self) -> Measure {
        Measure::Share
    }

    fn over(&self) -> Duration {
        Self::OVER
    }

    fn threshold(&self) -> f64 {
        self.min_completeness.get()
    }

    fn describe(&self, _: &str, value: f64, _: &Evidence) -> String {
        format!(
            "Rampart is partly blind: {} of the expected data has arrived, {} is needed; rules about missing calls hold",
            percent(value),
            percent(self.min_completeness.get())
        )
    }

    fn summary(&self) -> String {
        format!(
            "less than {} of the expected data arrives",
            percent(self.min_completeness.get())
        )
    }

    fn to_json(&self) -> Value {
        json!({"completeness": {"below": self.min_completeness.to_string()}})
    }
}
