//! What templates work with.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono_tz::Tz;
use model::Timestamp;

use super::{format, layout};

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Text),
    List(Arc<[Value]>),
    /// Names with texts, as labels are; what is absent is empty.
    Pairs(Arc<BTreeMap<String, Text>>),
    /// Names with values, as `dict` makes them.
    Map(Arc<BTreeMap<String, Value>>),
    Record(Arc<Record>),
    Time(Moment),
    /// A length of time in microseconds.
    Span(i64),
}

/// A text, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) text: Arc<str>,
    /// It came with an alert and is made inert before it is written.
    pub(crate) foreign: bool,
}

/// Something with fields of its own.
#[derive(Debug)]
pub(crate) struct Record {
    /// What it is, for messages: `an alert`.
    pub(crate) what: &'static str,
    pub(crate) fields: Vec<(&'static str, Value)>,
}

/// An instant with the zone it is shown in; `None` is Go's zero time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) at: Option<Timestamp>,
    pub(crate) zone: Tz,
}

impl Text {
    /// The author's own.
    pub(crate) fn own(text: impl Into<Arc<str>>) -> Text {
        Text {
            text: text.into(),
            foreign: false,
        }
    }

    /// From an alert.
    pub(crate) fn foreign(text: impl Into<Arc<str>>) -> Text {
        Text {
            text: text.into(),
            foreign: true,
        }
    }

    /// As it is written into a medium.
    pub(super) fn inert(&self, escape: fn(&str) -> String) -> String {
        if self.foreign {
            escape(&self.text)
        } else {
            self.text.as_ref().to_owned()
        }
    }

    /// Several as one. Where the author's and foreign text meet, the foreign is made inert at once: later
    /// nobody could tell them apart.
    pub(super) fn joined(parts: &[Text], escape: fn(&str) -> String) -> Text {
        let foreign = parts.iter().filter(|part| !part.text.is_empty());
        let mut kinds = foreign.map(|part| part.foreign);
        let first = kinds.next().unwrap_or(false);
        if kinds.all(|kind| kind == first) {
            let text: String = parts.iter().map(|part| part.text.as_ref()).collect();
            return Text {
                text: text.into(),
                foreign: first,
            };
        }
        let text: String = parts.iter().map(|part| part.inert(escape)).collect();
        Text::own(text)
    }
}

impl Record {
    pub(super) fn field(&self, name: &str) -> Option<&Value> {
        let mut fields = self.fields.iter();
        fields
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }
}

impl Value {
    pub(crate) fn own(text: impl Into<Arc<str>>) -> Value {
        Value::Text(Text::own(text))
    }

    pub(crate) fn foreign(text: impl Into<Arc<str>>) -> Value {
        Value::Text(Text::foreign(text))
    }

    pub(crate) fn list(items: impl IntoIterator<Item = Value>) -> Value {
        Value::List(items.into_iter().collect())
    }

    pub(crate) fn record(what: &'static str, fields: Vec<(&'static str, Value)>) -> Value {
        Value::Record(Arc::new(Record { what, fields }))
    }

    /// What it is, for messages.
    pub(super) fn what(&self) -> &'static str {
        match self {
            Value::Nil => "nothing",
            Value::Bool(_) => "a truth value",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Pairs(_) => "labels",
            Value::Map(_) => "a dict",
            Value::Record(record) => record.what,
            Value::Time(_) => "a time",
            Value::Span(_) => "a duration",
        }
    }

    /// Whether `if` takes it: neither zero nor empty.
    pub(super) fn holds(&self) -> bool {
        match self {
            Value::Nil => false,
            Value::Bool(value) => *value,
            Value::Int(value) => *value != 0,
            Value::Float(value) => *value != 0.0,
            Value::Text(text) => !text.text.is_empty(),
            Value::List(items) => !items.is_empty(),
            Value::Pairs(pairs) => !pairs.is_empty(),
            Value::Map(map) => !map.is_empty(),
            Value::Span(micros) => *micros != 0,
            Value::Record(_) | Value::Time(_) => true,
        }
    }

    /// As it is printed.
    pub(super) fn text(&self) -> Text {
        match self {
            Value::Nil => Text::own("<no value>"),
            Value::Bool(value) => Text::own(value.to_string()),
            Value::Int(value) => Text::own(value.to_string()),
            Value::Float(value) => Text::own(format::float(*value)),
            Value::Text(text) => text.clone(),
            Value::Time(moment) => Text::own(layout::shown(*moment)),
            Value::Span(micros) => Text::own(layout::span(*micros)),
            Value::List(items) => {
                let shown: Vec<Text> = items.iter().map(Value::text).collect();
                together("[", &shown, "]")
            }
            Value::Pairs(pairs) => {
                let pairs = pairs.iter().map(|(name, value)| Text {
                    foreign: true,
                    ..named(name, value)
                });
                together("map[", &pairs.collect::<Vec<_>>(), "]")
            }
            Value::Map(map) => {
                let pairs = map.iter().map(|(name, value)| named(name, &value.text()));
                together("map[", &pairs.collect::<Vec<_>>(), "]")
            }
            Value::Record(record) => {
                let fields = record.fields.iter().map(|(_, value)| value.text());
                together("{", &fields.collect::<Vec<_>>(), "}")
            }
        }
    }
}

fn named(name: &str, value: &Text) -> Text {
    Text {
        text: format!("{name}:{}", value.text).into(),
        foreign: value.foreign,
    }
}

fn together(open: &str, parts: &[Text], close: &str) -> Text {
    let inner: Vec<&str> = parts.iter().map(|part| part.text.as_ref()).collect();
    Text {
        text: format!("{open}{}{close}", inner.join(" ")).into(),
        foreign: parts.iter().any(|part| part.foreign),
    }
}
