//! Nights told by hand.

use super::*;
use crate::pipeline::Reach;

#[test]
fn a_quiet_night_climbs_every_step_and_starts_over() {
    let mut night = Night::seeded(1);
    night.fire("feed");
    night.run_for(40 * 60);
    assert_eq!(
        night.pages(),
        [
            "0:00 firing team-chat",
            "2:00 firing sms first",
            "5:00 firing phone first",
            "10:00 firing phone second",
            "10:00 firing war-room",
            "20:00 firing team-chat",
            "22:00 firing sms first",
            "25:00 firing phone first",
            "30:00 firing phone second",
            "30:00 firing war-room",
            "40:00 firing team-chat",
        ]
    );
}

#[test]
fn an_acknowledgement_ends_it_until_it_is_forgotten() {
    let mut night = Night::seeded(2);
    night.fire("feed");
    night.run_for(130);
    let id = night.only_incident();
    night.act(&id, Action::Acknowledge);
    night.act(&id, Action::Acknowledge);
    night.run_for(29 * 60);
    assert_eq!(
        night.pages(),
        ["0:00 firing team-chat", "2:00 firing sms first"]
    );
    night.run_for(120);
    assert_eq!(night.pages()[2..], ["32:10 firing team-chat"]);
    night.resolve("feed");
    night.run_for(60);
    assert_eq!(
        night.pages()[3..],
        ["33:10 resolved sms first", "33:10 resolved team-chat"]
    );
}

#[test]
fn a_crash_after_the_provider_took_it_costs_one_duplicate() {
    let mut night = Night::seeded(3);
    night.fire("feed");
    night.run_for(110);
    night.mood("channels.sms", Mood::Slow(5));
    night.crash(Point::Record);
    night.run_for(60);
    // A text message that may have arrived is not repeated; the call follows at once instead.
    assert_eq!(
        night.pages(),
        [
            "0:00 firing team-chat",
            "2:00 firing sms first",
            "2:05 firing phone first"
        ]
    );
    let mut night = Night::seeded(4);
    night.crash(Point::Record);
    night.fire("feed");
    night.run_for(60);
    assert_eq!(
        night.pages(),
        ["0:00 firing team-chat", "0:01 firing team-chat"]
    );
}

#[test]
fn a_crash_before_anything_is_on_disk_loses_nothing() {
    for point in [Point::Store, Point::Call] {
        let mut night = Night::seeded(5);
        night.crash(point);
        night.fire("feed");
        night.run_for(60);
        assert_eq!(night.pages().len(), 1, "{point:?}: {:?}", night.pages());
    }
}

#[test]
fn a_shut_door_brings_the_next_step_at_once() {
    let mut night = Night::seeded(6);
    night.moods("team-chat", [Mood::Shuts(600)]);
    night.fire("feed");
    night.run_for(12 * 60);
    assert_eq!(
        night.pages(),
        [
            "0:00 firing sms first",
            "3:00 firing phone first",
            "8:00 firing phone second",
            "8:00 firing war-room",
            "10:00 firing team-chat",
        ]
    );
}

#[test]
fn what_nobody_takes_is_visible_and_tried_again() {
    let mut night = Night::seeded(7);
    for way in ["team-chat", "war-room", "channels.sms", "channels.phone"] {
        night.mood(way, Mood::Refuses);
    }
    night.fire("feed");
    night.run_for(60 * 60);
    assert_eq!(night.pages().len(), 0);
    let id = night.only_of("feed");
    assert_eq!(night.disk.incidents[&id].0.reach, Reach::Unreached);
    assert!(night.disk.story(&id).contains("nobody was reached"));
    for way in ["team-chat", "war-room", "channels.sms", "channels.phone"] {
        night.mood(way, Mood::Takes);
    }
    night.run_for(10 * 60);
    assert!(!night.pages().is_empty());
    assert_eq!(night.disk.incidents[&id].0.reach, Reach::Reached);
}

#[test]
fn what_no_step_can_deliver_goes_to_the_routes_receiver() {
    let mut night = Night::seeded(31);
    for way in ["channels.sms", "channels.phone"] {
        night.mood(way, Mood::Refuses);
    }
    night.fire("pay");
    night.run_for(20 * 60);
    let pages = night.pages();
    assert!(
        pages.iter().any(|page| page.ends_with("firing war-room")),
        "{pages:?}"
    );
    let id = night.only_incident();
    assert_eq!(night.disk.incidents[&id].0.reach, Reach::Reached);
}

#[test]
fn an_empty_step_is_passed_over_not_waited_for() {
    let mut night = Night::seeded(8);
    // No team owns it: im, sms and phone of the owner reach nobody.
    let alert = crate::testing::alert(
        &[
            ("alertname", "X"),
            ("severity", "critical"),
            ("namespace", "travel"),
            ("function", "visa"),
        ],
        model::AlertStatus::Firing,
        night.now,
    );
    night.hand_over(alert);
    night.run_for(60);
    assert_eq!(
        night.pages(),
        ["0:00 firing phone second", "0:00 firing war-room"]
    );
}

#[test]
fn flapping_is_one_incident_and_few_messages() {
    let mut night = Night::seeded(9);
    for _ in 0..10 {
        night.fire("feed");
        night.run_for(10);
        night.resolve("feed");
        night.run_for(10);
    }
    night.only_incident();
    night.run_for(20 * 60);
    let pages = night.pages();
    assert_eq!(
        pages,
        [
            "0:00 firing team-chat",
            "0:10 resolved team-chat",
            "0:20 firing team-chat",
            "5:20 resolved team-chat",
        ],
    );
}

#[test]
fn coming_back_does_not_start_over() {
    let mut night = Night::seeded(10);
    night.fire("feed");
    night.run_for(130);
    night.resolve("feed");
    night.run_for(60);
    night.fire("feed");
    night.run_for(5 * 60);
    // Step 3 comes five minutes after the opening plus the minute it was over.
    assert_eq!(
        night.pages(),
        [
            "0:00 firing team-chat",
            "2:00 firing sms first",
            "2:10 resolved sms first",
            "2:10 resolved team-chat",
            "3:10 firing team-chat",
            "6:00 firing phone first",
        ]
    );
}

#[test]
fn resolved_meanwhile_still_reaches_who_was_told() {
    let mut night = Night::seeded(11);
    night.fire("feed");
    night.run_for(30);
    night.crash(Point::Store);
    night.resolve("feed");
    night.run_for(30);
    assert_eq!(
        night.pages(),
        ["0:00 firing team-chat", "0:30 resolved team-chat"]
    );
}

#[test]
fn a_storm_becomes_few_messages() {
    let mut night = Night::seeded(12);
    let storm: Vec<Alert> = (0..10_000)
        .map(|n| failing(&format!("f{n}"), night.now))
        .collect();
    for chunk in storm.chunks(500) {
        night.step(Event::Alerts(chunk.to_vec()));
        night.run_until(night.now + Duration::from_millis(50));
    }
    night.run_for(20);
    assert!(night.messages <= 20, "{} messages", night.messages);
    let told: BTreeSet<&String> = night.heard.iter().map(|heard| &heard.incident).collect();
    assert_eq!(told.len(), 10_000);
    let digest = night
        .said
        .iter()
        .find(|said| said.incident.alerts_total > 1);
    let digest = &digest.unwrap().incident;
    assert_eq!(
        digest.url.as_deref(),
        Some("https://rampart.example.com/incidents")
    );
    let note = digest.note.as_deref().unwrap();
    assert!(
        note.ends_with("the link leads to the list of incidents"),
        "{note}"
    );
}

#[test]
fn a_machine_that_keeps_an_alert_for_each_incident_hears_of_each() {
    let mut night = Night::seeded(16);
    let chat = "webhook: {url: 'http://127.0.0.1:1/chat'}";
    let alerting = ALERTING.replace(chat, "pagerduty: {routing_key: abc}");
    let (config, teams) = config(&alerting, TEAMS);
    night.policy = Arc::new(Policy::new(config, teams));
    night.step(Event::Reload(Arc::clone(&night.policy)));
    let storm: Vec<Alert> = (0..200)
        .map(|n| failing(&format!("f{n}"), night.now))
        .collect();
    night.step(Event::Alerts(storm));
    night.run_for(110);
    let to_machine = night
        .said
        .iter()
        .filter(|said| said.recipient.name == "team-chat");
    let keys: BTreeSet<&String> = to_machine.clone().map(|said| &said.incident.id).collect();
    // Sixty at once and one a second from then on, each for one incident.
    assert_eq!(to_machine.count(), keys.len());
    assert!(keys.len() >= 150, "{}", keys.len());
}

#[test]
fn one_group_of_ten_thousand_alerts_is_one_message() {
    let mut night = Night::seeded(13);
    let alerts: Vec<Alert> = (0..10_000)
        .map(|n| {
            let mut alert = failing("feed", night.now);
            alert.labels.set("instance", format!("pod-{n}"));
            alert
        })
        .collect();
    for chunk in alerts.chunks(500) {
        night.step(Event::Alerts(chunk.to_vec()));
    }
    night.run_for(60);
    assert_eq!(night.messages, 1);
    let id = night.only_incident();
    assert_eq!(night.disk.incidents[&id].0.alerts_total, 10_000);
}

#[test]
fn a_clock_set_by_a_day_neither_hurries_nor_stops_a_plan() {
    for by in [86_400_i64, -86_400] {
        let mut night = Night::seeded(14);
        night.fire("feed");
        night.run_for(60);
        night.set_clock(by);
        let set_at = night.now;
        night.run_for(50);
        assert_eq!(night.pages().len(), 1, "{by}: {:?}", night.pages());
        night.run_for(20);
        assert_eq!(night.pages().len(), 2, "{by}: {:?}", night.pages());
        assert_eq!(night.heard[1].at.since(set_at).as_secs(), 60);
    }
}

#[test]
fn a_false_alarm_is_quiet_until_it_recovers() {
    let mut night = Night::seeded(15);
    night.fire("feed");
    night.run_for(10);
    let id = night.only_incident();
    let reason = Action::FALSE_ALARM.to_owned();
    night.act(&id, Action::Resolve { reason });
    night.run_for(600);
    let told = night.pages().len();
    night.fire("feed");
    night.run_for(600);
    assert_eq!(night.pages().len(), told, "still the same trouble");
    night.resolve("feed");
    night.run_for(10);
    night.fire("feed");
    night.run_for(10);
    assert_eq!(night.pages().len(), told + 1);
    assert_eq!(night.disk.incidents.len(), 2);
}

#[test]
fn asking_for_the_next_step_twice_brings_one() {
    let mut night = Night::seeded(16);
    night.fire("feed");
    night.run_for(10);
    let id = night.only_incident();
    night.act(&id, Action::Escalate);
    night.act(&id, Action::Escalate);
    night.run_for(10);
    assert_eq!(
        night.pages(),
        ["0:00 firing team-chat", "0:10 firing sms first"]
    );
}

#[test]
fn the_timeline_is_bounded_and_says_what_it_left_out() {
    let mut night = Night::seeded(17);
    night.fire("feed");
    let id = night.only_incident();
    for n in 0..2_000 {
        night.act(
            &id,
            Action::Note {
                text: format!("remark {n}"),
            },
        );
    }
    let incident = night.memory.incident(&id).unwrap();
    assert_eq!(
        incident.timeline.len(),
        crate::pipeline::Incident::ENTRIES_MAX
    );
    assert!(incident.timeline_left_out > 1_400);
    assert!(
        incident
            .timeline
            .front()
            .unwrap()
            .text
            .contains("opened by route")
    );
    assert_eq!(incident.timeline.back().unwrap().text, "remark 1999");
    assert_eq!(night.disk.entries.len(), incident.timeline.len());
}

#[test]
fn the_same_seed_tells_the_same_night() {
    let tell = |seed| {
        let mut night = seeds::live_through(seed);
        night.run_for(60);
        night.pages()
    };
    assert_eq!(tell(99), tell(99));
}
