//! What `check` knows of the traffic: asked of a running server, or read from a file that holds its answer.

use std::path::Path;

use rules::UsualCalls;
use serde_json::json;

use crate::args::Remote;
use crate::client::Client;
use crate::config::read_text;
use crate::exit::Exit;

/// The word for the running server that `--server` names.
const SERVER: &str = "server";
/// The columns of a file, and of the server's answer.
const COLUMNS: &str = "function_id,calls_per_minute,busiest_minute";
/// Live calls that count towards success rates, over the last day or, of a function that is younger, since its first one.
const SQL: &str = "with by_minute as (
  select function_id, minute, sum(ok + function_error + timeout + oom + platform_error) as calls
  from minutes where traffic = 'live' and minute >= now() - interval '1 day' group by 1, 2)
select function_id,
       sum(calls) / greatest(1.0, (date_part('epoch', now()) - date_part('epoch', min(minute))) / 60.0) as calls_per_minute,
       cast(max(calls) as double) as busiest_minute
from by_minute group by 1 order by 1";

/// Why nothing is known, and how the command ends.
pub struct Failure {
    /// The sentence.
    pub message: String,
    /// The exit code.
    pub exit: Exit,
}

fn failed(message: String) -> Failure {
    Failure {
        message,
        exit: Exit::Failed,
    }
}

/// Asks the server when `from` is `server`, else reads the file of that name.
pub async fn read(remote: &Remote, from: &str) -> Result<Vec<UsualCalls>, Failure> {
    if from == SERVER {
        return ask(remote).await;
    }
    let file = read_text(Path::new(from)).map_err(|error| failed(error.to_string()))?;
    parse(&file.name, &file.text).map_err(|message| Failure {
        message,
        exit: Exit::Usage,
    })
}

async fn ask(remote: &Remote) -> Result<Vec<UsualCalls>, Failure> {
    let client = Client::new(remote).map_err(|error| failed(error.to_string()))?;
    let answer = client.post("/api/v1/sql", &json!({ "query": SQL })).await;
    let answer = answer.map_err(|error| failed(error.to_string()))?;
    let rows = answer["rows"].as_array().cloned().unwrap_or_default();
    let usual = rows.iter().filter_map(|row| {
        let per_minute = row[1].as_f64()?;
        Some(UsualCalls {
            function: row[0].as_str()?.parse().ok()?,
            per_minute,
            busiest: row[2].as_f64()?.max(per_minute),
        })
    });
    let usual: Vec<UsualCalls> = usual.collect();
    if usual.is_empty() {
        let server = &remote.server;
        return Err(failed(format!("{server} saw no call in the last day")));
    }
    Ok(usual)
}

/// Lines of CSV below the header [`COLUMNS`].
fn parse(name: &str, text: &str) -> Result<Vec<UsualCalls>, String> {
    let mut lines = text.lines();
    if lines.next().map(str::trim) != Some(COLUMNS) {
        return Err(format!("{name}:1: the first line must be `{COLUMNS}`"));
    }
    let mut usual = Vec::new();
    for (index, line) in lines.enumerate() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let read = read_line(line).ok_or_else(|| {
            format!(
                "{name}:{}: `{line}` is not a function and two numbers, such as guide/feed,120,300",
                index + 2
            )
        });
        usual.push(read?);
    }
    Ok(usual)
}

fn read_line(line: &str) -> Option<UsualCalls> {
    let mut cells = line.split(',').map(str::trim);
    let function = cells.next()?.parse().ok()?;
    let mut number = || -> Option<f64> {
        let number: f64 = cells.next()?.parse().ok()?;
        (number.is_finite() && number >= 0.0).then_some(number)
    };
    let (per_minute, busiest) = (number()?, number()?);
    cells.next().is_none().then(|| UsualCalls {
        function,
        per_minute,
        busiest: busiest.max(per_minute),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_what_the_server_answers() {
        let text = "function_id,calls_per_minute,busiest_minute\r\nguide/feed,120.5,300\r\n\r\nstore/coupon,60,0\r\n";
        let found = parse("traffic.csv", text).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(
            found[0],
            UsualCalls {
                function: "guide/feed".parse().unwrap(),
                per_minute: 120.5,
                busiest: 300.0
            }
        );
        assert_eq!(found[1].busiest.to_bits(), 60.0_f64.to_bits());
    }

    #[test]
    fn a_wrong_file_is_refused_at_its_line() {
        let head = "function_id,calls_per_minute,busiest_minute\n";
        for (text, said) in [
            (
                "guide/feed,1,2\n".to_owned(),
                "t.csv:1: the first line must be",
            ),
            (
                format!("{head}guide/feed,1\n"),
                "t.csv:2: `guide/feed,1` is not",
            ),
            (
                format!("{head}a/b,1,2\nfeed,1,2\n"),
                "t.csv:3: `feed,1,2` is not",
            ),
            (format!("{head}a/b,-1,2\n"), "t.csv:2:"),
            (format!("{head}a/b,NaN,2\n"), "t.csv:2:"),
            (format!("{head}a/b,1,2,3\n"), "t.csv:2:"),
        ] {
            let found = parse("t.csv", &text).unwrap_err();
            assert!(found.starts_with(said), "{found}");
        }
    }
}
