//! More or fewer calls per second than a fixed number.

use std::time::Duration;

use declare::{Problems, Record, Shape};
use model::{Rate, format_duration};
use serde_json::{Value, json};

use super::{About, Evidence, Kind, Measure, Verdict, per_second, read_window};
use crate::layers::Layers;
use crate::windows::Tally;

/// Breach: the mean rate over the window lies beyond the threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct QpsLevel {
    /// Which side is wrong.
    pub side: Side,
    /// The fixed number.
    pub threshold: Rate,
    /// The window.
    pub over: Duration,
}

/// Which side of the threshold is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Fewer calls are wrong.
    Below,
    /// More calls are wrong.
    Above,
}

impl Side {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Side::Below => "below",
            Side::Above => "above",
        }
    }
}

pub(super) fn fields(record: Record) -> Record {
    record
        .field("below", Shape::Rate, "fires under this rate, such as 5/s")
        .field("above", Shape::Rate, "fires over this rate, such as 500/s")
}

pub(super) fn read(record: &Layers<'_>, problems: &mut Problems) -> Option<QpsLevel> {
    let (side, threshold) = match record.rate("below") {
        Some(rate) => (Side::Below, rate),
        None => (Side::Above, record.rate("above")?),
    };
    if side == Side::Below && threshold.get() <= 0.0 {
        problems
            .error(
                record.place_of("below"),
                "`below: 0/s` can never fire: no rate is below zero",
            )
            .hint("write `absent_for: 2m` for no calls at all");
        return None;
    }
    Some(QpsLevel {
        side,
        threshold,
        over: read_window(record, "over", Duration::from_mins(1), problems),
    })
}

impl QpsLevel {
    /// The verdict about one group.
    pub fn evaluate(&self, tally: &Tally) -> Verdict {
        let value = tally.qps(self.over);
        let beyond = match self.side {
            Side::Below => value < self.threshold.get(),
            Side::Above => value > self.threshold.get(),
        };
        if beyond {
            Verdict::Breach {
                value,
                evidence: Evidence {
                    calls: tally.weighted,
                    failed: tally.failed,
                    ..Evidence::default()
                },
            }
        } else {
            Verdict::Ok {
                value,
                recovered: true,
            }
        }
    }
}

impl Kind for QpsLevel {
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
        self.over
    }

    fn threshold(&self) -> f64 {
        self.threshold.get()
    }

    fn trusts_what_is_seen(&self) -> bool {
        self.side == Side::Above
    }

    fn describe(&self, who: &str, value: f64, _: &Evidence) -> String {
        format!(
            "{who}: {} over {}, {} the limit of {}",
            per_second(value),
            format_duration(self.over),
            self.side.as_str(),
            per_second(self.threshold.get())
        )
    }

    fn summary(&self) -> String {
        format!(
            "calls {} {} over {}",
            self.side.as_str(),
            per_second(self.threshold.get()),
            format_duration(self.over)
        )
    }

    fn to_json(&self) -> Value {
        json!({"qps": {
            self.side.as_str(): self.threshold.to_string(),
            "over": format_duration(self.over),
        }})
    }
}
