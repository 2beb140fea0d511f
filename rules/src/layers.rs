//! A record with the record that overrides it: `rush:` over a rule.

use std::time::Duration;

use declare::Node;
use model::{Rate, Ratio};

/// Reads a field from the most specific layer that has it.
#[derive(Clone, Copy)]
pub(crate) struct Layers<'a> {
    base: &'a Node,
    /// What overrides it, each one what stands before it.
    over: [Option<&'a Node>; 2],
}

impl<'a> Layers<'a> {
    pub(crate) fn plain(base: &'a Node) -> Self {
        Layers {
            base,
            over: [None; 2],
        }
    }

    /// With one more override, of two at most.
    pub(crate) fn and(self, over: &'a Node) -> Self {
        let [first, _] = self.over;
        let over = match first {
            None => [Some(over), None],
            Some(_) => [first, Some(over)],
        };
        Layers { over, ..self }
    }

    pub(crate) fn field(&self, name: &str) -> Option<&'a Node> {
        let mut over = self.over.into_iter().rev().flatten();
        over.find_map(|over| over.field(name))
            .or_else(|| self.base.field(name))
    }

    /// The record under a field, itself layered.
    pub(crate) fn record(&self, name: &str) -> Option<Layers<'a>> {
        let mut over = self.over.map(|over| over.and_then(|over| over.field(name)));
        if let Some(base) = self.base.field(name) {
            return Some(Layers { base, over });
        }
        let lowest = over.iter_mut().find(|over| over.is_some())?;
        let base = lowest.take()?;
        Some(Layers { base, over })
    }

    /// Where problems of the whole record are shown: at the override if there is one.
    pub(crate) fn place(&self) -> &'a Node {
        let over = self.over.into_iter().rev().flatten().next();
        over.unwrap_or(self.base)
    }

    /// Where problems of a field are shown.
    pub(crate) fn place_of(&self, name: &str) -> &'a Node {
        self.field(name).unwrap_or_else(|| self.place())
    }

    pub(crate) fn ratio(&self, name: &str) -> Option<Ratio> {
        self.field(name).and_then(Node::ratio)
    }

    pub(crate) fn rate(&self, name: &str) -> Option<Rate> {
        self.field(name).and_then(Node::rate)
    }

    pub(crate) fn duration(&self, name: &str) -> Option<Duration> {
        self.field(name).and_then(Node::duration)
    }

    pub(crate) fn whole(&self, name: &str) -> Option<u64> {
        self.field(name)
            .and_then(Node::integer)
            .and_then(|number| u64::try_from(number).ok())
    }

    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        self.field(name).and_then(Node::number)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        self.field(name).and_then(Node::text)
    }
}
