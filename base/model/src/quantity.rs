//! Numbers with a unit: shares, rates, sizes. Later code takes these, never a bare `f64`.

use std::fmt;

use serde::Serialize;

/// Why a text is not the quantity it should be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is not a {what}: {reason}")]
pub struct QuantityError {
    what: &'static str,
    text: String,
    reason: String,
}

impl QuantityError {
    pub(crate) fn new(what: &'static str, text: &str, reason: &str) -> Self {
        QuantityError {
            what,
            text: text.chars().take(64).collect(),
            reason: reason.to_owned(),
        }
    }
}

/// A share between 0 and 1; written `99.5%`, `1pp` (percentage points) or `0.995`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Ratio(f64);

impl Ratio {
    /// `None` unless `0 ≤ share ≤ 1`.
    pub fn new(share: f64) -> Option<Self> {
        (0.0..=1.0).contains(&share).then_some(Ratio(share))
    }

    /// Reads `99%`, `1pp` or `0.99`. A number above 1 without `%` is refused.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let refuse = |reason: &str| QuantityError::new("ratio", text, reason);
        let trimmed = text.trim();
        let (number, scale) = match trimmed
            .strip_suffix("pp")
            .or_else(|| trimmed.strip_suffix('%'))
        {
            Some(number) => (number.trim_end(), 100.0),
            None => (trimmed, 1.0),
        };
        let number: f64 = number
            .parse()
            .map_err(|_| refuse("write a percentage such as 99.5%"))?;
        Ratio::new(number / scale)
            .ok_or_else(|| refuse("it must lie between 0% and 100%; percentages need the % sign"))
    }

    /// The share as a number between 0 and 1.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl fmt::Display for Ratio {
    /// A percentage without needless zeros: `99.5%`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.4}", self.0 * 100.0);
        write!(f, "{}%", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// Events per second; written `5/s`, `300/m`, `1/h`, `1/d`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Rate(f64);

impl Rate {
    /// `None` unless the rate is finite and not negative.
    pub fn per_second(rate: f64) -> Option<Self> {
        (rate.is_finite() && rate >= 0.0).then_some(Rate(rate))
    }

    /// Reads `5/s`, `0.5/s`, `300/m`, `1/h`, `1/d`.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let refuse = |reason: &str| QuantityError::new("rate", text, reason);
        let (number, unit) = text
            .trim()
            .split_once('/')
            .ok_or_else(|| refuse("write calls per time, such as 5/s or 300/m"))?;
        let seconds = match unit.trim() {
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return Err(refuse("the unit after / must be s, m, h or d")),
        };
        let number: f64 = number
            .trim()
            .parse()
            .map_err(|_| refuse("write calls per time, such as 5/s or 300/m"))?;
        Rate::per_second(number / seconds).ok_or_else(|| refuse("it must not be negative"))
    }

    /// Events per second.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.3}", self.0);
        write!(f, "{}/s", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// A size in bytes; written `64KiB`, `20MiB`, `2GiB`, `1MB` or `512B`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Bytes(u64);

impl Bytes {
    /// From a number of bytes.
    pub const fn new(bytes: u64) -> Self {
        Bytes(bytes)
    }

    /// Reads a whole number with `B`, `KiB`, `MiB`, `GiB`, `TiB`, `KB`, `MB`, `GB` or `TB`.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let refuse = |reason: &str| QuantityError::new("size", text, reason);
        let trimmed = text.trim();
        let digits = trimmed
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(digits);
        let number: u64 = number
            .parse()
            .map_err(|_| refuse("write a whole number with a unit, such as 20MiB"))?;
        let scale: u64 = match unit.trim() {
            "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "TB" => 1_000_000_000_000,
            _ => {
                return Err(refuse(
                    "the unit must be B, KiB, MiB, GiB, TiB, KB, MB, GB or TB",
                ));
            }
        };
        number
            .checked_mul(scale)
            .map(Bytes)
            .ok_or_else(|| refuse("it is too large"))
    }

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, scale) in [
            ("TiB", 1_u64 << 40),
            ("GiB", 1 << 30),
            ("MiB", 1 << 20),
            ("KiB", 1 << 10),
        ] {
            if self.0 >= scale && self.0.is_multiple_of(scale) {
                return write!(f, "{}{unit}", self.0 / scale);
            }
        }
        write!(f, "{}B", self.0)
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // these are exact
mod tests {
    use super::*;

    #[test]
    fn ratios() {
        assert_eq!(Ratio::parse("99.5%").unwrap().get(), 0.995);
        assert_eq!(Ratio::parse("1pp").unwrap().get(), 0.01);
        assert_eq!(Ratio::parse("0.25").unwrap().to_string(), "25%");
        for text in ["99.5", "-1%", "101%", "NaN", "half", ""] {
            assert!(Ratio::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn rates_and_sizes() {
        assert_eq!(Rate::parse("300/m").unwrap().get(), 5.0);
        assert_eq!(Rate::parse("5/s").unwrap().to_string(), "5/s");
        assert!(
            Rate::parse("5").is_err()
                && Rate::parse("5/y").is_err()
                && Rate::parse("inf/s").is_err()
        );
        assert_eq!(Bytes::parse("2GiB").unwrap().get(), 2 << 30);
        assert_eq!(Bytes::parse("20MiB").unwrap().to_string(), "20MiB");
        assert!(Bytes::parse("20").is_err() && Bytes::parse("99999999TiB").is_err());
    }
}
