//! From a draft to a row: what is required, what follows from what, and which times are believed.

use std::time::Duration;

use model::{Outcome, Timestamp, Traffic};
use regex::CaptureLocations;
use store::{Invocation, InvocationRows};

use super::draft::{ATTRS_MAX, Draft};
use super::field::TextField;
use super::functions::{Functions, Standing};
use super::json::{Text, cut};
use super::meaning::Meaning;
use super::refusal::Mistake;

/// How far ahead of this machine's clock a call may lie.
pub const AHEAD_MAX: Duration = Duration::from_mins(10);
/// 2000-01-01: an earlier call is a clock that was never set, or a number in the wrong unit.
const EARLIEST: Timestamp = Timestamp::from_seconds(946_684_800);
/// Attributes of most rows fit here, which keeps the copy small.
const ATTRS_FEW: usize = 8;

/// What became of a draft.
#[derive(Debug)]
pub(crate) enum Fate {
    /// It is a row.
    Taken,
    /// It is somebody else's call: no pattern or `only` of the source takes it.
    Skipped,
    /// It cannot be a row.
    Refused(Mistake),
}

/// Turns drafts of one source into rows.
#[derive(Debug)]
pub(crate) struct RowMaker {
    pub(crate) functions: Functions,
    /// When the newest call of the chunk was complete.
    pub(crate) newest: Option<Timestamp>,
    /// How many values of the chunk were cut or clamped to a limit.
    pub(crate) clamped: u64,
    locations: Option<CaptureLocations>,
    namespace_group: Option<usize>,
    function_group: Option<usize>,
}

impl RowMaker {
    pub(crate) fn new(meaning: &Meaning) -> Self {
        let regex = meaning.function.pattern.as_ref().map(|p| &p.regex);
        let group = |name: &str| {
            regex.and_then(|regex| regex.capture_names().position(|group| group == Some(name)))
        };
        RowMaker {
            functions: Functions::new(),
            newest: None,
            clamped: 0,
            locations: regex.map(regex::Regex::capture_locations),
            namespace_group: group("namespace"),
            function_group: group("function"),
        }
    }

    /// Begins a chunk.
    pub(crate) fn begin(&mut self) {
        self.functions.begin();
        self.newest = None;
        self.clamped = 0;
    }

    /// Checks the draft and pushes its row.
    pub(crate) fn make(
        &mut self,
        draft: &mut Draft<'_>,
        meaning: &Meaning,
        seen_at: Timestamp,
        scratch: &str,
        rows: &mut InvocationRows,
    ) -> Fate {
        if let Some(mistake) = draft.mistake.take() {
            return Fate::Refused(mistake);
        }
        let Some((namespace, function)) = self.function_of(draft, meaning, scratch) else {
            return self.skip(draft, seen_at);
        };
        if function.is_empty() {
            return Fate::Refused(Mistake::missing("function", ""));
        }
        match self
            .functions
            .look_up(namespace, function, &meaning.function.only)
        {
            Standing::Taken => {}
            Standing::LeftOut => return self.skip(draft, seen_at),
            Standing::Impossible => return Fate::Refused(impossible(namespace, function)),
        }
        let outcome = match outcome_of(draft, meaning) {
            Ok(outcome) => outcome,
            Err(mistake) => return Fate::Refused(mistake),
        };
        let (ts, duration_us) = match times_of(draft, seen_at) {
            Ok(times) => times,
            Err(mistake) => return Fate::Refused(mistake),
        };
        self.newest = self.newest.max(Some(completion(ts, duration_us)));
        draft.fit_texts(scratch);
        let row = Row {
            draft,
            meaning,
            scratch,
            seen_at,
        };
        row.push(namespace, function, outcome, ts, duration_us, rows);
        Fate::Taken
    }

    /// Somebody else's call still shows how far its sender is.
    fn skip(&mut self, draft: &Draft<'_>, seen_at: Timestamp) -> Fate {
        let began = || Some(completion(draft.ts?, draft.duration_us.unwrap_or(0)));
        let complete = began().or(draft.completed_at).unwrap_or(seen_at);
        self.newest = self.newest.max(Some(complete));
        Fate::Skipped
    }

    /// Namespace and name; `None` when the source's pattern does not match.
    fn function_of<'s>(
        &mut self,
        draft: &Draft<'s>,
        meaning: &'s Meaning,
        scratch: &'s str,
    ) -> Option<(&'s str, &'s str)> {
        let source = &meaning.function;
        let Some(pattern) = &source.pattern else {
            let function = draft.text(TextField::Function).read(scratch);
            let namespace = draft.text(TextField::Namespace).read(scratch);
            return Some(if namespace.is_empty() {
                // Whoever writes `guide/feed` means what rules and owners mean by it.
                split_name(function).unwrap_or((&source.namespace, function))
            } else {
                (namespace, function)
            });
        };
        let text = draft.text(pattern.from).read(scratch);
        let text = match pattern.from {
            TextField::Path => text.split(['?', '#']).next().unwrap_or(text),
            _ => text,
        };
        let locations = self.locations.as_mut()?;
        pattern.regex.captures_read(locations, text)?;
        let part = |group: Option<usize>| {
            let (from, to) = locations.get(group?)?;
            text.get(from..to)
        };
        let function = part(self.function_group).filter(|name| !name.is_empty())?;
        let namespace = part(self.namespace_group)
            .filter(|namespace| !namespace.is_empty())
            .or(match draft.text(TextField::Namespace).read(scratch) {
                "" => None,
                namespace => Some(namespace),
            })
            .unwrap_or(&source.namespace);
        Some((namespace, function))
    }
}

/// Namespace and name of a function written as one, at the first slash.
#[inline]
fn split_name(function: &str) -> Option<(&str, &str)> {
    let parts = function.split_once('/')?;
    (!parts.0.is_empty() && !parts.1.is_empty()).then_some(parts)
}

fn completion(ts: Timestamp, duration_us: i64) -> Timestamp {
    ts + Duration::from_micros(u64::try_from(duration_us).unwrap_or(0))
}

#[cold]
fn impossible(namespace: &str, function: &str) -> Mistake {
    let (field, text) = if super::draft::is_function(namespace, "x") {
        ("function", function)
    } else {
        ("namespace", namespace)
    };
    Mistake::in_field(
        field,
        format!(
            "{:?} is not possible: write 1 to {} bytes without control characters, and no / in a namespace",
            cut(text, 64),
            model::FunctionId::PART_CHARS_MAX
        ),
    )
}

fn outcome_of(draft: &Draft<'_>, meaning: &Meaning) -> Result<Outcome, Mistake> {
    if let Some(outcome) = draft.outcome {
        return Ok(outcome);
    }
    draft
        .http_status
        .and_then(|status| meaning.outcomes.of_status(status))
        .ok_or_else(|| Mistake::missing("outcome", ", and there is no http_status either"))
}

/// When the call began and how long it took. A line that says neither when it began nor when it
/// was complete was complete when it was seen.
fn times_of(draft: &mut Draft<'_>, seen_at: Timestamp) -> Result<(Timestamp, i64), Mistake> {
    let duration_us = draft.duration_us.unwrap_or(0);
    let duration = Duration::from_micros(u64::try_from(duration_us).unwrap_or(0));
    let (field, ts) = match (draft.ts, draft.completed_at) {
        (Some(ts), _) => ("ts", ts),
        (None, Some(completed)) => ("completed_at", completed - duration),
        (None, None) => ("ts", seen_at - duration),
    };
    if ts < EARLIEST {
        return Err(Mistake::in_time(field, "before the year 2000"));
    }
    if ts > seen_at + AHEAD_MAX {
        return Err(Mistake::in_time(
            field,
            "more than 10 minutes ahead of the clock here",
        ));
    }
    if ts + duration <= seen_at + AHEAD_MAX {
        return Ok((ts, duration_us));
    }
    // Calls count where they are complete: an absurd duration must not count one in the future.
    draft.clamped += 1;
    let longest = seen_at.since(ts).as_micros();
    Ok((ts, i64::try_from(longest).unwrap_or(0)))
}

/// A checked draft and what its source adds.
struct Row<'r, 'a> {
    draft: &'r Draft<'a>,
    meaning: &'r Meaning,
    scratch: &'r str,
    seen_at: Timestamp,
}

impl<'r, 'a: 'r> Row<'r, 'a> {
    /// The line's own text, else what the source's labels say.
    #[inline]
    fn text(&self, field: TextField) -> &'r str {
        let own = self.draft.text(field).read(self.scratch);
        if !own.is_empty() || self.meaning.labels.is_empty() {
            return own;
        }
        let label = self
            .meaning
            .labels
            .iter()
            .find(|(label, _)| *label == field);
        label.map_or("", |(_, text)| text.as_str())
    }

    fn push(
        &self,
        namespace: &str,
        function: &str,
        outcome: Outcome,
        ts: Timestamp,
        duration_us: i64,
        rows: &mut InvocationRows,
    ) {
        let mut few = [("", ""); ATTRS_FEW];
        let mut many;
        let room: &mut [(&str, &str)] = if self.draft.attrs.len() <= ATTRS_FEW {
            &mut few
        } else {
            many = [("", ""); ATTRS_MAX];
            &mut many
        };
        let mut count = 0;
        for (slot, (name, value)) in room.iter_mut().zip(&self.draft.attrs) {
            *slot = (self.read(*name), self.read(*value));
            count += 1;
        }
        let draft = self.draft;
        rows.push(&Invocation {
            ts,
            namespace,
            function,
            version: self.text(TextField::Version),
            alias: self.text(TextField::Alias),
            request_id: self.text(TextField::RequestId),
            attempt: draft.attempt,
            trace_id: self.text(TextField::TraceId),
            instance: self.text(TextField::Instance),
            region: self.text(TextField::Region),
            zone: self.text(TextField::Zone),
            unit: self.text(TextField::Unit),
            trigger: self.text(TextField::Trigger),
            duration_us,
            init_us: draft.init_us,
            queue_us: draft.queue_us,
            cold_start: draft.cold_start,
            memory_limit: draft.memory_limit,
            memory_max: draft.memory_max,
            outcome,
            error_type: self.text(TextField::ErrorType),
            http_status: draft.http_status,
            served_by: self.text(TextField::ServedBy),
            traffic: draft.traffic.unwrap_or(Traffic::Live),
            layer: self.text(TextField::Layer),
            weight: draft.weight.unwrap_or(1),
            source: &self.meaning.source,
            seen_at: self.seen_at,
            attrs: room.get(..count).unwrap_or(&[]),
        });
    }

    fn read(&self, text: Text<'a>) -> &'r str {
        text.read(self.scratch)
    }
}
