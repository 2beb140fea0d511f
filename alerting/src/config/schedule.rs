//! `schedules:`: rotations in a time zone, and rotations during an event.

use std::collections::BTreeMap;

use declare::{Node, Problems, Record, Shape};
use model::DatedEvent;

use super::{positive_duration, unknown_name};
use crate::delivery::Person;
use crate::oncall::{Rotation, Schedule, Turn};

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
            "during",
            Shape::Text,
            "an event of the main file; the rotation holds only while it does",
        )
        .required(
            "people",
            Shape::some(Shape::Text),
            "keys of people, in order of their turns",
        )
        .exactly_one(&["start", "during"])
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
    let every = positive_duration(node, "every", problems);
    let turn = match (node.field("start"), node.field("during")) {
        (Some(start), None) => {
            if node.field("every").is_none() {
                problems
                    .error(start, "a rotation with `start` needs `every`")
                    .hint("write how long a shift lasts, such as `every: 1w`");
            }
            Turn::Every {
                start: start.local_time()?,
                every: every?,
            }
        }
        (None, Some(during)) => {
            let event = read_event(during, events, problems)?;
            if every.is_none() && members.len() > 1 {
                problems
                    .error(during, "several people during an event need `every`")
                    .hint(
                        "write how long each shift lasts, such as `every: 8h`, or name one person",
                    );
            }
            Turn::During { event, every }
        }
        _ => return None,
    };
    if members.is_empty() {
        return None;
    }
    Some(Rotation {
        name: node.text_of("name")?.to_owned(),
        people: members,
        turn,
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
