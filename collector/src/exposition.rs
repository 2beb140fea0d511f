//! Metrics as text: the Prometheus text format 0.0.4 and OpenMetrics 1.0.
//!
//! Strict: a line is taken as its writer meant it or refused with the reason. The two dialects
//! differ where it corrupts silently to mix them up: timestamps are milliseconds in one and seconds
//! in the other, only one has exemplars and an end mark, only one lets blanks stand anywhere.
//! Names in quotes (`{"http.server.duration"}`) are refused; the scrape does not ask for them.

mod cursor;
mod line;

use std::collections::{BTreeMap, HashSet};

use crate::formats::{Lines, Refusal, RefusalCounts, RefusalKind, cut};
pub use line::Exposed;
use line::{Comment, Line};

/// Refusals kept with their reason per exposition; the rest is only counted.
const REFUSALS_MAX: usize = 100;
/// The longest line read.
const LINE_BYTES_MAX: usize = 64 << 10;
/// The end mark of OpenMetrics.
const END: &[u8] = b"# EOF";

/// Which of the two formats a body is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Prometheus text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Dialect {
    /// What a scrape asks for, OpenMetrics first.
    pub const ACCEPT: &'static str =
        "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

    /// The dialect of an answer. Without a content type, or with one that is neither, it is taken as
    /// the older format, as many small exporters forget it.
    pub fn of_content_type(content_type: Option<&str>) -> Self {
        let media = content_type.unwrap_or("").split(';').next().unwrap_or("");
        if media
            .trim()
            .eq_ignore_ascii_case("application/openmetrics-text")
        {
            Dialect::OpenMetrics
        } else {
            Dialect::Text
        }
    }
}

/// What an exposition says of the metrics of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Family {
    /// `counter`, `gauge`, …
    pub kind: Option<String>,
    /// The unit, in OpenMetrics.
    pub unit: Option<String>,
    /// The explanation.
    pub help: Option<String>,
}

/// What was read.
#[derive(Debug, Default)]
pub struct Exposition<'a> {
    /// The samples in the order written.
    pub samples: Vec<Exposed<'a>>,
    /// What is said of each family.
    pub families: BTreeMap<String, Family>,
    /// The first refused lines.
    pub refusals: Vec<Refusal>,
    /// How many lines were refused.
    pub rejected: RefusalCounts,
    /// Whether it came to its end: OpenMetrics' end mark, the last line's newline.
    pub complete: bool,
}

/// Reads an exposition. Samples beyond `samples_max` are refused.
pub fn read(body: &[u8], dialect: Dialect, samples_max: usize) -> Exposition<'_> {
    let mut reader = Reader {
        dialect,
        samples_max,
        read: Exposition::default(),
        sampled: HashSet::new(),
    };
    let mut ended = None;
    for (index, bytes) in Lines::of(body).enumerate() {
        if ended.is_some() {
            ended = None;
            reader.refuse(index + 1, "text after # EOF", bytes);
            break;
        }
        if dialect == Dialect::OpenMetrics && bytes == END {
            ended = Some(index);
            continue;
        }
        reader.line(index + 1, bytes, is_last_and_open(body, bytes));
    }
    let mut read = reader.read;
    read.complete = match dialect {
        Dialect::OpenMetrics => ended.is_some(),
        Dialect::Text => body.is_empty() || body.ends_with(b"\n"),
    };
    read
}

/// Whether `line` ends the body without a newline, so that its last characters may be missing.
fn is_last_and_open(body: &[u8], line: &[u8]) -> bool {
    !line.is_empty() && std::ptr::eq(line.as_ptr_range().end, body.as_ptr_range().end)
}

struct Reader<'a> {
    dialect: Dialect,
    samples_max: usize,
    read: Exposition<'a>,
    /// Names that already have samples: their TYPE comes too late.
    sampled: HashSet<&'a str>,
}

impl<'a> Reader<'a> {
    fn line(&mut self, number: usize, bytes: &'a [u8], open: bool) {
        if open {
            return self.refuse(
                number,
                "the last line has no newline: it may be cut off",
                bytes,
            );
        }
        if bytes.len() > LINE_BYTES_MAX {
            return self.refuse_as(number, RefusalKind::TooLong, "the line is too long", bytes);
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            return self.refuse(number, "not UTF-8", bytes);
        };
        match line::read(text, self.dialect) {
            Ok(Line::Nothing) => {}
            Ok(Line::Comment(comment)) => {
                if let Err(reason) = self.comment(comment) {
                    self.refuse(number, reason, bytes);
                }
            }
            Ok(Line::Sample(sample)) => {
                if self.read.samples.len() >= self.samples_max {
                    let reason = "more samples than the limit";
                    return self.refuse_as(number, RefusalKind::TooMany, reason, bytes);
                }
                self.sampled.insert(sample.name);
                self.read.samples.push(sample);
            }
            Err(reason) => self.refuse(number, &reason, bytes),
        }
    }

    fn comment(&mut self, comment: Comment<'_>) -> Result<(), &'static str> {
        let (Comment::Help(name, _) | Comment::Type(name, _) | Comment::Unit(name, _)) = &comment;
        let name = *name;
        if matches!(comment, Comment::Type(..)) && self.sampled.contains(name) {
            return Err("the type must come before the samples");
        }
        if !self.read.families.contains_key(name) && self.read.families.len() >= self.samples_max {
            return Err("more families than the limit");
        }
        let family = self.read.families.entry(name.to_owned()).or_default();
        let (slot, text) = match comment {
            Comment::Help(_, text) => (&mut family.help, text.into_owned()),
            Comment::Type(_, kind) => (&mut family.kind, kind.to_owned()),
            Comment::Unit(_, unit) => (&mut family.unit, unit.to_owned()),
        };
        if slot.is_some() {
            return Err("said twice of the same name");
        }
        *slot = Some(text);
        Ok(())
    }

    fn refuse(&mut self, line: usize, reason: &str, bytes: &[u8]) {
        self.refuse_as(line, RefusalKind::Syntax, reason, bytes);
    }

    fn refuse_as(&mut self, line: usize, kind: RefusalKind, reason: &str, bytes: &[u8]) {
        self.read.rejected.add(kind, 1);
        if self.read.refusals.len() < REFUSALS_MAX {
            let text = String::from_utf8_lossy(bytes);
            self.read.refusals.push(Refusal {
                line,
                kind,
                reason: reason.to_owned(),
                text: cut(&text, 2048).to_owned(),
            });
        }
    }
}

#[cfg(test)]
mod tests;
