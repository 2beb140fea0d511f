//! The sections of a run.

use std::fmt::Write as _;

use super::chart::{Axis, Chart, Line, columns, highest, mean};
use super::scale::Scale;
use super::{distribution, list, section, table};
use crate::report::escape::escape;
use crate::report::health::{self, Health};
use crate::report::words::{self, LatencyLimit};
use crate::result::{RunResult, Second, Window};
use crate::tally::Times;

/// Columns of a chart over time at most.
const COLUMNS_MAX: usize = 400;
/// How many times the median a chart's highest latency may be before its axis becomes logarithmic.
const LINEAR_SPREAD_MAX: f64 = 40.0;

/// All sections, the most important first.
pub(super) fn sections(result: &RunResult, total: Option<&Times>) -> String {
    let limit = LatencyLimit::of_run(result);
    let mut out = String::new();
    if !result.invalid.is_empty() {
        out.push_str(&section("Why the figures must not be believed"));
        out.push_str(&list(&result.invalid));
        out.push_str("</section>\n");
    }
    let _ = writeln!(out, "<p>{}</p>", escape(&result.load));
    out.push_str(&thresholds(result));
    out.push_str(&key_figures(&result.total));
    out.push_str(&section("Over time"));
    if result.seconds.is_empty() {
        out.push_str("<p class=\"dim\">No second was measured.</p>\n");
    } else {
        out.push_str("<div class=\"charts\">\n");
        out.push_str(&rates(result));
        out.push_str(&latency(result, limit.as_ref()));
        out.push_str("</div>\n");
    }
    out.push_str("</section>\n");
    out.push_str(&distribution::section(
        &result.total.latency,
        total,
        limit.as_ref(),
    ));
    out.push_str(&spreads(&result.total));
    out.push_str(&outcomes(&result.total));
    out.push_str(&generator(result));
    out
}

fn thresholds(result: &RunResult) -> String {
    if result.thresholds.is_empty() {
        return String::new();
    }
    let mut out = String::from("<section class=\"compact\">\n<h2>Objective</h2>\n");
    let rows: Vec<Vec<String>> = result
        .thresholds
        .iter()
        .map(|part| {
            let mark = if part.held { "✓ held" } else { "✕ missed" };
            vec![mark.to_owned(), part.wanted.clone(), part.got.clone()]
        })
        .collect();
    out.push_str(&table(&["", "wanted", "got"], &rows));
    out.push_str("</section>\n");
    out
}

fn key_figures(total: &Window) -> String {
    let mut out = String::from("<dl class=\"numbers\">\n");
    for (name, figure) in [
        ("sent per second", words::rate(total.sent_per_second)),
        ("ok per second", words::rate(total.ok_per_second)),
        (
            "succeeded",
            total.success_rate.map_or("–".to_owned(), words::share),
        ),
        ("p50", words::ms(total.latency.p50_ms)),
        ("p99", words::ms(total.latency.p99_ms)),
        ("longest", words::ms(total.latency.max_ms)),
        ("in flight at most", words::number(total.in_flight_max)),
    ] {
        let _ = writeln!(
            out,
            "<div><dt>{name}</dt><dd>{}</dd></div>",
            escape(&figure)
        );
    }
    out.push_str("</dl>\n");
    out
}

/// A line over time: means of rates, peaks of times.
fn over_time(
    seconds: &[Second],
    name: &str,
    style: u8,
    of: impl Fn(&Second) -> Option<f64>,
    join: fn(&[f64]) -> f64,
) -> Line {
    let points: Vec<(f64, Option<f64>)> = seconds
        .iter()
        .map(|second| (second.at + 0.5, of(second)))
        .collect();
    Line {
        name: name.to_owned(),
        style,
        points: columns(&points, COLUMNS_MAX, join),
    }
}

fn time_axis(seconds: &[Second]) -> Axis {
    let end = seconds.last().map_or(1.0, |second| second.at + 1.0);
    Axis {
        scale: Scale::up_to(end),
        say: words::span,
    }
}

fn warm_up(seconds: &[Second]) -> Option<(f64, f64, String)> {
    let last = seconds.iter().rev().find(|second| second.warm_up)?;
    Some((0.0, last.at + 1.0, "warm-up".to_owned()))
}

fn peak(lines: &[Line]) -> f64 {
    lines
        .iter()
        .flat_map(|line| line.points.iter().filter_map(|(_, figure)| *figure))
        .fold(0.0, f64::max)
}

fn rates(result: &RunResult) -> String {
    let seconds = &result.seconds;
    let mut lines = vec![
        over_time(seconds, "came due", 4, |s| Some(s.intended), mean),
        over_time(seconds, "sent", 1, |s| Some(s.sent), mean),
        over_time(seconds, "ok", 3, |s| Some(s.ok), mean),
    ];
    if seconds.iter().any(|s| s.failed + s.limited > 0.0) {
        let bad = |s: &Second| Some(s.failed + s.limited);
        lines.push(over_time(seconds, "failed, limited", 2, bad, mean));
    }
    Chart {
        title: "Calls per second",
        summary: format!(
            "{} sent and {} succeeded per second on average.",
            words::rate(result.total.sent_per_second),
            words::rate(result.total.ok_per_second)
        ),
        x: time_axis(seconds),
        y: Axis {
            scale: Scale::from_zero(peak(&lines)),
            say: words::rate,
        },
        bars: vec![],
        lines,
        marks: vec![],
        limit_y: None,
        limit_x: None,
        span: warm_up(seconds),
    }
    .draw()
}

fn latency(result: &RunResult, limit: Option<&LatencyLimit>) -> String {
    let seconds = &result.seconds;
    // A second in which nothing ended has no latency; zero would look like the best of all.
    let measured = |s: &Second, ms: f64| (s.max_ms > 0.0).then_some(ms);
    let lines = vec![
        over_time(seconds, "p50", 3, |s| measured(s, s.p50_ms), highest),
        over_time(seconds, "p95", 4, |s| measured(s, s.p95_ms), highest),
        over_time(seconds, "p99", 1, |s| measured(s, s.p99_ms), highest),
    ];
    let top = peak(&lines).max(limit.map_or(0.0, |limit| limit.ms));
    let median = result.total.latency.p50_ms;
    let scale = if median > 0.0 && top / median > LINEAR_SPREAD_MAX {
        Scale::log(result.total.latency.min_ms.max(median / 10.0), top)
    } else {
        Scale::from_zero(top)
    };
    Chart {
        title: "Latency from the intended instant",
        summary: format!(
            "Median {}, 99th percentile {}, longest {}.",
            words::ms(median),
            words::ms(result.total.latency.p99_ms),
            words::ms(result.total.latency.max_ms)
        ),
        x: time_axis(seconds),
        y: Axis {
            scale,
            say: words::ms,
        },
        bars: vec![],
        lines,
        marks: vec![],
        limit_y: limit.map(|limit| (limit.ms, limit.words.clone())),
        limit_x: None,
        span: warm_up(seconds),
    }
    .draw()
}

fn spreads(total: &Window) -> String {
    let mut out = section("Where the time went");
    let rows: Vec<Vec<String>> = [
        ("latency", &total.latency),
        ("service", &total.service),
        ("back pressure", &total.back_pressure),
        ("lag", &total.lag),
    ]
    .into_iter()
    .map(|(name, spread)| {
        let mut row = vec![name.to_owned()];
        let figures = [
            spread.p50_ms,
            spread.p90_ms,
            spread.p95_ms,
            spread.p99_ms,
            spread.p999_ms,
            spread.p9999_ms,
            spread.max_ms,
            spread.mean_ms,
        ];
        row.extend(figures.map(words::ms));
        row
    })
    .collect();
    let headings = [
        "", "#p50", "#p90", "#p95", "#p99", "#p99.9", "#p99.99", "#max", "#mean",
    ];
    out.push_str(&table(&headings, &rows));
    out.push_str(
        "<p class=\"dim\">Latency is what callers waited from the instant at which the call came due. Service \
         runs from sent to done, back pressure until a connection was free, and lag is what the generator \
         itself was late, which latency leaves out.</p>\n</section>\n",
    );
    out
}

fn outcomes(total: &Window) -> String {
    let mut out = section("What came of the calls");
    let share = |count: u64| {
        if total.sent == 0 {
            "–".to_owned()
        } else {
            words::share(count as f64 / total.sent as f64)
        }
    };
    let mut rows = vec![
        vec!["ok".to_owned(), words::number(total.ok), share(total.ok)],
        vec![
            "limited (429)".to_owned(),
            words::number(total.limited),
            share(total.limited),
        ],
        vec![
            "unexpected answer".to_owned(),
            words::number(total.unexpected),
            share(total.unexpected),
        ],
    ];
    for (name, count) in &total.failures {
        rows.push(vec![
            format!("failed: {}", name.replace('_', " ")),
            words::number(*count),
            share(*count),
        ]);
    }
    rows.push(vec![
        "came due, not sent".to_owned(),
        words::number(total.missed),
        String::new(),
    ]);
    out.push_str("<div class=\"charts\">\n");
    out.push_str(&table(&["outcome", "#calls", "#of the sent"], &rows));
    let rows: Vec<Vec<String>> = total
        .statuses
        .iter()
        .map(|(status, count)| vec![status.to_string(), words::number(*count)])
        .collect();
    if rows.is_empty() {
        out.push_str("<p class=\"dim\">Nothing was answered.</p>\n");
    } else {
        out.push_str(&table(&["status", "#answers"], &rows));
    }
    out.push_str("</div>\n");
    let _ = writeln!(
        out,
        "<p class=\"dim\">{}, {} read, {} written.</p>\n</section>",
        words::counted(total.connects, "connection"),
        words::bytes(total.bytes_in),
        words::bytes(total.bytes_out)
    );
    out
}

fn generator(result: &RunResult) -> String {
    let seconds = &result.seconds;
    let health = Health::of_run(result);
    let mut out = section("The generator itself");
    let _ = writeln!(
        out,
        "<p>Generator: {}.</p>",
        escape(&health::sentence(result))
    );
    if !seconds.is_empty() {
        out.push_str("<div class=\"charts\">\n");
        out.push_str(&lag_chart(result, &health));
        out.push_str(&cpu_chart(result));
        out.push_str("</div>\n");
    }
    out.push_str("</section>\n");
    out
}

fn lag_chart(result: &RunResult, health: &Health) -> String {
    let lines = vec![over_time(
        &result.seconds,
        "lag p99",
        1,
        |s| Some(s.lag_p99_ms),
        highest,
    )];
    let limit = health.lag_ms_max();
    Chart {
        title: "Its lateness, p99",
        summary: format!(
            "99th percentile {}, limit {}.",
            words::ms(health.lag_p99_ms),
            words::ms(limit)
        ),
        x: time_axis(&result.seconds),
        y: Axis {
            scale: Scale::from_zero(peak(&lines).max(limit)),
            say: words::ms,
        },
        bars: vec![],
        lines,
        marks: vec![],
        limit_y: Some((limit, format!("limit {}", words::ms(limit)))),
        limit_x: None,
        span: None,
    }
    .draw()
}

fn cpu_chart(result: &RunResult) -> String {
    let limit = health::CPU_SHARE_MAX;
    let lines = vec![over_time(&result.seconds, "CPU", 1, |s| Some(s.cpu), mean)];
    Chart {
        title: "CPU of its threads",
        summary: format!(
            "{} on average, limit {}.",
            words::cpu(result.total.cpu),
            words::cpu(limit)
        ),
        x: time_axis(&result.seconds),
        y: Axis {
            scale: Scale::from_zero(1.0),
            say: words::cpu,
        },
        bars: vec![],
        lines,
        marks: vec![],
        limit_y: Some((limit, format!("limit {}", words::cpu(limit)))),
        limit_x: None,
        span: None,
    }
    .draw()
}
