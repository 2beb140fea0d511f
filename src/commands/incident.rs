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
    if let IncidentCommand::Export { status } = &command {
        return match export(remote, status.as_deref()).await {
            Ok(incidents) => print_export(&incidents, remote.output),
            Err(error) => complain(&error.to_string(), Exit::Failed),
        };
    }
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
        IncidentCommand::List { status } | IncidentCommand::Export { status } => {
            client.get(&list_path(status.as_deref(), None)).await
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

/// The most incidents of one export; the API lists no more.
const EXPORTED_MAX: usize = 1_000;

fn list_path(status: Option<&str>, limit: Option<usize>) -> String {
    let status = status.map(|status| format!("status={}", path_part(status)));
    let limit = limit.map(|limit| format!("limit={limit}"));
    let query: Vec<String> = status.into_iter().chain(limit).collect();
    if query.is_empty() {
        "/api/v1/incidents".to_owned()
    } else {
        format!("/api/v1/incidents?{}", query.join("&"))
    }
}

/// The newest incidents, each whole.
async fn export(remote: &Remote, status: Option<&str>) -> Result<Vec<Value>, ClientError> {
    let client = Client::new(remote)?;
    let list = client.get(&list_path(status, Some(EXPORTED_MAX))).await?;
    let mut whole = Vec::new();
    for incident in list["incidents"].as_array().into_iter().flatten() {
        let id = path_part(incident["id"].as_str().unwrap_or_default());
        whole.push(client.get(&format!("/api/v1/incidents/{id}")).await?);
    }
    Ok(whole)
}

/// One object a line, or a summary for spreadsheets.
fn print_export(incidents: &[Value], output: Output) -> Exit {
    if output != Output::Csv {
        let lines = incidents.iter().map(|incident| format!("{incident}\n"));
        return say(&lines.collect::<String>());
    }
    let columns = [
        "number",
        "id",
        "title",
        "severity",
        "status",
        "function",
        "opened_at",
        "acknowledged_at",
        "acknowledged_by",
        "resolved_at",
        "resolved_by",
        "reason",
        "false_alarm",
        "alerts_total",
    ];
    let mut table = Table::new(columns);
    for incident in incidents {
        table.row(columns.iter().map(|column| {
            cell(match *column {
                "acknowledged_at" => &incident["acknowledged"]["at"],
                "acknowledged_by" => &incident["acknowledged"]["by"],
                "resolved_at" => &incident["resolved"]["at"],
                "resolved_by" => &incident["resolved"]["by"],
                "reason" => &incident["resolved"]["reason"],
                column => &incident[column],
            })
        }));
    }
    say_table(&table, output)
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
