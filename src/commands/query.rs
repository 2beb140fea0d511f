//! `rampart query`: one SELECT over the tables of a running server.

use std::io::{Read, Write};

use serde_json::{Value, json};

use super::{complain, say};
use crate::args::{Output, QueryArguments, Remote};
use crate::client::{Client, ClientError};
use crate::exit::Exit;
use crate::print::Table;

/// Longest statement read from standard input, in bytes; the server has the same limit.
const SQL_BYTES_MAX: u64 = 64 * 1024;

const MORE_ROWS: &str = "there are more rows than the server gives at once; narrow the statement";

/// Asks and prints.
pub async fn run(remote: &Remote, arguments: QueryArguments) -> Exit {
    let sql = match arguments.sql.map_or_else(read_statement, Ok) {
        Ok(sql) => sql,
        Err(error) => {
            return complain(&format!("cannot read the statement: {error}"), Exit::Failed);
        }
    };
    let done = match remote.output {
        Output::Csv => copy(remote, &sql, "text/csv").await,
        Output::Arrow => copy(remote, &sql, "application/vnd.apache.arrow.stream").await,
        Output::Json => ask(remote, &sql)
            .await
            .map(|answer| say(&format!("{answer:#}\n"))),
        Output::Table => ask(remote, &sql).await.map(|answer| print(&answer)),
    };
    done.unwrap_or_else(|error| complain(&error.to_string(), Exit::Failed))
}

fn read_statement() -> std::io::Result<String> {
    let mut text = String::new();
    std::io::stdin()
        .take(SQL_BYTES_MAX)
        .read_to_string(&mut text)?;
    Ok(text)
}

async fn ask(remote: &Remote, sql: &str) -> Result<Value, ClientError> {
    Client::new(remote)?
        .post("/api/v1/sql", &json!({ "query": sql }))
        .await
}

/// Hands the answer on as it comes.
async fn copy(remote: &Remote, sql: &str, media_type: &str) -> Result<Exit, ClientError> {
    let mut out = std::io::stdout();
    let mut written = Ok(());
    let question = json!({ "query": sql });
    let truncated = Client::new(remote)?
        .post_for("/api/v1/sql", &question, media_type, |piece| {
            if written.is_ok() {
                written = out.write_all(piece);
            }
        })
        .await?;
    if truncated {
        complain(MORE_ROWS, Exit::Fine);
    }
    Ok(match written.and_then(|()| out.flush()) {
        Ok(()) => Exit::Fine,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Exit::Fine,
        Err(error) => complain(&error.to_string(), Exit::Failed),
    })
}

fn print(answer: &Value) -> Exit {
    let list = |name: &str| {
        answer
            .get(name)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let names = list("columns")
        .into_iter()
        .map(|column| column["name"].as_str().unwrap_or("").to_owned());
    let mut table = Table::new(names);
    for row in list("rows") {
        table.row(row.as_array().into_iter().flatten().map(cell));
    }
    let mut text = Vec::new();
    if let Err(error) = table.write_aligned(&mut text) {
        return complain(&error.to_string(), Exit::Failed);
    }
    if answer["truncated"] == Value::Bool(true) {
        complain(MORE_ROWS, Exit::Fine);
    }
    say(&String::from_utf8_lossy(&text))
}

/// A JSON value as a cell: text without quotes, null as nothing.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
