//! Baselines over the days on which clocks change, and what is left out of them.

use std::time::Duration;

use chrono_tz::Tz;
use model::{FunctionId, Functions, Glob, Timestamp};

use super::*;
use crate::windows::{Against, LagRate, Recent};

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn series(name: &str, unit: &str) -> Arc<SeriesName> {
    Arc::new(SeriesName {
        namespace: "guide".to_owned(),
        function: name.to_owned(),
        unit: unit.to_owned(),
        version: "1".to_owned(),
        zone: String::new(),
    })
}

fn select(by: &[By]) -> Select {
    Select {
        functions: Functions::matching(vec![Glob::new("guide/*").unwrap()]),
        by: by.to_vec(),
    }
}

fn row(series: &Arc<SeriesName>, at: &str, calls: u64) -> MinuteRow {
    MinuteRow {
        series: Arc::clone(series),
        minute: instant(at).as_seconds() / 60,
        calls,
    }
}

#[test]
fn the_same_local_time_is_not_86400_seconds_ago() {
    let table = [
        // Berlin goes back on 2026-10-25 03:00 and forward on 2026-03-29 02:00.
        (
            "Europe/Berlin",
            "2026-10-26T08:00:00Z",
            1,
            "2026-10-25T08:00:00Z",
        ),
        (
            "Europe/Berlin",
            "2026-10-26T08:00:00Z",
            7,
            "2026-10-19T07:00:00Z",
        ),
        (
            "Europe/Berlin",
            "2026-03-30T07:00:00Z",
            1,
            "2026-03-29T07:00:00Z",
        ),
        (
            "Europe/Berlin",
            "2026-03-30T07:00:00Z",
            7,
            "2026-03-23T08:00:00Z",
        ),
        // 02:30 was skipped: the first valid time after it.
        (
            "Europe/Berlin",
            "2026-03-30T00:30:00Z",
            1,
            "2026-03-29T01:00:00Z",
        ),
        // 02:30 came twice: the first.
        (
            "Europe/Berlin",
            "2026-10-26T01:30:00Z",
            1,
            "2026-10-25T00:30:00Z",
        ),
        // Half an hour of difference, and no change at all.
        (
            "Australia/Lord_Howe",
            "2026-10-05T01:00:00Z",
            7,
            "2026-09-28T01:30:00Z",
        ),
        (
            "Asia/Shanghai",
            "2026-10-26T08:00:00Z",
            7,
            "2026-10-19T08:00:00Z",
        ),
    ];
    for (zone, now, days, expected) in table {
        let zone_parsed: Tz = zone.parse().unwrap();
        assert_eq!(
            same_local_time(instant(now), days, zone_parsed),
            instant(expected),
            "{zone} {now} -{days}d"
        );
    }
}

#[test]
fn across_every_transition_of_a_year_the_local_clock_agrees() {
    for zone in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"] {
        let zone: Tz = zone.parse().unwrap();
        let mut now = instant("2026-01-01T00:10:00Z");
        let mut odd = 0;
        while now < instant("2027-01-01T00:00:00Z") {
            let earlier = same_local_time(now, 7, zone);
            let shown =
                |at: Timestamp| at.to_utc().with_timezone(&zone).format("%H:%M").to_string();
            odd += usize::from(shown(now) != shown(earlier));
            now = now + Duration::from_mins(15);
        }
        // Only times that were skipped a week before cannot agree: at most an hour of quarters.
        assert!(odd <= 4, "{zone}: {odd} quarters of an hour disagree");
    }
}

fn against(days: &[u32]) -> Against {
    Against {
        days: days.to_vec(),
        over: Duration::from_mins(2),
        zone: Tz::UTC,
    }
}

#[test]
fn rates_come_per_day_and_group_and_say_what_is_missing() {
    let now = instant("2026-11-20T12:00:30Z");
    let (a, b) = (series("feed", "a"), series("feed", "b"));
    let asked = against(&[1, 7, 14]);
    let mut history = History::default();
    let wanted = history.wanted(std::slice::from_ref(&asked), now);
    assert_eq!(wanted.len(), 3);
    let rows = [
        row(&a, "2026-11-19T11:58:00Z", 600),
        row(&a, "2026-11-19T11:59:00Z", 600),
        row(&b, "2026-11-19T11:59:00Z", 120),
        row(&a, "2026-11-13T11:59:00Z", 240),
        // Outside the window.
        row(&a, "2026-11-13T12:00:00Z", 9_999),
    ];
    for range in wanted {
        let inside = rows
            .iter()
            .filter(|row| range.contains(&row.minute))
            .cloned()
            .collect();
        history.insert(range, inside);
    }
    assert!(history.wanted(std::slice::from_ref(&asked), now).is_empty());

    let by_unit = select(&[By::Namespace, By::Function, By::Unit]);
    let mut exclusions = Exclusions::default();
    exclusions.add(
        Some(FunctionId::new("guide", "feed").unwrap()),
        instant("2026-11-13T11:00:00Z"),
        instant("2026-11-13T11:58:01Z"),
    );
    let mut found = history.lag_rates(&by_unit, &asked, &exclusions, now);
    found.sort_by(|left, right| left.0.cmp(&right.0));
    assert_eq!(
        found
            .iter()
            .map(|(key, lags)| (key.get(&by_unit.by, By::Unit).unwrap(), lags.as_slice()))
            .collect::<Vec<_>>(),
        [
            (
                "a",
                [LagRate::Present(10.0), LagRate::LeftOut, LagRate::Missing].as_slice()
            ),
            (
                "b",
                [LagRate::Present(1.0), LagRate::LeftOut, LagRate::Missing].as_slice()
            ),
        ]
    );
    let other = Select {
        functions: Functions::matching(vec![Glob::new("travel/*").unwrap()]),
        by: by_unit.by.clone(),
    };
    assert!(
        history
            .lag_rates(&other, &asked, &exclusions, now)
            .is_empty()
    );
}

#[test]
fn as_time_goes_on_only_new_minutes_are_fetched() {
    let now = instant("2026-11-20T12:00:30Z");
    let asked = [against(&[1, 7])];
    let mut history = History::default();
    for range in history.wanted(&asked, now) {
        history.insert(range, vec![]);
    }
    let next: Vec<_> = history
        .wanted(&asked, now + Duration::from_mins(1))
        .iter()
        .map(|range| range.end - range.start)
        .collect();
    assert_eq!(next, [1, 1]);
    assert_eq!(history.minutes.len(), 2, "what is behind is dropped");
}

#[test]
fn who_fell_silent_is_remembered_with_what_was_usual() {
    let now = instant("2026-11-20T12:00:00Z");
    let feed = series("feed", "a");
    let mut calls = RecentCalls::default();
    // 2/s for twenty minutes until 11:30, then nothing.
    let rows = (10..30).map(|minute| row(&feed, &format!("2026-11-20T11:{minute}:00Z"), 120));
    calls.insert(rows.collect());
    // The last minute is read again: it replaces, it does not add.
    calls.insert(vec![row(&feed, "2026-11-20T11:29:00Z", 120)]);
    calls.forget(now);
    let by_function = select(&[By::Namespace, By::Function]);
    let found = calls.groups(&by_function);
    assert_eq!(
        found.iter().map(|(_, recent)| *recent).collect::<Vec<_>>(),
        [Recent {
            last_seen: instant("2026-11-20T11:30:00Z"),
            usual: 2.0
        }]
    );
    calls.forget(now + Recent::MEMORY);
    assert!(calls.groups(&by_function).is_empty());
}
