//! Fewer calls than on earlier days at the same local time.

use std::time::Duration;

use chrono_tz::Tz;
use declare::{Problems, Record, Shape};
use model::{Rate, Ratio, format_duration};
use serde_json::{Value, json};

use super::{About, Evidence, Kind, Measure, Verdict, Why, per_second, percent, read_window};
use crate::layers::Layers;
use crate::windows::{Against, LagRate, Tally};

/// The furthest day that may be compared with: the retention of minutes.
const DAYS_MAX: u32 = 400;
/// The most days one rule compares with.
const LAGS_MAX: usize = 8;

/// Breach: calls fell by at least `drop` against the aggregate of the same local time on earlier
/// days, where that is at least `min_baseline`.
///
/// A day takes part when it has calls on record. Days that were a sale or an incident are left out
/// and not asked for; if any other day is missing, or none is left, the verdict is unknown. A drop
/// to zero is a breach: the baseline alone makes the group known.
#[derive(Clone, Debug, PartialEq)]
pub struct QpsDrop {
    /// The share of the traffic that is gone.
    pub drop: Ratio,
    /// Which days, over which window, in whose local time.
    pub against: Against,
    /// How the days become one number.
    pub aggregate: Aggregate,
    /// Judged only where this much is usual.
    pub min_baseline: Rate,
}

/// How several days become one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// The middle one; one odd day does not move it.
    Median,
    /// The mean.
    Mean,
    /// The smallest.
    Min,
    /// The largest.
    Max,
}

impl Aggregate {
    const WORDS: &'static [&'static str] = &["median", "mean", "min", "max"];

    fn from_word(word: &str) -> Option<Self> {
        match word {
            "median" => Some(Aggregate::Median),
            "mean" => Some(Aggregate::Mean),
            "min" => Some(Aggregate::Min),
            "max" => Some(Aggregate::Max),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Aggregate::Median => "median",
            Aggregate::Mean => "mean",
            Aggregate::Min => "min",
            Aggregate::Max => "max",
        }
    }

    /// One number from several, which it puts in order; `None` from none.
    pub fn of(self, rates: &mut [f64]) -> Option<f64> {
        if rates.is_empty() {
            return None;
        }
        rates.sort_unstable_by(f64::total_cmp);
        let sorted = rates;
        let middle = sorted.len() / 2;
        match self {
            Aggregate::Min => sorted.first().copied(),
            Aggregate::Max => sorted.last().copied(),
            Aggregate::Mean => Some(sorted.iter().sum::<f64>() / sorted.len() as f64),
            Aggregate::Median if sorted.len() % 2 == 1 => sorted.get(middle).copied(),
            Aggregate::Median => Some((sorted.get(middle - 1)? + sorted.get(middle)?) / 2.0),
        }
    }
}

pub(super) fn fields(record: Record) -> Record {
    record
        .field(
            "drop",
            Shape::Ratio,
            "the share of the traffic that is gone, such as 50%",
        )
        .field(
            "against",
            Shape::List {
                item: Box::new(Shape::Duration),
                min: 1,
                max: LAGS_MAX,
            },
            "how long ago, in whole days; [1d, 7d, 14d] if left out",
        )
        .field(
            "aggregate",
            Shape::Choice(Aggregate::WORDS),
            "how the days become one number; median if left out",
        )
        .field(
            "time_zone",
            Shape::TimeZone,
            "whose local time `against` means; the group's, else UTC",
        )
}

pub(super) fn read(record: &Layers<'_>, zone: Tz, problems: &mut Problems) -> Option<QpsDrop> {
    let drop = record.ratio("drop")?;
    if drop.get() <= 0.0 {
        problems
            .error(record.place_of("drop"), "`drop: 0%` would always fire")
            .hint("write the share of the traffic that is gone, such as 50%");
        return None;
    }
    Some(QpsDrop {
        drop,
        against: Against {
            days: read_days(record, problems),
            over: read_window(record, "over", Duration::from_mins(5), problems),
            zone: record
                .field("time_zone")
                .and_then(declare::Node::time_zone)
                .unwrap_or(zone),
        },
        aggregate: record
            .text("aggregate")
            .and_then(Aggregate::from_word)
            .unwrap_or(Aggregate::Median),
        min_baseline: record
            .rate("min_baseline")
            .or_else(|| Rate::per_second(1.0))?,
    })
}

fn read_days(record: &Layers<'_>, problems: &mut Problems) -> Vec<u32> {
    const DAY: u64 = 86_400;
    let Some(list) = record.field("against") else {
        return vec![1, 7, 14];
    };
    let mut days = Vec::new();
    for node in list.items() {
        let Some(lag) = node.duration() else { continue };
        let count = u32::try_from(lag.as_secs() / DAY).unwrap_or(u32::MAX);
        let written = node.text().unwrap_or_default();
        if count == 0 || lag != Duration::from_secs(u64::from(count) * DAY) {
            problems
                .error(node, format!("`{written}` is not a number of whole days"))
                .hint("the same local time is compared: write 1d to 400d, such as [1d, 7d, 14d]");
        } else if count > DAYS_MAX {
            problems
                .error(
                    node,
                    format!("`{written}` lies before the counts that are kept: {DAYS_MAX}d"),
                )
                .hint(format!("write 1d to {DAYS_MAX}d"));
        } else if days.contains(&count) {
            problems.error(node, format!("{count}d stands here twice"));
        } else {
            days.push(count);
        }
    }
    days
}

impl QpsDrop {
    /// The verdict about one group.
    pub fn evaluate(&self, tally: &Tally, lags: &[LagRate]) -> Verdict {
        let rates = lags.iter().filter_map(|lag| match lag {
            LagRate::Present(rate) => Some(*rate),
            LagRate::Missing | LagRate::LeftOut => None,
        });
        // On the stack: this runs for every function every second.
        let mut room = [0.0; LAGS_MAX];
        let mut present = 0;
        for (slot, rate) in room.iter_mut().zip(rates) {
            *slot = rate;
            present += 1;
        }
        let left_out = lags.iter().filter(|lag| **lag == LagRate::LeftOut).count();
        let asked = self.against.days.len().saturating_sub(left_out);
        let unknown = |why| Verdict::Unknown { why };
        if asked == 0 {
            return unknown(Why::DaysLeftOut);
        }
        if present < asked {
            return unknown(Why::DaysMissing { present, asked });
        }
        let days = room.get_mut(..present).unwrap_or_default();
        let Some(baseline) = self.aggregate.of(days) else {
            return unknown(Why::DaysLeftOut);
        };
        if baseline < self.min_baseline.get() || baseline <= 0.0 {
            return unknown(Why::LowBaseline {
                baseline,
                needed: self.min_baseline.get(),
            });
        }
        let value = tally.qps(self.against.over);
        if value <= baseline * (1.0 - self.drop.get()) {
            Verdict::Breach {
                value,
                evidence: Evidence {
                    calls: tally.weighted,
                    failed: tally.failed,
                    baseline: Some(baseline),
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

impl Kind for QpsDrop {
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
        self.against.over
    }

    fn threshold(&self) -> f64 {
        self.drop.get()
    }

    fn trusts_what_is_seen(&self) -> bool {
        false
    }

    fn describe(&self, who: &str, value: f64, evidence: &Evidence) -> String {
        let baseline = evidence.baseline.unwrap_or(0.0);
        let gone = if baseline > 0.0 {
            1.0 - value / baseline
        } else {
            0.0
        };
        format!(
            "{who}: {} over {}, {} less than the usual {} at this time",
            per_second(value),
            format_duration(self.against.over),
            percent(gone),
            per_second(baseline)
        )
    }

    fn summary(&self) -> String {
        format!(
            "calls fall by {} over {}",
            percent(self.drop.get()),
            format_duration(self.against.over)
        )
    }

    fn to_json(&self) -> Value {
        let days: Vec<String> = self.against.days.iter().map(|d| format!("{d}d")).collect();
        json!({"qps": {
            "drop": self.drop.to_string(),
            "against": days,
            "aggregate": self.aggregate.as_str(),
            "over": format_duration(self.against.over),
            "min_baseline": self.min_baseline.to_string(),
            "time_zone": self.against.zone.name(),
        }})
    }
}
