//! `alerting.yaml`: channels, receivers, the route tree, escalations, schedules and people.
//!
//! One file a part; each has its shape beside its reader. Reading reports every mistake with its
//! place and never stops at the first.

mod advice;
mod alertmanager;
mod endpoint;
mod escalation;
mod export;
mod heartbeat;
mod inhibit;
mod interval;
mod people;
mod route;
mod schedule;
mod team;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;
use declare::{Node, Problems, Record, Shape, closest};
use model::{DatedEvent, Timestamp};

use crate::channel::ReadSecret;
use crate::delivery::{Language, Person};
use crate::intervals::TimeInterval;
use crate::oncall::Schedule;

pub use endpoint::{Endpoint, Receiver};
pub use escalation::{Escalation, Medium, Repeat, Step, Target, Whom};
pub use export::as_alertmanager;
pub use heartbeat::Heartbeat;
pub use inhibit::InhibitRule;
pub use route::{Destination, GroupBy, Route, Timing};
pub use team::{Team, Teams};

/// What `alerting.yaml` says, proven.
#[derive(Clone, Debug)]
pub struct Config {
    /// The accounts steps use by medium: `sms`, `phone`, `email`.
    pub channels: BTreeMap<Medium, Arc<Endpoint>>,
    /// Named destinations.
    pub receivers: BTreeMap<String, Receiver>,
    /// The root of the route tree.
    pub root: Route,
    /// Escalation policies by name.
    pub escalations: BTreeMap<String, Escalation>,
    /// On-call schedules by name.
    pub schedules: BTreeMap<String, Schedule>,
    /// People by their key.
    pub people: BTreeMap<String, Person>,
    /// Which alerts hold back which.
    pub inhibit_rules: Vec<InhibitRule>,
    /// Times that routes are quiet or active in, by name.
    pub time_intervals: BTreeMap<String, TimeInterval>,
    /// How long an alert from outside holds that names no end.
    pub resolve_timeout: Duration,
    /// Who notices from outside when Rampart dies.
    pub heartbeat: Option<Heartbeat>,
    /// The language of messages where neither receiver nor person says another.
    pub language: Language,
    /// The zone of times in messages and on the phone page.
    pub time_zone: Tz,
}

/// What reading needs to know beyond the file.
pub struct Surroundings<'a> {
    /// The main file's teams.
    pub teams: &'a Teams,
    /// The main file's dated events.
    pub events: &'a [DatedEvent],
    /// The main file's `external_url`.
    pub external_url: Option<&'a str>,
    /// For what lies in the coming days, such as gaps in schedules.
    pub now: Timestamp,
    /// Reads `*_file` secrets.
    pub secrets: ReadSecret<'a>,
    /// Reads the template files that a name with wildcards stands for: each with its name and text.
    pub templates: ReadTemplates<'a>,
    /// The zone of times in messages, where nothing else is said.
    pub time_zone: Tz,
}

/// The files that a name with wildcards stands for, with their texts, or why they cannot be read.
pub type ReadTemplates<'a> = &'a dyn Fn(&str) -> Result<Vec<(String, String)>, String>;

impl Config {
    /// How long an alert from outside holds that names no end, when nothing is said.
    pub const RESOLVE_TIMEOUT: Duration = Duration::from_mins(5);

    /// A configuration that opens incidents and tells nobody.
    pub fn silent() -> Self {
        let nobody = "nobody".to_owned();
        Config {
            channels: BTreeMap::new(),
            receivers: BTreeMap::from([(
                nobody.clone(),
                Receiver {
                    name: nobody.clone(),
                    endpoints: Vec::new(),
                    language: None,
                },
            )]),
            root: Route::plain(nobody),
            escalations: BTreeMap::new(),
            schedules: BTreeMap::new(),
            people: BTreeMap::new(),
            inhibit_rules: Vec::new(),
            time_intervals: BTreeMap::new(),
            resolve_timeout: Config::RESOLVE_TIMEOUT,
            heartbeat: None,
            language: Language::En,
            time_zone: Tz::UTC,
        }
    }

    /// The shape of the file.
    pub fn shape() -> Shape {
        Record::new(
            "alerting",
            "who is told what, by which way, and what happens when nobody answers",
        )
        .field(
            "language",
            Shape::Choice(Language::WORDS),
            "the language of messages; en when left out",
        )
        .field(
            "time_zone",
            Shape::TimeZone,
            "the zone of times in messages; UTC when left out",
        )
        .field(
            "channels",
            endpoint::channels_shape(),
            "the accounts that steps use by medium",
        )
        .field(
            "receivers",
            endpoint::receivers_shape(),
            "named destinations, such as a team's chat",
        )
        .required("route", route::shape(), "the route every alert enters")
        .field(
            "inhibit_rules",
            inhibit::shape(),
            "while one alert fires, others tell nobody",
        )
        .field(
            "time_intervals",
            interval::shape(),
            "named times that routes are quiet or active in",
        )
        .field(
            "mute_time_intervals",
            interval::shape(),
            "the older name of time_intervals",
        )
        .field(
            "resolve_timeout",
            Shape::Duration,
            "how long an alert from outside holds that names no end; 5m when left out",
        )
        .field(
            "escalations",
            Shape::map("escalation name", escalation::record()),
            "ordered steps: whom to tell after how long without an acknowledgement",
        )
        .field(
            "schedules",
            Shape::map("schedule name", schedule::record()),
            "who is on call when",
        )
        .field(
            "people",
            Shape::map("person", people::record()),
            "who can be told, and where",
        )
        .field(
            "heartbeat",
            heartbeat::record().into(),
            "who notices from outside when Rampart dies",
        )
        .into()
    }

    /// Reads a node that was checked against [`Config::shape`]. Mistakes and advice go to
    /// `problems`; `None` when something is so wrong that there is no configuration.
    pub fn read(
        node: &Node,
        surroundings: &Surroundings<'_>,
        problems: &mut Problems,
    ) -> Option<Config> {
        let language = node
            .text_of("language")
            .and_then(Language::from_word)
            .unwrap_or_default();
        let surroundings = &Surroundings {
            time_zone: node
                .time_zone_of("time_zone")
                .unwrap_or(surroundings.time_zone),
            ..*surroundings
        };
        let people = people::read(node.field("people"));
        let schedules = schedule::read(
            node.field("schedules"),
            &people,
            surroundings.events,
            problems,
        );
        let channels = endpoint::read_channels(node.field("channels"), surroundings, problems);
        let receivers = endpoint::read_receivers(node.field("receivers"), surroundings, problems);
        let names = Names {
            receivers: receivers.keys().cloned().collect(),
            schedules: schedules.keys().cloned().collect(),
            people: people.keys().cloned().collect(),
            media: channels.keys().copied().collect(),
        };
        let escalations = escalation::read(node.field("escalations"), &names, problems);
        let escalation_names: Vec<String> = node
            .field("escalations")
            .into_iter()
            .flat_map(Node::fields)
            .filter_map(|(key, _)| key.key_text().map(str::to_owned))
            .collect();
        let time_intervals = interval::read(node, problems);
        let known = route::Known {
            receivers: names.receivers.clone(),
            escalations: escalation_names,
            time_intervals: time_intervals.keys().cloned().collect(),
        };
        let root = route::read(node.field("route"), &known, problems);
        let inhibit_rules = inhibit::read(node.field("inhibit_rules"), problems);
        let resolve_timeout = positive_duration(node, "resolve_timeout", problems);
        surroundings.teams.check(&names, problems);
        let config = Config {
            channels,
            receivers,
            root: root?,
            escalations,
            schedules,
            people,
            inhibit_rules,
            time_intervals,
            resolve_timeout: resolve_timeout.unwrap_or(Config::RESOLVE_TIMEOUT),
            heartbeat: heartbeat::read(node.field("heartbeat"), surroundings, problems),
            language,
            time_zone: surroundings.time_zone,
        };
        advice::give(&config, node, surroundings, problems);
        Some(config)
    }

    /// The way of a medium, when an account is declared for it.
    pub fn channel(&self, medium: Medium) -> Option<&Arc<Endpoint>> {
        self.channels.get(&medium)
    }

    /// Every endpoint by its name.
    pub fn endpoints(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.channels.values().chain(
            self.receivers
                .values()
                .flat_map(|receiver| receiver.endpoints.iter()),
        )
    }

    /// The endpoint with this name.
    pub fn endpoint(&self, name: &str) -> Option<&Arc<Endpoint>> {
        self.endpoints().find(|endpoint| endpoint.name == name)
    }
}

/// The names a part may refer to.
struct Names {
    receivers: Vec<String>,
    schedules: Vec<String>,
    people: Vec<String>,
    media: Vec<Medium>,
}

/// Reports a name that nothing declares.
fn unknown_name(problems: &mut Problems, at: &Node, what: &str, name: &str, known: &[String]) {
    /// More names than this are not listed in a hint.
    const LISTED_MAX: usize = 8;
    let hint = match closest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => format!("no {what} is declared"),
        None => {
            let listed: Vec<&str> = known.iter().take(LISTED_MAX).map(String::as_str).collect();
            let more = if known.len() > LISTED_MAX {
                ", …"
            } else {
                ""
            };
            format!("declared: {}{more}", listed.join(", "))
        }
    };
    problems
        .error(at, format!("unknown {what} `{name}`"))
        .hint(hint);
}

/// A duration that must not be zero.
fn positive_duration(node: &Node, field: &str, problems: &mut Problems) -> Option<Duration> {
    let at = node.field(field)?;
    let duration = at.duration()?;
    if duration.is_zero() {
        problems
            .error(at, format!("`{field}` must be longer than 0s"))
            .hint("write a duration such as 10m");
        return None;
    }
    Some(duration)
}
