//! The fields and methods of values.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::layout;
use super::value::{Moment, Text, Value};

/// Why a field cannot be taken.
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl From<String> for Wrong {
    fn from(message: String) -> Self {
        Wrong {
            message,
            hint: None,
        }
    }
}

/// A field of a value, or its method with what it is given.
pub(super) fn field(
    value: &Value,
    name: &str,
    given: &[Value],
    escape: fn(&str) -> String,
) -> Result<Value, Wrong> {
    if let Some(found) = method(value, name, given, escape)? {
        return Ok(found);
    }
    if !given.is_empty() {
        return Err(format!("`.{name}` takes nothing").into());
    }
    match value {
        Value::Pairs(pairs) => {
            let text = pairs.get(name).cloned();
            Ok(Value::Text(text.unwrap_or_else(|| Text::own(""))))
        }
        Value::Map(map) => Ok(map.get(name).cloned().unwrap_or(Value::Nil)),
        Value::Record(record) => record.field(name).cloned().ok_or_else(|| {
            let known = || record.fields.iter().map(|(name, _)| *name);
            let hint = match declare::closest(name, known()) {
                Some(near) => format!("did you mean `.{near}`?"),
                None => format!("it has {}", known().collect::<Vec<_>>().join(", ")),
            };
            Wrong {
                message: format!("{} has no field `{name}`", record.what),
                hint: Some(hint),
            }
        }),
        other => Err(format!("{} has no field `{name}`", other.what()).into()),
    }
}

fn method(
    value: &Value,
    name: &str,
    given: &[Value],
    escape: fn(&str) -> String,
) -> Result<Option<Value>, String> {
    Ok(match (value, name) {
        (Value::List(items), "Firing" | "Resolved") => {
            let wanted = name.to_lowercase();
            let is_wanted = |item: &&Value| match item {
                Value::Record(record) => record
                    .field("Status")
                    .is_some_and(|status| *status.text().text == *wanted),
                _ => false,
            };
            Some(Value::list(items.iter().filter(is_wanted).cloned()))
        }
        (Value::Pairs(pairs), "SortedPairs") => Some(Value::list(sorted(pairs))),
        (Value::Pairs(pairs), "Names") => {
            let names = sorted_names(pairs).into_iter();
            Some(Value::list(names.map(|name| Value::foreign(name.as_str()))))
        }
        (Value::Pairs(pairs), "Values") => {
            let names = sorted_names(pairs).into_iter();
            let texts = names.filter_map(|name| pairs.get(name).cloned());
            Some(Value::list(texts.map(Value::Text)))
        }
        (Value::Pairs(pairs), "Remove") => {
            let Some(Value::List(names)) = given.first() else {
                return Err(
                    "`.Remove` takes a list of names, such as (stringSlice \"a\" \"b\")".to_owned(),
                );
            };
            let gone: Vec<Arc<str>> = names.iter().map(|name| name.text().text).collect();
            let kept = pairs
                .iter()
                .filter(|(name, _)| !gone.iter().any(|gone| **gone == ***name));
            let kept = kept.map(|(name, text)| (name.clone(), text.clone()));
            Some(Value::Pairs(Arc::new(kept.collect())))
        }
        // What `.SortedPairs` gives has `.Names` and `.Values` too.
        (Value::List(items), "Names" | "Values") => {
            let field = if name == "Names" { "Name" } else { "Value" };
            let of = |item: &Value| match item {
                Value::Record(record) => record.field(field).cloned(),
                _ => None,
            };
            Some(Value::list(items.iter().filter_map(of)))
        }
        (Value::Time(moment), _) => of_time(*moment, name, given)?,
        (Value::Span(micros), "Seconds") => Some(Value::Float(*micros as f64 / 1e6)),
        (Value::Span(micros), "Minutes") => Some(Value::Float(*micros as f64 / 6e7)),
        (Value::Span(micros), "Hours") => Some(Value::Float(*micros as f64 / 3.6e9)),
        (Value::Span(_) | Value::Text(_), "String") => {
            Some(Value::Text(Text::joined(&[value.text()], escape)))
        }
        _ => None,
    })
}

fn of_time(moment: Moment, name: &str, given: &[Value]) -> Result<Option<Value>, String> {
    let micros = |moment: Moment| moment.at.map_or(0, model::Timestamp::as_micros);
    let other = || match given.first() {
        Some(Value::Time(other)) => Ok(*other),
        _ => Err(format!("`.{name}` takes a time")),
    };
    Ok(Some(match name {
        "Format" => match given.first() {
            Some(Value::Text(text)) => Value::own(layout::written(moment, &text.text)),
            _ => return Err("`.Format` takes a layout such as \"2006-01-02 15:04\"".to_owned()),
        },
        "UTC" => Value::Time(Moment {
            zone: chrono_tz::Tz::UTC,
            ..moment
        }),
        "Local" => Value::Time(moment),
        "Unix" => Value::Int(micros(moment).div_euclid(1_000_000)),
        "UnixMilli" => Value::Int(micros(moment).div_euclid(1_000)),
        "IsZero" => Value::Bool(moment.at.is_none()),
        "String" => Value::own(layout::shown(moment)),
        "Sub" => Value::Span(micros(moment).saturating_sub(micros(other()?))),
        "Before" => Value::Bool(moment.at < other()?.at),
        "After" => Value::Bool(moment.at > other()?.at),
        "Equal" => Value::Bool(moment.at == other()?.at),
        _ => return Ok(None),
    }))
}

/// The alert's name first, the others by name.
fn sorted_names(pairs: &BTreeMap<String, Text>) -> Vec<&String> {
    let mut names: Vec<&String> = pairs.keys().collect();
    names.sort_by_key(|name| *name != model::Alert::NAME_LABEL);
    names
}

fn sorted(pairs: &BTreeMap<String, Text>) -> Vec<Value> {
    let pair = |name: &String| {
        let value = pairs.get(name).cloned().unwrap_or_else(|| Text::own(""));
        Value::record(
            "a pair",
            vec![
                ("Name", Value::foreign(name.as_str())),
                ("Value", Value::Text(value)),
            ],
        )
    };
    sorted_names(pairs).into_iter().map(pair).collect()
}
