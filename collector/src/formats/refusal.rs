//! Why a line was not taken.

use serde::Serialize;

/// What kind of mistake; a bounded vocabulary, so that it may stand in a metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// Not the syntax of the format.
    Syntax,
    /// A required field is absent.
    MissingField,
    /// A field's value cannot be what it says.
    BadField,
    /// The time lies too far ahead of this machine's clock, or before the year 2000.
    BadTime,
    /// The line is longer than the cap.
    TooLong,
    /// More than the cap of one batch or scrape.
    TooMany,
    /// A row that the store will never take.
    Unstorable,
}

impl RefusalKind {
    /// Every kind; `as usize` is the index into it.
    pub const ALL: [RefusalKind; 7] = [
        RefusalKind::Syntax,
        RefusalKind::MissingField,
        RefusalKind::BadField,
        RefusalKind::BadTime,
        RefusalKind::TooLong,
        RefusalKind::TooMany,
        RefusalKind::Unstorable,
    ];

    /// The word in metrics and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            RefusalKind::Syntax => "syntax",
            RefusalKind::MissingField => "missing_field",
            RefusalKind::BadField => "bad_field",
            RefusalKind::BadTime => "bad_time",
            RefusalKind::TooLong => "too_long",
            RefusalKind::TooMany => "too_many",
            RefusalKind::Unstorable => "unstorable",
        }
    }
}

/// One line that was not taken, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The line, counted from 1 in its batch, body or file chunk.
    pub line: usize,
    /// What kind of mistake.
    pub kind: RefusalKind,
    /// The reason for a person: `field outcome: unknown value "okk"`.
    pub reason: String,
    /// The beginning of the line itself, for the dead letters.
    pub text: String,
}

/// How many lines were refused, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RefusalCounts([u64; RefusalKind::ALL.len()]);

impl RefusalCounts {
    /// Counts one more.
    pub fn add(&mut self, kind: RefusalKind, lines: u64) {
        if let Some(count) = self.0.get_mut(kind as usize) {
            *count += lines;
        }
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &RefusalCounts) {
        for (kind, lines) in other.iter() {
            self.add(kind, lines);
        }
    }

    /// The kinds that occurred, with how many lines.
    pub fn iter(&self) -> impl Iterator<Item = (RefusalKind, u64)> {
        RefusalKind::ALL
            .into_iter()
            .zip(self.0)
            .filter(|(_, lines)| *lines > 0)
    }

    /// All kinds together.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// A mistake in one field of a line, before the line's number is known.
#[derive(Clone, Debug)]
pub(crate) struct Mistake {
    pub(crate) kind: RefusalKind,
    pub(crate) reason: String,
}

impl Mistake {
    pub(crate) fn in_field(field: &str, what: impl std::fmt::Display) -> Self {
        Mistake {
            kind: RefusalKind::BadField,
            reason: format!("field {field}: {what}"),
        }
    }

    pub(crate) fn missing(field: &str, hint: &str) -> Self {
        Mistake {
            kind: RefusalKind::MissingField,
            reason: format!("field {field}: missing{hint}"),
        }
    }

    pub(crate) fn in_time(field: &str, what: &str) -> Self {
        Mistake {
            kind: RefusalKind::BadTime,
            reason: format!("field {field}: {what}"),
        }
    }

    pub(crate) fn syntax(reason: String) -> Self {
        Mistake {
            kind: RefusalKind::Syntax,
            reason,
        }
    }
}
