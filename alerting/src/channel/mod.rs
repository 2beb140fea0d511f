//! The ways to a person or a machine. One small file a kind and one match arm: adding a channel is
//! adding both.

mod answer;
mod dingtalk;
mod email;
mod payload;
mod read;
mod sign;
mod smtp;
#[cfg(test)]
mod tests;
mod webhook;

use chrono_tz::Tz;
use declare::{Field, Node, Problems, Shape};
use outbound::Outbound;

use crate::delivery::{AddressKind, Attempt, Delivery, Limits};

pub use dingtalk::DingTalk;
pub use email::Email;
pub use webhook::Webhook;

/// Reads a secret file's content by its path, or says why it cannot.
pub type ReadSecret<'a> = &'a dyn Fn(&str) -> Result<String, String>;

/// A configured way: an account, a robot, an address.
#[derive(Clone, Debug)]
pub enum Channel {
    /// HTTP POST of JSON.
    Webhook(Webhook),
    /// A DingTalk group robot.
    DingTalk(DingTalk),
    /// SMTP.
    Email(Email),
}

/// The fields of a receiver or account that choose its channel, one for each kind.
pub fn fields() -> Vec<Field> {
    [webhook::record(), dingtalk::record(), email::record()]
        .into_iter()
        .map(|record| Field {
            name: record.name,
            doc: record.doc,
            shape: Shape::Record(record),
            required: false,
        })
        .collect()
}

/// The names of [`fields`], for `exactly_one` of a receiver's record.
pub const KINDS: &[&str] = &["webhook", "dingtalk", "email"];

impl Channel {
    /// Reads the one channel that `node` holds, after `declare::check`. What is still wrong then
    /// (an unreadable secret file, plain SMTP over a network) is reported at its place.
    pub fn read(node: &Node, problems: &mut Problems, secrets: ReadSecret<'_>) -> Option<Channel> {
        if let Some(inner) = node.field("webhook") {
            return Webhook::read(inner, problems, secrets).map(Channel::Webhook);
        }
        if let Some(inner) = node.field("dingtalk") {
            return DingTalk::read(inner, problems, secrets).map(Channel::DingTalk);
        }
        let inner = node.field("email")?;
        Email::read(inner, problems, secrets).map(Channel::Email)
    }

    /// Makes one attempt. It always ends within the channel's deadline and never panics; the caller
    /// has written down the attempt before, and writes down what becomes of it.
    pub async fn send(&self, delivery: &Delivery, outbound: &Outbound) -> Attempt {
        match self {
            Channel::Webhook(webhook) => webhook.send(delivery, outbound).await,
            Channel::DingTalk(robot) => robot.send(delivery, outbound).await,
            Channel::Email(email) => email.send(delivery).await,
        }
    }

    /// The word in configuration, records and metrics; also the key of a person's `im:`.
    pub fn kind(&self) -> &'static str {
        match self {
            Channel::Webhook(_) => "webhook",
            Channel::DingTalk(_) => "dingtalk",
            Channel::Email(_) => "email",
        }
    }

    /// The address a person must have to be reached this way; `None` when the channel itself knows
    /// where to go.
    pub fn needs_address(&self) -> Option<AddressKind> {
        match self {
            Channel::Email(email) if email.goes_to_person() => Some(AddressKind::Email),
            _ => None,
        }
    }

    /// How fast it may be used.
    pub fn limits(&self) -> Limits {
        match self {
            Channel::Webhook(_) => webhook::LIMITS,
            Channel::DingTalk(_) => dingtalk::LIMITS,
            Channel::Email(_) => email::LIMITS,
        }
    }

    /// The zone for times in messages, where the channel's own `time_zone` says nothing.
    pub fn set_default_time_zone(&mut self, zone: Tz) {
        let own = match self {
            Channel::Webhook(webhook) => &mut webhook.zone,
            Channel::DingTalk(robot) => &mut robot.zone,
            Channel::Email(email) => &mut email.zone,
        };
        own.get_or_insert(zone);
    }
}
