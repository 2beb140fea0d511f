//! What is measured: cells of traffic and burstiness, with the labelled faults of some.

use early::Settings;

use crate::faults::measure::{
    DAYS_LEARNED, Delays, Harmless, Pages, Watched, disturb, snapshots, strike,
};
use crate::faults::world::{Bursts, World, Wrong};

/// Constant faults: the share of calls that fails.
pub(crate) const SHARES: [f64; 5] = [1.0, 0.5, 0.1, 0.02, 0.01];
const CONSTANT_WITHIN: u64 = 7_200;

/// One kind of function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) qps: f64,
    pub(crate) bursts: Bursts,
    pub(crate) dispersion: f64,
    functions: u64,
    days: u64,
    trials: u64,
    /// Whether all labelled faults are run, not only the constant ones.
    pub(crate) labelled: bool,
}

/// What a cell gave.
pub(crate) struct Measured {
    pub(crate) cell: Cell,
    pub(crate) function_days: u64,
    pub(crate) pages: Pages,
    /// Pages in the days of learning, of the early detector.
    pub(crate) pages_learning: u64,
    pub(crate) days_learning: u64,
    /// Length of a block in seconds, as learned.
    pub(crate) block_seconds: f64,
    pub(crate) constant: Vec<(f64, Delays)>,
    pub(crate) labelled: Vec<(&'static str, Delays)>,
    pub(crate) harmless: Vec<(&'static str, u64, Pages)>,
}

pub(crate) fn cells(days: u64) -> Vec<Cell> {
    let cell = |qps: f64, bursts, dispersion| Cell {
        qps,
        bursts,
        dispersion,
        functions: if qps > 500.0 { 2 } else { 4 },
        days: if qps > 5_000.0 { days / 2 } else { days },
        trials: if qps > 5_000.0 { 48 } else { 120 },
        labelled: false,
    };
    let mut cells = Vec::new();
    for qps in [10_000.0, 1_000.0, 100.0, 10.0, 1.0] {
        cells.push(cell(qps, Bursts::None, 1.0));
    }
    for qps in [1_000.0, 100.0, 10.0] {
        cells.extend(Bursts::KINDS.map(|bursts| cell(qps, bursts, 3.0)));
    }
    cells.extend(Bursts::KINDS.map(|bursts| cell(100.0, bursts, 5.0)));
    for cell in &mut cells {
        let plain = matches!(cell.bursts, Bursts::None | Bursts::Seconds | Bursts::Pods);
        cell.labelled = cell.qps > 50.0 && cell.qps < 500.0 && cell.dispersion < 4.0 && plain;
    }
    cells
}

pub(crate) fn run(cell: &Cell) -> Measured {
    let (mut pages, mut pages_learning) = (Pages::default(), 0);
    let mut learned = None;
    for function in 0..cell.functions {
        let world = World::new(1_000 + function, cell.qps, cell.bursts, cell.dispersion);
        let mut watched = Watched::new(world, Settings::default());
        pages_learning += watched.clean_days(DAYS_LEARNED).early;
        learned.get_or_insert_with(|| watched.clone());
        let found = watched.clean_days(cell.days);
        pages.early += found.early;
        pages.minute += found.minute;
        pages.burn_rate += found.burn_rate;
    }
    let learned = learned.expect("a cell has a function");
    let starts = snapshots(&learned);
    let constant = SHARES
        .iter()
        .map(|share| {
            let failing = |failing| Wrong {
                failing,
                ..Wrong::default()
            };
            (
                *share,
                trials(cell, &starts, CONSTANT_WITHIN, &|_| failing(*share)),
            )
        })
        .collect();
    let (labelled, harmless) = if cell.labelled {
        (labelled(cell, &starts), harmless(cell, &starts))
    } else {
        (vec![], vec![])
    };
    Measured {
        cell: *cell,
        function_days: cell.functions * cell.days,
        pages,
        pages_learning,
        days_learning: cell.functions * DAYS_LEARNED,
        block_seconds: learned.early.burstiness().1,
        constant,
        labelled,
        harmless,
    }
}

fn trials(cell: &Cell, starts: &[Watched], within: u64, wrong: &dyn Fn(u64) -> Wrong) -> Delays {
    let mut delays = Delays::default();
    for trial in 0..cell.trials {
        strike(starts, 50_000 + trial, within, wrong, &mut delays);
    }
    delays
}

fn labelled(cell: &Cell, starts: &[Watched]) -> Vec<(&'static str, Delays)> {
    let failing = |failing: f64| Wrong {
        failing,
        ..Wrong::default()
    };
    let faults: [(&'static str, &dyn Fn(u64) -> f64); 5] = [
        ("one unit of four fails", &|_| 0.25),
        ("a version with 10 % of calls fails half of them", &|_| 0.05),
        ("sidecar slow: timeouts rise to 30 % in 30 s", &|after| {
            0.3 * (after as f64 / 30.0).min(1.0)
        }),
        ("flapping: 20 % for 10 s of 30", &|after| {
            if after % 30 < 10 { 0.2 } else { 0.0 }
        }),
        ("slow burn: to 2 % in 30 min", &|after| {
            0.02 * (after as f64 / 1_800.0).min(1.0)
        }),
    ];
    faults
        .into_iter()
        .map(|(name, share)| {
            let wrong = |after| failing(share(after));
            (name, trials(cell, starts, CONSTANT_WITHIN, &wrong))
        })
        .collect()
}

fn harmless(cell: &Cell, starts: &[Watched]) -> Vec<(&'static str, u64, Pages)> {
    let kinds = [
        ("pipeline late by a minute", Harmless::Late),
        ("one pod of twenty fails for 3 s", Harmless::Blip),
        ("campaign: five times the calls", Harmless::Campaign),
        ("40 % of calls limited", Harmless::Limited),
    ];
    kinds
        .into_iter()
        .map(|(name, kind)| {
            let mut pages = Pages::default();
            for trial in 0..cell.trials {
                let found = disturb(starts, 90_000 + trial, kind);
                pages.early += found.early;
                pages.minute += found.minute;
                pages.burn_rate += found.burn_rate;
            }
            (name, cell.trials, pages)
        })
        .collect()
}
