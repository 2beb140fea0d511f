//! `channels:` and `receivers:`: the ways out, each with a name.

use std::collections::BTreeMap;
use std::sync::Arc;

use declare::{Node, Problems, Record, Shape};

use super::{Medium, Surroundings};
use crate::channel::{self, Channel};
use crate::delivery::{Language, Limits, Quota};

/// One way out.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The receiver's name, or `channels.sms` for the account of a medium.
    pub name: String,
    /// How it is spoken to.
    pub channel: Channel,
    /// How fast it may be used.
    pub limits: Limits,
    /// How often it may be used for one number.
    pub quotas: &'static [Quota],
    /// Whether a message that may have arrived must not be sent again: people wake up from it.
    pub once_only: bool,
    /// Whether it hears that an incident is over.
    pub sends_resolved: bool,
    /// The language of its messages, when it says one.
    pub language: Option<Language>,
}

impl Endpoint {
    /// The word for its kind in records and metrics.
    pub fn kind(&self) -> &'static str {
        self.channel.kind()
    }
}

/// A named destination.
#[derive(Clone, Debug)]
pub struct Receiver {
    /// Its name.
    pub name: String,
    /// Its ways; none for the receiver that tells nobody.
    pub endpoints: Vec<Arc<Endpoint>>,
    /// The language of its messages, when it says one.
    pub language: Option<Language>,
}

pub(super) fn channels_shape() -> Shape {
    let mut record = Record::new("channels", "the accounts that steps use by medium");
    for (medium, doc) in [
        ("sms", "how text messages leave"),
        ("phone", "how calls leave"),
        ("email", "how mail to a person leaves"),
    ] {
        let mut account = Record::new("channel", "an account").exactly_one(channel::KINDS);
        account.fields.extend(channel::fields());
        record = record.field(medium, account.into(), doc);
    }
    record.into()
}

pub(super) fn receivers_shape() -> Shape {
    let mut receiver = Record::new("receiver", "a named destination")
        .required("name", Shape::Text, "what routes and steps call it")
        .field(
            "language",
            Shape::Choice(Language::WORDS),
            "the language of its messages",
        )
        .exactly_one(channel::KINDS);
    receiver.fields.extend(channel::fields());
    Shape::list(receiver)
}

pub(super) fn read_channels(
    node: Option<&Node>,
    surroundings: &Surroundings<'_>,
    problems: &mut Problems,
) -> BTreeMap<Medium, Arc<Endpoint>> {
    let mut channels = BTreeMap::new();
    for medium in [Medium::Sms, Medium::Phone, Medium::Email] {
        let Some(at) = node.and_then(|channels| channels.field(medium.as_str())) else {
            continue;
        };
        let name = format!("channels.{}", medium.as_str());
        if let Some(mut endpoint) = read_endpoint(name, at, surroundings, problems) {
            endpoint.once_only |= matches!(medium, Medium::Sms | Medium::Phone);
            channels.insert(medium, Arc::new(endpoint));
        }
    }
    channels
}

pub(super) fn read_receivers(
    node: Option<&Node>,
    surroundings: &Surroundings<'_>,
    problems: &mut Problems,
) -> BTreeMap<String, Receiver> {
    let mut receivers = BTreeMap::new();
    for at in node.into_iter().flat_map(Node::items) {
        let Some(name) = at.text_of("name").map(str::to_owned) else {
            continue;
        };
        let place = at.field("name").unwrap_or(at);
        if receivers.contains_key(&name) {
            problems
                .error(place, format!("receiver `{name}` is declared twice"))
                .hint("give each receiver a name of its own");
            continue;
        }
        if name == "owner" || name.starts_with("oncall/") || name.starts_with("channels.") {
            problems
                .error(place, format!("`{name}` cannot be a receiver's name"))
                .hint("`owner`, `oncall/…` and `channels.…` mean something else in steps");
        }
        let endpoint = read_endpoint(name.clone(), at, surroundings, problems);
        let receiver = Receiver {
            language: endpoint.as_ref().and_then(|endpoint| endpoint.language),
            endpoints: endpoint.into_iter().map(Arc::new).collect(),
            name: name.clone(),
        };
        receivers.insert(name, receiver);
    }
    receivers
}

fn read_endpoint(
    name: String,
    node: &Node,
    surroundings: &Surroundings<'_>,
    problems: &mut Problems,
) -> Option<Endpoint> {
    let mut channel = Channel::read(node, problems, surroundings.secrets)?;
    channel.set_default_time_zone(surroundings.time_zone);
    Some(Endpoint {
        name,
        limits: channel.limits(),
        quotas: channel.quotas(),
        once_only: channel.is_once_only(),
        sends_resolved: true,
        language: node.text_of("language").and_then(Language::from_word),
        channel,
    })
}
