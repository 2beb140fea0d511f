//! One chunk of lines of one source: good lines become rows, each bad one a refusal.

use std::sync::Arc;

use model::{FunctionId, Timestamp};
use serde::de::DeserializeSeed;
use sonic_rs::Deserializer;
use store::InvocationRows;

use super::draft::Draft;
use super::field::Field;
use super::flat::{Entry, FlatSeed};
use super::json::{Text, describe};
use super::lines::{Elements, Lines, is_document};
use super::mapped::{MappedSeed, Mapping};
use super::meaning::Meaning;
use super::nginx;
use super::plain::{ATTRS, Keys};
use super::refusal::{Mistake, Refusal, RefusalCounts, RefusalKind};
use super::row::{Fate, RowMaker};

/// The longest line read.
pub(crate) const LINE_BYTES_MAX: usize = 256 << 10;
/// Refusals kept with their reason per chunk; the rest is only counted.
pub(crate) const REFUSALS_MAX: usize = 100;
/// How much of a refused line goes to the dead letters.
pub(crate) const REFUSED_TEXT_BYTES_MAX: usize = 2048;

/// How the lines of a source are written.
#[derive(Clone, Debug, PartialEq)]
pub enum Format {
    /// Rampart's own: one JSON object a line.
    RampartJson,
    /// nginx's access log with [`super::NGINX_LOG_FORMAT`].
    NginxJson,
    /// Any JSON object a line, with declared paths.
    Mapped(Mapping),
}

impl Format {
    /// The name in configuration and answers.
    pub fn name(&self) -> &'static str {
        match self {
            Format::RampartJson => "rampart-json",
            Format::NginxJson => "nginx-json",
            Format::Mapped(_) => "mapped",
        }
    }
}

/// What came of one chunk.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    /// Lines that became rows.
    pub accepted: u64,
    /// Lines refused, by kind.
    pub rejected: RefusalCounts,
    /// The first refusals, with their reasons.
    pub refusals: Vec<Refusal>,
    /// Lines of functions that the source leaves out.
    pub skipped: u64,
    /// Values that were cut or clamped to a limit.
    pub clamped: u64,
    /// The functions of which there are rows.
    pub functions: Vec<FunctionId>,
    /// When the newest call was complete, also of those left out; refused lines have no say.
    pub newest: Option<Timestamp>,
}

impl Decoded {
    fn refuse(&mut self, line: usize, mistake: Mistake, text: &[u8]) {
        self.rejected.add(mistake.kind, 1);
        if self.refusals.len() < REFUSALS_MAX {
            let text = text.get(..REFUSED_TEXT_BYTES_MAX).unwrap_or(text);
            self.refusals.push(Refusal {
                line,
                kind: mistake.kind,
                reason: mistake.reason,
                text: String::from_utf8_lossy(text).into_owned(),
            });
        }
    }

    /// Adds what came of the next chunk; its lines are counted on from `lines`.
    pub fn merge(&mut self, other: Decoded, lines: usize) {
        self.accepted += other.accepted;
        self.rejected.merge(&other.rejected);
        self.skipped += other.skipped;
        self.clamped += other.clamped;
        let room = REFUSALS_MAX.saturating_sub(self.refusals.len());
        let later = other.refusals.into_iter().take(room);
        self.refusals.extend(later.map(|refusal| Refusal {
            line: refusal.line + lines,
            ..refusal
        }));
        self.functions.extend(other.functions);
        self.newest = self.newest.max(other.newest);
    }
}

/// Decodes chunks of one source.
#[derive(Debug)]
pub struct Decoder {
    format: Format,
    meaning: Arc<Meaning>,
    maker: RowMaker,
    scratch: String,
    /// The keys of lines that were plain.
    keys: Keys,
    /// Reads every line with the general reader, to which the quick one is held.
    #[cfg(test)]
    pub(super) careful: bool,
}

impl Decoder {
    /// A decoder for lines in `format` that mean `meaning`.
    pub fn new(format: Format, meaning: Arc<Meaning>) -> Self {
        Decoder {
            maker: RowMaker::new(&meaning),
            format,
            meaning,
            scratch: String::new(),
            keys: Keys::default(),
            #[cfg(test)]
            careful: false,
        }
    }

    /// Reads one chunk of lines. Good ones go to `rows`; blank ones are nothing.
    pub fn decode(
        &mut self,
        chunk: &[u8],
        seen_at: Timestamp,
        rows: &mut InvocationRows,
    ) -> Decoded {
        self.decode_parts(Lines::of(chunk), seen_at, rows)
    }

    /// Reads a body that calls itself JSON: a list, an object over several lines, or lines.
    pub fn decode_document(
        &mut self,
        body: &[u8],
        seen_at: Timestamp,
        rows: &mut InvocationRows,
    ) -> Decoded {
        if is_document(body) {
            self.decode_parts(Elements::of(body), seen_at, rows)
        } else {
            self.decode(body, seen_at, rows)
        }
    }

    fn decode_parts<'a>(
        &mut self,
        parts: impl Iterator<Item = &'a [u8]>,
        seen_at: Timestamp,
        rows: &mut InvocationRows,
    ) -> Decoded {
        let mut decoded = Decoded::default();
        let mut draft = Draft::default();
        self.maker.begin();
        for (index, part) in parts.enumerate() {
            if part.trim_ascii_start().is_empty() {
                continue;
            }
            let fate = if part.len() > LINE_BYTES_MAX {
                Fate::Refused(Mistake {
                    kind: RefusalKind::TooLong,
                    reason: format!("longer than {LINE_BYTES_MAX} bytes"),
                })
            } else {
                match std::str::from_utf8(part) {
                    Ok(text) => self.line(text, &mut draft, seen_at, rows),
                    Err(error) => self.odd_line(part, error, seen_at, rows),
                }
            };
            match fate {
                Fate::Taken => decoded.accepted += 1,
                Fate::Skipped => decoded.skipped += 1,
                Fate::Refused(mistake) => decoded.refuse(index + 1, mistake, part),
            }
        }
        decoded.functions = self.maker.functions.take_seen();
        decoded.newest = self.maker.newest;
        decoded.clamped = self.maker.clamped;
        decoded
    }

    /// A line with bytes that are not UTF-8. nginx logs what a client sent as it came, so there it
    /// is no mistake of the line's writer; elsewhere it is.
    fn odd_line(
        &mut self,
        line: &[u8],
        error: std::str::Utf8Error,
        seen_at: Timestamp,
        rows: &mut InvocationRows,
    ) -> Fate {
        if self.format != Format::NginxJson {
            let at = error.valid_up_to();
            return Fate::Refused(Mistake::syntax(format!("not UTF-8 after byte {at}")));
        }
        let text = String::from_utf8_lossy(line);
        self.line(&text, &mut Draft::default(), seen_at, rows)
    }

    #[inline]
    fn line<'a>(
        &mut self,
        line: &'a str,
        draft: &mut Draft<'a>,
        seen_at: Timestamp,
        rows: &mut InvocationRows,
    ) -> Fate {
        let read = if self.read_plain(line, draft) {
            Ok(())
        } else {
            draft.clear();
            self.scratch.clear();
            self.read(line, draft)
        };
        let fate = match read {
            Ok(()) => self
                .maker
                .make(draft, &self.meaning, seen_at, &self.scratch, rows),
            Err(error) => Fate::Refused(Mistake::syntax(describe(&error))),
        };
        self.maker.clamped += draft.clamped;
        fate
    }

    /// Reads what nearly every line is; `false` where this one is not, and then the draft is nothing.
    #[inline]
    fn read_plain<'a>(&mut self, line: &'a str, draft: &mut Draft<'a>) -> bool {
        #[cfg(test)]
        if self.careful {
            return false;
        }
        if self.format != Format::RampartJson {
            return false;
        }
        draft.clear();
        self.scratch.clear();
        let (outcomes, scratch) = (&self.meaning.outcomes, &mut self.scratch);
        let read = self.keys.read(line, |field, name, value| match field {
            Some(field) => draft.set(field, name, value, outcomes, scratch),
            None => draft.attr(Text::Plain(name), value, scratch),
        });
        read.is_some()
    }

    /// Reads any line.
    fn read<'a>(&mut self, line: &'a str, draft: &mut Draft<'a>) -> Result<(), sonic_rs::Error> {
        let mut json = Deserializer::from_str(line);
        let outcomes = &self.meaning.outcomes;
        let scratch = &mut self.scratch;
        match &self.format {
            Format::RampartJson => FlatSeed {
                scratch,
                opened: ATTRS,
                take: |entry: Entry<'a>, scratch: &mut String| {
                    let Entry { key, value, inside } = entry;
                    let known = match key {
                        Text::Plain(name) if !inside => Field::from_name(name).map(|f| (f, name)),
                        _ => None,
                    };
                    match known {
                        Some((field, name)) => draft.set(field, name, value, outcomes, scratch),
                        None => draft.attr(key, value, scratch),
                    }
                },
            }
            .deserialize(&mut json),
            Format::NginxJson => {
                let mut upstream = nginx::Upstream::default();
                let read = FlatSeed {
                    scratch: &mut *scratch,
                    opened: "",
                    take: |entry: Entry<'a>, scratch: &mut String| {
                        nginx::take(entry, draft, &mut upstream, outcomes, scratch);
                    },
                }
                .deserialize(&mut json);
                nginx::settle(draft, &upstream, scratch);
                read
            }
            Format::Mapped(mapping) => {
                MappedSeed::new(mapping, outcomes, draft, scratch).deserialize(&mut json)
            }
        }
        .and_then(|()| json.end())
    }
}
