//! Thousands of nights nobody thought of, held against what must always be true.

use super::invariants;
use super::*;

/// Nights of one test run; `RAMPART_NIGHTS=100000` asks for more.
const NIGHTS: u64 = 600;
const WAYS: [&str; 4] = ["team-chat", "war-room", "channels.sms", "channels.phone"];
const FUNCTIONS: [&str; 5] = ["feed", "search", "cart", "login", "pay"];

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
    for function in FUNCTIONS {
        night.expire(function);
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
    match night.rng.random_range(0..15) {
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
        11 | 12 => {
            let seconds = night.rng.random_range(1..1_200);
            night.silence(function, seconds);
        }
        13 => night.expire(function),
        _ => {
            let long = night.rng.random_bool(0.5);
            let seconds = if long {
                night.rng.random_range(0..1_800)
            } else {
                0
            };
            night.die_for(seconds);
        }
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
        invariants::hold(&night);
        let wrong = &night.wrongly_paged;
        assert!(wrong.is_empty(), "seed {seed}: paged in vain: {wrong:?}");
    }
}
