//! `rampart mode`: everyday thresholds or those of a sale.

use serde_json::json;

use super::query::cell;
use super::{complain, say};
use crate::args::{ModeArguments, Output, Remote};
use crate::client::{Client, ClientError};
use crate::exit::Exit;

/// Shows or switches.
pub async fn run(remote: &Remote, arguments: ModeArguments) -> Exit {
    let answer = async {
        let client = Client::new(remote)?;
        match &arguments.mode {
            None => client.get("/api/v1/mode").await,
            Some(mode) => {
                client
                    .put(
                        "/api/v1/mode",
                        &json!({"mode": mode, "until": arguments.until}),
                    )
                    .await
            }
        }
    };
    let answer: Result<_, ClientError> = answer.await;
    match answer {
        Ok(answer) if remote.output == Output::Json => say(&format!("{answer:#}\n")),
        Ok(answer) => {
            let part = |label: &str, field: &str| {
                let value = cell(&answer[field]);
                if value.is_empty() {
                    String::new()
                } else {
                    format!(" {label} {value}")
                }
            };
            say(&format!(
                "{}{}{}{}\n",
                cell(&answer["mode"]),
                part("since", "since"),
                part("until", "until"),
                part("by", "by")
            ))
        }
        Err(error) => complain(&error.to_string(), Exit::Failed),
    }
}
