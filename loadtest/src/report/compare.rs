//! Two results side by side.

use std::fmt::Write as _;

use super::ReportError;
use super::escape::plain;
use super::text::{Align, table};
use super::words;
use crate::result::{CapacityResult, Kept, RunResult, Spread, Subject, Verdict};

/// Two runs or two capacities as aligned text: each figure of `a`, of `b`, and how `b` relates to `a`.
/// What makes the comparison doubtful (another scenario, an invalid run, another machine) comes first.
pub fn compare(a: &Kept, b: &Kept) -> Result<String, ReportError> {
    match (a, b) {
        (Kept::Run(a), Kept::Run(b)) => Ok(runs(a, b)),
        (Kept::Capacity(a), Kept::Capacity(b)) => Ok(capacities(a, b)),
        _ => Err(ReportError::Kinds),
    }
}

fn runs(a: &RunResult, b: &RunResult) -> String {
    let mut doubts = subject_doubts(&a.subject, &b.subject);
    for (name, run) in [("A", a), ("B", b)] {
        for why in &run.invalid {
            doubts.push(format!("{name} must not be believed: {why}"));
        }
    }
    if a.load != b.load {
        doubts.push(format!("the loads differ. A: {}. B: {}", a.load, b.load));
    }
    let mut out = heads(&doubts, &a.subject, &b.subject);
    let mut rows = vec![head()];
    let (from, to) = (&a.total, &b.total);
    rows.push(row(
        "sent/s",
        from.sent_per_second,
        to.sent_per_second,
        words::rate,
    ));
    rows.push(row(
        "ok/s",
        from.ok_per_second,
        to.ok_per_second,
        words::rate,
    ));
    rows.push(rates_row(from.success_rate, to.success_rate));
    for (name, count) in [
        ("limited", (from.limited, to.limited)),
        ("unexpected", (from.unexpected, to.unexpected)),
        (
            "failed",
            (from.failures.values().sum(), to.failures.values().sum()),
        ),
        ("missed", (from.missed, to.missed)),
    ] {
        rows.push(row(name, count.0 as f64, count.1 as f64, |count| {
            words::number(count as u64)
        }));
    }
    let latency =
        |name, of: fn(&Spread) -> f64| row(name, of(&from.latency), of(&to.latency), words::ms);
    rows.push(latency("p50", |spread| spread.p50_ms));
    rows.push(latency("p90", |spread| spread.p90_ms));
    rows.push(latency("p95", |spread| spread.p95_ms));
    rows.push(latency("p99", |spread| spread.p99_ms));
    rows.push(latency("p99.9", |spread| spread.p999_ms));
    rows.push(latency("max", |spread| spread.max_ms));
    rows.push(latency("mean", |spread| spread.mean_ms));
    rows.push(row(
        "generator lag p99",
        from.lag.p99_ms,
        to.lag.p99_ms,
        words::ms,
    ));
    rows.push(row("generator CPU", from.cpu, to.cpu, words::cpu));
    out.push_str(&aligned(&rows));
    out
}

fn capacities(a: &CapacityResult, b: &CapacityResult) -> String {
    let mut doubts = subject_doubts(&a.subject, &b.subject);
    for (name, result) in [("A", a), ("B", b)] {
        if let Verdict::Noisy { why, .. } | Verdict::Invalid { why } = &result.verdict {
            doubts.push(format!("{name} gives no capacity: {why}"));
        }
    }
    if a.objective != b.objective {
        doubts.push(format!(
            "the objectives differ. A: {}. B: {}",
            a.objective, b.objective
        ));
    }
    let mut out = heads(&doubts, &a.subject, &b.subject);
    let mut rows = vec![head()];
    let figure = |name: &str, a: Option<f64>, b: Option<f64>, say: fn(f64) -> String| {
        row(name, a.unwrap_or(f64::NAN), b.unwrap_or(f64::NAN), say)
    };
    let limits = |result: &CapacityResult| result.limits.map(|limits| limits.concurrency as f64);
    let pods = |result: &CapacityResult| result.pods.map(|pods| pods.total as f64);
    let whole = |count: f64| words::number(count as u64);
    rows.push(figure("QPS of one pod", a.per_pod, b.per_pod, words::rate));
    rows.push(figure("QPS of one CPU", a.per_cpu, b.per_cpu, words::rate));
    rows.push(figure(
        "mean latency",
        a.mean_latency_ms,
        b.mean_latency_ms,
        words::ms,
    ));
    rows.push(figure("calls at once", limits(a), limits(b), whole));
    rows.push(figure("pods planned", pods(a), pods(b), whole));
    out.push_str(&aligned(&rows));
    out
}

fn subject_doubts(a: &Subject, b: &Subject) -> Vec<String> {
    let mut doubts = Vec::new();
    if a.scenario_hash != b.scenario_hash {
        doubts.push("the scenarios differ: other requests or another objective".to_owned());
    }
    if a.machine != b.machine {
        doubts.push(format!(
            "the senders differ. A: {}. B: {}",
            a.machine, b.machine
        ));
    }
    if (a.pod_cpus, a.pod_memory_bytes) != (b.pod_cpus, b.pod_memory_bytes) {
        doubts.push("the pods may use different amounts of CPU or memory".to_owned());
    }
    doubts
}

fn heads(doubts: &[String], a: &Subject, b: &Subject) -> String {
    let mut out = String::new();
    for doubt in doubts {
        let _ = writeln!(out, "careful: {}", plain(doubt));
    }
    for (name, subject) in [("A", a), ("B", b)] {
        let version = subject
            .version
            .as_ref()
            .map_or(String::new(), |version| format!(", version {version}"));
        let line = format!(
            "{name}  {}{version}, {}, {}",
            subject.target, subject.started_at, subject.id
        );
        let _ = writeln!(out, "{}", plain(&line));
    }
    out.push('\n');
    out
}

fn head() -> Vec<String> {
    ["", "A", "B", "B against A"].map(str::to_owned).to_vec()
}

fn row(name: &str, a: f64, b: f64, say: fn(f64) -> String) -> Vec<String> {
    let said = |figure: f64| {
        if figure.is_finite() {
            say(figure)
        } else {
            "–".to_owned()
        }
    };
    vec![name.to_owned(), said(a), said(b), change(a, b)]
}

/// Of shares near 1 the difference says something, their ratio does not.
fn rates_row(a: Option<f64>, b: Option<f64>) -> Vec<String> {
    let said = |rate: Option<f64>| rate.map_or("–".to_owned(), words::share);
    let points = match (a, b) {
        (Some(a), Some(b)) if (b - a).abs() < 5e-6 => "same".to_owned(),
        (Some(a), Some(b)) => format!("{:+.3} points", (b - a) * 100.0),
        _ => String::new(),
    };
    vec!["success rate".to_owned(), said(a), said(b), points]
}

fn change(a: f64, b: f64) -> String {
    if !(a.is_finite() && b.is_finite()) {
        return String::new();
    }
    if (a - b).abs() < 1e-9 {
        return "same".to_owned();
    }
    if a <= 0.0 {
        return "new".to_owned();
    }
    let ratio = b / a;
    if (0.5..2.0).contains(&ratio) {
        format!("{:+.1}%", (ratio - 1.0) * 100.0)
    } else {
        format!("{}x", words::rate(ratio))
    }
}

fn aligned(rows: &[Vec<String>]) -> String {
    table(
        rows,
        &[Align::Left, Align::Right, Align::Right, Align::Right],
    )
}
