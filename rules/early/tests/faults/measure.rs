//! Runs detectors over a world: false pages of clean days, delays of faults.

use early::{Change, Detector, Look, Settings};

use super::rivals::Windows;
use super::world::{LOOKS, Slots, World, Wrong};

/// Clean days before anything is measured.
pub(crate) const DAYS_LEARNED: u64 = 14;
const DAY: u64 = 86_400;

/// A function with everything that watches it.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    pub(crate) world: World,
    pub(crate) early: Detector,
    pub(crate) minute: Windows,
    pub(crate) burn_rate: Windows,
}

/// Pages of each detector.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pages {
    pub(crate) early: u64,
    pub(crate) minute: u64,
    pub(crate) burn_rate: u64,
}

/// Feeds a second into a detector. Gives the page and in which tenth of the second it came.
pub(crate) fn feed(
    detector: &mut Detector,
    second: u64,
    slots: &Slots,
    clean: bool,
) -> Option<(usize, Change)> {
    let mut page = None;
    for (index, (calls, failed)) in slots.iter().enumerate() {
        if *calls == 0 {
            continue;
        }
        let look = Look {
            at_ms: second * 1_000 + index as u64 * 100 + 99,
            calls: *calls,
            failed: *failed,
            clean,
        };
        if let Some(change @ Change::Failing(_)) = detector.look(look)
            && page.is_none()
        {
            page = Some((index, change));
        }
    }
    page
}

pub(crate) fn add_up(slots: &Slots) -> (u64, u64) {
    slots
        .iter()
        .fold((0, 0), |sum, slot| (sum.0 + slot.0, sum.1 + slot.1))
}

impl Watched {
    pub(crate) fn new(world: World, settings: Settings) -> Watched {
        Watched {
            world,
            early: Detector::new(settings),
            minute: Windows::minute(),
            burn_rate: Windows::burn_rate(),
        }
    }

    /// Clean days, with the pages they should not have had.
    pub(crate) fn clean_seconds(&mut self, seconds: u64) -> Pages {
        let mut pages = Pages::default();
        for _ in 0..seconds {
            let (second, slots) = self.world.next(Wrong::default());
            pages.early += u64::from(feed(&mut self.early, second, &slots, true).is_some());
            let (calls, failed) = add_up(&slots);
            pages.minute += u64::from(self.minute.second(calls, failed));
            pages.burn_rate += u64::from(self.burn_rate.second(calls, failed));
        }
        pages
    }

    pub(crate) fn clean_days(&mut self, days: u64) -> Pages {
        self.clean_seconds(days * DAY)
    }
}

/// How long a detector took, in calls of the function and in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delay {
    pub(crate) calls: f64,
    pub(crate) seconds: f64,
}

/// Delays of one fault over many trials; `None` is a miss.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delays {
    pub(crate) early: Vec<Option<Delay>>,
    pub(crate) minute: Vec<Option<Delay>>,
    pub(crate) burn_rate: Vec<Option<Delay>>,
}

/// A clean day after learning, one copy an hour: where faults begin.
pub(crate) fn snapshots(learned: &Watched) -> Vec<Watched> {
    let mut watched = learned.clone();
    let hours = (0..24).map(|_| {
        watched.clean_seconds(3_600);
        watched.clone()
    });
    hours.collect()
}

fn begin(snapshots: &[Watched], seed: u64) -> Watched {
    let mut watched = snapshots[seed as usize % snapshots.len()].clone();
    watched.world = watched.world.fork(seed);
    let lead = 60 + (watched.world.draw() * 600.0) as u64;
    watched.clean_seconds(lead);
    watched
}

/// Runs one fault: `wrong` says what is wrong so many seconds after its beginning.
pub(crate) fn strike(
    snapshots: &[Watched],
    seed: u64,
    within: u64,
    wrong: &dyn Fn(u64) -> Wrong,
    delays: &mut Delays,
) {
    let mut watched = begin(snapshots, seed);
    let (mut early, mut minute, mut burn_rate) = (None, None, None);
    let mut calls_before = 0_u64;
    for after in 0..within {
        let (second, slots) = watched.world.next(wrong(after));
        let (calls, failed) = add_up(&slots);
        if early.is_none()
            && let Some((index, _)) = feed(&mut watched.early, second, &slots, false)
        {
            let so_far: u64 = slots.iter().take(index + 1).map(|slot| slot.0).sum();
            early = Some(Delay {
                calls: (calls_before + so_far) as f64,
                seconds: after as f64 + (index + 1) as f64 / 10.0,
            });
        }
        calls_before += calls;
        let whole = Delay {
            calls: calls_before as f64,
            seconds: (after + 1) as f64,
        };
        if watched.minute.second(calls, failed) && minute.is_none() {
            minute = Some(whole);
        }
        if watched.burn_rate.second(calls, failed) && burn_rate.is_none() {
            burn_rate = Some(whole);
        }
        if early.is_some() && minute.is_some() && burn_rate.is_some() {
            break;
        }
    }
    delays.early.push(early);
    delays.minute.push(minute);
    delays.burn_rate.push(burn_rate);
}

/// What looks like a fault and is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harmless {
    /// Nothing arrives for a minute, then all at once.
    Late,
    /// One pod of twenty fails for three seconds.
    Blip,
    /// Five times the calls for ten minutes.
    Campaign,
    /// Four of ten calls are limited, which does not count.
    Limited,
}

/// Runs something harmless for ten minutes; gives the pages.
pub(crate) fn disturb(snapshots: &[Watched], seed: u64, harmless: Harmless) -> Pages {
    let mut watched = begin(snapshots, seed);
    let mut pages = Pages::default();
    let mut waiting: Slots = [(0, 0); LOOKS];
    for after in 0..600 {
        let wrong = match harmless {
            Harmless::Blip if after < 3 => Wrong {
                failing: 0.05,
                ..Wrong::default()
            },
            Harmless::Campaign => Wrong {
                more: 5.0,
                ..Wrong::default()
            },
            Harmless::Limited => Wrong {
                missing: 0.4,
                ..Wrong::default()
            },
            Harmless::Late | Harmless::Blip => Wrong::default(),
        };
        let (second, mut slots) = watched.world.next(wrong);
        let (calls, failed) = add_up(&slots);
        pages.minute += u64::from(watched.minute.second(calls, failed));
        pages.burn_rate += u64::from(watched.burn_rate.second(calls, failed));
        if harmless == Harmless::Late && after < 60 {
            waiting[0].0 += calls;
            waiting[0].1 += failed;
            continue;
        }
        slots[0].0 += waiting[0].0;
        slots[0].1 += waiting[0].1;
        waiting[0] = (0, 0);
        pages.early += u64::from(feed(&mut watched.early, second, &slots, true).is_some());
    }
    pages
}
