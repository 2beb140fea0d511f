//! One part of a function is worse than the rest of it: a unit, a zone or a version.

use std::collections::HashMap;
use std::time::Duration;

use declare::{Problems, Record, Shape};
use model::{Ratio, format_duration};
use serde_json::{Value, json};

use super::{
    About, Enough, Evidence, Kind, Measure, Verdict, Why, difference, enough, percent, read_window,
};
use crate::layers::Layers;
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
    /// What it takes to judge: so many calls of a part, and of the others together.
    pub enough: Enough,
}

pub(super) fn record() -> Record {
    let record = Record::new(
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
    );
    enough::fields(
        record,
        "the fewest calls of a part and of the others to judge by; 200 if left out",
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
        enough: enough::read(record, 200, problems)?,
    })
}

impl Outlier {
    /// A verdict for each part. `by` says what the keys hold; parts whose keys differ in `across` alone
    /// belong together.
    pub fn judge<'k>(
        &self,
        by: &[By],
        tallies: impl Iterator<Item = (&'k GroupKey, &'k Tally)>,
    ) -> Vec<(GroupKey, Verdict)> {
        let mut whole_of: HashMap<GroupKey, usize> = HashMap::new();
        let mut wholes: Vec<Tally> = Vec::new();
        let mut parts = Vec::new();
        for (key, tally) in tallies {
            let at = *whole_of
                .entry(key.without(by, self.across))
                .or_insert(wholes.len());
            if at == wholes.len() {
                wholes.push(Tally::default());
            }
            if let Some(whole) = wholes.get_mut(at) {
                whole.merge(tally);
            }
            parts.push((key, tally, at));
        }
        let judged = parts.into_iter().map(|(key, own, at)| {
            let whole = wholes.get(at).copied().unwrap_or_default();
            (key.clone(), self.evaluate(own, &whole.less(own)))
        });
        judged.collect()
    }

    /// The verdict about one part beside the others together.
    pub fn evaluate(&self, own: &Tally, others: &Tally) -> Verdict {
        if own.weighted == 0 {
            return Verdict::Unknown { why: Why::NoCalls };
        }
        if let Some(why) = self.enough.too_few(own.counted) {
            return Verdict::Unknown { why };
        }
        if self.enough.too_few(others.counted).is_some() {
            let why = Why::FewPeers {
                counted: others.counted,
                needed: self.enough.min_calls,
                across: self.across.as_str(),
            };
            return Verdict::Unknown { why };
        }
        difference::judge(own, others, self.worse_by, &self.enough)
    }
}

impl Kind for Outlier {
    fn word(&self) -> &'static str {
        "outlier"
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
        self.worse_by.get()
    }

    fn describe(&self, who: &str, value: f64, evidence: &Evidence) -> String {
        format!(
            "{who}: {} of {} calls succeeded in {}; the other {}s are at {}",
            percent(value),
            evidence.calls,
            format_duration(self.over),
            self.across.as_str(),
            percent(evidence.baseline.unwrap_or(0.0))
        )
    }

    fn summary(&self) -> String {
        format!(
            "success rate of a {} more than {} under the others' in {}",
            self.across.as_str(),
            difference::points(self.worse_by),
            format_duration(self.over)
        )
    }

    fn to_json(&self) -> Value {
        let json = json!({
            "across": self.across.as_str(),
            "measure": "success_rate",
            "worse_by": difference::points(self.worse_by),
            "over": format_duration(self.over),
        });
        json!({"outlier": self.enough.add_to(json)})
    }
}
