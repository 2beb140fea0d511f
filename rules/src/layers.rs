//! A record with the record that overrides it: `rush:` over a rule.

use std::time::Duration;

use declare::Node;
use model::{Rate, Ratio};

/// Reads a field from the override if it is there, else from the base.
#[derive(Clone, Copy)]
pub(crate) struct Layers<'a> {
    base: &'a Node,
    over: Option<&'a Node>,
}

impl<'a> Layers<'a> {
    pub(crate) fn plain(base: &'a Node) -> Self {
        Layers { base, over: None }
    }

    pub(crate) fn overridden(base: &'a Node, over: &'a Node) -> Self {
        Layers {
            base,
            over: Some(over),
        }
    }

    pub(crate) fn field(&self, name: &str) -> Option<&'a Node> {
        self.over
            .and_then(|over| over.field(name))
            .or_else(|| self.base.field(name))
    }

    /// The record under a field, itself layered.
    pub(crate) fn record(&self, name: &str) -> Option<Layers<'a>> {
        let over = self.over.and_then(|over| over.field(name));
        match (self.base.field(name), over) {
            (Some(base), over) => Some(Layers { base, over }),
            (None, Some(over)) => Some(Layers::plain(over)),
            (None, None) => None,
        }
    }

    /// Where problems of the whole record are shown: at the override if there is one.
    pub(crate) fn place(&self) -> &'a Node {
        self.over.unwrap_or(self.base)
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
