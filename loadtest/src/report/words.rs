//! Figures and verdicts in words, the same in every form of report.

use std::fmt::Write as _;
use std::time::Duration;

use crate::result::{CapacityResult, RunResult, Verdict, WorkerSubject};

/// What a sentence says about the target, for its mark and colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// What was wanted held.
    Held,
    /// It did not.
    Missed,
    /// Nothing may be concluded.
    Doubtful,
    /// Nothing was asked.
    Plain,
}

/// The most important thing about a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sentence {
    /// What it says about the target.
    pub(crate) tone: Tone,
    /// For a person.
    pub(crate) text: String,
}

/// A part of an objective that limits latency, read back from its words (`p99 ≤ 100ms`).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LatencyLimit {
    /// As written.
    pub(crate) words: String,
    /// Share of calls that must be faster, 0 to 1.
    pub(crate) quantile: f64,
    /// In ms.
    pub(crate) ms: f64,
}

impl LatencyLimit {
    /// The first latency limit in words such as `p99 ≤ 100ms, success rate ≥ 99.9%`.
    pub(crate) fn find(words: &str) -> Option<Self> {
        words.split(',').map(str::trim).find_map(Self::one)
    }

    fn one(words: &str) -> Option<Self> {
        let (name, limit) = words.split_once('≤').or_else(|| words.split_once("<="))?;
        let mut percent: f64 = name.trim().strip_prefix('p')?.parse().ok()?;
        // `p999` is how many write 99.9 %.
        while percent > 100.0 {
            percent /= 10.0;
        }
        let limit: String = limit.split_whitespace().collect();
        let limit = model::parse_duration(&limit).ok()?;
        (percent > 0.0).then(|| LatencyLimit {
            words: words.to_owned(),
            quantile: percent / 100.0,
            ms: limit.as_secs_f64() * 1e3,
        })
    }

    /// Of a run: from its thresholds.
    pub(crate) fn of_run(result: &RunResult) -> Option<Self> {
        result
            .thresholds
            .iter()
            .find_map(|threshold| Self::find(&threshold.wanted))
    }
}

/// The verdict of a run in one or two sentences.
pub(crate) fn of_run(result: &RunResult) -> Sentence {
    let total = &result.total;
    let load = format!(
        "{} QPS for {}",
        rate(total.sent_per_second),
        span(total.seconds)
    );
    let (tone, mut text) = if let Some(why) = result.invalid.first() {
        let more = match result.invalid.len() {
            1 => String::new(),
            many => format!(" (and {} more)", many - 1),
        };
        (
            Tone::Doubtful,
            format!("The figures must not be believed: {why}{more}."),
        )
    } else if let Some(missed) = result.thresholds.iter().find(|threshold| !threshold.held) {
        (
            Tone::Missed,
            format!(
                "Missed: {} was wanted, got {}, at {load}.",
                missed.wanted, missed.got
            ),
        )
    } else if result.thresholds.is_empty() {
        let answered = match total.success_rate {
            Some(ok) => format!("{} succeeded", share(ok)),
            None => "no call ended".to_owned(),
        };
        (
            Tone::Plain,
            format!(
                "{load}: p99 {}, {answered}. The plan names no objective.",
                ms(total.latency.p99_ms)
            ),
        )
    } else {
        let wanted: Vec<&str> = result
            .thresholds
            .iter()
            .map(|part| part.wanted.as_str())
            .collect();
        (Tone::Held, format!("Held: {} at {load}.", list(&wanted)))
    };
    if let Some(why) = &result.stopped {
        let _ = write!(text, " It was stopped early: {why}.");
    }
    Sentence { tone, text }
}

/// The verdict of a capacity search in one or two sentences.
pub(crate) fn of_capacity(result: &CapacityResult) -> Sentence {
    let objective = result.objective.replace(", ", " and ");
    let pods = result.pods.as_ref().map_or(String::new(), |pods| {
        match pods.total.checked_div(pods.per_zone) {
            Some(1) => format!("; {} for the planned peak", counted(pods.total, "pod")),
            Some(zones) => format!(
                "; {} in each of {zones} zones for the planned peak",
                counted(pods.per_zone, "pod")
            ),
            None => String::new(),
        }
    });
    let carried = |low: f64| rate(result.per_pod.unwrap_or(low));
    let (tone, text) = match &result.verdict {
        Verdict::Confirmed { low, .. } => (
            Tone::Held,
            format!(
                "One pod carries {} QPS with {objective}{pods}.",
                carried(*low)
            ),
        ),
        Verdict::AtLeast { low, why } => (
            Tone::Held,
            format!(
                "One pod carries at least {} QPS with {objective}{pods}. More was not tried: {why}.",
                carried(*low)
            ),
        ),
        Verdict::Noisy { low, high, why } => (
            Tone::Missed,
            format!(
                "The searches disagree, from {} to {} QPS, so no capacity is given: {why}.",
                rate(*low),
                rate(*high)
            ),
        ),
        Verdict::Invalid { why } => (
            Tone::Doubtful,
            format!("No capacity could be measured: {why}."),
        ),
    };
    Sentence { tone, text }
}

fn list(parts: &[&str]) -> String {
    match parts {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// `1 pod`, `39 pods`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {noun}{s}", number(count))
}

/// Three significant digits and no more than a person reads: `1,234`, `297`, `29.7`, `2.97`, `0`.
pub(crate) fn rate(per_second: f64) -> String {
    if !per_second.is_finite() {
        return "?".to_owned();
    }
    let size = per_second.abs();
    if size >= 99.95 {
        number(per_second.round() as u64)
    } else if size >= 9.995 {
        trimmed(per_second, 1)
    } else {
        trimmed(per_second, 2)
    }
}

/// `12,345`.
pub(crate) fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Time from ms with three significant digits: `0.045ms`, `4.52ms`, `87.2ms`, `870ms`, `1.25s`.
pub(crate) fn ms(ms: f64) -> String {
    if !ms.is_finite() {
        return "?".to_owned();
    }
    match ms.abs() {
        // Histograms tell nothing below a microsecond apart.
        size if size < 0.001 => "0ms".to_owned(),
        size if size < 0.999_5 => format!("{}ms", trimmed(ms, 3)),
        size if size < 9.995 => format!("{}ms", trimmed(ms, 2)),
        size if size < 99.95 => format!("{}ms", trimmed(ms, 1)),
        size if size < 999.5 => format!("{}ms", trimmed(ms, 0)),
        size if size < 9_995.0 => format!("{}s", trimmed(ms / 1e3, 2)),
        size if size < 99_950.0 => format!("{}s", trimmed(ms / 1e3, 1)),
        _ => span(ms / 1e3),
    }
}

/// A share of 1 in per cent. Cut, not rounded: 99.9996 % is not 100 %, and what missed an objective by a
/// hair must not read as if it held.
pub(crate) fn share(of_one: f64) -> String {
    if !of_one.is_finite() {
        return "?".to_owned();
    }
    // The small addition undoes the binary fraction of figures such as 0.999.
    let cut = (of_one * 100.0 * 1e3 + 1e-6).floor() / 1e3;
    format!("{}%", trimmed(cut, 3))
}

/// A share of CPU, to whole per cent.
pub(crate) fn cpu(of_one: f64) -> String {
    format!("{:.0}%", of_one * 100.0)
}

/// Seconds as `1m30s`; below ten seconds with a decimal.
pub(crate) fn span(seconds: f64) -> String {
    if !(seconds.is_finite() && seconds >= 0.0) {
        return "?".to_owned();
    }
    if seconds < 9.95 {
        return format!("{}s", trimmed(seconds, 1));
    }
    model::format_duration(Duration::from_secs(seconds.round() as u64))
}

/// Bytes with a binary unit: `512 B`, `1.4 MiB`.
pub(crate) fn bytes(count: u64) -> String {
    let mut size = count as f64;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if size < 1_024.0 {
            break;
        }
        size /= 1_024.0;
        unit = next;
    }
    format!("{} {unit}", trimmed(size, 1))
}

fn trimmed(figure: f64, decimals: usize) -> String {
    let text = format!("{figure:.decimals$}");
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Which machines sent, and how exactly they began together:
/// `10.0.0.5:9660, 10.0.0.6:9660 (starts agree within 0.2ms)`.
pub(crate) fn workers(workers: &[WorkerSubject]) -> String {
    let names: Vec<&str> = workers
        .iter()
        .map(|worker| worker.address.as_str())
        .collect();
    // Each may be off by its own error, and two of them by both.
    let mut errors: Vec<f64> = workers.iter().map(|worker| worker.clock_error_ms).collect();
    errors.sort_by(|one, other| other.total_cmp(one));
    let apart: f64 = errors.iter().take(2).sum();
    format!("{} (starts agree within {})", names.join(", "), ms(apart))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_never_flatter() {
        for (figure, text) in [
            (0.0, "0ms"),
            (0.0451, "0.045ms"),
            (4.523, "4.52ms"),
            (87.24, "87.2ms"),
            (99.96, "100ms"),
            (870.4, "870ms"),
            (999.7, "1s"),
            (1_250.0, "1.25s"),
            (12_500.0, "12.5s"),
            (125_000.0, "2m5s"),
            (f64::NAN, "?"),
        ] {
            assert_eq!(ms(figure), text, "{figure}");
        }
        for (figure, text) in [
            (1.0, "100%"),
            (0.999_999_6, "99.999%"),
            (0.999, "99.9%"),
            (0.998_999, "99.899%"),
            (0.0, "0%"),
        ] {
            assert_eq!(share(figure), text, "{figure}");
        }
        for (figure, text) in [
            (297.4, "297"),
            (29.74, "29.7"),
            (2.0, "2"),
            (1_234_567.0, "1,234,567"),
            (99.97, "100"),
        ] {
            assert_eq!(rate(figure), text, "{figure}");
        }
        assert_eq!(
            (span(90.2), span(3.25), span(-1.0)),
            ("1m30s".into(), "3.2s".into(), "?".into())
        );
        assert_eq!(
            (bytes(512), bytes(1_500_000)),
            ("512 B".into(), "1.4 MiB".into())
        );
    }

    #[test]
    fn a_latency_limit_is_found_among_others() {
        let limit = LatencyLimit::find("success rate ≥ 99.9%, p99 ≤ 100ms").unwrap();
        assert_eq!((limit.quantile, limit.ms), (0.99, 100.0));
        let limit = LatencyLimit::find("p999 <= 1s").unwrap();
        assert_eq!(
            ((limit.quantile * 1e6).round(), limit.ms),
            (999_000.0, 1_000.0)
        );
        assert!((LatencyLimit::find("p99.9 ≤ 1s").unwrap().quantile - 0.999).abs() < 1e-9);
        assert_eq!(LatencyLimit::find("success rate ≥ 99.9%"), None);
        assert_eq!(LatencyLimit::find("p0 ≤ x"), None);
    }

    #[test]
    fn workers_and_how_exactly_they_began_together() {
        let worker = |address: &str, clock_error_ms| WorkerSubject {
            address: address.to_owned(),
            clock_error_ms,
            ..WorkerSubject::default()
        };
        assert_eq!(
            workers(&[
                worker("a:1", 0.125),
                worker("b:2", 0.5),
                worker("c:3", 0.25)
            ]),
            "a:1, b:2, c:3 (starts agree within 0.75ms)"
        );
    }
}
