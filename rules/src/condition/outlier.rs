//! One part of a function is worse than the rest of it: a unit, a zone or a version.

use std::collections::HashMap;
use std::time::Duration;

use declare::{Problems, Record, Shape};
use model::{Ratio, format_duration};
use serde_json::{Value, json};

use super::{Evidence, Verdict, Why, percent, read_confidence, read_window};
use crate::layers::Layers;
use crate::wilson;
use crate::windows::{By, GroupKey, Tally};

/// What parts are told apart by, and by what they are measured.
const ACROSS: &[&str] = &["unit", "zone", "version"];
const MEASURES: &[&str] = &["success_rate"];

/// Breach: a part's success rate is provably lower than that of the other parts together, by more than
/// `worse_by`. When all parts are equally bad none is an outlier.
///
/// Proof is Newcombe's interval of the difference of two shares: R. G. Newcombe, "Interval estimation for
/// the difference between independent proportions", Statistics in Medicine 17 (1998), method 10.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlier {
    /// What parts are told apart by.
    pub across: By,
    /// How much worse a part may be, as a difference of shares.
    pub worse_by: Ratio,
    /// The window.
    pub over: Duration,
    /// The fewest calls of a part, and of the others together, to judge by.
    pub min_calls: u64,
    /// Confidence of the two-sided interval.
    pub confidence: Ratio,
}

pub(super) fn record() -> Record {
    Record::new(
        "outlier",
        "fires when one part of a function is provably worse than its other parts",
    )
    .field(
        "across",
        Shape::Choice(ACROSS),
        "what parts are told apart by; unit if left out",
    )
    .field(
        "measure",
        Shape::Choice(MEASURES),
        "what is compared; success_rate if left out",
    )
    .field(
        "worse_by",
        Shape::Ratio,
        "how much worse a part may be, such as 2pp",
    )
    .field(
        "over",
        Shape::Duration,
        "the window, 1s to 15m; 2m if left out",
    )
    .field(
        "min_calls",
        Shape::Integer {
            min: 1,
            max: 1_000_000_000,
        },
        "the fewest calls of a part and of the others to judge by; 200 if left out",
    )
    .field(
        "confidence",
        Shape::Ratio,
        "how sure the interval must be, 50% to 99.9999%; 99.9% if left out",
    )
}

pub(super) fn read(record: &Layers<'_>, problems: &mut Problems) -> Option<Outlier> {
    if record.field("worse_by").is_none() {
        problems
            .error(record.place(), "field `worse_by` is missing")
            .hint("write how much worse a part may be: `worse_by: 2pp`");
        return None;
    }
    Some(Outlier {
        across: By::from_word(record.text("across").unwrap_or("unit"))?,
        worse_by: record.ratio("worse_by")?,
        over: read_window(record, "over", Duration::from_mins(2), problems),
        min_calls: record.whole("min_calls").unwrap_or(200).max(1),
        confidence: read_confidence(record, problems)?,
    })
}

impl Outlier {
    /// A verdict for each part. `by` says what the keys hold; parts whose keys differ in `across` alone
    /// belong together.
    pub fn judge(&self, by: &[By], tallies: &[(GroupKey, Tally)]) -> Vec<(GroupKey, Verdict)> {
        let mut wholes: HashMap<GroupKey, Tally> = HashMap::new();
        for (key, tally) in tallies {
            wholes
                .entry(key.without(by, self.across))
                .or_default()
                .merge(tally);
        }
        let judged = tallies.iter().map(|(key, own)| {
            let whole = wholes.get(&key.without(by, self.across));
            let others = whole.map_or_else(Tally::default, |whole| whole.less(own));
            (key.clone(), self.evaluate(own, &others))
        });
        judged.collect()
    }

    /// The verdict about one part beside the others together.
    pub fn evaluate(&self, own: &Tally, others: &Tally) -> Verdict {
        let few = |tally: &Tally| tally.counted < self.min_calls;
        if own.weighted == 0 {
            return Verdict::Unknown { why: Why::NoCalls };
        }
        if few(own) {
            let why = Why::FewCalls {
                counted: own.counted,
                needed: self.min_calls,
            };
            return Verdict::Unknown { why };
        }
        if few(others) {
            let why = Why::FewPeers {
                counted: others.counted,
                needed: self.min_calls,
                across: self.across.as_str(),
            };
            return Verdict::Unknown { why };
        }
        let (value, baseline) = (rate(own), rate(others));
        if self.proven_difference(own, others) <= self.worse_by.get() {
            return Verdict::Ok {
                value,
                recovered: baseline - value <= self.worse_by.get(),
            };
        }
        Verdict::Breach {
            value,
            evidence: Evidence {
                calls: own.counted,
                failed: own.failed,
                baseline: Some(baseline),
                pods: None,
            },
        }
    }

    /// The lower bound of how much worse `own` is than `others`.
    fn proven_difference(&self, own: &Tally, others: &Tally) -> f64 {
        let z = wilson::z_of(self.confidence.get());
        let interval = |tally: &Tally| wilson::interval(succeeded(tally), tally.counted, z);
        let above_own = interval(own).upper - rate(own);
        let below_others = rate(others) - interval(others).lower;
        rate(others) - rate(own) - above_own.hypot(below_others)
    }

    pub(super) fn describe(&self, who: &str, value: f64, evidence: &Evidence) -> String {
        format!(
            "{who}: {} of {} calls succeeded in {}; the other {}s are at {}",
            percent(value),
            evidence.calls,
            format_duration(self.over),
            self.across.as_str(),
            percent(evidence.baseline.unwrap_or(0.0))
        )
    }

    pub(super) fn summary(&self) -> String {
        format!(
            "success rate of a {} more than {} under the others' in {}",
            self.across.as_str(),
            self.points(),
            format_duration(self.over)
        )
    }

    pub(super) fn to_json(&self) -> Value {
        json!({"outlier": {
            "across": self.across.as_str(),
            "measure": "success_rate",
            "worse_by": self.points(),
            "over": format_duration(self.over),
            "min_calls": self.min_calls,
            "confidence": self.confidence.to_string(),
        }})
    }

    /// `2pp`.
    fn points(&self) -> String {
        self.worse_by.to_string().replace('%', "pp")
    }
}

fn succeeded(tally: &Tally) -> u64 {
    tally.counted.saturating_sub(tally.failed)
}

fn rate(tally: &Tally) -> f64 {
    succeeded(tally) as f64 / tally.counted.max(1) as f64
}
