//! `route:`: the tree every alert walks, with Alertmanager's matching and inheritance.

use std::collections::BTreeSet;
use std::time::Duration;

use declare::{Node, Problems, Record, Shape};
use model::{Labels, Matcher, Mode};
use serde::{Deserialize, Serialize};

use super::{inhibit, unknown_name};

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// To a receiver, once, with reminders.
    Receiver(String),
    /// Up the steps of an escalation policy.
    Escalation(String),
}

/// By which labels alerts become one incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// By all labels: every alert is an incident of its own. Written `['...']`.
    Everything,
    /// By these.
    Names(Vec<String>),
}

impl GroupBy {
    /// The labels of an alert that name its group.
    pub fn labels_of(&self, labels: &Labels) -> Labels {
        match self {
            GroupBy::Everything => labels.clone(),
            GroupBy::Names(names) => labels.only(names),
        }
    }
}

/// The three times of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// How long the first message waits for more alerts of the group.
    pub group_wait: Duration,
    /// How long an incident that resolved can come back as the same one, and the shortest pause
    /// between two messages about alerts that joined.
    pub group_interval: Duration,
    /// How often an open incident is brought to mind again.
    pub repeat_interval: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            group_wait: Duration::ZERO,
            group_interval: Duration::from_mins(5),
            repeat_interval: Duration::from_hours(4),
        }
    }
}

/// One route with everything it inherits filled in.
#[derive(Clone, Debug)]
pub struct Route {
    /// The matchers from the root down: stable over reloads as long as they are not edited.
    pub path: String,
    /// Conditions; all must hold.
    pub matchers: Vec<Matcher>,
    /// Whether siblings after it are tried too.
    pub continues: bool,
    /// Routes below it; the first that matches wins.
    pub routes: Vec<Route>,
    /// By which labels alerts become one incident.
    pub group_by: GroupBy,
    /// Its times.
    pub timing: Timing,
    /// The nearest receiver: the destination unless there is an escalation, and the way out when
    /// an escalation reaches nobody.
    pub receiver: String,
    /// Where it leads.
    pub destination: Destination,
    /// Where it leads in rush mode, when that differs.
    pub rush: Option<Destination>,
    /// Time intervals in which it tells nobody; not inherited.
    pub mute_times: Vec<String>,
    /// Time intervals in which alone it tells somebody; not inherited.
    pub active_times: Vec<String>,
}

impl Route {
    /// The labels alerts are grouped by when nothing else is said. Alerts from outside may lack
    /// `function`; then the others still tell them apart.
    pub const GROUP_BY: [&'static str; 3] = ["alertname", "namespace", "function"];

    /// A root that leads everything to one receiver.
    pub fn plain(receiver: String) -> Route {
        Route {
            path: "/".to_owned(),
            matchers: Vec::new(),
            continues: false,
            routes: Vec::new(),
            group_by: GroupBy::Names(Self::GROUP_BY.map(str::to_owned).to_vec()),
            timing: Timing::default(),
            destination: Destination::Receiver(receiver.clone()),
            receiver,
            rush: None,
            mute_times: Vec::new(),
            active_times: Vec::new(),
        }
    }

    /// Whether it or any route below it has time intervals.
    pub fn has_times(&self) -> bool {
        !self.mute_times.is_empty()
            || !self.active_times.is_empty()
            || self.routes.iter().any(Route::has_times)
    }

    /// The route with this path, itself or below it.
    pub fn at_path(&self, path: &str) -> Option<&Route> {
        if self.path == path {
            return Some(self);
        }
        let mut below = self
            .routes
            .iter()
            .filter(|below| path.starts_with(&below.path));
        below.find_map(|below| below.at_path(path))
    }

    /// The routes an alert takes: the deepest matching ones, siblings only where `continue` says so.
    pub fn find<'a>(&'a self, labels: &Labels) -> Vec<&'a Route> {
        if !self.matchers.iter().all(|matcher| matcher.matches(labels)) {
            return Vec::new();
        }
        let mut found = Vec::new();
        for route in &self.routes {
            let below = route.find(labels);
            let matched = !below.is_empty();
            found.extend(below);
            if matched && !route.continues {
                break;
            }
        }
        if found.is_empty() {
            found.push(self);
        }
        found
    }

    /// Where it leads in this mode.
    pub fn destination(&self, mode: Mode) -> &Destination {
        match (mode, &self.rush) {
            (Mode::Rush, Some(rush)) => rush,
            _ => &self.destination,
        }
    }

    /// It and all below it.
    pub fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Route)) {
        visit(self);
        for route in &self.routes {
            route.walk(visit);
        }
    }
}

pub(super) fn shape() -> Shape {
    Shape::Recursive(record)
}

pub(super) fn record() -> Record {
    let record = Record::new("route", "which alerts go where")
        .field(
            "matchers",
            Shape::list(Shape::Matcher),
            "conditions on labels; all must hold",
        )
        .field(
            "receiver",
            Shape::Text,
            "the receiver it leads to; inherited when left out",
        )
        .field(
            "escalation",
            Shape::Text,
            "the escalation policy it leads to; replaces the receiver",
        )
        .field(
            "rush",
            Record::new("rush", "where it leads in rush mode")
                .field("receiver", Shape::Text, "the receiver in rush mode")
                .field("escalation", Shape::Text, "the policy in rush mode")
                .exactly_one(&["receiver", "escalation"])
                .into(),
            "where it leads in rush mode",
        )
        .field(
            "continue",
            Shape::Bool,
            "whether siblings after it are tried too; false when left out",
        )
        .field(
            "group_by",
            Shape::list(Shape::Text),
            "labels that make alerts one incident; [alertname, namespace, function] when left out, ['...'] for all",
        )
        .field(
            "group_wait",
            Shape::Duration,
            "how long the first message waits for more alerts; 0s when left out",
        )
        .field(
            "group_interval",
            Shape::Duration,
            "how long a resolved incident can come back as the same one; 5m when left out",
        )
        .field(
            "repeat_interval",
            Shape::Duration,
            "how often an open incident is brought to mind again; 4h when left out",
        );
    with_alertmanagers(record).field(
        "routes",
        Shape::list(shape()),
        "routes below it; the first that matches wins",
    )
}

/// Adds what Alertmanager's routes have beside these.
fn with_alertmanagers(record: Record) -> Record {
    record
        .field(
            "match",
            inhibit::values(),
            "Alertmanager's older notation for matchers: label: value",
        )
        .field(
            "match_re",
            inhibit::values(),
            "Alertmanager's older notation for matchers: label: regular expression",
        )
        .field(
            "mute_time_intervals",
            Shape::list(Shape::Text),
            "time intervals in which it tells nobody",
        )
        .field(
            "active_time_intervals",
            Shape::list(Shape::Text),
            "time intervals in which alone it tells somebody; always when left out",
        )
}

/// The names that routes may refer to.
pub(super) struct Known {
    pub(super) receivers: Vec<String>,
    pub(super) escalations: Vec<String>,
    pub(super) time_intervals: Vec<String>,
}

pub(super) fn read(node: Option<&Node>, known: &Known, problems: &mut Problems) -> Option<Route> {
    read_from(node, &Route::plain(String::new()), known, problems)
}

/// The same, where what the root does not say is as in `defaults`.
pub(super) fn read_from(
    node: Option<&Node>,
    defaults: &Route,
    known: &Known,
    problems: &mut Problems,
) -> Option<Route> {
    let node = node?;
    let mut reader = Reader { known, problems };
    if node.field("receiver").is_none() {
        reader
            .problems
            .error(node, "the root route needs a `receiver`")
            .hint("it takes what no other route does, and what an escalation cannot deliver");
        return None;
    }
    let conditions = ["matchers", "match", "match_re"];
    for at in conditions.iter().filter_map(|field| node.field(field)) {
        if !at.items().is_empty() || at.fields().next().is_some() {
            reader
                .problems
                .error(
                    at,
                    "the root route takes every alert, so it has no matchers",
                )
                .hint("move them into a route under `routes`");
        }
    }
    for field in TIMES {
        if let Some(at) = node.key(field) {
            reader
                .problems
                .error(
                    at,
                    format!(
                        "the root route takes every alert at all times, so it has no `{field}`"
                    ),
                )
                .hint("move it into a route under `routes`");
        }
    }
    Some(reader.route(node, defaults, true))
}

/// The two lists of time intervals.
const TIMES: [&str; 2] = ["mute_time_intervals", "active_time_intervals"];

struct Reader<'a> {
    known: &'a Known,
    problems: &'a mut Problems,
}

impl Reader<'_> {
    fn route(&mut self, node: &Node, parent: &Route, is_root: bool) -> Route {
        let fields = ["matchers", "match", "match_re"];
        let matchers = inhibit::matchers(node, fields, self.problems);
        let mut route = parent.clone();
        let [mute_times, active_times] = TIMES.map(|field| self.times(node, field));
        route.mute_times = mute_times;
        route.active_times = active_times;
        route.routes = Vec::new();
        route.continues = node.boolean_of("continue").unwrap_or(false);
        if !is_root {
            route.path.push_str(&path_part(&matchers));
        }
        route.matchers = matchers;
        self.lead(node, &mut route);
        if let Some(at) = node.field("group_by") {
            route.group_by = self.group_by(at);
        }
        let timing = &mut route.timing;
        let take = |field: &str, into: &mut Duration| {
            if let Some(duration) = node.duration_of(field) {
                *into = duration;
            }
        };
        take("group_wait", &mut timing.group_wait);
        take("group_interval", &mut timing.group_interval);
        take("repeat_interval", &mut timing.repeat_interval);
        for field in ["group_interval", "repeat_interval"] {
            super::positive_duration(node, field, self.problems);
        }
        let mut paths = BTreeSet::new();
        for (index, below) in node.items_of("routes").iter().enumerate() {
            let mut below = self.route(below, &route, false);
            if !paths.insert(below.path.clone()) {
                rename(&mut below, index);
            }
            route.routes.push(below);
        }
        route
    }

    /// A destination of its own replaces all that was inherited, the one for rush mode included.
    fn lead(&mut self, node: &Node, route: &mut Route) {
        if let Some(receiver) = self.name(node, "receiver") {
            route.receiver.clone_from(&receiver);
            route.destination = Destination::Receiver(receiver);
            route.rush = None;
        }
        if let Some(escalation) = self.name(node, "escalation") {
            route.destination = Destination::Escalation(escalation);
            route.rush = None;
        }
        if let Some(rush) = node.field("rush") {
            let receiver = self.name(rush, "receiver").map(Destination::Receiver);
            route.rush =
                receiver.or_else(|| self.name(rush, "escalation").map(Destination::Escalation));
        }
    }

    fn name(&mut self, node: &Node, field: &str) -> Option<String> {
        let at = node.field(field)?;
        let name = at.text()?;
        let known = if field == "receiver" {
            &self.known.receivers
        } else {
            &self.known.escalations
        };
        if !known.iter().any(|declared| declared == name) {
            unknown_name(self.problems, at, field, name, known);
        }
        Some(name.to_owned())
    }

    fn times(&mut self, node: &Node, field: &str) -> Vec<String> {
        let mut names = Vec::new();
        for item in node.items_of(field) {
            let Some(name) = item.text() else { continue };
            if !self.known.time_intervals.iter().any(|known| known == name) {
                let known = &self.known.time_intervals;
                unknown_name(self.problems, item, "time interval", name, known);
            }
            names.push(name.to_owned());
        }
        names
    }

    fn group_by(&mut self, at: &Node) -> GroupBy {
        let mut names = Vec::new();
        for item in at.items() {
            match item.text() {
                Some("...") => {
                    if at.items().len() > 1 {
                        self.problems
                            .error(item, "`...` stands for all labels, so it stands alone")
                            .hint("write `group_by: ['...']`");
                    }
                    return GroupBy::Everything;
                }
                Some(name) if Labels::is_name(name) => names.push(name.to_owned()),
                Some(name) => {
                    self.problems
                        .error(item, format!("`{name}` is not a label name"))
                        .hint("use letters, digits and _, not starting with a digit");
                }
                None => {}
            }
        }
        GroupBy::Names(names)
    }
}

fn path_part(matchers: &[Matcher]) -> String {
    let texts: Vec<String> = matchers.iter().map(ToString::to_string).collect();
    format!("{{{}}}/", texts.join(","))
}

/// Twins (the same matchers twice, with `continue`) are told apart by their place.
fn rename(route: &mut Route, index: usize) {
    let old = route.path.clone();
    let new = format!("{old}#{index}/");
    fn replace(route: &mut Route, old: &str, new: &str) {
        if let Some(rest) = route.path.strip_prefix(old) {
            route.path = format!("{new}{rest}");
        }
        for below in &mut route.routes {
            replace(below, old, new);
        }
    }
    replace(route, &old, &new);
}
