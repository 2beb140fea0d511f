//! The questions' filters: matchers, receivers, and the states to leave out.

use model::{Labels, Matcher};
use regex::Regex;

use super::Refusal;
use crate::pipeline::ActiveAlert;

/// The most filters of one question.
const FILTERS_MAX: usize = 64;

/// What a question wants of alerts.
#[derive(Debug)]
pub(super) struct Wanted {
    matchers: Vec<Matcher>,
    receiver: Option<Regex>,
    active: bool,
    silenced: bool,
    inhibited: bool,
    unprocessed: bool,
}

impl Wanted {
    pub(super) fn read(pairs: &[(String, String)]) -> Result<Self, Refusal> {
        let mut wanted = Wanted {
            matchers: matchers(pairs)?,
            receiver: None,
            active: true,
            silenced: true,
            inhibited: true,
            unprocessed: true,
        };
        for (name, value) in pairs {
            let flag = match name.as_str() {
                "active" => &mut wanted.active,
                "silenced" => &mut wanted.silenced,
                "inhibited" => &mut wanted.inhibited,
                "unprocessed" => &mut wanted.unprocessed,
                "receiver" => {
                    wanted.receiver = Some(pattern(value)?);
                    continue;
                }
                _ => continue,
            };
            *flag = value.parse().map_err(|_| {
                Refusal::bad(format!(
                    "parsing {name} parameter: {value:?} is not a boolean"
                ))
            })?;
        }
        Ok(wanted)
    }

    /// Whether an alert is among them.
    pub(super) fn has(&self, active: &ActiveAlert) -> bool {
        let muted_by = &active.muted_by;
        let (silenced, inhibited) = (
            !muted_by.silences.is_empty(),
            !muted_by.inhibitors.is_empty(),
        );
        let state = (self.active || silenced || inhibited)
            && (self.silenced || !silenced)
            && (self.inhibited || !inhibited);
        state
            && active
                .receivers
                .iter()
                .any(|receiver| self.has_receiver(receiver))
            && self
                .matchers
                .iter()
                .all(|matcher| matcher.matches(&active.alert.labels))
    }

    pub(super) fn has_receiver(&self, receiver: &str) -> bool {
        let pattern = self.receiver.as_ref();
        pattern.is_none_or(|pattern| pattern.is_match(receiver))
    }
}

/// The matchers of every `filter`.
pub(super) fn matchers(pairs: &[(String, String)]) -> Result<Vec<Matcher>, Refusal> {
    let filters: Vec<&String> = pairs
        .iter()
        .filter(|(name, _)| name == "filter" || name == "filter[]")
        .map(|(_, value)| value)
        .collect();
    if filters.len() > FILTERS_MAX {
        return Err(Refusal::bad(format!("more than {FILTERS_MAX} filters")));
    }
    let parse = |text: &&String| {
        text.parse()
            .map_err(|cause| Refusal::bad(format!("bad matcher format: {cause}")))
    };
    filters.iter().map(parse).collect()
}

/// Whether a silence with these matchers is meant: their values are looked at as if they were labels.
pub(super) fn means_silence(filters: &[Matcher], matchers: &[Matcher]) -> bool {
    let pairs = matchers
        .iter()
        .map(|matcher| (matcher.name(), matcher.value()));
    let labels = Labels::from_pairs(pairs);
    filters.iter().all(|filter| filter.matches(&labels))
}

fn pattern(value: &str) -> Result<Regex, Refusal> {
    const PROGRAM_BYTES_MAX: usize = 1 << 20;
    regex::RegexBuilder::new(&format!("^(?:{value})$"))
        .size_limit(PROGRAM_BYTES_MAX)
        .build()
        .map_err(|cause| Refusal::bad(format!("failed to parse receiver param: {cause}")))
}
