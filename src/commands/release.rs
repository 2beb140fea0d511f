//! `rampart release`: marks what was released, or lists what was marked.

use serde_json::{Value, json};

use super::query::cell;
use super::{complain, say, say_table};
use crate::args::{Output, ReleaseArguments, Remote};
use crate::client::{Client, ClientError};
use crate::exit::Exit;
use crate::print::Table;
use crate::results::path_part;

const PATH: &str = "/api/v1/releases";

/// Marks or lists.
pub async fn run(remote: &Remote, arguments: ReleaseArguments) -> Exit {
    let answer = async {
        let client = Client::new(remote)?;
        match &arguments.version {
            Some(_) => client.post(PATH, &mark(&arguments)).await,
            None => client.get(&listing(&arguments)).await,
        }
    };
    let answer: Result<Value, ClientError> = answer.await;
    match answer {
        Ok(answer) if remote.output == Output::Json => say(&format!("{answer:#}\n")),
        Ok(answer) if arguments.version.is_some() => say(&format!(
            "{} {} is {} since {}\n",
            cell(&answer["function"]),
            cell(&answer["version"]),
            cell(&answer["stage"]),
            cell(&answer["at"])
        )),
        Ok(answer) => say_table(&table(&answer), remote.output),
        Err(error) => complain(&error.to_string(), Exit::Failed),
    }
}

fn mark(arguments: &ReleaseArguments) -> Value {
    json!({
        "function": arguments.function,
        "version": arguments.version,
        "stage": arguments.stage,
        "percent": arguments.percent,
        "unit": arguments.unit,
        "at": arguments.at,
    })
}

fn listing(arguments: &ReleaseArguments) -> String {
    let function = arguments.function.as_ref();
    let filter = function.map_or_else(String::new, |function| {
        format!("?function={}", path_part(&function.to_string()))
    });
    format!("{PATH}{filter}")
}

fn table(answer: &Value) -> Table {
    let mut table = Table::new([
        "at", "function", "version", "stage", "percent", "unit", "by",
    ]);
    for release in answer["releases"].as_array().into_iter().flatten() {
        table.row([
            cell(&release["at"]),
            cell(&release["function"]),
            cell(&release["version"]),
            cell(&release["stage"]),
            cell(&release["percent"]),
            cell(&release["unit"]),
            cell(&release["by"]),
        ]);
    }
    table
}
