//! `rampart alerts`: what fires, and what keeps people from being told of it.

use serde_json::Value;

use super::query::cell;
use super::{complain, say, say_table};
use crate::args::{AlertsArguments, Output, Remote};
use crate::client::{Client, ClientError};
use crate::exit::Exit;
use crate::print::Table;
use crate::results::path_part;

/// Lists what fires.
pub async fn run(remote: &Remote, arguments: AlertsArguments) -> Exit {
    let listed = match ask(remote, &arguments).await {
        Ok(listed) => listed,
        Err(error) => return complain(&error.to_string(), Exit::Failed),
    };
    if remote.output == Output::Json {
        return say(&format!("{listed:#}\n"));
    }
    let alerts = listed.as_array().map(Vec::as_slice).unwrap_or_default();
    if alerts.is_empty() && remote.output == Output::Table {
        return say("nothing fires\n");
    }
    let columns = [
        "alertname",
        "severity",
        "state",
        "muted_by",
        "starts_at",
        "receivers",
        "labels",
    ];
    let mut table = Table::new(columns);
    for alert in alerts {
        let labels = &alert["labels"];
        table.row([
            cell(&labels["alertname"]),
            cell(&labels["severity"]),
            cell(&alert["status"]["state"]),
            muted_by(&alert["status"]),
            cell(&alert["startsAt"]),
            names(&alert["receivers"]),
            other_labels(labels),
        ]);
    }
    say_table(&table, remote.output)
}

async fn ask(remote: &Remote, arguments: &AlertsArguments) -> Result<Value, ClientError> {
    let mut question = vec![format!("silenced={0}&inhibited={0}", arguments.muted)];
    for matcher in &arguments.matchers {
        question.push(format!("filter={}", path_part(&matcher.to_string())));
    }
    let client = Client::new(remote)?;
    client
        .get(&format!("/api/v2/alerts?{}", question.join("&")))
        .await
}

fn texts(list: &Value) -> impl Iterator<Item = String> {
    list.as_array().into_iter().flatten().map(cell)
}

fn muted_by(status: &Value) -> String {
    let kinds = [
        ("silencedBy", "silence"),
        ("inhibitedBy", "alert"),
        ("mutedBy", "time"),
    ];
    let all = kinds
        .iter()
        .flat_map(|(field, what)| texts(&status[*field]).map(move |by| format!("{what} {by}")));
    all.collect::<Vec<_>>().join(", ")
}

fn names(receivers: &Value) -> String {
    let receivers = receivers.as_array().into_iter().flatten();
    receivers
        .map(|receiver| cell(&receiver["name"]))
        .collect::<Vec<_>>()
        .join(", ")
}

fn other_labels(labels: &Value) -> String {
    let pairs = labels.as_object().into_iter().flatten();
    pairs
        .filter(|(name, _)| !["alertname", "severity"].contains(&name.as_str()))
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join(", ")
}
