//! `rampart limits`: what pods carry and are held to, and the word of the person who approves it.

use model::FunctionId;
use serde_json::{Value, json};

use super::query::cell;
use super::{complain, say, say_table};
use crate::args::{LimitsArguments, LimitsCommand, LimitsFormat, Output, Remote};
use crate::client::{Client, ClientError};
use crate::exit::Exit;
use crate::print::Table;
use crate::results::function_path;

/// Shows, or approves.
pub async fn run(remote: &Remote, arguments: LimitsArguments) -> Exit {
    let raw = remote.output == Output::Json || arguments.format == Some(LimitsFormat::Sentinel);
    match answer(remote, arguments).await {
        Ok(answer) if raw => say(&format!("{answer:#}\n")),
        Ok(answer) => match answer.get("limits").and_then(Value::as_array) {
            Some(limits) => print(limits, remote.output),
            None => print(std::slice::from_ref(&answer), remote.output),
        },
        Err(error) => complain(&error.to_string(), Exit::Failed),
    }
}

async fn answer(remote: &Remote, arguments: LimitsArguments) -> Result<Value, ClientError> {
    let client = Client::new(remote)?;
    match (arguments.command, arguments.format) {
        (Some(LimitsCommand::Approve { function, of }), _) => {
            let path = approval_path(&function);
            client.post(&path, &json!({ "of": of })).await
        }
        (None, Some(LimitsFormat::Sentinel)) => client.get("/api/v1/limits?format=sentinel").await,
        (None, None) => client.get("/api/v1/limits").await,
    }
}

fn approval_path(function: &FunctionId) -> String {
    format!("{}/approve", function_path("/api/v1/limits", function))
}

fn print(limits: &[Value], output: Output) -> Exit {
    if limits.is_empty() && output == Output::Table {
        return say("no function was tested yet; `rampart loadtest capacity` measures one\n");
    }
    let mut table = Table::new([
        "function",
        "version",
        "qps/pod",
        "at once/pod",
        "pods",
        "qps",
        "verdict",
        "measured",
        "published",
        "pending",
        "note",
    ]);
    for row in limits {
        let stale = row["stale"].as_bool().unwrap_or(false);
        let note = match (stale, cell(&row["why"])) {
            (true, why) => format!("stale: {why}"),
            (false, why) => why,
        };
        table.row([
            cell(&row["function"]),
            cell(&row["version"]),
            rate(&row["qps_per_pod"]),
            cell(&row["concurrency_per_pod"]),
            cell(&row["live_pods"]),
            rate(&row["qps_total"]),
            cell(&row["verdict"]),
            cell(&row["measured_at"]),
            limit(&row["published"]),
            limit(&row["pending"]),
            note,
        ]);
    }
    say_table(&table, output)
}

/// Calls per second, to a tenth.
fn rate(value: &Value) -> String {
    value.as_f64().map_or_else(String::new, |rate| {
        let text = format!("{rate:.1}");
        text.trim_end_matches(".0").to_owned()
    })
}

/// `300/s, 15 at once`; nothing where there is no limit.
fn limit(value: &Value) -> String {
    let Some(qps) = value.get("qps").filter(|qps| qps.is_number()) else {
        return String::new();
    };
    match value["concurrency"].as_u64() {
        Some(at_once) => format!("{}/s, {at_once} at once", rate(qps)),
        None => format!("{}/s", rate(qps)),
    }
}
