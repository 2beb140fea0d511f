//! A cron line as the beginnings of shifts, in naive local time.
//!
//! The `cron` crate reads the line. Its own iteration is not used: in a zone it leaves out a time that
//! clocks skip and comes twice to one that they repeat, and a shift must do neither. Days are walked
//! here in local time without a zone; only the result is placed in one.

use std::str::FromStr;
use std::time::Duration;

use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime};
use cron::TimeUnitSpec;

/// When shifts begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronLine {
    text: String,
    /// Bit n is month n, from 1.
    months: u16,
    /// Bit n is day n, from 1.
    days: u32,
    /// Bit n is n days from Monday.
    weekdays: u8,
    /// Times of day, in order.
    times: Vec<NaiveTime>,
}

/// Why a line is none, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CronError {
    /// What is wrong.
    pub message: String,
    /// What to write.
    pub hint: String,
}

impl CronLine {
    /// More beginnings of one day are a mistake, not a plan.
    pub const SHIFTS_PER_DAY_MAX: usize = 24;
    /// The farthest a beginning is looked for: a leap day may be eight years away.
    const DAYS_AHEAD_MAX: u64 = 8 * 366;

    /// Reads five fields: minute, hour, day of the month, month, weekday. All must hold, also day and
    /// weekday together.
    pub fn parse(text: &str) -> Result<CronLine, CronError> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [_, _, _, _, weekday] = fields.as_slice() else {
            return Err(CronError {
                message: format!("a cron line has five fields, this one has {}", fields.len()),
                hint: "write minute, hour, day of the month, month and weekday, such as `0 9 * * MON-FRI`"
                    .to_owned(),
            });
        };
        if weekday.bytes().any(|byte| byte.is_ascii_digit()) {
            return Err(numeric_weekday(weekday));
        }
        let read = cron::Schedule::from_str(&format!("0 {}", fields.join(" ")));
        let schedule = read.map_err(|cause| CronError {
            message: format!("this is no cron line: {}", one_line(&cause.to_string())),
            hint: "write it as `0 9 * * MON-FRI`: minute, hour, day of the month, month, weekday"
                .to_owned(),
        })?;
        let line = CronLine {
            text: fields.join(" "),
            months: bits(schedule.months()) as u16,
            days: bits(schedule.days_of_month()),
            weekdays: weekdays(schedule.days_of_week()),
            times: times(&schedule),
        };
        if line.times.len() > Self::SHIFTS_PER_DAY_MAX {
            return Err(CronError {
                message: format!("{} shifts begin on one day", line.times.len()),
                hint: format!(
                    "at most {} may; write one minute, such as `0 */2 * * *`",
                    Self::SHIFTS_PER_DAY_MAX
                ),
            });
        }
        let any_day = NaiveDate::from_ymd_opt(2024, 1, 1).unwrap_or_default();
        if line.next(any_day.and_time(NaiveTime::MIN)).is_none() {
            return Err(CronError {
                message: "no day is ever like this".to_owned(),
                hint: "day, month and weekday must all hold; `*` leaves one open".to_owned(),
            });
        }
        Ok(line)
    }

    /// The line as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first beginning after `local`.
    pub fn next(&self, local: NaiveDateTime) -> Option<NaiveDateTime> {
        let days = (0..=Self::DAYS_AHEAD_MAX)
            .map_while(|ahead| local.date().checked_add_days(Days::new(ahead)));
        days.filter(|day| self.holds_on(*day))
            .flat_map(|day| self.times.iter().map(move |time| day.and_time(*time)))
            .find(|beginning| *beginning > local)
    }

    /// The beginnings from `local` back, newest first, over `reach`.
    pub(super) fn back(
        &self,
        local: NaiveDateTime,
        reach: Duration,
    ) -> impl Iterator<Item = NaiveDateTime> {
        let days_back = reach.as_secs() / 86_400 + 1;
        let days =
            (0..=days_back).map_while(move |back| local.date().checked_sub_days(Days::new(back)));
        days.filter(|day| self.holds_on(*day))
            .flat_map(|day| self.times.iter().rev().map(move |time| day.and_time(*time)))
            .filter(move |beginning| *beginning <= local)
    }

    /// How many beginnings lie from `from` to before `to`.
    pub(super) fn count(&self, from: NaiveDateTime, to: NaiveDateTime) -> usize {
        let mut count = 0;
        let mut day = from.date();
        while day <= to.date() {
            if self.holds_on(day) {
                let whole = day > from.date() && day < to.date();
                count += if whole {
                    self.times.len()
                } else {
                    let beginnings = self.times.iter().map(|time| day.and_time(*time));
                    beginnings.filter(|at| from <= *at && *at < to).count()
                };
            }
            let Some(next) = day.succ_opt() else { break };
            day = next;
        }
        count
    }

    fn holds_on(&self, day: NaiveDate) -> bool {
        self.months >> day.month() & 1 == 1
            && self.days >> day.day() & 1 == 1
            && self.weekdays >> day.weekday().num_days_from_monday() & 1 == 1
    }
}

/// `1` is Monday to most who write it and Sunday to some who read it.
fn numeric_weekday(field: &str) -> CronError {
    const NAMES: [&str; 8] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];
    let named: String = field
        .chars()
        .map(|c| match c.to_digit(10) {
            Some(day) => NAMES
                .get(day as usize)
                .map_or_else(|| c.to_string(), |name| (*name).to_owned()),
            None => c.to_string(),
        })
        .collect();
    CronError {
        message: format!("the weekday `{field}` is a number, which means another day elsewhere"),
        hint: format!("write its name: `{named}`, if 1 is Monday"),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn bits(unit: &impl TimeUnitSpec) -> u32 {
    unit.iter().fold(0, |bits, n| bits | 1 << n.min(31))
}

/// The crate counts from Sunday, which it calls 1.
fn weekdays(unit: &impl TimeUnitSpec) -> u8 {
    unit.iter().fold(0, |bits, n| bits | 1 << ((n + 5) % 7))
}

fn times(schedule: &cron::Schedule) -> Vec<NaiveTime> {
    let hours = schedule.hours().iter();
    hours
        .flat_map(|hour| {
            let minutes = schedule.minutes().iter();
            minutes.filter_map(move |minute| NaiveTime::from_hms_opt(hour, minute, 0))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M").unwrap()
    }

    #[test]
    fn beginnings_are_those_of_the_crate_where_no_clock_changes() {
        // The crate in UTC, which has no changes of clocks, is the reference for naive time.
        for text in [
            "0 9 * * *",
            "30 2 * * SUN",
            "0 9,21 * * MON-FRI",
            "15 */6 1-7 * MON",
            "0 0 29 2 *",
            "0 8 1 1,7 *",
        ] {
            let line = CronLine::parse(text).unwrap();
            let reference = cron::Schedule::from_str(&format!("0 {text}")).unwrap();
            let start = local("2026-02-27T13:37");
            let expected: Vec<NaiveDateTime> = reference
                .after(&start.and_utc())
                .take(40)
                .map(|at| at.naive_utc())
                .collect();
            let mut found = Vec::new();
            let mut at = start;
            while found.len() < expected.len().min(40)
                && let Some(next) = line.next(at)
            {
                found.push(next);
                at = next;
            }
            assert_eq!(found, expected, "{text}");
            for (index, beginning) in expected.iter().enumerate() {
                assert_eq!(line.count(start, *beginning), index, "{text} {beginning}");
            }
            let last = *expected.last().unwrap();
            let mut back: Vec<NaiveDateTime> = line
                .back(last, Duration::from_hours(24 * 400))
                .take_while(|at| *at > start)
                .take(10)
                .collect();
            back.reverse();
            let tail = expected.len() - back.len();
            assert_eq!(back, expected[tail..], "{text}");
        }
    }

    #[test]
    fn what_means_something_else_elsewhere_is_refused_with_the_way_out() {
        for (text, message, hint) in [
            ("0 9 * * 1-5", "the weekday `1-5` is a number", "`MON-FRI`"),
            ("0 9 * * 0", "a number", "`SUN`"),
            ("0 0 9 * * MON", "this one has 6", "`0 9 * * MON-FRI`"),
            ("@daily", "this one has 1", "minute, hour"),
            ("0 25 * * *", "no cron line", "minute, hour"),
            (
                "0 9 30 2 *",
                "no day is ever like this",
                "`*` leaves one open",
            ),
            ("* * * * *", "1440 shifts begin on one day", "at most 24"),
        ] {
            let error = CronLine::parse(text).unwrap_err();
            assert!(error.message.contains(message), "{text}: {error:?}");
            assert!(error.hint.contains(hint), "{text}: {error:?}");
        }
    }
}
