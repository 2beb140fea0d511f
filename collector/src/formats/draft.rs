//! One line on its way to becoming a row: fields as they were found, then checked together.

use model::{FunctionId, Outcome, Timestamp, Traffic};

use super::field::{Field, Span, TextField};
use super::instant::{Minute, decimal, micros_of, micros_with_unit, read_instant};
use super::json::{Scalar, Text, cut};
use super::meaning::OutcomeMap;
use super::refusal::Mistake;

/// Attributes kept per row.
pub(crate) const ATTRS_MAX: usize = 32;
/// The longest attribute name, in bytes.
const ATTR_NAME_BYTES_MAX: usize = 128;
/// The longest attribute value and the longest text of any other field, in bytes.
const TEXT_BYTES_MAX: usize = 1024;
/// The longest span believed; longer ones are clamped to it and counted.
pub(crate) const SPAN_US_MAX: i64 = 86_400_000_000;
/// The largest weight believed.
const WEIGHT_MAX: i64 = 1_000_000;

/// What has been read of one line. It is cleared and used again for the next line.
#[derive(Debug, Default)]
pub(crate) struct Draft<'a> {
    texts: [Text<'a>; TextField::COUNT],
    pub(crate) ts: Option<Timestamp>,
    pub(crate) completed_at: Option<Timestamp>,
    pub(crate) duration_us: Option<i64>,
    pub(crate) init_us: Option<i64>,
    pub(crate) queue_us: Option<i64>,
    pub(crate) attempt: u16,
    pub(crate) cold_start: bool,
    pub(crate) memory_limit: Option<u64>,
    pub(crate) memory_max: Option<u64>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) http_status: Option<u16>,
    pub(crate) traffic: Option<Traffic>,
    pub(crate) weight: Option<u32>,
    pub(crate) attrs: Vec<(Text<'a>, Text<'a>)>,
    /// Values that were cut or clamped to a limit.
    pub(crate) clamped: u64,
    /// Whether a text of the line may have to be cut.
    long: bool,
    /// The minute of the times read last, which outlives the line.
    minute: Minute,
    /// The first mistake; reading goes on so that the syntax is checked to the end.
    pub(crate) mistake: Option<Mistake>,
}

impl<'a> Draft<'a> {
    pub(crate) fn clear(&mut self) {
        let mut attrs = std::mem::take(&mut self.attrs);
        attrs.clear();
        *self = Draft {
            attrs,
            minute: self.minute,
            ..Draft::default()
        };
    }

    #[inline]
    pub(crate) fn text(&self, field: TextField) -> Text<'a> {
        self.texts
            .get(field as usize)
            .copied()
            .unwrap_or(Text::Absent)
    }

    #[inline]
    pub(crate) fn set_text(&mut self, field: TextField, text: Text<'a>) {
        if let Some(slot) = self.texts.get_mut(field as usize) {
            *slot = text;
            self.long |= text.bytes() > TEXT_BYTES_MAX;
        }
    }

    /// Notes a mistake unless there already is one.
    #[cold]
    pub(crate) fn mistaken(&mut self, mistake: Mistake) {
        self.mistake.get_or_insert(mistake);
    }

    /// Takes one value into its field. `name` is what the line calls it. Null is the same as absent.
    #[inline]
    pub(crate) fn set(
        &mut self,
        field: Field,
        name: &str,
        value: Scalar<'a>,
        outcomes: &OutcomeMap,
        scratch: &mut String,
    ) {
        match (field, value) {
            // Most are.
            (Field::Text(field), Scalar::Text(text)) => self.set_text(field, text),
            _ => self.set_other(field, name, value, outcomes, scratch),
        }
    }

    fn set_other(
        &mut self,
        field: Field,
        name: &str,
        value: Scalar<'a>,
        outcomes: &OutcomeMap,
        scratch: &mut String,
    ) {
        if matches!(value, Scalar::Null) {
            return;
        }
        match field {
            Field::Text(field) => {
                if let Some(text) = value.into_text(scratch) {
                    self.set_text(field, text);
                }
            }
            Field::Ts => self.ts = self.instant(name, value, scratch),
            Field::CompletedAt => self.completed_at = self.instant(name, value, scratch),
            Field::Number(span, scale) => {
                let micros = micros_of(value, scale, scratch);
                self.set_span(span, name, micros, value, "a number", scratch);
            }
            Field::Spelled(span) => {
                let micros = match value {
                    Scalar::Text(text) => micros_with_unit(text, scratch),
                    _ => None,
                };
                let expected = "a duration with its unit, such as \"12ms\"";
                self.set_span(span, name, micros, value, expected, scratch);
            }
            Field::Attempt => self.attempt = self.whole(name, value, 0, 65_535, scratch) as u16,
            Field::Weight => {
                self.weight = Some(self.whole(name, value, 1, WEIGHT_MAX, scratch) as u32);
            }
            Field::MemoryLimit => self.memory_limit = self.bytes(name, value, scratch),
            Field::MemoryMax => self.memory_max = self.bytes(name, value, scratch),
            Field::ColdStart => self.set_cold_start(name, value, scratch),
            Field::Outcome => self.set_outcome(name, value, outcomes, scratch),
            Field::HttpStatus => self.set_http_status(name, value, scratch),
            Field::Traffic => self.set_traffic(name, value, scratch),
            Field::StressMark => {
                let mark = value.into_text(scratch).unwrap_or_default();
                if !matches!(mark.read(scratch), "" | "-" | "0" | "false") {
                    self.traffic = Some(Traffic::Stress);
                }
            }
        }
    }

    /// Keeps a value under a name of its own; beyond the limits it is cut or dropped, and counted.
    pub(crate) fn attr(&mut self, name: Text<'a>, value: Scalar<'a>, scratch: &mut String) {
        let Some(text) = value.into_text(scratch) else {
            return;
        };
        if self.attrs.len() >= ATTRS_MAX {
            self.clamped += 1;
            return;
        }
        let name = self.fitted(name, ATTR_NAME_BYTES_MAX, scratch);
        let text = self.fitted(text, TEXT_BYTES_MAX, scratch);
        self.attrs.push((name, text));
    }

    fn fitted(&mut self, text: Text<'a>, bytes: usize, scratch: &str) -> Text<'a> {
        if text.read(scratch).len() <= bytes {
            return text;
        }
        self.clamped += 1;
        match text {
            Text::Absent => Text::Absent,
            Text::Plain(text) => Text::Plain(cut(text, bytes)),
            Text::Kept(from, _) => Text::Kept(from, from + cut(text.read(scratch), bytes).len()),
        }
    }

    /// Cuts every text but the function's own to the limit.
    #[inline]
    pub(crate) fn fit_texts(&mut self, scratch: &str) {
        if self.long {
            self.cut_texts(scratch);
        }
    }

    #[cold]
    fn cut_texts(&mut self, scratch: &str) {
        for index in 0..TextField::COUNT {
            if let Some(text) = self.texts.get(index).copied()
                && text.read(scratch).len() > TEXT_BYTES_MAX
            {
                let text = self.fitted(text, TEXT_BYTES_MAX, scratch);
                if let Some(slot) = self.texts.get_mut(index) {
                    *slot = text;
                }
            }
        }
    }

    fn instant(&mut self, name: &str, value: Scalar<'a>, scratch: &str) -> Option<Timestamp> {
        if let Scalar::Text(Text::Plain(text)) = value
            && let Some(instant) = self.minute.read(text)
        {
            return Some(instant);
        }
        if is_blank(value, scratch) {
            return None;
        }
        let instant = read_instant(value, scratch);
        if instant.is_none() {
            let shown = show(value, scratch);
            self.mistaken(Mistake::in_field(
                name,
                format!("{shown} is neither an RFC 3339 time nor an epoch number"),
            ));
        }
        instant
    }

    fn set_span(
        &mut self,
        span: Span,
        name: &str,
        micros: Option<i64>,
        value: Scalar<'a>,
        expected: &str,
        scratch: &str,
    ) {
        if micros.is_none() && !is_blank(value, scratch) {
            let shown = show(value, scratch);
            self.mistaken(Mistake::in_field(
                name,
                format!("{shown} is not {expected}"),
            ));
        }
        let believed = micros.map(|micros| micros.clamp(0, SPAN_US_MAX));
        self.clamped += u64::from(believed != micros);
        match span {
            Span::Duration => self.duration_us = believed,
            Span::Init => self.init_us = believed,
            Span::Queue => self.queue_us = believed,
        }
    }

    fn whole(&mut self, name: &str, value: Scalar<'a>, min: i64, max: i64, scratch: &str) -> i64 {
        let number = match value {
            Scalar::Integer(number) => Some(number),
            Scalar::Unsigned(_) => Some(i64::MAX),
            Scalar::Float(number) if number.fract() == 0.0 => Some(number as i64),
            Scalar::Text(text) => text.read(scratch).trim().parse().ok(),
            _ => None,
        };
        let Some(number) = number else {
            let shown = show(value, scratch);
            self.mistaken(Mistake::in_field(
                name,
                format!("{shown} is not a whole number"),
            ));
            return min;
        };
        let believed = number.clamp(min, max);
        self.clamped += u64::from(believed != number);
        believed
    }

    fn bytes(&mut self, name: &str, value: Scalar<'a>, scratch: &str) -> Option<u64> {
        u64::try_from(self.whole(name, value, 0, i64::MAX, scratch)).ok()
    }

    fn set_cold_start(&mut self, name: &str, value: Scalar<'a>, scratch: &str) {
        let read = match value {
            Scalar::Bool(value) => Some(value),
            Scalar::Integer(number) => match number {
                0 => Some(false),
                1 => Some(true),
                _ => None,
            },
            Scalar::Text(text) => match text.read(scratch) {
                "true" | "1" => Some(true),
                "false" | "0" | "" | "-" => Some(false),
                _ => None,
            },
            _ => None,
        };
        let Some(read) = read else {
            let shown = show(value, scratch);
            let mistake = Mistake::in_field(name, format!("{shown} is not true or false"));
            return self.mistaken(mistake);
        };
        self.cold_start = read;
    }

    fn set_outcome(
        &mut self,
        name: &str,
        value: Scalar<'a>,
        outcomes: &OutcomeMap,
        scratch: &mut String,
    ) {
        let text = value.into_text(scratch).unwrap_or_default();
        let word = text.read(scratch);
        if word.is_empty() {
            return;
        }
        self.outcome = outcomes.of_word(word);
        if self.outcome.is_none() {
            let shown = cut(word, 64);
            self.mistaken(Mistake::in_field(name, format!("unknown value {shown:?}")));
        }
    }

    fn set_http_status(&mut self, name: &str, value: Scalar<'a>, scratch: &str) {
        let number = match value {
            Scalar::Integer(number) => u16::try_from(number).ok(),
            Scalar::Float(number) if number.fract() == 0.0 => Some(number as u16),
            Scalar::Text(text) => match last_of_list(text.read(scratch)) {
                "" | "-" => return,
                text => text.parse().ok(),
            },
            _ => None,
        };
        let status = number.filter(|status| *status == 0 || (100..=599).contains(status));
        if status.is_none() {
            let shown = show(value, scratch);
            self.mistaken(Mistake::in_field(
                name,
                format!("{shown} is not an HTTP status"),
            ));
        }
        self.http_status = status;
    }

    fn set_traffic(&mut self, name: &str, value: Scalar<'a>, scratch: &mut String) {
        let text = value.into_text(scratch).unwrap_or_default();
        let word = text.read(scratch);
        if matches!(word, "" | "-") {
            return;
        }
        self.traffic = Traffic::from_word(word);
        if self.traffic.is_none() {
            let shown = cut(word, 64);
            self.mistaken(Mistake::in_field(name, format!("unknown value {shown:?}")));
        }
    }
}

/// The last item of a list as nginx writes it over several upstreams: `502, 200` or `502 : 200`.
pub(crate) fn last_of_list(text: &str) -> &str {
    text.rsplit([',', ':']).next().unwrap_or(text).trim()
}

/// The sum of such a list of seconds, in µs; `-` counts nothing.
pub(crate) fn sum_of_list(text: &str) -> Option<i64> {
    let mut micros = None;
    for item in text.split([',', ':']).map(str::trim) {
        if let Some(seconds) = decimal(item) {
            let total = micros.unwrap_or(0.0) + seconds * 1e6;
            micros = Some(total);
        }
    }
    micros.map(|micros: f64| micros.round() as i64)
}

/// Whether a text says that there is nothing.
fn is_blank(value: Scalar<'_>, scratch: &str) -> bool {
    matches!(value, Scalar::Text(text) if matches!(text.read(scratch), "" | "-"))
}

fn show(value: Scalar<'_>, scratch: &str) -> String {
    match value {
        Scalar::Null => "null".to_owned(),
        Scalar::Bool(value) => value.to_string(),
        Scalar::Integer(number) => number.to_string(),
        Scalar::Unsigned(number) => number.to_string(),
        Scalar::Float(number) => number.to_string(),
        Scalar::Text(text) => format!("{:?}", cut(text.read(scratch), 64)),
        Scalar::Nested(text) => cut(text.read(scratch), 64).to_owned(),
    }
}

/// Whether a pair of texts may name a function.
pub(crate) fn is_function(namespace: &str, name: &str) -> bool {
    FunctionId::is_part(namespace) && !namespace.contains('/') && FunctionId::is_part(name)
}
