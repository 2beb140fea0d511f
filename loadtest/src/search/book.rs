//! What is known of each rate that was tried.

use crate::search::judge::{Calls, Class, Judge, Judgement};

/// A rate is tried so often at most; then the majority of its trials decides.
pub(super) const TRIALS_OF_A_RATE_MAX: u32 = 7;
/// As soon as so many more trials lean one way than the other, the rest is not run;
const LEAD: u32 = 2;
/// and from so many trials on when the majority and the calls of all trials together say the same. The
/// number falls with the repeated trials that the search had in all: `(repeats up to, trials)`.
const TRIALS_IN_AGREEMENT: [(u32, u32); 2] = [(4, 5), (8, 3)];
/// After more repeats than those, the first trial of a rate decides: the search is to come to an end.
const TRIALS_OF_THE_IMPATIENT: u32 = 1;
/// Rates nearer to one another than this are the same.
const SAME: f64 = 1e-6;

/// How a rate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// More trials are needed.
    Open,
    /// The target carries it.
    Held {
        /// False when only a short trial of the climb says so.
        proven: bool,
    },
    /// The target does not carry it.
    Failed,
}

/// One rate with its trials.
#[derive(Clone, Debug)]
struct Point {
    rate: f64,
    standing: Standing,
    calls: Vec<Calls>,
    trials: u32,
    leaning_to_carried: u32,
}

/// Every rate that one search tried.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    points: Vec<Point>,
}

impl Book {
    /// The lowest rate that failed. It wins over any higher rate that held.
    pub(super) fn high(&self) -> Option<f64> {
        let failed = self
            .points
            .iter()
            .filter(|point| point.standing == Standing::Failed);
        failed.map(|point| point.rate).min_by(f64::total_cmp)
    }

    /// The highest rate that held below every rate that failed, and whether that is proven.
    pub(super) fn low(&self) -> Option<(f64, bool)> {
        let high = self.high().unwrap_or(f64::INFINITY);
        self.points
            .iter()
            .filter(|point| point.rate < high)
            .filter_map(|point| match point.standing {
                Standing::Held { proven } => Some((point.rate, proven)),
                Standing::Open | Standing::Failed => None,
            })
            .max_by(|one, other| one.0.total_cmp(&other.0))
    }

    /// The highest rate that is proven to have held, whatever failed below it.
    pub(super) fn highest_held(&self) -> Option<f64> {
        let held = |point: &&Point| point.standing == Standing::Held { proven: true };
        let held = self.points.iter().filter(held);
        held.map(|point| point.rate).max_by(f64::total_cmp)
    }

    /// A rate whose trials so far leave it open.
    pub(super) fn open(&self) -> Option<f64> {
        let point = self
            .points
            .iter()
            .find(|point| point.standing == Standing::Open)?;
        Some(point.rate)
    }

    /// A rate that held although a lower one failed.
    pub(super) fn contradiction(&self) -> Option<(f64, f64)> {
        let high = self.high()?;
        let held = self
            .points
            .iter()
            .find(|point| matches!(point.standing, Standing::Held { .. }) && point.rate > high)?;
        Some((held.rate, high))
    }

    /// Notes a trial of the climb: short, so what does not speak against the rate is enough to go on.
    pub(super) fn note_climb(&mut self, rate: f64, judgement: &Judgement, calls: Vec<Calls>) {
        let point = self.point(rate);
        point.add(judgement, calls);
        point.standing = match judgement.class {
            Class::Overloaded if judgement.certain => Standing::Failed,
            Class::Carried => Standing::Held { proven: false },
            Class::Unclear if judgement.leans_to_carried => Standing::Held { proven: false },
            Class::Overloaded | Class::Unclear => Standing::Open,
        };
    }

    /// Notes a trial that decides: a clear one at once, unclear ones together or by majority.
    pub(super) fn note(
        &mut self,
        rate: f64,
        judgement: &Judgement,
        calls: Vec<Calls>,
        judge: &Judge,
    ) {
        let repeats: u32 = self
            .points
            .iter()
            .map(|point| point.trials.saturating_sub(1))
            .sum();
        let enough = TRIALS_IN_AGREEMENT
            .into_iter()
            .find(|(up_to, _)| repeats <= *up_to)
            .map_or(TRIALS_OF_THE_IMPATIENT, |(_, trials)| trials);
        let point = self.point(rate);
        point.add(judgement, calls);
        point.standing = point.decide(judgement, judge, enough);
    }

    /// Notes a soak: one that is unclear is done again, two that are not carried are enough.
    pub(super) fn note_soak(&mut self, rate: f64, judgement: &Judgement) {
        let point = self.point(rate);
        point.add(judgement, Vec::new());
        point.standing = match judgement.class {
            Class::Carried => Standing::Held { proven: true },
            Class::Overloaded => Standing::Failed,
            Class::Unclear if point.trials > 1 => Standing::Failed,
            Class::Unclear => Standing::Open,
        };
    }

    /// Forgets what a rate's trials said: it is tried anew.
    pub(super) fn reopen(&mut self, rate: f64) {
        *self.point(rate) = Point::new(rate);
    }

    /// Notes that a rate counts as failed.
    pub(super) fn note_failed(&mut self, rate: f64) {
        self.point(rate).standing = Standing::Failed;
    }

    /// Forgets the rates that failed.
    pub(super) fn forget_failures(&mut self) {
        self.points
            .retain(|point| point.standing != Standing::Failed);
    }

    fn point(&mut self, rate: f64) -> &mut Point {
        let same = |point: &Point| (point.rate / rate - 1.0).abs() < SAME;
        let at = self.points.iter().position(same).unwrap_or_else(|| {
            self.points.push(Point::new(rate));
            self.points.len() - 1
        });
        &mut self.points[at]
    }
}

impl Point {
    fn new(rate: f64) -> Self {
        Point {
            rate,
            standing: Standing::Open,
            calls: Vec::new(),
            trials: 0,
            leaning_to_carried: 0,
        }
    }

    fn add(&mut self, judgement: &Judgement, calls: Vec<Calls>) {
        self.calls.extend(calls);
        self.trials += 1;
        self.leaning_to_carried += u32::from(judgement.leans_to_carried);
    }

    fn decide(&self, last: &Judgement, judge: &Judge, enough: u32) -> Standing {
        let against = self.trials - self.leaning_to_carried;
        let held = Standing::Held { proven: true };
        let together = judge.shares(&self.calls);
        let majority_carried = self.leaning_to_carried > against;
        // A queue that grows again and again is not refuted by calls that are not late yet.
        let in_agreement = together.leans_to_carried == majority_carried
            || !majority_carried && last.class == Class::Overloaded;
        let is_ahead = self.leaning_to_carried.abs_diff(against) >= LEAD || self.trials >= enough;
        if self.trials == 1 && enough > 1 {
            match last.class {
                Class::Carried => held,
                Class::Overloaded if last.certain => Standing::Failed,
                Class::Overloaded | Class::Unclear => Standing::Open,
            }
        } else if together.class == Class::Carried && last.leans_to_carried {
            held
        } else if together.class == Class::Overloaded && !last.leans_to_carried {
            Standing::Failed
        } else if !(is_ahead && in_agreement) && self.trials < TRIALS_OF_A_RATE_MAX {
            Standing::Open
        } else if majority_carried {
            held
        } else {
            Standing::Failed
        }
    }
}
