//! What stands in the variables of an approved template.

use declare::{Node, Record, Shape};
use serde_json::{Map, Value};

use crate::delivery::Delivery;
use crate::message::{Message, cut_chars, one_line, short, spoken};

/// What a variable can hold.
const WORDS: &[&str] = &[
    "text",
    "spoken",
    "severity",
    "function",
    "title",
    "since",
    "recipient",
    "code",
];
/// The provider takes 35 characters in a variable of most templates.
const CHARS_MAX_DEFAULT: usize = 35;

/// A template's variables and what stands in each.
#[derive(Clone, Debug)]
pub(super) struct Variables {
    named: Vec<(String, String)>,
    chars_max: usize,
}

/// Adds `variables` and `variable_chars_max`.
pub(super) fn with_variables(record: Record) -> Record {
    record
        .field(
            "variables",
            Shape::map("template variable", Shape::Choice(WORDS)),
            "what stands in each of the template's variables; `{text: text}` when absent",
        )
        .field(
            "variable_chars_max",
            Shape::Integer { min: 4, max: 1_000 },
            "the most characters of one variable, 35 when absent",
        )
}

impl Variables {
    pub(super) fn read(node: &Node) -> Variables {
        let fields = node.field("variables");
        let mut named: Vec<(String, String)> = fields
            .iter()
            .flat_map(|map| map.fields())
            .filter_map(|(key, word)| Some((key.key_text()?.to_owned(), word.text()?.to_owned())))
            .collect();
        if fields.is_none() {
            named.push(("text".to_owned(), "text".to_owned()));
        }
        let chars_max = node.integer_of("variable_chars_max");
        Variables {
            named,
            chars_max: chars_max
                .and_then(|chars| usize::try_from(chars).ok())
                .unwrap_or(CHARS_MAX_DEFAULT),
        }
    }

    /// Whether one of them holds this.
    pub(super) fn hold(&self, word: &str) -> bool {
        self.named.iter().any(|(_, held)| held == word)
    }

    /// The variables as a JSON object in a text; no value is empty, holds a link or is too long.
    pub(super) fn json(&self, delivery: &Delivery, message: &Message) -> String {
        let mut values = Map::new();
        for (name, word) in &self.named {
            values.insert(
                name.clone(),
                Value::String(self.value(word, delivery, message)),
            );
        }
        Value::Object(values).to_string()
    }

    fn value(&self, word: &str, delivery: &Delivery, message: &Message) -> String {
        let incident = &delivery.incident;
        let text = match word {
            "spoken" => spoken(message),
            "severity" => message.tag.clone(),
            "function" => incident.function.clone().unwrap_or_default(),
            "title" => incident.title.clone(),
            "since" => message.since.clone(),
            "code" => incident.code.clone().unwrap_or_default(),
            "recipient" => {
                let person = delivery.recipient.person.as_ref();
                person.map_or_else(
                    || delivery.recipient.name.clone(),
                    |person| person.name.clone(),
                )
            }
            _ => short(message, self.chars_max),
        };
        // The provider refuses brackets of signatures and whatever looks like a link.
        let text = text
            .replace(['【', '】'], " ")
            .replace("://", " ")
            .replace("www.", "www ");
        let text = cut_chars(&one_line(&text, self.chars_max), self.chars_max);
        if text.is_empty() {
            "-".to_owned()
        } else {
            text
        }
    }
}
