//! The kinds of conditions. Each is a small file: its shape, how it is read, and a pure verdict from
//! counts.

mod above_capacity;
mod absent;
mod budget;
mod compare;
mod difference;
mod enough;
mod fails_early;
mod falls_early;
mod kind;
mod latency;
mod outlier;
mod qps;
mod qps_drop;
mod qps_level;
mod share;
mod slo;
mod sql;
mod success_rate;
mod telemetry_late;
mod why;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use declare::{Problems, Record};
use serde_json::Value;

use crate::layers::Layers;

pub use above_capacity::AboveCapacity;
pub use absent::Absent;
pub use compare::{Compare, Sides};
pub use enough::Enough;
pub use fails_early::FailsEarly;
pub use falls_early::FallsEarly;
pub(crate) use kind::{About, Kind, Measure};
pub use latency::Latency;
pub(crate) use latency::seconds;
pub use outlier::Outlier;
pub use qps_drop::{Aggregate, QpsDrop};
pub use qps_level::{QpsLevel, Side};
pub use share::Share;
pub use slo::{Burn, Burning, Pair, Slo};
pub use sql::Sql;
pub(crate) use sql::VALUE;
pub use success_rate::SuccessRate;
pub use telemetry_late::TelemetryLate;
pub use why::Why;

/// The longest window: rollups keep seconds for this long.
pub const WINDOW_MAX: Duration = Duration::from_mins(15);

/// Condition kinds that are declared elsewhere and not evaluated in this version.
pub(crate) const NOT_AVAILABLE: [&str; 1] = ["expr"];

/// What to write instead of one of them.
const CONDITIONS: &str =
    "`success_rate`, `qps`, `latency`, `share`, `compare`, `outlier`, `slo` and `sql` are";

/// What one evaluation says about one group.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Nothing is wrong.
    Ok {
        /// What was measured.
        value: f64,
        /// Whether it is also good enough to end an episode (`recover_above`).
        recovered: bool,
    },
    /// The condition holds.
    Breach {
        /// What was measured.
        value: f64,
        /// The numbers behind it.
        evidence: Evidence,
    },
    /// Nobody can tell.
    Unknown {
        /// The reason, for people.
        why: Why,
    },
}

/// The numbers behind a breach, for the message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// Calls looked at.
    pub calls: u64,
    /// Failures among them; where durations are judged, those that took too long.
    pub failed: u64,
    /// What was to be expected, where the condition compares with the past.
    pub baseline: Option<f64>,
    /// How many pods shared the calls, where the condition asks for that.
    pub pods: Option<f64>,
    /// What else was found, where the condition looks further.
    pub proof: Option<Arc<Proof>>,
}

/// What was found besides the counts, in its own words.
#[derive(Clone, Debug, PartialEq)]
pub enum Proof {
    /// That calls fail.
    Failing(early::Evidence),
    /// That calls stop coming.
    Falling(early::FallEvidence),
    /// Which windows burn an error budget; not a test, and nothing is learned.
    Burning(Burning),
}

impl Proof {
    /// Whether too few clean days were known.
    pub fn learning(&self) -> bool {
        match self {
            Proof::Failing(evidence) => evidence.learning,
            Proof::Falling(evidence) => evidence.learning,
            Proof::Burning(_) => false,
        }
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Proof::Failing(evidence) => evidence.fmt(out),
            Proof::Falling(evidence) => evidence.fmt(out),
            Proof::Burning(burning) => write!(
                out,
                "{:.1} times too fast in {} and {}",
                burning.factor,
                model::format_duration(burning.long),
                model::format_duration(burning.short)
            ),
        }
    }
}

/// What is declared to be wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Too many failures.
    SuccessRate(SuccessRate),
    /// Calls fail, found as early as counts can prove it.
    FailsEarly(FailsEarly),
    /// Calls stop coming, found as early as counts can prove it.
    FallsEarly(FallsEarly),
    /// Fewer calls than on earlier days.
    QpsDrop(QpsDrop),
    /// No calls at all.
    Absent(Absent),
    /// Calls take too long.
    Latency(Latency),
    /// One part is worse than the others.
    Outlier(Outlier),
    /// Too many or too few calls of one kind.
    Share(Share),
    /// One version, hop or function is worse than another.
    Compare(Compare),
    /// An error budget is used up too fast.
    Slo(Slo),
    /// What a query finds.
    Sql(Sql),
    /// More or fewer calls than a fixed number.
    QpsLevel(QpsLevel),
    /// More calls than the live pods carry.
    AboveCapacity(AboveCapacity),
    /// Rampart itself does not see enough. Built in.
    TelemetryLate(TelemetryLate),
}

impl Condition {
    /// What every kind can say of itself.
    pub(crate) fn kind(&self) -> &dyn Kind {
        match self {
            Condition::SuccessRate(condition) => condition,
            Condition::FailsEarly(condition) => condition,
            Condition::Latency(condition) => condition,
            Condition::Outlier(condition) => condition,
            Condition::Share(condition) => condition,
            Condition::Compare(condition) => condition,
            Condition::Slo(condition) => condition,
            Condition::Sql(condition) => condition,
            Condition::QpsDrop(condition) => condition,
            Condition::FallsEarly(condition) => condition,
            Condition::Absent(condition) => condition,
            Condition::QpsLevel(condition) => condition,
            Condition::AboveCapacity(condition) => condition,
            Condition::TelemetryLate(condition) => condition,
        }
    }

    /// The field of a rule under which it stands.
    pub fn word(&self) -> &'static str {
        self.kind().word()
    }

    /// The window it looks at.
    pub fn over(&self) -> Duration {
        self.kind().over()
    }

    /// The declared limit, as templates see it.
    pub fn threshold(&self) -> f64 {
        self.kind().threshold()
    }

    /// One sentence for a person who was just woken.
    pub fn describe(&self, who: &str, value: f64, evidence: &Evidence) -> String {
        self.kind().describe(who, value, evidence)
    }

    /// A few words for a list: `success rate below 99 % in 1m`.
    pub fn summary(&self) -> String {
        self.kind().summary()
    }

    /// As it is declared, defaults filled in.
    pub fn to_json(&self) -> Value {
        self.kind().to_json()
    }

    /// A measured value with its unit.
    pub fn value_text(&self, value: f64) -> String {
        self.kind().measure().text(value)
    }

    /// Whether calls that are there are judged, rather than their absence.
    pub(crate) fn is_about_calls(&self) -> bool {
        let kind = self.kind();
        match kind.about() {
            About::Outcomes => true,
            About::Traffic => kind.trusts_what_is_seen(),
            About::Sight | About::Anything => false,
        }
    }
}

/// Adds the fields of every kind to the record of a rule. An override may leave anything out.
pub(crate) fn fields(record: Record) -> Record {
    let record = record
        .field(
            "success_rate",
            declare::Shape::Record(success_rate::record()),
            "too many failures",
        )
        .field(
            "qps",
            declare::Shape::Record(qps::record()),
            "too few or too many calls",
        )
        .field(
            "latency",
            declare::Shape::Record(latency::record()),
            "calls take too long",
        )
        .field(
            "outlier",
            declare::Shape::Record(outlier::record()),
            "one part of a function is worse than the others",
        )
        .field(
            "share",
            declare::Shape::Record(share::record()),
            "too many or too few calls of one kind",
        )
        .field(
            "compare",
            declare::Shape::Record(compare::record()),
            "one version, hop or function is worse than another",
        )
        .field(
            "slo",
            declare::Shape::Record(slo::record()),
            "an error budget is used up too fast",
        )
        .field(
            "sql",
            declare::Shape::Text,
            "one SELECT; each row is a breach",
        );
    NOT_AVAILABLE.iter().fold(record, |record, name| {
        record.field(name, declare::Shape::Any, "not available in this version")
    })
}

/// Reads the condition of a rule.
pub(crate) fn read(
    rule: &Layers<'_>,
    zone: chrono_tz::Tz,
    problems: &mut Problems,
) -> Option<Condition> {
    for name in NOT_AVAILABLE {
        if let Some(node) = rule.field(name) {
            not_available(node, name, CONDITIONS, problems);
        }
    }
    if let Some(record) = rule.record("success_rate") {
        return if record.field("detect").is_some() || record.field("objective").is_some() {
            fails_early::read(&record, problems).map(Condition::FailsEarly)
        } else {
            success_rate::read(&record, problems).map(Condition::SuccessRate)
        };
    }
    if let Some(record) = rule.record("latency") {
        return latency::read(&record, problems).map(Condition::Latency);
    }
    if let Some(record) = rule.record("outlier") {
        return outlier::read(&record, problems).map(Condition::Outlier);
    }
    if let Some(record) = rule.record("share") {
        return share::read(&record, problems).map(Condition::Share);
    }
    if let Some(record) = rule.record("compare") {
        return compare::read(&record, problems).map(Condition::Compare);
    }
    if let Some(record) = rule.record("slo") {
        return slo::read(&record, problems).map(Condition::Slo);
    }
    if rule.field("sql").is_some() {
        return sql::read(rule, problems).map(Condition::Sql);
    }
    qps::read(&rule.record("qps")?, zone, problems)
}

/// Says at its place that something is declared that this version does not evaluate, and what to write
/// instead.
pub(crate) fn not_available(
    node: &declare::Node,
    what: &str,
    instead: &str,
    problems: &mut Problems,
) {
    problems
        .error(node, format!("`{what}` is not available in this version"))
        .hint(instead);
}

/// Reads a window and checks that it can be evaluated.
pub(crate) fn read_window(
    record: &Layers<'_>,
    field: &str,
    default: Duration,
    problems: &mut Problems,
) -> Duration {
    let Some(over) = record.duration(field) else {
        return default;
    };
    let whole = over.subsec_nanos() == 0 && !over.is_zero();
    if !whole || over > WINDOW_MAX {
        problems
            .error(
                record.place_of(field),
                format!(
                    "`{field}: {}` cannot be evaluated",
                    model::format_duration(over)
                ),
            )
            .hint("write whole seconds from 1s to 15m");
        return default;
    }
    over
}

/// `30d` for whole days, else as durations are written.
pub(crate) fn span(duration: Duration) -> String {
    const DAY_SECONDS: u64 = 86_400;
    let seconds = duration.as_secs();
    if seconds > 0 && seconds.is_multiple_of(DAY_SECONDS) {
        format!("{}d", seconds / DAY_SECONDS)
    } else {
        model::format_duration(duration)
    }
}

/// `0.712` as `71.2 %`.
pub(crate) fn percent(share: f64) -> String {
    let text = format!("{:.2}", share * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// `12.34` as `12.3/s`.
pub(crate) fn per_second(rate: f64) -> String {
    let text = format!("{rate:.1}");
    format!("{}/s", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests;
