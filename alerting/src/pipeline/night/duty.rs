//! Nights in which who is on call changes.

use super::*;
use crate::oncall::Override;
use crate::pipeline::DutyChange;

/// A schedule whose next shift begins at 18:30 and whose people take twelve hours each.
const SHIFTS: (&str, &str) = (
    "rotations: [{name: weekly, start: 2026-11-02T10:00, every: 1w, people: [first]}]",
    "rotations: [{name: halves, cron: '30 2,14 * * *', lasts: 12h, start: 2026-11-10T14:30, people: [first, second]}]",
);

fn night_with_shifts() -> Night {
    let mut night = Night::seeded(1);
    let yaml = ALERTING.replacen(SHIFTS.0, SHIFTS.1, 1);
    assert_ne!(yaml, ALERTING);
    let (config, teams) = config(&yaml, TEAMS);
    night.policy = Arc::new(Policy::new(config, teams));
    night.memory = Memory::new(Arc::clone(&night.policy), Mode::Daily, links());
    night.step(Event::Tick);
    night
}

fn take(person: &str, from: Timestamp, minutes: u64) -> Event {
    Event::Duty(DutyChange::Take(Override {
        id: 0,
        schedule: "guide".into(),
        person: person.into(),
        from,
        to: from + Duration::from_mins(minutes),
        by: "ann".into(),
        made_at: from,
    }))
}

#[test]
fn the_start_of_a_shift_sends_the_open_incidents_to_who_comes_on() {
    let mut night = night_with_shifts();
    night.run_for(28 * 60);
    night.fire("feed");
    night.fire("search");
    let held = night.only_of("search");
    night.act(&held, Action::Acknowledge);
    night.run_for(10 * 60);
    let pages = night.pages();
    assert_eq!(
        pages,
        [
            "28:00 firing team-chat",
            "28:00 firing team-chat",
            // The second person by now: the steps follow the schedule.
            "30:00 firing sms second",
            "30:00 reminder team-chat",
            "33:00 firing phone second",
            "38:00 firing phone second",
            "38:00 firing war-room",
        ],
        "{}",
        night.disk.story(&night.only_of("feed"))
    );
    let reminder = night
        .said
        .iter()
        .find(|said| said.kind == MessageKind::Reminder);
    let reminder = reminder.unwrap();
    assert_eq!(
        reminder.incident.note.as_deref(),
        Some("second is on call now")
    );
    assert_eq!(reminder.recipient.mentions[0].id, "second");
    let story = night.disk.story(&night.only_of("feed"));
    assert!(
        story.contains("second comes on call in guide and is told"),
        "{story}"
    );
}

#[test]
fn a_shift_that_began_while_nothing_ran_is_noticed() {
    let mut night = night_with_shifts();
    night.run_for(29 * 60);
    night.fire("feed");
    night.run_for(10);
    night.die_for(10 * 60);
    night.run_for(1);
    let story = night.disk.story(&night.only_incident());
    assert!(
        story.contains("second comes on call in guide and is told"),
        "{story}"
    );
    night.die();
    night.run_for(1);
    let story = night.disk.story(&night.only_incident());
    assert_eq!(story.matches("comes on call").count(), 1, "{story}");
}

#[test]
fn who_takes_over_is_told_called_and_relieved_and_a_crash_forgets_nothing() {
    let mut night = Night::seeded(1);
    night.fire("feed");
    night.run_for(60);
    let from = night.now;
    night.step(take("second", from, 3));
    night.run_for(1);
    night.die();
    night.run_for(89);
    assert_eq!(
        night.pages(),
        [
            "0:00 firing team-chat",
            "1:00 reminder team-chat",
            "2:00 firing sms second",
        ]
    );
    // A reload knows nothing of it and takes nothing of it away.
    night.step(Event::Reload(Arc::clone(&night.policy)));
    night.run_for(4 * 60);
    assert_eq!(
        night.pages()[3..],
        ["4:00 reminder team-chat", "5:00 firing phone first"]
    );
}

#[test]
fn a_person_removed_mid_shift_is_not_called() {
    let mut night = Night::seeded(1);
    night.fire("feed");
    night.run_for(60);
    let from = night.now;
    night.step(take("second", from, 60));
    let (config, teams) = config(
        &ALERTING
            .replace("people: [second]", "people: [first]")
            .replace(
                "  second: {sms: '+8613800000002', phone: '+8613800000002'}\n",
                "",
            ),
        TEAMS,
    );
    night.policy = Arc::new(Policy::new(config, teams));
    night.step(Event::Reload(Arc::clone(&night.policy)));
    night.run_for(5 * 60);
    let story = night.disk.story(&night.only_incident());
    let pages = night.pages();
    assert!(
        pages.contains(&"2:00 firing sms first".to_owned()),
        "{pages:?} {story}"
    );
    assert!(
        !pages.iter().any(|page| page.ends_with("second")),
        "{pages:?}"
    );
}
