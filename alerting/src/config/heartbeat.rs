//! `heartbeat:`: who notices from outside when Rampart itself dies.

use std::time::Duration;

use declare::{Node, Problems, Record, Shape};
use model::Secret;

use super::Surroundings;
use crate::channel;

/// Where to say "still alive", and how often.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    /// Asked with GET; it often holds a token.
    pub url: Secret<String>,
    /// How often.
    pub every: Duration,
}

impl Heartbeat {
    const EVERY_DEFAULT: Duration = Duration::from_mins(1);
    const EVERY_MIN: Duration = Duration::from_secs(5);
    const EVERY_MAX: Duration = Duration::from_hours(24);
}

pub(super) fn record() -> Record {
    let record = Record::new("heartbeat", "who notices from outside when Rampart dies");
    channel::with_url(record, "asked with GET as long as alerting works").field(
        "every",
        Shape::Duration,
        "how often, 5s to 24h; 1m when absent",
    )
}

pub(super) fn read(
    node: Option<&Node>,
    surroundings: &Surroundings<'_>,
    problems: &mut Problems,
) -> Option<Heartbeat> {
    let node = node?;
    let url = channel::read_url(node, problems, surroundings.secrets);
    let every = node.field("every").and_then(Node::duration);
    if let (Some(at), Some(every)) = (node.field("every"), every)
        && !(Heartbeat::EVERY_MIN..=Heartbeat::EVERY_MAX).contains(&every)
    {
        problems
            .error(at, "a heartbeat comes every 5s to 24h")
            .hint("write `every: 1m`, and let the watcher wait for three of them");
    }
    Some(Heartbeat {
        url: url?,
        every: every.unwrap_or(Heartbeat::EVERY_DEFAULT),
    })
}
