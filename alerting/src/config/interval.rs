//! `time_intervals:`: named times of the week, month and year that routes are quiet or active in, in
//! Alertmanager's words.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::str::FromStr;

use chrono_tz::Tz;
use declare::{Node, Problems, Record, Shape};

use crate::intervals::{Period, TimeInterval};

pub(super) const WEEKDAYS: [&str; 7] = [
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
/// The most periods of one interval, and ranges of one list.
const RANGES_MAX: usize = 200;

pub(super) fn shape() -> Shape {
    let times = Record::new("time range", "from a time of the day until before another")
        .required("start_time", Shape::Text, "such as '09:00'")
        .required(
            "end_time",
            Shape::Text,
            "such as '17:00'; '24:00' is the day's end",
        );
    let period = Record::new("period", "holds when every list in it fits")
        .field("times", Shape::list(times), "times of the day")
        .field(
            "weekdays",
            Shape::list(Shape::Text),
            "days such as saturday, or ranges such as monday:friday",
        )
        .field(
            "days_of_month",
            Shape::list(Shape::Text),
            "days such as 1 or ranges such as 1:5; -1 is the month's last day",
        )
        .field(
            "months",
            Shape::list(Shape::Text),
            "months such as may or 5, or ranges such as 1:3",
        )
        .field(
            "years",
            Shape::list(Shape::Text),
            "years such as 2026, or ranges such as 2026:2028",
        )
        .field(
            "location",
            Shape::Text,
            "the time zone of its clock, such as Asia/Shanghai; UTC when left out",
        );
    Shape::list(
        Record::new("time interval", "a named time that routes refer to")
            .required("name", Shape::Text, "what routes call it")
            .field(
                "time_intervals",
                Shape::list(period),
                "its periods; it holds when any of them does",
            ),
    )
}

/// Reads `time_intervals` and the older `mute_time_intervals`, which share their names.
pub(super) fn read(node: &Node, problems: &mut Problems) -> BTreeMap<String, TimeInterval> {
    let mut intervals = BTreeMap::new();
    for field in ["time_intervals", "mute_time_intervals"] {
        for at in node.items_of(field) {
            let Some(name) = at.text_of("name").map(str::to_owned) else {
                continue;
            };
            if intervals.contains_key(&name) {
                problems
                    .error(at, format!("time interval `{name}` is declared twice"))
                    .hint("give each time interval a name of its own");
                continue;
            }
            let periods = at.items_of("time_intervals");
            if periods.len() > RANGES_MAX {
                problems.error(at, format!("more than {RANGES_MAX} periods"));
            }
            let periods = periods
                .iter()
                .take(RANGES_MAX)
                .map(|period| read_period(period, problems))
                .collect();
            let interval = TimeInterval {
                name: name.clone(),
                periods,
            };
            intervals.insert(name, interval);
        }
    }
    intervals
}

fn read_period(node: &Node, problems: &mut Problems) -> Period {
    let mut period = Period::always();
    for at in node.items_of("times").iter().take(RANGES_MAX) {
        let (from, to) = (
            minute(at, "start_time", problems),
            minute(at, "end_time", problems),
        );
        match (from, to) {
            (Some(from), Some(to)) if from < to => period.minutes.push((from, to)),
            (Some(_), Some(_)) => {
                problems
                    .error(at, "`start_time` is not before `end_time`")
                    .hint("a range over midnight is two: one until '24:00', one from '00:00'");
            }
            _ => {}
        }
    }
    let mut ranges = Ranges { problems };
    period.weekdays = ranges.named(node, "weekdays", &WEEKDAYS, 0, "a weekday");
    period.months = ranges.named(node, "months", &MONTHS, 1, "a month");
    period.years = ranges.years(node);
    period.days_of_month = ranges.days(node);
    if let Some(at) = node.field("location") {
        match at.text().map(Tz::from_str) {
            Some(Ok(zone)) => period.zone = zone,
            Some(Err(_)) if at.text() == Some("Local") => {
                problems
                    .error(
                        at,
                        "`Local` depends on the machine Rampart happens to run on",
                    )
                    .hint("write the zone's name, such as Asia/Shanghai");
            }
            _ => {
                problems
                    .error(at, "this is not a time zone")
                    .hint("write a name such as Asia/Shanghai or Europe/Berlin");
            }
        }
    }
    period
}

/// `HH:MM`, with `24:00` for the day's end, as the minute of the day.
fn minute(node: &Node, field: &str, problems: &mut Problems) -> Option<u16> {
    let at = node.field(field)?;
    let read = |text: &str| {
        let (hours, minutes) = text.split_once(':')?;
        let two_digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        if !two_digits(hours) || !two_digits(minutes) {
            return None;
        }
        let (hours, minutes) = (hours.parse::<u16>().ok()?, minutes.parse::<u16>().ok()?);
        let minute = hours * 60 + minutes;
        (minutes < 60 && minute <= 24 * 60).then_some(minute)
    };
    let found = at.text().and_then(read);
    if found.is_none() {
        problems
            .error(at, format!("`{field}` is not a time of the day"))
            .hint("write hours and minutes in quotes, such as '09:00'");
    }
    found
}

/// Reads lists of `from` or `from:to`.
struct Ranges<'a> {
    problems: &'a mut Problems,
}

impl Ranges<'_> {
    fn named(
        &mut self,
        node: &Node,
        field: &str,
        names: &[&str],
        first: u8,
        what: &str,
    ) -> Vec<RangeInclusive<u8>> {
        let numbered = |text: &str| {
            let place = names
                .iter()
                .position(|name| name.eq_ignore_ascii_case(text));
            if let Some(place) = place {
                return u8::try_from(place).ok().map(|place| place + first);
            }
            // Weekdays have no numbers in Alertmanager's notation, months do.
            let number = text.parse::<u8>().ok().filter(|_| first > 0)?;
            (first..=u8::try_from(names.len()).ok()?)
                .contains(&number)
                .then_some(number)
        };
        let hint = format!(
            "write {what} such as {}, or a range",
            names.get(1).unwrap_or(&"")
        );
        let found = self.list(node, field, what, &hint, numbered);
        found.into_iter().map(|(from, to)| from..=to).collect()
    }

    fn years(&mut self, node: &Node) -> Vec<RangeInclusive<u16>> {
        let year = |text: &str| text.parse::<u16>().ok().filter(|year| *year > 0);
        let hint = "write a year such as 2026, or a range such as 2026:2028";
        let found = self.list(node, "years", "a year", hint, year);
        found.into_iter().map(|(from, to)| from..=to).collect()
    }

    fn days(&mut self, node: &Node) -> Vec<(i8, i8)> {
        let day = |text: &str| {
            let day = text.parse::<i8>().ok()?;
            ((1..=31).contains(&day) || (-31..=-1).contains(&day)).then_some(day)
        };
        let mut days = Vec::new();
        for at in node.items_of("days_of_month").iter().take(RANGES_MAX) {
            let read = at.text().and_then(|text| pair(text, day));
            match read {
                Some((from, to)) if from < 0 && to > 0 => {
                    self.problems
                        .error(
                            at,
                            "a range cannot begin at the month's end and end at its beginning",
                        )
                        .hint("count both from the beginning, or both from the end");
                }
                Some((from, to)) if (from < 0) == (to < 0) && from > to => self.backwards(at),
                Some(range) => days.push(range),
                None => {
                    self.problems
                        .error(at, "this is not a day of the month")
                        .hint("write 1 to 31, or -31 to -1 from the month's end, or a range such as '1:5'");
                }
            }
        }
        days
    }

    fn list<T: PartialOrd + Copy>(
        &mut self,
        node: &Node,
        field: &str,
        what: &str,
        hint: &str,
        one: impl Fn(&str) -> Option<T>,
    ) -> Vec<(T, T)> {
        let mut found = Vec::new();
        for at in node.items_of(field).iter().take(RANGES_MAX) {
            match at.text().and_then(|text| pair(text, &one)) {
                Some((from, to)) if from > to => self.backwards(at),
                Some(range) => found.push(range),
                None => {
                    self.problems
                        .error(at, format!("this is not {what}"))
                        .hint(hint);
                }
            }
        }
        found
    }

    fn backwards(&mut self, at: &Node) {
        self.problems
            .error(at, "this range ends before it begins")
            .hint("a range over the end of the week or year is two ranges");
    }
}

/// `one` or `from:to`.
fn pair<T: Copy>(text: &str, one: impl Fn(&str) -> Option<T>) -> Option<(T, T)> {
    match text.split_once(':') {
        Some((from, to)) => Some((one(from.trim())?, one(to.trim())?)),
        None => one(text.trim()).map(|both| (both, both)),
    }
}
