//! Every edge of the phases as a row, and thousands of seeded nights against what must always hold.

use super::*;
use crate::condition::{Evidence, Why};

/// SplitMix64 (Steele, Lea, Flood 2014): a printed seed always replays the same night.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_000 + seconds)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ok() -> Verdict {
    Verdict::Ok {
        value: 1.0,
        recovered: true,
    }
}

fn in_band() -> Verdict {
    Verdict::Ok {
        value: 0.992,
        recovered: false,
    }
}

fn breach() -> Verdict {
    Verdict::Breach {
        value: 0.5,
        evidence: Evidence::default(),
    }
}

fn unknown() -> Verdict {
    Verdict::Unknown { why: Why::NoCalls }
}

fn pending(held: u64, last_seen: i64) -> Phase {
    Phase::Pending {
        held: seconds(held),
        last_seen: at(last_seen),
    }
}

fn clearing(since: i64, quiet_since: i64) -> Phase {
    Phase::Clearing {
        since: at(since),
        quiet_since: at(quiet_since),
    }
}

fn firing(since: i64) -> Phase {
    Phase::Firing { since: at(since) }
}

/// `for` 10 s, `keep_firing_for` 60 s, every second; all steps happen at second 100.
#[test]
fn every_edge() {
    let slow = Timing {
        hold: seconds(10),
        keep_firing_for: seconds(60),
        every: seconds(1),
    };
    let quick = Timing {
        hold: Duration::ZERO,
        keep_firing_for: Duration::ZERO,
        ..slow
    };
    let fires = vec![Effect::Fire { since: at(100) }];
    let resolves = vec![Effect::Resolve {
        since: at(7),
        at: at(100),
    }];
    let table: Vec<(Phase, Verdict, Timing, Phase, Vec<Effect>)> = vec![
        // Blindness moves nothing.
        (Phase::Inactive, unknown(), quick, Phase::Inactive, vec![]),
        (pending(4, 99), unknown(), slow, pending(4, 99), vec![]),
        (firing(7), unknown(), quick, firing(7), vec![]),
        (clearing(7, 9), unknown(), slow, clearing(7, 9), vec![]),
        // Nothing wrong.
        (Phase::Inactive, ok(), slow, Phase::Inactive, vec![]),
        (Phase::Inactive, in_band(), slow, Phase::Inactive, vec![]),
        // Something wrong.
        (Phase::Inactive, breach(), quick, firing(100), fires.clone()),
        (Phase::Inactive, breach(), slow, pending(0, 100), vec![]),
        (pending(4, 99), breach(), slow, pending(5, 100), vec![]),
        // One look vouches for at most one interval: the 20 s between were not watched.
        (pending(4, 80), breach(), slow, pending(5, 100), vec![]),
        // A clock that went back adds nothing.
        (pending(4, 130), breach(), slow, pending(4, 100), vec![]),
        (pending(9, 99), breach(), slow, firing(100), fires.clone()),
        (pending(9, 99), ok(), slow, Phase::Inactive, vec![]),
        (pending(9, 99), in_band(), slow, Phase::Inactive, vec![]),
        // Firing.
        (firing(7), breach(), slow, firing(7), vec![]),
        (firing(7), in_band(), quick, firing(7), vec![]),
        (firing(7), ok(), slow, clearing(7, 100), vec![]),
        (firing(7), ok(), quick, Phase::Inactive, resolves.clone()),
        // Clearing.
        (clearing(7, 41), ok(), slow, clearing(7, 41), vec![]),
        (
            clearing(7, 40),
            ok(),
            slow,
            Phase::Inactive,
            resolves.clone(),
        ),
        (clearing(7, 41), breach(), slow, firing(7), vec![]),
        (clearing(7, 41), in_band(), slow, firing(7), vec![]),
    ];
    for (row, (before, verdict, timing, after, effects)) in table.into_iter().enumerate() {
        assert_eq!(
            before.advance(&verdict, &timing, at(100)),
            (after, effects),
            "row {row}: {before:?} seeing {verdict:?}"
        );
    }
}

#[test]
fn after_a_gap_the_timers_go_on_from_now() {
    assert_eq!(pending(4, 20).resume(at(100)), pending(4, 100));
    assert_eq!(clearing(7, 20).resume(at(100)), clearing(7, 100));
    assert_eq!(firing(7).resume(at(100)), firing(7));
    assert_eq!(Phase::Inactive.resume(at(100)), Phase::Inactive);
}

/// What an observer without state machine would keep about one night.
#[derive(Default)]
struct Night {
    breach_observed: Duration,
    last_look: Option<Timestamp>,
    quiet_since: Option<Timestamp>,
    told: Vec<Effect>,
}

fn live_through(seed: u64) -> Result<(), String> {
    let mut dice = Dice(seed);
    let timing = Timing {
        hold: seconds(dice.below(20)),
        keep_firing_for: seconds(dice.below(30)),
        every: seconds(1 + dice.below(3)),
    };
    let mut phase = Phase::Inactive;
    let mut night = Night::default();
    let mut now = at(0);
    let mut mood = 0;
    for _ in 0..400 {
        now = now + Duration::from_millis(100 + dice.below(4_000));
        if dice.below(10) == 0 {
            mood = dice.below(4);
        }
        if dice.below(50) == 0 {
            now = now + seconds(dice.below(100_000));
            phase = phase.resume(now);
            night.last_look = Some(now);
            night.quiet_since = night.quiet_since.map(|_| now);
        }
        let verdict = [ok(), breach(), unknown(), in_band()][mood as usize].clone();
        let before = phase;
        let (after, effects) = phase.advance(&verdict, &timing, now);
        check_step(&mut night, before, after, &verdict, &effects, &timing, now)
            .map_err(|why| format!("seed {seed}: {why} at {now}: {before:?} -> {after:?}"))?;
        phase = after;
    }
    Ok(())
}

fn check_step(
    night: &mut Night,
    before: Phase,
    after: Phase,
    verdict: &Verdict,
    effects: &[Effect],
    timing: &Timing,
    now: Timestamp,
) -> Result<(), &'static str> {
    if matches!(verdict, Verdict::Unknown { .. }) && (before != after || !effects.is_empty()) {
        return Err("blindness moved it");
    }
    match verdict {
        Verdict::Breach { .. } => {
            if let (true, Some(last)) = (before.is_active(), night.last_look) {
                night.breach_observed += now.since(last).min(timing.every);
            }
            night.last_look = Some(now);
            night.quiet_since = None;
        }
        Verdict::Ok { recovered, .. } => {
            night.breach_observed = Duration::ZERO;
            if *recovered {
                night.quiet_since.get_or_insert(now);
            } else {
                night.quiet_since = None;
            }
        }
        Verdict::Unknown { .. } => {}
    }
    for effect in effects {
        match effect {
            Effect::Fire { .. } if before.episode_since().is_some() => return Err("paged twice"),
            Effect::Fire { .. } if night.breach_observed < timing.hold => {
                return Err("fired before `for` of observed breach");
            }
            Effect::Resolve { .. } if !matches!(night.told.last(), Some(Effect::Fire { .. })) => {
                return Err("resolved what never fired");
            }
            Effect::Resolve { .. }
                if night
                    .quiet_since
                    .is_none_or(|quiet| now.since(quiet) < timing.keep_firing_for) =>
            {
                return Err("resolved before it was quiet for long enough");
            }
            _ => night.told.push(*effect),
        }
    }
    let told_firing = matches!(night.told.last(), Some(Effect::Fire { .. }));
    if told_firing != after.episode_since().is_some() {
        return Err("what was told and the phase disagree");
    }
    if after == Phase::Inactive {
        night.breach_observed = Duration::ZERO;
    }
    Ok(())
}

#[test]
fn two_thousand_nights_keep_the_invariants() {
    for seed in 0..2_000 {
        if let Err(why) = live_through(seed) {
            panic!("{why}");
        }
    }
}

#[test]
fn a_steady_breach_fires_even_when_ticks_come_late() {
    let timing = Timing {
        hold: seconds(10),
        keep_firing_for: seconds(0),
        every: seconds(1),
    };
    let mut phase = Phase::Inactive;
    let mut looks = 0;
    while phase.episode_since().is_none() {
        // Every third second only: an overloaded machine.
        (phase, _) = phase.advance(&breach(), &timing, at(3 * looks));
        looks += 1;
        assert!(looks < 50, "never fired");
    }
    assert_eq!(looks, 11);
}
