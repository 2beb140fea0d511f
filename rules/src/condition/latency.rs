//! Calls take too long: a quantile of their durations is *provably* above the threshold.

use std::time::Duration;

use declare::{Problems, Record, Shape};
use model::format_duration;
use serde_json::{Value, json};
use store::{Rollups, Sketch};

use super::{About, Enough, Evidence, Kind, Measure, Verdict, WINDOW_MAX, Why, enough};
use crate::layers::Layers;

/// Durations are sketched for this long at a time, so windows consist of such pieces.
const PIECE_SECONDS: u64 = Rollups::SKETCH_SECONDS.unsigned_abs();

/// Breach: at least `min_calls` calls, and even the lower Wilson bound of the share of calls slower than
/// `above` is larger than what the quantile leaves. That the p99 is above 800 ms is to say that more than
/// 1 % of calls take longer than 800 ms.
#[derive(Clone, Debug, PartialEq)]
pub struct Latency {
    /// Which quantile, more than 0 and less than 1.
    pub quantile: f64,
    /// The longest that it may be.
    pub above: Duration,
    /// The window.
    pub over: Duration,
    /// What it takes to judge.
    pub enough: Enough,
    /// An episode ends only when the observed quantile is at most this.
    pub recover_below: Duration,
}

pub(super) fn record() -> Record {
    let record = Record::new(
        "latency",
        "fires when a quantile of the durations is provably above a threshold",
    )
    .field(
        "quantile",
        Shape::Number {
            min: 0.01,
            max: 0.9999,
        },
        "which quantile, 0.01 to 0.9999; 0.99 if left out",
    )
    .field("above", Shape::Duration, "the threshold, such as 800ms")
    .field(
        "over",
        Shape::Duration,
        "the window, 10s to 15m in steps of 10s; 1m if left out",
    )
    .field(
        "recover_below",
        Shape::Duration,
        "an episode ends only when the quantile is back at this; `above` if left out",
    );
    enough::fields(record, "the fewest calls to judge by; 100 if left out")
}

pub(super) fn read(record: &Layers<'_>, problems: &mut Problems) -> Option<Latency> {
    let Some(above_node) = record.field("above") else {
        problems
            .error(record.place(), "field `above` is missing")
            .hint("write a threshold: `above: 800ms`");
        return None;
    };
    let above = above_node.duration()?;
    if above.is_zero() {
        problems
            .error(above_node, "`above: 0s` fires at every call")
            .hint("write what callers may be made to wait, such as 800ms");
        return None;
    }
    let recover_below = record.duration("recover_below").unwrap_or(above);
    if recover_below > above {
        problems
            .error(
                record.place_of("recover_below"),
                format!(
                    "`recover_below: {}` lies over `above: {}`",
                    format_duration(recover_below),
                    format_duration(above)
                ),
            )
            .hint("an episode would end while calls still take too long");
    }
    Some(Latency {
        quantile: record.number("quantile").unwrap_or(0.99),
        above,
        over: read_over(record, problems),
        enough: enough::read(record, 100, problems)?,
        recover_below,
    })
}

fn read_over(record: &Layers<'_>, problems: &mut Problems) -> Duration {
    let over = record.duration("over").unwrap_or(Duration::from_mins(1));
    let pieces = over.subsec_nanos() == 0 && over.as_secs().is_multiple_of(PIECE_SECONDS);
    if over.is_zero() || !pieces || over > WINDOW_MAX {
        problems
            .error(
                record.place_of("over"),
                format!("`over: {}` cannot be evaluated", format_duration(over)),
            )
            .hint("durations are kept in pieces of 10s: write 10s, 20s and so on up to 15m");
    }
    over
}

impl Latency {
    /// Whether enough calls are known, and so few of them slower than `above` that the verdict is no breach.
    pub fn is_well(&self, slower: u64, calls: u64) -> bool {
        self.enough.too_few(calls).is_none() && !self.is_slow(slower, calls)
    }

    fn is_slow(&self, slower: u64, calls: u64) -> bool {
        // The lower bound is never above the share itself, so most windows end here.
        let allowed = 1.0 - self.quantile;
        slower as f64 > allowed * calls as f64
            && self.enough.interval(slower, calls).lower > allowed
    }

    /// The verdict about the durations of one window. Values are in seconds.
    pub fn evaluate(&self, durations: &Sketch) -> Verdict {
        let calls = durations.count();
        if calls == 0 {
            return Verdict::Unknown { why: Why::NoCalls };
        }
        if let Some(why) = self.enough.too_few(calls) {
            return Verdict::Unknown { why };
        }
        let micros = durations.quantile_us(self.quantile).unwrap_or(0.0);
        let value = micros / 1e6;
        let slower = durations.count_above_us(model::whole_micros(self.above));
        if !self.is_slow(slower, calls) {
            return Verdict::Ok {
                value,
                recovered: value <= self.recover_below.as_secs_f64(),
            };
        }
        Verdict::Breach {
            value,
            evidence: Evidence {
                calls,
                failed: slower,
                ..Evidence::default()
            },
        }
    }

    /// `p99`, `p99.9`.
    fn name(&self) -> String {
        let percent = format!("{:.2}", self.quantile * 100.0);
        format!("p{}", percent.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl Kind for Latency {
    fn word(&self) -> &'static str {
        "latency"
    }

    fn about(&self) -> About {
        About::Outcomes
    }

    fn measure(&self) -> Measure {
        Measure::Seconds
    }

    fn over(&self) -> Duration {
        self.over
    }

    fn threshold(&self) -> f64 {
        self.above.as_secs_f64()
    }

    fn describe(&self, who: &str, value: f64, evidence: &Evidence) -> String {
        format!(
            "{who}: {} is {} in {}; {} of {} calls took longer than {}",
            self.name(),
            seconds(value),
            format_duration(self.over),
            evidence.failed,
            evidence.calls,
            format_duration(self.above)
        )
    }

    fn summary(&self) -> String {
        format!(
            "{} above {} in {}",
            self.name(),
            format_duration(self.above),
            format_duration(self.over)
        )
    }

    fn to_json(&self) -> Value {
        let json = json!({
            "quantile": self.quantile,
            "above": format_duration(self.above),
            "over": format_duration(self.over),
            "recover_below": format_duration(self.recover_below),
        });
        json!({"latency": self.enough.add_to(json)})
    }
}

/// `0.8123` as `812ms`, `2.345` as `2.35s`.
pub(crate) fn seconds(value: f64) -> String {
    if value < 0.001 {
        format!("{:.0}us", value * 1e6)
    } else if value < 1.0 {
        format!("{:.0}ms", value * 1e3)
    } else {
        let text = format!("{value:.2}");
        format!("{}s", text.trim_end_matches('0').trim_end_matches('.'))
    }
}
