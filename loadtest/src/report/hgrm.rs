//! HdrHistogram's text form of a percentile distribution, as its plotter
//! (<https://hdrhistogram.github.io/HdrHistogram/plotFiles.html>) reads it.

use std::fmt::Write as _;

use crate::tally::Times;

/// Lines for each halving of the distance to 100 %: what the reference implementation takes.
const TICKS_PER_HALF: u32 = 5;

/// Latency in ms. Columns are value, percentile as a share, count up to it, and 1 / (1 − percentile),
/// which the last line lacks; three lines of footer. The layout is that of
/// `AbstractHistogram.outputPercentileDistribution` of the Java implementation.
pub(super) fn encode(times: &Times) -> String {
    let histogram = times.histogram();
    let ms = |nanos: f64| nanos / 1e6;
    let mut out = String::from("       Value     Percentile TotalCount 1/(1-Percentile)\n\n");
    let mut counted = 0_u64;
    for step in histogram.iter_quantiles(TICKS_PER_HALF) {
        counted += step.count_since_last_iteration();
        let quantile = step.quantile_iterated_to();
        let _ = write!(
            out,
            "{:12.3} {quantile:.12} {counted:10}",
            ms(step.value_iterated_to() as f64)
        );
        if quantile < 1.0 {
            let _ = write!(out, " {:14.2}", 1.0 / (1.0 - quantile));
        }
        out.push('\n');
    }
    let deviation = if times.count() == 0 {
        0.0
    } else {
        histogram.stdev()
    };
    let _ = writeln!(
        out,
        "#[Mean    = {:12.3}, StdDeviation   = {:12.3}]",
        ms(times.mean()),
        ms(deviation)
    );
    let _ = writeln!(
        out,
        "#[Max     = {:12.3}, Total count    = {:12}]",
        ms(times.max() as f64),
        times.count()
    );
    // Half as many sub-buckets as counts above the first bucket, times two, by the published layout:
    // the power of two that holds two units in each of 10^3 values.
    let sub_buckets = 2 * 10_u64.pow(u32::from(histogram.sigfig()));
    let _ = writeln!(
        out,
        "#[Buckets = {:12}, SubBuckets     = {:12}]",
        histogram.buckets(),
        sub_buckets.next_power_of_two()
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_times_read_as_the_reference_prints_them() {
        let mut times = Times::new();
        for ms in [25, 50, 75] {
            times.record(ms * 1_000_000);
        }
        let text = encode(&times);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "       Value     Percentile TotalCount 1/(1-Percentile)"
        );
        assert_eq!(lines[1], "");
        assert_eq!(
            lines[2],
            "      25.002 0.000000000000          1           1.00"
        );
        assert_eq!(
            lines[3],
            "      25.002 0.100000000000          1           1.11"
        );
        let rows: Vec<Vec<f64>> = lines[2..]
            .iter()
            .take_while(|line| !line.starts_with('#'))
            .map(|line| {
                line.split_whitespace()
                    .map(|cell| cell.parse().unwrap())
                    .collect()
            })
            .collect();
        // Value and share only grow; the last line has no fourth column.
        for pair in rows.windows(2) {
            assert!(
                pair[0][0] <= pair[1][0] && pair[0][1] <= pair[1][1] && pair[0][2] <= pair[1][2]
            );
        }
        let last = rows.last().unwrap();
        assert_eq!((last.len(), last[1], last[2]), (3, 1.0, 3.0));
        assert!(rows[..rows.len() - 1].iter().all(|row| row.len() == 4));
        let footer: Vec<&&str> = lines.iter().filter(|line| line.starts_with('#')).collect();
        assert_eq!(footer.len(), 3, "{text}");
        assert!(
            footer[0].starts_with("#[Mean    =       49.99")
                && footer[0].contains(", StdDeviation   =       20.4"),
            "{}",
            footer[0]
        );
        assert!(
            footer[1].ends_with("Total count    =            3]"),
            "{}",
            footer[1]
        );
        assert!(
            footer[2].ends_with("SubBuckets     =         2048]"),
            "{}",
            footer[2]
        );
    }

    #[test]
    fn nothing_recorded_is_a_head_and_a_footer() {
        let text = encode(&Times::new());
        assert!(text.contains("Total count    =            0]"), "{text}");
        assert!(!text.contains("NaN"), "{text}");
    }
}
