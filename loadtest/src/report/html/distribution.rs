//! How latencies are spread: a histogram over a logarithmic axis, and percentiles towards the tail.

use super::chart::{Axis, Bar, Chart, Line};
use super::scale::Scale;
use crate::report::words::{self, LatencyLimit};
use crate::result::Spread;
use crate::tally::Times;

/// Bars of the histogram.
const BARS: usize = 36;
/// Points of the percentile curve for each power of ten of its axis.
const POINTS_PER_DECADE: usize = 24;

/// The section with both charts; without the whole histogram, percentiles alone.
pub(super) fn section(
    spread: &Spread,
    times: Option<&Times>,
    limit: Option<&LatencyLimit>,
) -> String {
    let mut out = super::section("How latencies are spread");
    if spread.count == 0 {
        out.push_str("<p class=\"dim\">No call ended.</p>\n</section>\n");
        return out;
    }
    out.push_str("<div class=\"charts\">\n");
    if let Some(times) = times.filter(|times| times.count() > 0) {
        out.push_str(&histogram(times, limit));
    }
    out.push_str(&percentiles(spread, times, limit));
    out.push_str("</div>\n</section>\n");
    out
}

fn limit_of(limit: Option<&LatencyLimit>) -> Option<(f64, String)> {
    limit.map(|limit| (limit.ms, limit.words.clone()))
}

fn histogram(times: &Times, limit: Option<&LatencyLimit>) -> String {
    let ms = |nanos: u64| nanos as f64 / 1e6;
    let low = ms(times.min()).max(0.001);
    let high = ms(times.max())
        .max(low)
        .max(limit.map_or(0.0, |limit| limit.ms));
    let x = Scale::log(low, high);
    // Equal steps on the logarithmic axis.
    let (from, to) = (low, ms(times.max()).max(low * 1.01));
    let step = (to / from).powf(1.0 / BARS as f64);
    let mut counts = vec![0_u64; BARS];
    for value in times.histogram().iter_recorded() {
        let at = ms(value.value_iterated_to()).max(from);
        let place = ((at / from).ln() / step.ln()).floor() as usize;
        if let Some(count) = counts.get_mut(place.min(BARS - 1)) {
            *count += value.count_at_value();
        }
    }
    let total = times.count().max(1) as f64;
    let bars: Vec<Bar> = counts
        .iter()
        .enumerate()
        .filter(|(_, count)| **count > 0)
        .map(|(place, count)| {
            let left = from * step.powi(place as i32);
            let right = left * step;
            Bar {
                from: left,
                to: right,
                height: *count as f64 / total,
                title: format!(
                    "{} to {}: {} calls",
                    words::ms(left),
                    words::ms(right),
                    words::number(*count)
                ),
            }
        })
        .collect();
    let top = bars.iter().map(|bar| bar.height).fold(0.0, f64::max);
    Chart {
        title: "Share of calls by latency",
        summary: format!(
            "From {} to {}, half below {}.",
            words::ms(low),
            words::ms(to),
            words::ms(ms(times.quantile(0.5)))
        ),
        x: Axis {
            scale: x,
            say: words::ms,
        },
        y: Axis {
            scale: Scale::from_zero(top),
            say: words::share,
        },
        bars,
        lines: vec![],
        marks: vec![],
        limit_y: None,
        limit_x: limit_of(limit),
        span: None,
    }
    .draw()
}

/// The axis is 1 / (1 − percentile), so that each further nine takes as much room as the one before.
fn percentiles(spread: &Spread, times: Option<&Times>, limit: Option<&LatencyLimit>) -> String {
    let points = match times {
        Some(times) if times.count() > 0 => curve(times),
        _ => [
            (0.5, spread.p50_ms),
            (0.9, spread.p90_ms),
            (0.95, spread.p95_ms),
            (0.99, spread.p99_ms),
            (0.999, spread.p999_ms),
            (0.9999, spread.p9999_ms),
        ]
        .into_iter()
        .filter(|(quantile, _)| supported(*quantile, spread.count))
        .map(|(quantile, ms)| (1.0 / (1.0 - quantile), Some(ms)))
        .collect(),
    };
    let end = points.last().map_or(2.0, |(x, _)| *x).max(20.0);
    let figures = || points.iter().filter_map(|(_, ms)| *ms);
    let lowest = figures().fold(f64::INFINITY, f64::min);
    let highest = figures()
        .fold(0.0, f64::max)
        .max(limit.map_or(0.0, |limit| limit.ms));
    let nines: Vec<f64> = [2.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6]
        .into_iter()
        .filter(|tick| *tick <= end * 1.000_001)
        .collect();
    let spans_decades = lowest > 0.0 && highest / lowest > 20.0;
    Chart {
        title: "Latency by percentile",
        summary: format!(
            "p50 {}, p99 {}, longest {}.",
            words::ms(spread.p50_ms),
            words::ms(spread.p99_ms),
            words::ms(spread.max_ms)
        ),
        x: Axis {
            scale: Scale::log_with(1.0, end, nines),
            say: percentile_name,
        },
        y: Axis {
            scale: if spans_decades {
                Scale::log(lowest, highest)
            } else {
                Scale::from_zero(highest)
            },
            say: words::ms,
        },
        bars: vec![],
        lines: vec![Line {
            name: "latency".to_owned(),
            style: 1,
            points,
        }],
        marks: vec![],
        limit_y: limit_of(limit),
        limit_x: limit.map(|limit| (1.0 / (1.0 - limit.quantile).max(1e-9), String::new())),
        span: None,
    }
    .draw()
}

/// Whether so many calls say anything of a percentile: at least one must lie beyond it.
fn supported(quantile: f64, count: u64) -> bool {
    count as f64 * (1.0 - quantile) >= 0.999
}

fn curve(times: &Times) -> Vec<(f64, Option<f64>)> {
    let decades = (times.count() as f64).log10().max(1.0);
    let points = (decades * POINTS_PER_DECADE as f64).ceil() as usize;
    (0..=points)
        .map(|point| {
            let x = 10_f64.powf(decades * point as f64 / points as f64);
            (x, Some(times.quantile(1.0 - 1.0 / x) as f64 / 1e6))
        })
        .collect()
}

fn percentile_name(x: f64) -> String {
    let percent = 100.0 * (1.0 - 1.0 / x);
    let text = format!("{percent:.4}");
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_named_as_people_say_them() {
        let names: Vec<String> = [2.0, 10.0, 100.0, 1e3, 1e4].map(percentile_name).to_vec();
        assert_eq!(names, ["50%", "90%", "99%", "99.9%", "99.99%"]);
    }

    #[test]
    fn a_hundred_calls_say_nothing_of_the_thousandth() {
        assert!(supported(0.99, 100) && !supported(0.999, 100));
    }
}
