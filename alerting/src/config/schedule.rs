//! `schedules:`: rotations in a time zone, and rotations during an event.

use std::collections::BTreeMap;
use std::time::Duration;

use declare::{Node, Problems, Record, Shape};
use model::DatedEvent;

use super::{positive_duration, unknown_name};
use crate::delivery::Person;
use crate::oncall::{CronLine, Rotation, Schedule, Turn};

pub(super) fn record() -> Record {
    Record::new("schedule", "who is on call when")
        .required(
            "time_zone",
            Shape::TimeZone,
            "where its wall clock hangs; hand-overs keep their wall time over changes of the clocks",
        )
        .required(
            "rotations",
            Shape::some(rotation()),
            "rotations; one during an event beats a regular one, among equals the later wins",
        )
}

fn rotation() -> Record {
    Record::new("rotation", "people who take turns")
        .required("name", Shape::Text, "its name")
        .field(
            "start",
            Shape::LocalTime,
            "when the first person's first shift begins, such as 2026-11-02T10:00",
        )
        .field(
            "every",
            Shape::Duration,
            "how long a shift lasts, such as 1w",
        )
        .field(
            "cron",
            Shape::Text,
            "when shifts begin: minute, hour, day, month, weekday by name, such as `0 9 * * MON-FRI`",
        )
        .field(
            "lasts",
            Shape::Duration,
            "with cron: how long each shift lasts, such as 9h",
        )
        .field(
            "during",
            Shape::Text,
            "an event of the main file; the rotation holds only while it does",
        )
        .required(
            "people",
            Shape::some(Shape::Text),
            "keys of people, in order of their turns",
        )
}

pub(super) fn read(
    node: Option<&Node>,
    people: &BTreeMap<String, Person>,
    events: &[DatedEvent],
    problems: &mut Problems,
) -> BTreeMap<String, Schedule> {
    let mut schedules = BTreeMap::new();
    for (key, value) in node.into_iter().flat_map(Node::fields) {
        let rotations: Vec<Rotation> = value
            .items_of("rotations")
            .iter()
            .filter_map(|rotation| read_rotation(rotation, people, events, problems))
            .collect();
        if let (Some(name), Some(zone)) = (key.key_text(), value.time_zone_of("time_zone")) {
            let schedule = Schedule {
                name: name.to_owned(),
                zone,
                rotations,
            };
            schedules.insert(name.to_owned(), schedule);
        }
    }
    schedules
}

fn read_rotation(
    node: &Node,
    people: &BTreeMap<String, Person>,
    events: &[DatedEvent],
    problems: &mut Problems,
) -> Option<Rotation> {
    let known: Vec<String> = people.keys().cloned().collect();
    let mut members = Vec::new();
    for at in node.items_of("people") {
        match at.text() {
            Some(person) if people.contains_key(person) => members.push(person.to_owned()),
            Some(person) => unknown_name(problems, at, "person", person, &known),
            None => {}
        }
    }
    let turn = read_turn(node, members.len(), events, problems);
    if members.is_empty() {
        return None;
    }
    Some(Rotation {
        name: node.text_of("name")?.to_owned(),
        people: members,
        turn: turn?,
    })
}

fn read_turn(
    node: &Node,
    people: usize,
    events: &[DatedEvent],
    problems: &mut Problems,
) -> Option<Turn> {
    let every = positive_duration(node, "every", problems);
    if let (None, Some(lasts)) = (node.field("cron"), node.key("lasts")) {
        problems
            .error(lasts, "`lasts` belongs to `cron`")
            .hint("with `start` write `every`");
    }
    match (
        node.field("cron"),
        node.field("start"),
        node.field("during"),
    ) {
        (Some(cron), start, None) => read_cron(node, cron, start, people, problems),
        (None, Some(start), None) => {
            if node.field("every").is_none() {
                problems
                    .error(start, "a rotation with `start` needs `every`")
                    .hint("write how long a shift lasts, such as `every: 1w`");
            }
            Some(Turn::Every {
                start: start.local_time()?,
                every: every?,
            })
        }
        (None, None, Some(during)) => {
            let event = read_event(during, events, problems)?;
            if every.is_none() && people > 1 {
                problems
                    .error(during, "several people during an event need `every`")
                    .hint(
                        "write how long each shift lasts, such as `every: 8h`, or name one person",
                    );
            }
            Some(Turn::During { event, every })
        }
        (_, _, Some(during)) => {
            problems
                .error(
                    during,
                    "a rotation during an event has no `start` and no `cron`",
                )
                .hint("leave them out, or make it two rotations");
            None
        }
        (None, None, None) => {
            problems
                .error(node, "nothing says when this rotation's shifts begin")
                .hint("write `start` and `every`, or `cron` and `lasts`, or `during`");
            None
        }
    }
}

/// The longest a shift of a cron line lasts.
const LASTS_MAX: Duration = Duration::from_hours(366 * 24);

fn read_cron(
    node: &Node,
    cron: &Node,
    start: Option<&Node>,
    people: usize,
    problems: &mut Problems,
) -> Option<Turn> {
    if let Some(every) = node.key("every") {
        problems
            .error(every, "a rotation with `cron` has no `every`")
            .hint("write `lasts`: how long each shift lasts");
    }
    if node.field("lasts").is_none() {
        problems
            .error(cron, "a rotation with `cron` needs `lasts`")
            .hint("write how long each shift lasts, such as `lasts: 9h`");
    }
    let lasts = positive_duration(node, "lasts", problems);
    if let Some(at) = node.field("lasts").filter(|_| lasts > Some(LASTS_MAX)) {
        problems
            .error(at, "a shift lasts at most 366 days")
            .hint("write a rotation with `start` and `every` for one that never ends");
    }
    if start.is_none() && people > 1 {
        problems
            .error(cron, "several people taking turns need `start`")
            .hint("write the local time of the first person's first shift, from which turns are counted");
    }
    let line = match CronLine::parse(cron.text()?) {
        Ok(line) => Some(line),
        Err(error) => {
            problems.error(cron, error.message).hint(error.hint);
            None
        }
    };
    Some(Turn::Cron {
        line: line?,
        lasts: lasts?,
        start: start.and_then(Node::local_time),
    })
}

fn read_event(at: &Node, events: &[DatedEvent], problems: &mut Problems) -> Option<DatedEvent> {
    let name = at.text()?;
    let found = events.iter().find(|event| event.name == name);
    if found.is_none() {
        let known: Vec<String> = events.iter().map(|event| event.name.clone()).collect();
        unknown_name(problems, at, "event", name, &known);
    }
    found.cloned()
}
