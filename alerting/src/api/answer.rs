//! What the API says about incidents.

use std::collections::BTreeMap;

use model::{Alert, AlertStatus, Labels, Severity, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::config::Destination;
use crate::delivery::IncidentStatus;
use crate::pipeline::{Acknowledgement, Entry, Incident, Muting, Reach, Resolution, Told};

/// The most alerts an answer lists of one incident.
const INCIDENT_ALERTS_MAX: usize = 200;

/// An incident.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Incident)]
pub struct IncidentAnswer {
    id: String,
    number: u64,
    title: String,
    severity: Severity,
    status: IncidentStatus,
    function: Option<String>,
    labels: Labels,
    opened_at: Timestamp,
    changed_at: Timestamp,
    acknowledged: Option<Acknowledgement>,
    resolved: Option<Resolution>,
    false_alarm: bool,
    destination: Destination,
    /// `waiting`, `reached` or `unreached`: whether anybody got a message.
    reach: Reach,
    /// Why nobody is told now.
    muted: Option<Muting>,
    /// The next step's time, while somebody is still to be told and it is not muted.
    next_step_at: Option<Timestamp>,
    told: Vec<Told>,
    alerts_total: usize,
    alerts_firing: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    alerts: Option<Vec<AlertAnswer>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    timeline: Option<Vec<Entry>>,
    timeline_left_out: u64,
}

/// An alert.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Alert)]
pub struct AlertAnswer {
    status: AlertStatus,
    severity: Severity,
    labels: Labels,
    annotations: BTreeMap<String, String>,
    starts_at: Timestamp,
    ends_at: Option<Timestamp>,
    generator_url: String,
    /// Prometheus's fingerprint, 16 hexadecimal digits.
    fingerprint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    incident: Option<String>,
}

/// What fires.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AlertList {
    pub(super) alerts: Vec<AlertAnswer>,
    /// How many there are, listed or not.
    pub(super) total: usize,
}

/// Incidents, newest first, without alerts and timeline.
#[derive(Debug, Serialize, ToSchema)]
pub struct IncidentList {
    pub(super) incidents: Vec<IncidentAnswer>,
}

impl IncidentList {
    /// These incidents, short.
    pub fn new(incidents: Vec<Incident>) -> Self {
        IncidentList {
            incidents: incidents.into_iter().map(IncidentAnswer::short).collect(),
        }
    }
}

impl IncidentAnswer {
    /// One of a list: without alerts and timeline.
    pub fn short(incident: Incident) -> Self {
        let open = incident.status == IncidentStatus::Open;
        IncidentAnswer {
            id: incident.id,
            number: incident.number,
            title: incident.title,
            severity: incident.severity,
            status: incident.status,
            function: incident.function,
            labels: incident.labels,
            opened_at: incident.opened_at,
            changed_at: incident.changed_at,
            acknowledged: incident.acknowledged,
            resolved: incident.resolved,
            false_alarm: incident.false_alarm,
            destination: incident.destination,
            reach: incident.reach,
            next_step_at: incident
                .progress
                .due
                .filter(|_| open && incident.muted.is_none()),
            muted: incident.muted,
            told: incident.told,
            alerts_total: incident.alerts_total,
            alerts_firing: incident.alerts_firing,
            alerts: None,
            timeline: None,
            timeline_left_out: incident.timeline_left_out,
        }
    }

    /// With everything.
    pub fn whole(mut incident: Incident) -> Self {
        let held = std::mem::take(&mut incident.alerts);
        let mut alerts: Vec<Alert> = held.into_values().map(|held| held.alert).collect();
        alerts.sort_by_key(|alert| {
            (
                alert.status == AlertStatus::Resolved,
                std::cmp::Reverse(alert.starts_at),
            )
        });
        alerts.truncate(INCIDENT_ALERTS_MAX);
        let timeline = std::mem::take(&mut incident.timeline);
        IncidentAnswer {
            alerts: Some(
                alerts
                    .into_iter()
                    .map(|alert| AlertAnswer::new(alert, None))
                    .collect(),
            ),
            timeline: Some(timeline.into()),
            ..IncidentAnswer::short(incident)
        }
    }
}

impl AlertAnswer {
    /// An alert and the incident it belongs to.
    pub fn new(alert: Alert, incident: Option<String>) -> Self {
        AlertAnswer {
            status: alert.status,
            severity: alert.severity(),
            fingerprint: format!("{:016x}", alert.fingerprint()),
            labels: alert.labels,
            annotations: alert.annotations,
            starts_at: alert.starts_at,
            ends_at: alert.ends_at,
            generator_url: alert.generator_url,
            incident,
        }
    }
}
