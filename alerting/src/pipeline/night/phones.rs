//! Nights of texts that do not arrive and numbers that were called too often.

use super::*;
use crate::delivery::Quota;

const MINUTE_AND_HOUR: &[Quota] = &[
    Quota {
        most: 1,
        per: Duration::from_mins(1),
    },
    Quota {
        most: 5,
        per: Duration::from_hours(1),
    },
];

/// A night whose provider of calls counts them.
fn with_quotas() -> Night {
    let mut night = Night::seeded(1);
    let mut policy = Policy::clone(&night.policy);
    let phone = policy
        .config
        .channels
        .get_mut(&crate::config::Medium::Phone)
        .unwrap();
    Arc::make_mut(phone).quotas = MINUTE_AND_HOUR;
    night.policy = Arc::new(policy);
    night.memory = Memory::new(Arc::clone(&night.policy), Mode::Daily, links());
    night
}

#[test]
fn a_text_that_did_not_arrive_brings_the_next_step_at_once() {
    let mut night = Night::seeded(1);
    night.moods("channels.sms", [Mood::Loses(20)]);
    night.fire("feed");
    night.run_for(4 * 60);
    assert_eq!(
        night.pages(),
        ["0:00 firing team-chat", "2:21 firing phone first"],
        "{}",
        night.disk.story(&night.only_incident())
    );
    night.resolve("feed");
    night.run_for(60);
    let told: Vec<String> = night.pages()[2..].to_vec();
    // Whoever did not hear that it began does not hear that it is over.
    assert_eq!(told, ["4:00 resolved team-chat"]);
}

#[test]
fn a_receipt_that_comes_twice_late_or_for_nobody_changes_nothing() {
    let mut night = Night::seeded(1);
    night.moods("channels.sms", [Mood::Loses(20)]);
    night.fire("feed");
    night.run_for(150);
    let before = night.disk.story(&night.only_incident());
    for provider_id in ["3", "2", "nobody's", ""] {
        night.step(Event::Receipt {
            provider_id: provider_id.into(),
            receipt: Receipt::Failed {
                reason: "absent".into(),
            },
        });
    }
    let after = night.disk.story(&night.only_incident());
    assert!(after.matches("did not arrive").count() <= 2, "{after}");
    let acknowledged = night.only_incident();
    night.act(&acknowledged, Action::Acknowledge);
    let pages = night.pages().len();
    night.run_for(25 * 60);
    assert_eq!(night.pages().len(), pages, "{before}");
}

#[test]
fn when_nothing_arrives_the_route_s_receiver_is_told() {
    let mut night = Night::seeded(1);
    night.mood("channels.sms", Mood::Loses(5));
    night.mood("channels.phone", Mood::Loses(5));
    night.fire("pay");
    night.run_for(3 * 60);
    assert_eq!(
        night.pages(),
        ["0:12 firing war-room"],
        "{}",
        night.disk.story(&night.only_incident())
    );
}

#[test]
fn the_sixth_call_in_an_hour_is_not_made_and_the_next_step_does_not_wait() {
    let mut night = with_quotas();
    for function in ["a", "b", "c", "d", "e", "f"] {
        night.fire(function);
        night.run_for(330);
        let id = night.only_of(function);
        night.act(&id, Action::Acknowledge);
        night.run_for(70);
    }
    let calls: Vec<Timestamp> = night
        .heard
        .iter()
        .filter(|heard| heard.address.to_string() == "phone first")
        .map(|heard| heard.at)
        .collect();
    let sixth = night.only_of("f");
    let story = night.disk.story(&sixth);
    assert_eq!(calls.len(), 5, "{calls:?} {story}");
    assert!(
        story.contains(
            "phone first was used 5 times within 1h, as often as the provider allows; waits until"
        ),
        "{story}"
    );
    // Step 4 of 4 calls somebody else.
    let second = night
        .heard
        .iter()
        .find(|heard| heard.incident == sixth && heard.address.to_string() == "phone second");
    // At 33:20 and five minutes, when step 3 was due.
    assert_eq!(second.unwrap().at, at("2026-11-10T18:38:20Z"), "{story}");
    // A restart knows how often the number was called.
    night.die();
    night.fire("g");
    night.run_for(330);
    let story = night.disk.story(&night.only_of("g"));
    assert!(
        story.contains("phone first was used 5 times within 1h"),
        "{story}"
    );
}

#[test]
fn one_call_tells_of_everything_that_waits_for_a_number() {
    let mut night = with_quotas();
    for function in ["a", "b", "c"] {
        night.fire(function);
    }
    night.run_for(5 * 60 + 1);
    let calls: BTreeSet<u64> = night
        .heard
        .iter()
        .filter(|heard| heard.address.to_string() == "phone first")
        .map(|heard| heard.attempt)
        .collect();
    assert_eq!(calls.len(), 1, "{:?}", night.pages());
}
