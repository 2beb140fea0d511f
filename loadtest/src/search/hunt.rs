//! One search: warm-up, climb, bisection, soak. [`Hunt::want`] says what to send, [`Hunt::learn`] takes
//! what was seen. What is wanted follows from what is known, so asking twice gives the same answer.

mod learn;

use std::time::Duration;

use crate::plan::{CapacityPlan, Objective};
use crate::result::TrialResult;
use crate::search::book::Book;
use crate::search::judge::Judge;
use crate::search::length;
use crate::search::log::Log;
use crate::search::soak;
use crate::search::trial::{Purpose, Trial};
use crate::search::warm_up::WarmUp;

/// Each rate of the climb is so many times the one before.
const CLIMB_FACTOR: f64 = 2.0;
/// A later search that fails where the ones before held goes down by this share of it first, and by twice
/// as much each further time.
const NEAR_BELOW: f64 = 0.02;
/// One that holds there only looks whether it fails so much higher: the lowest result counts, so how much
/// better this one is matters no more than to tell noise.
const NEAR_ABOVE: f64 = 1.15;
/// The bracket is closed at this share of the plan's precision. The rest is for what differs between
/// searches, of which the lowest counts.
const PRECISION_SHARE: f64 = 0.5;
/// The search goes down to this share of its start before it says that nothing is carried.
const FLOOR_SHARE: f64 = 1.0 / 16.0;
/// Trials of one search at most.
const TRIALS_MAX: usize = 80;
/// Rates are products: two that are meant to be the same may differ in their last digits.
const SAME_RATE: f64 = 1e-9;
const WARM_UP: Duration = Duration::from_secs(5);
const BLOCK: Duration = Duration::from_secs(1);
const COOL_DOWN_AFTER_OVERLOAD: Duration = Duration::from_secs(5);

/// What every search of one plan has in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) plan: CapacityPlan,
    pub(super) objective: Objective,
    pub(super) judge: Judge,
    /// The highest rate that may be tried.
    pub(super) ceiling: f64,
}

/// What a search wants.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Want {
    Try(Trial),
    Over(Ending),
}

/// How a search ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ending {
    /// Between a rate that held and one that did not.
    Bracket { low: f64, high: f64 },
    /// Something other than the target ended it.
    Short { low: f64, why: String },
    /// No rate held.
    Nothing { why: String },
}

impl Ending {
    pub(super) fn low(&self) -> Option<f64> {
        match self {
            Ending::Bracket { low, .. } | Ending::Short { low, .. } => Some(*low),
            Ending::Nothing { .. } => None,
        }
    }
}

/// What the rates tried so far call for.
enum Next {
    Try(f64, Purpose),
    /// The highest rate that held, and the lowest that did not unless none could be found.
    Found {
        low: f64,
        high: Option<f64>,
    },
    Nothing {
        why: String,
    },
}

/// One search under way.
#[derive(Clone, Debug)]
pub(super) struct Hunt {
    terms: Terms,
    warm_up: WarmUp,
    book: Book,
    soaks: Book,
    /// Rates that are tried, in this order, before the search thinks for itself.
    approach: Vec<(f64, Purpose)>,
    /// What the searches before held; infinite in the first.
    held_before: f64,
    /// The first soak is no higher than this.
    soak_rate_max: f64,
    /// Why no higher rate can be tried, once the generator could not.
    blind: Option<String>,
    /// Whether any rate was carried so far.
    is_warm: bool,
    /// The lower end of the bracket while it is tried anew, because a soak below it failed.
    doubted: Option<f64>,
    was_doubted: bool,
    /// Trials in a row in which no call was answered.
    silent_trials: u32,
    was_warmed_twice: bool,
    is_over: Option<Ending>,
    cool_down: Duration,
    log: Log,
}

impl Hunt {
    /// The first search: nothing is known.
    pub(super) fn first(terms: Terms) -> Self {
        Hunt {
            terms,
            warm_up: WarmUp::default(),
            book: Book::default(),
            soaks: Book::default(),
            approach: vec![(terms.plan.start.min(terms.ceiling), Purpose::Climb)],
            held_before: f64::INFINITY,
            soak_rate_max: f64::INFINITY,
            blind: None,
            is_warm: false,
            doubted: None,
            was_doubted: false,
            silent_trials: 0,
            was_warmed_twice: false,
            is_over: None,
            cool_down: Duration::ZERO,
            log: Log::default(),
        }
    }

    /// A later search, number `number` from 2: does what the lowest one before found hold again? It comes
    /// there over rates that the others did not try: a load that fails below one that holds is seen then.
    pub(super) fn again(lowest: &Hunt, number: u32) -> Self {
        let mut hunt = Hunt {
            warm_up: lowest.warm_up.clone(),
            is_warm: true,
            cool_down: COOL_DOWN_AFTER_OVERLOAD,
            ..Hunt::first(lowest.terms)
        };
        if let Some((low, _)) = lowest.book.low() {
            let shift = f64::from(number % 3) * 0.05;
            hunt.held_before = low;
            hunt.approach = vec![
                (low * (0.5 + shift), Purpose::Climb),
                (low * (0.75 + shift), Purpose::Climb),
                (low, Purpose::Bisect),
                (
                    (low * NEAR_ABOVE).min(lowest.terms.ceiling),
                    Purpose::Bisect,
                ),
            ];
        }
        if let (Some((low, _)), Some(high)) = (lowest.soaks.low(), lowest.soaks.high()) {
            hunt.was_doubted = true;
            hunt.soak_rate_max = low;
            hunt.soaks.note_failed(high);
        }
        hunt
    }

    /// The trial that was judged last.
    pub(super) fn last_trial(&self) -> Option<&TrialResult> {
        self.log.trials.last()
    }

    /// What to do next.
    pub(super) fn want(&self) -> Want {
        if let Some(ending) = &self.is_over {
            return Want::Over(ending.clone());
        }
        if self.log.trials.len() >= TRIALS_MAX {
            let why = format!("{TRIALS_MAX} trials came to no end: they contradict one another");
            return Want::Over(Ending::Nothing { why });
        }
        if self.terms.ceiling <= 0.0 {
            let why = "this generator reached nothing against the built-in null server".to_owned();
            return Want::Over(Ending::Nothing { why });
        }
        if self.blind.is_none() && !self.warm_up.is_over() {
            return Want::Try(self.trial(self.start(), Purpose::WarmUp));
        }
        match self.next() {
            Next::Try(rate, purpose) => Want::Try(self.trial(rate, purpose)),
            Next::Found { low, high } => self.want_soak(low, high),
            Next::Nothing { why } => Want::Over(Ending::Nothing { why }),
        }
    }

    /// The next rate: up while nothing failed, down while nothing held, between the two otherwise.
    fn next(&self) -> Next {
        let (low, high) = (self.book.low(), self.book.high());
        if let (Some(why), None) = (&self.blind, low) {
            return Next::Nothing { why: why.clone() };
        }
        if let (None, Some(rate)) = (&self.blind, self.book.open()) {
            return Next::Try(rate, Purpose::Repeat);
        }
        if let (None, Some(step)) = (&self.blind, self.next_of_approach()) {
            return step;
        }
        match (low, high) {
            (None, None) => Next::Try(self.start(), Purpose::Climb),
            (None, Some(high)) => self.next_below(high),
            (Some((low, proven)), _) if self.is_closed(low, high) => {
                let rate_min = length::rate_min(&self.terms.objective);
                if low < rate_min {
                    let why = format!(
                        "it carries {low:.1}/s, and its percentile needs {rate_min:.1}/s to be measured in the longest trial: take a lower percentile"
                    );
                    Next::Nothing { why }
                } else if proven {
                    Next::Found {
                        low,
                        // A generator that failed between the two does not undo what both showed.
                        high: high.filter(|high| {
                            self.blind.is_none() || high / low <= NEAR_ABOVE + SAME_RATE
                        }),
                    }
                } else {
                    Next::Try(low, Purpose::Repeat)
                }
            }
            (Some((low, _)), Some(high)) => {
                let middle = (low * high).sqrt();
                Next::Try(middle.max(self.just_below(high)), Purpose::Bisect)
            }
            (Some((low, _)), None) => Next::Try(
                (low * self.climb_factor()).min(self.terms.ceiling),
                Purpose::Climb,
            ),
        }
    }

    fn next_of_approach(&self) -> Option<Next> {
        let low = self.book.low().map_or(0.0, |(low, _)| low);
        let high = self.book.high().unwrap_or(f64::INFINITY);
        let ahead = |(rate, _): &&(f64, Purpose)| *rate > low && *rate < high;
        let (rate, purpose) = self.approach.iter().find(ahead)?;
        Some(Next::Try(*rate, *purpose))
    }

    /// Where a later search tries next when it failed where the ones before held; 0 elsewhere.
    fn just_below(&self, high: f64) -> f64 {
        let gap = 1.0 - high / self.held_before;
        if self.held_before.is_finite() && gap > -SAME_RATE {
            self.held_before * (1.0 - (2.0 * gap).max(NEAR_BELOW))
        } else {
            0.0
        }
    }

    fn next_below(&self, high: f64) -> Next {
        let next = high / CLIMB_FACTOR;
        if next >= self.start() * FLOOR_SHARE {
            return Next::Try(next, Purpose::Climb);
        }
        let why = self
            .log
            .trials
            .last()
            .map_or("", |trial| trial.why.as_str());
        Next::Nothing {
            why: format!("nothing is carried, not even {high:.1}/s: {why}"),
        }
    }

    fn is_closed(&self, low: f64, high: Option<f64>) -> bool {
        let precision = self.terms.plan.precision;
        let width_max = if self.held_before.is_infinite() {
            1.0 + precision * PRECISION_SHARE
        } else if low < self.held_before {
            1.0 + precision
        } else {
            NEAR_ABOVE
        };
        self.blind.is_some()
            || low >= self.terms.ceiling
            || high.is_some_and(|high| high / low <= width_max + SAME_RATE)
    }

    fn climb_factor(&self) -> f64 {
        if self.held_before.is_finite() {
            NEAR_ABOVE
        } else {
            CLIMB_FACTOR
        }
    }

    fn start(&self) -> f64 {
        self.terms.plan.start.min(self.terms.ceiling)
    }

    /// Holds a share of the found rate for long; goes down when it does not hold, and narrows again.
    fn want_soak(&self, low: f64, high: Option<f64>) -> Want {
        let found = || Want::Over(self.found(low, high));
        if self.terms.plan.soak.is_zero() {
            return found();
        }
        let first = (low * soak::SHARE).min(self.soak_rate_max);
        let held = self.soaks.low().map(|(rate, _)| rate);
        if let Some(open) = self.soaks.open() {
            return Want::Try(self.trial(open, Purpose::Soak));
        }
        let rate = match (held, self.soaks.high()) {
            (None, None) => first,
            (None, Some(failed)) if first < failed => first,
            (None, Some(failed)) => failed * soak::STEP_DOWN,
            (Some(_), None) => return found(),
            (Some(held), Some(failed)) if failed / held <= 1.0 + self.terms.plan.precision => {
                return Want::Over(Ending::Bracket {
                    low: held,
                    high: failed,
                });
            }
            (Some(held), Some(failed)) => (held * failed).sqrt(),
        };
        if rate < low * soak::SHARE_MIN {
            let why = self
                .log
                .trials
                .last()
                .map_or("", |trial| trial.why.as_str());
            return Want::Over(Ending::Nothing {
                why: format!("it carries {low:.0}/s for a short time and no load for long: {why}"),
            });
        }
        Want::Try(self.trial(rate, Purpose::Soak))
    }

    fn found(&self, low: f64, high: Option<f64>) -> Ending {
        match high {
            Some(high) => Ending::Bracket { low, high },
            None => Ending::Short {
                low,
                why: self.why_short(),
            },
        }
    }

    fn why_short(&self) -> String {
        let (max, ceiling) = (self.terms.plan.max, self.terms.ceiling);
        match &self.blind {
            Some(why) => why.clone(),
            None if ceiling >= max => format!("the plan allows no more than {max:.0}/s"),
            None => format!(
                "this generator is sure up to {ceiling:.0}/s only (70 % of what it reached against the built-in null server)"
            ),
        }
    }

    fn trial(&self, rate: f64, purpose: Purpose) -> Trial {
        let Terms {
            plan, objective, ..
        } = &self.terms;
        let (duration, block) = match purpose {
            Purpose::WarmUp => (WARM_UP, BLOCK),
            Purpose::Climb => (length::of_climb(objective, rate), BLOCK),
            Purpose::Bisect | Purpose::Repeat => {
                (length::of_trial(objective, rate, plan.soak), BLOCK)
            }
            Purpose::Soak => (plan.soak, soak::block(plan.soak)),
        };
        Trial {
            rate,
            duration,
            block,
            purpose,
            cool_down: self.cool_down,
        }
    }

    /// How it ended when somebody stops it now.
    pub(super) fn stop(&self, why: String) -> Ending {
        let Some((low, is_proven)) = self.book.low() else {
            return Ending::Nothing { why };
        };
        let held = self.soaks.low().map(|(rate, _)| rate);
        let soaked = match held {
            _ if self.terms.plan.soak.is_zero() => Some(low),
            // A soak at its share of the rate is all that the search would have asked for.
            Some(held) if held >= low * soak::SHARE * (1.0 - SAME_RATE) => Some(low),
            held => held,
        };
        match soaked.filter(|_| is_proven) {
            Some(low) => Ending::Short { low, why },
            None => Ending::Nothing {
                why: format!("{why}; {low:.0}/s held in a trial and was not held for long yet"),
            },
        }
    }

    /// The rates that it tried.
    pub(super) fn book(&self) -> &Book {
        &self.book
    }

    /// What is kept of it.
    pub(super) fn into_log(self) -> (Option<f64>, Option<f64>, Log) {
        (
            self.book.low().map(|(low, _)| low),
            self.book.high(),
            self.log,
        )
    }
}
