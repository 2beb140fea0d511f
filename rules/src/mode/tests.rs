//! When the mode is what, and that a decision survives.

use std::time::Duration;

use model::ManualClock;

use state::{Limits, Place};

use super::*;

fn at(text: &str) -> Timestamp {
    format!("2026-11-{text}:00Z").parse().unwrap()
}

fn sale() -> DatedEvent {
    DatedEvent {
        name: "double-11".to_owned(),
        from: at("10T12:00"),
        to: at("11T16:00"),
    }
}

fn manual(mode: Mode, since: &str, until: Option<&str>) -> Manual {
    Manual {
        mode,
        since: at(since),
        until: until.map(at),
        by: "lead".to_owned(),
    }
}

#[test]
fn who_decides_when() {
    let table = [
        // The schedule alone.
        (None, "10T11:59", Mode::Daily, "schedule", Some("10T12:00")),
        (
            None,
            "10T12:00",
            Mode::Rush,
            "event double-11",
            Some("11T16:00"),
        ),
        (None, "11T16:00", Mode::Daily, "schedule", None),
        // A decision with an end.
        (
            Some(manual(Mode::Rush, "09T08:00", Some("09T10:00"))),
            "09T09:59",
            Mode::Rush,
            "lead",
            Some("09T10:00"),
        ),
        (
            Some(manual(Mode::Rush, "09T08:00", Some("09T10:00"))),
            "09T10:00",
            Mode::Daily,
            "schedule",
            Some("10T12:00"),
        ),
        // Without an end it holds until the schedule changes its mind.
        (
            Some(manual(Mode::Daily, "10T13:00", None)),
            "11T15:59",
            Mode::Daily,
            "lead",
            Some("11T16:00"),
        ),
        (
            Some(manual(Mode::Daily, "09T13:00", None)),
            "10T12:00",
            Mode::Rush,
            "event double-11",
            Some("11T16:00"),
        ),
        (
            Some(manual(Mode::Rush, "12T00:00", None)),
            "20T00:00",
            Mode::Rush,
            "lead",
            None,
        ),
    ];
    for (manual, now, mode, by, until) in table {
        let status = decide(&[sale()], manual.as_ref(), at(now));
        assert_eq!(
            (status.mode, status.by.as_str(), status.until),
            (mode, by, until.map(at)),
            "{manual:?} at {now}"
        );
    }
}

async fn a_decision_survives_a_restart_and_ends_by_itself(place: Place) {
    let clock = ManualClock::at(at("09T08:00"));
    let state = State::open_at(&place, &[crate::MIGRATIONS], &Limits::default())
        .await
        .unwrap();
    let modes = Modes::open(state.clone(), vec![sale()], clock.clone())
        .await
        .unwrap();
    let mut watch = modes.watch();
    assert_eq!(*watch.borrow_and_update(), Mode::Daily);
    assert!(matches!(
        modes.set(Mode::Rush, Some(at("09T08:00")), "lead").await,
        Err(ModeError::Past)
    ));
    modes
        .set(Mode::Rush, Some(at("09T10:00")), "lead")
        .await
        .unwrap();
    assert_eq!(*watch.borrow_and_update(), Mode::Rush);
    // Another node hears of it when it reads again.
    let other = Modes::open(state.clone(), vec![], clock.clone())
        .await
        .unwrap();
    other.set(Mode::Daily, None, "other").await.unwrap();
    assert_eq!(modes.status().mode, Mode::Rush);
    modes.read_again().await.unwrap();
    assert_eq!(modes.status().mode, Mode::Daily);
    modes
        .set(Mode::Rush, Some(at("09T10:00")), "lead")
        .await
        .unwrap();
    drop(modes);

    let modes = Modes::open(state, vec![sale()], clock.clone())
        .await
        .unwrap();
    assert_eq!(
        (modes.status().mode, modes.status().by.as_str()),
        (Mode::Rush, "lead")
    );
    let mut watch = modes.watch();
    clock.advance(Duration::from_hours(2));
    assert_eq!(modes.refresh(), Mode::Daily);
    assert!(watch.has_changed().unwrap());
    assert_eq!(*watch.borrow_and_update(), Mode::Daily);
    assert!(modes.rushes().contains(&(at("09T08:00"), at("09T10:00"))));
}

#[tokio::test]
async fn decisions_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::File(directory.path().join("state.db"));
    a_decision_survives_a_restart_and_ends_by_itself(place).await;
}

#[tokio::test]
async fn decisions_on_a_server() {
    let url = fakes::Postgres::shared().unwrap().database().unwrap();
    let place = Place::Server(model::Secret::new(url));
    a_decision_survives_a_restart_and_ends_by_itself(place).await;
}

#[test]
fn an_event_that_is_not_declared_is_named_with_the_nearest() {
    let node = declare::read("rampart.yaml", "rush: [double-12]").unwrap();
    let mut problems = Problems::new();
    assert!(read_mode(&node, &[sale()], &mut problems).is_empty());
    let problem = problems.iter().next().unwrap();
    assert_eq!(problem.message, "there is no event `double-12`");
    assert_eq!(problem.hint.as_deref(), Some("did you mean `double-11`?"));
}
