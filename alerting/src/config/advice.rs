//! What is not wrong but will hurt at night.

use std::collections::BTreeSet;

use declare::{Node, Problems, closest};

use super::{Config, Medium, Surroundings, Target, Whom};
use crate::channel::{self, CHATS};

pub(super) fn give(
    config: &Config,
    node: &Node,
    surroundings: &Surroundings<'_>,
    problems: &mut Problems,
) {
    links(node, surroundings.external_url, problems);
    gaps(config, node, surroundings, problems);
    missing_addresses(config, node, surroundings, problems);
    unusable_numbers(config, node, problems);
    unusable_identities(node, problems);
    unowned(config, node, surroundings, problems);
}

/// A message at night is answered from a phone, which must be able to open its link.
fn links(node: &Node, external_url: Option<&str>, problems: &mut Problems) {
    let tells_somebody = node
        .field("receivers")
        .is_some_and(|receivers| !receivers.items().is_empty());
    if !tells_somebody {
        return;
    }
    let at = node.key("receivers").unwrap_or(node);
    let hint = "set `external_url` in the main file to the address phones reach Rampart at";
    match external_url {
        None => {
            problems
                .advice(
                    at,
                    "links in messages open on this machine only, because `external_url` is not set",
                )
                .hint(hint);
        }
        Some(url) if is_loopback(url) => {
            problems
                .advice(
                    at,
                    format!("links in messages will not open on a phone: `external_url` is {url}"),
                )
                .hint(hint);
        }
        Some(_) => {}
    }
}

fn is_loopback(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or(rest);
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(v6),
        None => authority.split(':').next().unwrap_or(authority),
    };
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback() || address.is_unspecified())
}

fn gaps(config: &Config, node: &Node, surroundings: &Surroundings<'_>, problems: &mut Problems) {
    let Some(schedules) = node.field("schedules") else {
        return;
    };
    for (key, _) in schedules.fields() {
        let schedule = key.key_text().and_then(|name| config.schedules.get(name));
        if let Some(schedule) = schedule
            && let gaps = schedule.gaps(surroundings.now, &[])
            && let Some((from, to)) = gaps.first()
        {
            let more = match gaps.len() - 1 {
                0 => String::new(),
                1 => ", and once more within 30 days".to_owned(),
                more => format!(", and {more} times more within 30 days"),
            };
            problems
                .advice(
                    key,
                    format!(
                        "nobody is on call in `{}` from {from} to {to}{more}",
                        schedule.name
                    ),
                )
                .hint("add a rotation with `start` in the past, which has no end");
        }
    }
}

/// Steps whose medium needs an address that somebody they may reach does not have.
fn missing_addresses(
    config: &Config,
    node: &Node,
    surroundings: &Surroundings<'_>,
    problems: &mut Problems,
) {
    let people_node = node.field("people");
    let mut told = BTreeSet::new();
    for escalation in config.escalations.values() {
        for target in escalation.steps.iter().flat_map(|step| &step.notify) {
            let Target::By(medium, whom) = target else {
                continue;
            };
            let Some(address) = medium.address() else {
                continue;
            };
            for person in reachable(config, surroundings, whom) {
                let lacks = config
                    .people
                    .get(person)
                    .is_some_and(|known| address.of(known).is_none());
                if lacks && told.insert((person.to_owned(), *medium)) {
                    let at = people_node.and_then(|people| people.key(person));
                    problems
                        .advice(
                            at.unwrap_or(node),
                            format!(
                                "`{person}` has no `{}`, which a step `{target}` needs",
                                address.as_str()
                            ),
                        )
                        .hint("add it, or the step passes over this person");
                }
            }
        }
    }
}

/// Numbers that the account's provider cannot be given.
fn unusable_numbers(config: &Config, node: &Node, problems: &mut Problems) {
    for medium in [Medium::Sms, Medium::Phone] {
        let Some(account) = config.channel(medium) else {
            continue;
        };
        // A webhook behind the medium may know numbers in any form.
        if account.channel.needs_address().is_none() {
            continue;
        }
        let people = node.field("people");
        for (key, person) in people.into_iter().flat_map(Node::fields) {
            let Some(at) = person.field(medium.as_str()) else {
                continue;
            };
            if at.text().is_some_and(channel::is_telephone_number) {
                continue;
            }
            let name = key.key_text().unwrap_or_default();
            problems
                .advice(
                    at,
                    format!(
                        "the `{}` of `{name}` is not a telephone number with country code",
                        medium.as_str()
                    ),
                )
                .hint("write it as \"+8613800000001\", or the step passes over this person");
        }
    }
}

/// Identities by which no chat can call anybody.
fn unusable_identities(node: &Node, problems: &mut Problems) {
    let people = node.field("people").into_iter().flat_map(Node::fields);
    for (_, person) in people {
        for (key, at) in person.field("im").into_iter().flat_map(Node::fields) {
            let kind = key.key_text().unwrap_or_default();
            let Some(chat) = CHATS.iter().find(|chat| chat.kind == kind) else {
                let near = closest(kind, CHATS.iter().map(|chat| chat.kind));
                let known = CHATS.iter().map(|chat| chat.kind).collect::<Vec<_>>();
                problems
                    .advice(key, format!("no chat is called `{kind}`"))
                    .hint(match near {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("known: {}", known.join(", ")),
                    });
                continue;
            };
            if !at
                .text()
                .is_some_and(|text| (chat.is_identity)(text.trim()))
            {
                problems
                    .advice(at, format!("`{kind}` cannot call anybody by this"))
                    .hint(format!("write {}", chat.example));
            }
        }
    }
}

fn reachable<'a>(
    config: &'a Config,
    surroundings: &Surroundings<'_>,
    whom: &'a Whom,
) -> Vec<&'a str> {
    let on_duty = |schedule: &str| {
        let schedule = config.schedules.get(schedule);
        schedule.map_or_else(Vec::new, |schedule| schedule.people().collect())
    };
    match whom {
        Whom::Person(person) => vec![person],
        Whom::OnCall(schedule) => on_duty(schedule),
        Whom::Owner => surroundings
            .teams
            .iter()
            .filter_map(|team| team.schedule.as_deref())
            .flat_map(on_duty)
            .collect(),
    }
}

/// Steps that go to the owner where no team can be one.
fn unowned(config: &Config, node: &Node, surroundings: &Surroundings<'_>, problems: &mut Problems) {
    let Some(escalations) = node.field("escalations") else {
        return;
    };
    let has_chat = surroundings.teams.iter().any(|team| team.im.is_some());
    let has_duty = surroundings
        .teams
        .iter()
        .any(|team| team.schedule.is_some());
    for (key, _) in escalations.fields() {
        let Some(escalation) = key.key_text().and_then(|name| config.escalations.get(name)) else {
            continue;
        };
        let mut targets = escalation.steps.iter().flat_map(|step| &step.notify);
        let lost = targets.find(|target| match target {
            Target::By(Medium::Im, Whom::Owner) => !has_chat,
            Target::By(_, Whom::Owner) => !has_duty,
            _ => false,
        });
        if let Some(target) = lost {
            let lacks = match target {
                Target::By(Medium::Im, _) => "no team has a chat (`im`)",
                _ => "no team has a `schedule`",
            };
            problems
                .advice(key, format!("`{target}` reaches nobody: {lacks}"))
                .hint("declare `teams` in the main file; until then the step is passed over");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn addresses_that_no_phone_can_open() {
        for (url, expected) in [
            ("http://localhost:9650", true),
            ("http://127.0.0.1:9650/guard", true),
            ("http://[::1]:9650", true),
            ("http://0.0.0.0", true),
            ("https://rampart.example.com/127.0.0.1", false),
            ("http://10.0.0.7:9650", false),
        ] {
            assert_eq!(is_loopback(url), expected, "{url}");
        }
    }
}
