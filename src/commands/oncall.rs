//! `rampart oncall`: who is on call, and taking over for a while.

use std::fmt::Write;

use model::format_duration;
use serde_json::{Value, json};

use super::query::cell;
use super::{complain, say, say_table};
use crate::args::{OncallCommand, Output, Remote};
use crate::client::{Client, ClientError};
use crate::exit::Exit;
use crate::print::Table;
use crate::results::path_part;

/// Asks or acts, and prints what came of it.
pub async fn run(remote: &Remote, command: OncallCommand) -> Exit {
    let answer = match answer(remote, &command).await {
        Ok(answer) => answer,
        Err(error) => return complain(&error.to_string(), Exit::Failed),
    };
    match command {
        OncallCommand::Show { schedule } => show(&answer, schedule.as_deref(), remote.output),
        OncallCommand::Overrides { schedule } => {
            overrides(&answer, schedule.as_deref(), remote.output)
        }
        OncallCommand::Take { .. } | OncallCommand::End { .. } => changed(&answer, remote.output),
    }
}

async fn answer(remote: &Remote, command: &OncallCommand) -> Result<Value, ClientError> {
    let client = Client::new(remote)?;
    let overrides = |schedule: &str| format!("/api/v1/oncall/{}/overrides", path_part(schedule));
    match command {
        OncallCommand::Show { .. } | OncallCommand::Overrides { .. } => {
            client.get("/api/v1/oncall").await
        }
        OncallCommand::Take {
            schedule,
            length,
            from,
            person,
        } => {
            let mut body = json!({"for": format_duration(*length)});
            if let Some(from) = from {
                body["from"] = json!(from);
            }
            if let Some(person) = person {
                body["person"] = json!(person);
            }
            client.post(&overrides(schedule), &body).await
        }
        OncallCommand::End { schedule, id } => {
            let path = format!("{}/{id}", overrides(schedule));
            client.delete(&path).await
        }
    }
}

/// The schedules of an answer, or the one that was asked for.
fn chosen<'a>(answer: &'a Value, schedule: Option<&str>) -> Result<Vec<&'a Value>, String> {
    let all = answer["schedules"].as_array().into_iter().flatten();
    let found: Vec<&Value> = all
        .filter(|one| schedule.is_none_or(|name| one["schedule"] == name))
        .collect();
    match schedule {
        Some(name) if found.is_empty() => Err(format!("there is no schedule `{name}`")),
        _ => Ok(found),
    }
}

fn show(answer: &Value, schedule: Option<&str>, output: Output) -> Exit {
    let schedules = match chosen(answer, schedule) {
        Ok(schedules) => schedules,
        Err(message) => return complain(&message, Exit::Failed),
    };
    if output == Output::Json {
        return say(&format!("{:#}\n", json!({"schedules": schedules})));
    }
    if schedules.is_empty() && output == Output::Table {
        return say("no schedules\n");
    }
    let columns = ["schedule", "now", "rotation", "until", "next", "from"];
    let mut table = Table::new(columns);
    let mut gaps = String::new();
    for one in schedules {
        table.row([
            cell(&one["schedule"]),
            or_nobody(&one["person"]),
            cell(&one["rotation"]),
            cell(&one["until"]),
            cell(&one["next"]["person"]),
            cell(&one["next"]["from"]),
        ]);
        for gap in one["gaps"].as_array().into_iter().flatten() {
            let name = cell(&one["schedule"]);
            let (from, to) = (cell(&gap["from"]), cell(&gap["to"]));
            let _ = writeln!(gaps, "nobody is on call in {name} from {from} to {to}");
        }
    }
    let exit = say_table(&table, output);
    if output == Output::Table && !gaps.is_empty() {
        return say(&format!("\n{gaps}"));
    }
    exit
}

fn or_nobody(person: &Value) -> String {
    match person {
        Value::Null => "nobody".to_owned(),
        person => cell(person),
    }
}

fn overrides(answer: &Value, schedule: Option<&str>, output: Output) -> Exit {
    let schedules = match chosen(answer, schedule) {
        Ok(schedules) => schedules,
        Err(message) => return complain(&message, Exit::Failed),
    };
    let lists = schedules
        .iter()
        .filter_map(|one| one["overrides"].as_array());
    let all: Vec<&Value> = lists.flatten().collect();
    if output == Output::Json {
        return say(&format!("{:#}\n", json!({"overrides": all})));
    }
    if all.is_empty() && output == Output::Table {
        return say("nobody takes over from anybody\n");
    }
    let columns = ["id", "schedule", "person", "from", "to", "by"];
    let mut table = Table::new(columns);
    for one in all {
        table.row(columns.iter().map(|column| cell(&one[*column])));
    }
    say_table(&table, output)
}

fn changed(answer: &Value, output: Output) -> Exit {
    if output == Output::Json {
        return say(&format!("{answer:#}\n"));
    }
    let of = |field: &str| cell(&answer[field]);
    say(&format!(
        "override {}: {} in {} from {} to {}\n",
        of("id"),
        of("person"),
        of("schedule"),
        of("from"),
        of("to")
    ))
}
