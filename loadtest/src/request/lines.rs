//! The lines of a body file, held once and given out in turn.

use std::ops::Range;

use bytes::Bytes;
use serde::de::IgnoredAny;

/// Lines of a text, without their ends; blank ones are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    text: Bytes,
    ranges: Vec<Range<usize>>,
    all_json: bool,
}

impl Lines {
    /// Finds the lines of a text.
    pub fn new(text: String) -> Self {
        let mut ranges = Vec::new();
        let mut all_json = true;
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let content = line.trim_end_matches(['\n', '\r']);
            if !content.trim().is_empty() {
                ranges.push(start..start + content.len());
                all_json = all_json && is_json(content.as_bytes());
            }
            start += line.len();
        }
        Lines {
            all_json: all_json && !ranges.is_empty(),
            ranges,
            text: text.into(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The line of a request's number: after the last one the first again. Empty without lines.
    pub fn in_turn(&self, number: u64) -> Bytes {
        self.range_in_turn(number)
            .map_or_else(Bytes::new, |range| self.text.slice(range))
    }

    /// The same as [`Lines::in_turn`], not counted as a holder.
    pub(super) fn line_in_turn(&self, number: u64) -> &[u8] {
        self.range_in_turn(number)
            .and_then(|range| self.text.get(range))
            .unwrap_or(b"")
    }

    fn range_in_turn(&self, number: u64) -> Option<Range<usize>> {
        let index = number.checked_rem(self.ranges.len() as u64)?;
        self.ranges.get(usize::try_from(index).ok()?).cloned()
    }

    /// Every line.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.ranges
            .iter()
            .map(|range| self.text.get(range.clone()).unwrap_or(b""))
    }

    /// Whether every line is a JSON document.
    pub fn all_json(&self) -> bool {
        self.all_json
    }

    /// The whole text, for a hash over it.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }
}

/// Whether a body is one JSON document.
pub(super) fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(body).is_ok()
}
