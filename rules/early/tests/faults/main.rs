//! The detector in the simulated world, short and seeded: what it must find, and what it must not
//! take for a fault. `make bench-faults` measures the same at length.

#![allow(clippy::unwrap_used)] // a test

#[path = "mod.rs"]
#[allow(dead_code)] // the benchmark uses the rest
mod faults;

use early::{Change, Detector, Look, RecordError, Settings, divergence};
use faults::measure::{Delays, Harmless, Watched, add_up, disturb, feed, snapshots, strike};
use faults::world::{Bursts, HEALTHY, World, Wrong};

/// Enough to have learned.
const DAYS: u64 = 9;
const TRIALS: u64 = 12;

fn learned(seed: u64, qps: f64, bursts: Bursts, dispersion: f64) -> Watched {
    let world = World::new(seed, qps, bursts, dispersion);
    let mut watched = Watched::new(world, Settings::default());
    let pages = watched.clean_days(DAYS);
    assert_eq!(pages.early, 0, "seed {seed}: pages while learning");
    assert!(!watched.early.is_learning());
    watched
}

fn failing(share: f64) -> Wrong {
    Wrong {
        failing: share,
        ..Wrong::default()
    }
}

fn mean_calls(starts: &[Watched], share: f64) -> f64 {
    let mut delays = Delays::default();
    for seed in 0..TRIALS {
        strike(starts, seed, 7_200, &|_| failing(share), &mut delays);
    }
    let found: Vec<f64> = delays
        .early
        .iter()
        .flatten()
        .map(|delay| delay.calls)
        .collect();
    assert_eq!(
        found.len(),
        TRIALS as usize,
        "a fault of {share} was missed"
    );
    found.iter().sum::<f64>() / found.len() as f64
}

/// The target: 1.5 times Lorden's yardstick and one look, at dispersion 1.
#[test]
fn faults_are_found_near_the_yardstick() {
    let mut watched = learned(7, 100.0, Bursts::None, 1.0);
    let starts = snapshots(&watched);
    let seconds = early::PAGE_EVERY_DEFAULT.as_secs_f64();
    let (_, block) = watched.early.burstiness();
    assert!(
        (block - 1.0).abs() < 1e-9,
        "independent failures need no long blocks"
    );
    for share in [0.5, 0.1, 0.02, 0.01] {
        let yardstick = (seconds / block).ln() / divergence(share, HEALTHY);
        let found = mean_calls(&starts, share);
        assert!(
            found <= 1.5 * yardstick + 10.0,
            "{share}: {found} calls, yardstick {yardstick}"
        );
    }
    assert_eq!(watched.clean_days(3).early, 0);
}

#[test]
fn bursts_do_not_page_and_faults_among_them_do() {
    for (seed, bursts) in [(1, Bursts::Seconds), (2, Bursts::Clumps), (3, Bursts::Pods)] {
        let mut watched = learned(seed, 100.0, bursts, 3.0);
        let (correlation, _) = watched.early.burstiness();
        assert!(correlation > 0.001, "{bursts:?}: {correlation}");
        let starts = snapshots(&watched);
        let found = mean_calls(&starts, 0.5);
        assert!(found < 1_000.0, "{bursts:?}: {found} calls at 50 % failing");
        let found = mean_calls(&starts, 0.02);
        assert!(found < 30_000.0, "{bursts:?}: {found} calls at 2 % failing");
        assert_eq!(watched.clean_days(3).early, 0, "{bursts:?}");
    }
}

#[test]
fn lateness_campaigns_and_limits_are_no_faults() {
    let starts = snapshots(&learned(4, 100.0, Bursts::Seconds, 3.0));
    for harmless in [Harmless::Late, Harmless::Campaign, Harmless::Limited] {
        for seed in 0..12 {
            let pages = disturb(&starts, seed, harmless);
            assert_eq!(pages.early, 0, "{harmless:?}, seed {seed}");
        }
    }
}

/// A blip of the kind that is part of the function's health.
#[test]
fn a_pod_that_blips_as_pods_here_do_is_no_fault() {
    let starts = snapshots(&learned(5, 100.0, Bursts::Pods, 3.0));
    for seed in 0..24 {
        let pages = disturb(&starts, seed, Harmless::Blip);
        assert_eq!(pages.early, 0, "seed {seed}");
    }
}

#[test]
fn a_fault_that_ends_recovers_after_a_quiet_minute() {
    let mut watched = learned(6, 100.0, Bursts::None, 1.0);
    let (mut paged, mut recovered) = (None, None);
    for after in 0..900_u64 {
        let share = if after < 120 { 0.3 } else { 0.0 };
        let (second, slots) = watched.world.next(failing(share));
        for (index, (calls, failed)) in slots.into_iter().enumerate() {
            let look = Look {
                at_ms: second * 1_000 + index as u64 * 100,
                calls,
                failed,
                clean: true,
            };
            match watched.early.look(look) {
                Some(Change::Failing(evidence)) => {
                    assert_eq!(paged, None, "one page an episode");
                    assert!(evidence.failed >= early::FAILED_MIN);
                    assert!(evidence.log_odds >= evidence.threshold);
                    paged = Some(after);
                }
                Some(Change::Recovered) => recovered = recovered.or(Some(after)),
                _ => {}
            }
        }
    }
    assert!(paged.unwrap() <= 1);
    let recovered = recovered.unwrap();
    assert!((179..240).contains(&recovered), "{recovered}");
    assert!(!watched.early.is_failing());
}

/// While it learns, evidence counts a quarter, yet an outage is found.
#[test]
fn an_outage_of_a_new_function_is_found_while_learning() {
    let mut watched = Watched::new(World::new(8, 100.0, Bursts::None, 1.0), Settings::default());
    watched.clean_seconds(7_200);
    assert!(watched.early.is_learning());
    for after in 0..600 {
        let (second, slots) = watched.world.next(failing(1.0));
        if let Some((_, Change::Failing(evidence))) =
            feed(&mut watched.early, second, &slots, false)
        {
            assert!(evidence.learning && evidence.to_string().ends_with("still learning"));
            assert!(after < 30, "{after} s");
            return;
        }
    }
    panic!("not found");
}

/// A new function fails from its fifth minute to its eighth. Gives after how many seconds it paged and
/// how many seconds after the end of the fault it was healthy again.
fn while_learning(seed: u64, world: World, share: f64) -> (Option<u64>, Option<u64>) {
    let mut watched = Watched::new(world, Settings::default());
    watched.clean_seconds(300);
    let (mut paged, mut recovered) = (None, None);
    for after in 0..1_800 {
        let wrong = failing(if after < 180 { share } else { 0.0 });
        let (second, slots) = watched.world.next(wrong);
        for (index, (calls, failed)) in slots.into_iter().enumerate() {
            let change = watched.early.look(Look {
                at_ms: second * 1_000 + index as u64 * 100,
                calls,
                failed,
                clean: true,
            });
            match change {
                Some(Change::Failing(_)) => {
                    assert_eq!(recovered, None, "seed {seed}, {share}: paged again");
                    paged = paged.or(Some(after));
                }
                Some(Change::Recovered) => recovered = Some(after),
                _ => {}
            }
        }
    }
    (paged, recovered.map(|after| after.saturating_sub(180)))
}

/// How bursts come is not known yet: single healthy failures among many calls must not pass for a
/// fault whose calls fail together, or the page would stay for hours.
#[test]
fn a_fault_that_ends_while_learning_is_let_go_in_minutes() {
    for (qps, shares) in [(20.0, [0.5, 1.0]), (100.0, [0.2, 1.0]), (400.0, [0.2, 1.0])] {
        for (share, seed) in shares
            .into_iter()
            .flat_map(|share| (0..6).map(move |seed| (share, seed)))
        {
            for (bursts, dispersion) in [(Bursts::None, 1.0), (Bursts::Clumps, 3.0)] {
                let world = World::new(seed, qps, bursts, dispersion);
                let (paged, back) = while_learning(seed, world, share);
                let story =
                    format!("{qps} QPS, {share}, {bursts:?}, seed {seed}: {paged:?}, {back:?}");
                assert!(paged.is_some_and(|after| after < 180), "{story}");
                assert!(back.is_some_and(|after| after <= 240), "{story}");
            }
        }
    }
}

/// Whatever length its blocks have: those of 26 or 11 s reach from one hour into the next.
#[test]
fn every_clean_hour_is_learned_from() {
    for qps in [1.0, 2.3] {
        let mut watched = Watched::new(World::new(11, qps, Bursts::None, 1.0), Settings::default());
        watched.clean_days(10);
        assert!(watched.early.clean_days() >= 9, "{qps} QPS");
    }
}

/// Time that is not clean teaches nothing.
#[test]
fn sales_and_incidents_are_not_learned_from() {
    let mut world = World::new(9, 100.0, Bursts::None, 1.0);
    let mut detector = Detector::new(Settings::default());
    for _ in 0..2 * 86_400 {
        let (second, slots) = world.next(Wrong::default());
        feed(&mut detector, second, &slots, false);
    }
    assert_eq!(detector.clean_days(), 0);
}

/// A restart in the middle changes nothing: same pages at the same looks, byte for byte.
#[test]
fn a_record_takes_everything_over() {
    let watched = learned(10, 100.0, Bursts::Seconds, 3.0);
    let mut world = watched.world.clone();
    let mut through = watched.early;
    let mut seen = Vec::new();
    for after in 0..4_000_u64 {
        // Restarts in health, in excursions, while failing and while recovering.
        let share = if (1_000..1_060).contains(&after) {
            0.2
        } else {
            0.0
        };
        let (second, slots) = world.next(failing(share));
        let record = through.to_record();
        let mut restarted = Detector::from_record(Settings::default(), &record).unwrap();
        assert!(restarted.to_record() == record, "second {after}");
        let (calls, failed) = add_up(&slots);
        let look = Look {
            at_ms: second * 1_000,
            calls,
            failed,
            clean: true,
        };
        // Thresholds are drawn anew from the peaks at a restart, so they may differ in the third digit.
        let counts = |change| match change {
            Some(Change::Failing(evidence)) => Some(("failing", evidence.calls, evidence.failed)),
            Some(Change::StillFailing(evidence)) => {
                Some(("still", evidence.calls, evidence.failed))
            }
            Some(Change::Recovered) => Some(("recovered", 0, 0)),
            None => None,
        };
        let found = counts(through.look(look));
        seen.extend(found.map(|(change, ..)| change));
        assert_eq!(found, counts(restarted.look(look)), "second {after}");
        assert!(
            through.to_record() == restarted.to_record(),
            "second {after}"
        );
    }
    assert_eq!(
        (seen.first(), seen.last()),
        (Some(&"failing"), Some(&"recovered"))
    );
    let size = through.to_record().len();
    assert!(size < 2_048, "{size} bytes");
}

#[test]
fn a_damaged_record_is_refused() {
    let record = Detector::new(Settings::default()).to_record();
    let read = |bytes: &[u8]| Detector::from_record(Settings::default(), bytes).map(|_| ());
    assert_eq!(read(&record), Ok(()));
    for end in 0..record.len() {
        assert_eq!(read(&record[..end]), Err(RecordError::Damaged), "{end}");
    }
    let longer = [record.as_slice(), &[0]].concat();
    assert_eq!(read(&longer), Err(RecordError::Damaged));
    let newer = [&[9], &record[1..]].concat();
    assert_eq!(read(&newer), Err(RecordError::Version(9)));
    let not_a_number = {
        let mut bytes = record.clone();
        bytes[41..49].copy_from_slice(&f64::NAN.to_le_bytes());
        bytes
    };
    assert_eq!(read(&not_a_number), Err(RecordError::Damaged));
}

/// The same seed gives the same world.
#[test]
fn worlds_are_repeatable() {
    let days = |seed| {
        let mut world = World::new(seed, 20.0, Bursts::Waves, 3.0);
        (0..5_000)
            .map(|_| world.next(Wrong::default()).1)
            .collect::<Vec<_>>()
    };
    assert_eq!(days(3), days(3));
    assert_ne!(days(3), days(4));
}
