//! What other rooms and the API speak to.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use model::{Alert, Labels, Severity, SharedClock, Timestamp};
use outbound::Outbound;
use rand::RngCore;
use serde::Serialize;
use state::State;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::AlertingError;
use super::actor::{Acted, Command};
use super::attempts::{Attempts, CodeRefusal};
use super::node::{Cluster, NodeStatus};
use super::presses::Presses;
use crate::chart::{Chart, ChartSource, Painter};
use crate::config::{Endpoint, Medium};
use crate::delivery::{
    Attempt, Delivery, IncidentStatus, IncidentView, MessageKind, Receipt, Recipient, Retry,
};
use crate::pipeline::{Action, Code, How, Incident, Links, Policy};
use crate::tables;

/// Alerts handed over in one step.
pub(super) const ALERTS_PER_STEP_MAX: usize = 500;
/// Steps handed over while earlier ones are still written to disk.
const STEPS_AHEAD_MAX: usize = 3;
/// How often an incident that left memory is read for a change.
const ACT_TRIES_MAX: usize = 10;
/// Test messages under way at once.
const TESTS_IN_FLIGHT_MAX: usize = 2;

/// Alerting, for those who hand alerts in, act on incidents or look at them. Clones share it.
#[derive(Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    state: State,
    outbound: Outbound,
    clock: SharedClock,
    links: Links,
    tests: Arc<Semaphore>,
    presses: Arc<Presses>,
    attempts: Arc<Attempts>,
    painter: Painter,
    cluster: Option<Arc<Cluster>>,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

/// What became of a test message by one way of a receiver.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct TestResult {
    /// The way.
    pub endpoint: String,
    /// Its kind.
    pub channel: &'static str,
    /// `accepted`, `refused` or `unknown`.
    pub outcome: &'static str,
    /// The provider's answer.
    pub detail: String,
    /// Whether a refusal would pass by itself.
    pub retryable: bool,
}

impl Handle {
    pub(super) fn new(
        commands: mpsc::Sender<Command>,
        state: State,
        outbound: Outbound,
        clock: SharedClock,
        links: Links,
        cluster: Option<Arc<Cluster>>,
    ) -> Self {
        Handle {
            cluster,
            commands,
            state,
            outbound,
            clock,
            links,
            tests: Arc::new(Semaphore::new(TESTS_IN_FLIGHT_MAX)),
            presses: Arc::default(),
            attempts: Arc::default(),
            painter: Painter::default(),
        }
    }

    /// Who leads, when several nodes share the database; `None` when this one is alone.
    pub fn node(&self) -> Option<NodeStatus> {
        self.cluster.as_ref().map(|cluster| cluster.status())
    }

    /// Whether it is this node that pages people.
    pub(super) fn is_leading(&self) -> bool {
        self.cluster
            .as_ref()
            .is_none_or(|cluster| cluster.is_leading())
    }

    /// Takes alerts in; returns once they are on disk. What was taken before is taken once, so
    /// handing over again after an error is safe.
    pub async fn receive(&self, alerts: Vec<Alert>) -> Result<(), AlertingError> {
        let mut answers = VecDeque::new();
        for chunk in alerts.chunks(ALERTS_PER_STEP_MAX) {
            if answers.len() >= STEPS_AHEAD_MAX
                && let Some(oldest) = answers.pop_front()
            {
                taken(oldest).await?;
            }
            let (reply, answer) = oneshot::channel();
            let alerts = self.as_written(chunk);
            self.command(Command::Receive { alerts, reply }).await?;
            answers.push_back(answer);
        }
        for answer in answers {
            taken(answer).await?;
        }
        Ok(())
    }

    /// Alerts as they are once they were written down for another node: an episode is known by when
    /// it began, which documents hold to the millisecond, and one alert may come by both ways.
    pub(super) fn as_written(&self, alerts: &[Alert]) -> Vec<Alert> {
        const KEPT_TO: Duration = Duration::from_millis(1);
        let mut alerts = alerts.to_vec();
        if self.cluster.is_some() {
            for alert in &mut alerts {
                alert.starts_at = alert.starts_at.floor_to(KEPT_TO);
                alert.ends_at = alert.ends_at.map(|end| end.floor_to(KEPT_TO));
            }
        }
        alerts
    }

    /// Does what a person asked; gives the incident as it then stands.
    pub async fn act(
        &self,
        incident: &str,
        action: Action,
        by: &str,
        how: How,
    ) -> Result<Incident, AlertingError> {
        let act = |stored, reply| Command::Act {
            incident: incident.to_owned(),
            action: action.clone(),
            by: by.to_owned(),
            how,
            stored,
            reply,
        };
        let mut stored = None;
        for _ in 0..ACT_TRIES_MAX {
            match self.ask(|reply| act(stored.take(), reply)).await?? {
                Acted::Done(Some(incident)) => return Ok(*incident),
                Acted::Done(None) => return self.stored(incident).await,
                // It left memory: brought back from the disk, unless somebody else is just changing it there.
                Acted::Absent => stored = Some(Box::new(self.stored(incident).await?)),
            }
        }
        Err(AlertingError::NotDurable(
            "others are changing the incident".to_owned(),
        ))
    }

    /// An incident with its alerts and timeline.
    pub async fn incident(&self, id: &str) -> Result<Incident, AlertingError> {
        let asked = id.to_owned();
        match self.ask(|reply| Command::Show { id: asked, reply }).await? {
            Some(incident) => Ok(incident),
            None => self.stored(id).await,
        }
    }

    /// The newest incidents, without alerts and timelines. Those in memory are shown even when the
    /// database does not answer.
    pub async fn incidents(
        &self,
        status: Option<IncidentStatus>,
        limit: usize,
    ) -> Result<Vec<Incident>, AlertingError> {
        let live = self.ask(Command::List).await?;
        let older = tables::list_incidents(&self.state, status, limit).await;
        let mut by_number: BTreeMap<u64, Incident> = older
            .unwrap_or_default()
            .into_iter()
            .map(|incident| (incident.number, incident))
            .collect();
        for incident in live {
            by_number.insert(incident.number, incident);
        }
        let newest = by_number.into_values().rev();
        Ok(newest
            .filter(|incident| status.is_none_or(|status| incident.status == status))
            .take(limit)
            .collect())
    }

    /// The alerts that fire, with their incidents.
    pub async fn firing(&self) -> Result<Vec<(String, Alert)>, AlertingError> {
        self.ask(Command::Firing).await
    }

    /// The configuration in force.
    pub async fn policy(&self) -> Result<Arc<Policy>, AlertingError> {
        self.ask(Command::Policy).await
    }

    /// Sends a test message by every way of a receiver, or to a person by every account that has
    /// their address, and waits for the answers.
    pub async fn test(&self, name: &str) -> Result<Vec<TestResult>, AlertingError> {
        let policy = self.policy().await?;
        let ways = test_ways(&policy, name)?;
        let permit = self.tests.acquire().await;
        let _permit = permit.map_err(|_| AlertingError::Stopping)?;
        let mut results = Vec::new();
        for (endpoint, recipient) in ways {
            let person = recipient.person.as_ref();
            let delivery = Delivery {
                language: person
                    .and_then(|person| person.language)
                    .or(endpoint.language)
                    .unwrap_or(policy.config.language),
                recipient,
                ..self.test_delivery()
            };
            let attempt = endpoint.channel.send(&delivery, &self.outbound).await;
            let (outcome, detail, retryable) = match attempt {
                Attempt::Accepted { detail, .. } => ("accepted", detail, false),
                Attempt::Refused { reason, retry } => ("refused", reason, retry != Retry::Never),
                Attempt::Unknown { reason } => ("unknown", reason, true),
            };
            results.push(TestResult {
                endpoint: endpoint.name.clone(),
                channel: endpoint.kind(),
                outcome,
                detail,
                retryable,
            });
        }
        Ok(results)
    }

    /// Whether a provider whose account is configured has signed what was posted to `url`.
    pub async fn is_signed(
        &self,
        url: &str,
        fields: &[(String, String)],
        signature: &str,
    ) -> Result<bool, AlertingError> {
        let policy = self.policy().await?;
        let mut ways = policy.config.endpoints();
        Ok(ways.any(|way| way.channel.has_signed(url, fields, signature)))
    }

    /// Takes in what a provider says of a message it took before.
    pub async fn receipt(&self, provider_id: &str, receipt: Receipt) -> Result<(), AlertingError> {
        let provider_id = provider_id.to_owned();
        let receipt = Command::Receipt {
            provider_id,
            receipt,
        };
        self.command(receipt).await
    }

    /// Whether this key of this call is pressed for the first time; a recording that is played to
    /// us again is not.
    pub(crate) fn is_first_press(&self, call: &str, digits: &str) -> bool {
        self.presses.is_first(&format!("{call} {digits}"))
    }

    /// What a typed code opens. Whoever guesses too often is refused before the code is looked at.
    pub(crate) async fn open_code(&self, typed: &str, from: IpAddr) -> Result<Code, CodeRefusal> {
        let now = self.now();
        self.attempts.allow(from, now)?;
        let found = match Code::typed(typed) {
            Some(code) => {
                let asked = self.ask(|reply| Command::Code { code, reply }).await;
                asked.map_err(|_| CodeRefusal::Failed)?
            }
            None => None,
        };
        found.ok_or_else(|| {
            self.attempts.failed(from, now);
            CodeRefusal::Wrong
        })
    }

    /// Says who knows the numbers that pictures are drawn from; without, messages have none.
    pub fn set_charts(&self, source: Arc<dyn ChartSource>) {
        self.painter.set_source(source);
    }

    pub(super) fn painter(&self) -> Painter {
        self.painter.clone()
    }

    /// The picture of an incident's function up to now.
    pub(crate) async fn picture(&self, incident: &Incident) -> Option<Chart> {
        /// Whoever fetches a picture waits for it, unlike a message.
        const DEADLINE: Duration = Duration::from_secs(5);
        let function = incident.function.as_deref()?;
        let zone = self.policy().await.ok()?.config.time_zone;
        let times = (incident.opened_at, self.now());
        self.painter.paint(function, times, zone, DEADLINE).await
    }

    /// The time as alerting sees it.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What links are made of.
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// Follows another configuration from now on; incidents keep their place.
    pub async fn reload(&self, policy: Arc<Policy>) -> Result<(), AlertingError> {
        self.ask(|reply| Command::Reload { policy, reply }).await
    }

    pub(super) async fn command(&self, command: Command) -> Result<(), AlertingError> {
        let sent = self.commands.send(command).await;
        sent.map_err(|_| AlertingError::Stopping)
    }

    pub(super) async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, AlertingError> {
        let (reply, answer) = oneshot::channel();
        self.command(command(reply)).await?;
        answer.await.map_err(|_| AlertingError::Stopping)
    }

    async fn stored(&self, id: &str) -> Result<Incident, AlertingError> {
        let found = tables::find_incident(&self.state, id).await?;
        found.ok_or_else(|| AlertingError::UnknownIncident(id.chars().take(80).collect()))
    }

    fn test_delivery(&self) -> Delivery {
        let now = self.now();
        let summary = "a test; nothing is wrong and nothing needs to be done";
        let labels = Labels::from_pairs([("alertname", "RampartTest"), ("severity", "info")]);
        let alert = Alert {
            status: model::AlertStatus::Firing,
            labels: labels.clone(),
            annotations: BTreeMap::from([("summary".to_owned(), summary.to_owned())]),
            starts_at: now,
            ends_at: None,
            generator_url: String::new(),
        };
        Delivery {
            key: format!("test-{:016x}", rand::rng().next_u64()),
            kind: MessageKind::Test,
            incident: IncidentView {
                id: "test".to_owned(),
                title: "Test".to_owned(),
                severity: Severity::Info,
                status: IncidentStatus::Open,
                opened_at: now,
                function: None,
                labels,
                alerts: vec![alert],
                alerts_total: 1,
                url: self.links.external_url.clone(),
                acknowledge_url: None,
                code: None,
                chart_url: None,
                step: None,
                note: None,
                group: None,
            },
            recipient: Recipient::default(),
            language: crate::delivery::Language::En,
            chart: None,
            now,
        }
    }
}

/// Waits until alerts are on disk.
async fn taken(answer: oneshot::Receiver<Result<(), AlertingError>>) -> Result<(), AlertingError> {
    answer.await.map_err(|_| AlertingError::Stopping)?
}

/// The ways of a test: a receiver's, or the accounts that can reach a person.
fn test_ways(
    policy: &Policy,
    name: &str,
) -> Result<Vec<(Arc<Endpoint>, Recipient)>, AlertingError> {
    let config = &policy.config;
    if let Some(receiver) = config.receivers.get(name) {
        let recipient = Recipient {
            name: name.to_owned(),
            ..Recipient::default()
        };
        let ways = receiver.endpoints.iter();
        return Ok(ways
            .map(|way| (Arc::clone(way), recipient.clone()))
            .collect());
    }
    let Some(person) = config.people.get(name) else {
        let known = config.receivers.keys().chain(config.people.keys());
        let known: Vec<&str> = known.map(String::as_str).collect();
        return Err(AlertingError::UnknownReceiver {
            name: name.chars().take(80).collect(),
            known: known.join(", "),
        });
    };
    let accounts = config.channels.iter().filter(|(medium, _)| {
        let address = medium.address();
        address.is_some_and(|kind| kind.of(person).is_some())
    });
    let recipient = |medium: &Medium| Recipient {
        name: format!("{} {name}", medium.as_str()),
        person: Some(person.clone()),
        mentions: Vec::new(),
    };
    Ok(accounts
        .map(|(medium, account)| (Arc::clone(account), recipient(medium)))
        .collect())
}
