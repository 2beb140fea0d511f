//! `input_series`: a counter's name and labels, and its values in promtool's notation, as traffic.
//!
//! The notation is that of the documentation of Prometheus, "Unit testing for rules": `a+bxn` is a, a+b, …,
//! a+n·b; `axn` repeats a; `_` is no sample; `stale` ends the series.

use model::FunctionId;

use crate::scenario::file::{Load, Series};

/// The counter that stands for calls.
pub(super) const COUNTER: &str = "rampart_calls_total";
/// The labels it knows.
const LABELS: [&str; 7] = [
    "namespace",
    "function",
    "unit",
    "version",
    "zone",
    "served_by",
    "outcome",
];
/// The most samples of one series.
const SAMPLES_MAX: usize = 100_000;

/// What is wrong and the way out.
pub(super) type Refusal = (String, String);

fn refuse<T>(message: impl Into<String>, hint: impl Into<String>) -> Result<T, Refusal> {
    Err((message.into(), hint.into()))
}

/// One point of time of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Sample {
    Value(f64),
    Missing,
    Stale,
}

/// Whose calls a series counts, and whether they failed.
pub(super) fn read_name(text: &str) -> Result<(Series, bool), Refusal> {
    let (name, rest) = text.split_once('{').unwrap_or((text, ""));
    let name = name.trim();
    if name != COUNTER {
        return refuse(
            format!("`{name}` is no counter of calls"),
            format!(
                "native rules see calls only; write {COUNTER}{{namespace=\"guide\", function=\"feed\"}}"
            ),
        );
    }
    let mut series = Series::default();
    let (mut namespace, mut function, mut failed) = (String::new(), String::new(), false);
    for (label, value) in labels(rest)? {
        match label.as_str() {
            "namespace" => namespace = value,
            "function" => function = value,
            "unit" => series.unit = value,
            "version" => series.version = value,
            "zone" => series.zone = value,
            "served_by" => series.served_by = value,
            "outcome" => match value.as_str() {
                "ok" => failed = false,
                "function_error" => failed = true,
                _ => {
                    return refuse(
                        format!("outcome `{value}` is not simulated"),
                        "write ok or function_error",
                    );
                }
            },
            _ => {
                let near = declare::closest(&label, LABELS).map_or_else(
                    || format!("known: {}", LABELS.join(", ")),
                    |near| format!("did you mean `{near}`?"),
                );
                return refuse(format!("calls have no label `{label}`"), near);
            }
        }
    }
    let Ok(id) = format!("{namespace}/{function}").parse::<FunctionId>() else {
        return refuse(
            "the series does not say whose calls it counts",
            "write both labels: namespace=\"guide\", function=\"feed\"",
        );
    };
    series.function = Some(id);
    Ok((series, failed))
}

/// `a="b", c="d"}`.
fn labels(text: &str) -> Result<Vec<(String, String)>, Refusal> {
    let wrong = || {
        (
            "the labels cannot be read".to_owned(),
            "write name=\"value\" with commas between, in braces".to_owned(),
        )
    };
    let mut found = Vec::new();
    if text.is_empty() {
        return Ok(found);
    }
    let mut rest = text.trim();
    loop {
        rest = rest.trim_start_matches(',').trim_start();
        if rest == "}" {
            return Ok(found);
        }
        let (name, after) = rest.split_once('=').ok_or_else(wrong)?;
        let after = after.trim_start().strip_prefix('"').ok_or_else(wrong)?;
        let (value, after) = unquote(after).ok_or_else(wrong)?;
        found.push((name.trim().to_owned(), value));
        rest = after.trim_start();
    }
}

/// The text up to the closing quote, escapes taken out, and what follows it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut signs = text.char_indices();
    while let Some((at, sign)) = signs.next() {
        match sign {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.push(match signs.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

/// The samples that a text of values stands for.
pub(super) fn read_values(text: &str) -> Result<Vec<Sample>, Refusal> {
    let mut samples = Vec::new();
    for word in text.split_whitespace() {
        expand(word, &mut samples).ok_or_else(|| {
            let hint = if word.contains("{{") {
                "histograms are no counters of calls"
            } else {
                "write 0+60x10, 600x5, _x3, stale or plain numbers"
            };
            (format!("`{word}` is no sample"), hint.to_owned())
        })?;
        if samples.len() > SAMPLES_MAX {
            return refuse(
                format!("`{word}` gives more than {SAMPLES_MAX} samples"),
                "lengthen `interval`",
            );
        }
    }
    Ok(samples)
}

fn expand(word: &str, samples: &mut Vec<Sample>) -> Option<()> {
    let (head, times) = match word.split_once('x') {
        Some((head, times)) => (head, times.parse::<usize>().ok()?),
        None => (word, 0),
    };
    // One more than is allowed is enough to be refused.
    let times = times.min(SAMPLES_MAX);
    match head {
        // `_xn` is n samples, everything else n + 1.
        "_" => samples.extend((0..times.max(1)).map(|_| Sample::Missing)),
        "stale" => samples.push(Sample::Stale),
        _ => {
            let (first, step) = sequence(head)?;
            samples.extend((0..=times).map(|index| Sample::Value(first + step * index as f64)));
        }
    }
    Some(())
}

/// `a`, `a+b` or `a-b`: where it begins and by how much it grows.
fn sequence(text: &str) -> Option<(f64, f64)> {
    let sign_at = text
        .char_indices()
        .skip(1)
        .find(|(at, sign)| {
            let before = text.get(..*at).and_then(|before| before.chars().last());
            matches!(sign, '+' | '-') && !matches!(before, Some('e' | 'E'))
        })
        .map(|(at, _)| at);
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    match sign_at {
        None => Some((number(text)?, 0.0)),
        Some(at) => {
            let (first, step) = text.split_at(at);
            Some((number(first)?, number(step)?))
        }
    }
}

/// Calls between the samples of a counter: spread evenly over the time between two of them. A counter that
/// falls began anew at zero.
pub(super) fn loads(series: &Series, failed: bool, samples: &[Sample], interval: i64) -> Vec<Load> {
    let mut loads: Vec<Load> = Vec::new();
    let mut last: Option<(i64, f64)> = None;
    for (index, sample) in samples.iter().enumerate() {
        let at = index as i64 * interval;
        let value = match sample {
            Sample::Value(value) => *value,
            Sample::Missing => continue,
            Sample::Stale => {
                last = None;
                continue;
            }
        };
        if let Some((from, before)) = last {
            let calls = if value >= before {
                value - before
            } else {
                value
            };
            add(&mut loads, series, failed, (from, at), calls);
        }
        last = Some((at, value));
    }
    loads
}

fn add(loads: &mut Vec<Load>, series: &Series, failed: bool, (from, to): (i64, i64), calls: f64) {
    let qps = calls / (to - from).max(1) as f64;
    if qps <= 0.0 {
        return;
    }
    match loads.last_mut() {
        Some(last) if last.to == from && (last.qps - qps).abs() < 1e-12 => last.to = to,
        _ => loads.push(Load {
            series: series.clone(),
            from,
            to,
            qps,
            success: if failed { 0.0 } else { 1.0 },
            slow: 0.0,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<f64> {
        let samples = read_values(text).unwrap();
        samples
            .into_iter()
            .map(|sample| match sample {
                Sample::Value(value) => value,
                Sample::Missing => f64::NAN,
                Sample::Stale => f64::INFINITY,
            })
            .collect()
    }

    /// The examples of Prometheus's documentation.
    #[test]
    fn the_notation_is_promtools() {
        assert_eq!(values("-2+4x3"), [-2.0, 2.0, 6.0, 10.0]);
        assert_eq!(values("1-2x4"), [1.0, -1.0, -3.0, -5.0, -7.0]);
        assert_eq!(values("1x4"), [1.0; 5]);
        assert_eq!(values("1 1e-3 2.5"), [1.0, 0.001, 2.5]);
        let mixed = values("1 _x3 stale");
        assert_eq!(mixed.len(), 5);
        assert!(mixed[1..4].iter().all(|value| value.is_nan()) && mixed[4].is_infinite());
        for wrong in ["x3", "1+x3", "1x", "one", "NaN", "{{schema:1}}", "1+2+3x4"] {
            assert!(read_values(wrong).is_err(), "{wrong}");
        }
        assert!(read_values("1x99999999999").is_err());
    }

    #[test]
    fn counters_become_calls() {
        let (series, failed) = read_name(
            r#"rampart_calls_total{namespace="guide", function="feed", unit="a\"b", outcome="function_error"}"#,
        )
        .unwrap();
        assert!(failed);
        assert_eq!(series.unit, "a\"b");
        let samples = read_values("0+60x2 120 _ 240 30 stale 500 560").unwrap();
        let found: Vec<(i64, i64, f64)> = loads(&series, failed, &samples, 60)
            .iter()
            .map(|load| (load.from, load.to, load.qps * (load.to - load.from) as f64))
            .collect();
        // 0, 60, 120, 120, nothing, 240, 30 (began anew), stale, 500 (the first again), 560.
        assert_eq!(
            found,
            [
                (0, 120, 120.0),
                (180, 300, 120.0),
                (300, 360, 30.0),
                (480, 540, 60.0)
            ]
        );
    }

    #[test]
    fn what_is_no_counter_of_calls_is_refused() {
        for (text, said) in [
            (
                "http_requests_total{job=\"a\"}",
                "`http_requests_total` is no counter of calls",
            ),
            ("rampart_calls_total", "does not say whose calls"),
            (
                "rampart_calls_total{namespace=\"a\"}",
                "does not say whose calls",
            ),
            (
                "rampart_calls_total{namespace=\"a\", functoin=\"b\"}",
                "no label `functoin`",
            ),
            (
                "rampart_calls_total{namespace=\"a\" function=\"b}",
                "cannot be read",
            ),
            (
                "rampart_calls_total{outcome=\"limited\"}",
                "outcome `limited` is not simulated",
            ),
        ] {
            let (message, _) = read_name(text).unwrap_err();
            assert!(message.contains(said), "{text}: {message}");
        }
    }
}
