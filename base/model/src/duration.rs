//! Durations as people write them: `250ms`, `1m30s`, `7d`.

use std::fmt::Write;
use std::time::Duration;

use crate::QuantityError;

const UNITS: [(&str, u128); 8] = [
    ("us", 1),
    ("µs", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("h", 3_600_000_000),
    ("d", 86_400_000_000),
    ("w", 604_800_000_000),
];

/// A hundred years: longer than any retention, short enough that sums cannot overflow.
const LONGEST_MICROS: u128 = 3_155_760_000_000_000;

/// Reads `1h30m`, `250ms`, `7d`, `0s`. A bare number is refused: its unit would be a guess.
pub fn parse_duration(text: &str) -> Result<Duration, QuantityError> {
    let refuse = |reason: &str| QuantityError::new("duration", text, reason);
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(refuse("write a number with a unit, such as 30s or 1m30s"));
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let letters = after
            .find(|c: char| !c.is_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let number: u128 = number
            .parse()
            .map_err(|_| refuse("write a number with a unit, such as 30s or 1m30s"))?;
        if unit.is_empty() {
            return Err(refuse("the unit is missing; use us, ms, s, m, h, d or w"));
        }
        let Some((_, micros)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(refuse("unknown unit; use us, ms, s, m, h, d or w"));
        };
        total = number
            .checked_mul(*micros)
            .and_then(|part| total.checked_add(part))
            .ok_or_else(|| refuse("it is too long"))?;
        if total > LONGEST_MICROS {
            return Err(refuse("it is longer than 100 years"));
        }
        rest = after;
    }
    Ok(Duration::from_micros(
        u64::try_from(total).unwrap_or(u64::MAX),
    ))
}

/// Prints a duration the way [`parse_duration`] reads it: `1m30s`, `250ms`, `0s`.
pub fn format_duration(duration: Duration) -> String {
    let mut left = duration.as_micros();
    if left == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (name, micros) in UNITS.iter().rev().filter(|(name, _)| *name != "µs") {
        let count = left / micros;
        if count > 0 {
            let _ = write!(text, "{count}{name}");
            left %= micros;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_prints() {
        for text in ["0s", "250ms", "1m30s", "2h", "1w1d", "15us"] {
            assert_eq!(format_duration(parse_duration(text).unwrap()), text);
        }
        assert_eq!(format_duration(parse_duration("90s").unwrap()), "1m30s");
    }

    #[test]
    fn refuses_what_would_be_a_guess() {
        for text in [
            "",
            "10",
            "s",
            "1 m",
            "-1s",
            "1.5h",
            "3 fortnights",
            "99999999999999999999w",
            "5000000000d",
        ] {
            assert!(parse_duration(text).is_err(), "{text:?}");
        }
    }
}
