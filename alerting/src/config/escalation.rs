//! `escalations:`: ordered steps, whom to tell by which way after how long.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use declare::{Node, Problems, Record, Shape, closest};
use serde::{Deserialize, Serialize};

use super::{Names, positive_duration, unknown_name};
use crate::delivery::AddressKind;

/// The way a step tells somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Medium {
    /// A chat.
    Im,
    /// A text message.
    Sms,
    /// A call.
    Phone,
    /// A mail.
    Email,
}

impl Medium {
    /// All of them.
    pub const ALL: [Medium; 4] = [Medium::Im, Medium::Sms, Medium::Phone, Medium::Email];

    /// The word in configuration and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Medium::Im => "im",
            Medium::Sms => "sms",
            Medium::Phone => "phone",
            Medium::Email => "email",
        }
    }

    /// What it must know about a person; a chat knows its own members.
    pub fn address(self) -> Option<AddressKind> {
        match self {
            Medium::Im => None,
            Medium::Sms => Some(AddressKind::Sms),
            Medium::Phone => Some(AddressKind::Phone),
            Medium::Email => Some(AddressKind::Email),
        }
    }
}

/// Whom a step tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// The team that owns the function: its chat, or who is on call for it.
    Owner,
    /// Who is on call in a schedule.
    OnCall(String),
    /// A person by key.
    Person(String),
}

/// One entry of a step's `notify`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A receiver by name.
    Receiver(String),
    /// Somebody by a medium.
    By(Medium, Whom),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Receiver(name) => f.write_str(name),
            Target::By(medium, Whom::Owner) => write!(f, "{}: owner", medium.as_str()),
            Target::By(medium, Whom::OnCall(schedule)) => {
                write!(f, "{}: oncall/{schedule}", medium.as_str())
            }
            Target::By(medium, Whom::Person(person)) => {
                write!(f, "{}: {person}", medium.as_str())
            }
        }
    }
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// How long after the incident opened.
    pub after: Duration,
    /// Who is told.
    pub notify: Vec<Target>,
}

/// How the steps start over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// How long after the last step.
    pub every: Duration,
    /// How many more times.
    pub times: u32,
}

/// An escalation policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escalation {
    /// Steps in order of time; never empty.
    pub steps: Vec<Step>,
    /// Whether and how they start over.
    pub repeat: Option<Repeat>,
    /// How long an acknowledgement keeps it quiet; for ever when `None`.
    pub acknowledged_for: Option<Duration>,
}

pub(super) fn record() -> Record {
    Record::new("escalation", "whom to tell when nobody acknowledges")
        .required(
            "steps",
            Shape::some(
                Record::new("step", "one step")
                    .required(
                        "after",
                        Shape::Duration,
                        "how long after the incident opened",
                    )
                    .required(
                        "notify",
                        Shape::some(target_shape()),
                        "who is told: receiver names, or a medium and whom",
                    ),
            ),
            "steps in order of time",
        )
        .field(
            "repeat",
            Record::new("repeat", "how the steps start over")
                .required("every", Shape::Duration, "how long after the last step")
                .required(
                    "times",
                    Shape::Integer { min: 1, max: 100 },
                    "how many more times",
                )
                .into(),
            "how the steps start over while nobody acknowledges",
        )
        .field(
            "acknowledged_for",
            Shape::Duration,
            "how long an acknowledgement keeps it quiet; then it rings again unless resolved",
        )
}

fn target_shape() -> Shape {
    let by = Record::new("target", "a medium and whom it reaches")
        .field(
            "im",
            Shape::Text,
            "a receiver, `owner`, `oncall/SCHEDULE` or a person: a chat",
        )
        .field(
            "sms",
            Shape::Text,
            "`owner`, `oncall/SCHEDULE` or a person: a text message",
        )
        .field(
            "phone",
            Shape::Text,
            "`owner`, `oncall/SCHEDULE` or a person: a call",
        )
        .field(
            "email",
            Shape::Text,
            "`owner`, `oncall/SCHEDULE` or a person: a mail",
        );
    Shape::Either(vec![Shape::Text, by.into()])
}

pub(super) fn read(
    node: Option<&Node>,
    names: &Names,
    problems: &mut Problems,
) -> BTreeMap<String, Escalation> {
    let mut escalations = BTreeMap::new();
    let own: Vec<&str> = node
        .into_iter()
        .flat_map(Node::fields)
        .filter_map(|(key, _)| key.key_text())
        .collect();
    for (key, value) in node.into_iter().flat_map(Node::fields) {
        let steps = read_steps(value, names, &own, problems);
        let repeat = value.field("repeat").and_then(|repeat| {
            Some(Repeat {
                every: positive_duration(repeat, "every", problems)?,
                times: u32::try_from(repeat.integer_of("times")?).ok()?,
            })
        });
        let acknowledged_for = positive_duration(value, "acknowledged_for", problems);
        if let Some(name) = key.key_text()
            && !steps.is_empty()
        {
            let escalation = Escalation {
                steps,
                repeat,
                acknowledged_for,
            };
            escalations.insert(name.to_owned(), escalation);
        }
    }
    escalations
}

fn read_steps(
    node: &Node,
    names: &Names,
    escalations: &[&str],
    problems: &mut Problems,
) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for at in node.items_of("steps") {
        let Some(after) = at.duration_of("after") else {
            continue;
        };
        if let Some(before) = steps.last()
            && after < before.after
        {
            let before = model::format_duration(before.after);
            problems
                .error(
                    at.field("after").unwrap_or(at),
                    format!("this step comes earlier than the one before it ({before})"),
                )
                .hint("order the steps by `after`, which counts from when the incident opened");
        }
        let notify = at
            .items_of("notify")
            .iter()
            .flat_map(|target| {
                if refuse_escalation(target, names, escalations, problems) {
                    return Vec::new();
                }
                read_targets(target, names, problems)
            })
            .collect();
        steps.push(Step { after, notify });
    }
    steps
}

/// Escalations do not call each other, so none can call itself; whoever writes so means something.
fn refuse_escalation(
    node: &Node,
    names: &Names,
    escalations: &[&str],
    problems: &mut Problems,
) -> bool {
    let im = || node.text_of(Medium::Im.as_str());
    let Some(name) = node.text().or_else(im) else {
        return false;
    };
    let is_known = names.receivers.iter().chain(&names.people);
    if is_known.into_iter().any(|known| known == name) || !escalations.contains(&name) {
        return false;
    }
    problems
        .error(
            node,
            format!("`{name}` is an escalation, and a step tells receivers and people"),
        )
        .hint("write its steps here, or let a route lead to it");
    true
}

fn read_targets(node: &Node, names: &Names, problems: &mut Problems) -> Vec<Target> {
    if let Some(name) = node.text() {
        if !names.receivers.iter().any(|known| known == name) {
            unknown_name(problems, node, "receiver", name, &names.receivers);
        }
        return vec![Target::Receiver(name.to_owned())];
    }
    let mut targets = Vec::new();
    for medium in Medium::ALL {
        if let Some(at) = node.field(medium.as_str()) {
            targets.extend(read_target(medium, at, names, problems));
        }
    }
    targets
}

fn read_target(
    medium: Medium,
    at: &Node,
    names: &Names,
    problems: &mut Problems,
) -> Option<Target> {
    let name = at.text()?;
    if medium != Medium::Im && !names.media.contains(&medium) {
        problems
            .error(
                at,
                format!("no channel is declared for `{}`", medium.as_str()),
            )
            .hint(format!(
                "declare the account under `channels: {{{}: …}}`",
                medium.as_str()
            ));
    }
    if name == "owner" {
        return Some(Target::By(medium, Whom::Owner));
    }
    if let Some(schedule) = name.strip_prefix("oncall/") {
        if !names.schedules.iter().any(|known| known == schedule) {
            unknown_name(problems, at, "schedule", schedule, &names.schedules);
        }
        return Some(Target::By(medium, Whom::OnCall(schedule.to_owned())));
    }
    if names.people.iter().any(|person| person == name) {
        return Some(Target::By(medium, Whom::Person(name.to_owned())));
    }
    if medium == Medium::Im {
        if names.receivers.iter().any(|receiver| receiver == name) {
            return Some(Target::Receiver(name.to_owned()));
        }
        unknown_name(problems, at, "receiver or person", name, &names.receivers);
        return None;
    }
    let known = names.people.iter().map(String::as_str);
    let hint = match closest(name, known.chain(["owner"])) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "write `owner`, `oncall/SCHEDULE` or a person of `people`".to_owned(),
    };
    problems
        .error(at, format!("unknown person `{name}`"))
        .hint(hint);
    None
}
