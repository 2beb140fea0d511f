//! Too many or too few calls of one kind: answered by a fallback, ended in one way, cold starts.

use std::time::Duration;

use declare::{Problems, Record, Shape};
use model::{Outcome, Ratio, Traffic, format_duration};
use serde_json::{Value, json};

use super::{
    About, Enough, Evidence, Kind, Measure, Side, Verdict, Why, enough, percent, read_window,
};
use crate::layers::Layers;
use crate::windows::{Part, Portion};

/// Breach: the share of the part is *provably* beyond the threshold, by Wilson's interval.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// Which calls.
    pub part: Part,
    /// Which side is wrong.
    pub side: Side,
    /// The threshold.
    pub threshold: Ratio,
    /// The window.
    pub over: Duration,
    /// What it takes to judge.
    pub enough: Enough,
}

/// The words of `of:`.
const OF: &[&str] = &[
    "served_by",
    "error_type",
    "outcome",
    "cold_start",
    "traffic",
];
/// Values of columns are counted minute by minute.
const MINUTE_SECONDS: u64 = 60;

pub(super) fn record() -> Record {
    let record = Record::new("share", "fires on the share that one kind of calls has")
        .required("of", Shape::Choice(OF), "what calls are told apart by")
        .field(
            "value",
            Shape::Text,
            "which of its values, such as java; not for cold_start",
        )
        .field("above", Shape::Ratio, "fires over this share, such as 5%")
        .field("below", Shape::Ratio, "fires under this share")
        .field(
            "over",
            Shape::Duration,
            "the window, 1s to 15m, whole minutes for served_by and error_type; 5m if left out",
        );
    enough::fields(record, "the fewest calls to judge by; 100 if left out")
}

pub(super) fn read(record: &Layers<'_>, problems: &mut Problems) -> Option<Share> {
    let part = read_part(record, problems);
    let (side, threshold) = match (record.field("above"), record.field("below")) {
        (Some(above), None) => (Side::Above, above.ratio()?),
        (None, Some(below)) => (Side::Below, below.ratio()?),
        (None, None) => {
            problems
                .error(record.place(), "`share` does not say what is wrong")
                .hint("write a threshold: `above: 5%` or `below: 90%`");
            return None;
        }
        (Some(_), Some(below)) => {
            problems
                .error(below, "`share` holds above and below at once")
                .hint("write one rule for each");
            return None;
        }
    };
    let never = match side {
        Side::Above => threshold.get() >= 1.0,
        Side::Below => threshold.get() <= 0.0,
    };
    if never {
        let word = side.as_str();
        problems
            .error(
                record.place_of(word),
                format!("`{word}: {threshold}` can never fire: no share lies beyond it"),
            )
            .hint("write the share that is still acceptable");
        return None;
    }
    let over = read_window(record, "over", Duration::from_mins(5), problems);
    let part = part?;
    if part.is_by_minute() && !over.as_secs().is_multiple_of(MINUTE_SECONDS) {
        problems
            .error(
                record.place_of("over"),
                format!("`over: {}` cannot be evaluated", format_duration(over)),
            )
            .hint("values of this column are counted by minutes: write 1m to 15m");
        return None;
    }
    Some(Share {
        part,
        side,
        threshold,
        over,
        enough: enough::read(record, 100, problems)?,
    })
}

fn read_part(record: &Layers<'_>, problems: &mut Problems) -> Option<Part> {
    let of = record.text("of")?;
    let value = record.text("value");
    if of == "cold_start" {
        if value.is_some() {
            problems
                .error(
                    record.place_of("value"),
                    "`value` does not go with `of: cold_start`",
                )
                .hint("leave it out: the share of cold starts is meant");
            return None;
        }
        return Some(Part::ColdStart);
    }
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        problems
            .error(
                record.place(),
                format!("`share` of {of} does not say of which value"),
            )
            .hint("write it: `value: java`");
        return None;
    };
    let known = match of {
        "served_by" => return Some(Part::ServedBy(value.to_owned())),
        "error_type" => return Some(Part::ErrorType(value.to_owned())),
        "outcome" => Outcome::from_word(value).map(Part::Outcome),
        _ => Traffic::from_word(value).map(Part::Traffic),
    };
    if known.is_none() {
        let words: Vec<&str> = match of {
            "outcome" => Outcome::ALL
                .iter()
                .map(|outcome| outcome.as_str())
                .collect(),
            _ => Traffic::ALL
                .iter()
                .map(|traffic| traffic.as_str())
                .collect(),
        };
        let hint = declare::closest(value, words.iter().copied()).map_or_else(
            || format!("write one of {}", words.join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        problems
            .error(record.place_of("value"), format!("`{value}` is no {of}"))
            .hint(hint);
    }
    known
}

impl Share {
    /// The verdict about one window.
    pub fn evaluate(&self, portion: &Portion) -> Verdict {
        let Portion { part, calls } = *portion;
        if calls == 0 {
            return Verdict::Unknown { why: Why::NoCalls };
        }
        if let Some(why) = self.enough.too_few(calls) {
            return Verdict::Unknown { why };
        }
        let value = part as f64 / calls as f64;
        let threshold = self.threshold.get();
        let interval = self.enough.interval(part, calls);
        let (proven, recovered) = match self.side {
            Side::Above => (interval.lower > threshold, value <= threshold),
            Side::Below => (interval.upper < threshold, value >= threshold),
        };
        if !proven {
            return Verdict::Ok { value, recovered };
        }
        Verdict::Breach {
            value,
            evidence: Evidence {
                calls,
                failed: part,
                ..Evidence::default()
            },
        }
    }
}

impl Kind for Share {
    fn word(&self) -> &'static str {
        "share"
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
        self.threshold.get()
    }

    fn describe(&self, who: &str, value: f64, evidence: &Evidence) -> String {
        format!(
            "{who}: {} of {} calls in {} {}; the limit is {}",
            percent(value),
            evidence.calls,
            format_duration(self.over),
            self.part.phrase(),
            percent(self.threshold.get())
        )
    }

    fn summary(&self) -> String {
        format!(
            "share of calls that {} {} {} in {}",
            self.part.phrase(),
            self.side.as_str(),
            percent(self.threshold.get()),
            format_duration(self.over)
        )
    }

    fn to_json(&self) -> Value {
        let json = json!({
            "of": self.part.of(),
            "value": self.part.value(),
            self.side.as_str(): self.threshold.to_string(),
            "over": format_duration(self.over),
        });
        json!({"share": self.enough.add_to(json)})
    }
}
