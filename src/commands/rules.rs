//! `rampart rules`: the rules in force, and why one does or does not fire.

use std::fmt::Write;

use model::FunctionId;
use serde_json::Value;

use super::query::cell;
use super::{complain, say, say_table};
use crate::args::{Output, Remote, RulesCommand};
use crate::client::{Client, ClientError};
use crate::exit::Exit;
use crate::print::Table;
use crate::results::path_part;

/// Lists, or explains.
pub async fn run(remote: &Remote, command: RulesCommand) -> Exit {
    let (wanted, explained) = match command {
        RulesCommand::List { function } => (function, None),
        RulesCommand::Explain {
            rule,
            function,
            at: Some(at),
        } => return explain_at(remote, &rule, &function, at).await,
        RulesCommand::Explain { rule, function, .. } => (Some(function), Some(rule)),
    };
    let rules = match fetch(remote, wanted.as_ref()).await {
        Ok(rules) => rules,
        Err(error) => return complain(&error.to_string(), Exit::Failed),
    };
    let Some(name) = explained else {
        return list(&rules, remote.output);
    };
    let watching = wanted
        .map(|function| function.to_string())
        .unwrap_or_default();
    match rules.iter().find(|rule| rule["alert"] == *name) {
        None => complain(&not_watched(&name, &watching, &rules), Exit::Failed),
        Some(rule) if remote.output == Output::Json => say(&format!("{rule:#}\n")),
        Some(rule) => say(&explanation(rule, &watching)),
    }
}

async fn fetch(remote: &Remote, function: Option<&FunctionId>) -> Result<Vec<Value>, ClientError> {
    let filter = function
        .map(|function| format!("?function={}", path_part(&function.to_string())))
        .unwrap_or_default();
    let answer = Client::new(remote)?
        .get(&format!("/api/v1/rules{filter}"))
        .await?;
    Ok(answer["rules"].as_array().cloned().unwrap_or_default())
}

/// Where the rule stood at an instant of the past.
async fn explain_at(
    remote: &Remote,
    rule: &str,
    function: &FunctionId,
    at: model::Timestamp,
) -> Exit {
    let path = format!(
        "/api/v1/rules/{}/explain?function={}&at={}",
        path_part(rule),
        path_part(&function.to_string()),
        path_part(&at.to_rfc3339())
    );
    let answer = async { Client::new(remote)?.get(&path).await };
    match answer.await {
        Ok(answer) if remote.output == Output::Json => say(&format!("{answer:#}\n")),
        Ok(answer) => say(&explanation_at(&answer, &function.to_string())),
        Err(error) => {
            let error: ClientError = error;
            complain(&error.to_string(), Exit::Failed)
        }
    }
}

/// The same as now, with what was told then and what cannot be known.
fn explanation_at(answer: &Value, function: &str) -> String {
    let mut text = format!(
        "at {}, {} mode\n",
        cell(&answer["at"]),
        cell(&answer["mode"])
    );
    let told = answer["told"].as_array().map_or(&[][..], Vec::as_slice);
    for alert in told {
        let until = match alert["until"].as_str() {
            Some(until) => format!(" until {until}"),
            None => String::new(),
        };
        let _ = writeln!(
            text,
            "it fired, as told: since {}{until}: {}",
            cell(&alert["since"]),
            cell(&alert["summary"])
        );
    }
    let _ = writeln!(
        text,
        "lived through again from {}:\n",
        cell(&answer["replayed_from"])
    );
    text.push_str(&explanation(&answer["rule"], function));
    text.push_str("\nnot known:\n");
    for what in answer["unknowable"].as_array().into_iter().flatten() {
        let _ = writeln!(text, "  {}", cell(what));
    }
    text
}

fn list(rules: &[Value], output: Output) -> Exit {
    if output == Output::Json {
        return say(&format!("{:#}\n", Value::Array(rules.to_vec())));
    }
    let mut table = Table::new([
        "alert",
        "condition",
        "severity",
        "label sets",
        "firing",
        "pending",
        "unknown",
        "trouble",
    ]);
    for rule in rules {
        let in_phase = |phase: &str| {
            let states = rule["states"].as_array();
            let count = states.map_or(0, |states| {
                states
                    .iter()
                    .filter(|state| state["phase"] == phase)
                    .count()
            });
            count.to_string()
        };
        table.row([
            cell(&rule["alert"]),
            cell(&rule["summary"]),
            cell(&rule["severity"]),
            cell(&rule["label_sets"]),
            in_phase("firing"),
            in_phase("pending"),
            cell(&rule["unknown"]),
            cell(&rule["error"]),
        ]);
    }
    say_table(&table, output)
}

fn not_watched(name: &str, function: &str, rules: &[Value]) -> String {
    let names: Vec<String> = rules.iter().map(|rule| cell(&rule["alert"])).collect();
    if names.is_empty() {
        return format!("no rule watches {function}");
    }
    format!(
        "no rule `{name}` watches {function}; these do: {}",
        names.join(", ")
    )
}

/// What the rule says, and where each of its label sets stands.
fn explanation(rule: &Value, function: &str) -> String {
    let mut text = format!("{}: {}", cell(&rule["alert"]), cell(&rule["summary"]));
    for (word, field) in [("for", "for"), ("keep_firing_for", "keep_firing_for")] {
        let value = cell(&rule[field]);
        if value != "0s" {
            let _ = write!(text, ", {word} {value}");
        }
    }
    let _ = writeln!(text, ", {}", cell(&rule["severity"]));
    if !rule["file"].is_null() {
        let _ = writeln!(
            text,
            "  declared in {}:{}",
            cell(&rule["file"]),
            cell(&rule["line"])
        );
    }
    if !rule["error"].is_null() {
        let _ = writeln!(text, "  in trouble: {}", cell(&rule["error"]));
    }
    let states = rule["states"].as_array().map_or(&[][..], Vec::as_slice);
    if states.is_empty() {
        let _ = writeln!(
            text,
            "  {function} has no calls to judge, now or in the last hours"
        );
    }
    for state in states {
        text.push_str(&standing(state));
    }
    if rule["truncated"] == true {
        text.push_str("  more label sets are not shown\n");
    }
    text
}

fn standing(state: &Value) -> String {
    let labels = state["labels"].as_object();
    let labels: Vec<String> = labels
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name}={}", cell(value)))
        .collect();
    let mut text = format!("\n{}\n  {}", labels.join(" "), cell(&state["phase"]));
    for (words, field) in [
        ("since", "since"),
        ("held for", "held"),
        ("still to go:", "remaining"),
    ] {
        if !state[field].is_null() {
            let _ = write!(text, ", {words} {}", cell(&state[field]));
        }
    }
    text.push('\n');
    if let Some(said) = state["said"].as_str() {
        let _ = writeln!(text, "  {said}");
    } else if let Some(value) = state["value_text"].as_str() {
        let _ = writeln!(text, "  measured {value}: not a breach");
    }
    if let Some(unknown) = state["unknown"].as_str() {
        let _ = writeln!(text, "  not judged: {unknown}");
    }
    if let Some(numbers) = state["numbers"].as_str() {
        let _ = writeln!(text, "  known: {numbers}");
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_explanation_reads_from_rule_to_numbers() {
        let rule = json!({
            "alert": "SuccessRateLow", "summary": "success rate below 99 % in 1m", "for": "10s",
            "keep_firing_for": "0s", "severity": "critical", "file": "rules/video.yaml", "line": 14,
            "error": null, "truncated": false,
            "states": [
                {"labels": {"function": "feed", "namespace": "guide", "unit": "a"}, "phase": "pending",
                 "since": null, "held": "4s", "remaining": "6s", "value": 0.9, "value_text": "90 %",
                 "said": "guide/feed in unit a: 90 % of 402 calls succeeded in 1m; the objective is 99 %", "unknown": null},
                {"labels": {"function": "feed", "namespace": "guide", "unit": "b"}, "phase": "inactive",
                 "since": null, "held": null, "remaining": null, "value": 0.999, "value_text": "99.9 %",
                 "said": null, "unknown": null},
                {"labels": {"function": "feed", "namespace": "guide", "unit": "c"}, "phase": "inactive",
                 "since": null, "held": null, "remaining": null, "value": null, "value_text": null,
                 "said": null, "unknown": "7 calls in the window, min_calls is 100",
                 "numbers": "up to 0.1 % failing is healthy, 12 clean days known, pages at odds 10^9 : 1"},
            ],
        });
        assert_eq!(
            explanation(&rule, "guide/feed"),
            "SuccessRateLow: success rate below 99 % in 1m, for 10s, critical\n  declared in rules/video.yaml:14\n\n\
             function=feed namespace=guide unit=a\n  pending, held for 4s, still to go: 6s\n  \
             guide/feed in unit a: 90 % of 402 calls succeeded in 1m; the objective is 99 %\n\n\
             function=feed namespace=guide unit=b\n  inactive\n  measured 99.9 %: not a breach\n\n\
             function=feed namespace=guide unit=c\n  inactive\n  not judged: 7 calls in the window, min_calls is 100\n  \
             known: up to 0.1 % failing is healthy, 12 clean days known, pages at odds 10^9 : 1\n"
        );
    }

    #[test]
    fn a_rule_that_does_not_watch_says_which_do() {
        let rules = [json!({"alert": "Silent"}), json!({"alert": "Slow"})];
        assert_eq!(
            not_watched("Slwo", "guide/feed", &rules),
            "no rule `Slwo` watches guide/feed; these do: Silent, Slow"
        );
        assert_eq!(not_watched("Slow", "a/b", &[]), "no rule watches a/b");
    }
}
