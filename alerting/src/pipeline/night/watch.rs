//! Nights in which a way keeps failing.

use super::*;

fn about(night: &Night) -> Vec<String> {
    let told = night
        .said
        .iter()
        .filter(|said| said.incident.title.contains("ChannelFailing"));
    told.map(|said| format!("{} {}", said.kind.as_str(), said.recipient.name))
        .collect()
}

#[test]
fn a_way_that_keeps_failing_is_told_by_another_and_so_is_its_end() {
    let mut night = Night::seeded(1);
    night.mood("war-room", Mood::Fails);
    night.fire("batch");
    night.run_for(55);
    assert_eq!(about(&night), [""; 0], "a hiccup is not told");
    night.run_for(60);
    assert_eq!(about(&night), ["firing team-chat"]);
    let said = night
        .said
        .iter()
        .find(|said| said.incident.title.contains("ChannelFailing"));
    let summary = &said.unwrap().incident.alerts[0].annotations["summary"];
    assert!(summary.starts_with("war-room failed"), "{summary}");
    // A restart neither tells it again nor forgets that it is to end.
    night.die();
    night.run_for(60);
    night.mood("war-room", Mood::Takes);
    night.run_for(3 * 60);
    assert_eq!(about(&night), ["firing team-chat", "resolved team-chat"]);
}

#[test]
fn a_way_that_asks_to_wait_works() {
    let mut night = Night::seeded(1);
    night.mood("war-room", Mood::Shuts(5));
    night.fire("batch");
    night.run_for(10 * 60);
    assert_eq!(about(&night), [""; 0]);
}

#[test]
fn when_every_way_fails_it_is_told_once_one_works() {
    let mut night = Night::seeded(1);
    for way in ["war-room", "team-chat", "channels.sms", "channels.phone"] {
        night.mood(way, Mood::Fails);
    }
    night.fire("feed");
    night.run_for(20 * 60);
    assert!(night.heard.is_empty());
    night.mood("war-room", Mood::Takes);
    night.run_for(10 * 60);
    let heard = night
        .heard
        .iter()
        .any(|heard| heard.address.to_string() == "war-room");
    assert!(heard, "{:?}", night.pages());
}
