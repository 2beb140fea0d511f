//! From what a step names to the ways and people it means at this moment.

use model::Timestamp;

use super::event::Policy;
use super::incident::Incident;
use super::outbox::Address;
use crate::config::{Config, Medium, Target, Team, Whom};

/// Somebody a message is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Called {
    pub(super) address: Address,
    /// Who should be called by name in a room.
    pub(super) mentions: Vec<String>,
}

/// Whom a target reaches now, or why nobody.
pub(super) fn find(
    incident: &Incident,
    policy: &Policy,
    target: &Target,
    now: Timestamp,
) -> Result<Vec<Called>, String> {
    let config = &policy.config;
    let owner = incident
        .function
        .as_deref()
        .and_then(|function| policy.teams.owner(function));
    match target {
        Target::Receiver(name) => room(config, name, on_duty_of(policy, owner, now)),
        Target::By(Medium::Im, Whom::Owner) => {
            let chat = owner.ok_or("no team owns it")?.im.as_deref();
            let chat = chat.ok_or("its team has no chat")?;
            room(config, chat, on_duty_of(policy, owner, now))
        }
        Target::By(Medium::Im, whom) => {
            // A robot cannot write to one person; they are called by name in the owner's chat.
            let person = somebody(policy, owner, whom, now)?;
            let chat = owner.and_then(|team| team.im.as_deref());
            room(config, chat.unwrap_or(&incident.receiver), vec![person])
        }
        Target::By(medium, whom) => {
            let person = somebody(policy, owner, whom, now)?;
            let account = config.channel(*medium).ok_or("no channel is declared")?;
            let known = config.people.get(&person).ok_or("this person is gone")?;
            let address = medium.address().and_then(|kind| kind.of(known));
            if address.is_none() {
                return Err(format!("{person} has no {}", medium.as_str()));
            }
            Ok(vec![Called {
                address: Address {
                    endpoint: account.name.clone(),
                    person: Some(person),
                },
                mentions: Vec::new(),
            }])
        }
    }
}

/// Every way of a receiver.
pub(super) fn room(
    config: &Config,
    receiver: &str,
    mentions: Vec<String>,
) -> Result<Vec<Called>, String> {
    let found = config
        .receivers
        .get(receiver)
        .ok_or_else(|| format!("receiver {receiver} is gone"))?;
    if found.endpoints.is_empty() {
        return Err("no channel is configured".to_owned());
    }
    let called = found.endpoints.iter().map(|endpoint| Called {
        address: Address {
            endpoint: endpoint.name.clone(),
            person: None,
        },
        mentions: mentions.clone(),
    });
    Ok(called.collect())
}

fn on_duty_of(policy: &Policy, owner: Option<&Team>, now: Timestamp) -> Vec<String> {
    owner
        .and_then(|team| {
            let schedule = policy.config.schedules.get(team.schedule.as_deref()?)?;
            policy.shift(schedule, now)
        })
        .map(|shift| vec![shift.person])
        .unwrap_or_default()
}

fn somebody(
    policy: &Policy,
    owner: Option<&Team>,
    whom: &Whom,
    now: Timestamp,
) -> Result<String, String> {
    let schedule = match whom {
        Whom::Person(person) => return Ok(person.clone()),
        Whom::OnCall(schedule) => schedule.as_str(),
        Whom::Owner => {
            let team = owner.ok_or("no team owns it")?;
            team.schedule
                .as_deref()
                .ok_or_else(|| format!("team {} has no schedule", team.name))?
        }
    };
    let known = policy
        .config
        .schedules
        .get(schedule)
        .ok_or_else(|| format!("schedule {schedule} is gone"))?;
    let shift = policy
        .shift(known, now)
        .ok_or_else(|| format!("nobody is on call in {schedule}"))?;
    Ok(shift.person)
}
