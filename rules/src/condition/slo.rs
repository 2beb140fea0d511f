//! The failures that an objective allows are used up too fast.

use std::sync::Arc;
use std::time::Duration;

use declare::{Problems, Record, Shape};
use model::Ratio;
use serde_json::{Value, json};

use super::{About, Enough, Evidence, Kind, Measure, Proof, Verdict, Why, enough, percent, span};
use crate::layers::Layers;
use crate::windows::Tally;

/// Breach: in a long window and in the short one at its end, failures are more than `factor` times what the
/// objective allows; for the long one that is proven by Wilson's interval. Multiwindow, multi-burn-rate
/// alerts are those of B. Beyer et al., "The Site Reliability Workbook", 2018, chapter 5.
#[derive(Clone, Debug, PartialEq)]
pub struct Slo {
    /// The share of calls that must succeed.
    pub objective: Ratio,
    /// Over which time.
    pub period: Duration,
    /// Which windows count.
    pub burn: Burn,
    /// What it takes to judge the long window.
    pub enough: Enough,
}

/// Which windows count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Burn {
    /// An hour and six: worth a page.
    Fast,
    /// A day and three: worth a ticket.
    Slow,
    /// All four.
    Any,
}

impl Burn {
    const WORDS: &'static [&'static str] = &["fast", "slow", "any"];

    fn as_str(self) -> &'static str {
        match self {
            Burn::Fast => "fast",
            Burn::Slow => "slow",
            Burn::Any => "any",
        }
    }

    fn from_word(word: &str) -> Self {
        match word {
            "fast" => Burn::Fast,
            "slow" => Burn::Slow,
            _ => Burn::Any,
        }
    }

    /// The windows that count.
    pub fn pairs(self) -> &'static [Pair] {
        let half = if self == Burn::Slow { 2..4 } else { 0..2 };
        let range = if self == Burn::Any { 0..4 } else { half };
        PAIRS.get(range).unwrap_or(&PAIRS)
    }
}

/// A long window, the short one at its end, and the share of the budget that it may use up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// The long window.
    pub long: Duration,
    /// The short window.
    pub short: Duration,
    share: f64,
}

/// In thirty days these shares are 14.4, 6, 3 and 1 times the even pace.
const PAIRS: [Pair; 4] = [
    pair(1, 5, 0.02),
    pair(6, 30, 0.05),
    pair(24, 120, 0.1),
    pair(72, 360, 0.1),
];

const fn pair(hours: u64, minutes: u64, share: f64) -> Pair {
    Pair {
        long: Duration::from_hours(hours),
        short: Duration::from_mins(minutes),
        share,
    }
}

const PERIOD_MIN: Duration = Duration::from_hours(7 * 24);
const PERIOD_MAX: Duration = Duration::from_hours(90 * 24);

/// How fast one pair of windows burns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Burning {
    /// The long window.
    pub long: Duration,
    /// The short window.
    pub short: Duration,
    /// How many times faster than even failures may come.
    pub factor: f64,
    /// The share of the period's budget that is left; `None` when the period is not known.
    pub left: Option<f64>,
}

pub(super) fn record() -> Record {
    let record = Record::new("slo", "fires when an error budget is used up too fast")
        .required(
            "objective",
            Shape::Ratio,
            "the share of calls that must succeed, such as 99.9%",
        )
        .field(
            "period",
            Shape::Duration,
            "over which time, 7d to 90d; 30d if left out",
        )
        .field(
            "burn",
            Shape::Choice(Burn::WORDS),
            "fast: 1h and 6h; slow: 1d and 3d; any if left out",
        );
    enough::fields(
        record,
        "the fewest calls in the long window to judge by; 100 if left out",
    )
}

pub(super) fn read(record: &Layers<'_>, problems: &mut Problems) -> Option<Slo> {
    let objective = record.ratio("objective")?;
    let period = record
        .duration("period")
        .unwrap_or(Duration::from_hours(30 * 24));
    if !(PERIOD_MIN..=PERIOD_MAX).contains(&period) {
        problems
            .error(
                record.place_of("period"),
                format!("`period: {}` is out of range", span(period)),
            )
            .hint("write 7d to 90d");
        return None;
    }
    let slo = Slo {
        objective,
        period,
        burn: Burn::from_word(record.text("burn").unwrap_or("any")),
        enough: enough::read(record, 100, problems)?,
    };
    let place = record.place_of("objective");
    if slo.budget() <= 0.0 {
        problems
            .error(place, format!("`objective: {objective}` leaves no budget"))
            .hint("write what can be kept, such as 99.9%");
        return None;
    }
    let fastest = slo.burn.pairs().iter().map(|pair| slo.factor(pair));
    let fastest = fastest.fold(0.0, f64::max);
    if fastest * slo.budget() > 1.0 {
        let least = (1.0 - 1.0 / fastest) * 100.0;
        problems
            .error(
                place,
                format!(
                    "`objective: {objective}` can never burn {fastest:.1} times too fast: that were more failures than calls"
                ),
            )
            .hint(format!("write at least {:.1}%, or `burn: slow`", (least * 10.0).ceil() / 10.0));
        return None;
    }
    Some(slo)
}

impl Slo {
    /// The share of calls that may fail.
    pub fn budget(&self) -> f64 {
        1.0 - self.objective.get()
    }

    /// How many times faster than even failures may come in a pair of windows.
    pub fn factor(&self, pair: &Pair) -> f64 {
        pair.share * self.period.as_secs_f64() / pair.long.as_secs_f64()
    }

    /// The verdict about one pair of windows.
    pub fn evaluate(&self, pair: &Pair, long: &Tally, short: &Tally, left: Option<f64>) -> Verdict {
        if long.weighted == 0 {
            return Verdict::Unknown { why: Why::NoCalls };
        }
        if let Some(why) = self.enough.too_few(long.counted) {
            return Verdict::Unknown { why };
        }
        let failing = |tally: &Tally| 1.0 - tally.success_rate();
        let value = failing(long) / self.budget();
        let factor = self.factor(pair);
        let limit = factor * self.budget();
        let short_burns = short.counted > 0 && failing(short) > limit;
        if !short_burns || self.enough.interval(long.failed, long.counted).lower <= limit {
            return Verdict::Ok {
                value,
                recovered: !short_burns,
            };
        }
        Verdict::Breach {
            value,
            evidence: Evidence {
                calls: long.counted,
                failed: long.failed,
                baseline: left,
                proof: Some(Arc::new(Proof::Burning(Burning {
                    long: pair.long,
                    short: pair.short,
                    factor,
                    left,
                }))),
                ..Evidence::default()
            },
        }
    }

    /// What is left of a period's budget, as a share; below zero once it is overdrawn.
    pub fn left(&self, period: &Tally) -> Option<f64> {
        let allowed = period.counted as f64 * self.budget();
        (allowed > 0.0).then(|| 1.0 - period.failed as f64 / allowed)
    }
}

impl Kind for Slo {
    fn word(&self) -> &'static str {
        "slo"
    }

    fn about(&self) -> About {
        About::Outcomes
    }

    fn measure(&self) -> Measure {
        Measure::Times
    }

    fn over(&self) -> Duration {
        let [shortest, ..] = PAIRS;
        shortest.short
    }

    fn threshold(&self) -> f64 {
        self.objective.get()
    }

    fn describe(&self, who: &str, value: f64, evidence: &Evidence) -> String {
        let Some(Proof::Burning(burning)) = evidence.proof.as_deref() else {
            return format!("{who}: failures come {value:.1} times faster than allowed");
        };
        let left = match burning.left {
            Some(left) if left >= 0.0 => format!("{} of the budget is left", percent(left)),
            Some(_) => "the budget is used up".to_owned(),
            None => "what is left of the budget is not known yet".to_owned(),
        };
        format!(
            "{who}: {} of {} calls failed in {}, {value:.1} times what {} in {} allows, and still in the last {}; {left}",
            evidence.failed,
            evidence.calls,
            span(burning.long),
            percent(self.objective.get()),
            span(self.period),
            span(burning.short)
        )
    }

    fn summary(&self) -> String {
        let factors: Vec<String> = self
            .burn
            .pairs()
            .iter()
            .map(|pair| format!("{:.1} x in {}", self.factor(pair), span(pair.long)))
            .collect();
        format!(
            "budget of {} in {} burns {}",
            percent(self.objective.get()),
            span(self.period),
            factors.join(" or ")
        )
    }

    fn to_json(&self) -> Value {
        let json = json!({
            "objective": self.objective.to_string(),
            "period": span(self.period),
            "burn": self.burn.as_str(),
        });
        json!({"slo": self.enough.add_to(json)})
    }
}
