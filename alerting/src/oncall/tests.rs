//! Who is on call, over changes of clocks, events, cron shifts and overrides.

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn regular(start: &str, every_hours: u64, people: &[&str]) -> Rotation {
    Rotation {
        name: "regular".into(),
        people: people.iter().map(|p| (*p).to_owned()).collect(),
        turn: Turn::Every {
            start: NaiveDateTime::parse_from_str(start, "%Y-%m-%dT%H:%M").unwrap(),
            every: Duration::from_secs(every_hours * 3_600),
        },
    }
}

fn schedule(zone: Tz, rotations: Vec<Rotation>) -> Schedule {
    Schedule {
        name: "guide".into(),
        zone,
        rotations,
    }
}

#[test]
fn hand_over_keeps_its_wall_time_over_both_transitions() {
    let berlin = schedule(
        chrono_tz::Europe::Berlin,
        vec![regular("2026-03-02T10:00", 168, &["first", "second"])],
    );
    for (instant, person) in [
        ("2026-03-02T08:59:59Z", None),
        ("2026-03-02T09:00:00Z", Some("first")),
        ("2026-03-23T08:59:59Z", Some("first")),
        ("2026-03-23T09:00:00Z", Some("second")),
        // Clocks go forward on the 29th: Monday 10:00 is now 08:00 UTC.
        ("2026-03-30T07:59:59Z", Some("second")),
        ("2026-03-30T08:00:00Z", Some("first")),
        // And back on October 25th.
        ("2026-10-26T08:59:59Z", Some("second")),
        ("2026-10-26T09:00:00Z", Some("first")),
    ] {
        let shift = berlin.on_call(at(instant), &[]);
        assert_eq!(
            shift.as_ref().map(|s| s.person.as_str()),
            person,
            "{instant}"
        );
        if let Some(shift) = shift {
            assert!(shift.from <= at(instant) && shift.until.unwrap() > at(instant));
        }
    }
}

#[test]
fn gap_and_overlap_have_exactly_one_person() {
    // Hand-over at 02:30: absent on the day clocks go forward, twice on the day they go back.
    let nightly = schedule(
        chrono_tz::Europe::Berlin,
        vec![regular("2026-03-27T02:30", 24, &["a", "b", "c"])],
    );
    for (instant, person) in [
        ("2026-03-29T00:59:59Z", "b"), // 01:59:59 CET
        ("2026-03-29T01:00:00Z", "c"), // 03:00 CEST, the gap's end
        ("2026-10-25T00:29:59Z", "b"), // 02:29:59 CEST
        ("2026-10-25T00:30:00Z", "c"), // 02:30 CEST, the first pass
        ("2026-10-25T01:30:00Z", "c"), // 02:30 CET, the second
        ("2026-10-26T01:30:00Z", "a"),
    ] {
        assert_eq!(
            nightly.on_call(at(instant), &[]).unwrap().person,
            person,
            "{instant}"
        );
    }
}

#[test]
fn shifts_tile_the_year_in_zones_with_odd_clocks() {
    use chrono_tz::{America::New_York, Asia::Shanghai, Australia::Lord_Howe, Europe::Berlin};
    for zone in [New_York, Shanghai, Lord_Howe, Berlin] {
        for hours in [1, 7, 12, 168] {
            let plan = schedule(zone, vec![regular("2026-01-01T00:30", hours, &["a", "b"])]);
            let mut now = at("2026-01-02T00:00:00Z");
            let end = at("2026-12-31T00:00:00Z");
            while now < end {
                let shift = plan.on_call(now, &[]).unwrap();
                let until = shift.until.unwrap();
                assert!(shift.from <= now && until > now, "{zone} {hours}h {now}");
                let next = plan.on_call(until, &[]).unwrap();
                assert_eq!(next.from, until, "{zone} {hours}h {now}");
                now = until;
            }
        }
    }
}

#[test]
fn an_event_takes_over_and_gaps_are_found() {
    let sale = DatedEvent {
        name: "sale".into(),
        from: at("2026-11-10T12:00:00Z"),
        to: at("2026-11-11T16:00:00Z"),
    };
    let during = Rotation {
        name: "sale".into(),
        people: vec!["lead".into()],
        turn: Turn::During {
            event: sale,
            every: None,
        },
    };
    let zone = chrono_tz::Asia::Shanghai;
    let both = schedule(
        zone,
        vec![during.clone(), regular("2026-11-02T10:00", 168, &["first"])],
    );
    assert_eq!(
        both.on_call(at("2026-11-10T12:00:00Z"), &[])
            .unwrap()
            .person,
        "lead"
    );
    let before = both.on_call(at("2026-11-10T11:59:59Z"), &[]).unwrap();
    assert_eq!(
        (before.person.as_str(), before.until),
        ("first", Some(at("2026-11-10T12:00:00Z")))
    );
    assert_eq!(both.gaps(at("2026-11-03T00:00:00Z"), &[]), []);
    let alone = schedule(zone, vec![during]);
    let (from, to) = (at("2026-11-10T13:00:00Z"), at("2026-12-10T13:00:00Z"));
    assert_eq!(alone.gaps(from, &[]), [(at("2026-11-11T16:00:00Z"), to)]);
    let days = at("2026-11-01T00:00:00Z");
    assert_eq!(alone.gaps(days, &[]).len(), 2, "before and after");
}

fn cron(text: &str, lasts_hours: u64, start: Option<&str>, people: &[&str]) -> Rotation {
    Rotation {
        name: text.to_owned(),
        people: people.iter().map(|p| (*p).to_owned()).collect(),
        turn: Turn::Cron {
            line: CronLine::parse(text).unwrap(),
            lasts: Duration::from_hours(lasts_hours),
            start: start
                .map(|start| NaiveDateTime::parse_from_str(start, "%Y-%m-%dT%H:%M").unwrap()),
        },
    }
}

#[test]
fn cron_shifts_take_turns_and_leave_the_rest_to_others() {
    let plan = schedule(
        chrono_tz::Asia::Shanghai,
        vec![
            regular("2026-11-02T10:00", 168, &["week"]),
            cron(
                "0 9 * * MON-FRI",
                9,
                Some("2026-11-02T09:00"),
                &["a", "b", "c"],
            ),
        ],
    );
    for (instant, person, until) in [
        ("2026-11-03T00:59:59Z", "week", "2026-11-03T01:00:00Z"),
        ("2026-11-03T01:00:00Z", "b", "2026-11-03T10:00:00Z"),
        ("2026-11-03T10:00:00Z", "week", "2026-11-04T01:00:00Z"),
        ("2026-11-06T02:00:00Z", "b", "2026-11-06T10:00:00Z"), // the fifth working day
        ("2026-11-07T02:00:00Z", "week", "2026-11-09T01:00:00Z"), // Saturday
        ("2026-11-09T02:00:00Z", "c", "2026-11-09T10:00:00Z"),
    ] {
        let shift = plan.on_call(at(instant), &[]).unwrap();
        let is = (shift.person.as_str(), shift.until.unwrap());
        assert_eq!(is, (person, at(until)), "{instant}");
    }
}

#[test]
fn every_change_of_clocks_has_exactly_one_person() {
    use chrono_tz::{America::New_York, Australia::Lord_Howe, Europe::Berlin};
    for zone in [Berlin, New_York, Lord_Howe] {
        let transitions = transitions(zone);
        assert_eq!(transitions.len(), 20, "{zone}: ten years have two each");
        for plan in [
            // Hand-over inside the gap and inside the overlap, and half an hour beside them.
            vec![cron(
                "30 2 * * *",
                24,
                Some("2024-01-01T02:30"),
                &["a", "b", "c"],
            )],
            vec![cron("0 2 * * *", 24, Some("2024-01-01T02:00"), &["a", "b"])],
            vec![cron(
                "15 1,13 * * *",
                12,
                Some("2024-01-01T01:15"),
                &["a", "b", "c"],
            )],
            vec![cron("0 * * * *", 1, Some("2024-01-01T00:00"), &["a", "b"])],
            vec![
                cron("0 9 * * *", 12, None, &["day"]),
                cron("0 21 * * *", 12, None, &["night"]),
            ],
            vec![
                cron("0 2 * * *", 1, None, &["gap"]),
                cron("0 3 * * *", 23, None, &["rest"]),
            ],
        ] {
            let plan = schedule(zone, plan);
            for transition in &transitions {
                let from = *transition - Duration::from_hours(30);
                let to = *transition + Duration::from_hours(30);
                let agenda = plan.agenda(from, to, &[]);
                for span in &agenda {
                    assert!(span.who.is_some(), "{zone} {:?} {span:?}", plan.rotations);
                    assert!(span.from < span.to, "{zone} {span:?}");
                }
                for pair in agenda.windows(2) {
                    assert_eq!(pair[0].to, pair[1].from, "{zone}");
                }
                // Every five minutes, without the edges that the agenda relies on.
                let mut minute = *transition - Duration::from_hours(3);
                while minute < *transition + Duration::from_hours(3) {
                    let who = plan.shift(minute, &[]).map(|s| (s.rotation, s.person));
                    let span = agenda.iter().rfind(|span| span.from <= minute).unwrap();
                    assert_eq!(span.who, who, "{zone} {minute}");
                    minute = minute + Duration::from_mins(5);
                }
            }
        }
    }
}

/// Every change of the clocks of a zone within ten years, found hour by hour.
fn transitions(zone: Tz) -> Vec<Timestamp> {
    use chrono::Offset;
    let offset = |at: Timestamp| {
        at.to_utc()
            .with_timezone(&zone)
            .offset()
            .fix()
            .local_minus_utc()
    };
    let mut found = Vec::new();
    let mut now = at("2025-01-01T00:00:00Z");
    let end = at("2035-01-01T00:00:00Z");
    while now < end {
        let next = now + Duration::from_mins(30);
        if offset(now) != offset(next) {
            found.push(next);
        }
        now = next;
    }
    found
}

#[test]
fn who_took_over_is_on_call_until_it_ends_and_the_latest_wins() {
    let plan = schedule(
        chrono_tz::UTC,
        vec![regular("2026-11-02T10:00", 168, &["first", "second"])],
    );
    let take = |id: u64, person: &str, from: &str, to: &str| Override {
        id,
        schedule: "guide".into(),
        person: person.into(),
        from: at(from),
        to: at(to),
        by: "ann".into(),
        made_at: at(from),
    };
    let ann = take(1, "ann", "2026-11-04T22:00:00Z", "2026-11-05T02:00:00Z");
    let ben = take(2, "ben", "2026-11-05T00:00:00Z", "2026-11-05T01:00:00Z");
    let taken = [&ann, &ben];
    for (instant, person, until) in [
        ("2026-11-04T21:59:59Z", "first", "2026-11-04T22:00:00Z"),
        ("2026-11-04T22:00:00Z", "ann", "2026-11-05T00:00:00Z"),
        ("2026-11-05T00:30:00Z", "ben", "2026-11-05T01:00:00Z"),
        ("2026-11-05T01:00:00Z", "ann", "2026-11-05T02:00:00Z"),
        ("2026-11-05T02:00:00Z", "first", "2026-11-09T10:00:00Z"),
    ] {
        let shift = plan.on_call(at(instant), &taken).unwrap();
        let is = (shift.person.as_str(), shift.until.unwrap());
        assert_eq!(is, (person, at(until)), "{instant}");
    }
    let next = plan.next_after(at("2026-11-05T01:30:00Z"), &taken).unwrap();
    assert_eq!(
        (next.from, next.who.unwrap().1),
        (at("2026-11-05T02:00:00Z"), "first".to_owned())
    );
}

#[test]
fn what_is_ended_is_over_at_once_and_once() {
    let now = at("2026-11-04T22:00:00Z");
    let mut all = Overrides::default();
    let made = all.add(Override {
        id: 0,
        schedule: "guide".into(),
        person: "ann".into(),
        from: now,
        to: now + Duration::from_hours(2),
        by: "ann".into(),
        made_at: now,
    });
    assert_eq!((made.id, all.of("guide", now).count()), (1, 1));
    let later = now + Duration::from_hours(1);
    assert_eq!(all.end(1, later).unwrap().to, later);
    assert_eq!(all.end(1, later), None);
    assert_eq!(all.of("guide", later).count(), 0);
}
