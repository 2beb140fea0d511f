//! The sections of the main file that the root itself reads.

use std::net::SocketAddr;
use std::path::Path;

use chrono_tz::Tz;
use declare::{Node, Problems};
use inbound::{Role, Token, Tokens};
use model::{DatedEvent, Secret};

use super::{ConfigFiles, DEFAULT_LISTEN, Overrides, Surroundings};

/// The address to listen on. Beyond loopback there must be authentication, or an explicit word.
pub(super) fn listen(
    root: &Node,
    overrides: &Overrides,
    authenticated: bool,
    problems: &mut Problems,
) -> Option<SocketAddr> {
    let written = root.field("listen");
    let text = written.map_or(Some(DEFAULT_LISTEN), Node::text);
    let Some(address) = overrides.listen.or_else(|| text?.parse().ok()) else {
        problems
            .error(written.unwrap_or(root), "`listen` is not an IP address and a port")
            .hint("write an address such as 127.0.0.1:9650 or [::1]:9650; names are not looked up here");
        return None;
    };
    if address.ip().is_loopback() || authenticated || overrides.insecure {
        return Some(address);
    }
    problems
        .error(
            written.unwrap_or(root),
            format!("{address} is reachable from other machines and nobody has to authenticate"),
        )
        .hint("add `auth: {tokens: …}`, listen on 127.0.0.1, or start with --insecure");
    None
}

/// Named dated events.
pub(super) fn events(root: &Node, problems: &mut Problems) -> Vec<DatedEvent> {
    let Some(section) = root.field("events") else {
        return Vec::new();
    };
    let mut events = Vec::new();
    for (name, event) in section.fields() {
        let zone: Tz = event
            .text_of("time_zone")
            .and_then(|zone| zone.parse().ok())
            .unwrap_or(Tz::UTC);
        let instant = |field: &str| {
            event
                .field(field)
                .and_then(Node::local_time)
                .map(|local| DatedEvent::local_instant(local, zone))
        };
        let (Some(from), Some(to), Some(text)) = (instant("from"), instant("to"), name.as_text())
        else {
            continue;
        };
        if to <= from {
            problems.error(
                event.field("to").unwrap_or(event),
                "an event must end after it begins",
            );
        }
        events.push(DatedEvent {
            name: text.to_owned(),
            from,
            to,
        });
    }
    events
}

/// Bearer tokens; `None` when no `auth` section is written.
pub(super) fn tokens(
    root: &Node,
    secret_file: &dyn Fn(&str) -> Result<String, String>,
    problems: &mut Problems,
) -> Option<Tokens> {
    let list = root.field("auth")?.field("tokens")?;
    let mut tokens: Vec<Token> = Vec::new();
    for node in list.items() {
        let secret = match (node.text_of("token"), node.text_of("token_file")) {
            (Some(secret), _) => Ok(secret.to_owned()),
            (None, Some(path)) => secret_file(path),
            (None, None) => continue,
        };
        let place = node
            .field("token")
            .or(node.field("token_file"))
            .unwrap_or(node);
        let (Some(name), Some(role)) = (node.text_of("name"), node.text_of("role").and_then(role))
        else {
            continue;
        };
        match secret {
            Ok(secret) if secret.trim().is_empty() => {
                problems
                    .error(place, format!("the token of `{name}` is empty"))
                    .hint("an empty token would let everybody in");
            }
            Ok(secret)
                if tokens
                    .iter()
                    .any(|known| known.secret.expose() == secret.trim()) =>
            {
                problems
                    .error(
                        place,
                        format!("`{name}` has the same token as another name"),
                    )
                    .hint("records could not tell them apart");
            }
            Ok(secret) => tokens.push(Token {
                name: name.to_owned(),
                role,
                secret: Secret::new(secret.trim().to_owned()),
            }),
            Err(reason) => {
                problems.error(place, reason);
            }
        }
    }
    (!list.items().is_empty()).then(|| Tokens::new(tokens))
}

fn role(word: &str) -> Option<Role> {
    Some(match word {
        "ingest" => Role::Ingest,
        "viewer" => Role::Viewer,
        "responder" => Role::Responder,
        "admin" => Role::Admin,
        _ => return None,
    })
}

/// Networks and hosts that requests built from data may reach.
pub(super) fn outbound_allow(root: &Node, problems: &mut Problems) -> Option<outbound::AllowList> {
    let list = root
        .field("outbound")
        .and_then(|outbound| outbound.field("allow"));
    let nodes = list.map(Node::items).unwrap_or_default();
    let mut entries = Vec::new();
    for (node, text) in nodes.iter().filter_map(|node| Some((node, node.text()?))) {
        match outbound::AllowList::parse(&[text]) {
            Ok(_) => entries.push(text),
            Err(wrong) => {
                for error in wrong {
                    problems.error(node, error.to_string());
                }
            }
        }
    }
    outbound::AllowList::parse(&entries).ok()
}

/// The rules of all files together; the starter pack when no file is named.
pub(super) fn rules(
    files: &ConfigFiles,
    around: &Surroundings<'_>,
    problems: &mut Problems,
) -> Option<rules::RuleSet> {
    if files.rules.is_empty() {
        return Some(rules::starter());
    }
    let mut sets = Vec::new();
    for file in &files.rules {
        match declare::read(&file.name, &file.text) {
            Ok(root) => {
                let root = declare::expand_variables(&root, around.variable, problems);
                sets.extend(rules::RuleSet::read(&root, problems));
            }
            Err(broken) => problems.extend(broken),
        }
    }
    rules::RuleSet::merge(sets, problems)
}

/// A rule may name an owner that is no team; then nobody is told as its owner.
pub(super) fn advise_on_owners(
    rules: Option<&rules::RuleSet>,
    teams: &alerting::Teams,
    problems: &mut Problems,
) {
    if teams.is_empty() {
        return;
    }
    for rule in rules.map(rules::RuleSet::rules).unwrap_or_default() {
        if let (Some(owner), Some(place)) = (&rule.owner, &rule.place)
            && !teams.iter().any(|team| team.name == *owner)
        {
            let known: Vec<&str> = teams.iter().map(|team| team.name.as_str()).collect();
            problems
                .advice(place, format!("the owner `{owner}` is no team"))
                .hint(format!("known teams: {}", known.join(", ")));
        }
    }
}

/// What rules say of alerts that hold back others, as alerting follows it.
pub(super) fn inhibitions(
    rules: &rules::RuleSet,
) -> impl Iterator<Item = alerting::config::InhibitRule> {
    rules.inhibitions().into_iter().filter_map(|one| {
        alerting::config::InhibitRule::between(&one.source, &one.target, &one.equal)
    })
}

/// Routes, receivers, escalations and people.
pub(super) fn alerting(
    files: &ConfigFiles,
    main: &MainFile<'_>,
    around: &Surroundings<'_>,
    problems: &mut Problems,
) -> Option<alerting::Config> {
    let Some(file) = &files.alerting else {
        return Some(alerting::Config::silent());
    };
    let root = match declare::read(&file.name, &file.text) {
        Ok(root) => root,
        Err(broken) => {
            problems.extend(broken);
            return None;
        }
    };
    let surroundings = alerting::config::Surroundings {
        teams: main.teams,
        events: main.events,
        external_url: main.external_url,
        now: around.now,
        secrets: around.secret_file,
        templates: &|pattern| crate::surroundings::template_files(Path::new(&file.name), pattern),
        time_zone: Tz::UTC,
    };
    if alerting::Config::is_alertmanager(&root) {
        return alerting::Config::read_alertmanager(&root, &surroundings, problems);
    }
    let root = declare::expand_variables(&root, around.variable, problems);
    declare::check(&root, &alerting::Config::shape(), problems);
    alerting::Config::read(&root, &surroundings, problems)
}

/// What the alerting file may refer to.
pub(super) struct MainFile<'a> {
    pub(super) teams: &'a alerting::Teams,
    pub(super) events: &'a [DatedEvent],
    pub(super) external_url: Option<&'a str>,
}
