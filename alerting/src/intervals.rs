//! Whether an instant lies in a named time interval, as Alertmanager's `time_intervals` have it: a
//! pure function of the interval and the instant.

use std::ops::RangeInclusive;

use chrono::{Datelike, Timelike};
use chrono_tz::Tz;
use model::Timestamp;

/// A named interval: an instant lies in it when it lies in any of its periods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeInterval {
    /// What routes call it.
    pub name: String,
    /// Any of these.
    pub periods: Vec<Period>,
}

/// One period: an instant lies in it when it fits every list that is not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// Minutes of the day, from inclusive to exclusive; 1440 is the day's end.
    pub minutes: Vec<(u16, u16)>,
    /// Days of the week; Sunday is 0.
    pub weekdays: Vec<RangeInclusive<u8>>,
    /// Days of the month from first to last; negative ones count from the month's end, -1 is its
    /// last day.
    pub days_of_month: Vec<(i8, i8)>,
    /// Months; January is 1.
    pub months: Vec<RangeInclusive<u8>>,
    /// Years.
    pub years: Vec<RangeInclusive<u16>>,
    /// Where its wall clock hangs.
    pub zone: Tz,
}

impl TimeInterval {
    /// Membership only ever changes when a minute begins.
    pub const GRAIN: std::time::Duration = std::time::Duration::from_mins(1);

    /// Whether `now` lies in it.
    pub fn contains(&self, now: Timestamp) -> bool {
        self.periods.iter().any(|period| period.contains(now))
    }
}

impl Period {
    /// A period that holds always.
    pub fn always() -> Self {
        Period {
            minutes: Vec::new(),
            weekdays: Vec::new(),
            days_of_month: Vec::new(),
            months: Vec::new(),
            years: Vec::new(),
            zone: Tz::UTC,
        }
    }

    /// Whether `now` lies in it.
    pub fn contains(&self, now: Timestamp) -> bool {
        let local = now.to_utc().with_timezone(&self.zone);
        let minute = local.hour() * 60 + local.minute();
        let weekday = local.weekday().num_days_from_sunday();
        let days = u32::from(local.num_days_in_month());
        let year = u32::try_from(local.year()).unwrap_or(0);
        let in_minutes =
            |(from, to): &(u16, u16)| u32::from(*from) <= minute && minute < u32::from(*to);
        let in_days = |(from, to): &(i8, i8)| holds_day(*from, *to, local.day(), days);
        any_or_none(&self.minutes, in_minutes)
            && any_or_none(&self.weekdays, |days| has(days, weekday))
            && any_or_none(&self.days_of_month, in_days)
            && any_or_none(&self.months, |months| has(months, local.month()))
            && any_or_none(&self.years, |years| has(years, year))
    }
}

fn any_or_none<T>(ranges: &[T], fits: impl Fn(&T) -> bool) -> bool {
    ranges.is_empty() || ranges.iter().any(fits)
}

fn has<T: Copy + Into<u32>>(range: &RangeInclusive<T>, value: u32) -> bool {
    (*range.start()).into() <= value && value <= (*range.end()).into()
}

/// A range that begins after the month's end holds nothing; one that leaves the month ends with it.
fn holds_day(from: i8, to: i8, day: u32, days: u32) -> bool {
    let of_month = |day: i8| {
        let day = i64::from(day);
        if day < 0 {
            i64::from(days) + day + 1
        } else {
            day
        }
    };
    of_month(from).max(1) <= i64::from(day) && i64::from(day) <= of_month(to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{Days, NaiveDate};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn working_hours_in_their_zone() {
        let shanghai = Period {
            minutes: vec![(9 * 60, 18 * 60)],
            weekdays: vec![1..=5],
            zone: chrono_tz::Asia::Shanghai,
            ..Period::always()
        };
        let hours = TimeInterval {
            name: "working-hours".into(),
            periods: vec![shanghai],
        };
        for (instant, expected) in [
            ("2026-11-16T00:59:59Z", false), // Monday 08:59:59 in Shanghai
            ("2026-11-16T01:00:00Z", true),
            ("2026-11-16T09:59:59Z", true),
            ("2026-11-16T10:00:00Z", false),
            ("2026-11-15T03:00:00Z", false), // Sunday
            ("2026-11-20T09:00:00Z", true),
        ] {
            assert_eq!(hours.contains(at(instant)), expected, "{instant}");
        }
    }

    #[test]
    fn the_last_days_of_every_month_of_every_year() {
        let last_three = Period {
            days_of_month: vec![(-3, -1)],
            ..Period::always()
        };
        let beyond = Period {
            days_of_month: vec![(31, 31)],
            ..Period::always()
        };
        let early = Period {
            days_of_month: vec![(-31, 2)],
            ..Period::always()
        };
        let mut day = NaiveDate::from_ymd_opt(2023, 1, 1).unwrap();
        while day.year() < 2029 {
            let now = at(&format!("{day}T12:00:00Z"));
            let left = (1..=3).any(|more| {
                let later = day.checked_add_days(Days::new(more)).unwrap();
                later.month() != day.month()
            });
            assert_eq!(last_three.contains(now), left, "{day}");
            assert_eq!(beyond.contains(now), day.day() == 31, "{day}");
            assert_eq!(early.contains(now), day.day() <= 2, "{day}");
            day = day.succ_opt().unwrap();
        }
    }

    #[test]
    fn months_and_years_must_both_fit_and_no_period_holds_nothing() {
        let summer = Period {
            months: vec![6..=8],
            years: vec![2026..=2027],
            ..Period::always()
        };
        for (instant, expected) in [
            ("2026-06-01T00:00:00Z", true),
            ("2027-08-31T23:59:00Z", true),
            ("2028-07-01T00:00:00Z", false),
            ("2026-09-01T00:00:00Z", false),
        ] {
            assert_eq!(summer.contains(at(instant)), expected, "{instant}");
        }
        assert!(Period::always().contains(at("2026-09-01T00:00:00Z")));
        let never = TimeInterval {
            name: "never".into(),
            periods: Vec::new(),
        };
        assert!(!never.contains(at("2026-09-01T00:00:00Z")));
    }

    #[test]
    fn an_hour_that_comes_twice_holds_twice() {
        let night = Period {
            minutes: vec![(150, 151)],
            zone: chrono_tz::Europe::Berlin,
            ..Period::always()
        };
        assert!(night.contains(at("2026-10-25T00:30:00Z")));
        assert!(night.contains(at("2026-10-25T01:30:00Z")));
        // In March that minute does not exist.
        let march = at("2026-03-29T00:00:00Z");
        let minutes = (0..240_u64)
            .filter(|minute| night.contains(march + std::time::Duration::from_secs(minute * 60)));
        assert_eq!(minutes.count(), 0);
    }
}
