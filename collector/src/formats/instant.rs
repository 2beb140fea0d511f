//! Instants and durations as the formats write them.

use model::Timestamp;

use super::json::{Scalar, Text};

const MICROS_PER_SECOND: f64 = 1e6;

/// Reads RFC 3339 (`2026-11-11T00:00:01.250Z`, `…+08:00`; a space may stand for the `T`), about
/// ten times as fast as a general parser. Digits beyond microseconds are dropped.
pub(crate) fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let (head, rest) = bytes.split_at_checked(19)?;
    let &[
        y0,
        y1,
        y2,
        y3,
        b'-',
        mo0,
        mo1,
        b'-',
        d0,
        d1,
        b'T' | b't' | b' ',
        h0,
        h1,
        b':',
        mi0,
        mi1,
        b':',
        s0,
        s1,
    ] = head
    else {
        return None;
    };
    let year = two(y0, y1)? * 100 + two(y2, y3)?;
    let (month, day) = (two(mo0, mo1)?, two(d0, d1)?);
    let (hour, minute, second) = (two(h0, h1)?, two(mi0, mi1)?, two(s0, s1)?);
    // A leap second is the last one of its minute, as chrono and most clocks have it.
    if !(1..=12).contains(&month) || day < 1 || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    if day > days_in_month(year, month) {
        return None;
    }
    let (micros, zone) = fraction(rest)?;
    let offset_seconds = offset(zone)?;
    let seconds =
        days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second.min(59)
            - offset_seconds;
    Some(Timestamp::from_micros(seconds * 1_000_000 + micros))
}

/// The minute of the time read last. Lines that follow one another nearly always lie in the same one, and then only
/// the seconds have to be read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Minute {
    /// `2026-11-11T00:00`; zeroes as long as there is none.
    text: [u8; 16],
    starts_at: i64,
}

impl Minute {
    /// Reads RFC 3339 as [`parse_rfc3339`] does.
    #[inline]
    pub(crate) fn read(&mut self, text: &str) -> Option<Timestamp> {
        let (minute, seconds) = text.as_bytes().split_first_chunk()?;
        if *minute != self.text {
            return self.learn(text);
        }
        let &[b':', tens, ones, ref rest @ ..] = seconds else {
            return None;
        };
        // A leap second is the general reader's.
        let second = two(tens, ones).filter(|second| *second < 60);
        let (micros, zone) = match *rest {
            [b'.', a, b, c, b'Z'] => ((two(a, b)? * 10 + two(b'0', c)?) * 1_000, b"Z".as_slice()),
            _ => fraction(rest)?,
        };
        match (second, zone) {
            (Some(second), b"Z") => {
                let micros = self.starts_at + second * 1_000_000 + micros;
                Some(Timestamp::from_micros(micros))
            }
            _ => parse_rfc3339(text),
        }
    }

    #[cold]
    fn learn(&mut self, text: &str) -> Option<Timestamp> {
        let instant = parse_rfc3339(text)?;
        if text.ends_with('Z') {
            self.text = *text.as_bytes().first_chunk()?;
            self.starts_at = instant.as_micros().div_euclid(60_000_000) * 60_000_000;
        }
        Some(instant)
    }
}

fn two(tens: u8, ones: u8) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| i64::from(tens) * 10 + i64::from(ones))
}

/// The fraction after the seconds, in µs, and what follows it.
fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.', digits)) = rest.split_first() else {
        return Some((0, rest));
    };
    let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    if count == 0 || count > 12 {
        return None;
    }
    let (digits, zone) = digits.split_at_checked(count)?;
    let mut micros = 0;
    for place in 0..6 {
        let digit = digits.get(place).map_or(0, |b| i64::from(b - b'0'));
        micros = micros * 10 + digit;
    }
    Some((micros, zone))
}

/// Seconds east of UTC.
fn offset(zone: &[u8]) -> Option<i64> {
    match *zone {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h0, h1, b':', m0, m1] => {
            let (hours, minutes) = (two(h0, h1)?, two(m0, m1)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = hours * 3_600 + minutes * 60;
            Some(if sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date of the Gregorian calendar. Years are counted from March, so
/// that the leap day is the last of its year; 400 years are 146,097 days.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// An instant as RFC 3339 text or an epoch number in s, ms, µs or ns, told apart by size
/// ([`Timestamp::from_epoch_number`]); numbers may have a fraction and may stand in quotes.
pub(crate) fn read_instant(value: Scalar<'_>, scratch: &str) -> Option<Timestamp> {
    match value {
        Scalar::Integer(number) => Some(Timestamp::from_epoch_number(number)),
        Scalar::Float(number) => epoch_float(number),
        Scalar::Text(text) => {
            let text = text.read(scratch).trim();
            if let Some(instant) = parse_rfc3339(text) {
                return Some(instant);
            }
            match text.parse::<i64>() {
                Ok(number) => Some(Timestamp::from_epoch_number(number)),
                Err(_) => epoch_float(decimal(text)?),
            }
        }
        _ => None,
    }
}

fn epoch_float(number: f64) -> Option<Timestamp> {
    if !number.is_finite() {
        return None;
    }
    // The same thresholds as for whole numbers.
    let micros = match number.abs() {
        size if size < 1e11 => number * MICROS_PER_SECOND,
        size if size < 1e14 => number * 1e3,
        size if size < 1e17 => number,
        _ => number / 1e3,
    };
    (micros.abs() < 9e18).then(|| Timestamp::from_micros(micros.round() as i64))
}

/// A number written in decimal digits; none of the words (`inf`, `nan`) that `f64` also reads.
pub(crate) fn decimal(text: &str) -> Option<f64> {
    let digits = text
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'));
    if !digits {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// A number of units as µs, rounded; what does not fit saturates and is clamped later.
pub(crate) fn micros_of(value: Scalar<'_>, micros_per_unit: f64, scratch: &str) -> Option<i64> {
    match value {
        Scalar::Integer(number) if micros_per_unit >= 1.0 => {
            Some(number.saturating_mul(micros_per_unit as i64))
        }
        Scalar::Integer(number) => Some((number as f64 * micros_per_unit).round() as i64),
        Scalar::Unsigned(_) => Some(i64::MAX),
        Scalar::Float(number) => Some((number * micros_per_unit).round() as i64),
        Scalar::Text(text) => {
            let number = decimal(text.read(scratch).trim())?;
            Some((number * micros_per_unit).round() as i64)
        }
        _ => None,
    }
}

/// A duration with its unit: `"12ms"`, `"1.5s"`, `"1m30s"`.
pub(crate) fn micros_with_unit(text: Text<'_>, scratch: &str) -> Option<i64> {
    let text = text.read(scratch).trim();
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at_checked(unit_at)?;
    let scale = match unit.trim() {
        "ns" => 1e-3,
        "us" | "µs" => 1.0,
        "ms" => 1e3,
        "s" => MICROS_PER_SECOND,
        "m" => 6e7,
        "h" => 3.6e9,
        _ => {
            let duration = model::parse_duration(text).ok()?;
            return i64::try_from(duration.as_micros()).ok();
        }
    };
    Some((decimal(number)? * scale).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn agrees_with_the_general_parser_on_a_table() {
        for text in [
            "2026-11-11T00:00:01.250Z",
            "2026-11-11t08:00:01.250+08:00",
            "2024-02-29T23:59:59.999999999-11:30",
            "1970-01-01T00:00:00Z",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
        ] {
            assert_eq!(
                parse_rfc3339(text),
                text.parse::<Timestamp>().ok(),
                "{text}"
            );
        }
        for text in [
            "",
            "2026-11-11",
            "2026-11-11T00:00:00",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-11-11T24:00:00Z",
            "2026-11-11T00:00:00.Z",
            "2026-11-11T00:00:00+0800",
            "2026-11-11T00:00:00Zx",
            "+026-11-11T00:00:00Z",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_and_units() {
        let instant = |value| read_instant(value, "").map(Timestamp::as_micros);
        let expected = Some(1_762_790_400_123_000);
        assert_eq!(instant(Scalar::Float(1_762_790_400.123)), expected);
        assert_eq!(instant(Scalar::Integer(1_762_790_400_123)), expected);
        assert_eq!(
            instant(Scalar::Text(Text::Plain("1762790400.123"))),
            expected
        );
        assert_eq!(instant(Scalar::Text(Text::Plain("nan"))), None);
        for (text, micros) in [
            ("12ms", Some(12_000)),
            ("1.5s", Some(1_500_000)),
            ("250us", Some(250)),
            ("1m30s", Some(90_000_000)),
            ("12", None),
            ("ms", None),
            ("-1s", None),
        ] {
            assert_eq!(micros_with_unit(Text::Plain(text), ""), micros, "{text}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_general_parser(micros in -62_100_000_000_000_000_i64..253_370_000_000_000_000, minutes in -1439_i32..1440) {
            let zone = chrono::FixedOffset::east_opt(minutes * 60).unwrap();
            let text = Timestamp::from_micros(micros).to_utc().with_timezone(&zone).to_rfc3339();
            prop_assert_eq!(parse_rfc3339(&text), text.parse::<Timestamp>().ok());
        }

        #[test]
        fn a_remembered_minute_changes_nothing(
            texts in prop::collection::vec("2026-11-(10|11)[T ]00:0[01](:[0-6][0-9x]?)?([.,][0-9]{0,7})?(Z|z|\\+08:00|-00:30|)", 0..20),
        ) {
            let mut minute = Minute::default();
            for text in texts {
                prop_assert_eq!(minute.read(&text), parse_rfc3339(&text), "{}", text);
            }
        }

        #[test]
        fn never_panics(text in "\\PC*") {
            let _ = parse_rfc3339(&text);
            let _ = micros_with_unit(Text::Plain(&text), "");
            let _ = read_instant(Scalar::Text(Text::Plain(&text)), "");
        }
    }
}
