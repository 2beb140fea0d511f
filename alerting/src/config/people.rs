//! `people:`: who can be told, and where.

use std::collections::BTreeMap;

use declare::{Node, Record, Shape};

use crate::delivery::{Language, Person};

pub(super) fn record() -> Record {
    Record::new("person", "somebody who can be told")
        .field("name", Shape::Text, "how others call them")
        .field(
            "im",
            Shape::map("channel kind", Shape::Text),
            "their identity by channel, such as the mobile number DingTalk mentions",
        )
        .field(
            "sms",
            Shape::Text,
            "number for text messages, with country code",
        )
        .field("phone", Shape::Text, "number for calls, with country code")
        .field("email", Shape::Text, "mail address")
        .field(
            "language",
            Shape::Choice(Language::WORDS),
            "the language they are written to in",
        )
}

pub(super) fn read(node: Option<&Node>) -> BTreeMap<String, Person> {
    let person = |(key, value): (&Node, &Node)| {
        let id = key.key_text()?.to_owned();
        let owned = |field: &str| value.text_of(field).map(str::to_owned);
        let im = value
            .field("im")
            .into_iter()
            .flat_map(Node::fields)
            .filter_map(|(kind, at)| Some((kind.key_text()?.to_owned(), at.text()?.to_owned())))
            .collect();
        let person = Person {
            name: owned("name").unwrap_or_else(|| id.clone()),
            im,
            sms: owned("sms"),
            phone: owned("phone"),
            email: owned("email"),
            language: value.text_of("language").and_then(Language::from_word),
            id: id.clone(),
        };
        Some((id, person))
    };
    node.into_iter()
        .flat_map(Node::fields)
        .filter_map(person)
        .collect()
}
