//! The routes in force as Alertmanager would write them: for amtool, without Rampart's own keys and
//! without anything of receivers but their names.

use std::fmt::Write;

use model::{Matcher, format_duration};
use serde_json::{Map, Value, json};

use super::{Config, GroupBy, InhibitRule, Route};
use crate::intervals::{Period, TimeInterval};

/// Strict `alertmanager.yml`. An escalation is shown as its route's receiver.
pub fn as_alertmanager(config: &Config) -> String {
    let mut document = Map::new();
    let resolve_timeout = format_duration(config.resolve_timeout);
    document.insert("global".into(), json!({"resolve_timeout": resolve_timeout}));
    document.insert("route".into(), route(&config.root, true));
    let receivers = config.receivers.keys();
    let receivers: Vec<Value> = receivers.map(|name| json!({"name": name})).collect();
    document.insert("receivers".into(), receivers.into());
    if !config.inhibit_rules.is_empty() {
        let rules: Vec<Value> = config.inhibit_rules.iter().map(inhibit_rule).collect();
        document.insert("inhibit_rules".into(), rules.into());
    }
    if !config.time_intervals.is_empty() {
        let intervals: Vec<Value> = config.time_intervals.values().map(interval).collect();
        document.insert("time_intervals".into(), intervals.into());
    }
    let mut text = String::new();
    write_fields(&document, 0, &mut text);
    text
}

fn route(route: &Route, is_root: bool) -> Value {
    let mut fields = Map::new();
    fields.insert("receiver".into(), route.receiver.clone().into());
    let group_by = match &route.group_by {
        GroupBy::Everything => vec!["...".to_owned()],
        GroupBy::Names(names) => names.clone(),
    };
    fields.insert("group_by".into(), group_by.into());
    if !is_root {
        fields.insert("matchers".into(), matchers(&route.matchers));
        if route.continues {
            fields.insert("continue".into(), true.into());
        }
    }
    let timing = route.timing;
    for (name, duration) in [
        ("group_wait", timing.group_wait),
        ("group_interval", timing.group_interval),
        ("repeat_interval", timing.repeat_interval),
    ] {
        fields.insert(name.into(), format_duration(duration).into());
    }
    for (name, times) in [
        ("mute_time_intervals", &route.mute_times),
        ("active_time_intervals", &route.active_times),
    ] {
        if !times.is_empty() {
            fields.insert(name.into(), times.clone().into());
        }
    }
    if !route.routes.is_empty() {
        let below: Vec<Value> = route
            .routes
            .iter()
            .map(|below| self::route(below, false))
            .collect();
        fields.insert("routes".into(), below.into());
    }
    Value::Object(fields)
}

fn matchers(matchers: &[Matcher]) -> Value {
    matchers
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .into()
}

fn inhibit_rule(rule: &InhibitRule) -> Value {
    json!({
        "source_matchers": matchers(&rule.source),
        "target_matchers": matchers(&rule.target),
        "equal": rule.equal,
    })
}

fn interval(interval: &TimeInterval) -> Value {
    let periods: Vec<Value> = interval.periods.iter().map(period).collect();
    json!({"name": interval.name, "time_intervals": periods})
}

fn period(period: &Period) -> Value {
    const WEEKDAYS: [&str; 7] = super::interval::WEEKDAYS;
    let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    let weekday = |day: u8| WEEKDAYS.get(usize::from(day)).copied().unwrap_or_default();
    let mut fields = Map::new();
    let mut put = |name: &str, values: Vec<Value>| {
        if !values.is_empty() {
            fields.insert(name.to_owned(), values.into());
        }
    };
    let times = period.minutes.iter();
    put(
        "times",
        times
            .map(|(from, to)| json!({"start_time": clock(*from), "end_time": clock(*to)}))
            .collect(),
    );
    let weekdays = period.weekdays.iter();
    put(
        "weekdays",
        weekdays
            .map(|range| format!("{}:{}", weekday(*range.start()), weekday(*range.end())).into())
            .collect(),
    );
    let days = period.days_of_month.iter();
    put(
        "days_of_month",
        days.map(|(from, to)| format!("{from}:{to}").into())
            .collect(),
    );
    let months = period.months.iter();
    put(
        "months",
        months
            .map(|range| format!("{}:{}", range.start(), range.end()).into())
            .collect(),
    );
    let years = period.years.iter();
    put(
        "years",
        years
            .map(|range| format!("{}:{}", range.start(), range.end()).into())
            .collect(),
    );
    if period.zone != chrono_tz::Tz::UTC {
        fields.insert("location".into(), period.zone.name().into());
    }
    Value::Object(fields)
}

// YAML, of the few kinds of values that stand above. Texts are written in JSON's quotes, which are
// YAML's as well.

fn write_fields(fields: &Map<String, Value>, depth: usize, text: &mut String) {
    for (name, value) in fields {
        indent(depth, text);
        text.push_str(name);
        text.push(':');
        write_value(value, depth, text);
    }
}

fn write_value(value: &Value, depth: usize, text: &mut String) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            text.push('\n');
            write_fields(fields, depth + 1, text);
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            text.push('\n');
            for item in items {
                indent(depth, text);
                text.push('-');
                match item.as_object() {
                    Some(fields) => write_item(fields, depth, text),
                    None => write_value(item, depth + 1, text),
                }
            }
        }
        // Writing to a String cannot fail.
        leaf => _ = writeln!(text, " {leaf}"),
    }
}

/// A record in a list: its first field stands on the line of the dash.
fn write_item(fields: &Map<String, Value>, depth: usize, text: &mut String) {
    if fields.is_empty() {
        text.push_str(" {}\n");
        return;
    }
    let mut below = String::new();
    write_fields(fields, depth + 1, &mut below);
    text.push(' ');
    text.push_str(below.trim_start());
}

fn indent(depth: usize, text: &mut String) {
    for _ in 0..depth {
        text.push_str("  ");
    }
}
