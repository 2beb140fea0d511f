//! No calls at all from what usually has some.

use std::time::Duration;

use declare::{Problems, Record, Shape};
use model::{Rate, Timestamp, format_duration};
use serde_json::{Value, json};

use super::{About, Evidence, Kind, Measure, Verdict, Why, per_second, read_window};
use crate::layers::Layers;
use crate::windows::{Recent, Tally};

/// Breach: no call for `absent_for`, where at least `min_baseline` was usual in the ten minutes
/// before the calls stopped, and that was within six hours.
#[derive(Clone, Debug, PartialEq)]
pub struct Absent {
    /// How long there must be no call.
    pub absent_for: Duration,
    /// Judged only where this much was usual.
    pub min_baseline: Rate,
}

pub(super) fn fields(record: Record) -> Record {
    record.field(
        "absent_for",
        Shape::Duration,
        "fires after this long without a call, 1s to 15m",
    )
}

pub(super) fn read(record: &Layers<'_>, problems: &mut Problems) -> Option<Absent> {
    Some(Absent {
        absent_for: read_window(record, "absent_for", Duration::from_mins(2), problems),
        min_baseline: record
            .rate("min_baseline")
            .or_else(|| Rate::per_second(1.0))?,
    })
}

impl Absent {
    /// The verdict about one group.
    pub fn evaluate(&self, tally: &Tally, recent: Option<&Recent>, now: Timestamp) -> Verdict {
        if tally.weighted > 0 {
            return Verdict::Ok {
                value: tally.qps(self.absent_for),
                recovered: true,
            };
        }
        let Some(recent) = recent.filter(|recent| now.since(recent.last_seen) <= Recent::MEMORY)
        else {
            return Verdict::Unknown { why: Why::NotSeen };
        };
        if recent.usual < self.min_baseline.get() {
            return Verdict::Unknown {
                why: Why::LowBaseline {
                    baseline: recent.usual,
                    needed: self.min_baseline.get(),
                },
            };
        }
        Verdict::Breach {
            value: 0.0,
            evidence: Evidence {
                calls: 0,
                failed: 0,
                baseline: Some(recent.usual),
                ..Evidence::default()
            },
        }
    }
}

impl Kind for Absent {
    fn word(&self) -> &'static str {
        "qps"
    }

    fn about(&self) -> About {
        About::Traffic
    }

    fn measure(&self) -> Measure {
        Measure::PerSecond
    }

    fn over(&self) -> Duration {
        self.absent_for
    }

    fn threshold(&self) -> f64 {
        self.min_baseline.get()
    }

    fn trusts_what_is_seen(&self) -> bool {
        false
    }

    fn describe(&self, who: &str, _: f64, evidence: &Evidence) -> String {
        format!(
            "{who}: no call for {}; it had {} before",
            format_duration(self.absent_for),
            per_second(evidence.baseline.unwrap_or(0.0))
        )
    }

    fn summary(&self) -> String {
        format!("no call for {}", format_duration(self.absent_for))
    }

    fn to_json(&self) -> Value {
        json!({"qps": {
            "absent_for": format_duration(self.absent_for),
            "min_baseline": self.min_baseline.to_string(),
        }})
    }
}
