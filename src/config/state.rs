//! The section `state`: a database that several nodes share.

use std::time::Duration;

use declare::{Node, Problems, Record, Shape};
use model::Secret;

use super::Surroundings;

/// Shorter, and a slow moment of the database takes the lead away; longer, and a page waits too long.
const LEASE_RANGE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(1));

/// Where nodes meet, and who this one is.
#[derive(Clone)]
pub struct SharedState {
    /// `postgres://…`, with its password.
    pub url: Secret<String>,
    /// This node's name and how long it leads without being heard of.
    pub node: alerting::Node,
}

/// The shape of the section.
pub(super) fn shape() -> Shape {
    Shape::Record(
        Record::new(
            "state",
            "A PostgreSQL database for incidents, silences, on-call overrides and the mode, which several nodes share.",
        )
        .field(
            "url",
            Shape::Text,
            "postgres://user:password@host:port/database?sslmode=verify-full, better with the password from ${A_VARIABLE}.",
        )
        .field("url_file", Shape::Text, "A file that holds the address with its password.")
        .field(
            "node",
            Shape::Text,
            "This node's name; the machine's name by default.",
        )
        .field(
            "lease",
            Shape::Duration,
            "How long a node leads without being heard of: 2s to 1m, 10s by default.",
        )
        .exactly_one(&["url", "url_file"]),
    )
}

/// The shared database; `None` without the section, or after a mistake that is told.
pub(super) fn read(
    root: &Node,
    around: &Surroundings<'_>,
    problems: &mut Problems,
) -> Option<SharedState> {
    let section = root.field("state")?;
    let url = match (section.field("url"), section.field("url_file")) {
        (Some(place), None) => (place, place.text()?.to_owned()),
        (None, Some(place)) => match (around.secret_file)(place.text()?) {
            Ok(url) => (place, url),
            Err(reason) => {
                problems.error(place, reason);
                return None;
            }
        },
        _ => return None,
    };
    let (place, url) = (url.0, url.1.trim().to_owned());
    if !["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| url.starts_with(scheme))
    {
        problems
            .error(place, "this is no address of a PostgreSQL database")
            .hint("write postgres://user:password@host:port/database, or leave the section out to keep state in data_dir");
        return None;
    }
    let lease = section
        .duration_of("lease")
        .unwrap_or(alerting::Node::LEASE);
    if let Some(place) = section.field("lease")
        && !(LEASE_RANGE.0..=LEASE_RANGE.1).contains(&lease)
    {
        problems
            .error(place, "a node leads for 2s to 1m without being heard of")
            .hint("10s does well with a database nearby");
    }
    let name = section.text_of("node").map(str::to_owned);
    Some(SharedState {
        url: Secret::new(url),
        node: alerting::Node {
            name: name.unwrap_or_else(machine),
            lease,
        },
    })
}

/// The machine's name, as the kernel knows it.
fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    name.map_or_else(|_| "rampart".to_owned(), |name| name.trim().to_owned())
}
