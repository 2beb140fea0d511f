//! `rampart incident`: what is wrong now, and the acts of the person who has it.

use std::fmt::Write;

use model::format_duration;
use serde_json::{Value, json};

use super::query::cell;
use super::{complain, say, say_table};
use crate::args::{IncidentCommand, Output, Remote};
use crate::client::{Client, ClientError};
use crate::exit::Exit;
use crate::print::Table;
use crate::results::path_part;

/// Asks or acts, and prints what came of it.
pub async fn run(remote: &Remote, command: IncidentCommand) -> Exit {
    match answer(remote, command).await {
        Ok(answer) if remote.output == Output::Json => say(&format!("{answer:#}\n")),
        Ok(answer) => match answer.get("incidents").and_then(Value::as_array) {
            Some(incidents) => print_list(incidents, remote.output),
            None => print_one(&answer),
        },
        Err(error) => complain(&error.to_string(), Exit::Failed),
    }
}

async fn answer(remote: &Remote, command: IncidentCommand) -> Result<Value, ClientError> {
    let client = Client::new(remote)?;
    let act = |id: &str, what: &str| format!("/api/v1/incidents/{}/{what}", path_part(id));
    match command {
        IncidentCommand::List { status } => {
            let filter = status
                .map(|status| format!("?status={}", path_part(&status)))
                .unwrap_or_default();
            client.get(&format!("/api/v1/incidents{filter}")).await
        }
        IncidentCommand::Show { id } => {
            client
                .get(&format!("/api/v1/incidents/{}", path_part(&id)))
                .await
        }
        IncidentCommand::Ack { id } => client.post(&act(&id, "acknowledge"), &json!({})).await,
        IncidentCommand::Snooze { id, length } => {
            client
                .post(
                    &act(&id, "snooze"),
                    &json!({"for": format_duration(length)}),
                )
                .await
        }
        IncidentCommand::Escalate { id } => client.post(&act(&id, "escalate"), &json!({})).await,
        IncidentCommand::Resolve { id, reason } => {
            client
                .post(&act(&id, "resolve"), &json!({"reason": reason}))
                .await
        }
        IncidentCommand::Note { id, text } => {
            client.post(&act(&id, "note"), &json!({"text": text})).await
        }
    }
}

fn print_list(incidents: &[Value], output: Output) -> Exit {
    if incidents.is_empty() && output == Output::Table {
        return say("no incidents\n");
    }
    let columns = ["id", "status", "severity", "opened_at", "title"];
    let mut table = Table::new(columns);
    for incident in incidents {
        table.row(columns.iter().map(|column| cell(&incident[*column])));
    }
    say_table(&table, output)
}

fn print_one(incident: &Value) -> Exit {
    let mut text = String::new();
    let rows = [
        ("id", &incident["id"]),
        ("title", &incident["title"]),
        ("status", &incident["status"]),
        ("severity", &incident["severity"]),
        ("opened at", &incident["opened_at"]),
        ("acknowledged at", &incident["acknowledged"]["at"]),
        ("by", &incident["acknowledged"]["by"]),
        ("muted", &incident["muted"]["why"]),
        ("resolved at", &incident["resolved"]["at"]),
    ];
    for (name, value) in rows.into_iter().filter(|(_, value)| !value.is_null()) {
        let _ = writeln!(text, "{name:<16} {}", cell(value));
    }
    if let Some(timeline) = incident.get("timeline").and_then(Value::as_array) {
        text.push('\n');
        for entry in timeline {
            let _ = writeln!(text, "{}  {}", cell(&entry["at"]), cell(&entry["text"]));
        }
    }
    say(&text)
}
