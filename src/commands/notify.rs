//! `rampart notify test`: whether a receiver can be reached, told by the provider's own answer.

use serde_json::{Value, json};

use super::query::cell;
use super::{complain, say};
use crate::args::{NotifyCommand, Output, Remote};
use crate::client::Client;
use crate::exit::Exit;

/// Sends the test message and prints each delivery's result; any refusal fails the command.
pub async fn run(remote: &Remote, command: NotifyCommand) -> Exit {
    let NotifyCommand::Test { receiver } = command;
    let client = match Client::new(remote) {
        Ok(client) => client,
        Err(error) => return complain(&error.to_string(), Exit::Failed),
    };
    let answer = match client
        .post("/api/v1/notify/test", &json!({ "receiver": receiver }))
        .await
    {
        Ok(answer) => answer,
        Err(error) => return complain(&error.to_string(), Exit::Failed),
    };
    if remote.output == Output::Json {
        say(&format!("{answer:#}\n"));
    }
    let mut delivered = true;
    for result in answer
        .get("results")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        delivered &= result["outcome"] == "accepted";
        if remote.output != Output::Json {
            say(&format!(
                "{}  {}  {}\n",
                cell(&result["channel"]),
                cell(&result["outcome"]),
                cell(&result["detail"])
            ));
        }
    }
    if delivered { Exit::Fine } else { Exit::Failed }
}
