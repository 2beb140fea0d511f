//! Rampart's own filters: numbers as people read them at night.

use std::time::Duration;

use minijinja::{Environment, Error, ErrorKind, Value};

/// Filters worth suggesting.
pub(super) const NAMES: &[&str] = &[
    "percent", "duration", "qps", "default", "upper", "lower", "title", "trim", "join", "round",
    "first", "last", "length", "replace", "escape", "items", "sort", "abs", "int", "float",
];

pub(super) fn add_to(environment: &mut Environment<'static>) {
    environment.add_filter("percent", |value: &Value| {
        number(value, "percent").map(percent)
    });
    environment.add_filter("duration", |value: &Value| {
        number(value, "duration").map(duration)
    });
    environment.add_filter("qps", |value: &Value| number(value, "qps").map(qps));
}

fn number(value: &Value, filter: &str) -> Result<f64, Error> {
    let written = value.as_str().and_then(|text| text.trim().parse().ok());
    f64::try_from(value.clone())
        .ok()
        .or(written)
        .ok_or_else(|| {
            let message = format!("{filter} needs a number, found {}", value.kind());
            Error::new(ErrorKind::InvalidOperation, message)
        })
}

/// 0.9234 → `92.34%`. Two decimals, and more where they would claim 100 % for what is below it.
fn percent(share: f64) -> String {
    let percentage = share * 100.0;
    let text = (2..=6)
        .map(|decimals| format!("{percentage:.decimals$}"))
        .find(|text| share >= 1.0 || !text.starts_with("100"))
        .unwrap_or_else(|| percentage.to_string());
    format!("{}%", without_needless_zeros(&text))
}

/// 90.4 → `1m30s`; below a second in milliseconds.
fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return seconds.to_string();
    }
    let sign = if seconds < 0.0 { "-" } else { "" };
    let seconds = seconds.abs();
    let rounded = if seconds < 1.0 {
        (seconds * 1_000.0).round() / 1_000.0
    } else {
        seconds.round()
    };
    let rounded = Duration::try_from_secs_f64(rounded).unwrap_or(Duration::MAX);
    format!("{sign}{}", model::format_duration(rounded))
}

/// 12.53 → `12.5 QPS`; three figures are enough.
fn qps(rate: f64) -> String {
    let decimals = match rate.abs() {
        rate if rate >= 100.0 => 0,
        rate if rate >= 10.0 => 1,
        _ => 2,
    };
    format!(
        "{} QPS",
        without_needless_zeros(&format!("{rate:.decimals$}"))
    )
}

fn without_needless_zeros(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}
