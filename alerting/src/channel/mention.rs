//! Who is called by name in a room.

use declare::{Node, Shape};

use crate::delivery::{Delivery, MessageKind, Person};

/// More names than this ring nobody the sooner.
const MENTIONS_MAX: usize = 20;

/// Who is called by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mention {
    OnCall,
    Everybody,
    Nobody,
}

/// Whom a message calls.
pub(super) struct Called<'a> {
    pub(super) everybody: bool,
    /// People with their identity in this chat, each once.
    pub(super) people: Vec<(&'a Person, &'a str)>,
}

impl Mention {
    pub(super) const DOC: &'static str =
        "who is called by name when an incident opens; who is on call when absent";

    pub(super) fn shape() -> Shape {
        Shape::Choice(&["oncall", "all", "none"])
    }

    /// Where nobody can be called but by name.
    pub(super) fn shape_of_people() -> Shape {
        Shape::Choice(&["oncall", "none"])
    }

    pub(super) fn read(node: &Node) -> Mention {
        match node.text_of("at") {
            Some("all") => Mention::Everybody,
            Some("none") => Mention::Nobody,
            _ => Mention::OnCall,
        }
    }

    /// Nobody is rung for good news. Identities that `is_identity` does not know are passed over:
    /// they could be markup.
    pub(super) fn called<'a>(
        self,
        delivery: &'a Delivery,
        kind: &str,
        is_identity: impl Fn(&str) -> bool,
    ) -> Called<'a> {
        let mut called = Called {
            everybody: false,
            people: Vec::new(),
        };
        if delivery.kind == MessageKind::Resolved {
            return called;
        }
        match self {
            Mention::Nobody => {}
            Mention::Everybody => called.everybody = true,
            Mention::OnCall => {
                let recipient = &delivery.recipient;
                for person in recipient.mentions.iter().chain(&recipient.person) {
                    let Some(identity) = person.im.get(kind).map(|text| text.trim()) else {
                        continue;
                    };
                    let known = called.people.iter().any(|(_, known)| *known == identity);
                    if !known && is_identity(identity) && called.people.len() < MENTIONS_MAX {
                        called.people.push((person, identity));
                    }
                }
            }
        }
        called
    }
}

/// Whether `text` has this many bytes, all ASCII letters, digits or among `more`.
pub(super) fn is_plain(text: &str, bytes_max: usize, more: &[u8]) -> bool {
    (1..=bytes_max).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
}
