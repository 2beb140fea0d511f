//! The cases that break such systems, and which test holds each.
//!
//! | case | held by |
//! |---|---|
//! | crash between the provider's yes and our record | `stories::a_crash_after_the_provider_took_it_costs_one_duplicate`, `seeds` |
//! | crash before anything is on disk | `stories::a_crash_before_anything_is_on_disk_loses_nothing` |
//! | restart with the alert resolved meanwhile | `stories::resolved_meanwhile_still_reaches_who_was_told` |
//! | fires and resolves within `group_wait` | [`what_is_over_within_group_wait_wakes_nobody`] |
//! | clock back and forward 24 h | `stories::a_clock_set_by_a_day_neither_hurries_nor_stops_a_plan`, `seeds` |
//! | gap and overlap: exactly one on call | `oncall::tests::every_change_of_clocks_has_exactly_one_person`, `replay`, `seeds` |
//! | person removed mid-shift | `duty::a_person_removed_mid_shift_is_not_called` |
//! | shift that begins while nothing runs | `duty::a_shift_that_began_while_nothing_ran_is_noticed` |
//! | empty step | `stories::an_empty_step_is_passed_over_not_waited_for` |
//! | flapping faster than `group_interval` | `stories::flapping_is_one_incident_and_few_messages`, `stories::coming_back_does_not_start_over`, `returns` |
//! | HTTP 200 with an error code | `channel::tests::dingtalk::codes_say_whether_to_try_again`, `channel::tests::rooms`, `channel::tests::phones` |
//! | Retry-After in seconds, as date, absent | `channel::tests::webhook::refusals_say_whether_to_try_again`, `retry_after_may_be_a_date` |
//! | Retry-After longer than the step | `stories::a_shut_door_brings_the_next_step_at_once` |
//! | ten minutes of penalty in a storm | [`a_penalty_in_a_storm_becomes_one_message_and_the_next_step`] |
//! | text message whose answer is lost | `channel::tests::phones::a_lost_answer_is_looked_up_and_never_sent_again`, [`a_text_of_unknown_fate_is_not_repeated_and_the_next_step_follows`] |
//! | text message whose receipt fails | `phones::a_text_that_did_not_arrive_brings_the_next_step_at_once` |
//! | sixth call in an hour | `phones::the_sixth_call_in_an_hour_is_not_made_and_the_next_step_does_not_wait` |
//! | Chinese cut by bytes keeps characters, @mobile and link | `channel::tests::dingtalk::long_chinese_is_cut_but_mention_and_link_stay`, `message::tests` |
//! | part of a step fails | [`only_what_failed_is_sent_again`] |
//! | acknowledged while it resolves | [`an_acknowledgement_that_crosses_the_end_changes_nothing`] |
//! | acknowledging takes back queued texts and calls | [`an_acknowledgement_takes_back_what_still_waits`] |
//! | key pressed twice, forged, replayed, stale | `api::tests::a_key_pressed_in_a_call_acts_and_is_answered_aloud`, `a_callback_that_the_provider_did_not_sign_does_nothing` |
//! | forgotten acknowledgement | `stories::an_acknowledgement_ends_it_until_it_is_forgotten` |
//! | storm of ten thousand alerts | `stories::a_storm_becomes_few_messages`, `benches/alerting.rs` |
//! | a way that keeps failing | `watch` |
//! | database that takes nothing | `engine::tests::a_failing_disk_keeps_no_message_back` |

use super::*;

#[test]
fn what_is_over_within_group_wait_wakes_nobody() {
    let yaml = ALERTING.replacen(
        "  receiver: war-room\n  routes:",
        "  receiver: war-room\n  group_wait: 30s\n  routes:",
        1,
    );
    assert_ne!(yaml, ALERTING);
    let (config, teams) = config(&yaml, TEAMS);
    let mut night = Night::new(1, config, teams, at(START));
    night.fire("feed");
    night.run_for(20);
    night.resolve("feed");
    night.run_for(10 * 60);
    assert_eq!(night.pages(), [""; 0]);
    let story = night.disk.story(&night.only_incident());
    assert!(story.contains("resolved before anybody was"), "{story}");
    night.fire("feed");
    night.run_for(31);
    assert_eq!(
        night.pages(),
        ["10:50 firing team-chat"],
        "it is not forgotten either"
    );
}

#[test]
fn a_penalty_in_a_storm_becomes_one_message_and_the_next_step() {
    let mut night = Night::seeded(1);
    night.moods("team-chat", [Mood::Shuts(600)]);
    for n in 0..40 {
        night.fire(&format!("f{n}"));
    }
    night.run_for(5);
    // The first answer shuts the chat for ten minutes: what was under way by then arrived, and for all
    // others the next step, two minutes later by plan, came at once.
    let told: BTreeSet<&str> = night
        .heard
        .iter()
        .map(|heard| heard.incident.as_str())
        .collect();
    assert_eq!(told.len(), 40);
    let texts = night
        .heard
        .iter()
        .filter(|heard| heard.address.to_string() == "sms first");
    assert!(texts.count() >= 30, "{:?}", night.pages());
    night.run_for(11 * 60);
    let chat = night
        .said
        .iter()
        .filter(|said| said.recipient.name == "team-chat");
    let chat: Vec<&str> = chat.map(|said| said.incident.title.as_str()).collect();
    assert!(
        chat.len() <= 16,
        "{} messages for forty incidents: {chat:?}",
        chat.len()
    );
    assert!(
        chat.iter().any(|title| title.ends_with("incidents open")),
        "{chat:?}"
    );
}

#[test]
fn a_text_of_unknown_fate_is_not_repeated_and_the_next_step_follows() {
    let mut night = Night::seeded(1);
    night.moods("channels.sms", [Mood::TakesSilently]);
    night.fire("feed");
    night.run_for(3 * 60);
    assert_eq!(
        night.pages(),
        [
            "0:00 firing team-chat",
            "2:00 firing sms first",
            "2:10 firing phone first"
        ]
    );
}

#[test]
fn only_what_failed_is_sent_again() {
    let mut night = Night::seeded(1);
    night.moods("war-room", [Mood::Fails, Mood::Fails]);
    night.fire("feed");
    night.run_for(12 * 60);
    let last = night.pages().split_off(3);
    // Step 4 is a call and the war room: the call is made once, the room is tried until it takes it.
    assert_eq!(last, ["10:00 firing phone second", "10:03 firing war-room"]);
}

#[test]
fn an_acknowledgement_that_crosses_the_end_changes_nothing() {
    for resolves_first in [true, false] {
        let mut night = Night::seeded(1);
        night.fire("feed");
        night.run_for(60);
        let id = night.only_incident();
        if resolves_first {
            night.resolve("feed");
            night.act(&id, Action::Acknowledge);
        } else {
            night.act(&id, Action::Acknowledge);
            night.resolve("feed");
        }
        night.run_for(20 * 60);
        let pages = night.pages();
        assert_eq!(pages.len(), 2, "{pages:?}");
        assert!(pages[1].ends_with("resolved team-chat"), "{pages:?}");
        assert_eq!(night.disk.incidents[&id].0.status, IncidentStatus::Resolved);
    }
}

#[test]
fn an_acknowledgement_takes_back_what_still_waits() {
    let mut night = Night::seeded(1);
    // Neither is refused for good: both would be tried again and again.
    night.mood("channels.sms", Mood::Shuts(15));
    night.mood("channels.phone", Mood::Fails);
    night.fire("pay");
    night.run_for(70);
    let id = night.only_of("pay");
    night.act(&id, Action::Acknowledge);
    for way in ["channels.sms", "channels.phone"] {
        night.mood(way, Mood::Takes);
    }
    night.run_for(25 * 60);
    assert_eq!(night.pages(), [""; 0]);
    let story = night.disk.story(&id);
    assert!(
        story.contains("message to sms first not sent: it was acknowledged"),
        "{story}"
    );
    assert!(
        story.contains("message to phone first not sent: it was acknowledged"),
        "{story}"
    );
    night.resolve("pay");
    night.run_for(60);
    assert_eq!(night.pages(), [""; 0], "nobody heard that it began");
}
