//! `/incidents` and `/incidents/{id}`: where the links in messages lead.

use std::fmt::Write;

use alerting::AlertingError;
use alerting::pipeline::Incident;
use axum::extract::State;
use axum::response::Response;
use inbound::{Path, ProblemDocument};

use crate::Sources;
use crate::page::{escape, page};

/// The most incidents listed.
const INCIDENTS_MAX: usize = 100;

/// The newest incidents.
pub(crate) async fn list(State(sources): State<Sources>) -> Result<Response, ProblemDocument> {
    let incidents = sources
        .alerting
        .incidents(None, INCIDENTS_MAX)
        .await
        .map_err(ProblemDocument::internal)?;
    let mut rows = String::new();
    for incident in &incidents {
        let status = incident.status.as_str();
        let _ = write!(
            rows,
            "<tr><td>{}</td><td class={status}>{status}</td><td>{}</td><td><a href=\"incidents/{}\">{}</a></td></tr>",
            incident.opened_at,
            incident.severity.as_str(),
            escape(&incident.id),
            escape(&incident.title),
        );
    }
    let body = if rows.is_empty() {
        "<p>No incident.</p>".to_owned()
    } else {
        format!(
            "<table><tr><th>opened</th><th>status</th><th>severity</th><th>what</th></tr>{rows}</table>"
        )
    };
    Ok(page("Incidents", "", &body, sources.clock.now()))
}

/// One incident with its timeline. It shows; acting is for the phone page, the API and the command.
pub(crate) async fn show(
    State(sources): State<Sources>,
    Path(id): Path<String>,
) -> Result<Response, ProblemDocument> {
    let incident = sources
        .alerting
        .incident(&id)
        .await
        .map_err(|error| match error {
            AlertingError::UnknownIncident(_) => {
                ProblemDocument::not_found(error.to_string()).hint("/incidents lists the newest")
            }
            other => ProblemDocument::internal(other),
        })?;
    Ok(page(
        &incident.title,
        "../",
        &describe(&incident),
        sources.clock.now(),
    ))
}

fn describe(incident: &Incident) -> String {
    let status = incident.status.as_str();
    let mut body = format!(
        "<p><span class={status}>{status}</span>, {}, since {}",
        incident.severity.as_str(),
        incident.opened_at
    );
    if let Some(acknowledged) = &incident.acknowledged {
        let _ = write!(
            body,
            "; {} has it since {}",
            escape(&acknowledged.by),
            acknowledged.at
        );
    }
    if let Some(resolved) = &incident.resolved {
        let _ = write!(body, "; resolved at {}", resolved.at);
    }
    body.push_str("</p><table>");
    for entry in &incident.timeline {
        let _ = write!(
            body,
            "<tr><td>{}</td><td>{}</td></tr>",
            entry.at,
            escape(&entry.text)
        );
    }
    body.push_str("</table>");
    if incident.timeline_left_out > 0 {
        let _ = write!(
            body,
            "<p>{} older lines made room for newer ones.</p>",
            incident.timeline_left_out
        );
    }
    let _ = write!(
        body,
        "<p>Acknowledge with the link in a message, or <code>rampart incident ack {}</code>.</p>",
        escape(&incident.id)
    );
    body
}
