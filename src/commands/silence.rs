//! `rampart silence`: keeps alerts quiet that need nobody for a while.

use std::time::Duration;

use model::{Clock, MatchOperator, Matcher, SystemClock, Timestamp};
use serde_json::{Value, json};

use super::query::cell;
use super::{complain, say, say_table};
use crate::args::{Output, Remote, SilenceCommand};
use crate::client::{Client, ClientError};
use crate::exit::Exit;
use crate::print::Table;
use crate::results::path_part;

/// Makes, lists or ends silences.
pub async fn run(remote: &Remote, command: SilenceCommand) -> Exit {
    let done = match command {
        SilenceCommand::Add {
            matchers,
            length,
            start,
            comment,
            by,
        } => add(remote, &matchers, (start, length), &comment, by).await,
        SilenceCommand::List { all } => list(remote, all).await,
        SilenceCommand::Expire { ids } => expire(remote, &ids).await,
    };
    done.unwrap_or_else(|error| complain(&error.to_string(), Exit::Failed))
}

async fn add(
    remote: &Remote,
    matchers: &[Matcher],
    (start, length): (Option<Timestamp>, Duration),
    comment: &str,
    by: Option<String>,
) -> Result<Exit, ClientError> {
    let client = Client::new(remote)?;
    let start = start.unwrap_or_else(|| SystemClock::new().now());
    let by = by
        .or_else(|| std::env::var("USER").ok())
        .unwrap_or_default();
    let matchers: Vec<Value> = matchers
        .iter()
        .map(|matcher| {
            let operator = matcher.operator();
            json!({
                "name": matcher.name(),
                "value": matcher.value(),
                "isRegex": matches!(operator, MatchOperator::Matches | MatchOperator::NotMatches),
                "isEqual": matches!(operator, MatchOperator::Equal | MatchOperator::Matches),
            })
        })
        .collect();
    let silence = json!({
        "matchers": matchers,
        "startsAt": start,
        "endsAt": start + length,
        "createdBy": by,
        "comment": comment,
    });
    let made = client.post("/api/v2/silences", &silence).await?;
    Ok(match remote.output {
        Output::Json => say(&format!("{made:#}\n")),
        Output::Table | Output::Csv | Output::Arrow => {
            say(&format!("{}\n", cell(&made["silenceID"])))
        }
    })
}

async fn list(remote: &Remote, all: bool) -> Result<Exit, ClientError> {
    let client = Client::new(remote)?;
    let mut listed = client.get("/api/v2/silences").await?;
    if let Some(silences) = listed.as_array_mut()
        && !all
    {
        silences.retain(|silence| silence["status"]["state"] != "expired");
    }
    if remote.output == Output::Json {
        return Ok(say(&format!("{listed:#}\n")));
    }
    let silences = listed.as_array().map(Vec::as_slice).unwrap_or_default();
    if silences.is_empty() && remote.output == Output::Table {
        return Ok(say("no silences\n"));
    }
    let columns = [
        "id",
        "state",
        "matchers",
        "starts_at",
        "ends_at",
        "created_by",
        "comment",
    ];
    let mut table = Table::new(columns);
    for silence in silences {
        table.row([
            cell(&silence["id"]),
            cell(&silence["status"]["state"]),
            matchers_of(silence),
            cell(&silence["startsAt"]),
            cell(&silence["endsAt"]),
            cell(&silence["createdBy"]),
            cell(&silence["comment"]),
        ]);
    }
    Ok(say_table(&table, remote.output))
}

async fn expire(remote: &Remote, ids: &[String]) -> Result<Exit, ClientError> {
    let client = Client::new(remote)?;
    for id in ids {
        client
            .delete(&format!("/api/v2/silence/{}", path_part(id)))
            .await?;
    }
    Ok(Exit::Fine)
}

/// `{alertname="Down", host!="b"}`.
fn matchers_of(silence: &Value) -> String {
    let matchers = silence["matchers"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let texts: Vec<String> = matchers
        .iter()
        .map(|matcher| {
            let sign = match (matcher["isRegex"] == true, matcher["isEqual"] == false) {
                (false, false) => "=",
                (false, true) => "!=",
                (true, false) => "=~",
                (true, true) => "!~",
            };
            format!("{}{sign}{}", cell(&matcher["name"]), matcher["value"])
        })
        .collect();
    format!("{{{}}}", texts.join(", "))
}
