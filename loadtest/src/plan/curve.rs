//! A recorded curve as stages: rates over time that are sent once more, larger or smaller.

use std::time::Duration;

use declare::{Node, Problems};
use model::{Bytes, Timestamp};

use super::Stage;
use super::caps::{CURVE_BYTES_MAX, CURVE_POINTS_MAX, RATE_PER_SECOND_MAX};
use super::files::{Files, ReadError, read_text, refuse};

/// Reads the curve that a plan names, alone or as `{curve, scale}`.
pub(super) fn read(node: &Node, files: &Files, problems: &mut Problems) -> Option<Vec<Stage>> {
    let at = if node.text().is_some() {
        node
    } else {
        node.field("curve")?
    };
    let scale = match node.field("scale") {
        Some(scale) => scale.number()?,
        None => 1.0,
    };
    let path = files.path(at.text()?);
    let text = match read_text(&path, CURVE_BYTES_MAX) {
        Ok(text) => text,
        Err(ReadError::TooLarge) => {
            let why = format!("it has more than {}", Bytes::new(CURVE_BYTES_MAX));
            return refuse(at, &path, &why, problems);
        }
        Err(ReadError::Other(why)) => return refuse(at, &path, &why, problems),
    };
    match parse(&text, scale) {
        Ok(stages) => Some(stages),
        Err(why) => refuse(at, &path, &why, problems),
    }
}

/// Points of a CSV text: seconds or an RFC 3339 time, and calls per second. A heading, blank lines and
/// lines that begin with `#` are passed over. Between two points the rate goes evenly from one to the
/// other.
fn parse(text: &str, scale: f64) -> Result<Vec<Stage>, String> {
    let mut stages: Vec<Stage> = Vec::new();
    let mut before: Option<(f64, f64)> = None;
    let mut has_heading = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        let number = index + 1;
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((time, rate)) = read_point(line) else {
            if before.is_none() && !has_heading && is_heading(line) {
                has_heading = true;
                continue;
            }
            let shown: String = line.chars().take(60).collect();
            return Err(format!(
                "line {number} is `{shown}`, not seconds or an RFC 3339 time, a comma and calls per second"
            ));
        };
        let rate = rate * scale;
        if !(0.0..=RATE_PER_SECOND_MAX).contains(&rate) {
            return Err(format!(
                "line {number} asks for {rate} calls per second, the limit is {RATE_PER_SECOND_MAX}"
            ));
        }
        if let Some((earlier, from)) = before {
            let duration = Duration::try_from_secs_f64(time - earlier)
                .ok()
                .filter(|duration| !duration.is_zero())
                .ok_or_else(|| format!("line {number} is not later than the line before"))?;
            stages.push(Stage {
                duration,
                from,
                to: rate,
            });
        }
        if stages.len() >= CURVE_POINTS_MAX {
            return Err(format!("it has more than {CURVE_POINTS_MAX} points"));
        }
        before = Some((time, rate));
    }
    if stages.iter().all(|stage| stage.from.max(stage.to) <= 0.0) {
        return Err("a curve has two points at least, one of them above zero".to_owned());
    }
    Ok(stages)
}

fn read_point(line: &str) -> Option<(f64, f64)> {
    let (time, rate) = line.split_once(',')?;
    let time = time.trim();
    let seconds = match time.parse::<f64>() {
        Ok(seconds) => seconds,
        Err(_) => time.parse::<Timestamp>().ok()?.as_micros() as f64 / 1e6,
    };
    let rate: f64 = rate.trim().parse().ok()?;
    (seconds.is_finite() && rate.is_finite()).then_some((seconds, rate))
}

fn is_heading(line: &str) -> bool {
    line.starts_with(|c: char| c.is_ascii_alphabetic() || c == '"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, scale: f64) -> Vec<(f64, f64, f64)> {
        parse(text, scale)
            .unwrap()
            .iter()
            .map(|stage| (stage.duration.as_secs_f64(), stage.from, stage.to))
            .collect()
    }

    #[test]
    fn points_become_stages_between_them() {
        let text = "seconds,qps\n# the evening\n60,10\n\n120, 20\n180.5 ,0\n";
        assert_eq!(shown(text, 1.0), [(60.0, 10.0, 20.0), (60.5, 20.0, 0.0)]);
        assert_eq!(shown(text, 0.5), [(60.0, 5.0, 10.0), (60.5, 10.0, 0.0)]);
        let times = "2026-11-11T00:00:00Z,100\r\n2026-11-11T08:00:30+08:00,200\r\n";
        assert_eq!(shown(times, 1.0), [(30.0, 100.0, 200.0)]);
    }

    #[test]
    fn mistakes_name_their_line() {
        for (text, expected) in [
            ("time,qps\n0,1\n1;2\n", "line 3 is `1;2`"),
            ("time,qps\nalso,words\n", "line 2 is `also,words`"),
            ("0,1\n5,x\n", "line 2 is `5,x`"),
            ("0,1\n0,2\n", "line 2 is not later"),
            ("5,1\n4,2\n", "line 2 is not later"),
            ("0,1\n1,-2\n", "line 2 asks for -2"),
            ("0,1\n1,1000001\n", "the limit is 1000000"),
            ("0,1\n1,inf\n", "line 2 is"),
            ("0,1\n", "two points"),
            ("0,0\n1,0\n", "above zero"),
            ("", "two points"),
        ] {
            let why = parse(text, 1.0).unwrap_err();
            assert!(why.contains(expected), "{text:?}: {why}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "([0-9.,eE:TZ#-]|\\PC|\n){0,60}", scale in 0.0..10_000.0_f64) {
            let _ = parse(&text, scale);
        }
    }
}
