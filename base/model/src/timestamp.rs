//! Instants: microseconds since the Unix epoch, UTC.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant in microseconds since 1970-01-01T00:00:00Z. Arithmetic saturates, so hostile input
/// cannot overflow it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Why a text is not an instant.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not an RFC 3339 time such as 2026-11-11T00:00:00Z")]
pub struct TimestampError(String);

impl Timestamp {
    /// The Unix epoch.
    pub const EPOCH: Timestamp = Timestamp(0);
    /// The last instant a four-digit RFC 3339 year can name.
    pub const MAX: Timestamp = Timestamp(253_402_300_799_999_999);

    /// From microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Timestamp(micros)
    }

    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Timestamp(millis.saturating_mul(1_000))
    }

    /// From whole seconds since the epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Timestamp(seconds.saturating_mul(1_000_000))
    }

    /// From a bare epoch number whose unit is told apart by size: below 10¹¹ seconds (until the
    /// year 5138), below 10¹⁴ milliseconds, below 10¹⁷ microseconds, else nanoseconds.
    pub const fn from_epoch_number(number: i64) -> Self {
        match number.unsigned_abs() {
            0..100_000_000_000 => Self::from_seconds(number),
            100_000_000_000..100_000_000_000_000 => Self::from_millis(number),
            100_000_000_000_000..100_000_000_000_000_000 => Timestamp(number),
            _ => Timestamp(number / 1_000),
        }
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since the epoch, rounded towards the past.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Whole seconds since the epoch, rounded towards the past.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The largest multiple of `step` (counted from the epoch) that is not after this instant.
    pub fn floor_to(self, step: Duration) -> Timestamp {
        let step = whole_micros(step).max(1);
        Timestamp(self.0.div_euclid(step).saturating_mul(step))
    }

    /// As a chrono instant; out-of-range values clamp to the last representable one.
    pub fn to_utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// RFC 3339 in UTC with millisecond precision, as every API answer of Rampart prints it.
    pub fn to_rfc3339(self) -> String {
        self.to_utc().to_rfc3339_opts(SecondsFormat::Millis, true)
    }
}

/// The whole microseconds of a duration; as many as fit.
pub fn whole_micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl Add<Duration> for Timestamp {
    type Output = Timestamp;
    fn add(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(whole_micros(duration)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Timestamp;
    fn sub(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(whole_micros(duration)))
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(instant: DateTime<Utc>) -> Self {
        Timestamp(instant.timestamp_micros())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        DateTime::parse_from_rfc3339(text)
            .map(|instant| Timestamp(instant.timestamp_micros()))
            .map_err(|_| TimestampError(text.chars().take(64).collect()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_rfc3339())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epoch_numbers_are_told_apart_by_size() {
        let instant = Timestamp::from_seconds(1_762_790_400);
        for number in [
            1_762_790_400,
            1_762_790_400_000,
            1_762_790_400_000_000,
            1_762_790_400_000_000_000,
        ] {
            assert_eq!(Timestamp::from_epoch_number(number), instant, "{number}");
        }
    }

    #[test]
    fn text_round_trips_and_offsets_are_applied() {
        let instant: Timestamp = "2026-11-11T08:00:01.250+08:00".parse().unwrap();
        assert_eq!(instant.to_rfc3339(), "2026-11-11T00:00:01.250Z");
        assert!("yesterday".parse::<Timestamp>().is_err());
    }

    #[test]
    fn arithmetic_saturates() {
        let far = Timestamp::from_micros(i64::MAX) + Duration::from_secs(1);
        assert_eq!(far.as_micros(), i64::MAX);
        assert_eq!(
            Timestamp::EPOCH.since(Timestamp::from_seconds(5)),
            Duration::ZERO
        );
        assert_eq!(
            Timestamp::from_micros(-1).floor_to(Duration::from_secs(1)),
            Timestamp::from_seconds(-1)
        );
    }
}
