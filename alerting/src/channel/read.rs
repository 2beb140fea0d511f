//! Reading what the channels' configuration has in common: secrets, addresses, deadlines, zones.

use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;
use declare::{Node, Problems, Record, Shape};
use model::Secret;

use super::ReadSecret;
use super::look::{Look, To};
use crate::delivery::Delivery;
use crate::message::Message;

pub(super) const DEADLINE_DEFAULT: Duration = Duration::from_secs(10);
const DEADLINE_MIN: Duration = Duration::from_millis(100);
const DEADLINE_MAX: Duration = Duration::from_mins(1);

/// What every channel has.
#[derive(Clone, Debug)]
pub(super) struct Common {
    /// How long one attempt may take.
    pub(super) deadline: Duration,
    /// The zone for times in its messages.
    pub(super) zone: Option<Tz>,
    /// How its messages look, where an `alertmanager.yml` says so.
    pub(super) look: Option<Arc<Look>>,
}

impl Common {
    /// The fields of [`with_common`].
    pub(super) fn read(node: &Node, problems: &mut Problems) -> Common {
        Common {
            deadline: deadline(node, problems),
            zone: node.field("time_zone").and_then(Node::time_zone),
            look: None,
        }
    }

    /// What a field of an `alertmanager.yml` says of a delivery.
    pub(super) fn said(&self, field: &str, delivery: &Delivery, to: To) -> Option<String> {
        let look = self.look.as_ref()?;
        look.said(field, delivery, self.zone.unwrap_or(Tz::UTC), to)
    }

    /// The same of several fields, those that say something one below the other.
    pub(super) fn said_by(&self, fields: &[&str], delivery: &Delivery, to: To) -> Option<String> {
        let said = fields
            .iter()
            .filter_map(|field| self.said(field, delivery, to));
        let said: Vec<String> = said.collect();
        (!said.is_empty()).then(|| said.join("\n"))
    }

    /// The message of a delivery, with times in the channel's zone.
    pub(super) fn compose(&self, delivery: &Delivery) -> Message {
        Message::compose(delivery, self.zone.unwrap_or(Tz::UTC))
    }
}

/// Adds the address that a channel cannot do without; `doc` says whose it is.
pub(crate) fn with_url(record: Record, doc: &'static str) -> Record {
    record
        .field("url", Shape::Url, doc)
        .field("url_file", Shape::Text, "a file that holds the address")
        .exactly_one(&["url", "url_file"])
}

/// Adds whether a chat shows the picture, which its servers fetch.
pub(super) fn with_picture(record: Record) -> Record {
    record.field(
        "picture",
        Shape::Bool,
        "shows the picture of the function; the chat's servers must reach `external_url`",
    )
}

/// Adds the fields every channel has.
pub(super) fn with_common(record: Record) -> Record {
    record
        .field(
            "deadline",
            Shape::Duration,
            "how long one attempt may take, 100ms to 1m; 10s when absent",
        )
        .field(
            "time_zone",
            Shape::TimeZone,
            "the zone for times in its messages",
        )
}

/// The deadline, clamped with a problem when it is out of bounds.
fn deadline(node: &Node, problems: &mut Problems) -> Duration {
    let Some(field) = node.field("deadline") else {
        return DEADLINE_DEFAULT;
    };
    let deadline = field.duration().unwrap_or(DEADLINE_DEFAULT);
    if !(DEADLINE_MIN..=DEADLINE_MAX).contains(&deadline) {
        problems
            .error(field, "the deadline of one attempt is out of bounds")
            .hint("write 100ms to 1m; what fails is tried again anyway");
    }
    deadline.clamp(DEADLINE_MIN, DEADLINE_MAX)
}

/// The secret in `name` or in the file that `name_file` points to, without the line break editors
/// leave at its end. `None` when neither is there or something is wrong, which is then reported.
pub(super) fn secret(
    node: &Node,
    name: &str,
    name_file: &str,
    problems: &mut Problems,
    secrets: ReadSecret<'_>,
) -> Option<Secret<String>> {
    let direct = node.field(name);
    let file = node.field(name_file);
    if let (Some(_), Some(file)) = (direct, file) {
        problems
            .error(file, format!("both `{name}` and `{name_file}` are given"))
            .hint("keep one of them");
        return None;
    }
    let (place, text) = match (direct, file) {
        (Some(direct), _) => (direct, Ok(direct.text()?.to_owned())),
        (None, Some(file)) => (file, secrets(file.text()?)),
        (None, None) => return None,
    };
    match text {
        Ok(text) if text.trim().is_empty() => {
            problems.error(place, format!("the {name} is empty"));
            None
        }
        Ok(text) => Some(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned())),
        Err(reason) => {
            problems.error(place, format!("cannot read the {name}: {reason}"));
            None
        }
    }
}

/// The http or https address in `url` or `url_file`.
pub(crate) fn url(
    node: &Node,
    problems: &mut Problems,
    secrets: ReadSecret<'_>,
) -> Option<Secret<String>> {
    let url = secret(node, "url", "url_file", problems, secrets)?;
    if is_http_url(url.expose()) {
        return Some(url);
    }
    // The file's content is a secret and must not be shown.
    let place = node.field("url_file").or(node.field("url"))?;
    problems
        .error(place, "the address is not an http or https address")
        .hint("write https://host/path, in one line");
    None
}

/// The same where the provider has one address and only a fake or a gateway another.
pub(super) fn url_or(
    node: &Node,
    default: &str,
    problems: &mut Problems,
    secrets: ReadSecret<'_>,
) -> Option<Secret<String>> {
    if node.field("url").is_none() && node.field("url_file").is_none() {
        return Some(Secret::new(default.to_owned()));
    }
    url(node, problems, secrets)
}

fn is_http_url(text: &str) -> bool {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        !rest.is_empty()
            && !rest.starts_with(['/', '?', '#'])
            && !text.chars().any(|c| c.is_whitespace() || c.is_control())
    })
}
