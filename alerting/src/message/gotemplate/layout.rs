//! Times by Go's layouts, in which each part is written as it would be on the afternoon of 2 January 2006, and
//! durations in the words of Go and of `humanizeDuration`.

use std::fmt::Write as _;

use chrono::{DateTime, Datelike, Offset, TimeZone, Timelike};
use chrono_tz::Tz;
use model::Timestamp;

use super::Moment;

/// How Go prints a time.
const SHOWN: &str = "2006-01-02 15:04:05.999999999 -0700 MST";

/// The parts of a layout; of two that begin alike the longer stands first.
const PARTS: [&str; 33] = [
    "January", "Monday", "2006", "Z07:00", "-07:00", "Jan", "Mon", "MST", "-0700", "Z0700", "-07",
    "002", "01", "02", "03", "04", "05", "06", "15", "PM", "pm", "_2", ".000000", ".999999",
    ".000", ".999", ",000", ",999", "1", "2", "3", "4", "5",
];

pub(super) fn shown(moment: Moment) -> String {
    written(moment, SHOWN)
}

/// A time by a layout.
pub(super) fn written(moment: Moment, layout: &str) -> String {
    let local = local(moment);
    let mut text = String::new();
    let mut rest = layout;
    while let Some(c) = rest.chars().next() {
        // Nine digits of a second are more than a time has; the rest is zeros.
        let nine = [".999999999", ".000000000"].into_iter();
        if let Some(part) = nine.into_iter().find(|part| rest.starts_with(part)) {
            text.push_str(&fraction(&local, part));
            rest = &rest[part.len()..];
            continue;
        }
        let found = PARTS.iter().find(|part| {
            // Before a year the underscore is one.
            rest.starts_with(**part) && !(**part == "_2" && rest.starts_with("_2006"))
        });
        let taken = if let Some(part) = found {
            text.push_str(&one(&local, part));
            part.len()
        } else {
            text.push(c);
            c.len_utf8()
        };
        rest = &rest[taken..];
    }
    text
}

fn local(moment: Moment) -> DateTime<Tz> {
    match moment.at {
        Some(at) => at.to_utc().with_timezone(&moment.zone),
        // The first day of the first year.
        None => Tz::UTC
            .with_ymd_and_hms(1, 1, 1, 0, 0, 0)
            .single()
            .unwrap_or_else(|| Timestamp::EPOCH.to_utc().with_timezone(&Tz::UTC)),
    }
}

fn one(local: &DateTime<Tz>, part: &str) -> String {
    let twelve = local.hour12().1;
    match part {
        "January" => local.format("%B").to_string(),
        "Monday" => local.format("%A").to_string(),
        "Jan" => local.format("%b").to_string(),
        "Mon" => local.format("%a").to_string(),
        "2006" => format!("{:04}", local.year()),
        "06" => format!("{:02}", local.year().rem_euclid(100)),
        "01" => format!("{:02}", local.month()),
        "1" => local.month().to_string(),
        "02" => format!("{:02}", local.day()),
        "2" => local.day().to_string(),
        "_2" => format!("{:>2}", local.day()),
        "002" => format!("{:03}", local.ordinal()),
        "15" => format!("{:02}", local.hour()),
        "03" => format!("{twelve:02}"),
        "3" => twelve.to_string(),
        "04" => format!("{:02}", local.minute()),
        "4" => local.minute().to_string(),
        "05" => format!("{:02}", local.second()),
        "5" => local.second().to_string(),
        "PM" => if local.hour12().0 { "PM" } else { "AM" }.to_owned(),
        "pm" => if local.hour12().0 { "pm" } else { "am" }.to_owned(),
        "MST" => local.format("%Z").to_string(),
        zone if zone.contains("07") => offset(local, zone),
        digits => fraction(local, digits),
    }
}

/// `Z07:00`, `-07:00`, `Z0700`, `-0700` or `-07`.
fn offset(local: &DateTime<Tz>, part: &str) -> String {
    let seconds = local.offset().fix().local_minus_utc();
    if seconds == 0 && part.starts_with('Z') {
        return "Z".to_owned();
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let (hours, minutes) = (seconds.abs() / 3_600, seconds.abs() / 60 % 60);
    match (part.contains(':'), part.ends_with("00")) {
        (true, _) => format!("{sign}{hours:02}:{minutes:02}"),
        (false, true) => format!("{sign}{hours:02}{minutes:02}"),
        (false, false) => format!("{sign}{hours:02}"),
    }
}

/// `.000` keeps zeros, `.999` leaves them out.
fn fraction(local: &DateTime<Tz>, part: &str) -> String {
    let digits = part.len() - 1;
    let nanos = format!("{:09}", local.nanosecond() % 1_000_000_000);
    let kept = &nanos[..digits.min(nanos.len())];
    let mark = &part[..1];
    if part.ends_with('0') {
        return format!("{mark}{kept}");
    }
    match kept.trim_end_matches('0') {
        "" => String::new(),
        kept => format!("{mark}{kept}"),
    }
}

/// A duration as Go prints it: `1h2m3.5s`.
pub(super) fn span(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    match micros {
        0 => return "0s".to_owned(),
        1..1_000 => return format!("{sign}{micros}µs"),
        1_000..1_000_000 => return format!("{sign}{}ms", decimal(micros, 1_000)),
        _ => {}
    }
    let seconds = micros / 1_000_000;
    let mut text = sign.to_owned();
    if seconds >= 3_600 {
        let _ = write!(text, "{}h", seconds / 3_600);
    }
    if seconds >= 60 {
        let _ = write!(text, "{}m", seconds / 60 % 60);
    }
    let _ = write!(text, "{}s", decimal(micros % 60_000_000, 1_000_000));
    text
}

fn decimal(micros: u64, unit: u64) -> String {
    let (whole, rest) = (micros / unit, micros % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let digits = unit.to_string().len() - 1;
    let fraction = format!("{rest:0digits$}");
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}

/// Seconds in few words: `1d 2h 3m 4s`, and parts of a second as `12.5ms`.
pub(super) fn humane(seconds: f64) -> String {
    if !seconds.is_finite() {
        return super::format::float(seconds);
    }
    let sign = if seconds < 0.0 { "-" } else { "" };
    let size = seconds.abs();
    if size == 0.0 {
        return "0s".to_owned();
    }
    if size < 1.0 {
        let scaled = [(1e3, "ms"), (1e6, "us"), (1e9, "ns")];
        let fits = scaled.into_iter().find(|(factor, _)| size * factor >= 1.0);
        let (factor, unit) = fits.unwrap_or((1e9, "ns"));
        return format!("{sign}{}{unit}", significant(size * factor));
    }
    let whole = size as u64;
    let (days, hours) = (whole / 86_400, whole / 3_600 % 24);
    let (minutes, rest) = (whole / 60 % 60, whole % 60);
    if days > 0 {
        format!("{sign}{days}d {hours}h {minutes}m {rest}s")
    } else if hours > 0 {
        format!("{sign}{hours}h {minutes}m {rest}s")
    } else if minutes > 0 {
        format!("{sign}{minutes}m {rest}s")
    } else {
        format!("{sign}{}s", significant(size))
    }
}

/// At most four digits that mean something.
fn significant(number: f64) -> String {
    let before = if number >= 1_000.0 {
        4
    } else if number >= 100.0 {
        3
    } else if number >= 10.0 {
        2
    } else {
        1
    };
    let text = format!("{number:.*}", 4 - before);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}
