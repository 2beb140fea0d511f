//! Nights in which things come back, come late or come to what somebody already has.

use super::*;

/// Another alert of the one group of `batch`, which leads to a plain receiver.
fn batch(unit: &str, severity: &str, starts_at: Timestamp) -> Alert {
    let mut alert = failing("batch", starts_at);
    alert.labels.set("unit", unit);
    alert.labels.set("severity", severity);
    alert
}

#[test]
fn what_fires_again_after_its_end_was_told_is_told_again_by_what_costs() {
    let mut night = Night::seeded(20);
    night.fire("pay");
    night.run_for(600);
    night.resolve("pay");
    night.run_for(180);
    night.fire("pay");
    night.run_for(600);
    night.only_incident();
    assert_eq!(
        night.pages(),
        [
            "0:00 firing sms first",
            "1:00 firing phone first",
            "10:00 resolved sms first",
            "13:00 firing sms first",
            "14:00 firing phone first",
        ]
    );
    let again = night.said.iter().rev().nth(1).unwrap();
    assert_eq!(again.incident.note.as_deref(), Some("it fires again"));
}

#[test]
fn between_two_costly_steps_it_starts_over_too() {
    let mut night = Night::seeded(21);
    night.fire("pay");
    night.run_for(30);
    night.resolve("pay");
    night.run_for(60);
    night.fire("pay");
    night.run_for(70);
    assert_eq!(
        night.pages(),
        [
            "0:00 firing sms first",
            "0:30 resolved sms first",
            "1:30 firing sms first",
            "2:30 firing phone first",
        ]
    );
}

#[test]
fn a_plan_that_ended_climbs_again_and_calls_the_chat_once() {
    let mut night = Night::seeded(22);
    night.fire("feed");
    night.run_for(55 * 60);
    night.resolve("feed");
    night.run_for(120);
    let told = night.pages().len();
    night.fire("feed");
    night.run_for(121);
    let mut pages = night.pages().split_off(told);
    pages.sort();
    assert_eq!(
        pages,
        [
            "57:00 firing team-chat",
            "57:00 firing war-room",
            "59:00 firing sms first",
        ]
    );
}

#[test]
fn asking_late_brings_one_step_and_the_rest_at_their_distance() {
    let mut night = Night::seeded(23);
    night.fire("feed");
    night.run_for(60);
    let id = night.only_incident();
    night.act(&id, Action::Acknowledge);
    night.run_for(19 * 60);
    night.act(&id, Action::Escalate);
    night.run_for(4 * 60);
    assert_eq!(
        night.pages(),
        [
            "0:00 firing team-chat",
            "20:00 firing sms first",
            "23:00 firing phone first",
        ]
    );
}

#[test]
fn after_downtime_one_step_comes_and_the_rest_at_their_distance() {
    let mut night = Night::seeded(24);
    night.fire("feed");
    night.run_for(60);
    night.die_for(20 * 60);
    night.run_for(4 * 60);
    assert_eq!(
        night.pages(),
        [
            "0:00 firing team-chat",
            "21:00 firing sms first",
            "24:00 firing phone first",
        ]
    );
}

#[test]
fn what_fires_again_after_the_clock_was_set_back_ends_again() {
    let mut night = Night::seeded(25);
    night.fire("feed");
    night.run_for(10);
    night.resolve("feed");
    night.run_for(10);
    night.set_clock(-3_600);
    night.fire("feed");
    night.run_for(30);
    let id = night.only_incident();
    let incident = night.memory.incident(&id).unwrap();
    assert_eq!(incident.status, IncidentStatus::Open);
    assert_eq!(incident.alerts_firing, 1);
    night.resolve("feed");
    night.run_for(20 * 60);
    assert_eq!(night.disk.incidents[&id].0.status, IncidentStatus::Resolved);
    assert_eq!(night.memory.incidents().count(), 0);
}

#[test]
fn an_alert_older_than_what_fires_reopens_nothing() {
    let mut night = Night::seeded(26);
    let old = failing("feed", night.now);
    night.run_for(10);
    night.fire("feed");
    night.hand_over(old);
    let id = night.only_incident();
    night.resolve("feed");
    night.run_for(10);
    assert_eq!(night.disk.incidents[&id].0.status, IncidentStatus::Resolved);
}

#[test]
fn what_joins_something_acknowledged_is_told_quietly() {
    let mut night = Night::seeded(27);
    night.hand_over(batch("a", "warning", night.now));
    night.run_for(10);
    let id = night.only_incident();
    night.act(&id, Action::Acknowledge);
    night.run_for(10);
    let second = batch("b", "warning", night.now);
    night.hand_over(second.clone());
    night.run_for(600);
    assert_eq!(
        night.pages(),
        ["0:00 firing war-room", "5:00 reminder war-room"]
    );
    let update = night.said.last().unwrap();
    assert_eq!(
        update.incident.note.as_deref(),
        Some("one more alert joined")
    );
    // One that comes and goes is not news.
    night.hand_over(resolved(second, night.now));
    night.hand_over(batch("b", "warning", night.now));
    night.run_for(600);
    assert_eq!(night.pages().len(), 2);
    assert_eq!(
        night.memory.incident(&id).unwrap().status,
        IncidentStatus::Acknowledged
    );
}

#[test]
fn what_becomes_critical_after_it_was_acknowledged_rings_again() {
    let mut night = Night::seeded(28);
    night.hand_over(batch("a", "warning", night.now));
    night.run_for(10);
    let id = night.only_incident();
    night.act(&id, Action::Acknowledge);
    night.run_for(10);
    night.hand_over(batch("b", "critical", night.now));
    night.run_for(600);
    assert_eq!(
        night.pages(),
        ["0:00 firing war-room", "0:20 firing war-room"]
    );
    let incident = night.memory.incident(&id).unwrap();
    assert_eq!(incident.status, IncidentStatus::Open);
    assert_eq!(incident.acknowledged, None);
}

#[test]
fn waiting_messages_keep_their_pace_over_a_clock_step_and_a_crash() {
    let mut night = Night::seeded(29);
    night.moods("war-room", [Mood::Shuts(600)]);
    night.hand_over(batch("a", "warning", night.now));
    night.run_for(60);
    night.set_clock(-86_400);
    night.die();
    let set_at = night.now;
    night.run_for(560);
    assert_eq!(night.heard.len(), 1);
    assert_eq!(night.heard[0].at.since(set_at).as_secs(), 540);
}

#[test]
fn a_late_remark_leaves_nothing_in_memory() {
    for action in [Action::Acknowledge, Action::Note { text: "x".into() }] {
        let mut night = Night::seeded(30);
        night.fire("feed");
        night.run_for(10);
        night.resolve("feed");
        night.run_for(20 * 60);
        assert_eq!(night.memory.incidents().count(), 0);
        let id = night.only_incident();
        let stored = night.disk.incidents[&id].0.clone();
        night.memory.adopt(stored);
        night.act(&id, action);
        assert_eq!(night.memory.incidents().count(), 0);
    }
}

#[test]
fn alerts_of_an_incident_that_cannot_be_read_come_in_anew() {
    let mut night = Night::seeded(31);
    night.fire("feed");
    night.fire("pay");
    night.run_for(10);
    let lost = night.disk.incidents.keys().next().cloned().unwrap();
    night.disk.unreadable.insert(lost.clone());
    night.die();
    night.run_for(10);
    assert_eq!(night.disk.incidents.len(), 3);
    // Its messages rest, and another start opens no third.
    night.die();
    night.run_for(10);
    assert_eq!(night.memory.incidents().count(), 2);
    for function in ["feed", "pay"] {
        night.resolve(function);
    }
    night.run_for(10);
    night.die();
    night.run_for(10);
    assert_eq!(night.disk.incidents.len(), 3);
}

#[test]
fn the_whole_memory_makes_an_empty_disk_true() {
    let mut night = Night::seeded(32);
    night.moods("war-room", [Mood::Shuts(600)]);
    night.mood("channels.sms", Mood::Slow(30));
    night.fire("feed");
    night.fire("pay");
    night.hand_over(batch("a", "warning", night.now));
    night.run_for(10);
    let before = night.disk.stored();
    let mut fresh = Disk::default();
    fresh.write(night.memory.everything());
    let after = fresh.stored();
    assert_eq!(after.incidents.len(), 3);
    assert_eq!(
        format!("{:?}", after.incidents),
        format!("{:?}", before.incidents)
    );
    assert_eq!(after.alerts, before.alerts);
    assert_eq!(after.entries, before.entries);
    assert!(!after.outbox.is_empty() && !after.attempts.is_empty());
    assert_eq!(after.outbox, before.outbox);
    assert_eq!(after.attempts, before.attempts);
    assert_eq!(after.seen, before.seen);
}
