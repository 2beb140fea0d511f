//! The record `qps:` and which of its kinds it is.

use declare::{Problems, Record, Shape};

use super::{Condition, above_capacity, absent, falls_early, qps_drop, qps_level};
use crate::layers::Layers;

const KINDS: &[&str] = &[
    "detect",
    "drop",
    "absent_for",
    "below",
    "above",
    "above_capacity",
];

pub(super) fn record() -> Record {
    let record = Record::new("qps", "fires on too few or too many calls per second");
    let record = qps_level::fields(absent::fields(qps_drop::fields(record)));
    let record = above_capacity::fields(record)
        .field(
            "over",
            Shape::Duration,
            "the window, 1s to 15m; 5m for `drop`, 1m for the others if left out",
        )
        .field(
            "min_baseline",
            Shape::Rate,
            "judged only where this much traffic is usual; 1/s if left out",
        );
    falls_early::fields(record)
}

pub(super) fn read(
    record: &Layers<'_>,
    zone: chrono_tz::Tz,
    problems: &mut Problems,
) -> Option<Condition> {
    let present: Vec<&str> = KINDS
        .iter()
        .copied()
        .filter(|kind| record.field(kind).is_some())
        .collect();
    match present.as_slice() {
        ["detect"] => falls_early::read(record, zone, problems).map(Condition::FallsEarly),
        ["drop"] => qps_drop::read(record, zone, problems).map(Condition::QpsDrop),
        ["absent_for"] => absent::read(record, problems).map(Condition::Absent),
        ["below" | "above"] => qps_level::read(record, problems).map(Condition::QpsLevel),
        ["above_capacity"] => above_capacity::read(record, problems).map(Condition::AboveCapacity),
        [] => {
            problems
                .error(record.place(), "`qps` does not say what is wrong")
                .hint("write one of `detect`, `drop`, `absent_for`, `below`, `above`, `above_capacity`");
            None
        }
        several => {
            problems
                .error(
                    record.place(),
                    format!("`qps` holds {} at once", several.join(" and ")),
                )
                .hint("write one rule for each");
            None
        }
    }
}
