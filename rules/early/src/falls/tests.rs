//! Simulated traffic: what pages and how soon, what does not, and what is remembered.

use super::*;

/// Numbers for a simulation; the seed is in every message.
struct Dice(u64);

impl Dice {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((word ^ (word >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About normal: the sum of twelve uniform numbers.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

/// Traffic with a curve of the day, and steps that scatter as κ says.
struct Traffic {
    dice: Dice,
    per_step: f64,
    kappa: f64,
    at: u64,
}

impl Traffic {
    fn usual(&self) -> f64 {
        let of_day = (self.at % STEPS_A_DAY) as f64 / STEPS_A_DAY as f64;
        self.per_step * (1.0 - 0.5 * (of_day * std::f64::consts::TAU).cos())
    }

    fn step(&mut self, share: f64) -> Step {
        self.at += 1;
        let usual = self.usual();
        let mean = usual * share;
        let deviation = (mean + mean * mean / self.kappa).sqrt();
        let calls = (mean + deviation * self.dice.normal()).max(0.0).round() as u64;
        Step {
            at_ms: self.at * 10_000,
            calls,
            usual,
            clean: true,
        }
    }
}

fn learned(per_step: f64, kappa: f64, days: u64, seed: u64) -> (Falls, Traffic, usize) {
    let mut traffic = Traffic {
        dice: Dice(seed),
        per_step,
        kappa,
        at: 0,
    };
    let mut falls = Falls::new(FallSettings::default());
    let mut pages = 0;
    for _ in 0..days * STEPS_A_DAY {
        pages += usize::from(falls.step(traffic.step(1.0)).is_some());
    }
    (falls, traffic, pages)
}

/// Steps until a page when only this share of the calls comes.
fn delay(falls: &mut Falls, traffic: &mut Traffic, share: f64) -> Option<usize> {
    (1..=60).find(|_| {
        matches!(
            falls.step(traffic.step(share)),
            Some(FallChange::Falling(_))
        )
    })
}

#[test]
fn healthy_weeks_do_not_page_and_teach_the_scatter() {
    for (per_step, kappa) in [(100.0, 50.0), (1_000.0, 30.0), (10_000.0, 100.0)] {
        let (falls, _, pages) = learned(per_step, kappa, 30, 7);
        assert_eq!(pages, 0, "{per_step} calls a step, seed 7");
        let fitted = falls.kappa.unwrap();
        assert!(
            (0.6..1.6).contains(&(fitted / kappa)),
            "{fitted} against {kappa}"
        );
    }
}

/// The middle one of fifty seeds, and the last.
fn delays(per_step: f64, kappa: f64, share: f64) -> [Option<usize>; 2] {
    let mut steps: Vec<Option<usize>> = (0..50)
        .map(|seed| {
            let (mut falls, traffic, _) = learned(per_step, kappa, 9, seed);
            assert!(!falls.is_learning());
            let mut after = Traffic {
                dice: Dice(1_000 + seed),
                ..traffic
            };
            delay(&mut falls, &mut after, share)
        })
        .collect();
    // A miss comes last.
    steps.sort_by_key(|found| found.unwrap_or(usize::MAX));
    [steps[25], steps[49]]
}

/// The promise: silence after a step at 10 to 100 calls a second, half the traffic after a minute in
/// the median.
#[test]
fn silence_pages_after_a_step_and_half_the_traffic_within_a_minute_in_the_median() {
    for per_step in [100.0, 1_000.0] {
        let [middle, last] = delays(per_step, 50.0, 0.0);
        assert_eq!((middle, last), (Some(1), Some(1)), "silence, {per_step}");
        let [middle, last] = delays(per_step, 50.0, 0.5);
        assert!(middle.unwrap() <= 6, "{per_step}: {middle:?} steps");
        assert!(last.unwrap() <= 18, "{per_step}: {last:?} steps");
    }
}

/// Campaigns end and moods change: a fifth fewer calls from one step to the next is none.
#[test]
fn a_fifth_less_does_not_page() {
    for seed in 0..20 {
        let (mut falls, mut traffic, _) = learned(1_000.0, 50.0, 9, seed);
        for step in 0..STEPS_A_DAY / 2 {
            let change = falls.step(traffic.step(0.8));
            assert_eq!(change, None, "step {step}, seed {seed}");
        }
    }
}

/// Where half of the calls are missing for good, the page stays until the level has followed, instead
/// of ending and coming back.
#[test]
fn an_episode_does_not_end_at_a_share_that_pages_again() {
    for seed in 0..20 {
        let (mut falls, mut traffic, _) = learned(1_000.0, 50.0, 9, seed);
        delay(&mut falls, &mut traffic, 0.5).unwrap();
        for step in 0..360 {
            let change = falls.step(traffic.step(0.5));
            let ended = change == Some(FallChange::Recovered);
            assert!(!ended, "after {step} steps, seed {seed}");
        }
    }
}

#[test]
fn a_page_recovers_once_calls_are_back() {
    let (mut falls, mut traffic, _) = learned(1_000.0, 50.0, 9, 5);
    delay(&mut falls, &mut traffic, 0.0).unwrap();
    assert!(falls.is_falling());
    let back = (1..=60)
        .find(|_| falls.step(traffic.step(1.0)) == Some(FallChange::Recovered))
        .unwrap();
    assert!((6..=8).contains(&back), "{back} steps: not before a minute");
    assert!(!falls.is_falling());
}

#[test]
fn a_slow_decline_moves_the_level_and_does_not_page() {
    let (mut falls, mut traffic, _) = learned(1_000.0, 50.0, 9, 6);
    for step in 0..2 * STEPS_A_DAY {
        let share = 1.0 - 0.5 * step as f64 / (2 * STEPS_A_DAY) as f64;
        assert_eq!(falls.step(traffic.step(share)), None, "step {step}, seed 6");
    }
    assert!((0.45..0.6).contains(&falls.level()), "{}", falls.level());
}

#[test]
fn memory_survives_and_damage_is_refused() {
    let (mut falls, mut traffic, _) = learned(300.0, 20.0, 8, 9);
    delay(&mut falls, &mut traffic, 0.1).unwrap();
    let record = falls.to_record();
    assert!(record.len() < 1_700, "{} bytes", record.len());
    let read = Falls::from_record(FallSettings::default(), &record).unwrap();
    assert_eq!(read, falls);
    assert_eq!(
        Falls::from_record(FallSettings::default(), &record[..record.len() - 1]),
        Err(RecordError::Damaged)
    );
    // What version 1 wrote has neither a sum nor peaks for the highest share.
    let mut of_first = Record(Vec::new());
    of_first.peaks(&falls.peaks[0]);
    let (sums, sum) = (SHARES.len() * 40, 40);
    let older = [
        &[VERSION_WITHOUT_HALF],
        &record[1 + sum..=sums],
        &record[1 + sums + of_first.0.len()..],
    ]
    .concat();
    let read = Falls::from_record(FallSettings::default(), &older).unwrap();
    assert_eq!(read.peaks[0], Peaks::default());
    assert_eq!(read.peaks[1..], falls.peaks[1..]);
    assert_eq!(read.excursions[1..], falls.excursions[1..]);
    assert_eq!(
        (read.kappa, read.falling, read.level()),
        (falls.kappa, falls.falling, falls.level())
    );
    let mut other = record.clone();
    other[0] = 9;
    assert_eq!(
        Falls::from_record(FallSettings::default(), &other),
        Err(RecordError::Version(9))
    );
}

#[test]
fn the_sentence_has_the_numbers() {
    let evidence = FallEvidence {
        calls: 12,
        usual: 4_000.4,
        took: Duration::from_secs(40),
        log_odds: 22.0,
        threshold: 18.0,
        learning: true,
        page_every: PAGE_EVERY_DEFAULT,
    };
    assert_eq!(
        evidence.to_string(),
        "12 calls in 40 s where 4000 are usual; odds 10^9 : 1; budget one false page in 3 years; still learning"
    );
}
