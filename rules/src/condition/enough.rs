//! How many calls it takes to judge, and how sure a proof must be: what conditions about shares have in
//! common.

use declare::{Problems, Record, Shape};
use model::Ratio;
use serde_json::{Value, json};

use super::Why;
use crate::layers::Layers;
use crate::wilson::{self, Interval};

/// The fewest calls to judge by, and the confidence of the two-sided interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Enough {
    /// The fewest calls.
    pub min_calls: u64,
    /// Of the interval.
    pub confidence: Ratio,
}

/// Adds both fields to a record.
pub(super) fn fields(record: Record, min_calls_doc: &'static str) -> Record {
    record
        .field(
            "min_calls",
            Shape::Integer {
                min: 1,
                max: 1_000_000_000,
            },
            min_calls_doc,
        )
        .field(
            "confidence",
            Shape::Ratio,
            "how sure the interval must be, 50% to 99.9999%; 99.9% if left out",
        )
}

/// Reads both: 99.9 % unless declared.
pub(super) fn read(record: &Layers<'_>, min_calls: u64, problems: &mut Problems) -> Option<Enough> {
    let confidence = record.ratio("confidence").or_else(|| Ratio::new(0.999))?;
    if !(0.5..=0.999_999).contains(&confidence.get()) {
        problems.error(
            record.place_of("confidence"),
            format!("confidence {confidence} is out of range: write 50% to 99.9999%"),
        );
    }
    Some(Enough {
        min_calls: record.whole("min_calls").unwrap_or(min_calls).max(1),
        confidence,
    })
}

impl Enough {
    /// Why this many calls say nothing, if so.
    pub fn too_few(&self, counted: u64) -> Option<Why> {
        (counted < self.min_calls).then_some(Why::FewCalls {
            counted,
            needed: self.min_calls,
        })
    }

    /// Wilson's interval of a share.
    pub fn interval(&self, hits: u64, calls: u64) -> Interval {
        wilson::interval(hits, calls, self.z())
    }

    /// The normal quantile of the confidence.
    pub fn z(&self) -> f64 {
        wilson::z_of(self.confidence.get())
    }

    /// As declared, to be put among the fields of a condition.
    pub(super) fn add_to(&self, mut json: Value) -> Value {
        if let Some(fields) = json.as_object_mut() {
            fields.insert("min_calls".to_owned(), json!(self.min_calls));
            fields.insert("confidence".to_owned(), json!(self.confidence.to_string()));
        }
        json
    }
}
