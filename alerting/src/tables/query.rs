//! What the API reads of incidents that have left memory.

use state::{State, Statement};

use super::load::{LoadError, parse, readable};
use crate::delivery::IncidentStatus;
use crate::pipeline::{Entry, HeldAlert, Incident};

/// An incident with its alerts and timeline.
pub(crate) async fn find_incident(state: &State, id: &str) -> Result<Option<Incident>, LoadError> {
    let select = |sql: &'static str| state.read(Statement::new(sql).bind(id));
    let rows = select("select document, status from alerting_incidents where id = ?1").await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let incident: Incident = parse("alerting_incidents", &row.text(0)?)?;
    let mut incident = as_it_ended(incident, &row.text(1)?);
    for row in select("select document from alerting_alerts where incident = ?1").await? {
        let held: Option<HeldAlert> = readable("alerting_alerts", row.text(0));
        let held = held.map(|held| (held.fingerprint, held));
        incident.alerts.extend(held);
    }
    let timeline =
        select("select document from alerting_timeline where incident = ?1 order by sequence");
    for row in timeline.await? {
        let entry: Option<Entry> = readable("alerting_timeline", row.text(0));
        incident.timeline.extend(entry);
    }
    Ok(Some(incident))
}

/// The newest incidents, without alerts and timeline.
pub(crate) async fn list_incidents(
    state: &State,
    status: Option<IncidentStatus>,
    limit: usize,
) -> Result<Vec<Incident>, LoadError> {
    let statement = Statement::new(
        "select document, status from alerting_incidents where ?1 is null or status = ?1
         order by number desc limit ?2",
    )
    .bind(status.map(IncidentStatus::as_str))
    .bind(i64::try_from(limit).unwrap_or(i64::MAX));
    let mut found = Vec::new();
    for row in state.read(statement).await? {
        let incident: Option<Incident> = readable("alerting_incidents", row.text(0));
        let status = row.text(1)?;
        found.extend(incident.map(|incident| as_it_ended(incident, &status)));
    }
    Ok(found)
}

/// An end that was written without its document; see `settle_forgotten`.
fn as_it_ended(mut incident: Incident, status: &str) -> Incident {
    if status == IncidentStatus::Resolved.as_str() {
        incident.closed |= incident.status != IncidentStatus::Resolved;
        incident.status = IncidentStatus::Resolved;
    }
    incident
}
