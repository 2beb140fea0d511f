//! `rampart backtest`: what rules would have done over stored calls, a server's or a folder's.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use model::{SystemClock, format_duration};
use rules::{Backtest, NothingTested, Past, RuleSet};
use serde_json::{Value, json};
use store::{Durability, Options, Retention, Store};

use super::query::cell;
use super::{complain, say, say_table, tell};
use crate::args::{BacktestArguments, Output, Remote};
use crate::client::Client;
use crate::config::{TextFile, read_text};
use crate::exit::Exit;
use crate::print::Table;

/// The tables within a data directory.
const STORE: &str = "store";
/// The longest that a server may take.
const ANSWER_WITHIN: Duration = Duration::from_hours(1);
/// Looking into a folder deletes nothing, whatever a server there would keep.
const KEPT: Duration = Duration::from_hours(24 * 365 * 100);

/// Lives through the stretch and prints what would have fired.
pub async fn run(remote: &Remote, arguments: BacktestArguments) -> Exit {
    let mut files = Vec::new();
    for path in &arguments.files {
        match read_text(path) {
            Ok(file) => files.push(file),
            Err(error) => return complain(&error.to_string(), Exit::Failed),
        }
    }
    let texts = files
        .iter()
        .map(|file| (file.name.as_str(), file.text.as_str()));
    let set = match RuleSet::parse_all(texts) {
        Ok(set) => set,
        Err(problems) => return complain(&problems.to_string(), Exit::InvalidConfiguration),
    };
    let report = match &arguments.data_dir {
        Some(folder) => of_folder(folder, &set, &arguments).await,
        None => of_server(remote, &files, &arguments).await,
    };
    match report {
        Ok(report) if remote.output == Output::Json => say(&format!("{report:#}\n")),
        Ok(report) if remote.output == Output::Csv => say_table(&episodes(&report), Output::Csv),
        Ok(report) => print(&report),
        Err(message) => complain(&message, Exit::Failed),
    }
}

async fn of_server(
    remote: &Remote,
    files: &[TextFile],
    arguments: &BacktestArguments,
) -> Result<Value, String> {
    let rules: Vec<Value> = files
        .iter()
        .map(|file| json!({"name": file.name, "text": file.text}))
        .collect();
    let body = json!({
        "from": arguments.from,
        "to": arguments.to,
        "warm_up": format_duration(arguments.warm_up),
        "function": arguments.function.as_str(),
        "rules": rules,
    });
    let client = Client::new(remote).map_err(|error| error.to_string())?;
    let answer = client.post_within("/api/v1/rules/backtest", &body, ANSWER_WITHIN);
    answer.await.map_err(|error| error.to_string())
}

async fn of_folder(
    folder: &Path,
    set: &RuleSet,
    arguments: &BacktestArguments,
) -> Result<Value, String> {
    let tables = folder.join(STORE);
    if !tables.is_dir() {
        return Err(format!(
            "{} is no data directory: it has no folder `{STORE}`",
            folder.display()
        ));
    }
    let clock = SystemClock::shared();
    let options = Options {
        durability: Durability::None,
        retention: Retention {
            invocations: KEPT,
            logs: KEPT,
            samples: KEPT,
            minutes: KEPT,
            loadtests: KEPT,
        },
        ..Options::new(tables)
    };
    let now = clock.now();
    let store = Store::open(options, clock)
        .await
        .map_err(|error| format!("cannot open the tables: {error}"))?;
    let past = Past {
        store: store.clone(),
        tested: Arc::new(NothingTested),
        rushes: Vec::new(),
        releases: Arc::default(),
    };
    let asked = Backtest {
        from: arguments.from,
        to: arguments.to,
        warm_up: arguments.warm_up,
        functions: arguments.function.clone(),
    };
    let report = Box::pin(rules::backtest(past, set, &asked, now)).await;
    store.close().await;
    let report = report.map_err(|error| rules::chain(&error))?;
    serde_json::to_value(report).map_err(|error| error.to_string())
}

fn print(report: &Value) -> Exit {
    tell(&format!(
        "{} to {}, {} calls; rules watched from {} on",
        cell(&report["from"]),
        cell(&report["to"]),
        cell(&report["calls"]),
        cell(&report["watched_from"])
    ));
    for gap in listed(&report["gaps"]) {
        tell(&format!(
            "no call is stored from {} to {}: perhaps nobody called, perhaps Rampart did not run",
            cell(&gap["from"]),
            cell(&gap["to"])
        ));
    }
    for rule in listed(&report["rules"]) {
        if !rule["left_out"].is_null() {
            tell(&format!(
                "{}: {}",
                cell(&rule["alert"]),
                cell(&rule["left_out"])
            ));
        }
    }
    let exit = say_table(&episodes(report), Output::Table);
    if exit != Exit::Fine {
        return exit;
    }
    let left_out = report["episodes_left_out"].as_u64().unwrap_or(0);
    if left_out > 0 {
        tell(&format!("{left_out} more are not shown"));
    }
    say("\n");
    say_table(&rules_table(report), Output::Table)
}

fn episodes(report: &Value) -> Table {
    let mut table = Table::new([
        "since",
        "for",
        "severity",
        "alert",
        "label set",
        "said",
        "suspects",
    ]);
    for fired in listed(&report["episodes"]) {
        let open = if fired["until"].is_null() { "+" } else { "" };
        table.row([
            cell(&fired["since"]),
            format!("{}{open}", lasted(&fired["seconds"])),
            cell(&fired["severity"]),
            cell(&fired["alert"]),
            labels(&fired["labels"]),
            cell(&fired["summary"]),
            cell(&fired["suspects"]),
        ]);
    }
    table
}

fn rules_table(report: &Value) -> Table {
    let mut table = Table::new([
        "alert",
        "fired",
        "for in all",
        "label sets",
        "by chance in 1000 days",
    ]);
    for rule in listed(&report["rules"]) {
        let chance = rule["by_chance_in_1000_days"].as_f64();
        table.row([
            cell(&rule["alert"]),
            cell(&rule["fired"]),
            lasted(&rule["seconds"]),
            cell(&rule["label_sets"]),
            chance.map_or_else(|| "unknown".to_owned(), |pages| format!("{pages:.2}")),
        ]);
    }
    table
}

fn listed(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn lasted(seconds: &Value) -> String {
    format_duration(Duration::from_secs(seconds.as_u64().unwrap_or(0)))
}

/// `function=feed namespace=guide unit=b`.
fn labels(labels: &Value) -> String {
    let pairs = labels.as_object().into_iter().flatten();
    pairs
        .map(|(name, value)| format!("{name}={}", cell(value)))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_episode_that_goes_on_is_marked() {
        let report = json!({"episodes": [
            {"alert": "Low", "labels": {"function": "feed", "unit": "b"}, "severity": "critical", "since": "2026-11-20T12:00:05Z",
             "until": null, "seconds": 65, "summary": "guide/feed fails", "suspects": null},
        ]});
        let mut text = Vec::new();
        episodes(&report).write_csv(&mut text).unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "since,for,severity,alert,label set,said,suspects\r\n\
             2026-11-20T12:00:05Z,1m5s+,critical,Low,function=feed unit=b,guide/feed fails,\r\n"
        );
    }
}
