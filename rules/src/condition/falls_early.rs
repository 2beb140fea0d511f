//! Calls stop coming, found as early as counts can prove it: `qps: {detect: early}`.

use std::time::Duration;

use chrono_tz::Tz;
use declare::{Problems, Record};
use model::Rate;
use serde_json::{Value, json};

use super::{About, Evidence, Kind, Measure, budget, per_second};
use crate::layers::Layers;
use crate::windows::{Against, LagRate};

/// Earlier days that a step is measured against.
const DAYS: [u32; 4] = [1, 2, 7, 14];
/// The fewest of them that make a usual rate.
const DAYS_MIN: usize = 2;
/// The window around the same time of those days.
const DAY_WINDOW: Duration = Duration::from_mins(5);

/// Breach: the sequential test has proven that far fewer calls come than on earlier days, and has not
/// proven since that they are back. It moves in steps of ten seconds whose data has arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct FallsEarly {
    /// The time in which one false page is accepted, for a function with all its groups.
    pub page_every: Duration,
    /// Judged only where this much is usual.
    pub min_baseline: Rate,
    /// Which days, in whose local time.
    pub against: Against,
}

pub(super) fn fields(record: Record) -> Record {
    budget::fields(record)
}

pub(super) fn read(record: &Layers<'_>, zone: Tz, problems: &mut Problems) -> Option<FallsEarly> {
    for name in ["over", "against", "aggregate"] {
        if let Some(stray) = record.field(name) {
            problems
                .error(stray, format!("`{name}` does not go with `detect: early`"))
                .hint("a sequential test has no window; write a rule of its own for `drop`");
            return None;
        }
    }
    Some(FallsEarly {
        page_every: budget::read(record, problems)?,
        min_baseline: record
            .rate("min_baseline")
            .or_else(|| Rate::per_second(1.0))?,
        against: Against {
            days: DAYS.to_vec(),
            over: DAY_WINDOW,
            zone: record
                .field("time_zone")
                .and_then(declare::Node::time_zone)
                .unwrap_or(zone),
        },
    })
}

impl FallsEarly {
    /// What the sequential test is told, for a function in so many groups.
    pub fn settings(&self, groups: u32) -> early::FallSettings {
        early::FallSettings {
            page_every: self.page_every,
            series: groups,
        }
    }

    /// What earlier days usually had, in calls per second: the median of those on record.
    /// `Err` holds how many are present and how many were asked for.
    pub fn usual(&self, lags: &[LagRate]) -> Result<f64, (usize, usize)> {
        let mut room = [0.0; DAYS.len()];
        let mut present = 0;
        for lag in lags {
            if let (LagRate::Present(rate), Some(slot)) = (lag, room.get_mut(present)) {
                *slot = *rate;
                present += 1;
            }
        }
        let rates = room.get_mut(..present).unwrap_or_default();
        match super::Aggregate::Median.of(rates) {
            Some(usual) if present >= DAYS_MIN => Ok(usual),
            _ => Err((present, DAYS_MIN)),
        }
    }
}

impl Kind for FallsEarly {
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
        early::STEP
    }

    fn threshold(&self) -> f64 {
        self.min_baseline.get()
    }

    fn trusts_what_is_seen(&self) -> bool {
        false
    }

    fn describe(&self, who: &str, value: f64, evidence: &Evidence) -> String {
        match &evidence.proof {
            Some(proof) => format!("{who}: {proof}"),
            None => format!(
                "{who}: {} where {} are usual",
                per_second(value),
                per_second(evidence.baseline.unwrap_or(0.0))
            ),
        }
    }

    fn summary(&self) -> String {
        format!(
            "calls stop coming, at most {} false pages",
            budget::text(self.page_every)
        )
    }

    fn to_json(&self) -> Value {
        json!({"qps": {
            "detect": "early",
            "false_pages": budget::text(self.page_every),
            "min_baseline": self.min_baseline.to_string(),
            "time_zone": self.against.zone.name(),
        }})
    }
}
