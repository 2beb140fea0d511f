//! Stories of sources: what happens, and what is known then.

use super::mark::HEARTBEAT_EVERY;
use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_800_000_000 + seconds)
}

fn feed() -> FunctionId {
    FunctionId::new("guide", "feed").unwrap()
}

fn other() -> FunctionId {
    FunctionId::new("x", "y").unwrap()
}

fn pushed(seconds: u64) -> Promise {
    Promise::Pushed {
        expect_every: Some(Duration::from_secs(seconds)),
    }
}

const SILENT: Promise = Promise::Pushed { expect_every: None };

const TAILED: Promise = Promise::Tailed {
    flush_delay: Duration::from_secs(1),
};

fn scraped(every: u64) -> Promise {
    Promise::Scraped {
        every: Duration::from_secs(every),
        timeout: Duration::from_secs(10),
    }
}

fn with(sources: &[(&str, Promise)]) -> Watermarks {
    let mut marks = Watermarks::new();
    for (source, promise) in sources {
        marks.declare(source, *promise, at(0));
    }
    marks.recalled(None);
    marks
}

/// The share of a function's sources, asked at the end of the window.
fn known(marks: &Watermarks, to: i64) -> Option<f64> {
    let known = marks.completeness(Some(&feed()), at(to), at(to)).known;
    known.map(Ratio::get)
}

/// What is said of the whole, as of half a minute ago.
fn whole(marks: &Watermarks, now: i64) -> (Option<f64>, String) {
    let all = marks.completeness(None, at(now - 30), at(now));
    (all.known.map(Ratio::get), all.why)
}

#[test]
fn one_source_of_each_kind() {
    // (promise, what happens, window end, share)
    type Story = fn(&mut Watermarks);
    let batch: Story = |marks| marks.delivered("s", &[feed()], Some(at(3)), at(5));
    let ahead: Story = |marks| marks.delivered("s", &[feed()], Some(at(300)), at(5));
    let backlog: Story = |marks| {
        marks.delivered("s", &[feed()], Some(at(3)), at(5));
        marks.delivered("s", &[feed()], Some(at(6)), at(600));
        marks.delivered("s", &[feed()], Some(at(7)), at(601));
    };
    let others: Story = |marks| {
        marks.delivered("s", &[feed()], Some(at(3)), at(5));
        marks.delivered("s", &[other()], Some(at(12)), at(14));
    };
    let empty: Story = |marks| {
        marks.delivered("s", &[feed()], Some(at(3)), at(5));
        marks.delivered("s", &[], None, at(14));
    };
    let again: Story = |marks| {
        marks.delivered("s", &[feed()], Some(at(3)), at(5));
        marks.alive("s", at(14));
    };
    let read: Story = |marks| {
        marks.delivered("s", &[feed()], Some(at(0)), at(0));
        marks.advance("s", at(8));
        marks.advance("s", at(5));
    };
    let beat: Story = |marks| {
        marks.heartbeat("s", at(30), at(0));
        marks.heartbeat("s", at(20), at(1));
        marks.delivered("s", &[feed()], Some(at(3)), at(5));
    };
    for (name, promise, story, complete) in [
        ("a file not read to its end", TAILED, batch, None),
        ("a file", TAILED, read, Some(8)),
        ("a batch", pushed(10), batch, Some(3)),
        ("a clock that is ahead", pushed(10), ahead, Some(5)),
        ("a backlog", pushed(10), backlog, Some(7)),
        ("batches for others", pushed(10), others, Some(12)),
        ("an empty batch", pushed(10), empty, Some(14)),
        ("a batch sent again", pushed(10), again, Some(3)),
        ("heartbeats win", pushed(10), beat, Some(30)),
        ("only heartbeats", SILENT, beat, Some(30)),
    ] {
        let mut marks = with(&[("s", promise)]);
        story(&mut marks);
        assert_eq!(marks.of_source("s"), complete.map(at), "{name}");
        let to = complete.unwrap_or(0);
        let share = if complete.is_some() { 1.0 } else { 0.0 };
        assert_eq!(known(&marks, to), Some(share), "{name}");
        assert_eq!(known(&marks, to + 1), Some(0.0), "{name}");
    }
    let mut marks = with(&[("s", SILENT)]);
    batch(&mut marks);
    assert_eq!((marks.of_source("s"), known(&marks, 0)), (None, None));
}

#[test]
fn what_comes_too_seldom_is_late() {
    let mut marks = with(&[("s", pushed(10))]);
    let why = |marks: &Watermarks, now: i64| {
        let to = at(now - 1);
        let said = marks.completeness(Some(&feed()), to, at(now));
        (said.known.map(Ratio::get), said.why)
    };
    marks.delivered("s", &[feed()], Some(at(3)), at(5));
    assert_eq!(why(&marks, 17), (Some(0.0), "not there yet: s".to_owned()));
    assert_eq!(why(&marks, 18), (Some(0.0), "late: s".to_owned()));
    // A batch that came before came again: alive, and not a second further.
    marks.alive("s", at(18));
    assert_eq!(why(&marks, 18), (Some(0.0), "not there yet: s".to_owned()));
}

#[test]
fn heartbeats_that_stop_leave_the_word_to_the_batches() {
    let mut marks = with(&[("s", pushed(10)), ("t", SILENT)]);
    for source in ["s", "t"] {
        marks.heartbeat(source, at(3), at(4));
        marks.delivered(source, &[feed()], Some(at(9)), at(10));
        assert_eq!(marks.of_source(source), Some(at(3)), "{source}");
    }
    marks.delivered("s", &[feed()], Some(at(13)), at(14));
    assert_eq!(marks.of_source("s"), Some(at(3)));
    marks.delivered("s", &[feed()], Some(at(14)), at(15));
    assert_eq!(marks.of_source("s"), Some(at(14)));

    let minute = i64::try_from(HEARTBEAT_EVERY.as_secs()).unwrap();
    marks.delivered("t", &[feed()], Some(at(63)), at(4 + minute));
    assert_eq!(marks.of_source("t"), Some(at(3)));
    // Its batches promise nothing.
    marks.delivered("t", &[feed()], Some(at(64)), at(5 + minute));
    assert_eq!(marks.of_source("t"), None);
    marks.heartbeat("t", at(80), at(80));
    assert_eq!(marks.of_source("t"), Some(at(80)));

    // When batches stop as well, the last word stands, and is late.
    assert!(marks.is_on_time("t", at(82 + minute)).unwrap());
    assert!(!marks.is_on_time("t", at(83 + minute)).unwrap());
}

#[test]
fn only_sources_that_deliver_the_function_count() {
    let mut marks = with(&[("a", TAILED), ("b", TAILED), ("other", TAILED)]);
    let none = marks.completeness(Some(&feed()), at(0), at(0));
    assert_eq!(
        (none.known, none.why.as_str()),
        (None, "no source has delivered guide/feed yet")
    );
    marks.delivered("a", &[feed()], None, at(0));
    marks.recall("b", &feed(), at(0));
    marks.delivered("other", &[other()], None, at(0));
    marks.advance("a", at(60));
    let half = marks.completeness(Some(&feed()), at(60), at(61));
    assert_eq!(
        (half.known.map(Ratio::get), half.why.as_str()),
        (Some(0.5), "late: b")
    );
    assert_eq!(marks.of_function(&feed()), None);
    marks.advance("b", at(50));
    assert_eq!(marks.of_function(&feed()), Some(at(50)));

    marks.remove("b");
    assert_eq!(known(&marks, 60), Some(1.0));
    // Declared again it is a new source that has delivered nothing.
    marks.declare("b", TAILED, at(60));
    assert_eq!(known(&marks, 60), Some(1.0));
    // Scrapes give no calls, whatever stood in the tables under their name.
    marks.declare("pods", scraped(15), at(60));
    marks.recall("pods", &feed(), at(60));
    assert_eq!(known(&marks, 60), Some(1.0));
}

#[test]
fn a_feed_of_yesterday_no_longer_counts() {
    let mut marks = with(&[("old", TAILED), ("new", TAILED)]);
    let day = i64::try_from(FEED_AGE_MAX.as_secs()).unwrap();
    marks.delivered("old", &[feed()], None, at(0));
    marks.delivered("new", &[feed()], None, at(day));
    marks.advance("new", at(day + 1));
    assert_eq!(known(&marks, day), Some(0.5));
    assert_eq!(known(&marks, day + 1), Some(1.0));
}

#[test]
fn what_was_not_recalled_is_not_taken_for_absent() {
    let mut marks = Watermarks::new();
    let why = |marks: &Watermarks| marks.completeness(Some(&feed()), at(0), at(0)).why;
    assert!(why(&marks).contains("being looked up"), "{}", why(&marks));
    marks.recalled(Some("it took too long".to_owned()));
    assert!(why(&marks).ends_with("not known: it took too long"));
    marks.recalled(None);
    assert!(why(&marks).starts_with("no source has delivered"));
}

#[test]
fn the_whole_leaves_out_what_promises_nothing() {
    let mut marks = with(&[("push", SILENT)]);
    assert_eq!(whole(&marks, 0).1, "no source has delivered anything yet");
    marks.delivered("push", &[feed()], None, at(1));
    let (known, why) = whole(&marks, 2);
    assert!(known.is_none() && why.contains("push"), "{why}");
    marks.declare("file", TAILED, at(2));
    marks.advance("file", at(60));
    assert_eq!(whole(&marks, 61), (Some(1.0), String::new()));
    assert_eq!(whole(&marks, 91), (Some(0.0), "late: file".to_owned()));
}

#[test]
fn a_declared_pusher_is_missed_from_the_start_on() {
    let marks = with(&[("sdk", pushed(10))]);
    assert_eq!(whole(&marks, 12), (Some(1.0), String::new()));
    assert_eq!(whole(&marks, 13), (Some(0.0), "late: sdk".to_owned()));
}

#[test]
fn the_whole_judges_each_source_by_its_own_schedule() {
    // (promise, how far it is at 1000, share of the whole)
    for (promise, until, share) in [
        (scraped(120), 1000 - 132, 1.0),
        (scraped(120), 1000 - 133, 0.0),
        (TAILED, 1000 - 30, 1.0),
        (TAILED, 1000 - 31, 0.0),
        (pushed(60), 1000 - 122, 1.0),
        (pushed(60), 1000 - 123, 0.0),
    ] {
        let mut marks = with(&[("s", promise)]);
        marks.delivered("s", &[], Some(at(until)), at(990));
        marks.advance("s", at(until));
        assert_eq!(whole(&marks, 1000).0, Some(share), "{promise:?} {until}");
        // What has hardly ended must have been passed itself.
        let fresh = marks.completeness(None, at(995), at(1000)).known;
        let fresh_share = match promise {
            Promise::Scraped { .. } => share,
            _ => 0.0,
        };
        assert_eq!(fresh, Ratio::new(fresh_share), "{promise:?} {until}");
    }
}
