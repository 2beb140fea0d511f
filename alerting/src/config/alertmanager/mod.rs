//! A real `alertmanager.yml`, read as it is: routes, inhibition, times and the receivers that Rampart
//! has channels for. What it does not know or do is said at its place, never skipped in silence.

mod kinds;
mod receivers;
mod templates;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use declare::{Node, Problems, Record, Shape};

use super::{Config, GroupBy, Names, Route, Surroundings, Timing, inhibit, interval, route};
use crate::delivery::Language;

/// Alertmanager's own defaults, which differ from Rampart's.
const TIMING: Timing = Timing {
    group_wait: Duration::from_secs(30),
    group_interval: Duration::from_mins(5),
    repeat_interval: Duration::from_hours(4),
};

impl Config {
    /// Whether a file is Alertmanager's rather than Rampart's.
    pub fn is_alertmanager(node: &Node) -> bool {
        let foreign = |receiver: &Node| {
            let mut keys = receiver.fields().filter_map(|(key, _)| key.key_text());
            keys.any(|key| key.ends_with("_configs"))
        };
        node.key("global").is_some()
            || node.key("templates").is_some()
            || node.items_of("receivers").iter().any(foreign)
    }

    /// Reads an `alertmanager.yml`. Mistakes, and what Rampart does not do, go to `problems`; `None`
    /// when something is so wrong that there is no configuration.
    pub fn read_alertmanager(
        node: &Node,
        surroundings: &Surroundings<'_>,
        problems: &mut Problems,
    ) -> Option<Config> {
        declare::check(node, &shape(), problems);
        let global = node.field("global");
        let templates = templates::Files::read(node, surroundings, problems);
        let receivers = receivers::read(node, global, &templates, surroundings, problems);
        let time_intervals = interval::read(node, problems);
        let known = route::Known {
            receivers: receivers.keys().cloned().collect(),
            escalations: Vec::new(),
            time_intervals: time_intervals.keys().cloned().collect(),
        };
        let defaults = Route {
            group_by: GroupBy::Names(Vec::new()),
            timing: TIMING,
            ..Route::plain(String::new())
        };
        let root = route::read_from(node.field("route"), &defaults, &known, problems);
        let names = Names {
            receivers: known.receivers,
            schedules: Vec::new(),
            people: Vec::new(),
            media: Vec::new(),
        };
        surroundings.teams.check(&names, problems);
        let timeout =
            global.and_then(|global| super::positive_duration(global, "resolve_timeout", problems));
        Some(Config {
            channels: BTreeMap::new(),
            receivers,
            root: root?,
            escalations: BTreeMap::new(),
            schedules: BTreeMap::new(),
            people: BTreeMap::new(),
            inhibit_rules: inhibit::read(node.field("inhibit_rules"), problems),
            time_intervals,
            heartbeat: None,
            resolve_timeout: timeout.unwrap_or(Config::RESOLVE_TIMEOUT),
            language: Language::En,
            time_zone: surroundings.time_zone,
        })
    }
}

fn shape() -> Shape {
    let mut global = Record::new("global", "defaults of receivers");
    for name in kinds::GLOBAL {
        global = global.field(name, Shape::Any, "a default of receivers");
    }
    let global = global.field(
        "resolve_timeout",
        Shape::Duration,
        "how long alerts without an end hold",
    );
    let mut receiver = Record::new("receiver", "a named destination").required(
        "name",
        Shape::Text,
        "what routes call it",
    );
    for kind in kinds::KINDS {
        receiver = receiver.field(kind.key, Shape::list(Shape::Any), "destinations of a kind");
    }
    Record::new("alertmanager", "Alertmanager's configuration")
        .field("global", global.into(), "defaults of receivers")
        .field(
            "templates",
            Shape::list(Shape::Text),
            "files of templates; the name may hold * and ?",
        )
        .required(
            "route",
            Shape::Recursive(route_record),
            "the route every alert enters",
        )
        .required("receivers", Shape::list(receiver), "named destinations")
        .field(
            "inhibit_rules",
            inhibit::shape(),
            "which alerts hold back which",
        )
        .field("time_intervals", interval::shape(), "named times")
        .field("mute_time_intervals", interval::shape(), "named times")
        .into()
}

/// A route without what only Rampart has.
fn route_record() -> Record {
    let mut record = route::record();
    let own = ["escalation", "rush", "routes"];
    record.fields.retain(|field| !own.contains(&field.name));
    let routes = Shape::list(Shape::Recursive(route_record));
    record.field(
        "routes",
        routes,
        "routes below it; the first that matches wins",
    )
}
