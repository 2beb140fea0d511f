//! Thousands of nights nobody thought of, held against what must always be true.

use super::*;
use crate::pipeline::{Reach, RowState};

/// Nights of one test run; `RAMPART_NIGHTS=100000` asks for more.
const NIGHTS: u64 = 600;
const WAYS: [&str; 4] = ["team-chat", "war-room", "channels.sms", "channels.phone"];
const FUNCTIONS: [&str; 4] = ["feed", "search", "cart", "login"];

/// A night of two hours full of trouble; then everything works again and all alerts resolve.
pub(super) fn live_through(seed: u64) -> Night {
    let mut night = Night::seeded(seed);
    let crash_chance = [0.0, 0.02, 0.15][usize::try_from(seed % 3).unwrap()];
    for _ in 0..80 {
        trouble(&mut night, crash_chance);
        let pause = night.rng.random_range(0..180);
        night.run_for(pause);
    }
    night.crash_at = None;
    for way in WAYS {
        night.moods.remove(way);
        night.mood(way, Mood::Takes);
    }
    // Long enough for every unreached incident to be tried again.
    night.run_for(15 * 60);
    for function in FUNCTIONS {
        night.resolve(function);
    }
    night.run_for(2 * 3_600);
    night
}

fn trouble(night: &mut Night, crash_chance: f64) {
    if night.rng.random_bool(crash_chance) {
        let points = [Point::Store, Point::Call, Point::Record];
        let point = points[night.rng.random_range(0..points.len())];
        night.crash(point);
    }
    let function = FUNCTIONS[night.rng.random_range(0..FUNCTIONS.len())];
    let way = WAYS[night.rng.random_range(0..WAYS.len())];
    match night.rng.random_range(0..12) {
        0..=3 => {
            if night.firing.contains_key(function) {
                night.resolve(function);
            } else {
                night.fire(function);
            }
        }
        4 | 5 => {
            let ids: Vec<String> = night.disk.incidents.keys().cloned().collect();
            if ids.is_empty() {
                return;
            }
            let id = ids[night.rng.random_range(0..ids.len())].clone();
            let action = match night.rng.random_range(0..6) {
                0 | 1 => Action::Acknowledge,
                2 => Action::Snooze(Duration::from_mins(5)),
                3 => Action::Escalate,
                4 => Action::Resolve {
                    reason: "fixed".into(),
                },
                _ => Action::Note {
                    text: "looking".into(),
                },
            };
            night.act(&id, action);
        }
        6 => night.mood(way, Mood::Takes),
        7..=9 => {
            let mood = any_mood(night);
            night.moods(way, [mood]);
        }
        10 => {
            let mood = any_mood(night);
            night.mood(way, mood);
        }
        _ => night.die(),
    }
}

fn any_mood(night: &mut Night) -> Mood {
    let seconds = night.rng.random_range(1..700);
    let moods = [
        Mood::Takes,
        Mood::Slow(seconds % 30),
        Mood::Fails,
        Mood::Refuses,
        Mood::Shuts(seconds),
        Mood::TakesSilently,
        Mood::Hangs,
    ];
    moods[night.rng.random_range(0..moods.len())]
}

#[test]
fn what_must_hold_holds_after_even_nights() {
    what_must_hold(0);
}

#[test]
fn what_must_hold_holds_after_odd_nights() {
    what_must_hold(1);
}

fn what_must_hold(first: u64) {
    let asked = std::env::var("RAMPART_NIGHTS").ok();
    let nights = asked.map_or(NIGHTS, |count| count.parse().unwrap());
    for seed in (first..nights).step_by(2) {
        let night = live_through(seed);
        everybody_is_reached_or_it_shows(&night);
        duplicates_have_their_reason(&night);
        the_end_reaches_whom_the_beginning_reached(&night);
        nothing_is_left_over(&night);
        let wrong = &night.wrongly_paged;
        assert!(wrong.is_empty(), "seed {seed}: paged in vain: {wrong:?}");
    }
}

fn everybody_is_reached_or_it_shows(night: &Night) {
    for (id, (incident, _)) in &night.disk.incidents {
        let heard = night
            .heard
            .iter()
            .any(|heard| heard.incident == *id && heard.kind == MessageKind::Firing);
        if heard {
            continue;
        }
        let story = night.disk.story(id);
        let visible = incident.reach == Reach::Unreached
            || story.contains("resolved before anybody was")
            || story.contains("resolved: fixed")
            || story.contains("acknowledged by");
        assert!(
            visible,
            "seed {}: nobody heard of {id}\n{story}",
            night.seed
        );
    }
    // Nothing that fired was lost on the way in.
    assert!(night.unsent.is_empty(), "seed {}", night.seed);
}

fn duplicates_have_their_reason(night: &Night) {
    let mut taken: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for heard in &night.heard {
        taken.entry(heard.row).or_default().insert(heard.attempt);
    }
    for (row, attempts) in taken {
        let row = &night.disk.outbox[&row];
        let costly = row.address.costs();
        let most = if night.doubts.contains(&row.id) && !costly {
            2
        } else {
            1
        };
        assert!(
            attempts.len() <= most,
            "seed {}: {} times {row:?}\n{}",
            night.seed,
            attempts.len(),
            night.disk.story(&row.incident)
        );
    }
}

fn the_end_reaches_whom_the_beginning_reached(night: &Night) {
    for id in night.disk.incidents.keys() {
        let to = |kinds: &[MessageKind]| -> BTreeSet<&Address> {
            let heard = night.heard.iter();
            heard
                .filter(|heard| heard.incident == *id && kinds.contains(&heard.kind))
                .map(|heard| &heard.address)
                .collect()
        };
        let began = to(&[MessageKind::Firing, MessageKind::Reminder]);
        let ended = to(&[MessageKind::Resolved]);
        let story = || night.disk.story(id);
        for address in &began {
            // A text message of unknown outcome is not followed up; a call only tells the end to
            // those whom nothing else told. What could not be delivered says so.
            let excused = (address.costs() && in_doubt(night, id, address))
                || (address.is_call() && began.iter().any(|other| !other.is_call()))
                || story().contains(&format!("{address} does not know that it is over"));
            assert!(
                ended.contains(address) || excused,
                "seed {}: {address} never heard the end of {id}\n{}",
                night.seed,
                story()
            );
        }
        for address in &ended {
            let may_have = in_doubt(night, id, address);
            assert!(
                began.contains(address) || may_have,
                "seed {}: {address} heard only the end of {id}\n{}",
                night.seed,
                story()
            );
        }
    }
}

/// Whether the pipeline could not know if this address got a first message.
fn in_doubt(night: &Night, incident: &str, address: &Address) -> bool {
    night.disk.outbox.values().any(|row| {
        row.incident == incident
            && row.address == *address
            && (row.state == RowState::Unknown || night.doubts.contains(&row.id))
    })
}

fn nothing_is_left_over(night: &Night) {
    let waiting: Vec<_> = night
        .disk
        .outbox
        .values()
        .filter(|row| !row.state.is_final())
        .collect();
    assert!(waiting.is_empty(), "seed {}: {waiting:?}", night.seed);
    for (id, (incident, active)) in &night.disk.incidents {
        assert_eq!(
            incident.status,
            IncidentStatus::Resolved,
            "seed {}: {id}\n{}",
            night.seed,
            night.disk.story(id)
        );
        assert!(!active, "seed {}: {id} is still in memory", night.seed);
    }
    assert_eq!(night.memory.incidents().count(), 0, "seed {}", night.seed);
}
