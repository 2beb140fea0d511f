//! Too many failures: the success rate is *provably* below the threshold.

use std::time::Duration;

use declare::{Problems, Record, Shape};
use model::{Ratio, format_duration};
use serde_json::{Value, json};

use super::{
    About, Enough, Evidence, Kind, Measure, Verdict, Why, enough, fails_early, percent, read_window,
};
use crate::layers::Layers;
use crate::windows::Tally;

/// Breach: at least `min_calls` calls, and even the upper Wilson bound of their success rate lies
/// below `below`. All calls failing is a breach; no calls at all is unknown.
#[derive(Clone, Debug, PartialEq)]
pub struct SuccessRate {
    /// The threshold.
    pub below: Ratio,
    /// The window.
    pub over: Duration,
    /// What it takes to judge.
    pub enough: Enough,
    /// An episode ends only when the observed rate reaches this.
    pub recover_above: Ratio,
}

pub(super) fn record() -> Record {
    let record = Record::new(
        "success_rate",
        "fires when the success rate is provably below a threshold",
    )
    .field("below", Shape::Ratio, "the threshold, such as 99%")
    .field(
        "over",
        Shape::Duration,
        "the window, 1s to 15m; 1m if left out",
    )
    .field(
        "recover_above",
        Shape::Ratio,
        "an episode ends only when the rate is back at this; `below` if left out",
    );
    let record = fails_early::fields(record);
    enough::fields(record, "the fewest calls to judge by; 100 if left out")
}

pub(super) fn read(record: &Layers<'_>, problems: &mut Problems) -> Option<SuccessRate> {
    let Some(below) = record.field("below") else {
        problems
            .error(record.place(), "field `below` is missing")
            .hint("write a threshold, `below: 99%`, or `objective: 99.9%, detect: early`");
        return None;
    };
    let below_node = below;
    let below = below.ratio()?;
    if below.get() <= 0.0 {
        problems
            .error(
                below_node,
                "`below: 0%` can never fire: no rate is below zero",
            )
            .hint("write the objective that must be kept, such as 99%");
        return None;
    }
    let enough = enough::read(record, 100, problems)?;
    let recover_above = record.ratio("recover_above").unwrap_or(below);
    if recover_above < below {
        problems
            .error(
                record.place_of("recover_above"),
                format!("`recover_above: {recover_above}` lies under `below: {below}`"),
            )
            .hint("an episode would end while the rate is still below the threshold");
    }
    Some(SuccessRate {
        below,
        over: read_window(record, "over", Duration::from_mins(1), problems),
        enough,
        recover_above,
    })
}

impl SuccessRate {
    /// The verdict about one window.
    pub fn evaluate(&self, tally: &Tally) -> Verdict {
        let counted = tally.counted;
        if counted == 0 {
            let why = if tally.weighted == 0 {
                Why::NoCalls
            } else {
                Why::NoneCounted
            };
            return Verdict::Unknown { why };
        }
        if let Some(why) = self.enough.too_few(counted) {
            return Verdict::Unknown { why };
        }
        let ok = counted.saturating_sub(tally.failed);
        let value = ok as f64 / counted as f64;
        // The upper bound is never below the share itself, so most windows end here.
        if value >= self.below.get() || self.enough.interval(ok, counted).upper >= self.below.get()
        {
            return Verdict::Ok {
                value,
                recovered: value >= self.recover_above.get(),
            };
        }
        Verdict::Breach {
            value,
            evidence: Evidence {
                calls: counted,
                failed: tally.failed,
                ..Evidence::default()
            },
        }
    }
}

impl Kind for SuccessRate {
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
        self.over
    }

    fn threshold(&self) -> f64 {
        self.below.get()
    }

    fn describe(&self, who: &str, value: f64, evidence: &Evidence) -> String {
        format!(
            "{who}: {} of {} calls succeeded in {}; the objective is {}",
            percent(value),
            evidence.calls,
            format_duration(self.over),
            percent(self.below.get())
        )
    }

    fn summary(&self) -> String {
        format!(
            "success rate below {} in {}",
            percent(self.below.get()),
            format_duration(self.over)
        )
    }

    fn to_json(&self) -> Value {
        let json = json!({
            "below": self.below.to_string(),
            "over": format_duration(self.over),
            "recover_above": self.recover_above.to_string(),
        });
        json!({"success_rate": self.enough.add_to(json)})
    }
}
