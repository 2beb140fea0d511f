//! What the terminal prints at the end: the verdict first, then what supports it.

use std::fmt::Write as _;

use super::escape::plain;
use super::health;
use super::words::{self, Tone};
use crate::result::{CapacityResult, Kept, RunResult, SearchResult, Spread, Subject, Window};

/// A result as aligned text without colours; every line ends with a line end. Text that came from
/// elsewhere cannot steer the terminal.
pub fn text(kept: &Kept) -> String {
    match kept {
        Kept::Run(result) => of_run(result),
        Kept::Capacity(result) => of_capacity(result),
    }
}

fn of_run(result: &RunResult) -> String {
    let sentence = words::of_run(result);
    let mut out = format!("{}\n\n{}", plain(&sentence.text), subject(&result.subject));
    let _ = writeln!(out, "{}\n", plain(&result.load));
    if sentence.tone == Tone::Doubtful && result.invalid.len() > 1 {
        out.push_str("must not be believed, because\n");
        for why in &result.invalid {
            let _ = writeln!(out, "  {}", plain(why));
        }
        out.push('\n');
    }
    if !result.thresholds.is_empty() {
        let rows = result.thresholds.iter().map(|part| {
            let mark = if part.held { "held" } else { "MISSED" };
            vec![mark.to_owned(), plain(&part.wanted), plain(&part.got)]
        });
        out.push_str(&table(&rows.collect::<Vec<_>>(), &[Align::Left; 3]));
        out.push('\n');
    }
    out.push_str(&outcomes(&result.total));
    out.push('\n');
    out.push_str(&latencies(&result.total));
    let _ = writeln!(out, "\ngenerator  {}", plain(&health::sentence(result)));
    out
}

fn subject(subject: &Subject) -> String {
    let mut out = String::new();
    if let Some(function) = &subject.function {
        out.push_str(&plain(function));
        if let Some(version) = &subject.version {
            let _ = write!(out, ", version {}", plain(version));
        }
        out.push('\n');
    }
    let _ = write!(out, "{}", plain(&subject.target));
    if let Some(protocol) = subject.protocol {
        let _ = write!(out, " ({})", protocol_word(protocol));
    }
    let _ = writeln!(out, ", {}, seed {}", plain(&subject.id), subject.seed);
    if !subject.workers.is_empty() {
        let _ = writeln!(out, "sent by {}", plain(&words::workers(&subject.workers)));
    }
    out
}

pub(super) fn protocol_word(protocol: crate::plan::Protocol) -> &'static str {
    match protocol {
        crate::plan::Protocol::Http1 => "HTTP/1.1",
        crate::plan::Protocol::Http2 => "HTTP/2",
        crate::plan::Protocol::Grpc => "gRPC",
    }
}

fn outcomes(total: &Window) -> String {
    let failed: u64 = total.failures.values().sum();
    let mut rows = vec![vec![
        "calls".to_owned(),
        format!(
            "{} came due, {} sent, {} missed",
            words::number(total.intended),
            words::number(total.sent),
            words::number(total.missed)
        ),
    ]];
    let rate = total
        .success_rate
        .map_or("no call ended".to_owned(), words::share);
    rows.push(vec![
        "answers".to_owned(),
        format!(
            "{} ok ({rate}), {} limited, {} unexpected, {} failed",
            words::number(total.ok),
            words::number(total.limited),
            words::number(total.unexpected),
            words::number(failed)
        ),
    ]);
    rows.push(vec![
        "per second".to_owned(),
        format!(
            "{} sent, {} ok",
            words::rate(total.sent_per_second),
            words::rate(total.ok_per_second)
        ),
    ]);
    let pairs = |pairs: Vec<(String, u64)>| {
        let parts: Vec<String> = pairs
            .into_iter()
            .map(|(name, count)| format!("{}: {}", plain(&name), words::number(count)))
            .collect();
        parts.join("; ")
    };
    if !total.statuses.is_empty() {
        let statuses = total
            .statuses
            .iter()
            .map(|(status, count)| (status.to_string(), *count));
        rows.push(vec!["statuses".to_owned(), pairs(statuses.collect())]);
    }
    if !total.failures.is_empty() {
        let failures = total
            .failures
            .iter()
            .map(|(name, count)| (name.replace('_', " "), *count));
        rows.push(vec!["failures".to_owned(), pairs(failures.collect())]);
    }
    rows.push(vec![
        "network".to_owned(),
        format!(
            "{} made, {} in, {} out",
            words::counted(total.connects, "connection"),
            words::bytes(total.bytes_in),
            words::bytes(total.bytes_out)
        ),
    ]);
    table(&rows, &[Align::Left, Align::Left])
}

fn latencies(total: &Window) -> String {
    let head = ["", "p50", "p90", "p95", "p99", "p99.9", "max", "mean"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (name, spread) in [
        ("latency", &total.latency),
        ("service", &total.service),
        ("back pressure", &total.back_pressure),
        ("lag", &total.lag),
    ] {
        rows.push(spread_row(name, spread));
    }
    let mut columns = [Align::Right; 8];
    columns[0] = Align::Left;
    table(&rows, &columns)
}

fn spread_row(name: &str, spread: &Spread) -> Vec<String> {
    let mut row = vec![name.to_owned()];
    row.extend(
        [
            spread.p50_ms,
            spread.p90_ms,
            spread.p95_ms,
            spread.p99_ms,
            spread.p999_ms,
            spread.max_ms,
            spread.mean_ms,
        ]
        .map(words::ms),
    );
    row
}

fn of_capacity(result: &CapacityResult) -> String {
    let sentence = words::of_capacity(result);
    let mut out = format!(
        "{}\n\n{}\n",
        plain(&sentence.text),
        subject(&result.subject)
    );
    let rows: Vec<Vec<String>> = capacity_facts(result)
        .into_iter()
        .map(|(name, fact)| vec![name.to_owned(), plain(&fact)])
        .collect();
    out.push_str(&table(&rows, &[Align::Left, Align::Left]));
    let rows: Vec<Vec<String>> = result
        .searches
        .iter()
        .enumerate()
        .map(|(number, search)| {
            let ended = plain(&format!("{}{}", bracket(search), why_no_more(search)));
            vec![
                format!("search {}", number + 1),
                counted_trials(search),
                ended,
            ]
        })
        .collect();
    if !rows.is_empty() {
        out.push('\n');
        out.push_str(&table(&rows, &[Align::Left; 3]));
    }
    for (place, hint) in result.hints.iter().enumerate() {
        out.push_str(if place == 0 { "\nhints\n" } else { "" });
        let _ = writeln!(out, "  {}", plain(hint));
    }
    out
}

/// What follows from a capacity, as names and facts.
pub(super) fn capacity_facts(result: &CapacityResult) -> Vec<(&'static str, String)> {
    let mut facts = vec![("objective", result.objective.clone())];
    if let Some(low) = result.per_pod {
        let cpu = result.per_cpu.map_or(String::new(), |rate| {
            format!(", {} QPS for each CPU", words::rate(rate))
        });
        facts.push((
            "capacity",
            format!("{} QPS for one pod{cpu}", words::rate(low)),
        ));
    }
    if let Some(limits) = &result.limits {
        facts.push((
            "limits",
            format!(
                "{} QPS and {} at once, for one pod",
                words::rate(limits.qps),
                words::counted(limits.concurrency, "call")
            ),
        ));
    }
    if let Some(pods) = &result.pods {
        facts.push((
            "plan",
            format!(
                "{} in each zone, {} in all; unproven until a full-link test has shown it",
                words::counted(pods.per_zone, "pod"),
                words::number(pods.total)
            ),
        ));
    }
    if let Some(mean) = result.mean_latency_ms {
        facts.push((
            "mean latency",
            format!("{} at the capacity", words::ms(mean)),
        ));
    }
    facts
}

/// Between which rates a search ended.
pub(super) fn bracket(search: &SearchResult) -> String {
    match (search.low, search.high) {
        (Some(low), Some(high)) => {
            format!(
                "held at {} QPS, failed at {} QPS",
                words::rate(low),
                words::rate(high)
            )
        }
        (Some(low), None) => format!("held at {} QPS, nothing failed", words::rate(low)),
        (None, Some(high)) => format!("failed at {} QPS, nothing held", words::rate(high)),
        (None, None) => "no trial could be judged".to_owned(),
    }
}

fn counted_trials(search: &SearchResult) -> String {
    words::counted(search.trials.len() as u64, "trial")
}

/// What stood against the lowest rate that did not hold.
fn why_no_more(search: &SearchResult) -> String {
    search
        .trials
        .iter()
        .filter(|trial| trial.class == "overloaded" && Some(trial.rate) == search.high)
        .map(|trial| format!(" ({})", trial.why))
        .next_back()
        .unwrap_or_default()
}

/// Which side of its column a cell keeps to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// Rows with two spaces before the first and between all cells, columns as wide as their widest cell.
pub(super) fn table(rows: &[Vec<String>], columns: &[Align]) -> String {
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for ((cell, align), width) in row.iter().zip(columns).zip(&widths) {
            let width = *width;
            let _ = match align {
                Align::Left => write!(line, "  {cell:<width$}"),
                Align::Right => write!(line, "  {cell:>width$}"),
            };
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
