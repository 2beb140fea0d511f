//! The kinds of conditions. Each is a small file: its shape, how it is read, and a pure verdict from
//! counts.

mod above_capacity;
mod absent;
mod latency;
mod outlier;
mod qps;
mod qps_drop;
mod qps_level;
mod success_rate;
mod telemetry_late;
mod why;

use std::time::Duration;

use declare::{Problems, Record};
use model::Ratio;
use serde_json::Value;

use crate::layers::Layers;

pub use above_capacity::AboveCapacity;
pub use absent::Absent;
pub use latency::Latency;
pub(crate) use latency::seconds;
pub use outlier::Outlier;
pub use qps_drop::{Aggregate, QpsDrop};
pub use qps_level::{QpsLevel, Side};
pub use success_rate::SuccessRate;
pub use telemetry_late::TelemetryLate;
pub use why::Why;

/// The longest window: rollups keep seconds for this long.
pub const WINDOW_MAX: Duration = Duration::from_mins(15);

/// Condition kinds that are declared elsewhere and not evaluated in this version.
pub(crate) const NOT_AVAILABLE: [&str; 5] = ["share", "compare", "slo", "sql", "expr"];

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
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evidence {
    /// Calls looked at.
    pub calls: u64,
    /// Failures among them; where durations are judged, those that took too long.
    pub failed: u64,
    /// What was to be expected, where the condition compares with the past.
    pub baseline: Option<f64>,
    /// How many pods shared the calls, where the condition asks for that.
    pub pods: Option<f64>,
}

/// What is declared to be wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Too many failures.
    SuccessRate(SuccessRate),
    /// Fewer calls than on earlier days.
    QpsDrop(QpsDrop),
    /// No calls at all.
    Absent(Absent),
    /// Calls take too long.
    Latency(Latency),
    /// One part is worse than the others.
    Outlier(Outlier),
    /// More or fewer calls than a fixed number.
    QpsLevel(QpsLevel),
    /// More calls than the live pods carry.
    AboveCapacity(AboveCapacity),
    /// Rampart itself does not see enough. Built in.
    TelemetryLate(TelemetryLate),
}

impl Condition {
    /// The window it looks at.
    pub fn over(&self) -> Duration {
        match self {
            Condition::SuccessRate(condition) => condition.over,
            Condition::Latency(condition) => condition.over,
            Condition::Outlier(condition) => condition.over,
            Condition::QpsDrop(condition) => condition.against.over,
            Condition::Absent(condition) => condition.absent_for,
            Condition::QpsLevel(condition) => condition.over,
            Condition::AboveCapacity(condition) => condition.over,
            Condition::TelemetryLate(_) => TelemetryLate::OVER,
        }
    }

    /// The declared limit, as templates see it.
    pub fn threshold(&self) -> f64 {
        match self {
            Condition::SuccessRate(condition) => condition.below.get(),
            Condition::Latency(condition) => condition.above.as_secs_f64(),
            Condition::Outlier(condition) => condition.worse_by.get(),
            Condition::QpsDrop(condition) => condition.drop.get(),
            Condition::Absent(condition) => condition.min_baseline.get(),
            Condition::QpsLevel(condition) => condition.threshold.get(),
            Condition::AboveCapacity(condition) => condition.above.get(),
            Condition::TelemetryLate(condition) => condition.min_completeness.get(),
        }
    }

    /// The field of a rule under which it stands.
    pub fn word(&self) -> &'static str {
        match self {
            Condition::SuccessRate(_) => "success_rate",
            Condition::Latency(_) => "latency",
            Condition::Outlier(_) => "outlier",
            Condition::QpsDrop(_)
            | Condition::Absent(_)
            | Condition::QpsLevel(_)
            | Condition::AboveCapacity(_) => "qps",
            Condition::TelemetryLate(_) => "completeness",
        }
    }

    /// Whether calls seen are proof enough. The others compare with what is missing, so they wait
    /// until the window is complete.
    pub fn trusts_what_is_seen(&self) -> bool {
        match self {
            Condition::SuccessRate(_)
            | Condition::Latency(_)
            | Condition::Outlier(_)
            | Condition::AboveCapacity(_)
            | Condition::TelemetryLate(_) => true,
            Condition::QpsLevel(condition) => condition.side == Side::Above,
            Condition::QpsDrop(_) | Condition::Absent(_) => false,
        }
    }

    /// One sentence for a person who was just woken.
    pub fn describe(&self, who: &str, value: f64, evidence: &Evidence) -> String {
        match self {
            Condition::SuccessRate(condition) => condition.describe(who, value, evidence),
            Condition::Latency(condition) => condition.describe(who, value, evidence),
            Condition::Outlier(condition) => condition.describe(who, value, evidence),
            Condition::QpsDrop(condition) => condition.describe(who, value, evidence),
            Condition::Absent(condition) => condition.describe(who, evidence),
            Condition::QpsLevel(condition) => condition.describe(who, value),
            Condition::AboveCapacity(condition) => condition.describe(who, value, evidence),
            Condition::TelemetryLate(condition) => condition.describe(value),
        }
    }

    /// A few words for a list: `success rate below 99 % in 1m`.
    pub fn summary(&self) -> String {
        match self {
            Condition::SuccessRate(condition) => condition.summary(),
            Condition::Latency(condition) => condition.summary(),
            Condition::Outlier(condition) => condition.summary(),
            Condition::QpsDrop(condition) => condition.summary(),
            Condition::Absent(condition) => condition.summary(),
            Condition::QpsLevel(condition) => condition.summary(),
            Condition::AboveCapacity(condition) => condition.summary(),
            Condition::TelemetryLate(condition) => condition.summary(),
        }
    }

    /// As it is declared, defaults filled in.
    pub fn to_json(&self) -> Value {
        match self {
            Condition::SuccessRate(condition) => condition.to_json(),
            Condition::Latency(condition) => condition.to_json(),
            Condition::Outlier(condition) => condition.to_json(),
            Condition::QpsDrop(condition) => condition.to_json(),
            Condition::Absent(condition) => condition.to_json(),
            Condition::QpsLevel(condition) => condition.to_json(),
            Condition::AboveCapacity(condition) => condition.to_json(),
            Condition::TelemetryLate(condition) => condition.to_json(),
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
            not_available(node, name, problems);
        }
    }
    if let Some(record) = rule.record("success_rate") {
        return success_rate::read(&record, problems).map(Condition::SuccessRate);
    }
    if let Some(record) = rule.record("latency") {
        return latency::read(&record, problems).map(Condition::Latency);
    }
    if let Some(record) = rule.record("outlier") {
        return outlier::read(&record, problems).map(Condition::Outlier);
    }
    qps::read(&rule.record("qps")?, zone, problems)
}

/// Says at its place that something is declared that this version does not evaluate.
pub(crate) fn not_available(node: &declare::Node, what: &str, problems: &mut Problems) {
    problems
        .error(node, format!("`{what}` is not available in this version"))
        .hint("`success_rate: {below}`, `qps: {drop | absent_for | below | above | above_capacity}`, `latency: {above}` and `outlier: {worse_by}` are");
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

/// Reads how sure an interval must be: 99.9 % unless declared.
pub(crate) fn read_confidence(record: &Layers<'_>, problems: &mut Problems) -> Option<Ratio> {
    let confidence = record.ratio("confidence").or_else(|| Ratio::new(0.999))?;
    if !(0.5..=0.999_999).contains(&confidence.get()) {
        problems.error(
            record.place_of("confidence"),
            format!("confidence {confidence} is out of range: write 50% to 99.9999%"),
        );
    }
    Some(confidence)
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
