//! `detect: early` and its budget of false pages: what both sequential tests have in common.

use std::time::Duration;

use declare::{Problems, Record, Shape};
use model::parse_duration;

use crate::layers::Layers;

/// The words of `detect:`.
const DETECT: &[&str] = &["early"];
/// The page per three years that is allowed unless declared.
const PAGE_EVERY_DEFAULT: Duration = early::PAGE_EVERY_DEFAULT;
/// A budget shorter than this is a mistake.
const PAGE_EVERY_MIN: Duration = Duration::from_hours(1);
/// A budget longer than this is no different from it.
const PAGE_EVERY_MAX: Duration = Duration::from_hours(100 * YEAR_HOURS);
const YEAR_HOURS: u64 = 365 * 24;

/// Adds the fields.
pub(super) fn fields(record: Record) -> Record {
    record
        .field(
            "detect",
            Shape::Choice(DETECT),
            "early: pages as soon as counts prove it, by a sequential test without a window",
        )
        .field(
            "false_pages",
            Shape::Text,
            "how many false pages a function may have, such as 1/3y or 2/90d; 1/3y if left out",
        )
}

/// Reads `false_pages` as the time in which one is accepted.
pub(super) fn read(record: &Layers<'_>, problems: &mut Problems) -> Option<Duration> {
    let Some(text) = record.text("false_pages") else {
        return Some(PAGE_EVERY_DEFAULT);
    };
    let place = record.place_of("false_pages");
    let Some(every) = page_every(text) else {
        problems
            .error(place, format!("`false_pages: {text}` is not a budget"))
            .hint("write how many pages in which time: 1/3y, 2/90d");
        return None;
    };
    if !(PAGE_EVERY_MIN..=PAGE_EVERY_MAX).contains(&every) {
        problems
            .error(place, format!("`false_pages: {text}` is out of range"))
            .hint("write between 1/1h and 1/100y");
        return None;
    }
    Some(every)
}

/// `1/3y`: pages over a time.
fn page_every(text: &str) -> Option<Duration> {
    let (pages, time) = text.split_once('/')?;
    let pages: u32 = pages.trim().parse().ok().filter(|pages| *pages > 0)?;
    let time = time.trim();
    let time = match time.strip_suffix('y') {
        Some(years) => {
            let years: u64 = if years.is_empty() {
                1
            } else {
                years.parse().ok()?
            };
            Duration::from_hours(years.checked_mul(YEAR_HOURS)?.min(1 << 40))
        }
        None => parse_duration(time).ok()?,
    };
    (!time.is_zero()).then(|| time / pages)
}

/// As it is declared: `1/3y`.
pub(super) fn text(every: Duration) -> String {
    let year = Duration::from_hours(YEAR_HOURS);
    let years = every.as_secs() / year.as_secs();
    if years > 0 && every == year * u32::try_from(years).unwrap_or(u32::MAX) {
        format!("1/{years}y")
    } else {
        format!("1/{}", super::span(every))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_pages_over_time() {
        let days = |days: u64| Duration::from_hours(days * 24);
        for (declared, every, shown) in [
            ("1/3y", days(1_095), "1/3y"),
            ("1/y", days(365), "1/1y"),
            ("2/90d", days(45), "1/45d"),
            ("4/4y", days(365), "1/1y"),
        ] {
            assert_eq!(page_every(declared), Some(every), "{declared}");
            assert_eq!(text(every), shown, "{declared}");
        }
        for wrong in ["3y", "0/1y", "1/", "1/0s", "one/3y", "1/3", "1/-3y"] {
            assert_eq!(page_every(wrong), None, "{wrong}");
        }
    }
}
