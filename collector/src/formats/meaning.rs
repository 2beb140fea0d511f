//! What the lines of one source mean beyond their format: whose calls they are, what their status
//! words stand for, and what is true of every line.

use std::collections::HashMap;

use model::{FunctionId, Glob, Outcome};
use regex::Regex;

use super::field::TextField;

/// Words of a source and the outcomes they stand for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutcomeMap {
    words: HashMap<String, Outcome>,
    statuses: HashMap<u16, Outcome>,
}

impl OutcomeMap {
    /// From pairs of the source's word (or HTTP status) and the outcome.
    pub fn new(pairs: impl IntoIterator<Item = (String, Outcome)>) -> Self {
        let words: HashMap<String, Outcome> = pairs.into_iter().collect();
        let statuses = words
            .iter()
            .filter_map(|(word, outcome)| Some((word.parse().ok()?, *outcome)))
            .collect();
        OutcomeMap { words, statuses }
    }

    /// The outcome a word stands for: the source's own meaning first, then the vocabulary.
    pub(crate) fn of_word(&self, word: &str) -> Option<Outcome> {
        if !self.words.is_empty()
            && let Some(outcome) = self.words.get(word)
        {
            return Some(*outcome);
        }
        Outcome::from_word(word)
    }

    /// The outcome an HTTP status stands for: the source's own meaning first.
    pub(crate) fn of_status(&self, status: u16) -> Option<Outcome> {
        if !self.statuses.is_empty()
            && let Some(outcome) = self.statuses.get(&status)
        {
            return Some(*outcome);
        }
        Outcome::from_http_status(status)
    }
}

/// A pattern that takes the function out of a path or a name.
#[derive(Clone, Debug)]
pub(crate) struct FunctionPattern {
    pub(crate) from: TextField,
    pub(crate) regex: Regex,
}

impl PartialEq for FunctionPattern {
    fn eq(&self, other: &Self) -> bool {
        self.from == other.from && self.regex.as_str() == other.regex.as_str()
    }
}

/// How the function of a line is found.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionSource {
    /// The namespace of lines that name none.
    pub(crate) namespace: String,
    /// Where a pattern looks; without one the line's own fields name the function.
    pub(crate) pattern: Option<FunctionPattern>,
    /// Only these functions are taken; empty takes all.
    pub(crate) only: Vec<Glob>,
}

impl Default for FunctionSource {
    fn default() -> Self {
        FunctionSource {
            namespace: FunctionId::DEFAULT_NAMESPACE.to_owned(),
            pattern: None,
            only: Vec::new(),
        }
    }
}

/// What every line of a source means.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meaning {
    /// The source's name, in every row.
    pub source: String,
    /// How the function is found.
    pub function: FunctionSource,
    /// What its status words stand for.
    pub outcomes: OutcomeMap,
    /// Fields that hold for every line that does not say otherwise.
    pub(crate) labels: Vec<(TextField, String)>,
}

impl Meaning {
    /// Lines that say everything themselves.
    pub fn of_source(source: &str) -> Self {
        Meaning {
            source: source.to_owned(),
            ..Meaning::default()
        }
    }
}
