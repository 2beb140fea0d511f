//! Dated things with a name (a sale), which modes, shifts and scenarios refer to.

use chrono::{NaiveDateTime, TimeZone};
use chrono_tz::Tz;

use crate::Timestamp;

/// A named stretch of time, declared in local time once and used everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatedEvent {
    /// The name others refer to.
    pub name: String,
    /// First instant.
    pub from: Timestamp,
    /// First instant after it.
    pub to: Timestamp,
}

impl DatedEvent {
    /// Whether `now` lies inside.
    pub fn holds_at(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.to
    }

    /// The instant a local wall time means in a zone: the first of two when clocks go back, the
    /// first valid one after a gap when they go forward.
    pub fn local_instant(local: NaiveDateTime, zone: Tz) -> Timestamp {
        let mut probe = local;
        // The longest gap of any zone is a day (a skipped date); steps of 15 minutes meet every
        // transition, which all fall on quarter hours.
        for _ in 0..=96 {
            if let Some(instant) = zone.from_local_datetime(&probe).earliest() {
                return Timestamp::from(instant.to_utc());
            }
            probe += chrono::Duration::minutes(15);
        }
        Timestamp::from(local.and_utc())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(zone: Tz, text: &str) -> String {
        DatedEvent::local_instant(
            NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M").unwrap(),
            zone,
        )
        .to_rfc3339()
    }

    #[test]
    fn local_time_across_transitions() {
        assert_eq!(
            at(chrono_tz::Asia::Shanghai, "2026-11-10T20:00"),
            "2026-11-10T12:00:00.000Z"
        );
        // Spring forward: 02:30 does not exist, 03:00 CEST is the first instant after the gap.
        assert_eq!(
            at(chrono_tz::Europe::Berlin, "2026-03-29T02:30"),
            "2026-03-29T01:00:00.000Z"
        );
        // Autumn: 02:30 happens twice, the first is CEST.
        assert_eq!(
            at(chrono_tz::Europe::Berlin, "2026-10-25T02:30"),
            "2026-10-25T00:30:00.000Z"
        );
    }
}
