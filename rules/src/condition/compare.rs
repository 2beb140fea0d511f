//! One version, hop or function is worse than another.

use std::time::Duration;

use declare::{Problems, Record, Shape};
use model::{FunctionId, Ratio, format_duration};
use serde_json::{Value, json};

use super::{
    About, Enough, Evidence, Kind, Measure, Verdict, Why, difference, enough, percent, read_window,
};
use crate::layers::Layers;
use crate::releases::Roles;
use crate::windows::Tally;

/// Breach: the success rate of one side is *provably* lower than that of the other by more than
/// `worse_by` (Newcombe's interval of a difference, see [`crate::wilson::difference_at_least`]).
#[derive(Clone, Debug, PartialEq)]
pub struct Compare {
    /// What is compared with what.
    pub sides: Sides,
    /// How much worse it may be, as a difference of shares.
    pub worse_by: Ratio,
    /// The window.
    pub over: Duration,
    /// What it takes to judge: so many calls of each side.
    pub enough: Enough,
}

/// What is compared with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sides {
    /// Two versions; `gray` and `base` are roles.
    Versions(String, String),
    /// Two hops that answer.
    ServedBy(String, String),
    /// Two functions.
    Functions(FunctionId, FunctionId),
}

impl Sides {
    /// The role of the version that others are compared with.
    pub const BASE: &'static str = "base";
    /// The role of what is on trial.
    pub const GRAY: &'static str = "gray";

    fn field(&self) -> &'static str {
        match self {
            Sides::Versions(..) => "version",
            Sides::ServedBy(..) => "served_by",
            Sides::Functions(..) => "function",
        }
    }

    /// Both as words.
    pub fn names(&self) -> (String, String) {
        match self {
            Sides::Versions(own, other) | Sides::ServedBy(own, other) => {
                (own.clone(), other.clone())
            }
            Sides::Functions(own, other) => (own.to_string(), other.to_string()),
        }
    }
}

const KINDS: [&str; 3] = ["version", "served_by", "function"];

pub(super) fn record() -> Record {
    let record = Record::new(
        "compare",
        "fires when one version, hop or function is provably worse than another",
    )
    .field(
        "version",
        Shape::Text,
        "a version, or gray: the one on trial by its release, else every version but the one most calls go to",
    )
    .field("served_by", Shape::Text, "a hop that answers, such as java")
    .field("function", Shape::FunctionId, "a function")
    .required(
        "against",
        Shape::Text,
        "what it is compared with, of the same kind; base is what the release says, else the version most calls go to",
    )
    .required(
        "success_rate_worse_by",
        Shape::Ratio,
        "how much lower its success rate may be, such as 1pp",
    )
    .field(
        "over",
        Shape::Duration,
        "the window, 1s to 15m, whole minutes for served_by; 5m if left out",
    );
    enough::fields(
        record,
        "the fewest calls of each side to judge by; 200 if left out",
    )
}

pub(super) fn read(record: &Layers<'_>, problems: &mut Problems) -> Option<Compare> {
    let present: Vec<&str> = KINDS
        .into_iter()
        .filter(|kind| record.field(kind).is_some())
        .collect();
    let [kind] = present.as_slice() else {
        problems
            .error(
                record.place(),
                "`compare` needs exactly one of version, served_by, function",
            )
            .hint("write what is judged: `version: gray, against: base`");
        return None;
    };
    let (own, other) = (
        record.text(kind)?.to_owned(),
        record.text("against")?.to_owned(),
    );
    if own == other {
        problems
            .error(
                record.place_of("against"),
                format!("`{own}` is compared with itself"),
            )
            .hint("write two different sides");
        return None;
    }
    let over = read_window(record, "over", Duration::from_mins(5), problems);
    let sides = match *kind {
        "version" => Sides::Versions(own, other),
        "served_by" => {
            if !over.as_secs().is_multiple_of(60) {
                problems
                    .error(
                        record.place_of("over"),
                        format!("`over: {}` cannot be evaluated", format_duration(over)),
                    )
                    .hint("values of this column are counted by minutes: write 1m to 15m");
                return None;
            }
            Sides::ServedBy(own, other)
        }
        _ => {
            let Ok(against) = other.parse::<FunctionId>() else {
                problems
                    .error(
                        record.place_of("against"),
                        format!("`{other}` is not a function"),
                    )
                    .hint("write namespace/name, such as guide/feed");
                return None;
            };
            Sides::Functions(
                record
                    .field("function")
                    .and_then(declare::Node::function_id)?,
                against,
            )
        }
    };
    Some(Compare {
        sides,
        worse_by: record.ratio("success_rate_worse_by")?,
        over,
        enough: enough::read(record, 200, problems)?,
    })
}

impl Compare {
    /// The verdict about one group, from both sides' calls.
    pub fn evaluate(&self, own: &Tally, other: &Tally) -> Verdict {
        if own.weighted == 0 {
            return Verdict::Unknown { why: Why::NoCalls };
        }
        if let Some(why) = self.enough.too_few(own.counted) {
            return Verdict::Unknown { why };
        }
        if let Some(Why::FewCalls { counted, needed }) = self.enough.too_few(other.counted) {
            let (_, name) = self.sides.names();
            let why = Why::FewToCompare {
                counted,
                needed,
                with: name.into(),
            };
            return Verdict::Unknown { why };
        }
        difference::judge(own, other, self.worse_by, &self.enough)
    }

    /// The calls of both sides among a function's versions. Who is gray and who is base its releases
    /// say; without any, base is the version that most calls go to and gray are all others.
    pub fn of_versions(&self, versions: &[(String, Tally)], roles: Roles<'_>) -> (Tally, Tally) {
        let Sides::Versions(own, other) = &self.sides else {
            return Default::default();
        };
        // A tie goes to the name that sorts last, so that every look agrees.
        let base = versions
            .iter()
            .filter(|(name, _)| roles.gray != Some(name))
            .max_by(|left, right| (left.1.weighted, &left.0).cmp(&(right.1.weighted, &right.0)))
            .map(|(name, _)| name.as_str());
        let base = roles.base.or(base);
        let side = |wanted: &str| {
            let mut sum = Tally::default();
            for (name, tally) in versions {
                let name = name.as_str();
                let takes = match (wanted, roles.gray) {
                    (Sides::BASE, _) => Some(name) == base,
                    (Sides::GRAY, Some(gray)) => name == gray,
                    (Sides::GRAY, None) => Some(name) != base,
                    (named, _) => name == named,
                };
                if takes {
                    sum.merge(tally);
                }
            }
            sum
        };
        (side(own), side(other))
    }
}

impl Kind for Compare {
    fn word(&self) -> &'static str {
        "compare"
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
        let (own, other) = self.sides.names();
        format!(
            "{who}: {} of {} calls of {} {own} succeeded in {}; {other} is at {}",
            percent(value),
            evidence.calls,
            self.sides.field(),
            format_duration(self.over),
            percent(evidence.baseline.unwrap_or(0.0))
        )
    }

    fn summary(&self) -> String {
        let (own, other) = self.sides.names();
        format!(
            "success rate of {} {own} more than {} under {other} in {}",
            self.sides.field(),
            difference::points(self.worse_by),
            format_duration(self.over)
        )
    }

    fn to_json(&self) -> Value {
        let (own, other) = self.sides.names();
        let json = json!({
            self.sides.field(): own,
            "against": other,
            "success_rate_worse_by": difference::points(self.worse_by),
            "over": format_duration(self.over),
        });
        json!({"compare": self.enough.add_to(json)})
    }
}
