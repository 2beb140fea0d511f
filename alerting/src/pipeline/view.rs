//! What a message says: an incident at this moment, or many of them in one.

use std::sync::Arc;
use std::time::Duration;

use model::{Alert, Labels, Severity, Timestamp};

use super::incident::Incident;
use super::memory::Memory;
use super::outbox::OutboxRow;
use crate::config::Endpoint;
use crate::delivery::{
    Delivery, GroupView, IncidentStatus, IncidentView, MessageKind, Person, Recipient,
};
use crate::page;

/// What links in messages are made of.
#[derive(Clone)]
pub struct Links {
    /// The address people reach Rampart at, without a slash at its end.
    pub external_url: Option<String>,
    /// The key links are signed with and incident ids are drawn from.
    pub key: Arc<[u8]>,
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Links")
            .field("external_url", &self.external_url)
            .finish_non_exhaustive()
    }
}

/// How long the link in a message opens its incident.
const LINK_VALID_FOR: Duration = Duration::from_hours(48);

impl Incident {
    /// What messages and the phone page say about it.
    pub fn view(&self, links: &Links, person: &str, now: Timestamp) -> IncidentView {
        let address = links.external_url.as_deref();
        let picture = || page::sign_picture(&links.key, &self.id, now + LINK_VALID_FOR);
        let has_picture = address.filter(|_| self.function.is_some());
        let token = || page::sign(&links.key, &self.id, person, now + LINK_VALID_FOR);
        IncidentView {
            id: self.id.clone(),
            title: self.title.clone(),
            severity: self.severity,
            status: self.status,
            opened_at: self.opened_at,
            function: self.function.clone(),
            labels: self.labels.clone(),
            alerts: self.loudest_alerts(IncidentView::ALERTS_MAX),
            alerts_total: self.alerts_total.saturating_sub(self.hidden()),
            url: address.map(|address| format!("{address}/incidents/{}", self.id)),
            acknowledge_url: address.map(|address| format!("{address}/a/{}", token())),
            code: None,
            chart_url: has_picture.map(|address| format!("{address}/chart/{}.png", picture())),
            step: None,
            note: None,
            group: Some(GroupView {
                key: self.group_key(),
                labels: self.group_labels.clone(),
                receiver: self.receiver.clone(),
                external_url: address.unwrap_or_default().to_owned(),
            }),
        }
    }

    /// `{}/{severity="critical"}:{alertname="Down"}`: the matchers from the root down, and the labels.
    fn group_key(&self) -> String {
        let route = self.route.trim_end_matches('/');
        format!("{{}}{route}:{}", self.group_labels)
    }

    /// How many of its alerts a message says nothing of: those that are muted where others fire, or
    /// where it says that the others are over.
    fn hidden(&self) -> usize {
        let others_fire = self.muted_alerts.len() < self.alerts_firing;
        let shown = match &self.muted {
            Some(muting) => muting.over,
            None => others_fire,
        };
        if shown { self.muted_alerts.len() } else { 0 }
    }

    /// Firing before resolved, loud before quiet, new before old.
    fn loudest_alerts(&self, most: usize) -> Vec<Alert> {
        let hidden =
            |fingerprint: &u64| self.hidden() > 0 && self.muted_alerts.contains(fingerprint);
        let mut held: Vec<_> = self.alerts.values().collect();
        held.retain(|held| !hidden(&held.fingerprint));
        held.sort_by_key(|held| {
            (
                !held.is_firing(),
                std::cmp::Reverse((held.alert.severity(), held.alert.starts_at)),
            )
        });
        held.into_iter()
            .take(most)
            .map(|held| held.alert.clone())
            .collect()
    }
}

/// The message that these rows are; several rows become one message that stands for all.
pub(super) fn delivery(
    memory: &Memory,
    rows: &[u64],
    endpoint: &Endpoint,
    now: Timestamp,
) -> Option<Delivery> {
    let found: Vec<(&OutboxRow, &Incident)> = rows
        .iter()
        .filter_map(|id| memory.outbox.get(id))
        .filter_map(|row| Some((row, memory.incidents.get(&row.incident)?)))
        .collect();
    let (row, incident) = *found.first()?;
    let config = &memory.policy.config;
    let person = row
        .address
        .person
        .as_ref()
        .and_then(|id| config.people.get(id));
    let mut mentions: Vec<Person> = Vec::new();
    for id in found.iter().flat_map(|(row, _)| &row.mentions) {
        if let Some(person) = config.people.get(id)
            && !mentions.contains(person)
        {
            mentions.push(person.clone());
        }
    }
    let signed_for = person.map_or("", |person| person.id.as_str());
    let mut view = if found.len() > 1 {
        digest(&found, &memory.links, row.kind)
    } else {
        incident.view(&memory.links, signed_for, now)
    };
    if found.len() == 1 {
        view.step = row.step.map(|(index, total)| (index + 1, total));
        view.note.clone_from(&row.note);
        view.status = status_said(row.kind, view.status);
        let most = endpoint.channel.alerts_max();
        if view.alerts.len() < view.alerts_total.min(most) {
            view.alerts = incident.loudest_alerts(most);
        }
    }
    let language = person
        .and_then(|person| person.language)
        .or(endpoint.language)
        .unwrap_or(config.language);
    Some(Delivery {
        key: match row.bundle {
            Some(bundle) => format!("{}-{bundle}-many", incident.id),
            None if found.len() > 1 => format!("{}-{}-many", incident.id, row.id),
            None => format!("{}-{}", incident.id, row.id),
        },
        kind: row.kind,
        incident: view,
        recipient: Recipient {
            name: row.address.to_string(),
            person: person.cloned(),
            mentions,
        },
        language,
        chart: None,
        now,
    })
}

/// A resolved message says so even if the incident came back while it waited to leave.
fn status_said(kind: MessageKind, status: IncidentStatus) -> IncidentStatus {
    match kind {
        MessageKind::Resolved => IncidentStatus::Resolved,
        MessageKind::Firing | MessageKind::Reminder | MessageKind::Test => status,
    }
}

/// One message for many incidents: how many, the loudest of their alerts, and where the rest is.
fn digest(found: &[(&OutboxRow, &Incident)], links: &Links, kind: MessageKind) -> IncidentView {
    let mut incidents: Vec<&Incident> = found.iter().map(|(_, incident)| *incident).collect();
    incidents.sort_by_key(|incident| {
        (
            std::cmp::Reverse(incident.severity),
            std::cmp::Reverse(incident.opened_at),
        )
    });
    let total = incidents.len();
    let alerts: Vec<Alert> = incidents
        .iter()
        .filter_map(|incident| incident.alerts.values().next())
        .take(IncidentView::ALERTS_MAX)
        .map(|held| held.alert.clone())
        .collect();
    let mut shared = found
        .first()
        .map_or_else(Labels::new, |(_, incident)| incident.labels.clone());
    for (_, incident) in found {
        let common = shared
            .iter()
            .filter(|(name, value)| incident.labels.get(name) == Some(*value));
        shared = Labels::from_pairs(common);
    }
    let state = match kind {
        MessageKind::Resolved => "resolved",
        MessageKind::Firing | MessageKind::Reminder | MessageKind::Test => "open",
    };
    let url = links.external_url.as_deref();
    IncidentView {
        id: found
            .first()
            .map(|(_, incident)| incident.id.clone())
            .unwrap_or_default(),
        title: format!("{total} incidents {state}"),
        severity: incidents
            .first()
            .map_or(Severity::Warning, |loudest| loudest.severity),
        status: match kind {
            MessageKind::Resolved => IncidentStatus::Resolved,
            MessageKind::Firing | MessageKind::Reminder | MessageKind::Test => IncidentStatus::Open,
        },
        opened_at: incidents
            .iter()
            .map(|incident| incident.opened_at)
            .min()
            .unwrap_or_default(),
        function: None,
        labels: shared,
        alerts,
        alerts_total: incidents.iter().map(|incident| incident.alerts_total).sum(),
        url: url.map(|address| format!("{address}/incidents")),
        acknowledge_url: None,
        code: None,
        chart_url: None,
        step: None,
        note: Some(format!(
            "{total} incidents in one message, because many came at once; {}",
            match url {
                Some(_) => "the link leads to the list of incidents",
                None => "`rampart incident list` shows them",
            }
        )),
        group: None,
    }
}
